//! A thousand objects from 64 threads, and what that holds in memory.
//!
//! One test alone in its file: peak memory is the process's.
#![expect(clippy::print_stdout, reason = "says how much it was")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use moulage::outbox::{Confirmation, Next};
use moulage_tests::{desktop, leaks, random};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

#[test]
fn a_thousand_objects_from_64_threads_are_captured_and_stored_within_thrice_the_largest() {
    let folder = tempfile::tempdir().expect("a folder");
    let outbox = desktop::outbox(folder.path()).expect("an outbox");
    // As large as a photo of 12 megapixels; all threads share it, as nothing else but the outbox is measured.
    let object = random::noise(1, 3_000_000);
    let before = MEMORY.current_usage() - object.len();
    MEMORY.reset_peak_usage();
    let (next, stored, start) = (AtomicU64::new(0), AtomicU64::new(0), Instant::now());
    let capture = || {
        while next.fetch_add(1, Ordering::Relaxed) < 1000 {
            outbox.add(&object).expect("captured");
        }
    };
    std::thread::scope(|scope| (0..64).for_each(|_| drop(scope.spawn(capture))));
    let captured = start.elapsed();
    assert_eq!(outbox.items().expect("a list").len(), 1000);
    let start = Instant::now();
    let store = || {
        while let Next::Item(mut claim) = outbox.claim().expect("claims") {
            claim.offer().expect("offered");
            claim.stored(Confirmation::Found).expect("stored");
            stored.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| (0..64).for_each(|_| drop(scope.spawn(store))));
    let used = MEMORY.peak_usage() - before;
    let per_second = 1000.0 / captured.as_secs_f64();
    println!(
        "captured in {captured:?} ({per_second:.0}/s), stored in {:?}, {} kB at once",
        start.elapsed(),
        used / 1000
    );
    assert_eq!(stored.into_inner(), 1000);
    assert!(outbox.items().expect("a list").is_empty());
    assert!(used <= 3 * object.len() + (16 << 20), "{used}");
    assert_eq!(leaks::in_folder(folder.path()), [""; 0]);
}
