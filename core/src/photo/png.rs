//! PNG: decoded by `image`, reduced to 8-bit RGB knowingly.

use std::io::Cursor;
use std::panic::catch_unwind;

use image::codecs::png::PngDecoder;
use image::{ColorType, ImageDecoder};

use super::{Limits, icc};
use crate::error::PhotoError;

/// A decoded PNG.
pub(crate) struct Png {
    /// Pixels across.
    pub(crate) width: u32,
    /// Pixels down.
    pub(crate) height: u32,
    /// `3 * width * height` bytes, no padding between rows.
    pub(crate) rgb: Vec<u8>,
    /// The block of the `eXIf` chunk, cut one byte behind the limit.
    pub(crate) exif: Option<Vec<u8>>,
    /// The profile of the `iCCP` chunk.
    pub(crate) icc: Option<Vec<u8>>,
    /// Colour primaries and transfer characteristics of the `cICP` chunk (ITU-T H.273); it outranks `iCCP` and `sRGB`.
    pub(crate) cicp: Option<(u16, u16)>,
    /// There is an `sRGB` chunk.
    pub(crate) srgb: bool,
    /// Samples had 16 bits and were rounded to 8.
    pub(crate) reduced_from_16_bit: bool,
    /// Some pixel let the background through.
    pub(crate) composited: bool,
    /// R, G and B are equal by the file's own colour type.
    pub(crate) grey: bool,
    /// Every ancillary chunk, and `trailer` for what follows IEND: (type, offset from the start, bytes with framing).
    pub(crate) chunks: Vec<(&'static str, u64, u64)>,
    /// It is animated; this is the default image.
    pub(crate) animated: bool,
}

/// Decodes a PNG; transparent pixels show `background`.
///
/// Sixteen bits become eight by `round(v * 255 / 65535)`, then alpha is applied in eight bits with rounding.
///
/// # Errors
/// `LimitExceeded` from the header, before anything is allocated; `Truncated("png")` when the file ends before IEND;
/// `Malformed` with the chunk when the structure is broken; `Undecodable` when the picture data is.
pub(crate) fn decode(file: &[u8], limits: &Limits, background: [u8; 3]) -> Result<Png, PhotoError> {
    limits.check_file(file.len() as u64)?;
    let header = Header::read(file)?;
    limits.check_size(header.width, header.height)?;
    let chunks = Chunks::read(file)?;
    limits.check_decoded(header.decoded_bytes(chunks.transparency))?;

    let decoded =
        catch_unwind(|| Samples::decode(&chunks.needed, header.width)).map_err(|_| PhotoError::Undecodable)??;
    let (colour, icc) = (decoded.colour, decoded.icc);
    let (rgb, composited) = flatten(decoded.bytes, colour, background);
    if rgb.len() as u64 != 3 * header.pixels() {
        return Err(PhotoError::Undecodable);
    }
    let [r, g, b] = background;
    let has = |name: &str| chunks.others.iter().any(|&(kind, ..)| kind == name);
    Ok(Png {
        width: header.width,
        height: header.height,
        rgb,
        exif: chunks.exif.map(|block| block.get(..=limits.exif_bytes).unwrap_or(block).to_vec()),
        icc,
        cicp: chunks.cicp,
        srgb: has("sRGB"),
        reduced_from_16_bit: is_wide(colour),
        composited,
        grey: !colour.has_color() && (!composited || (r == g && g == b)),
        animated: has("acTL"),
        chunks: chunks.others,
    })
}

/// An ancillary chunk's name; the four letters of one that no standard knows are the file's own words.
fn name(kind: &[u8; 4]) -> &'static str {
    const KNOWN: [&str; 20] = [
        "acTL", "bKGD", "cHRM", "cICP", "cLLI", "eXIf", "fcTL", "fdAT", "gAMA", "hIST", "iCCP", "iTXt", "mDCV", "pHYs",
        "sBIT", "sPLT", "sRGB", "tEXt", "tIME", "zTXt",
    ];
    KNOWN.into_iter().find(|known| known.as_bytes() == kind).unwrap_or("unknown chunk")
}

struct Header {
    width: u32,
    height: u32,
    depth: u8,
    channels: u8,
}

impl Header {
    fn read(file: &[u8]) -> Result<Self, PhotoError> {
        let malformed = PhotoError::Malformed { part: "IHDR", offset: 8 };
        let head = file.first_chunk::<33>().ok_or(PhotoError::Truncated("png"))?;
        let [b"\x89PNG\r\n\x1a\n", fields @ ..] = [&head[..8], &head[8..16], &head[16..26]] else {
            return Err(PhotoError::Malformed { part: "png chunk", offset: 0 });
        };
        let [b"\0\0\0\x0dIHDR", &[w1, w2, w3, w4, h1, h2, h3, h4, depth, colour]] = fields else {
            return Err(malformed);
        };
        let (width, height) = (u32::from_be_bytes([w1, w2, w3, w4]), u32::from_be_bytes([h1, h2, h3, h4]));
        let channels = match (colour, depth) {
            (0, 1 | 2 | 4 | 8 | 16) => 1,
            (3, 1 | 2 | 4 | 8) | (2, 8 | 16) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return Err(malformed),
        };
        if width == 0 || height == 0 {
            return Err(malformed);
        }
        Ok(Self { width, height, depth, channels })
    }

    fn pixels(&self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The decoder's samples, and the RGB made of them unless they are it.
    fn decoded_bytes(&self, transparency: bool) -> u64 {
        let channels = u64::from(self.channels) + u64::from(transparency);
        match (channels, self.depth > 8) {
            (3, false) => 3 * self.pixels(),
            (channels, wide) => (channels * (1 + u64::from(wide)) + 3) * self.pixels(),
        }
    }
}

/// Chunks that are neither the picture nor its end, at most.
const MAX_CHUNKS: usize = 4096;

/// The file in its parts. The decoder gets only what makes pixels, so no text is inflated and no second frame is met.
struct Chunks<'a> {
    /// Signature, IHDR, PLTE, tRNS, iCCP, IDAT, IEND.
    needed: Vec<u8>,
    transparency: bool,
    exif: Option<&'a [u8]>,
    cicp: Option<(u16, u16)>,
    others: Vec<(&'static str, u64, u64)>,
}

impl<'a> Chunks<'a> {
    fn read(file: &'a [u8]) -> Result<Self, PhotoError> {
        let (signature, mut rest) = file.split_at_checked(8).ok_or(PhotoError::Truncated("png"))?;
        let mut chunks =
            Self { needed: signature.to_vec(), transparency: false, exif: None, cicp: None, others: Vec::new() };
        loop {
            let at = (file.len() - rest.len()) as u64;
            let malformed = |part| PhotoError::Malformed { part, offset: at };
            let (head, _) = rest.split_first_chunk::<8>().ok_or(PhotoError::Truncated("png"))?;
            let [l1, l2, l3, l4, kind @ ..] = *head;
            let length = u32::from_be_bytes([l1, l2, l3, l4]) as usize;
            if !kind.iter().all(u8::is_ascii_alphabetic) || length > i32::MAX as usize {
                return Err(malformed("png chunk"));
            }
            let whole = rest.get(..length.saturating_add(12)).ok_or(PhotoError::Truncated("png"))?;
            let (checked, sum) = whole.split_at(length + 8);
            let data = &checked[8..];
            rest = &rest[whole.len()..];
            // The decoder checks IDAT, but passes over other chunks with wrong sums: transparency and colour would be lost.
            if kind != *b"IDAT" && sum != crc(&checked[4..]).to_be_bytes() {
                return Err(malformed("png chunk"));
            }
            let is_needed = matches!(&kind, b"IHDR" | b"PLTE" | b"tRNS" | b"iCCP" | b"IDAT" | b"IEND");
            if is_needed {
                chunks.needed.extend(whole);
            }
            if kind[0].is_ascii_lowercase() {
                chunks.others.push((name(&kind), at, whole.len() as u64));
            } else if !is_needed {
                return Err(malformed("png chunk"));
            }
            match &kind {
                b"tRNS" => chunks.transparency = true,
                b"eXIf" if chunks.exif.is_none() => {
                    chunks.exif = Some(data.strip_prefix(b"Exif\0\0").unwrap_or(data));
                }
                b"cICP" => {
                    chunks.cicp =
                        data.first_chunk().map(|[primaries, transfer]| ((*primaries).into(), (*transfer).into()));
                }
                b"IEND" => {
                    if !rest.is_empty() {
                        let trailer_at = (file.len() - rest.len()) as u64;
                        chunks.others.push(("trailer", trailer_at, rest.len() as u64));
                    }
                    return Ok(chunks);
                }
                _ => {}
            }
            if chunks.others.len() > MAX_CHUNKS {
                return Err(malformed("png chunk"));
            }
        }
    }
}

/// CRC-32 of type and data (PNG 5.3).
fn crc(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut index = 0;
        while index < 256 {
            let (mut value, mut bit) = (index as u32, 0);
            while bit < 8 {
                value = (value >> 1) ^ (0xEDB8_8320 * (value & 1));
                bit += 1;
            }
            table[index] = value;
            index += 1;
        }
        table
    };
    !bytes.iter().fold(u32::MAX, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8))
}

/// What the decoder gives: palette and low depths expanded, 16 bits kept.
struct Samples {
    bytes: Vec<u8>,
    colour: ColorType,
    icc: Option<Vec<u8>>,
}

impl Samples {
    fn decode(needed: &[u8], width: u32) -> Result<Self, PhotoError> {
        let mut limits = image::Limits::no_limits();
        // Beside the samples: a row of them, and a profile with the chunk that it is inflated from
        limits.max_alloc = Some(16 * u64::from(width) + 3 * icc::MAX_BYTES as u64);
        let undecodable = |_| PhotoError::Undecodable;
        let mut decoder = PngDecoder::with_limits(Cursor::new(needed), limits).map_err(undecodable)?;
        let (colour, icc) = (decoder.color_type(), decoder.icc_profile().map_err(undecodable)?);
        let mut bytes = vec![0; usize::try_from(decoder.total_bytes()).map_err(|_| PhotoError::Undecodable)?];
        decoder.read_image(&mut bytes).map_err(undecodable)?;
        Ok(Self { bytes, colour, icc })
    }
}

fn is_wide(colour: ColorType) -> bool {
    colour.bytes_per_pixel() == 2 * colour.channel_count()
}

/// To RGB8 over the background, and whether the background shows.
fn flatten(bytes: Vec<u8>, colour: ColorType, background: [u8; 3]) -> (Vec<u8>, bool) {
    if colour == ColorType::Rgb8 {
        return (bytes, false);
    }
    let (step, wide) = (usize::from(colour.bytes_per_pixel()), is_wide(colour));
    let mut rgb = Vec::with_capacity(bytes.len() / step * 3);
    let mut shows = false;
    for pixel in bytes.chunks_exact(step) {
        let sample = |index: usize| match wide {
            true => eight_bit(u16::from_ne_bytes([pixel[2 * index], pixel[2 * index + 1]])),
            false => pixel[index],
        };
        let (colours, alpha) = match colour.channel_count() {
            1 => ([sample(0); 3], 255),
            2 => ([sample(0); 3], sample(1)),
            3 => ([0, 1, 2].map(sample), 255),
            _ => ([0, 1, 2].map(sample), sample(3)),
        };
        shows |= alpha < 255;
        rgb.extend(over(colours, alpha, background));
    }
    (rgb, shows)
}

fn eight_bit(value: u16) -> u8 {
    ((u32::from(value) * 255 + 32_767) / 65_535) as u8
}

fn over(colours: [u8; 3], alpha: u8, background: [u8; 3]) -> [u8; 3] {
    let mix = |colour: u8, behind: u8| {
        let sum = u32::from(colour) * u32::from(alpha) + u32::from(behind) * u32::from(255 - alpha);
        ((sum + 127) / 255) as u8
    };
    [0, 1, 2].map(|channel| mix(colours[channel], background[channel]))
}

#[cfg(test)]
mod tests {
    use super::super::exif::tests::mutants;
    use super::super::icc;
    use super::*;

    const RED: [u8; 3] = [255, 0, 0];

    fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
        let checked = [kind.as_slice(), data].concat();
        [(data.len() as u32).to_be_bytes().as_slice(), &checked, &crc(&checked).to_be_bytes()].concat()
    }

    /// A zlib stream of stored blocks.
    fn stored(data: &[u8]) -> Vec<u8> {
        let (mut a, mut b) = (1_u32, 0_u32);
        for byte in data {
            a = (a + u32::from(*byte)) % 65_521;
            b = (b + a) % 65_521;
        }
        let length = u16::try_from(data.len()).unwrap();
        let head = [[0x78, 1, 1].as_slice(), &length.to_le_bytes(), &(!length).to_le_bytes()].concat();
        [head.as_slice(), data, &(b << 16 | a).to_be_bytes()].concat()
    }

    /// `rows` without their filter bytes.
    fn png(size: (u32, u32), depth: u8, colour: u8, before: &[Vec<u8>], rows: &[&[u8]]) -> Vec<u8> {
        let header = [&size.0.to_be_bytes(), &size.1.to_be_bytes(), [depth, colour, 0, 0, 0].as_slice()].concat();
        let filtered: Vec<u8> = rows.iter().flat_map(|row| [&[0], *row].concat()).collect();
        let parts = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), before.concat()];
        [parts.concat(), chunk(b"IDAT", &stored(&filtered)), chunk(b"IEND", b"")].concat()
    }

    fn decode(file: &[u8]) -> Result<Png, PhotoError> {
        super::decode(file, &Limits::default(), RED)
    }

    fn pixels(file: &[u8]) -> (Vec<u8>, bool, bool, bool) {
        let png = decode(file).unwrap();
        assert_eq!(png.rgb.len(), (3 * png.width * png.height) as usize);
        (png.rgb, png.grey, png.composited, png.reduced_from_16_bit)
    }

    #[test]
    fn every_colour_type_becomes_rgb() {
        let rgb = png((2, 1), 8, 2, &[], &[&[1, 2, 3, 4, 5, 6]]);
        assert_eq!(pixels(&rgb), (vec![1, 2, 3, 4, 5, 6], false, false, false));
        let grey = png((2, 1), 8, 0, &[], &[&[7, 200]]);
        assert_eq!(pixels(&grey), (vec![7, 7, 7, 200, 200, 200], true, false, false));
        let bits = png((3, 2), 1, 0, &[], &[&[0b1010_0000], &[0b0100_0000]]);
        assert_eq!(
            pixels(&bits).0.as_chunks::<3>().0.concat(),
            [[255; 3], [0; 3], [255; 3], [0; 3], [255; 3], [0; 3]].concat()
        );
        let palette = [chunk(b"PLTE", &[10, 20, 30, 40, 50, 60])];
        let indexed = png((3, 1), 4, 3, &palette, &[&[0x10, 0x10]]);
        assert_eq!(pixels(&indexed), (vec![40, 50, 60, 10, 20, 30, 40, 50, 60], false, false, false));
        let wide = png((2, 1), 16, 2, &[], &[&[0x12, 0x34, 0xFF, 0xFF, 0, 0x80, 0, 0x81, 0x80, 0x80, 0, 0]]);
        assert_eq!(pixels(&wide), (vec![0x12, 255, 0, 1, 0x80, 0], false, false, true));
        let wide_grey = png((1, 1), 16, 0, &[], &[&[0x80, 0xFF]]);
        assert_eq!(pixels(&wide_grey), (vec![0x80; 3], true, false, true));
    }

    #[test]
    fn sixteen_bits_are_rounded() {
        for value in 0..=u16::MAX {
            let exact = (f64::from(value) * 255.0 / 65_535.0).round() as u8;
            assert_eq!(eight_bit(value), exact, "{value}");
        }
    }

    #[test]
    fn transparent_pixels_show_the_background() {
        let alpha = png((3, 1), 8, 6, &[], &[&[0, 100, 200, 255, 0, 100, 200, 0, 0, 100, 200, 128]]);
        assert_eq!(pixels(&alpha), (vec![0, 100, 200, 255, 0, 0, 127, 50, 100], false, true, false));
        let opaque = png((1, 1), 8, 6, &[], &[&[9, 8, 7, 255]]);
        assert_eq!(pixels(&opaque), (vec![9, 8, 7], false, false, false));
        let grey = png((2, 1), 8, 4, &[], &[&[50, 255, 50, 0]]);
        assert_eq!(pixels(&grey), (vec![50, 50, 50, 255, 0, 0], false, true, false));
        assert!(super::decode(&grey, &Limits::default(), [255; 3]).unwrap().grey);
        let keyed = png((2, 1), 8, 2, &[chunk(b"tRNS", &[0, 1, 0, 2, 0, 3])], &[&[1, 2, 3, 4, 5, 6]]);
        assert_eq!(pixels(&keyed), (vec![255, 0, 0, 4, 5, 6], false, true, false));
        let palette = [chunk(b"PLTE", &[10, 20, 30, 40, 50, 60]), chunk(b"tRNS", &[0])];
        assert_eq!(pixels(&png((2, 1), 8, 3, &palette, &[&[0, 1]])), (vec![255, 0, 0, 40, 50, 60], false, true, false));
        let wide = png((1, 1), 16, 4, &[], &[&[0xFF, 0xFF, 0x7F, 0xFF]]);
        assert_eq!(pixels(&wide), (vec![255, 127, 127], false, true, true));
    }

    fn with_everything() -> Vec<u8> {
        let profile = [b"LEAK\0\0".to_vec(), stored(icc::srgb().bytes())].concat();
        let before = [
            chunk(b"iCCP", &profile),
            chunk(b"sRGB", &[0]),
            chunk(b"cICP", &[12, 13, 0, 1]),
            chunk(b"tEXt", b"Author\0LEAK"),
            chunk(b"zTXt", b"XML\0\0no zlib stream"),
            chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\0"),
            chunk(b"acTL", &[0, 0, 0, 1, 0, 0, 0, 0]),
        ];
        [png((1, 1), 8, 2, &before, &[&[1, 2, 3]]), b"trailing".to_vec()].concat()
    }

    #[test]
    fn what_is_beside_the_picture() {
        let file = with_everything();
        let png = decode(&file).unwrap();
        assert_eq!(png.rgb, [1, 2, 3]);
        assert_eq!(png.icc.as_deref(), Some(icc::srgb().bytes()));
        assert_eq!(png.exif.as_deref(), Some(b"MM\0*\0\0\0\x08\0\0".as_slice()));
        assert_eq!((png.srgb, png.animated, png.cicp), (true, true, Some((12, 13))));
        let names: Vec<&str> = png.chunks.iter().map(|&(name, ..)| name).collect();
        assert_eq!(names, ["iCCP", "sRGB", "cICP", "tEXt", "zTXt", "eXIf", "acTL", "trailer"]);
        for (name, at, bytes) in &png.chunks[..7] {
            assert_eq!(&file[*at as usize + 4..*at as usize + 8], name.as_bytes());
            assert_eq!(
                crc(&file[*at as usize + 4..(at + bytes) as usize - 4]).to_be_bytes(),
                file[(at + bytes) as usize - 4..][..4]
            );
        }
        assert_eq!(png.chunks[7].1 + png.chunks[7].2, file.len() as u64);
        let short = Limits { exif_bytes: 4, ..Limits::default() };
        assert_eq!(super::decode(&file, &short, RED).unwrap().exif.unwrap().len(), 5);
    }

    #[test]
    fn limits_come_before_anything_else() {
        let code = |size, limits: &Limits| {
            super::decode(&png(size, 8, 2, &[], &[]), limits, RED).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(code((20_000, 20_000), &Limits::default()), "limit-side");
        assert_eq!(code((16_000, 16_000), &Limits::default()), "limit-pixels");
        assert_eq!(code((100, 100), &Limits { decoded_bytes: 29_999, ..Limits::default() }), "limit-decoded-bytes");
        assert_eq!(code((100, 100), &Limits { file_bytes: 50, ..Limits::default() }), "limit-file-bytes");
        assert_eq!(code((100, 100), &Limits { decoded_bytes: 30_000, ..Limits::default() }), "undecodable");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = with_everything();
        let end = good.len() - 8;
        for length in 0..end {
            assert_eq!(decode(&good[..length]).map(|_| ()), Err(PhotoError::Truncated("png")), "{length}");
        }
        let changed = |at: usize, byte: u8| {
            let mut file = good.clone();
            file[at] = byte;
            decode(&file).map(|_| ()).unwrap_err()
        };
        let malformed = |part, offset| PhotoError::Malformed { part, offset };
        assert_eq!(changed(0, 0), malformed("png chunk", 0));
        assert_eq!(changed(12, b'X'), malformed("IHDR", 8));
        assert_eq!(changed(24, 3), malformed("IHDR", 8));
        assert_eq!(changed(19, 0), malformed("IHDR", 8), "no width");
        assert_eq!(changed(37, b'I'), malformed("png chunk", 33), "unknown critical chunk");
        assert_eq!(changed(40, 0), malformed("png chunk", 33), "no chunk type");
        assert_eq!(changed(50, 0), malformed("png chunk", 33), "check sum");
        let idat = good.windows(4).position(|window| window == b"IDAT").unwrap();
        assert_eq!(changed(idat + 14, 77), PhotoError::Undecodable);
        let flood = vec![chunk(b"tEXt", b""); MAX_CHUNKS + 1];
        assert!(matches!(decode(&png((1, 1), 8, 2, &flood, &[&[1, 2, 3]])), Err(PhotoError::Malformed { .. })));
    }

    #[test]
    fn mutated_pictures_never_panic() {
        let file = with_everything();
        let decoded = mutants(&file, 20_000).filter(|mutant| decode(mutant).is_ok()).count();
        assert!(decoded > 50);
    }
}
