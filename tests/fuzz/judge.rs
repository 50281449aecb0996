//! What every target asks of the library.

pub mod archive;

use moulage::photo::{Limits, PrepareOptions, prepare};
use moulage_tests::stream::read_clean;

/// Limits that keep a run within libFuzzer's memory and time.
pub fn options() -> PrepareOptions {
    PrepareOptions {
        limits: Limits { pixels: 4_000_000, decoded_bytes: 64 << 20, ..Limits::default() },
        ..PrepareOptions::default()
    }
}

/// An error, or a clean stream that the library leaves as it is when it is given it again.
pub fn photo(file: &[u8]) {
    let Ok((photo, report)) = prepare(file, &options()) else { return };
    let stream = read_clean(photo.jpeg()).expect("a clean stream");
    assert_eq!((stream.width, stream.height), (photo.columns(), photo.rows()));
    let json = serde_json::to_string(&report).expect("a report is JSON");
    assert!(json.starts_with('{'));
    let (again, _) = prepare(photo.jpeg(), &options()).expect("its own output");
    assert!(again.jpeg() == photo.jpeg(), "its own output is changed");
}
