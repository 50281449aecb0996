//! The surgery as a whole, on pictures made here. What needs other programs lives in `tests/`.

use jpeg_encoder::{ColorType, Encoder, ImageBuffer, JpegColorType, SamplingFactor};
use proptest::prelude::*;

use super::*;
use crate::error::{Limit, PhotoError};

/// Four quarters of different colours, and a slope so that no two blocks are alike.
fn scene(width: u16, height: u16) -> Vec<u8> {
    let quarters = [[200, 40, 40], [40, 170, 60], [40, 70, 200], [220, 200, 40]];
    let pixel = |x: u16, y: u16| {
        let quarter: [u8; 3] = quarters[usize::from(x >= width / 2) + 2 * usize::from(y >= height / 2)];
        quarter.map(|v| v.saturating_add((x * 3 + y * 5) as u8 % 31))
    };
    (0..height).flat_map(|y| (0..width).flat_map(move |x| pixel(x, y))).collect()
}

struct Shot {
    size: (u16, u16),
    sampling: SamplingFactor,
    progressive: bool,
    restart: Option<u16>,
}

impl Shot {
    fn new(size: (u16, u16), sampling: SamplingFactor) -> Self {
        Self { size, sampling, progressive: false, restart: None }
    }

    fn jpeg(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(&mut out, 88);
        encoder.set_sampling_factor(self.sampling);
        encoder.set_progressive(self.progressive);
        if let Some(interval) = self.restart {
            encoder.set_restart_interval(interval);
        }
        encoder.encode(&scene(self.size.0, self.size.1), self.size.0, self.size.1, ColorType::Rgb).unwrap();
        out
    }
}

/// With an EXIF block that holds an orientation and nothing else.
fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let tiff = [b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0", &[orientation][..], &[0; 6]].concat();
    let length = 8 + tiff.len() as u8;
    [&jpeg[..2], &[0xFF, 0xE1, 0, length], b"Exif\0\0", &tiff, &jpeg[2..]].concat()
}

fn run(file: &[u8]) -> (PreparedPhoto, ScrubReport) {
    prepare(file, &PrepareOptions::default()).unwrap()
}

fn decode(jpeg: &[u8]) -> image::RgbImage {
    image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg).unwrap().to_rgb8()
}

fn with_policy(turn: TurnPolicy) -> PrepareOptions {
    PrepareOptions { turn, ..PrepareOptions::default() }
}

#[test]
fn an_upright_baseline_scan_is_copied_byte_by_byte() {
    let file = Shot { restart: Some(3), ..Shot::new((83, 57), SamplingFactor::F_2_2) }.jpeg();
    let (photo, report) = run(&file);
    assert_eq!(report.outcome, Outcome::Unchanged);
    assert!(report.lossless && report.entropy_sha256_before == report.entropy_sha256_after);
    let stream = markers::read(&file).unwrap();
    let scan = stream.segments.iter().find(|s| s.marker == markers::SOS).unwrap();
    let data = &file[scan.entropy.range.clone()];
    assert!(photo.jpeg().windows(data.len()).any(|w| w == data));
    assert_eq!(report.removed.iter().map(|p| p.part).collect::<Vec<_>>(), ["APP0"]);
}

#[test]
fn all_turns_there_and_back_give_the_same_bytes() {
    // Orientation and the one that undoes it.
    for (there, back) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 8), (7, 7), (8, 6)] {
        for sampling in [SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2] {
            let (first, _) = run(&oriented(&Shot { progressive: true, ..Shot::new((64, 48), sampling) }.jpeg(), 1));
            let (turned, report) = run(&oriented(first.jpeg(), there));
            assert!(report.lossless, "{there} {sampling:?}");
            let (again, report) = run(&oriented(turned.jpeg(), back));
            assert!(report.lossless);
            assert!(first.jpeg() == again.jpeg(), "{there} {sampling:?}");
        }
    }
}

#[test]
fn what_cannot_be_moved_follows_the_policy_and_is_said() {
    let file = oriented(&Shot::new((40, 24), SamplingFactor::F_2_2).jpeg(), 6);
    let (photo, report) = run(&file);
    assert_eq!((photo.columns(), photo.rows()), (24, 40));
    assert_eq!(report.outcome, Outcome::Reencoded(Why::IncompleteBlocks));
    assert_eq!((photo.derivation(), photo.lossy().len(), report.lossless), (Some(Derivation::Reencoded), 2, false));

    let (photo, report) = prepare(&file, &with_policy(TurnPolicy::Trim)).unwrap();
    assert_eq!(report.outcome, Outcome::Trimmed { columns: 8, rows: 0 });
    assert_eq!((photo.columns(), photo.rows(), photo.lossy().len()), (16, 40, 1));
    assert_eq!(photo.derivation(), Some(Derivation::Trimmed { columns: 8, rows: 0 }));
    // Turned clockwise, the bottom of the stored picture is the left side: that is what is gone.
    let (whole, cut) = (decode(run(&file).0.jpeg()), decode(photo.jpeg()));
    assert!(cut.get_pixel(0, 20).0.iter().zip(whole.get_pixel(8, 20).0).all(|(&a, b)| a.abs_diff(b) < 24));

    assert_eq!(prepare(&file, &with_policy(TurnPolicy::Refuse)).err(), Some(PhotoError::NotLossless));
    // Smaller than one MCU: nothing would be left after trimming.
    let tiny = oriented(&Shot::new((5, 5), SamplingFactor::F_2_2).jpeg(), 3);
    assert_eq!(
        prepare(&tiny, &with_policy(TurnPolicy::Trim)).unwrap().1.outcome,
        Outcome::Reencoded(Why::IncompleteBlocks)
    );
}

/// A picture as Adobe writes it, of components as they are.
struct Adobe(Vec<[u8; 4]>, u16, JpegColorType);

impl ImageBuffer for Adobe {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        self.2
    }

    fn width(&self) -> u16 {
        self.1
    }

    fn height(&self) -> u16 {
        (self.0.len() / usize::from(self.1)) as u16
    }

    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        for pixel in &self.0[usize::from(y) * usize::from(self.1)..][..usize::from(self.1)] {
            buffers.iter_mut().zip(pixel).for_each(|(buffer, &v)| buffer.push(v));
        }
    }
}

#[test]
fn inks_become_light() {
    // Inverted inks: C 255 M 128 Y 0, half of the black: (128, 64, 0).
    for (kind, pixel) in [(JpegColorType::Cmyk, [255, 128, 0, 128]), (JpegColorType::Ycck, ycck([0, 127, 255], 128))] {
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, 95);
        encoder.set_sampling_factor(SamplingFactor::F_1_1);
        encoder.encode_image(Adobe(vec![pixel; 16 * 16], 16, kind)).unwrap();
        let (photo, report) = run(&file);
        assert_eq!(report.outcome, Outcome::Reencoded(Why::Colour));
        let got = decode(photo.jpeg()).get_pixel(7, 7).0;
        assert!(got.iter().zip([128, 64, 0]).all(|(&a, b): (&u8, u8)| a.abs_diff(b) <= 4), "{kind:?} {got:?}");
    }
}

/// Adobe's Y Cb Cr K of what is left of R, G, B when the inks are taken away.
fn ycck(rgb: [u8; 3], k: u8) -> [u8; 4] {
    let [y, cb, cr] = colour::ycbcr(rgb.map(f32::from)).map(|v| (v + 128.0).round() as u8);
    [y, cb, cr, k]
}

#[test]
fn grey_gets_neutral_colour_and_keeps_its_luma() {
    let mut file = Vec::new();
    let luma: Vec<u8> = (0..40 * 24).map(|i| (i % 251) as u8).collect();
    Encoder::new(&mut file, 90).encode(&luma, 40, 24, ColorType::Luma).unwrap();
    let (grey, report) = run(&file);
    assert_eq!((grey.colour(), grey.icc().is_none(), report.colour.profile), (Colour::Grey, true, Profile::None));
    let colour = grey.in_colour().unwrap();
    assert_eq!(colour.colour(), Colour::YCbCr);
    let (a, b) = (jpeg::coefficients(grey.jpeg()).unwrap(), jpeg::coefficients(colour.jpeg()).unwrap());
    assert_eq!(a.components[0].values, b.components[0].values);
    assert!(decode(colour.jpeg()).pixels().all(|p| p.0[0] == p.0[1] && p.0[1] == p.0[2]));
}

#[test]
fn pixels_must_fit_their_description() {
    let rgb = scene(20, 10);
    let good = Pixels { rgb: &rgb, width: 20, height: 10, stride: 60, turned: false, converted_to_srgb: false };
    let (photo, report) = prepare_pixels(&good, None, &PrepareOptions::default()).unwrap();
    assert_eq!((photo.columns(), photo.rows(), report.colour.profile), (20, 10, Profile::SrgbAssumed));
    let wide: Vec<u8> = rgb.chunks(60).flat_map(|row| [row, &[9; 4]].concat()).collect();
    let (same, _) =
        prepare_pixels(&Pixels { rgb: &wide, stride: 64, ..good }, None, &PrepareOptions::default()).unwrap();
    assert!(photo.jpeg() == same.jpeg());
    for bad in [
        Pixels { stride: 59, ..good },
        Pixels { height: 11, ..good },
        Pixels { width: 0, ..good },
        Pixels { height: 0, ..good },
        Pixels { stride: usize::MAX, ..good },
    ] {
        assert_eq!(prepare_pixels(&bad, None, &PrepareOptions::default()).err(), Some(PhotoError::PixelsMismatch));
    }
}

#[test]
fn bytes_beyond_the_last_block_are_dropped_and_said() {
    let file = Shot::new((32, 32), SamplingFactor::F_1_1).jpeg();
    let hidden = [&file[..file.len() - 2], b"hidden behind the scan", &file[file.len() - 2..]].concat();
    let (clean, _) = run(&file);
    let (photo, report) = run(&hidden);
    assert_eq!((report.outcome, &report.notes[..]), (Outcome::Moved, &[Note::ScanTidied][..]));
    assert!(!photo.jpeg().windows(6).any(|w| w == b"hidden"));
    assert_eq!(
        jpeg::coefficients(photo.jpeg()).unwrap().components[0].values,
        jpeg::coefficients(clean.jpeg()).unwrap().components[0].values
    );
}

#[test]
fn unused_tables_do_not_travel() {
    let file = Shot::new((32, 32), SamplingFactor::F_1_1).jpeg();
    let table = [&[0xFF, 0xDB, 0, 67, 3][..], &[b'x'; 64]].concat();
    let (photo, _) = run(&[&file[..2], &table, &file[2..]].concat());
    assert!(photo.jpeg() == run(&file).0.jpeg());
}

#[test]
fn limits_are_named() {
    let file = Shot::new((64, 64), SamplingFactor::F_2_2).jpeg();
    let refused = |limits: Limits| match prepare(&file, &PrepareOptions { limits, ..PrepareOptions::default() }) {
        Err(PhotoError::LimitExceeded { limit, .. }) => limit,
        other => panic!("{:?}", other.map(|(_, report)| report)),
    };
    assert_eq!(refused(Limits { side: 63, ..Limits::default() }), Limit::Side);
    assert_eq!(refused(Limits { pixels: 4095, ..Limits::default() }), Limit::Pixels);
    assert_eq!(refused(Limits { file_bytes: 100, ..Limits::default() }), Limit::FileBytes);
    assert_eq!(refused(Limits { decoded_bytes: 100, ..Limits::default() }), Limit::DecodedBytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Every orientation, sampling, coding and size: the picture is upright, and preparing it again changes nothing.
    #[test]
    fn upright_and_idempotent(
        size in (1_u16..70, 1_u16..70),
        orientation in 1_u8..=8,
        sampling in prop::sample::select(vec![
            SamplingFactor::F_1_1, SamplingFactor::F_2_1, SamplingFactor::F_1_2, SamplingFactor::F_2_2, SamplingFactor::F_4_1,
        ]),
        progressive: bool,
        restart in prop::option::of(1_u16..9),
    ) {
        let stored = Shot { size, sampling, progressive, restart }.jpeg();
        let (photo, report) = run(&oriented(&stored, orientation));
        let turn = orient::Turn::from_exif(orientation.into()).unwrap();
        // The decoder used here reads 4:1:1 in several scans, and some streams with restarts, wrongly.
        let source = decode(&Shot { size, sampling, progressive, restart: None }.jpeg());
        let pixels: Vec<image::Rgb<u8>> = source.pixels().copied().collect();
        let (want, got) = (turn.grid(&pixels, size.0.into()), decode(photo.jpeg()));
        prop_assert_eq!((got.width(), got.height()), turn.swap((size.0.into(), size.1.into())));
        let error: u32 = got.pixels().zip(&want).flat_map(|(a, b)| (0..3).map(|i| u32::from(a.0[i].abs_diff(b.0[i])))).sum();
        // Decoders spread chroma in their own way, and not the same way along rows and columns.
        let mean = f64::from(error) / (3.0 * f64::from(got.width() * got.height()));
        prop_assert!(mean < 6.0 || size.0.min(size.1) < 16 || sampling == SamplingFactor::F_4_1, "mean error {}", mean);
        if report.lossless {
            let (a, b) = (jpeg::coefficients(&stored).unwrap(), jpeg::coefficients(photo.jpeg()).unwrap());
            let sum = |c: &coefficients::Coefficients| c.components.iter().map(|b| b.masks.iter().map(|m| m.count_ones()).sum::<u32>()).collect::<Vec<_>>();
            // Padding blocks may differ, so only what no padding can touch is compared here.
            if size.0 % 32 == 0 && size.1 % 32 == 0 {
                prop_assert_eq!(sum(&a), sum(&b));
            }
        }
        let (again, second) = run(photo.jpeg());
        prop_assert_eq!(second.outcome, Outcome::Unchanged);
        prop_assert!(again.jpeg() == photo.jpeg());
        prop_assert!(second.removed.is_empty());
    }
}
