//! Whom: the Patient module (PS3.3 C.7.1.1).

use super::issuer::{Issued, Issuer};
use super::name::{Name, person_name};
use super::value::{LO, Private, SH, date};
use crate::error::{PatientError, Problem};

/// The patient whose chart the photo belongs to. Cannot be printed.
///
/// Each method checks its value against the attribute's VR; an empty value leaves the attribute empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Patient {
    /// PatientID, IssuerOfPatientID, IssuerOfPatientIDQualifiersSequence.
    pub(crate) patient_id: PatientIdentifier,
    /// OtherPatientIDsSequence, each of TypeOfPatientID TEXT.
    pub(crate) other_patient_ids: Vec<PatientIdentifier>,
    /// PatientName, PN.
    pub(crate) patient_name: Option<Private<String>>,
    /// PatientBirthDate, DA.
    pub(crate) patient_birth_date: Option<Private<String>>,
    /// PatientSex.
    pub(crate) patient_sex: Option<Private<Sex>>,
    /// Id of the FHIR resource that this was read from.
    pub(super) resource_id: Option<Private<String>>,
}

/// One of the patient's identifiers.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PatientIdentifier {
    /// Identifier and issuer.
    pub(crate) issued: Issued,
    /// IdentifierTypeCode (0040,0035): HL7 table 0203.
    pub(crate) identifier_type_code: Option<Private<String>>,
}

/// PatientSex (0010,0040); not known is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sex {
    /// `F`.
    Female,
    /// `M`.
    Male,
    /// `O`.
    Other,
}

impl Sex {
    /// The value of the attribute.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Female => "F",
            Self::Male => "M",
            Self::Other => "O",
        }
    }
}

impl Patient {
    /// PatientID (LO) and its issuer, as a medical record number (IdentifierTypeCode MR).
    ///
    /// # Errors
    /// [`PatientError::Missing`] without an id; [`PatientError::Invalid`] for an id or issuer that breaks its VR.
    pub fn new<'a>(patient_id: &str, issuer: impl Into<Issuer<'a>>) -> Result<Self, PatientError> {
        PatientIdentifier::new(patient_id, issuer.into(), "MR").map(Self::identified_by)
    }

    /// Nothing known but this.
    pub(super) fn identified_by(patient_id: PatientIdentifier) -> Self {
        Self {
            patient_id,
            other_patient_ids: Vec::new(),
            patient_name: None,
            patient_birth_date: None,
            patient_sex: None,
            resource_id: None,
        }
    }

    /// One more item of OtherPatientIDsSequence (0010,1002), with its IdentifierTypeCode of HL7 table 0203 (may be empty).
    ///
    /// # Errors
    /// As [`Patient::new`].
    pub fn other_patient_id<'a>(
        mut self,
        patient_id: &str,
        issuer: impl Into<Issuer<'a>>,
        identifier_type_code: &str,
    ) -> Result<Self, PatientError> {
        self.other_patient_ids.push(PatientIdentifier::new(patient_id, issuer.into(), identifier_type_code)?);
        Ok(self)
    }

    /// PatientName (0010,0010): `"Müller^Zoë"`, or a [`Name`] by its components.
    ///
    /// # Errors
    /// [`PatientError::Invalid`]; a group has at most 64 characters.
    pub fn patient_name<'a>(mut self, name: impl Into<Name<'a>>) -> Result<Self, PatientError> {
        self.patient_name = person_name("PatientName", name.into())?;
        Ok(self)
    }

    /// PatientBirthDate (0010,0030): `YYYY-MM-DD` or `YYYYMMDD`. DA has no place for a year alone: leave it empty then.
    ///
    /// # Errors
    /// [`PatientError::Invalid`] for what is no full date of the calendar.
    pub fn patient_birth_date(mut self, birth_date: &str) -> Result<Self, PatientError> {
        self.patient_birth_date = date("PatientBirthDate", birth_date)?;
        Ok(self)
    }

    /// PatientSex (0010,0040).
    #[must_use]
    pub fn patient_sex(mut self, sex: Sex) -> Self {
        self.patient_sex = Some(Private::new(sex));
        self
    }
}

impl PatientIdentifier {
    pub(super) fn new(id: &str, issuer: Issuer<'_>, type_code: &str) -> Result<Self, PatientError> {
        const TYPE: &str = "IdentifierTypeCode";
        let issued = Issued::new("PatientID", LO, id, "IssuerOfPatientID", issuer)?;
        let identifier_type_code = super::value::identifier(TYPE, SH, type_code)?;
        if identifier_type_code.as_ref().is_some_and(|code| !is_code_string(code.expose())) {
            return Err(PatientError::Invalid { keyword: TYPE, problem: Problem::NotACode });
        }
        Ok(Self { issued: issued.ok_or(PatientError::Missing("PatientID"))?, identifier_type_code })
    }
}

/// The characters of VR CS.
fn is_code_string(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b' '))
}
