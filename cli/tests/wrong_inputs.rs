//! Each wrong input gets its code and its exit status, and leaves nothing behind. The table for people is in the README
//! of this crate; it must have the same rows. Permissions and devices are those of Unix.
#![cfg(unix)]

mod support;

use std::collections::BTreeSet;

use jpeg_encoder::{ColorType, Encoder};
use serde_json::json;
use support::{Place, frame_at, heic, jpeg, jpeg_of, orientation, png};

/// A JPEG whose frame header is of another process, precision or size.
fn with_frame(marker: u8, precision: u8, rows: u16, columns: u16) -> Vec<u8> {
    let mut file = jpeg();
    let at = frame_at(&file);
    file[at + 1] = marker;
    file[at + 4] = precision;
    file[at + 5..at + 7].copy_from_slice(&rows.to_be_bytes());
    file[at + 7..at + 9].copy_from_slice(&columns.to_be_bytes());
    file
}

/// Four components, and nothing that says what they mean.
fn cmyk() -> Vec<u8> {
    let mut file = Vec::new();
    Encoder::new(&mut file, 90).encode(&[128; 4 * 32 * 32], 32, 32, ColorType::Cmyk).expect("memory takes it");
    while let Some(at) = file.windows(2).position(|pair| matches!(pair, [0xFF, 0xE0 | 0xEE])) {
        let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        file.drain(at..at + 2 + length);
    }
    file
}

/// A PNG header of that size and no more.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut file = png(4, 4);
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc32(&file[12..29]);
    file[29..33].copy_from_slice(&crc.to_be_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

fn png_with_wrong_crc() -> Vec<u8> {
    let mut file = png(40, 30);
    let at = file.windows(4).position(|name| name == b"IDAT").expect("a data chunk");
    file[at + 8] ^= 0x55;
    file
}

fn garbage() -> Vec<u8> {
    (0..5000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Row of the README, the photo, the code.
fn photos() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let good = jpeg();
    let progressive_bomb = |rows, columns| {
        let mut file = jpeg_of(96, 64, true, &[]);
        let at = frame_at(&file);
        file[at + 5..at + 7].copy_from_slice(&u16::to_be_bytes(rows));
        file[at + 7..at + 9].copy_from_slice(&u16::to_be_bytes(columns));
        file
    };
    vec![
        ("no bytes at all", Vec::new(), "empty"),
        ("bytes of no known kind", garbage(), "unsupported-format"),
        ("TIFF", b"II*\0\x08\0\0\0\0\0\0\0\0\0".to_vec(), "unsupported-format"),
        ("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(), "unsupported-format"),
        ("WebP", b"RIFF\x1a\0\0\0WEBPVP8 \x0e\0\0\0".to_vec(), "unsupported-format"),
        ("BMP", b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0".to_vec(), "unsupported-format"),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\n".to_vec(), "unsupported-format"),
        ("JPEG that is cut off", good[..good.len() * 6 / 10].to_vec(), "truncated"),
        ("JPEG without EOI", good[..good.len() - 2].to_vec(), "truncated"),
        ("JPEG of 65,500 pixels a side", with_frame(0xC0, 8, 65_500, 65_500), "limit-side"),
        ("progressive JPEG of more than 120 MP", progressive_bomb(16_000, 16_000), "limit-pixels"),
        ("arithmetic JPEG", with_frame(0xC9, 8, 64, 96), "unsupported-coding"),
        ("lossless JPEG", with_frame(0xC3, 8, 64, 96), "unsupported-coding"),
        ("hierarchical JPEG", with_frame(0xC5, 8, 64, 96), "unsupported-coding"),
        ("12-bit JPEG", with_frame(0xC1, 12, 64, 96), "unsupported-coding"),
        ("CMYK JPEG without Adobe marker", cmyk(), "unsupported-colour"),
        ("PNG with a wrong checksum", png_with_wrong_crc(), "undecodable"),
        ("PNG of 65,500 pixels a side", png_header(65_500, 65_500), "limit-side"),
        ("HEIC without its pixels", heic(96, 64, 3), "heic-needs-pixels"),
    ]
}

#[test]
fn refused_photos() {
    for (row, photo, code) in photos() {
        let place = Place::new();
        place.write("photo", &photo);
        for command in [&["inspect", "photo", "--json"][..], &support::capture_args(&["photo"], &["--json"])] {
            let ran = place.run(command.iter().copied());
            assert_eq!(ran.code, 3, "{row}");
            let [line] = &ran.lines()[..] else { panic!("{row}: one line") };
            assert_eq!((&line["photo"], &line["outcome"]), (&json!(1), &json!("refused")), "{row}");
            assert_eq!(line["error"]["code"], json!(code), "{row}: {}", ran.out);
            assert!(ran.err.ends_with(&format!("[{code}]\n")), "{row}: {}", ran.err);
        }
        assert!(!place.archive().exists(), "{row}");
    }
}

type Make = fn(&Place);

/// Row of the README, what makes it, the code.
fn files() -> Vec<(&'static str, Make, &'static str)> {
    vec![
        ("no such file", |_| {}, "not-found"),
        ("a folder", |place| std::fs::create_dir(place.path("photo")).expect("a folder"), "not-a-file"),
        ("a file of more than 256 MiB", oversize, "limit-file-bytes"),
        ("a pipe or a device", device, "not-a-file"),
        ("a file that may not be read", forbidden, "permission-denied"),
    ]
}

fn oversize(place: &Place) {
    let path = place.write("photo", &jpeg());
    let file = std::fs::File::options().write(true).open(path).expect("our file");
    file.set_len((256 << 20) + 1).expect("a hole costs nothing");
}

fn device(place: &Place) {
    std::os::unix::fs::symlink("/dev/zero", place.path("photo")).expect("a link");
}

fn forbidden(place: &Place) {
    let path = place.write("photo", &jpeg());
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o000)).expect("our file");
}

#[test]
fn files_that_are_no_photos() {
    for (row, make, code) in files() {
        if code == "permission-denied" && support::is_root() {
            support::skip("root may read everything: a file without permission cannot be tried");
            continue;
        }
        let place = Place::new();
        make(&place);
        let ran = place.capture(&["photo"], &["--json"]);
        assert_eq!((ran.code, &ran.lines()[0]["error"]["code"]), (3, &json!(code)), "{row}");
        assert!(!place.archive().exists(), "{row}");
    }
}

#[test]
fn a_photo_that_only_a_policy_refuses() {
    let place = Place::new();
    place.write("photo", &jpeg_of(100, 70, false, &[&orientation(6)]));
    let ran = place.capture(&["photo"], &["--turn", "refuse", "--json"]);
    assert_eq!((ran.code, &ran.lines()[0]["error"]["code"]), (3, &json!("not-lossless")));
    assert!(!place.archive().exists());
    for (policy, outcome, columns) in [("reencode", "reencoded", 70), ("trim", "trimmed", 64)] {
        let ran = place.capture(&["photo"], &["--turn", policy, "--json"]);
        let report = &ran.lines()[0]["report"];
        assert_eq!((ran.code, &report["lossless"]), (0, &json!(false)));
        assert!(report["outcome"][outcome].is_object() || report["outcome"][outcome].is_string(), "{report}");
        assert_eq!(report["upright"]["columns"], json!(columns));
    }
}

#[test]
fn pixels_that_do_not_fit() {
    for (png, code) in
        [(garbage(), "undecodable"), (png_with_wrong_crc(), "undecodable"), (png_header(20_000, 4), "undecodable")]
    {
        let place = Place::new();
        place.write("photo", &heic(96, 64, 3));
        place.write("pixels.png", &png);
        let ran = place.capture(&["photo"], &["--heic-pixels", "pixels.png", "--json"]);
        assert_eq!((ran.code, &ran.lines()[0]["error"]["code"]), (3, &json!(code)));
        assert!(!place.archive().exists());
    }
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","identifier":[{"value":"CANARY1"}]}"#;
const OTHER_VISIT: &str = r#"{"resourceType":"Encounter","status":"finished","subject":{"reference":"Patient/p2"}}"#;

/// Row of the README, what is typed beside a good photo, the code.
fn usages() -> Vec<(&'static str, Vec<&'static str>, &'static str)> {
    let by_id = ["--patient-id", "CANARY1", "--issuer", "CANARY2"];
    let with = |more: &[&'static str]| [&by_id[..], more].concat();
    vec![
        ("a site that is not in the list", vec!["--site", "CANARY"], "unknown-site"),
        ("a site of a pair with U", vec!["--site", "heel", "--laterality", "U"], "wrong-side"),
        ("a site of a pair without a side", vec!["--site", "heel"], "missing-attribute"),
        ("a site that is not of a pair, with B", vec!["--site", "sacrum", "--laterality", "B"], "wrong-side"),
        ("a side that is none", vec!["--site", "heel", "--laterality", "CANARY"], "usage"),
        ("a blank patient id", vec!["--patient-id", " ", "--issuer", "CANARY"], "missing-attribute"),
        ("a patient id without issuer", vec!["--patient-id", "CANARY"], "usage"),
        ("a patient id that is too long", vec!["--patient-id", LONG, "--issuer", "CANARY"], "too-long"),
        ("a day that is not in the calendar", with(&["--birth-date", "1970-02-30"]), "not-a-date"),
        ("a day in another form", with(&["--birth-date", "31.12.1970"]), "not-a-date"),
        ("a name with a control character", with(&["--name", "CANARY\n"]), "control-character"),
        ("a name with too many parts", with(&["--name", "CANARY^a^b^c^d^e"]), "delimiter"),
        ("a sex that is no code", with(&["--sex", "CANARY"]), "usage"),
        ("two patients", with(&["--patient", "patient.json"]), "usage"),
        ("a patient file that is not there", vec!["--patient", "CANARY.json"], "not-found"),
        ("a patient file that is no JSON", vec!["--patient", "photo"], "malformed-resource"),
        ("a patient file of another resource", vec!["--patient", "visit.json"], "other-resource"),
        ("a patient file of more than 1 MiB", vec!["--patient", "large.json"], "too-long"),
        ("a visit of another patient", vec!["--patient", "patient.json", "--encounter", "visit.json"], "other-patient"),
        ("a study UID that is none", with(&["--study-instance-uid", "CANARY"]), "not-a-uid"),
        ("a lesion UID that is none", with(&["--lesion", "CANARY", "--lesion-uid", "CANARY"]), "not-a-uid"),
        ("a lesion UID without a lesion", with(&["--lesion-uid", "1.2.3"]), "usage"),
        ("a dermatoscope and another class", with(&["--optical-magnification-factor", "10"]), "usage"),
        ("contact without a medium", with(&["--sop-class", "dermoscopic", "--contact-method", "contact"]), "usage"),
        ("a colour that is none", with(&["--background", "CANARY"]), "usage"),
        ("pixels for several photos", with(&["--heic-pixels", "photo", "photo"]), "usage"),
        ("a flag that there is not", with(&["--CANARY=CANARY"]), "usage"),
    ]
}

const LONG: &str = "CANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARYCANARY";

#[test]
fn wrong_usage_captures_nothing_and_repeats_nothing() {
    for (row, args, code) in usages() {
        let place = Place::new();
        place.write("photo", &jpeg());
        place.write("patient.json", PATIENT.as_bytes());
        place.write("visit.json", OTHER_VISIT.as_bytes());
        place.write("large.json", &vec![b' '; (1 << 20) + 1]);
        for json in [&[][..], &["--json"]] {
            let ran = place.capture(&["photo"], &[&args, json].concat());
            assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{row}: {}", ran.err);
            assert!(ran.err.contains(&format!("[{code}]")), "{row}: {}", ran.err);
            for typed in ["CANARY", "1970"] {
                assert!(!ran.err.contains(typed), "{row}: {}", ran.err);
            }
        }
        assert!(!place.archive().exists(), "{row}");
    }
}

#[test]
fn the_readme_has_the_same_rows() {
    let readme = include_str!("../README.md");
    let mut told: BTreeSet<(String, String, i32)> = BTreeSet::new();
    for line in readme.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if let [row, code, exit] = cells[..]
            && let Ok(exit) = exit.parse()
        {
            assert!(told.insert((row.to_owned(), code.to_owned(), exit)), "{row} is there twice");
        }
    }
    let mut tested = BTreeSet::new();
    tested.extend(photos().into_iter().map(|(row, _, code)| (row.to_owned(), code.to_owned(), 3)));
    tested.extend(files().into_iter().map(|(row, _, code)| (row.to_owned(), code.to_owned(), 3)));
    tested.extend(usages().into_iter().map(|(row, _, code)| (row.to_owned(), code.to_owned(), 2)));
    assert_eq!(told, tested);
}
