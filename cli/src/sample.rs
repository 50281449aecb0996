//! `moulage sample`: a made photo with everything that phones hide in theirs. No patient, no place, no camera is real.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use jpeg_encoder::{ColorType, Encoder, EncodingError, SamplingFactor};

use crate::console::Console;
use crate::failure::{Exit, Failure};

/// Of the upright picture. Whole MCUs, so that it can be turned without loss.
const WIDTH: usize = 1200;
const HEIGHT: usize = 1600;

#[derive(Args)]
pub(crate) struct SampleArgs {
    /// Where to write it; a file of another content is not overwritten
    #[arg(value_name = "FILE.jpg")]
    file: PathBuf,
}

impl SampleArgs {
    pub(crate) fn run(&self, console: &mut Console) -> Result<(), Failure> {
        let unwritable = |error: &io::Error| Failure::unwritable("the sample", error);
        let photo = photo().map_err(|_| Failure::new(Exit::Trouble, "unencodable", "the sample cannot be encoded"))?;
        write_new(&self.file, &photo).map_err(|error| unwritable(&error))?;
        console.say(
            "a made photo: stored sideways, with GPS position, serial number, maker note, thumbnail, XMP and a trailer",
        );
        Ok(())
    }
}

/// Writes a file that is not there yet, or is there with the same content.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    match File::create_new(path) {
        Ok(mut file) => file.write_all(content),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => match fs::read(path)? == content {
            true => Ok(()),
            false => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// The whole file.
fn photo() -> Result<Vec<u8>, EncodingError> {
    // As a phone held upright stores it: a quarter turn anticlockwise, and Orientation 6 to undo it.
    let mut rgb = Vec::with_capacity(3 * WIDTH * HEIGHT);
    for row in 0..WIDTH {
        for column in 0..HEIGHT {
            rgb.extend(colour(WIDTH - 1 - row, column));
        }
    }
    let small: Vec<u8> = rgb
        .chunks_exact(3 * HEIGHT)
        .step_by(10)
        .flat_map(|r| r.chunks_exact(3).step_by(10))
        .flatten()
        .copied()
        .collect();
    let thumbnail = encode(&small, HEIGHT / 10, WIDTH / 10, 70, &[])?;
    let exif = [&b"Exif\0\0"[..], &exif(&thumbnail)].concat();
    let xmp = [&b"http://ns.adobe.com/xap/1.0/\0"[..], XMP.as_bytes()].concat();
    let mut file = encode(&rgb, HEIGHT, WIDTH, 88, &[exif, xmp])?;
    // Some phones append films or notes after the end of the picture.
    file.extend(b"MADE TRAILER: lens serial 0000-MADE, owner Nobody At All\n".repeat(400));
    Ok(file)
}

fn encode(rgb: &[u8], width: usize, height: usize, quality: u8, app1: &[Vec<u8>]) -> Result<Vec<u8>, EncodingError> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    for segment in app1 {
        encoder.add_app_segment(1, segment.clone())?;
    }
    encoder.encode(rgb, width as u16, height as u16, ColorType::Rgb)?;
    Ok(file)
}

/// A forearm's worth of skin, a wound with slough, a ruler below it and an arrow that points up.
fn colour(x: usize, y: usize) -> [u8; 3] {
    let (fx, fy) = (x as f64 / WIDTH as f64, y as f64 / HEIGHT as f64);
    let grain = ((x * 7919 + y * 104_729) ^ (x * y)) % 9;
    let shade = |rgb: [f64; 3], light: f64| rgb.map(|c| (c * light + grain as f64 - 4.0).clamp(0.0, 255.0) as u8);
    // Ruler: a tick every fiftieth of the width, every fifth of them longer.
    if (0.86..0.95).contains(&fy) && (0.08..0.92).contains(&fx) {
        let (step, along) = (WIDTH / 50, x % (WIDTH / 50));
        let length = if (x / step).is_multiple_of(5) { 0.045 } else { 0.025 };
        let is_tick = along < 4 && fy < 0.86 + length;
        return shade(if is_tick { [30.0; 3] } else { [238.0, 238.0, 230.0] }, 1.0);
    }
    // Arrow: a head and a shaft.
    let (ax, ay) = ((fx - 0.88).abs() * 0.75, fy - 0.05);
    if (0.0..0.06).contains(&ay) && ax < ay * 0.6 || (0.06..0.13).contains(&ay) && ax < 0.012 {
        return shade([25.0, 60.0, 150.0], 1.0);
    }
    let light = 1.05 - 0.35 * (fx - 0.45).powi(2) - 0.15 * fy;
    let edge = 1.0 + 0.08 * (fy * 40.0).sin() * (fx * 31.0).cos();
    let distance = (((fx - 0.47) / 0.24).powi(2) + ((fy - 0.46) / 0.2).powi(2)).sqrt() * edge;
    let slough = (((fx - 0.42) / 0.1).powi(2) + ((fy - 0.5) / 0.06).powi(2)).sqrt() * edge;
    match distance {
        _ if slough < 1.0 => shade([204.0, 172.0, 96.0], light),
        d if d < 1.0 => shade([164.0 - 40.0 * (1.0 - d), 48.0, 46.0], light),
        d if d < 1.35 => shade([214.0, 128.0 + 90.0 * (d - 1.0), 112.0 + 90.0 * (d - 1.0)], light),
        _ => shade([222.0, 172.0, 146.0], light),
    }
}

const XMP: &str = "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\"><rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\
<rdf:Description xmlns:dc=\"http://purl.org/dc/elements/1.1/\" dc:creator=\"Nobody At All\" dc:description=\"made\"/>\
</rdf:RDF></x:xmpmeta>";

/// A field: tag, type, value.
type Field = (u16, u16, Vec<u8>);

const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

/// A TIFF block, little endian: camera, exposure, the position of the Greenwich observatory, and a thumbnail.
fn exif(thumbnail: &[u8]) -> Vec<u8> {
    let exposure = [
        (0x829A, RATIONAL, rationals(&[(1, 120)])),
        (0x829D, RATIONAL, rationals(&[(18, 10)])),
        (0x8827, SHORT, 80_u16.to_le_bytes().to_vec()),
        (0x9000, UNDEFINED, b"0232".to_vec()),
        (0x9003, ASCII, b"2026:03:14 09:26:53\0".to_vec()),
        (0x9011, ASCII, b"+01:00\0".to_vec()),
        (0x920A, RATIONAL, rationals(&[(57, 10)])),
        (0x927C, UNDEFINED, b"MADE NOTE serial 0000-MADE ".repeat(20)),
        (0xA435, ASCII, b"0000-MADE\0".to_vec()),
    ];
    let position = [
        (0x0001, ASCII, b"N\0".to_vec()),
        (0x0002, RATIONAL, rationals(&[(51, 1), (28, 1), (40, 1)])),
        (0x0003, ASCII, b"W\0".to_vec()),
        (0x0004, RATIONAL, rationals(&[(0, 1), (0, 1), (5, 1)])),
    ];
    let camera = |exposure_at: u32, position_at: u32| {
        [
            (0x010F, ASCII, b"Moulage\0".to_vec()),
            (0x0110, ASCII, b"Made photo\0".to_vec()),
            (0x0112, SHORT, 6_u16.to_le_bytes().to_vec()),
            (0x013B, ASCII, b"Nobody At All\0".to_vec()),
            (0x8769, LONG, exposure_at.to_le_bytes().to_vec()),
            (0x8825, LONG, position_at.to_le_bytes().to_vec()),
        ]
    };
    let preview = |thumbnail_at: u32| {
        [
            (0x0103, SHORT, 6_u16.to_le_bytes().to_vec()),
            (0x0201, LONG, thumbnail_at.to_le_bytes().to_vec()),
            (0x0202, LONG, (thumbnail.len() as u32).to_le_bytes().to_vec()),
        ]
    };
    let camera_at = 8;
    let exposure_at = camera_at + length(&camera(0, 0));
    let position_at = exposure_at + length(&exposure);
    let preview_at = position_at + length(&position);
    let thumbnail_at = preview_at + length(&preview(0));
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    directory(&mut tiff, &camera(exposure_at, position_at), preview_at);
    directory(&mut tiff, &exposure, 0);
    directory(&mut tiff, &position, 0);
    directory(&mut tiff, &preview(thumbnail_at), 0);
    tiff.extend(thumbnail);
    tiff
}

fn rationals(values: &[(u32, u32)]) -> Vec<u8> {
    values.iter().flat_map(|(numerator, denominator)| [*numerator, *denominator]).flat_map(u32::to_le_bytes).collect()
}

/// Bytes of a directory with its values: those of more than four bytes stand behind it.
fn length(fields: &[Field]) -> u32 {
    let far: usize = fields.iter().map(|(_, _, value)| value.len()).filter(|length| *length > 4).sum();
    (2 + 12 * fields.len() + 4 + far) as u32
}

fn directory(tiff: &mut Vec<u8>, fields: &[Field], next: u32) {
    let mut far_at = tiff.len() + 2 + 12 * fields.len() + 4;
    tiff.extend((fields.len() as u16).to_le_bytes());
    for (tag, kind, value) in fields {
        let size = match *kind {
            SHORT => 2,
            LONG => 4,
            RATIONAL => 8,
            _ => 1,
        };
        tiff.extend(tag.to_le_bytes());
        tiff.extend(kind.to_le_bytes());
        tiff.extend(((value.len() / size) as u32).to_le_bytes());
        if value.len() > 4 {
            tiff.extend((far_at as u32).to_le_bytes());
            far_at += value.len();
        } else {
            tiff.extend(value);
            tiff.extend(vec![0; 4 - value.len()]);
        }
    }
    tiff.extend(next.to_le_bytes());
    for (_, _, value) in fields.iter().filter(|(_, _, value)| value.len() > 4) {
        tiff.extend(value);
    }
}
