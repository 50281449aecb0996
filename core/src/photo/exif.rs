//! The few facts of the EXIF that are worth keeping, by an explicit list (`exif_map.tsv`, policy keep).
//!
//! Hostile EXIF (loops, huge counts, offsets outside) gives no facts; it is never a reason to refuse the photo.

use chrono::{FixedOffset, NaiveDateTime};

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
    /// Its value, already within the range that `exif_map.tsv` gives.
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
