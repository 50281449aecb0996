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
    let group = |group| component_group(keyword, group);
    let text = [group(name.alphabetic)?, group(name.ideographic)?, group(name.phonetic)?].join("=");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: Name<'_>) -> Result<Option<String>, Problem> {
        match person_name("PatientName", name) {
            Ok(name) => Ok(name.map(|name| name.expose().clone())),
            Err(PatientError::Invalid { keyword: "PatientName", problem }) => Err(problem),
            Err(_) => panic!("another attribute is blamed"),
        }
    }

    #[test]
    fn names_of_the_world_stay_as_they_are() {
        for text in [
            "Müller^Zoë",
            "Ångström^Þórður^Ægir^Dr.^III",
            "Nguyễn^Văn A",
            "Иванова^Анна^Сергеевна",
            "Παπαδοπούλου^Μαρία",
            "الحسن^محمد",
            "علی\u{200C}زاده^مریم",
            "כהן^שרה",
            "王^小东",
            "Wang^XiaoDong=王^小东",
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            "=山田^太郎=ヤマダ^タロウ",
            "Hong^Gildong=洪^吉洞=홍^길동",
            "ขวัญใจ^สมชาย",
            "Sukarno",
            "^Madonna",
            "O'Neil-Smith^Mary Ann",
        ] {
            assert_eq!(outcome(text.into()), Ok(Some(text.to_owned())));
        }
    }

    #[test]
    fn empty_ends_go() {
        for (text, expected) in [
            ("", None),
            ("^^^^", None),
            (" ^ = ^ =", None),
            ("Müller^^^^", Some("Müller")),
            (" Müller ^ Zoë ", Some("Müller^Zoë")),
            ("Müller^Zoë==", Some("Müller^Zoë")),
            ("A^^^^III", Some("A^^^^III")),
        ] {
            assert_eq!(outcome(text.into()), Ok(expected.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn components_and_text_are_the_same_name() {
        let alphabetic = NameGroup { family: "Yamada", given: "Tarou", ..NameGroup::default() };
        let ideographic = NameGroup { family: "山田", given: "太郎", ..NameGroup::default() };
        let name = Name { alphabetic, ideographic, ..Name::default() };
        assert_eq!(outcome(name), outcome("Yamada^Tarou=山田^太郎".into()));
    }

    #[test]
    fn refused() {
        let full = "あ".repeat(64);
        assert_eq!(outcome(Name::from(&*full)), Ok(Some(full.clone())));
        for (text, problem) in [
            ("A^B^C^D^E^F", Problem::Delimiter),
            ("A=B=C=D", Problem::Delimiter),
            ("A\\B", Problem::Delimiter),
            ("A\nB", Problem::ControlCharacter),
            ("M\u{FFFD}ller", Problem::ControlCharacter),
            (&format!("{full}い"), Problem::TooLong),
            (&format!("{}^{}", "a".repeat(40), "b".repeat(24)), Problem::TooLong),
            (&format!("A=B={full}い"), Problem::TooLong),
        ] {
            assert_eq!(outcome(text.into()), Err(problem), "{text:?}");
        }
        let family = NameGroup { family: "A^B", ..NameGroup::default() };
        assert_eq!(outcome(Name { alphabetic: family, ..Name::default() }), Err(Problem::Delimiter));
    }
}
