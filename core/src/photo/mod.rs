//! Camera file in, clean upright picture out.
//!
//! [`prepare`] reads JPEG and PNG by their magic bytes; [`prepare_pixels`] takes what the phone's own decoder made of a
//! HEIC. Both give a [`PreparedPhoto`] (a sequential JPEG stream that holds nothing but the picture) and a
//! [`ScrubReport`] (what was removed, what was kept, and whether a coefficient changed).

mod coefficients;
mod colour;
mod dct;
mod entropy;
mod exif;
mod frame;
mod heic;
mod huffman;
mod icc;
mod jpeg;
mod limits;
mod markers;
mod orient;
mod png;
mod prepare;
mod recheck;
mod reencode;
mod report;
mod symbols;
#[cfg(test)]
mod tests;
mod transcode;

pub use colour::{DecidedBy, SourceColour};
pub use exif::{Fact, FactValue, PhotoFacts, Taken};
pub use frame::Coding;
pub use icc::{IccProblem, IccProfile, Primaries};
pub use limits::Limits;
pub use prepare::{Pixels, inspect, prepare, prepare_pixels};
pub use report::{
    ColourReport, Format, Note, Orientation, Outcome, Part, Profile, ScrubReport, Size, Source, Time, Why,
};

/// What the picture's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// One component: MONOCHROME2.
    Grey,
    /// Three components, Y Cb Cr.
    YCbCr,
}

/// One lossy step in the picture's history (PS3.3 C.7.6.1.1.5), oldest first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossyStep {
    /// Uncompressed bytes / compressed bytes.
    pub ratio: f64,
    /// Defined term of Lossy Image Compression Method, for example `ISO_10918_1`.
    pub method: &'static str,
}

/// What was done to the pixels beyond moving coefficients: makes the object DERIVED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Derivation {
    /// Decoded and encoded again.
    Reencoded,
    /// Rows or columns cut off so that the rest could be turned without loss.
    Trimmed {
        /// Columns lost, of the upright picture.
        columns: u16,
        /// Rows lost, of the upright picture.
        rows: u16,
    },
}

/// A small copy of the upright picture, from the mean values of its blocks: RGB, 8 bit, no padding between rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Preview {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// A picture that is ready to become an object. Made by [`prepare`] and [`prepare_pixels`] only.
#[derive(Clone)]
pub struct PreparedPhoto {
    pub(crate) jpeg: Vec<u8>,
    pub(crate) rows: u16,
    pub(crate) columns: u16,
    pub(crate) colour: Colour,
    pub(crate) icc: Option<IccProfile>,
    pub(crate) facts: PhotoFacts,
    pub(crate) lossy: Vec<LossyStep>,
    pub(crate) derivation: Option<Derivation>,
    pub(crate) preview: Preview,
}

impl PreparedPhoto {
    /// The clean stream: SOI, DQT, SOF0, DHT, DRI, SOS, entropy-coded data, EOI and nothing else.
    #[must_use]
    pub fn jpeg(&self) -> &[u8] {
        &self.jpeg
    }

    /// Rows of the upright picture.
    #[must_use]
    pub fn rows(&self) -> u16 {
        self.rows
    }

    /// Columns of the upright picture.
    #[must_use]
    pub fn columns(&self) -> u16 {
        self.columns
    }

    /// What the samples are.
    #[must_use]
    pub fn colour(&self) -> Colour {
        self.colour
    }

    /// The profile for (0028,2000): the camera's, made fit for it, or sRGB where there is none. A grey picture has
    /// none.
    #[must_use]
    pub fn icc(&self) -> Option<&IccProfile> {
        self.icc.as_ref()
    }

    /// The few facts of the EXIF that are kept.
    #[must_use]
    pub fn facts(&self) -> &PhotoFacts {
        &self.facts
    }

    /// Every lossy step, oldest first; the last is the stream of [`PreparedPhoto::jpeg`].
    #[must_use]
    pub fn lossy(&self) -> &[LossyStep] {
        &self.lossy
    }

    /// What makes the picture DERIVED, if anything does.
    #[must_use]
    pub fn derivation(&self) -> Option<Derivation> {
        self.derivation
    }

    /// A small copy for lists and contact sheets.
    #[must_use]
    pub fn preview(&self) -> &Preview {
        &self.preview
    }
}

/// What to do when a JPEG in grey or Y Cb Cr cannot be set upright by moving whole blocks. Other pictures are encoded
/// again in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TurnPolicy {
    /// Decode, turn, quantise again. The steps are the source's own (transposed); those of a component whose blocks are
    /// cut anew are halved until the error is small, which makes the stream larger. Recorded as DERIVED.
    #[default]
    Reencode,
    /// Cut the incomplete MCUs off (at most 15 pixels a side with sampling factors up to 2, 31 with 4) and turn the
    /// rest without loss. Recorded as DERIVED. A picture that would vanish is encoded again.
    Trim,
    /// [`crate::PhotoError::NotLossless`].
    Refuse,
}

/// How [`prepare`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareOptions {
    /// Checked before anything is allocated.
    pub limits: Limits,
    /// When a turn without loss is impossible.
    pub turn: TurnPolicy,
    /// What shows through transparent pixels: R, G, B.
    pub background: [u8; 3],
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), turn: TurnPolicy::default(), background: [255; 3] }
    }
}
