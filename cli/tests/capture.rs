//! `moulage capture`: what ends up in the archive, what is printed, and how it ends.

mod support;

use std::process::Stdio;

use moulage::dicom::{self, SopClass, TransferSyntax};
use serde_json::json;
use support::{Place, capture_args, files, heic, jpeg, jpeg_of, orientation, png};

fn holds(object: &[u8], text: &str) -> bool {
    object.windows(text.len()).any(|window| window == text.as_bytes())
}

fn only_object(place: &Place) -> Vec<u8> {
    let objects = place.objects();
    assert_eq!(objects.len(), 1);
    std::fs::read(&objects[0]).expect("the object")
}

#[test]
fn one_photo_one_clean_object() {
    let place = Place::new();
    place.write("a.jpg", &jpeg_of(96, 64, false, &[&orientation(6)]));
    let ran = place.capture(&["a.jpg"], &["--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let [line] = &ran.lines()[..] else { panic!("one line") };
    assert_eq!((&line["photo"], &line["outcome"]), (&json!(1), &json!("captured")));
    assert_eq!(line["report"]["upright"], json!({ "columns": 64, "rows": 96 }));
    assert_eq!(line["report"]["lossless"], json!(true));
    let part = |name: &str| line[name].as_str().unwrap().to_owned();
    let (study, series, sop) = (part("study_instance_uid"), part("series_instance_uid"), part("sop_instance_uid"));
    assert_eq!(part("object"), format!("{study}/{series}/{sop}.dcm"));
    let bytes = std::fs::read(place.archive().join(part("object"))).unwrap();
    let checked = dicom::check(&bytes).unwrap();
    assert_eq!((checked.sop_class, checked.rows, checked.columns), (SopClass::VlPhotographic, 96, 64));
    assert!(holds(&bytes, "Skin of heel"));
    // Nothing but the object, its thumbnail, the sheet and the lock; no partial file.
    assert_eq!(files(&place.archive()).len(), 4);
}

#[cfg(unix)]
#[test]
fn the_archive_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    assert_eq!(place.capture(&["a.jpg"], &[]).code, 0);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for file in files(&place.archive()).iter().filter(|file| !file.ends_with(".lock")) {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }
}

#[test]
fn refused_photos_do_not_hold_up_the_others() {
    let place = Place::new();
    place.write("good.jpg", &jpeg());
    place.write("empty.jpg", b"");
    place.write("good.png", &png(40, 30));
    let photos = ["good.jpg", "empty.jpg", "good.png"];
    let ran = place.capture(&photos, &["--json"]);
    assert_eq!(ran.code, 3);
    let lines = ran.lines();
    let outcomes: Vec<_> = lines.iter().map(|line| (line["photo"].clone(), line["outcome"].clone())).collect();
    assert_eq!(outcomes, [(json!(1), json!("captured")), (json!(2), json!("refused")), (json!(3), json!("captured"))]);
    assert_eq!(lines[1]["error"], json!({ "code": "empty", "text": "the file is empty" }));
    assert_eq!(ran.err, "moulage: photo 2 of 3: refused: the file is empty [empty]\n");
    assert_eq!(place.objects().len(), 2);
    // Into the same archive again, for people this time.
    let ran = place.capture(&photos, &[]);
    assert_eq!(ran.code, 3);
    assert!(ran.out.starts_with("photo 1 of 3: captured, 96 x 64, the camera's own data"), "{}", ran.out);
    assert!(ran.out.ends_with("2 of 3 photos captured; see index.html\n"), "{}", ran.out);
    assert_eq!(place.objects().len(), 4);
}

#[test]
fn classes_and_transfer_syntaxes() {
    for (class, syntax, expected) in [
        ("vl-photographic", "explicit", SopClass::VlPhotographic),
        ("dermoscopic", "jpeg", SopClass::Dermoscopic),
        ("secondary-capture", "jpeg", SopClass::SecondaryCapture),
        ("multi-frame", "explicit", SopClass::MultiFrameTrueColorSc),
    ] {
        let place = Place::new();
        place.write("a.jpg", &jpeg());
        let mut args = vec!["--sop-class", class, "--transfer-syntax", syntax];
        if expected == SopClass::Dermoscopic {
            args.extend(["--device-serial-number", "4711", "--manufacturer", "Maker", "--model", "M 1"]);
            args.extend(["--light-source-polarization", "polarized", "--immersion-media", "alcohol"]);
            args.extend(["--optical-magnification-factor", "10", "--emitter-color-temperature", "5500"]);
        }
        let photos = if expected == SopClass::MultiFrameTrueColorSc { &["a.jpg", "a.jpg"][..] } else { &["a.jpg"] };
        let ran = place.capture(photos, &args);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{class}");
        let object = only_object(&place);
        let checked = dicom::check(&object).unwrap();
        let baseline = checked.transfer_syntax == TransferSyntax::JpegBaseline;
        assert_eq!((checked.sop_class, baseline), (expected, syntax == "jpeg"));
        assert_eq!(holds(&object, "ALCOHOL"), class == "dermoscopic");
    }
}

#[test]
fn a_heic_with_the_pixels_that_the_system_decoded() {
    for (flags, png) in [
        (&["--heic-pixels", "pixels.png"][..], png(64, 96)),
        (&["--heic-pixels", "pixels.png", "--heic-pixels-as-stored", "--heic-pixels-in-srgb"], png(96, 64)),
    ] {
        let place = Place::new();
        place.write("photo.heic", &heic(96, 64, 3));
        place.write("pixels.png", &png);
        let ran = place.capture(&["photo.heic"], &[flags, &["--json"]].concat());
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        let report = &ran.lines()[0]["report"];
        assert_eq!((&report["format"], &report["upright"]), (&json!("heic"), &json!({ "columns": 64, "rows": 96 })));
        dicom::check(&only_object(&place)).unwrap();
    }
}

#[test]
fn frames_are_one_object_or_none() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    place.write("b.jpg", &jpeg());
    place.write("bad.jpg", b"nothing");
    let ran = place.capture(&["a.jpg", "bad.jpg"], &["--sop-class", "multi-frame", "--json"]);
    assert_eq!(ran.code, 3);
    let codes: Vec<_> = ran.lines().iter().map(|line| line["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!("frames"), json!("unsupported-format")]);
    assert!(!place.archive().exists());
    let ran = place.capture(&["a.jpg", "b.jpg"], &["--sop-class", "multi-frame", "--json"]);
    assert_eq!(ran.code, 0);
    let lines = ran.lines();
    assert_eq!(lines[0]["object"], lines[1]["object"]);
    assert_eq!(dicom::check(&only_object(&place)).unwrap().frames, 2);
}

#[test]
fn a_lesion_is_followed_by_its_uid() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    let ran = place.capture(&["a.jpg"], &["--lesion", "left heel 1", "--json"]);
    let uid = ran.lines()[0]["tracking_uid"].as_str().unwrap().to_owned();
    assert!(holds(&only_object(&place), &uid));
    let ran = place.capture(&["a.jpg"], &["--lesion", "left heel 1", "--lesion-uid", &uid]);
    assert!(ran.out.contains(&format!("--lesion-uid {uid}")));
    let tracked = |path: &std::path::PathBuf| holds(&std::fs::read(path).unwrap(), &uid);
    assert_eq!(place.objects().iter().filter(|path| tracked(path)).count(), 2);
}

const PATIENT: &str = r#"{"resourceType":"Patient","id":"p1","identifier":[{"value":"MRN-77",
    "type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR"}]}}],
    "name":[{"family":"Zeuge","given":["Zoë"]}],"birthDate":"1970-01-31","gender":"female"}"#;

#[test]
fn linkage_from_fhir_and_from_flags() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    place.write("patient.json", PATIENT.as_bytes());
    place.write(
        "visit.json",
        br#"{"resourceType":"Encounter","status":"in-progress","identifier":[{"value":"V-9"}],
            "subject":{"reference":"Patient/p1"}}"#,
    );
    place.write(
        "order.json",
        br#"{"resourceType":"ServiceRequest","status":"active","subject":{"reference":"Patient/p1"},"identifier":[{"value":"ACC-5",
            "type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"ACSN"}]}}]}"#,
    );
    let files = ["--patient", "patient.json", "--encounter", "visit.json", "--order", "order.json"];
    let ran =
        place.capture(&["a.jpg"], &[&files[..], &["--operator", "Nurse^Nora", "--label", "near the scar"]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let object = only_object(&place);
    dicom::check(&object).unwrap();
    for text in ["MRN-77", "Zeuge^Zoë", "19700131", "V-9", "ACC-5", "Nurse^Nora", "near the scar"] {
        assert!(holds(&object, text), "{text}");
    }

    let place = Place::new();
    place.write("a.jpg", &jpeg());
    let study = "1.2.276.0.7230010.3.1.2.1";
    let mut args = vec!["--patient-id", "77", "--issuer", "CITY", "--name", "Zeuge^Zoë", "--birth-date", "1970-01-31"];
    args.extend(["--sex", "F", "--admission-id", "V-9", "--accession-number", "ACC-5", "--study-instance-uid", study]);
    args.extend(["--study-description", "Wound care", "--institution", "Hospital", "--department", "Ward 3"]);
    let ran = place.capture(&["a.jpg"], &args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(place.archive().join(study).is_dir());
    let object = only_object(&place);
    dicom::check(&object).unwrap();
    for text in ["CITY", "Zeuge^Zoë", "19700131", "V-9", "ACC-5", study, "Wound care", "Hospital", "Ward 3"] {
        assert!(holds(&object, text), "{text}");
    }
}

#[test]
fn patient_data_is_in_the_object_and_nowhere_else() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    place.write("CANARYFILE.jpg", b"no photo");
    let mut args = vec!["--patient-id", "CANARYID", "--issuer", "CANARYISSUER", "--name", "CANARYNAME^CANARYGIVEN"];
    args.extend(["--birth-date", "1931-07-29", "--admission-id", "CANARYVISIT", "--accession-number", "CANARYACC"]);
    args.extend(["--operator", "CANARYNURSE", "--label", "CANARYLABEL", "--lesion", "CANARYLESION"]);
    let canaries = ["CANARY", "1931-07-29", "19310729"];
    for json in [&[][..], &["--json"]] {
        let ran = place.capture(&["a.jpg", "CANARYFILE.jpg", "CANARYMISSING.jpg"], &[&args, json].concat());
        assert_eq!(ran.code, 3);
        for canary in canaries {
            assert!(!ran.out.contains(canary) && !ran.err.contains(canary), "{}{}", ran.out, ran.err);
        }
    }
    for file in files(&place.archive()) {
        let content = std::fs::read(&file).unwrap();
        let is_object = file.extension().is_some_and(|extension| extension == "dcm");
        for canary in canaries {
            assert!(!file.strip_prefix(place.archive()).unwrap().display().to_string().contains(canary));
            assert!(is_object || !holds(&content, canary), "{}", file.display());
        }
        for text in ["CANARYID", "CANARYNAME^CANARYGIVEN", "19310729", "CANARYVISIT", "CANARYLABEL", "CANARYLESION"] {
            assert!(!is_object || holds(&content, text), "{text}");
        }
    }
}

#[test]
fn two_runs_at_once_lose_nothing() {
    let place = Place::new();
    let photos: Vec<String> = (0..8).map(|number| format!("{number}.jpg")).collect();
    let photos: Vec<&str> = photos.iter().map(String::as_str).collect();
    photos.iter().for_each(|name| {
        place.write(name, &jpeg());
    });
    let start = || place.command(capture_args(&photos, &[])).stdout(Stdio::null()).spawn().unwrap();
    let mut runs: Vec<_> = (0..4).map(|_| start()).collect();
    assert!(runs.iter_mut().all(|run| run.wait().unwrap().success()));
    let objects = place.objects();
    assert_eq!(objects.len(), 32);
    let sheet = std::fs::read_to_string(place.archive().join("index.html")).unwrap();
    for object in objects {
        let uid = object.file_stem().unwrap().to_str().unwrap();
        assert!(sheet.contains(&format!("thumbnails/{uid}.jpg")));
        dicom::check(&std::fs::read(&object).unwrap()).unwrap();
    }
    assert!(sheet.contains("32 photos in 4 studies"));
}

#[test]
fn nobody_reads_the_output_and_all_is_captured() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    let photos = ["a.jpg"; 6];
    let mut run = place.command(capture_args(&photos, &[])).stdout(Stdio::piped()).spawn().unwrap();
    drop(run.stdout.take());
    assert_eq!(run.wait().unwrap().code(), Some(0));
    assert_eq!(place.objects().len(), 6);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_trouble() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let code = place.command(capture_args(&["a.jpg"], &[])).stdout(full).status().unwrap().code();
    assert_eq!((code, place.objects().len()), (Some(4), 1));
}

#[test]
fn an_archive_that_cannot_be_written_is_trouble() {
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    place.write("archive", b"a file");
    let ran = place.capture(&["a.jpg"], &["--json"]);
    assert_eq!(ran.code, 4);
    assert_eq!(ran.lines()[0]["outcome"], json!("failed"));
    assert_eq!(ran.lines()[0]["error"]["code"], json!("archive-not-a-folder"));
    assert_eq!(std::fs::read(place.archive()).unwrap(), b"a file");

    if support::is_root() {
        return support::skip("root may write everywhere: a folder without permission cannot be tried");
    }
    let place = Place::new();
    place.write("a.jpg", &jpeg());
    std::fs::create_dir(place.archive()).unwrap();
    let mut permissions = std::fs::metadata(place.archive()).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(place.archive(), permissions).unwrap();
    let ran = place.capture(&["a.jpg"], &["--json"]);
    assert_eq!((ran.code, &ran.lines()[0]["error"]["code"]), (4, &json!("archive-denied")));
}
