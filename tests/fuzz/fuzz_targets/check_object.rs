//! An object of any bytes behind a preamble.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = moulage::dicom::check(&[&[0; 128], &b"DICM"[..], data].concat());
});
