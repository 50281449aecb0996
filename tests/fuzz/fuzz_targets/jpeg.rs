//! A JPEG of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let rest = data.strip_prefix(&[0xFF, 0xD8]).unwrap_or(data);
    judge::photo(&[&[0xFF, 0xD8], rest].concat());
});
