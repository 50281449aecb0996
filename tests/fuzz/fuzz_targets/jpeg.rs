//! A JPEG of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| judge::photo(&[&[0xFF, 0xD8], data].concat()));
