//! `inspect`, `verify`, `sites`, `sample`, and the help.

mod support;

use moulage::photo::{self, PrepareOptions};
use serde_json::json;
use support::{Place, jpeg, jpeg_of, orientation};

#[test]
fn inspect_says_what_capture_does() {
    let place = Place::new();
    place.write("a.jpg", &jpeg_of(96, 64, false, &[&orientation(8), b"http://ns.adobe.com/xap/1.0/\0<x/>"]));
    place.write("b.jpg", b"");
    let ran = place.run(["inspect", "a.jpg", "b.jpg"]);
    assert_eq!(ran.code, 3);
    assert_eq!(ran.err, "moulage: photo 2 of 2: refused: the file is empty [empty]\n");
    let row = |label: &str| {
        let line = ran.out.lines().find(|line| line.trim_start().starts_with(label));
        line.unwrap().trim_start().strip_prefix(label).unwrap().trim().to_owned()
    };
    assert_eq!(ran.out.lines().next(), Some("photo 1 of 2"));
    assert_eq!((row("lossless"), row("upright"), row("format")), ("yes".into(), "64 x 96".into(), "jpeg".into()));
    assert!(ran.out.contains("APP1") && ran.out.contains("xmp"), "{}", ran.out);

    let inspected = place.run(["inspect", "a.jpg", "b.jpg", "--json"]).lines();
    let captured = place.capture(&["a.jpg"], &["--json"]).lines();
    assert_eq!(inspected[0]["outcome"], json!("acceptable"));
    assert_eq!(inspected[0]["report"], captured[0]["report"]);
    assert_eq!((&inspected[1]["outcome"], &inspected[1]["report"]), (&json!("refused"), &json!(null)));
}

#[test]
fn verify_tells_clean_from_not_clean() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    assert_eq!(place.capture(&["a.jpg"], &[]).code, 0);
    let object = place.objects().remove(0);
    let object = object.to_str().unwrap();
    let ran = place.run(["verify", object]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "file 1 of 1: clean, vl-photographic\n"));

    // The side is no side any more, and there is a comment in the picture.
    let mut broken = std::fs::read(object).unwrap();
    let side = broken.windows(8).position(|w| w == b"\x20\0\x62\0CS\x02\0").unwrap();
    broken[side + 8] = b'X';
    let scan = broken.windows(2).rposition(|w| w == [0xFF, 0xDA]).unwrap();
    broken[scan + 1] = 0xFE;
    place.write("broken.dcm", &broken);
    let ran = place.run(["verify", object, "broken.dcm", "missing.dcm", "a.jpg", "--json"]);
    assert_eq!(ran.code, 3);
    let lines = ran.lines();
    let outcomes: Vec<_> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["clean", "not-clean", "unreadable", "not-clean"]);
    assert_eq!((&lines[0]["rows"], &lines[0]["frames"]), (&json!(64), &json!(1)));
    let findings = lines[1]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["keyword"] == json!("ImageLaterality")), "{findings:?}");
    assert!(findings.len() > 1, "{findings:?}");
    let ran = place.run(["verify", "broken.dcm"]);
    assert!(ran.code == 3 && ran.out.contains("file 1 of 1: not clean\n  ImageLaterality: "), "{}", ran.out);
}

#[test]
fn sites_can_all_be_captured() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    let sites = place.run(["sites", "--json"]).lines();
    assert_eq!(sites.len(), 90);
    for site in [&sites[0], &sites[40], &sites[89]] {
        for side in site["laterality"].as_array().unwrap() {
            let (key, side) = (site["key"].as_str().unwrap(), side.as_str().unwrap());
            assert_eq!(place.capture(&["a.jpg"], &["--site", key, "--laterality", side]).code, 0, "{key} {side}");
        }
    }
    let ran = place.run(["sites"]);
    assert!(ran.code == 0 && ran.out.contains("  heel ") && ran.out.contains("R L B  Skin of heel"), "{}", ran.out);
}

#[test]
fn the_sample_hides_what_phones_hide() {
    let place = Place::new();
    assert_eq!(place.run(["sample", "sample.jpg"]).code, 0);
    let sample = std::fs::read(place.path("sample.jpg")).unwrap();
    let (_, report) = photo::prepare(&sample, &PrepareOptions::default()).unwrap();
    assert!(report.position && report.lossless && report.orientation.applied == 6);
    let classes: Vec<_> = report.removed.iter().map(|part| part.class).collect();
    for class in ["exif", "xmp", "trailer"] {
        assert!(classes.contains(&class), "{classes:?}");
    }
    // The same again is no harm, another file is not overwritten.
    assert_eq!(place.run(["sample", "sample.jpg"]).code, 0);
    place.write("mine.jpg", b"mine");
    let ran = place.run(["sample", "mine.jpg"]);
    assert!(ran.code == 4 && ran.err.contains("[archive-exists]"), "{}", ran.err);
    assert_eq!(std::fs::read(place.path("mine.jpg")).unwrap(), b"mine");

    assert_eq!(place.capture(&["sample.jpg"], &[]).code, 0);
    let object = std::fs::read(&place.objects()[0]).unwrap();
    for secret in ["MADE", "0000-MADE", "Nobody", "Exif"] {
        assert!(sample.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        assert!(!object.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn help_is_no_error_and_nothing_is_one() {
    let place = Place::new();
    for args in [&["--help"][..], &["help", "capture"], &["capture", "--help"], &["--version"]] {
        let ran = place.run(args.iter().copied());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert!(!ran.out.is_empty());
    }
    for args in [&[][..], &["capture"], &["CANARY"], &["inspect"]] {
        let ran = place.run(args.iter().copied());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""));
        assert!(ran.err.contains("[usage]") && !ran.err.contains("CANARY"), "{}", ran.err);
    }
}
