//! The made photographs are what they say they are, by the word of other people's programs.

use std::collections::BTreeSet;

use moulage_tests::{Expected, fixtures, jpeg, leaks, oracle, programs};

#[test]
fn sentinels_are_in_their_files() {
    for fixture in fixtures() {
        for sentinel in &fixture.sentinels {
            assert!(
                !leaks::find(&fixture.bytes, std::slice::from_ref(sentinel)).is_empty(),
                "{}: {sentinel:?}",
                fixture.name
            );
        }
    }
}

#[test]
fn names_differ() {
    let list = fixtures();
    assert_eq!(list.iter().map(|f| &f.name).collect::<BTreeSet<_>>().len(), list.len());
}

#[test]
fn jpegtran_agrees_on_what_can_be_turned_without_loss_and_djpeg_sees_the_upright_picture() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    for fixture in fixtures().iter().filter(|f| f.bytes.starts_with(&[0xFF, 0xD8]) && f.expected == Expected::Lossless)
    {
        let turned = oracle::turned(fixture.for_libjpeg(), fixture.orientation)
            .unwrap_or_else(|| panic!("{}: not perfect", fixture.name));
        oracle::stream_shows_upright(&turned, fixture).unwrap_or_else(|e| panic!("{}: {e}", fixture.name));
    }
    for fixture in fixtures()
        .iter()
        .filter(|f| f.expected == Expected::Reencoded && f.orientation > 1 && f.bytes.starts_with(&[0xFF, 0xD8]))
    {
        assert!(oracle::turned(fixture.for_libjpeg(), fixture.orientation).is_none(), "{}: jpegtran can", fixture.name);
    }
}

#[test]
fn coefficients_tell_streams_apart() {
    if !programs::available(&oracle::PROGRAMS) {
        return;
    }
    let picture = moulage_tests::scene::scene(64, 48);
    let plain = jpeg::encode(&picture, jpeg::Coding::default());
    let progressive = jpeg::encode(&picture, jpeg::Coding { progressive: true, restart: 2, ..jpeg::Coding::default() });
    let other = jpeg::encode(&picture, jpeg::Coding { quality: 87, ..jpeg::Coding::default() });
    assert_eq!(oracle::coefficients(&plain), oracle::coefficients(&progressive));
    assert_ne!(oracle::coefficients(&plain), oracle::coefficients(&other));
    assert_eq!(oracle::coefficients(&plain[..plain.len() - 40]), None);
}

#[test]
fn a_turned_picture_is_not_taken_for_upright() {
    let upright = moulage_tests::scene::scene(96, 96);
    for orientation in 2..=8 {
        let turned = upright.stored(orientation);
        assert!(!turned.corners_are_right() && turned.difference(&upright).unwrap() > 8.0, "{orientation}");
    }
}
