//! What a photo of 12 megapixels costs inside the library. `cargo bench -p moulage`.

#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::sync::{Arc, LazyLock};

use chrono::{DateTime, FixedOffset};
use divan::Bencher;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use moulage::patient::{Encounter, Laterality, Patient, SiteList};
use moulage::photo::{PrepareOptions, prepare};
use moulage::{Device, Session, View, clock};

fn main() {
    divan::main();
}

/// A photo of 4032 x `height` pixels at quality 90, with EXIF Orientation `orientation`.
fn photo(height: u16, progressive: bool, orientation: u8) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    let pixel =
        |x: u32, y: u32, noise: u8| [150 + (x / 40 % 64) as u8, 110 + (y / 30 % 64) as u8, 90].map(|v| v + noise);
    let rgb: Vec<u8> = (0..u32::from(height))
        .flat_map(|y| (0..4032).map(move |x| (x, y)))
        .flat_map(|(x, y)| pixel(x, y, noise()))
        .collect();
    let mut jpeg = Vec::new();
    let mut encoder = Encoder::new(&mut jpeg, 90);
    encoder.set_sampling_factor(SamplingFactor::F_2_2);
    encoder.set_progressive(progressive);
    encoder.encode(&rgb, 4032, height, ColorType::Rgb).unwrap();
    let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], &[0; 6]].concat();
    [&jpeg[..2], &[0xFF, 0xE1, 0, 8 + tiff.len() as u8], b"Exif\0\0", &tiff, &jpeg[2..]].concat()
}

static UPRIGHT: LazyLock<Vec<u8>> = LazyLock::new(|| photo(3024, false, 1));
static TURNED: LazyLock<Vec<u8>> = LazyLock::new(|| photo(3024, false, 6));
static PROGRESSIVE: LazyLock<Vec<u8>> = LazyLock::new(|| photo(3024, true, 1));
static MISALIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| photo(3000, false, 6));

fn prepared(bencher: Bencher<'_, '_>, file: &LazyLock<Vec<u8>>) {
    let options = PrepareOptions::default();
    LazyLock::force(file);
    bencher.bench(|| prepare(file, &options).unwrap());
}

#[divan::bench]
fn upright(bencher: Bencher<'_, '_>) {
    prepared(bencher, &UPRIGHT);
}

#[divan::bench]
fn turned_without_loss(bencher: Bencher<'_, '_>) {
    prepared(bencher, &TURNED);
}

#[divan::bench]
fn progressive(bencher: Bencher<'_, '_>) {
    prepared(bencher, &PROGRESSIVE);
}

#[divan::bench]
fn coded_again(bencher: Bencher<'_, '_>) {
    prepared(bencher, &MISALIGNED);
}

struct Noon;

impl clock::Clock for Noon {
    fn now(&self) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-03-14T12:00:00+01:00").unwrap()
    }

    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

#[divan::bench]
fn object(bencher: Bencher<'_, '_>) {
    let (photo, _) = prepare(&UPRIGHT, &PrepareOptions::default()).unwrap();
    let patient = Patient::new("TEST-1", "Bench").unwrap();
    let randomness = Arc::new(clock::SystemRandomness);
    let mut session =
        Session::begin(patient, Encounter::default(), Device::default(), Arc::new(Noon), randomness).unwrap();
    let view = View::of(SiteList::standard().site("heel").unwrap().on(Laterality::Left).unwrap());
    bencher.bench_local(|| session.capture(&photo, &view).unwrap());
}
