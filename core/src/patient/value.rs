//! Text that is checked against its VR (PS3.5 6.2) when it comes in, and patient data that cannot be printed.

use chrono::{Datelike, NaiveDate};

use crate::error::{PatientError, Problem};

/// Most characters of a value of VR SH.
pub(super) const SH: usize = 16;
/// Most characters of a value of VR LO; of one component group of a PN, too.
pub(super) const LO: usize = 64;
/// Most characters of a value of VR LT; UT and UC have no limit of their own and get this one.
pub(super) const LT: usize = 10_240;

/// Patient data: no `Debug`, no `Display`, no `Serialize`, and only this crate can look inside.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Private<T>(T);

impl<T> Private<T> {
    pub(super) fn new(value: T) -> Self {
        Self(value)
    }

    /// The data, for the place that writes it into an object.
    pub(crate) fn expose(&self) -> &T {
        &self.0
    }
}

/// One checked value; an empty one is absent.
pub(super) type Checked = Result<Option<Private<String>>, PatientError>;

/// One line that programs compare: nothing that the eye cannot see is let in.
pub(super) fn identifier(keyword: &'static str, max: usize, value: &str) -> Checked {
    let unseen = |c: char| matches!(c, '\u{AD}' | '\u{200C}'..='\u{200F}') || c.is_whitespace() && c != ' ';
    let problem = |c| line_problem(c).or(unseen(c).then_some(Problem::InvisibleCharacter));
    checked(keyword, max, value, problem)
}

/// One line for people.
pub(super) fn line(keyword: &'static str, max: usize, value: &str) -> Checked {
    checked(keyword, max, value, line_problem)
}

/// Text of several lines; the backslash is an ordinary character there.
pub(super) fn paragraphs(keyword: &'static str, max: usize, value: &str) -> Checked {
    checked(keyword, max, value.trim(), |c| if matches!(c, '\r' | '\n' | '\\') { None } else { line_problem(c) })
}

/// A unique identifier (PS3.5 9): VR UI, not under a root that no instance may have.
pub(super) fn uid(keyword: &'static str, value: &str) -> Checked {
    let value = value.trim_matches(' ');
    if value.is_empty() {
        return Ok(None);
    }
    let problem = if value.len() > 64 {
        Problem::TooLong
    } else if !is_oid(value) {
        Problem::NotAUid
    } else if value == "2.999" || value.starts_with("2.999.") || value.starts_with("1.2.840.10008.") {
        Problem::ReservedRoot
    } else if value.strip_prefix("2.25.").is_some_and(|uuid| uuid.parse::<u128>().is_err()) {
        Problem::NotAUid
    } else {
        return Ok(Some(Private::new(value.to_owned())));
    };
    Err(PatientError::Invalid { keyword, problem })
}

/// Dotted digits as ISO 8824 has them: two arcs at least, no leading zeros, a first arc of 0 to 2.
pub(super) fn is_oid(value: &str) -> bool {
    let mut arcs = value.split('.');
    let arc = |a: &str| !a.is_empty() && a.bytes().all(|b| b.is_ascii_digit()) && (a == "0" || !a.starts_with('0'));
    let root = match (arcs.next(), arcs.next()) {
        (Some("0" | "1"), Some(second)) => arc(second) && second.parse::<u8>().is_ok_and(|n| n < 40),
        (Some("2"), Some(second)) => arc(second),
        _ => false,
    };
    root && arcs.all(arc)
}

/// A full date, `YYYYMMDD` or `YYYY-MM-DD`, as VR DA.
pub(super) fn date(keyword: &'static str, value: &str) -> Checked {
    let value = value.trim_matches(' ');
    if value.is_empty() {
        return Ok(None);
    }
    let format = if value.len() == 8 { "%Y%m%d" } else { "%Y-%m-%d" };
    let strict = matches!(value.len(), 8 | 10) && value.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    match NaiveDate::parse_from_str(value, format) {
        Ok(date) if strict && date.year() > 0 => Ok(Some(Private(value.replace('-', "")))),
        _ => Err(PatientError::Invalid { keyword, problem: Problem::NotADate }),
    }
}

fn checked(keyword: &'static str, max: usize, value: &str, problem: impl Fn(char) -> Option<Problem>) -> Checked {
    let value = value.trim_matches(|c: char| c.is_whitespace() && !c.is_control());
    if value.is_empty() {
        return Ok(None);
    }
    let problem =
        if value.chars().nth(max).is_some() { Some(Problem::TooLong) } else { value.chars().find_map(problem) };
    match problem {
        Some(problem) => Err(PatientError::Invalid { keyword, problem }),
        None => Ok(Some(Private::new(value.to_owned()))),
    }
}

/// Controls, the characters that reorder or hide text, and the mark of a text that was decoded wrongly. Joiners and
/// direction marks stay: Persian, Arabic and Indic names need them.
fn line_problem(c: char) -> Option<Problem> {
    match c {
        '\\' => Some(Problem::Delimiter),
        '\u{200B}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{FEFF}'
        | '\u{FFF9}'..='\u{FFFF}'
        | '\u{E0000}'..='\u{E007F}' => Some(Problem::ControlCharacter),
        c if c.is_control() => Some(Problem::ControlCharacter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(checked: Checked) -> Result<Option<String>, Problem> {
        match checked {
            Ok(value) => Ok(value.map(|value| value.expose().clone())),
            Err(PatientError::Invalid { keyword: "Keyword", problem }) => Err(problem),
            Err(_) => panic!("another attribute is blamed"),
        }
    }

    #[test]
    fn lines() {
        let long = "é".repeat(64);
        for (text, expected) in [
            ("", Ok(None)),
            (" \u{3000}", Ok(None)),
            ("  City Hospital ", Ok(Some("City Hospital"))),
            ("بیمارستان\u{200C}ها", Ok(Some("بیمارستان\u{200C}ها"))),
            (&long, Ok(Some(&*long))),
            (&(long.clone() + "e"), Err(Problem::TooLong)),
            ("a\\b", Err(Problem::Delimiter)),
            ("a\tb", Err(Problem::ControlCharacter)),
            ("a\nb", Err(Problem::ControlCharacter)),
            ("a\n", Err(Problem::ControlCharacter)),
            ("a\0", Err(Problem::ControlCharacter)),
            ("a\u{1B}b", Err(Problem::ControlCharacter)),
            ("a\u{85}b", Err(Problem::ControlCharacter)),
            ("a\u{202E}b", Err(Problem::ControlCharacter)),
            ("a\u{2066}b", Err(Problem::ControlCharacter)),
            ("M\u{FFFD}ller", Err(Problem::ControlCharacter)),
        ] {
            assert_eq!(outcome(line("Keyword", LO, text)), expected.map(|v| v.map(str::to_owned)), "{text:?}");
        }
    }

    #[test]
    fn identifiers_hold_nothing_unseen() {
        for text in ["1\u{A0}2", "1\u{3000}2", "12\u{200E}", "1\u{AD}2", "1\u{200D}2"] {
            assert_eq!(outcome(identifier("Keyword", LO, text)), Err(Problem::InvisibleCharacter), "{text:?}");
        }
        assert_eq!(outcome(identifier("Keyword", SH, " 943 476 5919 ")), Ok(Some("943 476 5919".into())));
        assert_eq!(outcome(identifier("Keyword", SH, "12345678901234567")), Err(Problem::TooLong));
    }

    #[test]
    fn paragraphs_have_lines() {
        assert_eq!(outcome(paragraphs("Keyword", LT, "\r\n a\r\nb\\c \n")), Ok(Some("a\r\nb\\c".into())));
        assert_eq!(outcome(paragraphs("Keyword", LT, "\n\n")), Ok(None));
        assert_eq!(outcome(paragraphs("Keyword", LT, "a\tb")), Err(Problem::ControlCharacter));
        assert_eq!(outcome(paragraphs("Keyword", LT, &"a".repeat(LT + 1))), Err(Problem::TooLong));
    }

    #[test]
    fn uids() {
        let long = format!("1.2.{}", "3".repeat(60));
        for (text, expected) in [
            ("", Ok(())),
            ("1.2.276.0.7230010.3.1.2", Ok(())),
            ("0.39.0", Ok(())),
            ("2.25.340282366920938463463374607431768211455", Ok(())),
            (&long, Ok(())),
            (&(long.clone() + "3"), Err(Problem::TooLong)),
            ("2.25.340282366920938463463374607431768211456", Err(Problem::NotAUid)),
            ("2.25.1.2", Err(Problem::NotAUid)),
            ("1", Err(Problem::NotAUid)),
            ("1.2.03", Err(Problem::NotAUid)),
            ("1..2", Err(Problem::NotAUid)),
            ("1.2.", Err(Problem::NotAUid)),
            (".1.2", Err(Problem::NotAUid)),
            ("3.1", Err(Problem::NotAUid)),
            ("1.40", Err(Problem::NotAUid)),
            ("1.2.a", Err(Problem::NotAUid)),
            ("1.2.٣", Err(Problem::NotAUid)),
            ("1.2 .3", Err(Problem::NotAUid)),
            ("2.999", Err(Problem::ReservedRoot)),
            ("2.999.1", Err(Problem::ReservedRoot)),
            ("1.2.840.10008.5.1.4.1.1.7", Err(Problem::ReservedRoot)),
        ] {
            let expected = expected.map(|()| (!text.is_empty()).then(|| text.to_owned()));
            assert_eq!(outcome(uid("Keyword", text)), expected, "{text:?}");
        }
    }

    #[test]
    fn dates() {
        for (text, expected) in [
            ("", Ok(None)),
            ("1970-01-31", Ok(Some("19700131"))),
            ("19700131", Ok(Some("19700131"))),
            ("2000-02-29", Ok(Some("20000229"))),
            ("1900-02-29", Err(())),
            ("1970-1-31", Err(())),
            ("1970-1-1", Err(())),
            ("1970--1-1", Err(())),
            ("1970", Err(())),
            ("1970-01", Err(())),
            ("00000101", Err(())),
            ("+970-01-01", Err(())),
            ("1970- 1-01", Err(())),
            ("31.01.1970", Err(())),
            ("1970-01-31T00:00:00", Err(())),
        ] {
            let expected = expected.map(|v| v.map(str::to_owned)).map_err(|()| Problem::NotADate);
            assert_eq!(outcome(date("Keyword", text)), expected, "{text:?}");
        }
    }
}
