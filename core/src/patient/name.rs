//! Names of persons: VR PN (PS3.5 6.2.1), five components in up to three groups.

use super::value::{Checked, LO, Private, line};
use crate::error::{PatientError, Problem};

/// A name as it comes in; checked by the method that takes it. `"Müller^Zoë".into()` reads the DICOM form.
#[derive(Clone, Copy, Default)]
pub struct Name<'a> {
    /// As it is written in an alphabet. A script without one may stand here when no other writing is known.
    pub alphabetic: NameGroup<'a>,
    /// As it is written in ideographs or Hangul.
    pub ideographic: NameGroup<'a>,
    /// As it sounds, for example in kana.
    pub phonetic: NameGroup<'a>,
}

/// The components of a name in one writing; what is not known stays empty. Somebody with one name has a family name.
#[derive(Clone, Copy, Default)]
pub struct NameGroup<'a> {
    /// Family name complex.
    pub family: &'a str,
    /// Given name complex.
    pub given: &'a str,
    /// Middle names.
    pub middle: &'a str,
    /// Before the name: `Dr.`
    pub prefix: &'a str,
    /// After the name: `III`.
    pub suffix: &'a str,
}

impl<'a> From<&'a str> for Name<'a> {
    /// Reads `family^given^middle^prefix^suffix`, three times with `=` between. What is too much is refused later.
    fn from(text: &'a str) -> Self {
        let mut groups = text.splitn(3, '=').map(NameGroup::from);
        let mut group = || groups.next().unwrap_or_default();
        Self { alphabetic: group(), ideographic: group(), phonetic: group() }
    }
}

impl<'a> From<&'a str> for NameGroup<'a> {
    fn from(text: &'a str) -> Self {
        let mut components = text.splitn(5, '^');
        let mut component = || components.next().unwrap_or_default();
        Self { family: component(), given: component(), middle: component(), prefix: component(), suffix: component() }
    }
}

/// The DICOM form without empty ends; a name of nothing but blanks is absent.
pub(super) fn person_name(keyword: &'static str, name: Name<'_>) -> Checked {
    let groups = [name.alphabetic, name.ideographic, name.phonetic].map(|group| component_group(keyword, group));
    let [alphabetic, ideographic, phonetic] = groups;
    let text = [alphabetic?, ideographic?, phonetic?].join("=");
    let text = text.trim_end_matches('=');
    Ok((!text.is_empty()).then(|| Private::new(text.to_owned())))
}

fn component_group(keyword: &'static str, group: NameGroup<'_>) -> Result<String, PatientError> {
    let mut components = Vec::with_capacity(5);
    for component in [group.family, group.given, group.middle, group.prefix, group.suffix] {
        if component.contains(['^', '=']) {
            return Err(PatientError::Invalid { keyword, problem: Problem::Delimiter });
        }
        components.push(line(keyword, LO, component)?.map_or(String::new(), |text| text.expose().clone()));
    }
    let text = components.join("^");
    let text = text.trim_end_matches('^');
    if text.chars().count() > LO {
        return Err(PatientError::Invalid { keyword, problem: Problem::TooLong });
    }
    Ok(text.to_owned())
}
