//! The few facts of the EXIF that are worth keeping, by an explicit list.
//!
//! Hostile EXIF (loops, huge counts, offsets outside) gives no facts; it is never a reason to refuse the photo.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::panic::catch_unwind;

use ::exif::{Context, Exif, In, Reader, Tag, Value};
use chrono::{FixedOffset, NaiveDate, NaiveDateTime};

use super::Limits;

/// When the shutter was pressed, as the camera wrote it: DateTimeOriginal with its sub-seconds and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Local time of the camera; microseconds at most.
    pub local: NaiveDateTime,
    /// OffsetTimeOriginal, when the camera wrote a possible one (-12:00 to +14:00).
    pub offset: Option<FixedOffset>,
}

/// One kept value.
#[derive(Debug, Clone, PartialEq)]
pub enum FactValue {
    /// SHORT, LONG or one UNDEFINED byte.
    Integer(u32),
    /// RATIONAL or SRATIONAL, finite.
    Decimal(f64),
    /// Several rationals, all finite.
    Decimals(Vec<f64>),
    /// Printable text without controls or backslash, at most 64 characters.
    Text(String),
}

/// One kept EXIF tag.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    /// EXIF tag number, for example 0x829A (ExposureTime).
    pub tag: u16,
    /// Its value; one that is outside of its tag's range is no fact.
    pub value: FactValue,
}

/// What is kept of an EXIF block. Never a person, a place, a serial or free text.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PhotoFacts {
    /// Make (0x010F).
    pub make: Option<String>,
    /// Model (0x0110).
    pub model: Option<String>,
    /// Software (0x0131).
    pub software: Option<String>,
    /// DateTimeOriginal and what belongs to it.
    pub taken: Option<Taken>,
    /// Exposure, lens class and the other kept tags, by ascending tag, each at most once.
    pub facts: Vec<Fact>,
}

/// What one EXIF block says.
pub(crate) struct ExifBlock {
    /// The facts that are kept.
    pub(crate) facts: PhotoFacts,
    /// Orientation (0x0112) of the first directory as it stands, any number; `None` when there is none.
    pub(crate) orientation: Option<u16>,
    /// ColorSpace (0xA001).
    pub(crate) color_space: Option<u16>,
    /// The block held a position. Which one is read by nobody.
    pub(crate) position: bool,
}

/// Reads a block that starts at its byte-order mark.
///
/// A broken block gives what could be read safely. Of one beyond `limits.exif_bytes` only so much is read: phones put
/// 190 kB into a HEIC, the facts first and the thumbnail last. One beyond [`MAX_ENTRIES`] gives its orientation and
/// nothing else. `None` when nothing could be read.
pub(crate) fn read(tiff: &[u8], limits: &Limits) -> Option<ExifBlock> {
    let block = Block::new(tiff.get(..limits.exif_bytes).unwrap_or(tiff))?;
    let orientation = block.orientation();
    match block.followable().and_then(|bytes| catch_unwind(|| content(bytes)).ok().flatten()) {
        Some(content) => Some(ExifBlock { orientation, ..content }),
        None => orientation.map(|value| ExifBlock {
            facts: PhotoFacts::default(),
            orientation: Some(value),
            color_space: None,
            position: false,
        }),
    }
}

/// Directory entries that are visited in one block, at most. Phones write fewer than 100.
const MAX_ENTRIES: usize = 1000;

/// How one tag of the EXIF directory is read.
enum Keep {
    /// A number that must be in one of these ranges.
    Code(&'static [RangeInclusive<u32>]),
    /// A rational above 0.
    Positive,
    /// A rational from 0 on.
    NotNegative,
    /// A rational.
    Signed,
    /// A rational whose numerator FFFFFFFF (-1) stands for unknown.
    Brightness,
    /// Shortest and longest focal length and the f-number at each: all four or none.
    Lens,
    /// Four digits.
    Version,
    /// Printable text.
    Text,
}

/// The largest value of a DICOM IS.
const IS_MAX: u32 = i32::MAX as u32;

/// Every tag of the EXIF directory that becomes a [`Fact`], ascending.
#[rustfmt::skip]
const KEPT: &[(u16, Keep)] = &[
    (0x829A, Keep::Positive),                                   // ExposureTime, s
    (0x829D, Keep::Positive),                                   // FNumber
    (0x8822, Keep::Code(&[0..=8])),                             // ExposureProgram
    (0x8827, Keep::Code(&[1..=65535])),                         // PhotographicSensitivity; 65535: see SensitivityType
    (0x8830, Keep::Code(&[0..=7])),                             // SensitivityType
    (0x8831, Keep::Code(&[1..=IS_MAX])),                        // StandardOutputSensitivity
    (0x8832, Keep::Code(&[1..=IS_MAX])),                        // RecommendedExposureIndex
    (0x8833, Keep::Code(&[1..=IS_MAX])),                        // ISOSpeed
    (0x8834, Keep::Code(&[1..=IS_MAX])),                        // ISOSpeedLatitudeyyy
    (0x8835, Keep::Code(&[1..=IS_MAX])),                        // ISOSpeedLatitudezzz
    (0x9000, Keep::Version),                                    // ExifVersion
    (0x9201, Keep::Signed),                                     // ShutterSpeedValue, APEX
    (0x9202, Keep::NotNegative),                                // ApertureValue, APEX
    (0x9203, Keep::Brightness),                                 // BrightnessValue, APEX
    (0x9204, Keep::Signed),                                     // ExposureBiasValue, APEX
    (0x9205, Keep::NotNegative),                                // MaxApertureValue, APEX
    (0x9206, Keep::Positive),                                   // SubjectDistance, m; 0: unknown
    (0x9207, Keep::Code(&[0..=6, 255..=255])),                  // MeteringMode
    (0x9208, Keep::Code(&[0..=4, 9..=24, 255..=255])),          // LightSource
    (0x9209, Keep::Code(&[0..=0x7F])),                          // Flash
    (0x920A, Keep::Positive),                                   // FocalLength, mm
    (0xA20B, Keep::NotNegative),                                // FlashEnergy
    (0xA215, Keep::NotNegative),                                // ExposureIndex
    (0xA217, Keep::Code(&[1..=5, 7..=8])),                      // SensingMethod
    (0xA300, Keep::Code(&[0..=3])),                             // FileSource
    (0xA301, Keep::Code(&[1..=1])),                             // SceneType
    (0xA401, Keep::Code(&[0..=1])),                             // CustomRendered; makers write 2 to 8
    (0xA402, Keep::Code(&[0..=2])),                             // ExposureMode
    (0xA403, Keep::Code(&[0..=1])),                             // WhiteBalance
    (0xA404, Keep::NotNegative),                                // DigitalZoomRatio; 0: not used
    (0xA405, Keep::Code(&[1..=65535])),                         // FocalLengthIn35mmFilm, mm; 0: unknown
    (0xA406, Keep::Code(&[0..=3])),                             // SceneCaptureType
    (0xA407, Keep::Code(&[0..=4])),                             // GainControl
    (0xA408, Keep::Code(&[0..=2])),                             // Contrast
    (0xA409, Keep::Code(&[0..=2])),                             // Saturation
    (0xA40A, Keep::Code(&[0..=2])),                             // Sharpness
    (0xA40C, Keep::Code(&[0..=3])),                             // SubjectDistanceRange
    (0xA432, Keep::Lens),                                       // LensSpecification
    (0xA433, Keep::Text),                                       // LensMake
    (0xA434, Keep::Text),                                       // LensModel
];

/// GPS tags that say where: latitude and longitude, of the camera and of a destination.
const POSITION: [u16; 4] = [0x0002, 0x0004, 0x0014, 0x0016];

impl Keep {
    fn value(&self, value: &Value) -> Option<FactValue> {
        let decimal = |least: f64| number(value, 0).filter(|v| *v >= least).map(FactValue::Decimal);
        match self {
            Self::Code(ranges) => {
                code(value).filter(|v| ranges.iter().any(|range| range.contains(v))).map(FactValue::Integer)
            }
            Self::Positive => decimal(f64::MIN_POSITIVE),
            Self::NotNegative => decimal(0.0),
            Self::Signed => decimal(f64::MIN),
            Self::Brightness => match value {
                Value::SRational(v) if v.first()?.num == -1 => None,
                _ => decimal(f64::MIN),
            },
            Self::Lens => {
                let numbers = (0..4).map(|index| number(value, index).filter(|v| *v > 0.0)).collect::<Option<_>>()?;
                Some(FactValue::Decimals(numbers))
            }
            Self::Version => match value {
                Value::Undefined(v, _) if v.len() == 4 && v.iter().all(u8::is_ascii_digit) => {
                    Some(FactValue::Text(String::from_utf8(v.clone()).ok()?))
                }
                _ => None,
            },
            Self::Text => text(value).map(FactValue::Text),
        }
    }
}

fn content(tiff: Vec<u8>) -> Option<ExifBlock> {
    let exif = Reader::new()
        .continue_on_error(true)
        .read_raw(tiff)
        .or_else(|error| error.distill_partial_result(|_| {}))
        .ok()
        .filter(|exif| exif.fields().len() > 0)?;
    let field = |context, tag| exif.get_field(Tag(context, tag), In::PRIMARY).map(|field| &field.value);
    let named = |tag| field(Context::Tiff, tag).and_then(text);
    let facts = KEPT.iter().filter_map(|(tag, keep)| {
        let value = keep.value(field(Context::Exif, *tag)?)?;
        Some(Fact { tag: *tag, value })
    });
    Some(ExifBlock {
        facts: PhotoFacts {
            make: named(0x010F),
            model: named(0x0110),
            software: named(0x0131),
            taken: taken(&exif),
            facts: facts.collect(),
        },
        orientation: None,
        color_space: field(Context::Exif, 0xA001).and_then(code).and_then(|v| u16::try_from(v).ok()),
        position: POSITION.iter().any(|tag| field(Context::Gps, *tag).is_some()),
    })
}

/// DateTimeOriginal (0x9003), SubSecTimeOriginal (0x9291), OffsetTimeOriginal (0x9011). DateTime (0x0132) is the time
/// of the file's last change and never stands in.
fn taken(exif: &Exif) -> Option<Taken> {
    let field = |tag| ascii(&exif.get_field(Tag(Context::Exif, tag), In::PRIMARY)?.value);
    let microseconds = field(0x9291).and_then(microseconds).unwrap_or(0);
    Some(Taken { local: local_time(field(0x9003)?, microseconds)?, offset: field(0x9011).and_then(offset) })
}

/// `YYYY:MM:DD HH:MM:SS`. Second 60 is refused: a camera's clock does not know leap seconds, so it is a broken value.
fn local_time(text: &[u8], microseconds: u32) -> Option<NaiveDateTime> {
    let separators = [(4, b':'), (7, b':'), (10, b' '), (13, b':'), (16, b':')];
    if text.len() != 19 || separators.iter().any(|(at, separator)| text.get(*at) != Some(separator)) {
        return None;
    }
    let number = |from: usize, to: usize| digits(text.get(from..to)?);
    let year = i32::try_from(number(0, 4)?).ok().filter(|year| *year >= 1900)?;
    NaiveDate::from_ymd_opt(year, number(5, 7)?, number(8, 10)?)?.and_hms_micro_opt(
        number(11, 13)?,
        number(14, 16)?,
        number(17, 19)?,
        microseconds,
    )
}

/// Decimal digits after the point; those beyond the sixth are cut off.
fn microseconds(text: &[u8]) -> Option<u32> {
    let kept = text.get(..text.len().min(6)).filter(|_| text.iter().all(u8::is_ascii_digit))?;
    let missing = u32::try_from(6 - kept.len()).ok()?;
    Some(digits(kept)? * 10_u32.pow(missing))
}

/// `+HH:MM` or `-HH:MM`, from -12:00 to +14:00. `-00:00` has no meaning in DICOM (PS3.5 6.2, DT) and is no offset.
fn offset(text: &[u8]) -> Option<FixedOffset> {
    let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = text else { return None };
    let minutes = i32::try_from(digits(&[*m1, *m2]).filter(|m| *m < 60)? + 60 * digits(&[*h1, *h2])?).ok()?;
    match sign {
        b'+' if minutes <= 14 * 60 => FixedOffset::east_opt(minutes * 60),
        b'-' if (1..=12 * 60).contains(&minutes) => FixedOffset::west_opt(minutes * 60),
        _ => None,
    }
}

fn digits(text: &[u8]) -> Option<u32> {
    let valid = (1..=9).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    valid.then(|| text.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

fn code(value: &Value) -> Option<u32> {
    match value {
        Value::Undefined(v, _) if v.len() == 1 => v.first().copied().map(u32::from),
        _ => value.get_uint(0),
    }
}

/// The rational at `index`, when it is finite and known (an unsigned numerator of FFFFFFFF is neither).
fn number(value: &Value, index: usize) -> Option<f64> {
    let number = match value {
        Value::Rational(v) => v.get(index).filter(|v| v.num != u32::MAX)?.to_f64(),
        Value::SRational(v) => v.get(index)?.to_f64(),
        _ => return None,
    };
    number.is_finite().then_some(number)
}

/// The first of the strings that one ASCII value may hold, without the spaces around it.
fn ascii(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Ascii(strings) => strings.first().map(|text| text.trim_ascii()),
        _ => None,
    }
}

/// Letters and digits of any script, ASCII punctuation and spaces. So no controls, no marks that change the direction
/// of text, and no backslash, which separates values in DICOM.
fn text(value: &Value) -> Option<String> {
    let printable = |c: char| c.is_alphanumeric() || c == ' ' || (c.is_ascii_punctuation() && c != '\\');
    let text = std::str::from_utf8(ascii(value)?).ok()?;
    let fits = !text.is_empty() && text.chars().count() <= 64 && text.chars().all(printable);
    fits.then(|| text.to_owned())
}

/// A bounded look at the directories, before kamadak-exif (which visits every directory once but lets one entry after
/// the other open another one) and for what must survive when it is not asked.
struct Block<'a> {
    bytes: &'a [u8],
    big_endian: bool,
    first: usize,
}

struct Entry<'a> {
    tag: u16,
    kind: u16,
    /// `None` when it lies outside of the block.
    value: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// To the EXIF, GPS or interoperability directory.
    fn is_pointer(&self) -> bool {
        matches!(self.tag, 0x8769 | 0x8825 | 0xA005)
    }
}

impl<'a> Block<'a> {
    fn new(bytes: &'a [u8]) -> Option<Self> {
        let big_endian = match bytes.get(..4)? {
            b"MM\0*" => true,
            b"II*\0" => false,
            _ => return None,
        };
        let block = Self { bytes, big_endian, first: 0 };
        Some(Self { first: block.u32(4)?, ..block })
    }

    fn orientation(&self) -> Option<u16> {
        let entry = self.entries(self.first).find(|entry| entry.tag == 0x0112)?;
        Some(u16::try_from(self.first_number(&entry)?).unwrap_or(u16::MAX))
    }

    /// A copy that kamadak-exif may read. Pointers to the header, which some phones leave when they strip directories,
    /// are taken out of the first directory: they would be followed into noise.
    fn followable(&self) -> Option<Vec<u8>> {
        let mut copy = self.bytes.to_vec();
        for (index, entry) in self.entries(self.first).enumerate() {
            if entry.is_pointer() && self.first_number(&entry).is_none_or(|target| target < 8) {
                let at = self.first + 2 + 12 * index;
                copy.get_mut(at..at + 2)?.fill(0);
            }
        }
        Block::new(&copy)?.is_affordable().then_some(copy)
    }

    /// Whether a full read stays within [`MAX_ENTRIES`] and reads no byte of the values twice over.
    fn is_affordable(&self) -> bool {
        let (mut pending, mut seen) = (vec![self.first], BTreeSet::new());
        let (mut entries, mut value_bytes) = (0, 0);
        while let Some(directory) = pending.pop() {
            if !seen.insert(directory) {
                continue;
            }
            for entry in self.entries(directory) {
                entries += 1;
                value_bytes += entry.value.map_or(0, <[u8]>::len);
                if entries > MAX_ENTRIES || value_bytes > self.bytes.len() {
                    return false;
                }
                if entry.is_pointer() {
                    pending.extend(self.first_number(&entry));
                }
            }
            let next = self.u16(directory).and_then(|count| self.u32(directory + 2 + 12 * count));
            pending.extend(next.filter(|next| *next != 0));
        }
        true
    }

    /// The entries of the directory at `directory`, as far as its table lies inside.
    fn entries(&self, directory: usize) -> impl Iterator<Item = Entry<'a>> {
        let count = self.u16(directory).unwrap_or(0);
        (0..count).map_while(move |index| {
            let at = directory + 2 + 12 * index;
            let field = self.u32(at + 8)?;
            let (tag, kind) = (self.u16(at)? as u16, self.u16(at + 2)? as u16);
            let unit = match kind {
                1 | 2 | 6 | 7 => 1,
                3 | 8 => 2,
                4 | 9 | 11 => 4,
                5 | 10 | 12 => 8,
                _ => 0,
            };
            let length = self.u32(at + 4)?.checked_mul(unit);
            let value = length.and_then(|length| {
                let from = if length <= 4 { at + 8 } else { field };
                self.bytes.get(from..from.checked_add(length)?)
            });
            Some(Entry { tag, kind, value })
        })
    }

    fn first_number(&self, entry: &Entry<'_>) -> Option<usize> {
        let value = entry.value?;
        match entry.kind {
            1 => value.first().copied().map(usize::from),
            3 => Some(self.uint(value.get(..2)?)),
            4 => Some(self.uint(value.get(..4)?)),
            _ => None,
        }
    }

    fn u16(&self, at: usize) -> Option<usize> {
        Some(self.uint(self.bytes.get(at..at.checked_add(2)?)?))
    }

    fn u32(&self, at: usize) -> Option<usize> {
        Some(self.uint(self.bytes.get(at..at.checked_add(4)?)?))
    }

    /// Two or four bytes in the block's order.
    fn uint(&self, bytes: &[u8]) -> usize {
        let append = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        if self.big_endian { bytes.iter().fold(0, append) } else { bytes.iter().rev().fold(0, append) }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashMap;
    use std::path::PathBuf;

    use super::*;

    const ASCII: u16 = 2;
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const RATIONAL: u16 = 5;
    const UNDEFINED: u16 = 7;
    const SRATIONAL: u16 = 10;

    type Entries = Vec<(u16, u16, Vec<u8>)>;

    /// Every photo of `shared/photos/real` as (row of MANIFEST.tsv by column name, bytes). Empty, and said, without it.
    pub(in crate::photo) fn real_photos() -> Vec<(HashMap<String, String>, Vec<u8>)> {
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let folder = std::env::var_os("MOULAGE_SHARED").map_or(beside, PathBuf::from).join("photos/real");
        let Ok(manifest) = std::fs::read_to_string(folder.join("MANIFEST.tsv")) else {
            skipped("photos/real");
            return Vec::new();
        };
        let mut lines = manifest.lines().map(|line| line.split('\t').map(str::to_owned));
        let names: Vec<String> = lines.next().unwrap().collect();
        let rows = lines.map(|cells| names.iter().cloned().zip(cells).collect::<HashMap<_, _>>());
        rows.map(|row| (row.clone(), std::fs::read(folder.join(&row["file"])).unwrap())).collect()
    }

    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn skipped(what: &str) {
        eprintln!("SKIPPED: shared/{what} is not beside the checkout (or set MOULAGE_SHARED)");
    }

    /// `count` copies of `bytes`, each with a few bytes overwritten, cut, doubled or filled, from a fixed seed.
    pub(in crate::photo) fn mutants(bytes: &[u8], count: u64) -> impl Iterator<Item = Vec<u8>> {
        (1..=count).map(move |seed| {
            let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut next = move |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 11) as usize % below.max(1)
            };
            let mut mutant = bytes.to_vec();
            for _ in 0..=next(4) {
                let at = next(mutant.len());
                match next(8) {
                    0 => mutant.truncate(at),
                    1 => mutant.extend_from_within(at..),
                    2 => mutant[at..].iter_mut().take(4).for_each(|byte| *byte = 0xFF),
                    3 => mutant[at..].iter_mut().take(4).for_each(|byte| *byte = 0),
                    _ => mutant[at..].iter_mut().take(1).for_each(|byte| *byte = next(256) as u8),
                }
            }
            mutant
        })
    }

    fn ascii(tag: u16, text: &str) -> (u16, u16, Vec<u8>) {
        (tag, ASCII, [text.as_bytes(), b"\0"].concat())
    }

    fn short(tag: u16, value: u16) -> (u16, u16, Vec<u8>) {
        (tag, SHORT, value.to_be_bytes().to_vec())
    }

    fn rationals(tag: u16, kind: u16, values: &[(u32, u32)]) -> (u16, u16, Vec<u8>) {
        (tag, kind, values.iter().flat_map(|(n, d)| [n.to_be_bytes(), d.to_be_bytes()].concat()).collect())
    }

    fn directory(entries: &Entries, at: usize) -> Vec<u8> {
        let mut table = (entries.len() as u16).to_be_bytes().to_vec();
        let mut values = Vec::new();
        for (tag, kind, value) in entries {
            let unit = match *kind {
                SHORT => 2,
                LONG => 4,
                RATIONAL | SRATIONAL => 8,
                _ => 1,
            };
            table.extend([tag.to_be_bytes(), kind.to_be_bytes()].concat());
            table.extend(((value.len() / unit) as u32).to_be_bytes());
            if value.len() <= 4 {
                table.extend([value.as_slice(), &[0; 4]].concat().iter().take(4));
            } else {
                table.extend(((at + 6 + 12 * entries.len() + values.len()) as u32).to_be_bytes());
                values.extend(value);
            }
        }
        [table, vec![0; 4], values].concat()
    }

    /// A big-endian block of three directories.
    fn block(mut first: Entries, exif: Entries, gps: Entries) -> Vec<u8> {
        let pointers = |exif_at: usize, gps_at: usize| {
            [
                (0x8769, LONG, (exif_at as u32).to_be_bytes().to_vec()),
                (0x8825, LONG, (gps_at as u32).to_be_bytes().to_vec()),
            ]
        };
        first.extend(pointers(0, 0));
        let exif_at = 8 + directory(&first, 8).len();
        let gps_at = exif_at + directory(&exif, exif_at).len();
        first.truncate(first.len() - 2);
        first.extend(pointers(exif_at, gps_at));
        [b"MM\0*\0\0\0\x08".to_vec(), directory(&first, 8), directory(&exif, exif_at), directory(&gps, gps_at)].concat()
    }

    fn read(tiff: &[u8]) -> Option<ExifBlock> {
        super::read(tiff, &Limits::default())
    }

    fn facts(exif: Entries) -> Vec<Fact> {
        read(&block(vec![], exif, vec![])).unwrap().facts.facts
    }

    fn rich_block() -> Vec<u8> {
        block(
            vec![
                ascii(0x010F, "Example "),
                ascii(0x0110, "Phone\0LEAK"),
                short(0x0112, 6),
                ascii(0x0131, "1.0"),
                ascii(0x0132, "2020:01:01 00:00:00"),
                ascii(0x013B, "LEAK"),
            ],
            vec![
                rationals(0x829A, RATIONAL, &[(1, 120)]),
                short(0x8827, 64),
                (0x9000, UNDEFINED, b"0232".to_vec()),
                ascii(0x9003, "2026:03:14 09:26:53"),
                ascii(0x9011, "+01:00"),
                rationals(0x9204, SRATIONAL, &[(u32::MAX, 1)]),
                short(0x9209, 16),
                ascii(0x9291, "123456789"),
                short(0xA001, 65535),
                (0xA300, UNDEFINED, vec![3]),
                rationals(0xA432, RATIONAL, &[(4, 1), (6, 1), (18, 10), (24, 10)]),
                ascii(0xA434, "Example lens 4-6 mm f/1.8"),
                ascii(0xA431, "LEAK"),
            ],
            vec![ascii(1, "N"), rationals(2, RATIONAL, &[(47, 1), (22, 1), (0, 1)])],
        )
    }

    #[test]
    fn keeps_what_is_on_the_list_and_nothing_else() {
        let read = read(&rich_block()).unwrap();
        let fact = |tag, value| Fact { tag, value };
        let expected = PhotoFacts {
            make: Some("Example".into()),
            model: Some("Phone".into()),
            software: Some("1.0".into()),
            taken: Some(Taken {
                local: NaiveDate::from_ymd_opt(2026, 3, 14).unwrap().and_hms_micro_opt(9, 26, 53, 123_456).unwrap(),
                offset: FixedOffset::east_opt(3600),
            }),
            facts: vec![
                fact(0x829A, FactValue::Decimal(1.0 / 120.0)),
                fact(0x8827, FactValue::Integer(64)),
                fact(0x9000, FactValue::Text("0232".into())),
                fact(0x9204, FactValue::Decimal(-1.0)),
                fact(0x9209, FactValue::Integer(16)),
                fact(0xA300, FactValue::Integer(3)),
                fact(0xA432, FactValue::Decimals(vec![4.0, 6.0, 1.8, 2.4])),
                fact(0xA434, FactValue::Text("Example lens 4-6 mm f/1.8".into())),
            ],
        };
        assert_eq!(read.facts, expected);
        assert_eq!((read.orientation, read.color_space, read.position), (Some(6), Some(65535), true));
    }

    #[test]
    fn omits_unknown_and_undefined_values() {
        let unknown = vec![
            rationals(0x829A, RATIONAL, &[(1, 0)]),
            rationals(0x829D, RATIONAL, &[(0, 0)]),
            short(0x8822, 9),
            rationals(0x9203, SRATIONAL, &[(u32::MAX, 1)]),
            rationals(0x9206, RATIONAL, &[(0, 1)]),
            short(0x9207, 7),
            short(0xA401, 2),
            short(0xA405, 0),
            rationals(0xA432, RATIONAL, &[(4, 1), (6, 1), (0, 0), (24, 10)]),
        ];
        for entry in unknown {
            assert_eq!(facts(vec![entry.clone()]), [], "{:04X}", entry.0);
        }
        assert_eq!(facts(vec![rationals(0x9206, RATIONAL, &[(u32::MAX, 1)])]), []);
        assert_eq!(facts(vec![rationals(0xA432, RATIONAL, &[(4, 1), (6, 1)])]), []);
        assert_eq!(facts(vec![(0x9000, UNDEFINED, b"02\\2".to_vec())]), []);
    }

    /// As a stripped photo of a Xiaomi phone has it.
    #[test]
    fn pointers_to_nowhere_do_not_hide_the_rest() {
        let void = |tag| (tag, LONG, vec![0; 4]);
        let first = vec![ascii(0x010F, "Xiaomi"), short(0x0112, 6), void(0x8769), void(0x8825)];
        let read = read(&[b"MM\0*\0\0\0\x08".to_vec(), directory(&first, 8)].concat()).unwrap();
        assert_eq!((read.facts.make.as_deref(), read.orientation), (Some("Xiaomi"), Some(6)));
    }

    #[test]
    fn text_is_short_printable_and_one_value() {
        let kept = |value: &str| {
            read(&block(vec![ascii(0x010F, value), short(0x0112, 1)], vec![], vec![])).unwrap().facts.make
        };
        assert_eq!(kept(" Example & Co. (2) "), Some("Example & Co. (2)".into()));
        assert_eq!(kept("Müller 光"), Some("Müller 光".into()));
        assert_eq!(kept(&"x".repeat(64)).map(|text| text.len()), Some(64));
        for bad in ["", "   ", "a\\b", "a\nb", "a\u{1b}b", "a\u{202e}b", "a\u{200b}b", &"x".repeat(65)] {
            assert_eq!(kept(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("2026:10:25 02:30:00", "", "2026-10-25T02:30:00 none"),
            ("2026:10:25 02:30:00", "+02:00", "2026-10-25T02:30:00 +02:00"),
            ("2026:03:14 09:26:53", "+05:45", "2026-03-14T09:26:53 +05:45"),
            ("2026:03:14 09:26:53", "-03:30", "2026-03-14T09:26:53 -03:30"),
            ("2026:03:14 09:26:53", "+14:00", "2026-03-14T09:26:53 +14:00"),
            ("2026:03:14 09:26:53", "+00:00", "2026-03-14T09:26:53 +00:00"),
            ("2026:03:14 09:26:53", "-00:00", "2026-03-14T09:26:53 none"),
            ("2026:03:14 09:26:53", "Z", "2026-03-14T09:26:53 none"),
            ("2026:03:14 09:26:53", "+27:00", "2026-03-14T09:26:53 none"),
            ("2026:03:14 09:26:53", "+14:01", "2026-03-14T09:26:53 none"),
            ("2026:03:14 09:26:53", "-12:30", "2026-03-14T09:26:53 none"),
            ("2026:03:14 09:26:53", "+01:60", "2026-03-14T09:26:53 none"),
            ("2024:02:29 00:00:00", "", "2024-02-29T00:00:00 none"),
            ("2026:02:29 00:00:00", "", "none"),
            ("2026:02:30 25:61:61", "", "none"),
            ("0000:00:00 00:00:00", "+00:00", "none"),
            ("    :  :     :  :  ", "", "none"),
            ("2016:12:31 23:59:60", "+00:00", "none"),
            ("2026-03-14 09:26:53", "", "none"),
            ("2026:03:14 09:26:5x", "", "none"),
            ("2026:+3:14 09:26:53", "", "none"),
        ];
        for (date, offset, expected) in cases {
            let block = block(
                vec![ascii(0x0132, "2020:01:01 00:00:00"), short(0x0112, 1)],
                vec![ascii(0x9003, date), ascii(0x9011, offset)],
                vec![],
            );
            let found = read(&block).unwrap().facts.taken.map_or("none".into(), |taken| {
                let offset = taken.offset.map_or("none".into(), |offset| offset.to_string());
                format!("{} {offset}", taken.local.format("%Y-%m-%dT%H:%M:%S%.f"))
            });
            assert_eq!(found, expected, "{date} {offset}");
        }
        assert_eq!(microseconds(b"5"), Some(500_000));
        assert_eq!(microseconds(b"0000019"), Some(1));
        assert_eq!([microseconds(b""), microseconds(b"12a"), microseconds(b"-1")], [None; 3]);
    }

    #[test]
    fn hostile_blocks_give_nothing_but_their_orientation() {
        let orientation =
            |tiff: &[u8]| read(tiff).map(|block| (block.orientation, block.facts == PhotoFacts::default()));
        let own_next = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\x08\0\0\0";
        assert_eq!(orientation(own_next), Some((Some(6), true)));
        let own_child = b"II*\0\x08\0\0\0\x01\0\x69\x87\x04\0\x01\0\0\0\x08\0\0\0\0\0\0\0";
        assert_eq!(orientation(own_child), None);
        for nothing in ["", "MM\0*", "XX\0*\0\0\0\x08\0\0\0\0\0\0\0\0", "MM\0*\u{7f}\u{7f}\u{7f}\u{7f}\0\0\0\0\0\0"] {
            assert_eq!(orientation(nothing.as_bytes()), None);
        }
        let cut = block(vec![short(0x0112, 8)], vec![ascii(0xA434, "A lens of a phone")], vec![]);
        assert_eq!(orientation(&cut[..40]), Some((Some(8), true)));
    }

    #[test]
    fn only_so_much_is_read() {
        let whole = rich_block();
        let make_at = whole.windows(7).position(|window| window == b"Example").unwrap();
        let makes = [0, 7, 9].map(|more| {
            let block = super::read(&whole, &Limits { exif_bytes: make_at + more, ..Limits::default() }).unwrap();
            assert_eq!(block.orientation, Some(6));
            block.facts.make
        });
        assert_eq!(makes, [None, None, Some("Example".into())]);
    }

    /// A thousand entries that each open another directory; two large values in the same place.
    #[test]
    fn amplification_is_refused() {
        let pointers = |first: u32| (0..1001).map(move |k| (0x8769, LONG, (first + 12 * k).to_be_bytes().to_vec()));
        let many = block(pointers(20).chain([short(0x0112, 3)]).collect(), vec![], vec![]);
        assert_eq!(read(&many).unwrap().orientation, Some(3));
        assert!(!Block::new(&many).unwrap().is_affordable());
        let value = vec![0; 20_000];
        let mut shared = block(vec![], vec![(0xA433, ASCII, value.clone()), (0xA434, ASCII, value)], vec![]);
        assert!(Block::new(&shared).unwrap().is_affordable());
        shared.drain(shared.len() - 20_000 - 30..shared.len() - 30);
        let second = shared.windows(2).rposition(|pair| pair == [0xA4, 0x34]).unwrap();
        shared.copy_within(second - 4..second, second + 8);
        assert!(!Block::new(&shared).unwrap().is_affordable());
        assert!(read(&shared).is_none());
    }

    #[test]
    fn the_list_is_the_one_of_exif_map() {
        let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared");
        let table = std::env::var_os("MOULAGE_SHARED").map_or(beside, PathBuf::from).join("dicom/exif_map.tsv");
        let Ok(table) = std::fs::read_to_string(table) else { return skipped("dicom/exif_map.tsv") };
        let keep = table.lines().map(|line| line.split('\t').collect::<Vec<_>>()).filter(|row| row[6] == "keep");
        let tags = keep.filter(|row| row[0] == "Exif").map(|row| u16::from_str_radix(&row[1][2..], 16).unwrap());
        let elsewhere = [0x9003, 0x9011, 0x9291, 0xA001];
        let expected: BTreeSet<u16> = tags.filter(|tag| !elsewhere.contains(tag)).collect();
        assert!(KEPT.iter().map(|(tag, _)| *tag).eq(expected));
    }

    #[test]
    fn real_photos_give_what_their_manifest_says() {
        for (row, file) in real_photos().iter().filter(|(row, _)| row["file"].ends_with(".jpg")) {
            let name = &row["file"];
            let Some(at) = file.windows(6).position(|window| window == b"Exif\0\0") else {
                assert!(!row["has"].split(',').any(|has| has == "exif"), "{name}");
                continue;
            };
            let length = usize::from(u16::from_be_bytes([file[at - 2], file[at - 1]]));
            let block = read(&file[at + 6..at - 2 + length]);
            if name.starts_with("corrupt-") {
                continue; // survived
            }
            let block = block.unwrap();
            let orientation = block.orientation.map_or("absent".into(), |value| value.to_string());
            assert_eq!(orientation, row["exif_orientation"], "{name}");
            assert_eq!(block.facts.make.unwrap_or_default(), row["maker"], "{name}");
            assert_eq!(block.facts.model.unwrap_or_default(), row["model"], "{name}");
            let elsewhere = name == "flir-iphone.jpg"; // not in its EXIF
            assert_eq!(block.position, row["has"].contains("gps-position") && !elsewhere, "{name}");
            let offset = block.facts.taken.and_then(|taken| taken.offset);
            assert_eq!(offset.map(|offset| offset.to_string()).unwrap_or_default(), row["offset_time"], "{name}");
        }
    }

    #[test]
    fn mutated_blocks_never_panic() {
        let block = rich_block();
        let whole = mutants(&block, 20_000).filter(|mutant| read(mutant).is_some()).count();
        assert!(whole > 1000);
    }
}
