//! What a photo of 12 megapixels may hold in memory, and what a bomb may.
//!
//! One test alone in its file: peak memory is the process's.

#![expect(clippy::print_stdout, reason = "says how much it was")]

use moulage::photo::{PrepareOptions, prepare};
use moulage_tests::jpeg::{Coding, encode};
use moulage_tests::scene::scene;
use moulage_tests::session::{self, session};
use moulage_tests::{exif, jpeg, png};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MB: usize = 1_000_000;

/// Peak bytes held while `work` runs, beyond what was held before.
fn peak(work: impl FnOnce()) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}

#[test]
fn a_photo_takes_thrice_its_file_and_64_mb_and_a_bomb_next_to_nothing() {
    let plain = encode(&scene(4032, 3024), Coding::default());
    let progressive = encode(&scene(4032, 3024), Coding { progressive: true, ..Coding::default() });
    for (name, file) in [
        ("upright", plain.clone()),
        ("turned", jpeg::with_front(&plain, &[exif::Exif::oriented(6).segment()])),
        ("progressive and turned", jpeg::with_front(&progressive, &[exif::Exif::oriented(8).segment()])),
    ] {
        let used = peak(|| {
            let (photo, report) = prepare(&file, &PrepareOptions::default()).expect("a good photo");
            assert!(report.lossless, "{name}");
            session().capture(&photo, &session::view(moulage::dicom::SopClass::VlPhotographic)).expect("an object");
        });
        println!("{name}: {} kB of file, {} kB at once", file.len() / 1000, used / 1000);
        assert!(used <= 3 * file.len() + 64 * MB, "{name}: {used}");
    }
    for (name, bomb) in [
        ("png of 400 MP", png::bomb(20_000, 20_000)),
        ("png of 100 MP that is cut", png::bomb(10_000, 10_000)[..400].to_vec()),
        ("baseline of 4 GP", jpeg::header_only(0xC0, 65_500, 65_500, 8, 3)),
        ("baseline of 119 MP", jpeg::header_only(0xC0, 10_900, 10_900, 8, 3)),
        ("progressive of 119 MP", jpeg::header_only(0xC2, 10_900, 10_900, 8, 3)),
    ] {
        let used = peak(|| assert!(prepare(&bomb, &PrepareOptions::default()).is_err(), "{name}"));
        assert!(used <= 50 * MB, "{name}: {used}");
    }
}
