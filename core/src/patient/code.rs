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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checked() {
        use PatientError::{Invalid, Missing};
        let scheme = "CodingSchemeDesignator";
        for (value, designator, meaning, expected) in [
            ("84607009", "SCT", "Skin of heel", None),
            ("T-D1234", "99LOCAL", "Ours", None),
            ("", "SCT", "Skin of heel", Some(Missing("CodeValue"))),
            ("84607009", " ", "Skin of heel", Some(Missing(scheme))),
            ("84607009", "SCT", "", Some(Missing("CodeMeaning"))),
            ("T-D1234", "SRT", "Heel", Some(Invalid { keyword: scheme, problem: Problem::RetiredScheme })),
            ("T-D1234", "snm3", "Heel", Some(Invalid { keyword: scheme, problem: Problem::RetiredScheme })),
            ("T-D1234", "99SDM", "Heel", Some(Invalid { keyword: scheme, problem: Problem::RetiredScheme })),
            ("T-D1234", "SCT", "Heel", Some(Invalid { keyword: "CodeValue", problem: Problem::NotACode })),
            ("1", "12345678901234567", "Heel", Some(Invalid { keyword: scheme, problem: Problem::TooLong })),
            ("1\\2", "99X", "Heel", Some(Invalid { keyword: "CodeValue", problem: Problem::Delimiter })),
        ] {
            assert_eq!(CodedConcept::new(value, designator, meaning).err(), expected, "{value} {designator}");
        }
    }

    #[test]
    fn seventeen_characters_are_long() {
        for (value, long) in [("1234567890123456", false), ("12345678901234567", true)] {
            assert!(CodedConcept::new(value, "99X", "m").is_ok_and(|code| code.is_long() == long));
        }
    }
}
