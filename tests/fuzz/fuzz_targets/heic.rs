//! HEIC boxes of any bytes, with the pixels of a 16 x 16 picture.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moulage::photo::{Pixels, inspect, prepare_pixels};
use moulage_tests::stream::read_clean;

fuzz_target!(|data: &[u8]| {
    let file = [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", data].concat();
    let _ = inspect(&file, &judge::options());
    let pixels =
        Pixels { rgb: &[128; 768], width: 16, height: 16, stride: 48, turned: false, converted_to_srgb: false };
    if let Ok((photo, _)) = prepare_pixels(&pixels, Some(&file), &judge::options()) {
        read_clean(photo.jpeg()).expect("a clean stream");
    }
});
