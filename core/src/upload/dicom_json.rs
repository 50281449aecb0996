//! The DICOM JSON (PS3.18 F) of answers. Only the attributes that are asked for are kept; what else is there is skipped without being built.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most values of one attribute, and most data sets of one answer.
const MOST_VALUES: usize = 256;
/// Longest text that is kept: none that is asked for is longer than 64 characters, but for a Retrieve URL.
const LONGEST_TEXT: usize = 1024;

/// The answer to storing (PS3.18 10.5.3 and I.2.2).
#[derive(Default, serde::Deserialize)]
pub(super) struct StoreAnswer {
    /// Referenced SOP Sequence: stored, they say.
    #[serde(rename = "00081199", default)]
    pub(super) referenced: Attribute<Object<SopReference>>,
    /// Failed SOP Sequence.
    #[serde(rename = "00081198", default)]
    pub(super) failed: Attribute<Object<SopReference>>,
    /// Other Failures Sequence: about something that had no UID they could read.
    #[serde(rename = "0008119A", alias = "0008119a", default)]
    pub(super) other_failures: Attribute<Object<SopReference>>,
}

/// An item of those sequences, and of the answer to a storage commitment request (PS3.18 13.4).
#[derive(Default, serde::Deserialize)]
pub(super) struct SopReference {
    #[serde(rename = "00081150", default)]
    pub(super) sop_class_uid: Attribute<Scalar>,
    #[serde(rename = "00081155", default)]
    pub(super) sop_instance_uid: Attribute<Scalar>,
    #[serde(rename = "00081190", default)]
    pub(super) retrieve_url: Attribute<Scalar>,
    #[serde(rename = "00081196", default)]
    pub(super) warning_reason: Attribute<Scalar>,
    #[serde(rename = "00081197", default)]
    pub(super) failure_reason: Attribute<Scalar>,
}

/// What a query (PS3.18 10.6) or the metadata resource (10.4) tells of one instance.
#[derive(Default, serde::Deserialize)]
pub(super) struct FoundInstance {
    #[serde(rename = "00080018", default)]
    pub(super) sop_instance_uid: Attribute<Scalar>,
    #[serde(rename = "0020000D", alias = "0020000d", default)]
    pub(super) study_instance_uid: Attribute<Scalar>,
    #[serde(rename = "0020000E", alias = "0020000e", default)]
    pub(super) series_instance_uid: Attribute<Scalar>,
    #[serde(rename = "00100020", default)]
    pub(super) patient_id: Attribute<Scalar>,
    #[serde(rename = "00100021", default)]
    pub(super) issuer_of_patient_id: Attribute<Scalar>,
}

/// One data set; some archives wrap it in an array. `None`: not DICOM JSON.
pub(super) fn store_answer(body: &[u8]) -> Option<StoreAnswer> {
    match serde_json::from_slice(body).ok()? {
        OneOrMore::One(answer) => Some(answer),
        OneOrMore::More(mut answers) => answers.pop().filter(|_| answers.is_empty()).map(|Object(answer)| answer),
    }
}

/// An array of data sets. `None`: not DICOM JSON.
pub(super) fn found_instances(body: &[u8]) -> Option<Vec<Object<FoundInstance>>> {
    match serde_json::from_slice::<OneOrMore<FoundInstance>>(body).ok()? {
        OneOrMore::One(_) => None,
        OneOrMore::More(found) => Some(found),
    }
}

/// The values of an attribute.
pub(super) struct Attribute<T>(Vec<T>);

impl<T> Attribute<T> {
    pub(super) fn values(&self) -> &[T] {
        &self.0
    }
}

impl Attribute<Scalar> {
    /// The text of the only value, without the padding that VR UI and LO may have (PS3.5 6.2).
    pub(super) fn text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Scalar(text)] => Some(text.trim_matches([' ', '\0'])).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The only value as VR US, whether it came as a number or as decimal text.
    pub(super) fn number(&self) -> Option<u16> {
        self.text()?.parse().ok()
    }
}

impl<T> Default for Attribute<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Attribute<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(bound = "T: Deserialize<'de>")]
        struct Element<T> {
            #[serde(rename = "Value", default = "Vec::new", deserialize_with = "bounded")]
            value: Vec<T>,
        }
        let Object(element) = Object::<Element<T>>::deserialize(deserializer)?;
        Ok(Self(element.value))
    }
}

/// A text or a number; anything else is nothing.
pub(super) struct Scalar(String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Scalar, E> {
                if text.len() > LONGEST_TEXT { Err(E::custom("too long")) } else { Ok(Scalar(text.to_owned())) }
            }
            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
                Ok(Scalar(String::new()))
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar(String::new()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Scalar, A::Error> {
                while values.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar(String::new()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<Scalar, A::Error> {
                while values.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar(String::new()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A JSON object; serde would take an array for one, too.
pub(super) struct Object<T>(T);

impl<T> std::ops::Deref for Object<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Object<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(members)).map(Object)
            }
        }
        deserializer.deserialize_map(Members(PhantomData))
    }
}

enum OneOrMore<T> {
    One(T),
    More(Vec<Object<T>>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMore<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = OneOrMore<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a data set, or an array of them")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(OneOrMore::One)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Self::Value, A::Error> {
                collect(values).map(OneOrMore::More)
            }
        }
        deserializer.deserialize_any(Either(PhantomData))
    }
}

fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Values<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
        type Value = Vec<T>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of values")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, values: A) -> Result<Vec<T>, A::Error> {
            collect(values)
        }
    }
    deserializer.deserialize_seq(Values(PhantomData))
}

fn collect<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut values: A) -> Result<Vec<T>, A::Error> {
    let mut found = Vec::new();
    while let Some(value) = values.next_element()? {
        if found.len() == MOST_VALUES {
            return Err(serde::de::Error::custom("too many values"));
        }
        found.push(value);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reason_is_read_as_number_and_as_text() {
        for reason in ["272", "\"272\"", "\" 272\"", "272, null", "[272]", "-1", "70000", "2.5", "true", "{\"a\":[1]}"]
        {
            let body =
                format!(r#"{{"00081198":{{"vr":"SQ","Value":[{{"00081197":{{"vr":"US","Value":[{reason}]}}}}]}}}}"#);
            let answer = store_answer(body.as_bytes()).unwrap();
            let told = answer.failed.values()[0].failure_reason.number();
            assert_eq!(told, ["272", "\"272\"", "\" 272\""].contains(&reason).then_some(272), "{reason}");
        }
    }

    #[test]
    fn what_is_no_data_set_is_none() {
        for body in [
            "",
            "<html>",
            "null",
            "1",
            "\"x\"",
            "[{},{}]",
            "[[]]",
            r#"{"00081199":{"Value":[[]]}}"#,
            "{",
            "[{}",
            r#"{"00081199":[]}"#,
        ] {
            assert!(store_answer(body.as_bytes()).is_none(), "{body}");
        }
        for body in ["{}", "[{}", "", "[1]", r#"[{"00080018":{"Value":"x"}}]"#] {
            assert!(found_instances(body.as_bytes()).is_none(), "{body}");
        }
        assert!(store_answer(b"{}").is_some() && store_answer(b"[{}]").is_some());
        assert!(found_instances(b" [ ] ").is_some_and(|found| found.is_empty()));
    }

    #[test]
    fn an_attribute_that_is_there_twice_is_believed_in_neither_form() {
        assert!(store_answer(br#"{"00081199":{"Value":[]},"00081199":{"Value":[]}}"#).is_none());
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        let _ = store_answer(deep.as_bytes());
        let known = format!("{{\"00081199\":{}", "{\"Value\":[".repeat(100_000));
        assert!(store_answer(known.as_bytes()).is_none());
        let many = |count| format!("[{}]", vec!["{}"; count].join(","));
        assert!(found_instances(many(MOST_VALUES).as_bytes()).is_some());
        assert!(found_instances(many(MOST_VALUES + 1).as_bytes()).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (store_answer(&body), found_instances(&body));
        }

        #[test]
        fn a_changed_answer_does_not_panic(at in 0usize..200, with in any::<u8>()) {
            let mut body = br#"{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["2.25.1"]},"00081196":{"Value":[1]}}]}}"#.to_vec();
            let at = at % body.len();
            body[at] = with;
            let _ = store_answer(&body);
        }
    }
}
