//! General Series module (PS3.3 C.7.3.1): one series a session and SOP Class. Laterality is never written here: ImageLaterality
//! carries the side, and the two exclude each other.

use dicom_dictionary_std::tags;

use super::Capture;
use super::patient::issued;
use super::value::{Attributes, concept};
use crate::error::DicomError;
use crate::patient::{Encounter, Order};

pub(super) fn write(object: &mut Attributes, capture: &Capture<'_>) -> Result<(), DicomError> {
    let encounter = capture.encounter;
    object.text(tags::MODALITY, capture.view.sop_class.modality())?;
    object.text(tags::SERIES_INSTANCE_UID, capture.series_instance_uid)?;
    object.integer(tags::SERIES_NUMBER, capture.series_number)?;
    object.known(tags::OPERATORS_NAME, encounter.operators_name.as_ref())?;
    if let Some(person) = &encounter.operator_identification {
        let mut item = Attributes::new();
        item.items(tags::PERSON_IDENTIFICATION_CODE_SEQUENCE, [concept(&person.code)?])?;
        item.text(tags::INSTITUTION_NAME, person.institution_name.expose())?;
        object.items(tags::OPERATOR_IDENTIFICATION_SEQUENCE, [item])?;
    }
    match &encounter.order {
        Some(order) => object.items(tags::REQUEST_ATTRIBUTES_SEQUENCE, [request(capture, encounter, order)?]),
        None => Ok(()),
    }
}

/// Request Attributes macro (PS3.3 10.6).
fn request(capture: &Capture<'_>, encounter: &Encounter, order: &Order) -> Result<Attributes, DicomError> {
    let mut item = Attributes::new();
    item.known(tags::REQUESTED_PROCEDURE_ID, order.requested_procedure_id.as_ref())?;
    item.known(tags::SCHEDULED_PROCEDURE_STEP_ID, order.scheduled_procedure_step_id.as_ref())?;
    item.known(tags::REQUESTED_PROCEDURE_DESCRIPTION, order.requested_procedure_description.as_ref())?;
    item.known(tags::REASON_FOR_THE_REQUESTED_PROCEDURE, order.reason_for_the_requested_procedure.as_ref())?;
    item.concepts(tags::REQUESTED_PROCEDURE_CODE_SEQUENCE, order.requested_procedure_code.as_slice())?;
    item.text(tags::STUDY_INSTANCE_UID, capture.study_instance_uid)?;
    if let Some(number) = &encounter.accession_number {
        issued(&mut item, (tags::ACCESSION_NUMBER, tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE), number)?;
    }
    Ok(item)
}
