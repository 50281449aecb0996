//! Patient module (PS3.3 C.7.1.1), and the issuers of identifiers.

use dicom_dictionary_std::tags;

use super::value::Attributes;
use crate::error::DicomError;
use crate::patient::{Issued, Patient, PatientIdentifier};

pub(super) fn write(object: &mut Attributes, patient: &Patient) -> Result<(), DicomError> {
    object.known_or_empty(tags::PATIENT_NAME, patient.patient_name.as_ref())?;
    identifier(object, &patient.patient_id)?;
    object.known_or_empty(tags::PATIENT_BIRTH_DATE, patient.patient_birth_date.as_ref())?;
    match &patient.patient_sex {
        Some(sex) => object.text(tags::PATIENT_SEX, sex.expose().code())?,
        None => object.empty(tags::PATIENT_SEX)?,
    }
    if patient.other_patient_ids.is_empty() {
        return Ok(());
    }
    let mut items = Vec::new();
    for other in &patient.other_patient_ids {
        let mut item = Attributes::new();
        identifier(&mut item, other)?;
        item.text(tags::TYPE_OF_PATIENT_ID, "TEXT")?;
        items.push(item);
    }
    object.items(tags::OTHER_PATIENT_I_DS_SEQUENCE, items)
}

fn identifier(item: &mut Attributes, identifier: &PatientIdentifier) -> Result<(), DicomError> {
    item.text(tags::PATIENT_ID, identifier.issued.id.expose())?;
    item.known(tags::ISSUER_OF_PATIENT_ID, identifier.issued.issuer_name.as_ref())?;
    if identifier.issued.universal.is_none() && identifier.identifier_type_code.is_none() {
        return Ok(());
    }
    let mut qualifiers = Attributes::new();
    universal_entity(&mut qualifiers, &identifier.issued)?;
    qualifiers.known(tags::IDENTIFIER_TYPE_CODE, identifier.identifier_type_code.as_ref())?;
    item.items(tags::ISSUER_OF_PATIENT_ID_QUALIFIERS_SEQUENCE, [qualifiers])
}

fn universal_entity(item: &mut Attributes, issued: &Issued) -> Result<(), DicomError> {
    if let Some((id, kind)) = &issued.universal {
        item.text(tags::UNIVERSAL_ENTITY_ID, id.expose())?;
        item.text(tags::UNIVERSAL_ENTITY_ID_TYPE, kind.code())?;
    }
    Ok(())
}

/// Writes an identifier and its issuer (HL7v2 Hierarchic Designator macro, PS3.3 10.14).
pub(super) fn issued(
    object: &mut Attributes,
    (tag, issuer_tag): (dicom_core::Tag, dicom_core::Tag),
    issued: &Issued,
) -> Result<(), DicomError> {
    object.text(tag, issued.id.expose())?;
    if !issued.has_issuer() {
        return Ok(());
    }
    let mut item = Attributes::new();
    item.known(tags::LOCAL_NAMESPACE_ENTITY_ID, issued.issuer_name.as_ref())?;
    universal_entity(&mut item, issued)?;
    object.items(issuer_tag, [item])
}
