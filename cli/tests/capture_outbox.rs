//! `moulage capture --outbox` and `moulage audit`.

mod support;

use std::fs;

use support::{Place, jpeg};

const PATIENT: [&str; 4] = ["--patient-id", "CANARY-4711", "--issuer", "City Hospital"];

fn capture(place: &Place, args: &[&str]) -> support::Ran {
    let site = ["capture", "photo.jpg", "--site", "heel", "--laterality", "L"];
    place.run(site.into_iter().chain(PATIENT).chain(args.iter().copied()))
}

#[test]
fn a_photo_goes_sealed_into_the_outbox_and_the_log_tells_of_it() {
    let place = Place::new();
    place.write("photo.jpg", &jpeg());
    let ran = capture(&place, &["--outbox", "outbox", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let line: serde_json::Value = serde_json::from_str(ran.out.trim()).expect("a line of JSON");
    let item = line["item"].as_str().expect("the item's name");
    assert_eq!(line["outcome"], "captured");
    let sealed = fs::read(place.path("outbox/items").join(format!("{item}.fresh.cms"))).expect("the sealed file");
    for clear in [&b"DICM"[..], b"CANARY-4711", b"\xFF\xD8\xFF\xDB\0\x43"] {
        assert!(!sealed.windows(clear.len()).any(|bytes| bytes == clear));
    }
    assert!(place.path("outbox.keystore").is_file() && !place.path("archive").exists());

    let verified = place.run(["audit", "verify", "--outbox", "outbox"]);
    assert_eq!((verified.code, verified.out.trim()), (0, "log 1: sound, 4 records"), "{}", verified.err);
    for (form, begin) in [("dicom", "<?xml"), ("fhir", "{")] {
        let exported = place.run(["audit", "export", "--outbox", "outbox", "--form", form]);
        assert_eq!((exported.code, exported.out.lines().count()), (0, 4), "{}", exported.err);
        assert!(exported.out.lines().all(|line| line.starts_with(begin)) && !exported.out.contains("CANARY"));
    }

    let log = place.path("outbox/audit/00000000.00000000.log");
    let text = fs::read_to_string(&log).expect("the log").replace("\"captured\"", "\"exported\"");
    fs::write(&log, text).expect("the log");
    let altered = place.run(["audit", "verify", "--outbox", "outbox"]);
    assert_eq!(altered.code, 3);
    assert!(altered.err.contains("[audit-broken]"), "{}", altered.err);
}

#[test]
fn exactly_one_place_is_named() {
    let place = Place::new();
    place.write("photo.jpg", &jpeg());
    for args in [&[][..], &["--out", "archive", "--outbox", "outbox"], &["--out", "archive", "--recipient", "x.pem"]] {
        let ran = capture(&place, args);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
    }
    assert!(!place.path("archive").exists() && !place.path("outbox").exists());
    let ran = place.run(["audit", "verify", "--outbox", "outbox"]);
    assert_eq!((ran.code, place.path("outbox").exists()), (2, false), "{}", ran.err);
}

#[test]
fn a_recipient_that_is_no_certificate_is_refused() {
    let place = Place::new();
    place.write("photo.jpg", &jpeg());
    place.write("x.pem", b"no certificate");
    let ran = capture(&place, &["--outbox", "outbox", "--recipient", "x.pem"]);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
    assert!(!place.path("outbox").exists());
}
