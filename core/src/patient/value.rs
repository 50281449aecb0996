//! Text that is checked against its VR (PS3.5 6.2) when it comes in, and patient data that cannot be printed.

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
    checked(keyword, max, value, |c| match c {
        '\u{AD}' | '\u{200C}'..='\u{200F}' => Some(Problem::InvisibleCharacter),
        c if c.is_whitespace() && c != ' ' => Some(Problem::InvisibleCharacter),
        c => line_problem(c),
    })
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
    let digits = match value.split('-').collect::<Vec<_>>()[..] {
        [whole] => whole.to_owned(),
        [year, month, day] if year.len() == 4 && month.len() == 2 => [year, month, day].concat(),
        _ => String::new(),
    };
    let real = digits.len() == 8 && digits.bytes().all(|b| b.is_ascii_digit());
    let number = |range| digits.get::<std::ops::Range<usize>>(range).and_then(|d| d.parse().ok()).unwrap_or(0);
    if real
        && number(0..4) > 0
        && chrono::NaiveDate::from_ymd_opt(number(0..4) as i32, number(4..6), number(6..8)).is_some()
    {
        Ok(Some(Private::new(digits)))
    } else {
        Err(PatientError::Invalid { keyword, problem: Problem::NotADate })
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
