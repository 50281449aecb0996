//! The way of a JPEG: copied, moved, or coded again, in this order of preference.

use super::coefficients::Coefficients;
use super::colour::{self, DecidedBy, SourceColour};
use super::frame::{self, Coding, Picture};
use super::markers::{self, COM, DHT, DQT, DRI, SOS, Segment, Stream};
use super::orient::Turn;
use super::prepare::{self, Draft, JPEG, Metadata, sha256};
use super::report::{ColourReport, Format, Note, Outcome, Part, ScrubReport, Why};
use super::symbols::Symbols;
use super::{Limits, LossyStep, PrepareOptions, TurnPolicy, entropy, exif, icc, reencode, transcode};
use crate::error::PhotoError;

/// Reads a JPEG and makes it upright and clean.
pub(super) fn draft(file: &[u8], options: &PrepareOptions) -> Result<Draft, PhotoError> {
    let stream = markers::read(file)?;
    let picture = frame::read(&stream, &options.limits)?;
    let (meaning, decided_by) = colour::decide(&stream, &picture.frame)?;
    let metadata = metadata(&stream, &picture, meaning, &options.limits);
    let report = report(&stream, &picture, &metadata, (meaning, decided_by));
    let work = || match meaning {
        SourceColour::Grey | SourceColour::YCbCr => moved(&picture, metadata, report, options),
        _ => {
            let source = entropy::decode(&picture, &options.limits)?;
            let upright = reencode::converted(&source, meaning, metadata.turn, &options.limits)?;
            drop(source);
            again(metadata, report, (&picture, &upright), Why::Colour, &options.limits)
        }
    };
    // The digests read nothing that the picture's way writes: they take the other core, where there is one.
    let digests = || (sha256(&[file]), sha256(&picture.scans.iter().map(|scan| scan.entropy).collect::<Vec<_>>()));
    let (draft, (file, entropy)) = std::thread::scope(|scope| {
        let beside = std::thread::Builder::new().spawn_scoped(scope, digests);
        let draft = work();
        let digested = beside.ok().and_then(|thread| thread.join().ok());
        (draft, digested.unwrap_or_else(digests))
    });
    let mut draft = draft?;
    draft.report.source.sha256 = file;
    draft.report.entropy_sha256_before = Some(entropy);
    Ok(draft)
}

/// The coefficients of a stream that was written here.
pub(super) fn coefficients(jpeg: &[u8]) -> Result<Coefficients, PhotoError> {
    let limits = unlimited();
    let stream = markers::read(jpeg)?;
    let picture = frame::read(&stream, &limits)?;
    entropy::decode(&picture, &limits)
}

/// For streams that were written here.
pub(super) fn unlimited() -> Limits {
    Limits { side: u32::MAX, pixels: u64::MAX, decoded_bytes: u64::MAX, ..Limits::default() }
}

/// A picture whose coefficients can stay what they are.
fn moved(
    picture: &Picture<'_>,
    metadata: Metadata,
    mut report: ScrubReport,
    options: &PrepareOptions,
) -> Result<Draft, PhotoError> {
    let turn = metadata.turn;
    let frame = &picture.frame;
    if let (true, [scan]) = (turn == Turn::NONE && frame.coding == Coding::Baseline, &picture.scans[..]) {
        let walk = entropy::walk(picture, &options.limits)?;
        // SOF0 has two tables of each kind.
        let baseline = scan.components.iter().all(|&(_, dc, ac)| dc < 2 && ac < 2);
        if walk.tidy && baseline {
            report.outcome = Outcome::Unchanged;
            let preview = walk.means.preview(frame, &picture.quantisation);
            let clean = transcode::copy(picture, scan)?;
            return Ok(Draft { metadata, report, clean, frame: frame.clone(), earlier: Vec::new(), preview });
        }
        if !walk.tidy {
            report.notes.push(Note::ScanTidied);
        }
    }
    let (full, whole) = (turn.frame(frame, false), turn.frame(frame, true));
    let lost = (full.columns - whole.columns, full.rows - whole.rows);
    report.outcome = match (lost, options.turn) {
        ((0, 0), _) => Outcome::Moved,
        (_, TurnPolicy::Refuse) => return Err(PhotoError::NotLossless),
        // Nothing would be left of a picture smaller than one MCU.
        ((columns, rows), TurnPolicy::Trim) if whole.columns > 0 && whole.rows > 0 => {
            Outcome::Trimmed { columns, rows }
        }
        _ => {
            let source = entropy::decode(picture, &options.limits)?;
            let upright = reencode::turned(&source, turn, &options.limits)?;
            drop(source);
            return again(metadata, report, (picture, &upright), Why::IncompleteBlocks, &options.limits);
        }
    };
    let upright = entropy::symbols(picture, turn, whole, &options.limits)?;
    prepare::draft(metadata, report, &upright, Vec::new())
}

/// A picture that was coded again: the camera's coding was a lossy step of its own.
fn again(
    metadata: Metadata,
    mut report: ScrubReport,
    (picture, upright): (&Picture<'_>, &Coefficients),
    why: Why,
    limits: &Limits,
) -> Result<Draft, PhotoError> {
    report.outcome = Outcome::Reencoded(why);
    let frame = &picture.frame;
    let bytes: usize = picture.scans.iter().map(|scan| scan.entropy.len()).sum();
    let samples = f64::from(frame.columns) * f64::from(frame.rows) * frame.components.len() as f64;
    let earlier = LossyStep { ratio: samples / bytes.max(1) as f64, method: JPEG };
    prepare::draft(metadata, report, &Symbols::of(upright, limits)?, vec![earlier])
}

fn metadata(stream: &Stream<'_>, picture: &Picture<'_>, meaning: SourceColour, limits: &Limits) -> Metadata {
    let frame = &picture.frame;
    let mut metadata = Metadata::none(Format::Jpeg, (frame.columns.into(), frame.rows.into()));
    let mut blocks = stream.segments.iter().filter_map(exif_block);
    let color_space = blocks.next().and_then(|tiff| metadata.take_exif(exif::read(tiff, limits)));
    if blocks.next().is_some() {
        metadata.notes.push(Note::SeveralExif);
    }
    if meaning != SourceColour::Grey {
        let chunks: Vec<(u8, u8, &[u8])> = stream.segments.iter().filter_map(icc_chunk).collect();
        let embedded = (!chunks.is_empty()).then(|| icc::reassemble(&chunks));
        metadata.take_profile(embedded, color_space == Some(1));
    }
    metadata.removed = stream.segments.iter().filter(|s| !belongs(s.marker)).map(|s| part(s, class(s))).collect();
    let trailer = &stream.file[stream.end..];
    if !trailer.is_empty() {
        let (offset, bytes) = (stream.end as u64, trailer.len() as u64);
        metadata.removed.push(Part { part: "trailer", class: trailer_class(trailer), offset, bytes });
        metadata.other_pictures = trailer.windows(3).filter(|w| *w == [0xFF, 0xD8, 0xFF]).count() as u32;
    }
    metadata
}

fn report(
    stream: &Stream<'_>,
    picture: &Picture<'_>,
    metadata: &Metadata,
    (source, decided_by): (SourceColour, DecidedBy),
) -> ScrubReport {
    let frame = &picture.frame;
    let mut report = metadata.report(stream.file);
    report.source.coding = Some(frame.coding);
    report.source.sampling = Some(frame.sampling());
    report.colour = ColourReport { source, decided_by, ..report.colour };
    report
}

/// The segments of a clean stream, for the report.
pub(super) fn parts(jpeg: &[u8]) -> Result<Vec<Part>, PhotoError> {
    Ok(markers::read(jpeg)?.segments.iter().map(|s| part(s, class(s))).collect())
}

fn part(segment: &Segment<'_>, class: &'static str) -> Part {
    let bytes = 4 + segment.payload.len() + segment.entropy.range.len();
    Part { part: markers::name(segment.marker), class, offset: segment.offset as u64, bytes: bytes as u64 }
}

/// What a picture is made of; nothing else is kept.
fn belongs(marker: u8) -> bool {
    matches!(marker, DQT | DHT | DRI | SOS | 0xC0..=0xC2 | markers::DNL)
}

fn exif_block<'a>(segment: &Segment<'a>) -> Option<&'a [u8]> {
    (segment.marker == 0xE1).then_some(segment.payload)?.strip_prefix(b"Exif\0")?.split_first().map(|(_, tiff)| tiff)
}

fn icc_chunk<'a>(segment: &Segment<'a>) -> Option<(u8, u8, &'a [u8])> {
    match (segment.marker == 0xE2).then_some(segment.payload)?.strip_prefix(b"ICC_PROFILE\0")? {
        [number, count, chunk @ ..] => Some((*number, *count, chunk)),
        _ => None,
    }
}

fn class(segment: &Segment<'_>) -> &'static str {
    let begins = |with: &[u8]| segment.payload.starts_with(with);
    match segment.marker {
        DQT | DHT | DRI => "tables",
        SOS => "scan",
        0xC0..=0xC2 => "frame",
        COM => "comment",
        0xE0 if begins(b"JFIF\0") => "jfif",
        0xE0 if begins(b"JFXX\0") => "thumbnail",
        0xE1 if begins(b"Exif\0") => "exif",
        0xE1 if begins(b"http://ns.adobe.com/x") => "xmp",
        0xE2 if begins(b"ICC_PROFILE\0") => "icc",
        0xE2 if begins(b"MPF\0") => "mpf",
        0xEB if begins(b"JP") => "c2pa",
        0xED if begins(b"Photoshop 3.0\0") => "iptc",
        0xEE if begins(b"Adobe") => "adobe",
        _ => "application",
    }
}

fn trailer_class(trailer: &[u8]) -> &'static str {
    match trailer {
        [0xFF, 0xD8, ..] => "second-picture",
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => "motion-video",
        [b'P', b'K', 3, 4, ..] => "zip",
        _ if trailer.ends_with(b"SEFT") => "maker-trailer",
        _ => "trailer",
    }
}
