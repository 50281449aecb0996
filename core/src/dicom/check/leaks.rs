//! Marks that camera metadata, thumbnails and containers leave, looked for in the whole file, wherever they hide.
//!
//! Plain bytes only: what is compressed or encoded once more is not seen. Each mark is so long that it does not turn up in
//! the entropy-coded data of a photo by chance.

use super::Findings;

/// What gives it away, and what it is.
const MARKS: [(&[u8], &str); 21] = [
    (b"Exif\0\0", "has an Exif block"),
    (b"Exif\0\xFF", "has an Exif block"),
    (b"http://ns.adobe.com/x", "has an XMP packet"),
    (b"<x:xmpmeta", "has an XMP packet"),
    (b"<?xpacket", "has an XMP packet"),
    (b"<rdf:RDF", "has an XMP packet"),
    (b"MPF\0II*\0", "has a multi-picture index"),
    (b"MPF\0MM\0*", "has a multi-picture index"),
    (b"Photoshop 3.0\0", "has an IPTC block"),
    (b"8BIM\x04\x04", "has an IPTC block"),
    (b"ICC_PROFILE\0", "has a profile segment in a stream"),
    (b"JFXX\0", "has a JFXX thumbnail"),
    (b"jumb\0", "has a C2PA manifest"),
    (b"jumdc2pa", "has a C2PA manifest"),
    (b"c2pa.", "has a C2PA manifest"),
    (b"SEFHe", "has a vendor's trailer"),
    (b"MotionPhoto_Data", "has a motion photo"),
    (b"GCamera:", "has a motion photo"),
    (b"AROT\0", "has a maker's note"),
    (b"Apple iOS\0", "has a maker's note"),
    (b"urn:iso:std:iso:ts:21496", "has a gain map"),
];

/// `streams` JPEG streams belong there.
pub(super) fn check(bytes: &[u8], streams: u32, findings: &mut Findings) {
    let mut begins = vec![false; 1 << 16];
    for mark in MARKS.iter().map(|(mark, _)| *mark).chain([b"JF", b"II", b"MM", b"ft", b"\xFF\xD8" as &[u8]]) {
        begins[pair(mark)] = true;
    }
    let mut seen = 0u32;
    // Two bytes tell nearly every place apart from a mark.
    for (at, _) in bytes.windows(2).enumerate().filter(|(_, two)| begins[pair(two)]) {
        let here = &bytes[at..];
        let before = &bytes[..at];
        for (mark, rule) in &MARKS {
            if here.starts_with(mark) {
                findings.add("leak", "File", rule);
            }
        }
        if here.starts_with(&[0xFF, 0xD8, 0xFF]) && is_stream(here) {
            seen = seen.saturating_add(1);
        }
        if here.starts_with(b"JFIF\0") && is_thumbnail(before, here) {
            findings.add("leak", "File", "has a JFIF thumbnail");
        }
        if is_tiff(here) {
            findings.add("leak", "File", "has a TIFF header");
        }
        if is_box(before, here) {
            findings.add("leak", "File", "has an ISO media box");
        }
    }
    if seen > streams {
        findings.add("leak", "File", "has a JPEG stream too many");
    }
}

fn pair(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |two| u16::from_be_bytes(*two).into())
}

/// Two well-formed segments after SOI, or a scan after one.
fn is_stream(here: &[u8]) -> bool {
    let (mut at, mut segments) = (2usize, 0);
    while let Some(&[0xFF, marker, high, low]) = here.get(at..at + 4) {
        let length = usize::from(high) << 8 | usize::from(low);
        if marker == 0xDA {
            return segments > 0;
        }
        if !matches!(marker, 0xFE | 0xC0..=0xCF | 0xDB..=0xEF) || length < 2 {
            return false;
        }
        (at, segments) = (at + 2 + length, segments + 1);
        if segments == 3 {
            return true;
        }
    }
    segments >= 2
}

/// An APP0 segment whose thumbnail has a size.
fn is_thumbnail(before: &[u8], here: &[u8]) -> bool {
    before.len() >= 4
        && before[before.len() - 4..].starts_with(&[0xFF, 0xE0])
        && here.get(12..14).is_some_and(|size| size != [0, 0])
}

/// A header whose first directory is near and of a likely size.
fn is_tiff(here: &[u8]) -> bool {
    let little = here.starts_with(b"II*\0");
    if !little && !here.starts_with(b"MM\0*") {
        return false;
    }
    let Some(offset) = here.get(4..8).and_then(|offset| offset.try_into().ok()) else { return false };
    let offset = if little { u32::from_le_bytes(offset) } else { u32::from_be_bytes(offset) } as usize;
    let Some(&[a, b]) = here.get(offset..).and_then(|directory| directory.get(..2)) else { return false };
    let entries = if little { [a, b].map(u16::from) } else { [b, a].map(u16::from) };
    (8..=64).contains(&offset) && (1..200).contains(&(entries[0] | entries[1] << 8))
}

/// An `ftyp` box with a likely size before it.
fn is_box(before: &[u8], here: &[u8]) -> bool {
    let size = before.last_chunk().map(|size| u32::from_be_bytes(*size));
    here.starts_with(b"ftyp")
        && here.get(4..8).is_some_and(|brand| brand.iter().all(|b| (b' '..=b'~').contains(b)))
        && size.is_some_and(|size| (16..=256).contains(&size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(bytes: &[u8], streams: u32) -> Vec<&'static str> {
        let mut findings = Findings::default();
        check(bytes, streams, &mut findings);
        findings.0.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn every_mark_is_found_wherever_it_is() {
        for (mark, rule) in MARKS {
            for filler in [0, 1, 7, 64] {
                let hidden = [&vec![b'x'; filler], mark, b"and so on"].concat();
                assert_eq!(rules(&hidden, 0), [rule]);
            }
            assert!(rules(&mark[..mark.len() - 1], 0).is_empty());
        }
    }

    #[test]
    fn containers_and_second_pictures_are_found() {
        let stream = b"\xFF\xD8\xFF\xDB\0\x04ab\xFF\xC4\0\x04ab\xFF\xDA";
        assert!(rules(stream, 1).is_empty());
        assert_eq!(rules(&stream.repeat(2), 1), ["has a JPEG stream too many"]);
        assert_eq!(rules(b"II*\0\x08\0\0\0\x05\0", 0), ["has a TIFF header"]);
        assert_eq!(rules(b"MM\0*\0\0\0\x08\0\x05", 0), ["has a TIFF header"]);
        assert!(rules(b"II*\0\x08\0\0\x01\x05\0", 0).is_empty());
        assert_eq!(rules(b"\0\0\0\x18ftypheic", 0), ["has an ISO media box"]);
        assert_eq!(rules(b"\xFF\xE0\0\x13JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01abc", 0), ["has a JFIF thumbnail"]);
        assert!(rules(b"\xFF\xE0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0", 0).is_empty());
    }
}
