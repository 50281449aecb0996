//! PNG files of every kind that phones and messengers pass on.

use png::{BitDepth, ColorType, Encoder};

use crate::scene::Picture;

/// 8-bit RGB.
#[must_use]
pub fn rgb(picture: &Picture) -> Vec<u8> {
    write(picture, ColorType::Rgb, BitDepth::Eight, &picture.rgb, |_| {})
}

/// 16-bit RGB; the low bytes are noise.
#[must_use]
pub fn rgb16(picture: &Picture) -> Vec<u8> {
    let samples: Vec<u8> = picture.rgb.iter().enumerate().flat_map(|(k, v)| [*v, (k * 37) as u8]).collect();
    write(picture, ColorType::Rgb, BitDepth::Sixteen, &samples, |_| {})
}

/// 8-bit RGB with an alpha that runs from clear on the left to opaque on the right.
#[must_use]
pub fn rgba(picture: &Picture) -> Vec<u8> {
    let alpha = |k: usize| (k % picture.width * 255 / (picture.width - 1).max(1)) as u8;
    let samples: Vec<u8> =
        picture.rgb.chunks_exact(3).enumerate().flat_map(|(k, p)| [p[0], p[1], p[2], alpha(k)]).collect();
    write(picture, ColorType::Rgba, BitDepth::Eight, &samples, |_| {})
}

/// One byte a pixel, no colour.
#[must_use]
pub fn grey(picture: &Picture) -> Vec<u8> {
    write(picture, ColorType::Grayscale, BitDepth::Eight, &picture.grey(), |_| {})
}

/// A palette of the picture's own colours, in steps of 16.
///
/// # Panics
/// When these are more than 256.
#[must_use]
pub fn palette(picture: &Picture) -> Vec<u8> {
    let mut colours: Vec<[u8; 3]> = Vec::new();
    let mut index = |p: &[u8]| {
        let colour = [p[0], p[1], p[2]].map(|v| v & 0xF0 | 8);
        let at = colours.iter().position(|known| *known == colour).unwrap_or_else(|| {
            colours.push(colour);
            colours.len() - 1
        });
        u8::try_from(at).expect("a scene of few colours")
    };
    let samples: Vec<u8> = picture.rgb.chunks_exact(3).map(&mut index).collect();
    write(picture, ColorType::Indexed, BitDepth::Eight, &samples, |encoder| encoder.set_palette(colours.concat()))
}

/// Two frames: the default picture, then the same upside down.
#[must_use]
pub fn animated(picture: &Picture) -> Vec<u8> {
    let frames = [&picture.rgb[..], &picture.stored(3).rgb].concat();
    write(picture, ColorType::Rgb, BitDepth::Eight, &frames, |encoder| encoder.set_animated(2, 0).expect("two frames"))
}

/// A header of any size in front of a picture of 16 x 16.
#[must_use]
pub fn bomb(width: u32, height: u32) -> Vec<u8> {
    let mut out = rgb(&crate::scene::scene(16, 16));
    out[16..20].copy_from_slice(&width.to_be_bytes());
    out[20..24].copy_from_slice(&height.to_be_bytes());
    let sum = crc32fast::hash(&out[12..29]).to_be_bytes();
    out[29..33].copy_from_slice(&sum);
    out
}

/// The file with a chunk more, right behind its header.
#[must_use]
pub fn with_chunk(file: &[u8], kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let named = [&kind[..], data].concat();
    let chunk = [&(data.len() as u32).to_be_bytes()[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat();
    [&file[..33], &chunk, &file[33..]].concat()
}

fn write(
    picture: &Picture,
    colour: ColorType,
    depth: BitDepth,
    samples: &[u8],
    set: impl FnOnce(&mut Encoder<'_, &mut Vec<u8>>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, picture.width as u32, picture.height as u32);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    set(&mut encoder);
    let mut writer = encoder.write_header().expect("a made header is right");
    let frame = picture.width * picture.height * colour.samples() * if depth == BitDepth::Sixteen { 2 } else { 1 };
    for frame in samples.chunks_exact(frame) {
        writer.write_image_data(frame).expect("a made picture fits its header");
    }
    writer.finish().expect("memory does not fail");
    out
}
