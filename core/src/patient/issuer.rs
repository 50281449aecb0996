//! Who gave an identifier out: names are unique only within their issuer.

use super::value::{Checked, LO, LT, Private, identifier, is_oid, line};
use crate::error::{PatientError, Problem};

/// An issuer as it comes in; checked by the method that takes it. `"City Hospital".into()` is a name alone, `""` an
/// issuer that nobody knows.
#[derive(Clone, Copy, Default)]
pub struct Issuer<'a> {
    /// What the institution calls it.
    pub name: &'a str,
    /// What the world calls it (UniversalEntityIDType, UniversalEntityID), for example `(Iso, "1.2.276.0.76.3.1")`.
    pub universal: Option<(UniversalEntityIdType, &'a str)>,
}

impl<'a> From<&'a str> for Issuer<'a> {
    fn from(name: &'a str) -> Self {
        Self { name, universal: None }
    }
}

/// UniversalEntityIDType (0040,0033).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UniversalEntityIdType {
    /// `DNS`: a domain name.
    Dns,
    /// `EUI64`: an IEEE extended unique identifier.
    Eui64,
    /// `ISO`: an object identifier.
    Iso,
    /// `URI`: a uniform resource identifier.
    Uri,
    /// `UUID`: a universally unique identifier.
    Uuid,
    /// `X400`: an X.400 address.
    X400,
    /// `X500`: an X.500 distinguished name.
    X500,
}

impl UniversalEntityIdType {
    /// The value of the attribute.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Dns => "DNS",
            Self::Eui64 => "EUI64",
            Self::Iso => "ISO",
            Self::Uri => "URI",
            Self::Uuid => "UUID",
            Self::X400 => "X400",
            Self::X500 => "X500",
        }
    }
}

/// An identifier with its issuer.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    /// The identifier itself.
    pub(crate) id: Private<String>,
    /// IssuerOfPatientID, or LocalNamespaceEntityID in an issuer sequence. Fits LO.
    pub(crate) issuer_name: Option<Private<String>>,
    /// UniversalEntityID and its type.
    pub(crate) universal: Option<(Private<String>, UniversalEntityIdType)>,
}

impl Issued {
    /// `None` when there is no identifier; the issuer is checked all the same.
    pub(super) fn new(
        keyword: &'static str,
        max: usize,
        id: &str,
        issuer_keyword: &'static str,
        issuer: Issuer<'_>,
    ) -> Result<Option<Self>, PatientError> {
        let issuer_name = line(issuer_keyword, LO, issuer.name)?;
        let universal = match issuer.universal {
            Some((kind, text)) => universal(kind, text)?.map(|id| (id, kind)),
            None => None,
        };
        Ok(identifier(keyword, max, id)?.map(|id| Self { id, issuer_name, universal }))
    }

    /// Whether anything is known of the issuer.
    pub(crate) fn has_issuer(&self) -> bool {
        self.issuer_name.is_some() || self.universal.is_some()
    }
}

fn universal(kind: UniversalEntityIdType, text: &str) -> Checked {
    const KEYWORD: &str = "UniversalEntityID";
    let Some(id) = identifier(KEYWORD, LT, text)? else { return Err(PatientError::Missing(KEYWORD)) };
    let value = id.expose();
    let fits = match kind {
        UniversalEntityIdType::Iso => is_oid(value),
        UniversalEntityIdType::Uuid => value.len() == 36 && uuid::Uuid::try_parse(value).is_ok(),
        UniversalEntityIdType::Uri => value.contains(':') && !value.contains(' '),
        _ => true,
    };
    if fits { Ok(Some(id)) } else { Err(PatientError::Invalid { keyword: KEYWORD, problem: Problem::NotOfItsType }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn universal_ids_have_the_form_of_their_type() {
        use UniversalEntityIdType::*;
        let invalid = Err(PatientError::Invalid { keyword: "UniversalEntityID", problem: Problem::NotOfItsType });
        for (kind, text, expected) in [
            (Iso, "1.2.276.0.76.3.1", Ok(true)),
            (Iso, "2.999.1", Ok(true)),
            (Iso, "1.2.", invalid),
            (Iso, "urn:oid:1.2.3", invalid),
            (Uuid, "a5afddf4-e880-459b-876e-e4591b0acc11", Ok(true)),
            (Uuid, "a5afddf4e880459b876ee4591b0acc11", invalid),
            (Uuid, "a5afddf4-e880-459b-876e-e4591b0acc1g", invalid),
            (Uri, "https://example.org/mrn", Ok(true)),
            (Uri, "example", invalid),
            (Uri, "https://example.org/m rn", invalid),
            (Dns, "example.org", Ok(true)),
            (Dns, " ", Err(PatientError::Missing("UniversalEntityID"))),
        ] {
            assert_eq!(universal(kind, text).map(|id| id.is_some()), expected, "{text}");
        }
    }

    #[test]
    fn an_issuer_without_an_id_is_checked_and_dropped() {
        let issued = Issued::new("AccessionNumber", 16, "", "LocalNamespaceEntityID", "City Hospital".into());
        assert!(issued.is_ok_and(|issued| issued.is_none()));
        let issued = Issued::new("AccessionNumber", 16, "", "LocalNamespaceEntityID", "City\nHospital".into());
        let expected = PatientError::Invalid { keyword: "LocalNamespaceEntityID", problem: Problem::ControlCharacter };
        assert_eq!(issued.err(), Some(expected));
    }
}
