//! Adds objects to an outbox and stores them, until somebody kills it: `outbox_victim OUTBOX ARCHIVE FIRST`.
//!
//! The numbers of captured objects go to standard output, 8 bytes each. The archive is a folder that keeps whatever it is given, however often.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use moulage::outbox::{Confirmation, Next, State};
use moulage_tests::desktop;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let outbox = desktop::outbox(Path::new(&arguments[1])).unwrap();
    let archive = Path::new(&arguments[2]);
    let first: u64 = arguments[3].parse().unwrap();
    let mut acknowledged = std::io::stdout();
    for number in first.. {
        outbox.add(&desktop::object(number)).unwrap();
        acknowledged.write_all(&number.to_be_bytes()).unwrap();
        acknowledged.flush().unwrap();
        if number % 3 == 0 {
            continue;
        }
        let Next::Item(mut claim) = outbox.claim().unwrap() else { continue };
        let object = claim.object().unwrap();
        let stored = |copy: u32| archive.join(format!("{}-{copy}", desktop::number(&object).unwrap()));
        if claim.state() == State::Fresh || !stored(0).exists() {
            claim.offer().unwrap();
            let copy = (0..).find(|copy| !stored(*copy).exists()).unwrap();
            // Written beside, then given its name: this archive does not tear.
            std::fs::write(archive.join("incoming"), &object).unwrap();
            std::fs::rename(archive.join("incoming"), stored(copy)).unwrap();
        }
        if number % 5 == 0 {
            claim.settle(State::Unknown, Duration::ZERO);
        } else {
            claim.stored(Confirmation::Found).unwrap();
        }
    }
}
