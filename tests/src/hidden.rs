//! What phones hide in a picture's file besides the picture.

use crate::jpeg::segment;
use crate::random::noise;

/// An XMP packet.
#[must_use]
pub fn xmp(text: &str) -> Vec<u8> {
    let packet = format!(
        "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF \
         xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description>{text}</rdf:Description></rdf:RDF></x:xmpmeta>"
    );
    segment(0xE1, packet.as_bytes())
}

/// One part of an extended XMP packet, filled up to `size` bytes.
#[must_use]
pub fn extended_xmp(text: &str, size: usize) -> Vec<u8> {
    let mut payload = [b"http://ns.adobe.com/xmp/extension/\0", text.as_bytes()].concat();
    payload.resize(size, b'x');
    segment(0xE1, &payload)
}

/// A Photoshop resource with an IPTC caption (APP13).
#[must_use]
pub fn iptc(text: &str) -> Vec<u8> {
    let mut data = [&b"\x1c\x02\x78"[..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat();
    let length = (data.len() as u32).to_be_bytes();
    data.resize(data.len().next_multiple_of(2), 0);
    segment(0xED, &[&b"Photoshop 3.0\0"[..], b"8BIM\x04\x04\0\0", &length, &data].concat())
}

/// A content-credentials manifest (APP11).
#[must_use]
pub fn c2pa(text: &str) -> Vec<u8> {
    let label = box_of(b"jumd", b"c2pa\0\x11\0\x10\x80\0\0\xaa\x008\x9bq\x03c2pa\0");
    segment(
        0xEB,
        &[&b"JP\0\x01\0\0\0\x01"[..], &box_of(b"jumb", &[label, box_of(b"json", text.as_bytes())].concat())].concat(),
    )
}

/// A JFIF header with a thumbnail of the text's bytes, `text.len() / 3` pixels in a row.
///
/// # Panics
/// When the text's length is no multiple of 3.
#[must_use]
pub fn jfif_thumbnail(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(3));
    segment(0xE0, &[&b"JFIF\0\x01\x02\0\0\x01\0\x01"[..], &[(text.len() / 3) as u8, 1], text.as_bytes()].concat())
}

/// The first picture, as `first` makes it from an MPF index (APP2) of both, and the second one behind it.
///
/// # Panics
/// When `first` leaves the index out.
#[must_use]
pub fn with_second_picture(first: impl Fn(Vec<u8>) -> Vec<u8>, second: &[u8]) -> Vec<u8> {
    let draft = first(mpf(0, second.len(), 0));
    let mark = memchr::memmem::find(&draft, b"MPF\0").expect("the index is in the file") + 4;
    [first(mpf(draft.len(), second.len(), draft.len() - mark)), second.to_vec()].concat()
}

/// An MPF index of two pictures; the offset counts from the byte order mark in this segment.
#[must_use]
pub fn mpf(first_size: usize, second_size: usize, second_offset: usize) -> Vec<u8> {
    let long = |v: usize| (v as u32).to_be_bytes();
    let picture = |kind: usize, size: usize, offset: usize| [long(kind), long(size), long(offset), [0; 4]].concat();
    let entries = [
        &b"\xb0\0\0\x07\0\0\0\x040100"[..],
        b"\xb0\x01\0\x04\0\0\0\x01\0\0\0\x02",
        b"\xb0\x02\0\x07\0\0\0\x20\0\0\0\x32",
    ];
    let pictures = [picture(0x03_0000, first_size, 0), picture(0, second_size, second_offset)].concat();
    segment(0xE2, &[&b"MPF\0MM\0\x2a\0\0\0\x08\0\x03"[..], &entries.concat(), &[0; 4], &pictures].concat())
}

/// The video of a motion photo, to stand behind the picture.
#[must_use]
pub fn motion_video(text: &str) -> Vec<u8> {
    [box_of(b"ftyp", b"mp42\0\0\0\0isommp42"), box_of(b"free", text.as_bytes()), box_of(b"mdat", &noise(5, 20_000))]
        .concat()
}

/// Samsung's blocks behind the picture: the directory (SEFH ... SEFT) is found from the end of the file.
#[must_use]
pub fn samsung_trailer(text: &str) -> Vec<u8> {
    let long = |v: usize| (v as u32).to_le_bytes();
    let name = b"Image_UTC_Data";
    let block = [&b"\0\0\x01\x0a"[..], &long(name.len()), name, text.as_bytes()].concat();
    let directory =
        [&b"SEFH"[..], &long(106), &long(1), b"\0\0\x01\x0a", &long(block.len()), &long(block.len())].concat();
    [&block[..], &directory, &long(directory.len()), b"SEFT"].concat()
}

/// A ZIP archive of one stored file.
#[must_use]
pub fn zip(name: &str, text: &str) -> Vec<u8> {
    let (short, long) = (|v: usize| (v as u16).to_le_bytes(), |v: usize| (v as u32).to_le_bytes());
    let sums =
        [&crc32fast::hash(text.as_bytes()).to_le_bytes()[..], &long(text.len()), &long(text.len()), &short(name.len())]
            .concat();
    let file =
        [&b"PK\x03\x04\x14\0\0\0\0\0\0\0\x21\x5c"[..], &sums, &short(0), name.as_bytes(), text.as_bytes()].concat();
    let entry = [&b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\x21\x5c"[..], &sums, &[0; 16], name.as_bytes()].concat();
    let end = [&b"PK\x05\x06\0\0\0\0\x01\0\x01\0"[..], &long(entry.len()), &long(file.len()), &short(0)].concat();
    [file, entry, end].concat()
}

/// An ISO media box.
#[must_use]
pub fn box_of(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32 + 8).to_be_bytes()[..], kind, payload].concat()
}
