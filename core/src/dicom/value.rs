//! Attributes whose values fit their VR (PS3.5 6.2); dicom-object itself writes anything.

use dicom_core::value::{DataSetSequence, PixelFragmentSequence};
use dicom_core::{DataDictionary, DataElement, Length, PrimitiveValue, Tag, VR, dicom_value};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::InMemDicomObject;

use crate::error::DicomError;
use crate::patient::{CodedConcept, Private};

static DICTIONARY: StandardDataDictionary = StandardDataDictionary;

/// The keyword of a standard attribute.
pub(super) fn keyword(tag: Tag) -> &'static str {
    DICTIONARY.by_tag(tag).map_or("", |entry| entry.alias)
}

/// The VR of a standard attribute, where it is one alone.
pub(super) fn vr(tag: Tag) -> Option<VR> {
    DICTIONARY.by_tag(tag).and_then(|entry| entry.vr.exact())
}

/// The tag of a standard attribute.
pub(super) fn by_keyword(keyword: &str) -> Option<Tag> {
    DICTIONARY.by_name(keyword).map(|entry| entry.tag.inner())
}

/// A code of ours: value, scheme, meaning.
pub(super) type Code = (&'static str, &'static str, &'static str);

/// An object, or an item of a sequence, while it is put together.
pub(super) struct Attributes(InMemDicomObject);

impl Attributes {
    pub(super) fn new() -> Self {
        Self(InMemDicomObject::new_empty())
    }

    /// Present, without a value.
    pub(super) fn empty(&mut self, tag: Tag) -> Result<(), DicomError> {
        self.put(tag, PrimitiveValue::Empty)
    }

    /// One value.
    pub(super) fn text(&mut self, tag: Tag, value: &str) -> Result<(), DicomError> {
        self.texts(tag, &[value])
    }

    /// Several values.
    pub(super) fn texts<T: AsRef<str>>(&mut self, tag: Tag, values: &[T]) -> Result<(), DicomError> {
        let unwritable = DicomError::Unwritable(keyword(tag));
        let vr = vr(tag).ok_or(unwritable)?;
        if !values.iter().all(|value| fits(vr, value.as_ref())) {
            return Err(unwritable);
        }
        self.put(tag, PrimitiveValue::Strs(values.iter().map(|value| value.as_ref().to_owned()).collect()))
    }

    /// Patient data when there is any (Type 3).
    pub(super) fn known(&mut self, tag: Tag, value: Option<&Private<String>>) -> Result<(), DicomError> {
        value.map_or(Ok(()), |value| self.text(tag, value.expose()))
    }

    /// Patient data, present and empty when there is none (Type 2).
    pub(super) fn known_or_empty(&mut self, tag: Tag, value: Option<&Private<String>>) -> Result<(), DicomError> {
        match value {
            Some(value) => self.text(tag, value.expose()),
            None => self.empty(tag),
        }
    }

    /// US or IS.
    pub(super) fn integer(&mut self, tag: Tag, value: u32) -> Result<(), DicomError> {
        match (vr(tag), u16::try_from(value)) {
            (Some(VR::US), Ok(value)) => self.put(tag, dicom_value!(U16, value)),
            (Some(VR::IS), _) => self.text(tag, &value.to_string()),
            _ => Err(DicomError::Unwritable(keyword(tag))),
        }
    }

    /// DS.
    pub(super) fn decimals(&mut self, tag: Tag, values: &[f64]) -> Result<(), DicomError> {
        let texts: Option<Vec<_>> = values.iter().copied().map(decimal_string).collect();
        self.texts(tag, &texts.ok_or(DicomError::Unwritable(keyword(tag)))?)
    }

    /// AT.
    pub(super) fn pointer(&mut self, tag: Tag, to: Tag) -> Result<(), DicomError> {
        self.put(tag, dicom_value!(Tags, to))
    }

    /// OB.
    pub(super) fn bytes(&mut self, tag: Tag, value: &[u8]) -> Result<(), DicomError> {
        self.put(tag, PrimitiveValue::from(value))
    }

    /// SQ.
    pub(super) fn items(&mut self, tag: Tag, items: impl IntoIterator<Item = Self>) -> Result<(), DicomError> {
        let items: Vec<_> = items.into_iter().map(|item| item.0).collect();
        self.0.put(DataElement::new(tag, VR::SQ, DataSetSequence::new(items, Length::UNDEFINED)));
        Ok(())
    }

    /// A sequence of codes of ours.
    pub(super) fn codes(&mut self, tag: Tag, codes: &[Code]) -> Result<(), DicomError> {
        let items: Result<Vec<_>, _> =
            codes.iter().map(|(value, scheme, meaning)| code(value, scheme, meaning, false)).collect();
        self.items(tag, items?)
    }

    /// A sequence of codes from outside; left out when there is none, because an empty one is forbidden.
    pub(super) fn concepts(&mut self, tag: Tag, concepts: &[CodedConcept]) -> Result<(), DicomError> {
        if concepts.is_empty() {
            return Ok(());
        }
        let items: Result<Vec<_>, _> = concepts.iter().map(concept).collect();
        self.items(tag, items?)
    }

    /// Pixel Data as it is, OB.
    pub(super) fn native_pixels(&mut self, pixels: Vec<u8>) {
        self.0.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PrimitiveValue::from(pixels)));
    }

    /// Pixel Data in fragments of even length, one a frame (PS3.5 A.4).
    pub(super) fn encapsulated_pixels(&mut self, offsets: Vec<u32>, fragments: Vec<Vec<u8>>) {
        self.0.put(DataElement::new(tags::PIXEL_DATA, VR::OB, PixelFragmentSequence::new(offsets, fragments)));
    }

    /// The object, to be written.
    pub(super) fn into_object(self) -> InMemDicomObject {
        self.0
    }

    fn put(&mut self, tag: Tag, value: PrimitiveValue) -> Result<(), DicomError> {
        let vr = vr(tag).ok_or(DicomError::Unwritable(keyword(tag)))?;
        self.0.put(DataElement::new(tag, vr, value));
        Ok(())
    }
}

/// An item of a code sequence (PS3.3 8.8).
pub(super) fn concept(concept: &CodedConcept) -> Result<Attributes, DicomError> {
    code(concept.value.expose(), concept.scheme.expose(), concept.meaning.expose(), concept.is_long())
}

fn code(value: &str, scheme: &str, meaning: &str, long: bool) -> Result<Attributes, DicomError> {
    let mut item = Attributes::new();
    item.text(if long { tags::LONG_CODE_VALUE } else { tags::CODE_VALUE }, value)?;
    item.text(tags::CODING_SCHEME_DESIGNATOR, scheme)?;
    item.text(tags::CODE_MEANING, meaning)?;
    Ok(item)
}

/// Whether the text is one value of the VR: length, repertoire and form.
pub(super) fn fits(vr: VR, value: &str) -> bool {
    let at_most = |max| value.chars().nth(max).is_none();
    let one_line = || !value.contains('\\') && !value.chars().any(char::is_control);
    let lines = || !value.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\x0c' | '\r'));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match vr {
        VR::AE => at_most(16) && one_line(),
        VR::CS => at_most(16) && value.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_' | b' ')),
        VR::DA => value.len() == 8 && digits(value),
        VR::TM => is_time(value),
        VR::DT => is_date_time(value),
        VR::DS => {
            at_most(16)
                && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
                && value.parse::<f64>().is_ok_and(f64::is_finite)
        }
        VR::IS => {
            at_most(12) && digits(value.strip_prefix(['+', '-']).unwrap_or(value)) && value.parse::<i32>().is_ok()
        }
        VR::LO => at_most(64) && one_line(),
        VR::PN => {
            one_line()
                && value.split('=').count() <= 3
                && value.split('=').all(|group| group.chars().nth(64).is_none() && group.split('^').count() <= 5)
        }
        VR::SH => at_most(16) && one_line(),
        VR::UC => one_line(),
        VR::UI => is_uid(value),
        VR::ST => at_most(1024) && lines(),
        VR::LT => at_most(10_240) && lines(),
        VR::UT => lines(),
        _ => one_line(),
    }
}

/// A UID (PS3.5 9.1).
fn is_uid(value: &str) -> bool {
    let arc =
        |arc: &str| !arc.is_empty() && arc.bytes().all(|b| b.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'));
    value.len() <= 64 && value.starts_with(['0', '1', '2']) && value.contains('.') && value.split('.').all(arc)
}

fn is_time(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').map_or((value, None), |(whole, fraction)| (whole, Some(fraction)));
    let pairs = whole.as_bytes().chunks(2).zip([24, 60, 60]);
    matches!(whole.len(), 2 | 4 | 6)
        && whole.bytes().all(|b| b.is_ascii_digit())
        && pairs
            .into_iter()
            .all(|(pair, limit)| pair.iter().fold(0, |n, digit| n * 10 + u32::from(digit - b'0')) < limit)
        && fraction
            .is_none_or(|f| whole.len() == 6 && matches!(f.len(), 1..=6) && f.bytes().all(|b| b.is_ascii_digit()))
}

fn is_date_time(value: &str) -> bool {
    let (local, offset) = value.find(['+', '-']).map_or((value, None), |at| {
        let (local, offset) = value.split_at(at);
        (local, Some(offset))
    });
    let Some((date, time)) = local.split_at_checked(local.len().min(8)) else { return false };
    date.bytes().all(|b| b.is_ascii_digit())
        && matches!(date.len(), 4 | 6 | 8)
        && (time.is_empty() || is_time(time))
        && offset.is_none_or(is_offset)
}

/// An offset from UTC, `&ZZXX`.
pub(super) fn is_offset(value: &str) -> bool {
    value.len() == 5
        && value.starts_with(['+', '-'])
        && value != "-0000"
        && value[1..].bytes().all(|b| b.is_ascii_digit())
        && value[1..] <= *"1400"
        && value[3..] < *"60"
}

/// DS holds 16 characters: the shortest exact form, or as many digits as fit.
pub(super) fn decimal_string(value: f64) -> Option<String> {
    let size = value.abs();
    let short = format!("{value}");
    let fixed = |precision: usize| {
        let text = format!("{value:.precision$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    let text = match () {
        () if !value.is_finite() => return None,
        () if short.len() <= 16 => short,
        () if (1e-4..1e13).contains(&size) => fixed(14 - usize::from(value < 0.0) - size.max(1.0).log10() as usize),
        () => format!("{value:.8e}"),
    };
    fits(VR::DS, &text).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn values_fit_their_vr_or_are_refused() {
        let good = [
            (VR::CS, "ISO_IR 192"),
            (VR::DA, "20260314"),
            (VR::TM, "092653.123456"),
            (VR::TM, "09"),
            (VR::DT, "20260314092653.5+0100"),
            (VR::DT, "2026"),
            (VR::DS, "-1.5e-10"),
            (VR::IS, "-12"),
            (VR::PN, "Müller^Zoë=山田^太郎"),
            (VR::UI, "2.25.1"),
            (VR::LT, "two\r\nlines \\ and a backslash"),
        ];
        for (vr, value) in good {
            assert!(fits(vr, value), "{vr:?} {value}");
        }
        let bad = [
            (VR::CS, "Lower"),
            (VR::CS, "SEVENTEEN_LETTERS"),
            (VR::DA, "2026-03-14"),
            (VR::TM, "2460"),
            (VR::TM, "0926.5"),
            (VR::TM, "092660"),
            (VR::DT, "20260314092653+01:00"),
            (VR::DT, "20260314092653+1500"),
            (VR::DS, "0.33333333333333331"),
            (VR::DS, "nan"),
            (VR::DS, "1,5"),
            (VR::IS, "2147483648"),
            (VR::IS, ""),
            (VR::LO, "two\nlines"),
            (VR::LO, "a\\b"),
            (VR::PN, "a=b=c=d"),
            (VR::UI, "2.25.01"),
            (VR::UI, "3.1"),
            (VR::UI, "1.2..3"),
            (VR::SH, "seventeen letters"),
        ];
        for (vr, value) in bad {
            assert!(!fits(vr, value), "{vr:?} {value}");
        }
    }

    #[test]
    fn an_attribute_that_does_not_fit_is_named() {
        let mut object = Attributes::new();
        assert_eq!(object.text(tags::PATIENT_ID, "a\\b"), Err(DicomError::Unwritable("PatientID")));
        assert_eq!(object.integer(tags::ROWS, 65_536), Err(DicomError::Unwritable("Rows")));
        assert_eq!(object.decimals(tags::F_NUMBER, &[f64::NAN]), Err(DicomError::Unwritable("FNumber")));
    }

    #[test]
    fn decimals_keep_the_digits_that_fit() {
        assert_eq!(decimal_string(1.8).unwrap(), "1.8");
        assert_eq!(decimal_string(1.0 / 120.0).unwrap(), "0.00833333333333");
        assert_eq!(decimal_string(-1.0 / 3.0).unwrap(), "-0.3333333333333");
        assert_eq!(decimal_string(1e300 / 3.0).unwrap(), "3.33333333e299");
    }

    proptest! {
        #[test]
        fn every_finite_decimal_has_a_form(value in prop::num::f64::ANY) {
            let text = decimal_string(value);
            prop_assert_eq!(text.is_some(), value.is_finite());
            if let Some(text) = text {
                prop_assert!(text.len() <= 16);
                let back: f64 = text.parse().unwrap();
                prop_assert!((back - value).abs() <= value.abs() * 1e-8, "{} {}", value, text);
            }
        }
    }
}
