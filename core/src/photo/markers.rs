//! JPEG at marker level (T.81 Annex B): segments in file order, the entropy-coded data of each scan, and where the
//! picture ends. Nothing is decoded here.

use std::ops::Range;

use crate::error::PhotoError;

pub(super) const SOI: u8 = 0xD8;
pub(super) const EOI: u8 = 0xD9;
pub(super) const SOS: u8 = 0xDA;
pub(super) const DQT: u8 = 0xDB;
pub(super) const DNL: u8 = 0xDC;
pub(super) const DRI: u8 = 0xDD;
pub(super) const DHT: u8 = 0xC4;
pub(super) const APP0: u8 = 0xE0;
pub(super) const COM: u8 = 0xFE;

/// A marker segment: everything from the FF of its marker to the end of its payload.
pub(super) struct Segment<'a> {
    pub(super) marker: u8,
    /// Of the marker, from the start of the file.
    pub(super) offset: usize,
    pub(super) payload: &'a [u8],
    /// What follows an SOS: entropy-coded data with its stuffing and RSTn, without fill bytes at its end.
    pub(super) entropy: Entropy,
}

/// The entropy-coded data of one scan.
#[derive(Clone, Default)]
pub(super) struct Entropy {
    pub(super) range: Range<usize>,
    /// RSTn in it.
    pub(super) restarts: usize,
    /// FF bytes before RSTn that carry nothing.
    pub(super) fill: bool,
}

/// A whole picture from SOI to its first EOI.
pub(super) struct Stream<'a> {
    pub(super) file: &'a [u8],
    pub(super) segments: Vec<Segment<'a>>,
    /// Offset behind EOI: what comes after is not the picture.
    pub(super) end: usize,
}

/// A depth map in extended XMP takes some hundred.
const MAX_SEGMENTS: usize = 4096;

/// Reads the markers of `file`, which starts with SOI.
pub(super) fn read(file: &[u8]) -> Result<Stream<'_>, PhotoError> {
    let mut segments = Vec::new();
    let mut at = 2;
    loop {
        let offset = at;
        let marker = next_marker(file, &mut at)?;
        let malformed = PhotoError::Malformed { part: name(marker), offset: offset as u64 };
        match marker {
            EOI => return Ok(Stream { file, segments, end: at }),
            // Without a scan before them, these stand where no parser expects them.
            SOI | 0x01 | 0xD0..=0xD7 => return Err(malformed),
            _ => {}
        }
        let length = match file.get(at..at + 2) {
            Some(&[high, low]) => usize::from(high) << 8 | usize::from(low),
            _ => return Err(PhotoError::Truncated(name(marker))),
        };
        if length < 2 || segments.len() == MAX_SEGMENTS {
            return Err(malformed);
        }
        let payload = file.get(at + 2..at + length).ok_or(PhotoError::Truncated(name(marker)))?;
        at += length;
        let entropy = if marker == SOS { entropy(file, at)? } else { Entropy { range: at..at, ..Entropy::default() } };
        at = entropy.range.end;
        segments.push(Segment { marker, offset, payload, entropy });
    }
}

/// Steps over FF bytes to the marker's code.
fn next_marker(file: &[u8], at: &mut usize) -> Result<u8, PhotoError> {
    let offset = *at;
    match file.get(offset) {
        Some(0xFF) => {}
        Some(_) => return Err(PhotoError::Malformed { part: "bytes between segments", offset: offset as u64 }),
        None => return Err(PhotoError::Truncated("the picture: no EOI")),
    }
    while file.get(*at) == Some(&0xFF) {
        *at += 1;
    }
    let marker = *file.get(*at).ok_or(PhotoError::Truncated("the picture: no EOI"))?;
    *at += 1;
    if marker == 0 {
        return Err(PhotoError::Malformed { part: "marker", offset: offset as u64 });
    }
    Ok(marker)
}

/// From `start` to the first FF that begins neither a stuffed byte nor RSTn.
fn entropy(file: &[u8], start: usize) -> Result<Entropy, PhotoError> {
    let (mut at, mut restarts, mut fill) = (start, 0, false);
    loop {
        let rest = file.get(at..).unwrap_or_default();
        at += memchr::memchr(0xFF, rest).ok_or(PhotoError::Truncated("SOS"))?;
        let after = file[at..].iter().position(|&byte| byte != 0xFF).ok_or(PhotoError::Truncated("SOS"))?;
        match (file[at + after], after) {
            (0, 1) => at += 2,
            (0xD0..=0xD7, _) => {
                at += after + 1;
                restarts += 1;
                fill |= after > 1;
            }
            _ => return Ok(Entropy { range: start..at, restarts, fill }),
        }
    }
}

/// The marker's name, for errors and reports.
pub(super) fn name(marker: u8) -> &'static str {
    const SOF: [&str; 16] = [
        "SOF0", "SOF1", "SOF2", "SOF3", "DHT", "SOF5", "SOF6", "SOF7", "JPG", "SOF9", "SOF10", "SOF11", "DAC", "SOF13",
        "SOF14", "SOF15",
    ];
    const APP: [&str; 16] = [
        "APP0", "APP1", "APP2", "APP3", "APP4", "APP5", "APP6", "APP7", "APP8", "APP9", "APP10", "APP11", "APP12",
        "APP13", "APP14", "APP15",
    ];
    match marker {
        0xC0..=0xCF => SOF[usize::from(marker & 15)],
        0xE0..=0xEF => APP[usize::from(marker & 15)],
        0xD0..=0xD7 => "RST",
        SOI => "SOI",
        EOI => "EOI",
        SOS => "SOS",
        DQT => "DQT",
        DNL => "DNL",
        DRI => "DRI",
        0xDE => "DHP",
        0xDF => "EXP",
        COM => "COM",
        _ => "reserved marker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &[u8] = b"\xff\xd8\xff\xfe\0\x04hi\xff\xda\0\x02\x12\xff\0\xff\xd0\x34\xff\xd9tail";

    #[test]
    fn segments_scan_and_end() {
        let stream = read(MINIMAL).unwrap();
        assert_eq!(stream.segments.iter().map(|s| s.marker).collect::<Vec<_>>(), [COM, SOS]);
        assert_eq!(stream.segments[0].payload, b"hi");
        assert_eq!(&MINIMAL[stream.segments[1].entropy.range.clone()], b"\x12\xff\0\xff\xd0\x34");
        assert_eq!(&MINIMAL[stream.end..], b"tail");
    }

    #[test]
    fn every_cut_is_truncated() {
        let end = read(MINIMAL).unwrap().end;
        for cut in 2..end {
            assert!(matches!(read(&MINIMAL[..cut]), Err(PhotoError::Truncated(_))), "cut at {cut}");
        }
    }

    #[test]
    fn there_is_an_end_to_segments() {
        let many = |count| [&b"\xff\xd8"[..], &b"\xff\xfe\0\x02".repeat(count), b"\xff\xd9"].concat();
        assert_eq!(read(&many(MAX_SEGMENTS)).unwrap().segments.len(), MAX_SEGMENTS);
        assert!(matches!(read(&many(MAX_SEGMENTS + 1)), Err(PhotoError::Malformed { part: "COM", .. })));
    }

    #[test]
    fn what_stands_in_the_wrong_place_is_malformed() {
        for bytes in
            [&b"\xff\xd8\xff\xd8\xff\xd9"[..], b"\xff\xd8x\xff\xd9", b"\xff\xd8\xff\xe1\0\x01", b"\xff\xd8\xff\0"]
        {
            assert!(matches!(read(bytes), Err(PhotoError::Malformed { .. })));
        }
    }
}
