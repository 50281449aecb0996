//! Whom and where: [`Patient`], [`Encounter`], [`AnatomicSite`], [`Lesion`].
//!
//! Values are checked against their VR (PS3.5 6.2) when they come in. None of these types can be printed or serialised.
//!
//! ```
//! use moulage::patient::{Encounter, Issuer, Laterality, Patient, Sex, SiteList, UniversalEntityIdType};
//!
//! # fn main() -> Result<(), moulage::PatientError> {
//! let universal = Some((UniversalEntityIdType::Iso, "1.2.276.0.76.3.1"));
//! let patient = Patient::new("MRN-1", Issuer { name: "City Hospital", universal })?
//!     .patient_name("Yamada^Tarou=山田^太郎=やまだ^たろう")?
//!     .patient_birth_date("1974-12-25")?
//!     .patient_sex(Sex::Male);
//! let encounter = Encounter::default().admission_id("V-7", "City Hospital")?.operators_name("Nurse^Nora")?;
//! let site = SiteList::standard().site("heel")?.on(Laterality::Left)?.labelled("2 cm above the scar")?;
//! # Ok(())
//! # }
//! ```

mod code;
mod encounter;
mod fhir;
mod identity;
mod issuer;
mod lesion;
mod name;
mod site;
mod value;

pub use code::CodedConcept;
pub use encounter::{Encounter, Order};
pub use identity::{Patient, Sex};
pub use issuer::{Issuer, UniversalEntityIdType};
pub use lesion::Lesion;
pub use name::{Name, NameGroup};
pub use site::{AnatomicSite, Laterality, Site, SiteList};

pub(crate) use identity::PatientIdentifier;
pub(crate) use issuer::Issued;
pub(crate) use value::Private;

#[cfg(test)]
mod tests {
    use std::fmt::{Debug, Display};

    use proptest::prelude::*;
    use serde::Serialize;
    use static_assertions::assert_not_impl_any;

    use super::*;
    use crate::error::PatientError;

    assert_not_impl_any!(Patient: Debug, Display, Serialize);
    assert_not_impl_any!(Encounter: Debug, Display, Serialize);
    assert_not_impl_any!(Order: Debug, Display, Serialize);
    assert_not_impl_any!(AnatomicSite: Debug, Display, Serialize);
    assert_not_impl_any!(Lesion: Debug, Display, Serialize);
    assert_not_impl_any!(CodedConcept: Debug, Display, Serialize);
    assert_not_impl_any!(Name<'static>: Debug, Display, Serialize);
    assert_not_impl_any!(NameGroup<'static>: Debug, Display, Serialize);
    assert_not_impl_any!(Issuer<'static>: Debug, Display, Serialize);
    assert_not_impl_any!(Issued: Debug, Display, Serialize);
    assert_not_impl_any!(PatientIdentifier: Debug, Display, Serialize);
    assert_not_impl_any!(super::encounter::PersonIdentification: Debug, Display, Serialize);
    assert_not_impl_any!(Private<String>: Debug, Display, Serialize);
    assert_not_impl_any!(Private<Sex>: Debug, Display, Serialize);

    /// A VR, and what a constructor made of a text for it: `None` when it left the attribute empty.
    type Accepted = (&'static str, Option<String>);

    /// The text in every place that takes one.
    fn everywhere(text: &str) -> Vec<Result<Accepted, PatientError>> {
        fn of(vr: &'static str, value: &Option<Private<String>>) -> Accepted {
            (vr, value.as_ref().map(|value| value.expose().clone()))
        }
        fn issued(vr: &'static str, value: &Option<Issued>) -> Accepted {
            (vr, value.as_ref().map(|value| value.id.expose().clone()))
        }
        let patient = || Patient::new("1", "").unwrap();
        let visit = Encounter::default;
        let order = Order::default;
        let universal = |kind| Issuer { universal: Some((kind, text)), ..Issuer::default() };
        let concept = || CodedConcept::new("1", "99X", "m").unwrap();
        let mut all = vec![
            Patient::new(text, "").map(|p| ("LO", Some(p.patient_id.issued.id.expose().clone()))),
            Patient::new("1", text).map(|p| of("LO", &p.patient_id.issued.issuer_name)),
            patient().other_patient_id(text, text, "").map(|p| of("LO", &p.other_patient_ids[0].issued.issuer_name)),
            patient().other_patient_id("1", "", text).map(|p| of("CS", &p.other_patient_ids[0].identifier_type_code)),
            patient().patient_name(text).map(|p| of("PN", &p.patient_name)),
            patient().patient_birth_date(text).map(|p| of("DA", &p.patient_birth_date)),
            visit().study_instance_uid(text).map(|e| of("UI", &e.study_instance_uid)),
            visit().study_id(text).map(|e| of("SH", &e.study_id)),
            visit().study_description(text).map(|e| of("LO", &e.study_description)),
            visit().accession_number(text, text).map(|e| issued("SH", &e.accession_number)),
            visit().referring_physician_name(text).map(|e| of("PN", &e.referring_physician_name)),
            visit().operators_name(text).map(|e| of("PN", &e.operators_name)),
            visit()
                .operator_identification(concept(), text)
                .map(|e| ("LO", e.operator_identification.map(|person| person.institution_name.expose().clone()))),
            visit().institution_name(text).map(|e| of("LO", &e.institution_name)),
            visit().institutional_department_name(text).map(|e| of("LO", &e.institutional_department_name)),
            visit().admission_id(text, "").map(|e| issued("LO", &e.admission_id)),
            visit().service_episode_id(text, "").map(|e| issued("LO", &e.service_episode_id)),
            visit().reason_for_visit(text).map(|e| of("UT", &e.reason_for_visit)),
            order().requested_procedure_id(text).map(|o| of("SH", &o.requested_procedure_id)),
            order().scheduled_procedure_step_id(text).map(|o| of("SH", &o.scheduled_procedure_step_id)),
            order().requested_procedure_description(text).map(|o| of("LO", &o.requested_procedure_description)),
            order().reason_for_the_requested_procedure(text).map(|o| of("LO", &o.reason_for_the_requested_procedure)),
            order().placer_order_number(text).map(|o| of("LO", &o.placer_order_number)),
            order().filler_order_number(text).map(|o| of("LO", &o.filler_order_number)),
            CodedConcept::new(text, "99X", "m").map(|c| ("UC", Some(c.value.expose().clone()))),
            CodedConcept::new("1", text, "m").map(|c| ("SH", Some(c.scheme.expose().clone()))),
            CodedConcept::new("1", "99X", text).map(|c| ("LO", Some(c.meaning.expose().clone()))),
            Lesion::new(text, "1.2.3").map(|l| ("UT", Some(l.tracking_id.expose().clone()))),
            Lesion::new("l", text).map(|l| ("UI", Some(l.tracking_uid.expose().clone()))),
            Site::new(text, concept(), "g").map(|site| ("LO", Some(site.key().to_owned()))),
            SiteList::standard().site(text).map(|site| ("LO", Some(site.key().to_owned()))),
            SiteList::standard().site("sacrum").unwrap().on(None).unwrap().labelled(text).map(|s| of("LT", &s.label)),
            Laterality::from_code(text).map(|side| ("CS", Some(side.code().to_owned()))),
        ];
        use UniversalEntityIdType::*;
        for kind in [Dns, Eui64, Iso, Uri, Uuid, X400, X500] {
            all.push(visit().admission_id("1", universal(kind)).map(|e| ("UC", universal_of(&e))));
        }
        all
    }

    fn universal_of(encounter: &Encounter) -> Option<String> {
        let (id, _) = encounter.admission_id.as_ref()?.universal.as_ref()?;
        Some(id.expose().clone())
    }

    /// PS3.5 6.2 once more, from the table and not from the code.
    fn is_of_vr(vr: &str, text: &str) -> bool {
        let shorter = |max: usize| text.chars().count() <= max;
        let allowed = |controls: &str| text.chars().all(|c| !c.is_control() || controls.contains(c));
        let single = allowed("") && !text.contains('\\');
        let unpadded = !text.is_empty() && text.trim_matches(' ') == text;
        let of_vr = match vr {
            "SH" => shorter(16) && single,
            "LO" => shorter(64) && single,
            "UC" => allowed("") && !text.contains('\\'),
            "LT" | "UT" => shorter(10_240) && allowed("\r\n"),
            "CS" => shorter(16) && text.chars().all(|c| "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 _".contains(c)),
            "DA" => {
                let number = |range: std::ops::Range<usize>| text[range].parse::<u32>().unwrap();
                let leap = |year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
                let days = |year, month| match month {
                    2 if leap(year) => 29,
                    2 => 28,
                    4 | 6 | 9 | 11 => 30,
                    _ => 31,
                };
                let (year, month) = (number(0..4), number(4..6));
                text.len() == 8 && (1..=12).contains(&month) && (1..=days(year, month)).contains(&number(6..8))
            }
            "UI" => {
                let digits = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
                text.len() <= 64
                    && text.split('.').count() > 1
                    && text.split('.').all(|part| digits(part) && (part.len() == 1 || !part.starts_with('0')))
            }
            "PN" => {
                let groups: Vec<_> = text.split('=').collect();
                let fits = |group: &&str| group.chars().count() <= 64 && group.split('^').count() <= 5;
                single && groups.len() <= 3 && groups.iter().all(fits)
            }
            _ => false,
        };
        of_vr && unpadded
    }

    /// Any text, and texts that come close to being right.
    fn texts() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[ -~]{0,80}",
            "[0-9.]{1,70}",
            "2\\.25\\.[0-9]{1,40}",
            "[0-9]{4}-?[01][0-9]-?[0-3][0-9]",
            "[\\^=A-Za-zé山 ]{0,70}",
            "[A-Z0-9_ ]{0,18}",
            "[a1\t\r\n\\\\\u{a0}\u{200b}-\u{200f}\u{202e}\u{feff}\u{fffd}]{0,8}",
            any::<u128>().prop_map(|n| uuid::Uuid::from_u128(n).to_string()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn what_is_accepted_is_of_its_vr(text in texts()) {
            for (place, outcome) in everywhere(&text).into_iter().enumerate() {
                if let Ok((vr, Some(value))) = outcome {
                    prop_assert!(is_of_vr(vr, &value), "place {place}, {vr}: {value:?}");
                }
            }
        }

        #[test]
        fn no_error_repeats_a_value(text in texts()) {
            let canary = format!("CANARY-7F3A{text}\u{7}");
            for (place, outcome) in everywhere(&canary).into_iter().enumerate() {
                prop_assert!(outcome.is_err(), "place {place} takes a control character");
                if let Err(error) = outcome {
                    let told = format!("{error} {error:?} {}", error.code());
                    prop_assert!(!told.contains("CANARY"), "place {place}");
                }
            }
        }
    }

    #[test]
    fn every_place_takes_something() {
        let texts = ["1.2.3", "19700101", "MR", "heel", "L", "a:b", "6e1c9a02-6c0e-4b38-b5a4-6a3d9e4b9f11"];
        let accepted: Vec<_> = texts.iter().map(|text| everywhere(text)).collect();
        for place in 0..accepted[0].len() {
            assert!(accepted.iter().any(|outcomes| matches!(&outcomes[place], Ok((_, Some(_))))), "place {place}");
        }
    }

    #[test]
    fn an_encounter_may_know_nothing() {
        let nothing = Encounter::default();
        assert!(nothing == nothing.clone().study_id("").unwrap().accession_number(" ", "").unwrap());
        assert!(nothing.order.is_none() && nothing.study_instance_uid.is_none());
    }

    #[test]
    fn a_patient_needs_an_id_and_nothing_else() {
        assert_eq!(Patient::new(" ", "City Hospital").err(), Some(PatientError::Missing("PatientID")));
        let patient = Patient::new("MRN-1", "City Hospital").unwrap();
        assert!(patient.patient_id.identifier_type_code.as_ref().is_some_and(|code| code.expose() == "MR"));
        assert!(patient.patient_name.is_none() && patient.patient_birth_date.is_none());
        assert!(patient == patient.clone() && patient != Patient::new("MRN-1", "Town Hospital").unwrap());
    }
}
