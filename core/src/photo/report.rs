//! What was removed, what was kept, and whether a coefficient changed.
//!
//! Holds no patient data: names of markers and chunks, classes, numbers and digests, no content of what was removed.

use serde::Serialize;

use super::Derivation;
use super::colour::{DecidedBy, SourceColour};
use super::frame::Coding;
use super::icc::{IccProblem, Primaries};

/// The report on one photo; serialises to JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScrubReport {
    /// What the file was, by its first bytes.
    pub format: Format,
    /// The picture as the camera stored it.
    pub source: Source,
    /// How it was set upright.
    pub orientation: Orientation,
    /// Size of the upright picture; `None` when there is none (see [`Outcome::NeedsPixels`]).
    pub upright: Option<Size>,
    /// What became of the picture.
    pub outcome: Outcome,
    /// Is every quantised coefficient of the picture the camera's own, and none cut off?
    pub lossless: bool,
    /// SHA-256 of the entropy-coded data of all scans, before; only for JPEG.
    pub entropy_sha256_before: Option<String>,
    /// SHA-256 of the entropy-coded data of the clean stream; `None` when there is none.
    pub entropy_sha256_after: Option<String>,
    /// Every segment, chunk, item and trailer that is not of the picture, those of JPEG and PNG in the file's order.
    /// Tables that no scan uses, and bytes inside of a scan, go without an entry.
    pub removed: Vec<Part>,
    /// The segments of the clean stream.
    pub kept: Vec<Part>,
    /// What the samples meant.
    pub colour: ColourReport,
    /// What is known of the moment of capture.
    pub time: Time,
    /// Is the place of capture in the EXIF, as far as that could be read? It is removed in any case.
    pub position: bool,
    /// Further pictures in the same file, removed: in a JPEG those that begin behind the first, in a HEIC thumbnails,
    /// gain maps, depth and auxiliary pictures. Thumbnails inside of segments are not counted.
    pub other_pictures: u32,
    /// What a person may want to know besides.
    pub notes: Vec<Note>,
}

/// Kinds of files that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// HEIC, its pixels decoded by the phone.
    Heic,
    /// Pixels without a file.
    Pixels,
}

/// A size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Pixels across.
    pub columns: u32,
    /// Pixels down.
    pub rows: u32,
}

/// The picture as the camera stored it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Source {
    /// Bytes of the file; of the buffer, when there is no file.
    pub bytes: u64,
    /// SHA-256 of the same bytes.
    pub sha256: String,
    /// Before any turn.
    pub size: Size,
    /// JPEG process; `None` for other formats.
    pub coding: Option<Coding>,
    /// Chroma sampling as photographers write it (`4:2:0`), `None` for other formats.
    pub sampling: Option<String>,
}

/// How the picture was set upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Orientation {
    /// What the EXIF says; any number, `None` without the tag.
    pub exif: Option<u16>,
    /// What a HEIC's irot and imir say, as an EXIF value; `None` for other formats.
    pub container: Option<u16>,
    /// What was applied to the samples, 1 to 8.
    pub applied: u16,
    /// EXIF and container disagree: the container was followed, and a person should look.
    pub conflict: bool,
}

/// What became of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The entropy-coded bytes are the camera's.
    Unchanged,
    /// The coefficients are the camera's: moved, or written as a sequential scan.
    Moved,
    /// Samples were coded again.
    Reencoded(Why),
    /// Rows or columns of the upright picture were cut off; the other coefficients are the camera's.
    Trimmed {
        /// Columns lost.
        columns: u16,
        /// Rows lost.
        rows: u16,
    },
    /// HEIC without pixels: nothing could be made of it yet.
    NeedsPixels,
}

/// Why samples were coded again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The mirrored side is no whole number of MCUs.
    IncompleteBlocks,
    /// The source is neither grey nor Y Cb Cr.
    Colour,
    /// The source is no JPEG.
    NotJpeg,
}

impl Outcome {
    pub(super) fn derivation(self) -> Option<Derivation> {
        match self {
            Self::Reencoded(_) => Some(Derivation::Reencoded),
            Self::Trimmed { columns, rows } => Some(Derivation::Trimmed { columns, rows }),
            Self::Unchanged | Self::Moved | Self::NeedsPixels => None,
        }
    }
}

/// A segment, chunk, box or trailer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Marker or chunk (`APP1`, `tEXt`), `item` for everything in a HEIC, or `trailer`.
    pub part: &'static str,
    /// What it holds: `exif`, `xmp`, `icc`, `second-picture` ...
    pub class: &'static str,
    /// From the start of the file; of what is kept, from the start of the clean stream.
    pub offset: u64,
    /// Its bytes, marker and length included; of SOS, with the entropy-coded data.
    pub bytes: u64,
}

/// What the samples meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ColourReport {
    /// The source's components.
    pub source: SourceColour,
    /// What said so.
    pub decided_by: DecidedBy,
    /// Where the profile in the object comes from.
    pub profile: Profile,
}

/// Where the colour profile comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The camera's own, as an input profile without its texts; or one made for the colours that its code points name.
    Carried(Primaries),
    /// The file says sRGB without a profile, or the decoder of the phone converted to it.
    Srgb,
    /// Nothing says what the colours are: sRGB is assumed.
    SrgbAssumed,
    /// The camera's profile could not be carried, for the reason given: sRGB is assumed.
    SrgbAssumedBecause(IccProblem),
    /// Grey pictures carry none.
    None,
}

/// What is known of the moment of capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// The camera wrote local time and offset from UTC.
    WithOffset,
    /// The camera wrote local time only.
    WithoutOffset,
    /// The camera wrote none.
    Unknown,
}

/// What a person may want to know besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// There is EXIF of which nothing could be read.
    ExifUnreadable,
    /// More than one EXIF segment: the first one counts.
    SeveralExif,
    /// Orientation in the EXIF is no number from 1 to 8: it is not followed.
    OrientationOutOfRange,
    /// Transparent pixels were laid on the background colour.
    Composited,
    /// More than 8 bits a sample were reduced to 8.
    ReducedTo8Bit,
    /// Only the default picture of an animation was taken.
    AnimationDropped,
    /// The scan of an upright baseline JPEG held bytes beyond its blocks; they are gone. Other scans are written anew
    /// without a word.
    ScanTidied,
}
