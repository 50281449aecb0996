//! A real archive, over TLS and a bad network: at its end it holds every photo, once, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::Write as _;
use std::time::{Duration, Instant};

use moulage::upload::{AccessToken, Confirm, Destination, Policy};
use moulage_tests::cutting_proxy::CuttingProxy;
use moulage_tests::orthanc::{Orthanc, PASSWORD, USER};
use moulage_tests::phone::Phone;

fn stored_through_faults(photos: usize, percent: usize, confirm: Confirm) {
    let Some(orthanc) = Orthanc::start() else { return };
    let proxy = CuttingProxy::start(orthanc.port(), percent, 4);
    let phone = Phone::new(Vec::new());
    let taken = phone.capture(photos);
    let url = format!("https://localhost:{}/dicom-web", proxy.port());
    // Orthanc stores within milliseconds, and its answers are lost within half a second.
    let quarantine = Duration::from_secs(2);
    let destination = Destination::new(&url, Policy::Direct).unwrap().confirm(confirm).quarantine(quarantine);
    let begun = Instant::now();
    phone.drain(destination, orthanc.root(), AccessToken::basic(USER, PASSWORD).unwrap()).unwrap();
    let (exchanges, faults) = proxy.counts();
    let _ = writeln!(
        std::io::stderr(),
        "{photos} photos in {:.1} s: {exchanges} exchanges, {faults} faults",
        begun.elapsed().as_secs_f64()
    );
    let left: Vec<&str> = phone.outbox.items().unwrap().iter().map(|item| item.state.code()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(orthanc.holdings(), taken);
    let share = faults as f64 / exchanges as f64;
    assert!((share - percent as f64 / 100.0).abs() < 0.05, "{share}");
}

#[test]
fn five_hundred_photos_arrive_once_and_whole_through_20_percent_faults() {
    stored_through_faults(500, 20, Confirm::Found);
}

#[test]
fn what_is_read_back_is_the_same() {
    stored_through_faults(25, 20, Confirm::Compared);
}
