//! Whole processes side by side, in one run: `moulage capture` against Debian's `img2dcm` and `jpegtran`.
//! `cargo bench -p moulage-cli`.
//!
//! `MOULAGE_BENCH_PHOTO` names a JPEG of whole MCUs to use instead of the made one.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::fs;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use divan::Bencher;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tempfile::TempDir;

fn main() {
    divan::main();
}

struct Photos {
    folder: TempDir,
}

static PHOTOS: LazyLock<Photos> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let upright = match std::env::var_os("MOULAGE_BENCH_PHOTO") {
        Some(path) => fs::read(path).unwrap(),
        None => made(),
    };
    let turned = [
        &upright[..2],
        b"\xFF\xE1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0",
        &upright[2..],
    ];
    fs::write(folder.path().join("turned.jpg"), turned.concat()).unwrap();
    fs::write(folder.path().join("upright.jpg"), upright).unwrap();
    Photos { folder }
});

/// 12 megapixels, 4:2:0, quality 90.
fn made() -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    let pixel =
        |x: u32, y: u32, noise: u8| [150 + (x / 40 % 64) as u8, 110 + (y / 30 % 64) as u8, 90].map(|v| v + noise);
    let rgb: Vec<u8> =
        (0..3024).flat_map(|y| (0..4032).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y, noise())).collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.encode(&rgb, 4032, 3024, ColorType::Rgb).unwrap();
    jpeg
}

fn process(bencher: Bencher<'_, '_>, program: &str, arguments: &[&str]) {
    let folder = PHOTOS.folder.path();
    bencher.bench(|| {
        let status = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(status.unwrap().success(), "{program}");
    });
}

const PATIENT: [&str; 9] =
    ["--patient-id", "TEST-1", "--issuer", "Bench", "--site", "heel", "--laterality", "L", "--out"];

fn capture(bencher: Bencher<'_, '_>, photo: &str) {
    let arguments = [&["capture", photo][..], &PATIENT, &["archive"]].concat();
    // One object in the archive, as for a first photo.
    fs::remove_dir_all(PHOTOS.folder.path().join("archive")).ok();
    process(bencher, env!("CARGO_BIN_EXE_moulage"), &arguments);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn upright_moulage_capture(bencher: Bencher<'_, '_>) {
    capture(bencher, "upright.jpg");
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn upright_img2dcm(bencher: Bencher<'_, '_>) {
    process(bencher, "img2dcm", &["upright.jpg", "peer.dcm"]);
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn turned_moulage_capture(bencher: Bencher<'_, '_>) {
    capture(bencher, "turned.jpg");
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn turned_jpegtran_alone(bencher: Bencher<'_, '_>) {
    let arguments = ["-rotate", "90", "-perfect", "-copy", "none", "-outfile", "peer.jpg", "turned.jpg"];
    process(bencher, "jpegtran", &arguments);
}
