//! A PNG of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| judge::photo(&[b"\x89PNG\r\n\x1a\n", data].concat()));
