//! The way of a photo through this stage, by what its first bytes say it is.

use super::colour::{DecidedBy, SourceColour};
use super::exif::{self, ExifBlock};
use super::frame::Frame;
use super::icc::{self, IccProblem, IccProfile, Primaries};
use super::orient::Turn;
use super::report::{
    ColourReport, Format, Note, Orientation, Outcome, Part, Profile, ScrubReport, Size, Source, Time, Why,
};
use super::symbols::Symbols;
use super::transcode::{self, Clean};
use super::{
    Colour, LossyStep, PhotoFacts, PrepareOptions, PreparedPhoto, Preview, heic, jpeg, png, recheck, reencode,
};
use crate::error::PhotoError;

/// Makes a camera's file (JPEG or PNG, by its first bytes) a clean, upright picture.
///
/// # Errors
/// [`PhotoError`]; nothing is made then. HEIC gives [`PhotoError::HeicNeedsPixels`]: see [`prepare_pixels`].
pub fn prepare(file: &[u8], options: &PrepareOptions) -> Result<(PreparedPhoto, ScrubReport), PhotoError> {
    options.limits.check_file(file.len() as u64)?;
    match file {
        [] => Err(PhotoError::Empty),
        [0xFF, 0xD8, 0xFF, ..] => finish(jpeg::draft(file, options)?),
        [0x89, b'P', b'N', b'G', ..] => finish(png_draft(file, options)?),
        _ => Err(refusal(file)),
    }
}

/// Says what [`prepare`] would make of a file, by doing it. Of HEIC it tells what lies around the picture.
///
/// # Errors
/// As [`prepare`]; a HEIC whose boxes are broken as well.
pub fn inspect(file: &[u8], options: &PrepareOptions) -> Result<ScrubReport, PhotoError> {
    match prepare(file, options) {
        Err(PhotoError::HeicNeedsPixels) => {
            let draft = Metadata::of_heic(file, options)?;
            let mut report = draft.report(file);
            report.source.sha256 = sha256(&[file]);
            Ok(report)
        }
        other => other.map(|(_, report)| report),
    }
}

/// What the phone's own decoder made of a photo: RGB, 8 bit, top row first.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    /// Rows of `3 * width` bytes that begin every `stride` bytes.
    pub rgb: &'a [u8],
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Bytes from one row's beginning to the next's.
    pub stride: usize,
    /// Has the decoder set the picture upright already?
    pub turned: bool,
    /// Has the decoder converted the colours to sRGB? Then the container's profile no longer applies.
    pub converted_to_srgb: bool,
}

/// Makes decoded pixels a clean, upright picture. `container` is the HEIC file that they come from: its irot and imir
/// say how the picture stands, its EXIF gives the facts, its profile the colours.
///
/// # Errors
/// [`PhotoError::PixelsMismatch`] when buffer, stride and size do not fit one another or the container; limits; a
/// container that is not HEIC or is broken.
pub fn prepare_pixels(
    pixels: &Pixels<'_>,
    container: Option<&[u8]>,
    options: &PrepareOptions,
) -> Result<(PreparedPhoto, ScrubReport), PhotoError> {
    options.limits.check_size(pixels.width, pixels.height)?;
    let row = 3 * pixels.width as usize;
    let needed =
        (pixels.height as usize).checked_sub(1).and_then(|rows| rows.checked_mul(pixels.stride)).map(|n| n + row);
    if row == 0 || pixels.stride < row || needed.is_none_or(|needed| pixels.rgb.len() < needed) {
        return Err(PhotoError::PixelsMismatch);
    }
    let mut metadata = match container {
        Some(file) => Metadata::of_heic(file, options)?,
        None => {
            let mut metadata = Metadata::none(Format::Pixels, (pixels.width, pixels.height));
            metadata.take_profile(None, false);
            metadata
        }
    };
    let stored = if pixels.turned { metadata.turn.swap(metadata.size) } else { metadata.size };
    if stored != (pixels.width, pixels.height) {
        return Err(PhotoError::PixelsMismatch);
    }
    if pixels.turned {
        (metadata.turn, metadata.orientation.applied) = (Turn::NONE, 1);
    }
    if pixels.converted_to_srgb {
        (metadata.icc, metadata.profile) = (Some(icc::srgb()), Profile::Srgb);
    }
    let digested = container.unwrap_or(pixels.rgb);
    let raster = Raster { rgb: pixels.rgb, stride: pixels.stride, size: stored, colour: Colour::YCbCr };
    finish(pixel_draft(metadata, digested, &raster, options)?)
}

/// What is known of a photo before its picture is made.
pub(super) struct Metadata {
    pub(super) format: Format,
    pub(super) size: (u32, u32),
    pub(super) orientation: Orientation,
    pub(super) turn: Turn,
    pub(super) facts: PhotoFacts,
    pub(super) icc: Option<IccProfile>,
    pub(super) profile: Profile,
    pub(super) removed: Vec<Part>,
    pub(super) position: bool,
    pub(super) other_pictures: u32,
    pub(super) notes: Vec<Note>,
    /// The lossy coding that came before, when it is not the stream itself: method and bytes.
    pub(super) coded: Option<(&'static str, u64)>,
}

impl Metadata {
    pub(super) fn none(format: Format, size: (u32, u32)) -> Self {
        Self {
            format,
            size,
            orientation: Orientation { exif: None, container: None, applied: 1, conflict: false },
            turn: Turn::NONE,
            facts: PhotoFacts::default(),
            icc: None,
            profile: Profile::None,
            removed: Vec::new(),
            position: false,
            other_pictures: 0,
            notes: Vec::new(),
            coded: None,
        }
    }

    /// Takes facts and orientation from an EXIF block; `None` says there is one that cannot be read.
    /// Returns what it says of colours.
    pub(super) fn take_exif(&mut self, block: Option<ExifBlock>) -> Option<u16> {
        let Some(block) = block else {
            self.notes.push(Note::ExifUnreadable);
            return None;
        };
        self.facts = block.facts;
        self.position = block.position;
        self.orientation.exif = block.orientation;
        match block.orientation.map(Turn::from_exif) {
            Some(Some(turn)) => {
                self.turn = turn;
                self.orientation.applied = block.orientation.unwrap_or(1);
            }
            Some(None) => self.notes.push(Note::OrientationOutOfRange),
            None => {}
        }
        block.color_space
    }

    /// Decides the profile of a colour picture.
    pub(super) fn take_profile(&mut self, embedded: Option<Result<Vec<u8>, IccProblem>>, says_srgb: bool) {
        let carried = embedded.map(|profile| profile.and_then(|bytes| icc::for_dicom(&bytes)));
        let (profile, origin) = match carried {
            Some(Ok(profile)) => {
                let primaries = profile.primaries();
                (profile, Profile::Carried(primaries))
            }
            Some(Err(problem)) => (icc::srgb(), Profile::SrgbAssumedBecause(problem)),
            None if says_srgb => (icc::srgb(), Profile::Srgb),
            None => (icc::srgb(), Profile::SrgbAssumed),
        };
        (self.icc, self.profile) = (Some(profile), origin);
    }

    /// Colours by the code points of ITU-T H.273 (nclx, cICP), where there is a profile for them.
    fn take_code_points(&mut self, points: Option<(u16, u16)>) {
        if let Some(profile) = points.and_then(|(primaries, transfer)| icc::from_nclx(primaries, transfer)) {
            self.profile = match profile.primaries() {
                Primaries::Srgb => Profile::Srgb,
                primaries => Profile::Carried(primaries),
            };
            self.icc = Some(profile);
        }
    }

    fn of_heic(file: &[u8], options: &PrepareOptions) -> Result<Self, PhotoError> {
        options.limits.check_file(file.len() as u64)?;
        if heic::brand(file) != Some("heic") {
            return Err(refusal(file));
        }
        let heic = heic::read(file, &options.limits)?;
        let mut metadata = Self::none(Format::Heic, heic.crop.unwrap_or((heic.width, heic.height)));
        let color_space = heic.exif.and_then(|tiff| metadata.take_exif(exif::read(tiff, &options.limits)));
        // irot and imir are the rule, also where they are absent; EXIF is only evidence (ISO/IEC 23008-12 6.5.10).
        let container = heic::orientation(heic.irot, heic.imir, heic.mirror_first);
        metadata.turn = Turn::from_exif(container).unwrap_or(Turn::NONE);
        metadata.orientation.container = Some(container);
        metadata.orientation.applied = container;
        metadata.orientation.conflict = metadata.orientation.exif.is_some_and(|exif| exif != container);
        metadata.take_profile(heic.icc.map(|profile| Ok(profile.to_vec())), color_space == Some(1));
        if heic.icc.is_none() {
            metadata.take_code_points(heic.nclx);
        }
        let pictures = ["thumbnail", "gain-map", "depth", "aux"];
        metadata.other_pictures = heic.other_items.iter().filter(|item| pictures.contains(&item.0)).count() as u32;
        let part = |&(class, offset, bytes): &(&'static str, u64, u64)| Part { part: "item", class, offset, bytes };
        metadata.removed = heic.other_items.iter().map(part).collect();
        if heic.bit_depth.is_some_and(|bits| bits > 8) {
            metadata.notes.push(Note::ReducedTo8Bit);
        }
        metadata.coded = Some(("ISO_23008_2", heic.coded_bytes));
        Ok(metadata)
    }

    /// The report on a picture that is still to be made of this, without digests.
    pub(super) fn report(&self, file: &[u8]) -> ScrubReport {
        let size = Size { columns: self.size.0, rows: self.size.1 };
        ScrubReport {
            format: self.format,
            source: Source { bytes: file.len() as u64, sha256: String::new(), size, coding: None, sampling: None },
            orientation: self.orientation,
            upright: None,
            outcome: Outcome::NeedsPixels,
            lossless: false,
            entropy_sha256_before: None,
            entropy_sha256_after: None,
            removed: self.removed.clone(),
            kept: Vec::new(),
            colour: ColourReport { source: SourceColour::Rgb, decided_by: DecidedBy::Format, profile: self.profile },
            time: match self.facts.taken.map(|taken| taken.offset) {
                Some(Some(_)) => Time::WithOffset,
                Some(None) => Time::WithoutOffset,
                None => Time::Unknown,
            },
            position: self.position,
            other_pictures: self.other_pictures,
            notes: self.notes.clone(),
        }
    }
}

/// A picture that is made but not yet checked.
pub(super) struct Draft {
    pub(super) metadata: Metadata,
    pub(super) report: ScrubReport,
    pub(super) clean: Clean,
    /// Of the upright picture.
    pub(super) frame: Frame,
    /// Lossy steps before the stream itself.
    pub(super) earlier: Vec<LossyStep>,
    pub(super) preview: Preview,
}

/// The second reading, and what only the finished stream tells.
fn finish(draft: Draft) -> Result<(PreparedPhoto, ScrubReport), PhotoError> {
    let Draft { metadata, mut report, clean, frame, earlier: mut lossy, preview } = draft;
    let (rows, columns, colour) = (frame.rows, frame.columns, frame.colour());
    recheck::check(&clean.jpeg, rows, columns)?;
    report.upright = Some(Size { columns: columns.into(), rows: rows.into() });
    report.lossless = report.outcome.derivation().is_none();
    report.entropy_sha256_after = Some(match (&report.outcome, &report.entropy_sha256_before) {
        (Outcome::Unchanged, Some(same)) => same.clone(),
        _ => sha256(&[&clean.jpeg[clean.entropy.clone()]]),
    });
    report.kept = jpeg::parts(&clean.jpeg)?;
    lossy.push(LossyStep { ratio: ratio(columns, rows, colour, clean.jpeg.len() as u64), method: JPEG });
    let photo = PreparedPhoto {
        jpeg: clean.jpeg,
        rows,
        columns,
        colour,
        icc: metadata.icc,
        facts: metadata.facts,
        lossy,
        derivation: report.outcome.derivation(),
        preview,
    };
    Ok((photo, report))
}

/// The defined term for JPEG (PS3.3 C.7.6.1.1.5.1).
pub(super) const JPEG: &str = "ISO_10918_1";

/// Uncompressed bytes / compressed bytes, padded to an even number as in the object.
pub(super) fn ratio(columns: u16, rows: u16, colour: Colour, bytes: u64) -> f64 {
    let samples = if colour == Colour::Grey { 1.0 } else { 3.0 };
    f64::from(columns) * f64::from(rows) * samples / bytes.next_multiple_of(2).max(2) as f64
}

fn png_draft(file: &[u8], options: &PrepareOptions) -> Result<Draft, PhotoError> {
    let png = png::decode(file, &options.limits, options.background)?;
    let mut metadata = Metadata::none(Format::Png, (png.width, png.height));
    let color_space = png.exif.as_deref().and_then(|tiff| metadata.take_exif(exif::read(tiff, &options.limits)));
    let unreadable = png.icc.is_none() && png.chunks.iter().any(|&(part, ..)| part == "iCCP");
    let embedded = if unreadable { Some(Err(IccProblem::NotAProfile)) } else { png.icc.map(Ok) };
    if !png.grey {
        metadata.take_profile(embedded, png.srgb || color_space == Some(1));
        metadata.take_code_points(png.cicp);
    }
    metadata.removed = png
        .chunks
        .into_iter()
        .map(|(part, offset, bytes)| Part { class: chunk_class(part), part, offset, bytes })
        .collect();
    let notes = [
        (png.composited, Note::Composited),
        (png.reduced_from_16_bit, Note::ReducedTo8Bit),
        (png.animated, Note::AnimationDropped),
    ];
    metadata.notes.extend(notes.into_iter().filter_map(|(said, note)| said.then_some(note)));
    let colour = if png.grey { Colour::Grey } else { Colour::YCbCr };
    let raster = Raster { rgb: &png.rgb, stride: 3 * png.width as usize, size: metadata.size, colour };
    pixel_draft(metadata, file, &raster, options)
}

fn chunk_class(part: &str) -> &'static str {
    match part {
        "eXIf" => "exif",
        "iCCP" => "icc",
        "tEXt" | "zTXt" | "iTXt" => "text",
        "tIME" => "time",
        "acTL" | "fcTL" | "fdAT" => "animation",
        "trailer" => "trailer",
        _ => "chunk",
    }
}

/// Decoded pixels, as stored.
struct Raster<'a> {
    rgb: &'a [u8],
    stride: usize,
    size: (u32, u32),
    colour: Colour,
}

fn pixel_draft(
    metadata: Metadata,
    digested: &[u8],
    raster: &Raster<'_>,
    options: &PrepareOptions,
) -> Result<Draft, PhotoError> {
    // Limits::side may have been set beyond what a JPEG can hold.
    let side = |n: u32| u16::try_from(n).map_err(|_| PhotoError::PixelsMismatch);
    let (columns, rows) = (side(raster.size.0)?, side(raster.size.1)?);
    let pixels = (raster.rgb, raster.stride);
    let upright = reencode::encoded(pixels, raster.colour, (columns, rows), metadata.turn, &options.limits)?;
    let mut report = metadata.report(digested);
    report.source.sha256 = sha256(&[digested]);
    report.outcome = Outcome::Reencoded(Why::NotJpeg);
    if raster.colour == Colour::Grey {
        report.colour.source = SourceColour::Grey;
    }
    let earlier = metadata
        .coded
        .map(|(method, bytes)| LossyStep { ratio: ratio(columns, rows, raster.colour, bytes), method })
        .into_iter()
        .collect();
    draft(metadata, report, &Symbols::of(&upright, &options.limits)?, earlier)
}

/// Writes a picture that is upright already.
pub(super) fn draft(
    metadata: Metadata,
    report: ScrubReport,
    upright: &Symbols,
    earlier: Vec<LossyStep>,
) -> Result<Draft, PhotoError> {
    let frame = &upright.frame;
    let preview = upright.means().preview(frame, &upright.quantisation);
    let clean = transcode::write(upright)?;
    Ok(Draft { metadata, report, clean, frame: frame.clone(), earlier, preview })
}

impl PreparedPhoto {
    /// The same picture as Y Cb Cr: a grey one gets two neutral components, its luma coefficients stay.
    ///
    /// # Errors
    /// [`PhotoError`] when the stream that was made cannot be read again; a bug of ours.
    pub fn in_colour(&self) -> Result<Self, PhotoError> {
        if self.colour == Colour::YCbCr {
            return Ok(self.clone());
        }
        let coefficients = reencode::in_colour(&jpeg::coefficients(&self.jpeg)?);
        let clean = transcode::write(&Symbols::of(&coefficients, &jpeg::unlimited())?)?;
        recheck::check(&clean.jpeg, self.rows, self.columns)?;
        let mut photo = Self { jpeg: clean.jpeg, colour: Colour::YCbCr, ..self.clone() };
        if let Some(last) = photo.lossy.last_mut() {
            last.ratio = ratio(self.columns, self.rows, Colour::YCbCr, photo.jpeg.len() as u64);
        }
        Ok(photo)
    }
}

/// Names what is not read.
fn refusal(file: &[u8]) -> PhotoError {
    if let Some(brand) = heic::brand(file) {
        return if brand == "heic" { PhotoError::HeicNeedsPixels } else { PhotoError::UnsupportedFormat(brand) };
    }
    PhotoError::UnsupportedFormat(match file {
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "tiff",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "webp",
        [b'G', b'I', b'F', b'8', ..] => "gif",
        [b'B', b'M', ..] => "bmp",
        [b'%', b'P', b'D', b'F', ..] => "pdf",
        [0xFF, 0x0A, ..] | [0, 0, 0, 12, b'J', b'X', b'L', b' ', ..] => "jpeg xl",
        [0, 0, 0, 12, b'j', b'P', ..] | [0xFF, 0x4F, 0xFF, 0x51, ..] => "jpeg 2000",
        _ => "unknown",
    })
}

/// Of all parts one after the other, in lower-case hexadecimal.
pub(super) fn sha256(parts: &[&[u8]]) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
