//! Any EXIF in front of a good picture: never a reason to refuse it.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use moulage::photo::prepare;
use moulage_tests::jpeg::{Coding, encode, with_front};
use moulage_tests::scene::scene;

static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(|| encode(&scene(16, 16), Coding::default()));

fuzz_target!(|data: &[u8]| {
    if data.len() < 65_000 {
        let file = with_front(&PLAIN, &[moulage_tests::exif::app1(data)]);
        assert!(prepare(&file, &judge::options()).is_ok());
        judge::photo(&file);
    }
});
