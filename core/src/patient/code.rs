//! Coded concepts (PS3.3 8.8).

use super::value::{LO, LT, Private, SH, identifier, line};
use crate::error::{PatientError, Problem};

/// A code, the scheme it is from and what it means. Cannot be printed: a code may tell a diagnosis or a person.
#[derive(Clone, PartialEq, Eq)]
pub struct CodedConcept {
    /// CodeValue when it fits SH, else LongCodeValue: see [`CodedConcept::is_long`].
    pub(crate) value: Private<String>,
    /// CodingSchemeDesignator, SH.
    pub(crate) scheme: Private<String>,
    /// CodeMeaning, LO.
    pub(crate) meaning: Private<String>,
}

impl CodedConcept {
    /// Checks a code: `CodedConcept::new("84607009", "SCT", "Skin of heel")`.
    ///
    /// # Errors
    /// [`PatientError::Missing`] for an empty part. [`PatientError::Invalid`] for one that breaks its VR, for the retired
    /// SNOMED schemes `SRT`, `SNM3` and `99SDM` (`SCT` took their place) and for an `SCT` code that is not a number.
    pub fn new(value: &str, scheme: &str, meaning: &str) -> Result<Self, PatientError> {
        const SCHEME: &str = "CodingSchemeDesignator";
        let concept = Self {
            value: identifier("CodeValue", LT, value)?.ok_or(PatientError::Missing("CodeValue"))?,
            scheme: identifier(SCHEME, SH, scheme)?.ok_or(PatientError::Missing(SCHEME))?,
            meaning: line("CodeMeaning", LO, meaning)?.ok_or(PatientError::Missing("CodeMeaning"))?,
        };
        match concept.scheme.expose().to_ascii_uppercase().as_str() {
            "SRT" | "SNM3" | "99SDM" => Err(PatientError::Invalid { keyword: SCHEME, problem: Problem::RetiredScheme }),
            "SCT" if !concept.value.expose().bytes().all(|b| b.is_ascii_digit()) => {
                Err(PatientError::Invalid { keyword: "CodeValue", problem: Problem::NotACode })
            }
            _ => Ok(concept),
        }
    }

    /// Whether the value goes to LongCodeValue (0008,0119) because SH cannot hold it.
    pub(crate) fn is_long(&self) -> bool {
        self.value.expose().chars().count() > SH
    }
}
