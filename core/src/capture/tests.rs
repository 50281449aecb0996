//! Objects of all four classes from made photos: their text against committed dumps, and the shared referee's word.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use chrono::NaiveDateTime;
use dicom_core::header::Header;
use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use dicom_object::{FileDicomObject, InMemDicomObject, OpenFileOptions};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

use super::*;
use crate::clock::RandomnessUnavailable;
use crate::dicom::{ContactMethod, Dermoscopy, ImmersionMedia, Polarization, Provenance, TransferSyntax, check};
use crate::error::DicomError;
use crate::patient::{CodedConcept, Issuer, Laterality, Lesion, Order, Sex, SiteList, UniversalEntityIdType};
use crate::photo::{Colour, Derivation, Fact, FactValue, IccProfile, LossyStep, PhotoFacts, Preview, Primaries, Taken};

/// A clock that goes on by a second at each look.
struct TestClock(Mutex<DateTime<FixedOffset>>);

impl TestClock {
    fn at(moment: &str) -> Arc<Self> {
        Arc::new(Self(Mutex::new(DateTime::parse_from_rfc3339(moment).unwrap())))
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<FixedOffset> {
        let mut now = self.0.lock().unwrap();
        *now += chrono::TimeDelta::seconds(1);
        *now
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// 1, 1, 1 ..., then 2, 2, 2 ...; and nothing any more after as many draws as it is given.
struct TestRandomness(Mutex<(u8, u8)>);

impl TestRandomness {
    fn of(draws: u8) -> Arc<Self> {
        Arc::new(Self(Mutex::new((0, draws))))
    }
}

impl Randomness for TestRandomness {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        let mut state = self.0.lock().unwrap();
        if state.0 == state.1 {
            return Err(RandomnessUnavailable);
        }
        state.0 += 1;
        bytes.fill(state.0);
        Ok(())
    }
}

/// A clean stream as `photo::prepare` gives it: what jpeg-encoder writes, without its APP0.
fn stream(columns: u16, rows: u16, colour: Colour) -> Vec<u8> {
    let (kind, samples) = match colour {
        Colour::Grey => (ColorType::Luma, 1),
        Colour::YCbCr => (ColorType::Rgb, 3),
    };
    let pixels: Vec<u8> = (0..usize::from(columns) * usize::from(rows) * samples)
        .map(|at| (at / samples % usize::from(columns) * 3 + at % samples * 40 + at / 1000) as u8)
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.encode(&pixels, columns, rows, kind).unwrap();
    assert_eq!(bytes[2..4], [0xFF, 0xE0]);
    let app0 = 2 + usize::from(bytes[4]) * 256 + usize::from(bytes[5]);
    bytes.drain(2..2 + app0);
    bytes
}

fn photo(columns: u16, rows: u16, colour: Colour) -> PreparedPhoto {
    PreparedPhoto {
        jpeg: stream(columns, rows, colour),
        rows,
        columns,
        colour,
        icc: None,
        facts: PhotoFacts::default(),
        lossy: vec![LossyStep { ratio: 1.0, method: "ISO_10918_1" }],
        derivation: None,
        preview: Preview { width: 0, height: 0, rgb: Vec::new() },
    }
}

fn plain() -> PreparedPhoto {
    photo(61, 43, Colour::YCbCr)
}

/// With everything that EXIF and a profile can tell.
fn talkative() -> PreparedPhoto {
    let taken = Taken { local: local("2026-03-01T23:30:00.25"), offset: FixedOffset::west_opt(5 * 3600) };
    PreparedPhoto {
        icc: Some(IccProfile { bytes: profile(), primaries: Primaries::Srgb }),
        facts: PhotoFacts {
            make: Some("Example".into()),
            model: Some("Phone 1".into()),
            software: Some("Example OS 1.0".into()),
            taken: Some(taken),
            facts: vec![
                Fact { tag: 0x829A, value: FactValue::Decimal(1.0 / 120.0) },
                Fact { tag: 0x829D, value: FactValue::Decimal(1.8) },
                Fact { tag: 0x8827, value: FactValue::Integer(64) },
                Fact { tag: 0x9000, value: FactValue::Text("0232".into()) },
                Fact { tag: 0x9209, value: FactValue::Integer(0x19) },
                Fact { tag: 0xA432, value: FactValue::Decimals(vec![1.54, 6.0, 1.8, 2.4]) },
                Fact { tag: 0xA434, value: FactValue::Text("Wide camera".into()) },
            ],
        },
        ..plain()
    }
}

/// The head of an input profile and no tag: enough for what is tested here.
fn profile() -> Vec<u8> {
    let mut bytes = vec![0; 132];
    bytes[3] = 132;
    bytes[8] = 4;
    for (at, field) in [(12, b"scnr"), (16, b"RGB "), (20, b"XYZ "), (36, b"acsp")] {
        bytes[at..at + 4].copy_from_slice(field);
    }
    bytes
}

fn local(moment: &str) -> NaiveDateTime {
    moment.parse().unwrap()
}

fn site(key: &str, side: Laterality) -> crate::patient::AnatomicSite {
    SiteList::standard().site(key).unwrap().on(side).unwrap()
}

fn heel() -> View {
    View::of(site("heel", Laterality::Left))
}

fn view(sop_class: SopClass) -> View {
    View { sop_class, ..heel() }
}

fn lesion() -> Lesion {
    Lesion::new("lesion 1", "2.25.113407110131113151719212325272931333537").unwrap()
}

fn device() -> Device {
    Device {
        device_serial_number: "install-0001".into(),
        manufacturer: "Given Maker".into(),
        manufacturer_model_name: "Given Model".into(),
        software_versions: vec!["Given OS 2".into(), "Given App 3".into()],
    }
}

fn patient() -> Patient {
    let issuer = Issuer { name: "TESTHOSP", universal: Some((UniversalEntityIdType::Iso, "1.2.3.4.5")) };
    Patient::new("TEST-0001", issuer)
        .and_then(|patient| patient.patient_name("Müller^Zoë=山田^太郎"))
        .and_then(|patient| patient.patient_birth_date("1970-01-01"))
        .and_then(|patient| patient.other_patient_id("77", "", ""))
        .unwrap()
        .patient_sex(Sex::Other)
}

fn visit() -> Encounter {
    let code = |value, meaning| CodedConcept::new(value, "99STAFF", meaning).unwrap();
    let order = Order::default()
        .requested_procedure_id("RP1")
        .and_then(|order| order.scheduled_procedure_step_id("SPS1"))
        .and_then(|order| order.requested_procedure_description("Photo of the wound"))
        .and_then(|order| order.reason_for_the_requested_procedure("Follow-up"))
        .and_then(|order| order.placer_order_number("P-1"))
        .and_then(|order| order.filler_order_number("F-1"))
        .unwrap()
        .requested_procedure_code(CodedConcept::new("197157006", "SCT", "Photography of patient").unwrap());
    Encounter::default()
        .accession_number("A1", "RIS")
        .and_then(|visit| visit.study_id("S1"))
        .and_then(|visit| visit.study_description("Wound care"))
        .and_then(|visit| visit.referring_physician_name("Ref^Erring"))
        .and_then(|visit| visit.operators_name("Nurse^Nora"))
        .and_then(|visit| visit.operator_identification(code("4711", "Nora Nurse"), "Test Hospital"))
        .and_then(|visit| visit.institution_name("Test Hospital"))
        .and_then(|visit| visit.institutional_department_name("Wound clinic"))
        .and_then(|visit| visit.admission_id("V-1", "ADT"))
        .and_then(|visit| visit.service_episode_id("E-1", "ADT"))
        .and_then(|visit| visit.reason_for_visit("Ulcer of the heel"))
        .unwrap()
        .reason_for_visit_code(code("R-1", "Ulcer"))
        .order(order)
}

fn session(device: Device) -> Session {
    let clock = TestClock::at("2026-03-14T09:19:59+01:00");
    Session::begin(patient(), Encounter::default(), device, clock, TestRandomness::of(200)).unwrap()
}

fn read(instance: &Instance) -> FileDicomObject<InMemDicomObject> {
    OpenFileOptions::new().from_reader(instance.bytes()).unwrap()
}

fn text(instance: &Instance, tag: Tag) -> Option<String> {
    read(instance).get(tag).map(|element| element.to_str().unwrap().trim_end().to_owned())
}

/// One object of each kind and of each case that writes something of its own.
fn cases() -> BTreeMap<&'static str, Instance> {
    let clock = || TestClock::at("2026-03-14T09:19:59+01:00");
    let mut plain_session = session(device());
    let mut full = Session::begin(patient(), visit(), device(), clock(), TestRandomness::of(200)).unwrap();
    let dermoscopy = Dermoscopy {
        light_source_polarization: Some(Polarization::Polarized),
        emitter_color_temperature: Some(5500),
        contact_method: Some(ContactMethod::Contact(vec![ImmersionMedia::UltrasoundGel, ImmersionMedia::PlasticCap])),
        optical_magnification_factor: Some(10.0),
    };
    let anterior = CodedConcept::new("255549009", "SCT", "Anterior").unwrap();
    let labelled =
        site("sacrum", Laterality::Unpaired).modified_by(anterior).unwrap().labelled("above\nthe cleft").unwrap();
    let derived = |steps: &[(f64, &'static str)], derivation| PreparedPhoto {
        lossy: steps.iter().map(|(ratio, method)| LossyStep { ratio: *ratio, method }).collect(),
        derivation: Some(derivation),
        ..talkative()
    };
    let reencoded = derived(&[(18.0, "ISO_23008_2"), (1.0, "ISO_10918_1")], Derivation::Reencoded);
    let trimmed = derived(&[(1.0, "ISO_10918_1")], Derivation::Trimmed { columns: 8, rows: 0 });
    let native = |sop_class| View { transfer_syntax: TransferSyntax::ExplicitVrLittleEndian, ..view(sop_class) };
    let file = |sop_class| View { provenance: Provenance::File, ..view(sop_class) };
    let no_offset = |mut photo: PreparedPhoto| {
        photo.facts.taken = photo.facts.taken.map(|taken| Taken { offset: None, ..taken });
        photo
    };
    let mut cases = BTreeMap::new();
    let mut add = |name, instance: Result<Instance, CaptureError>| {
        cases.insert(name, instance.unwrap_or_else(|error| panic!("{name}: {error}")));
    };
    let tracked = |sop_class| View { lesion: Some(lesion()), ..view(sop_class) };

    add("vl", full.capture(&talkative(), &View { lesion: Some(lesion()), ..View::of(labelled) }));
    add("dermoscopic", full.capture(&talkative(), &View { dermoscopy, ..tracked(SopClass::Dermoscopic) }));
    add("sc", full.capture(&talkative(), &tracked(SopClass::SecondaryCapture)));
    let frames = [talkative(), talkative(), talkative()];
    add("multi-frame", full.capture_frames(&frames, &tracked(SopClass::MultiFrameTrueColorSc)));

    add("vl-plain", plain_session.capture(&plain(), &heel()));
    add("vl-grey", plain_session.capture(&photo(61, 43, Colour::Grey), &heel()));
    add("vl-native", plain_session.capture(&talkative(), &native(SopClass::VlPhotographic)));
    add("vl-native-grey", plain_session.capture(&photo(61, 43, Colour::Grey), &native(SopClass::VlPhotographic)));
    add("vl-file", plain_session.capture(&reencoded, &file(SopClass::VlPhotographic)));
    add("vl-file-no-offset", plain_session.capture(&no_offset(trimmed), &file(SopClass::VlPhotographic)));
    add("vl-file-no-time", plain_session.capture(&plain(), &file(SopClass::VlPhotographic)));
    add(
        "vl-untracked",
        plain_session.capture(&plain(), &View { tracking_everywhere: false, ..tracked(SopClass::VlPhotographic) }),
    );
    add("dermoscopic-plain", plain_session.capture(&plain(), &view(SopClass::Dermoscopic)));
    add("sc-file", plain_session.capture(&plain(), &file(SopClass::SecondaryCapture)));
    add("multi-frame-native", plain_session.capture_frames(&frames, &native(SopClass::MultiFrameTrueColorSc)));
    cases
}

/// `tag VR value`, a line an element; bytes as their number and digest.
fn dump(object: &InMemDicomObject, indent: usize, out: &mut String) {
    for element in object.iter() {
        let (tag, vr) = (element.tag(), element.vr());
        let digest = |bytes: &[u8]| {
            let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
            let hex = sum.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
            format!("{} bytes {hex}", bytes.len())
        };
        let value = if let Some(items) = element.items() {
            format!("{} items", items.len())
        } else if let Some(fragments) = element.value().fragments() {
            let table = element.value().offset_table().unwrap_or_default();
            format!("offsets {table:?} {}", fragments.iter().map(|f| digest(f)).collect::<Vec<_>>().join(", "))
        } else if vr == VR::OB {
            digest(&element.to_bytes().unwrap())
        } else {
            format!("{:?}", element.to_str().unwrap_or_else(|_| format!("{:?}", element.value()).into()))
        };
        writeln!(out, "{:indent$}{tag} {vr} {value}", "").unwrap();
        for item in element.items().unwrap_or_default() {
            dump(item, indent + 2, out);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that looks at nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[test]
fn objects_say_what_the_committed_dumps_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    for (name, instance) in cases() {
        let file = read(&instance);
        let mut now = format!("transfer syntax {}\n", file.meta().transfer_syntax());
        dump(&file, 0, &mut now);
        let path = folder.join(format!("{name}.txt"));
        if std::env::var_os("MOULAGE_BLESS").is_some() {
            std::fs::write(&path, &now).unwrap();
        }
        let then = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(now == then, "{name} differs from {}; see the difference with MOULAGE_BLESS=1", path.display());
    }
}

#[test]
fn the_same_inputs_clock_and_randomness_give_the_same_bytes() {
    let (once, again) = (cases(), cases());
    assert!(once == again);
}

#[test]
fn every_object_passes_the_check_and_the_shared_referee() {
    let mut objects: Vec<(String, Vec<u8>)> =
        cases().into_iter().map(|(name, instance)| (name.to_owned(), instance.into_bytes())).collect();
    for (name, object) in objects.clone() {
        let capture = dicom::as_secondary_capture(&object).ok();
        let plain = dicom::in_explicit_vr(&object, u64::MAX).ok();
        objects.extend(capture.map(|capture| (format!("{name}.as-secondary-capture"), capture)));
        objects.extend(plain.map(|plain| (format!("{name}.in-explicit-vr"), plain)));
    }
    assert_eq!(objects.len(), 15 + 11 + 12, "objects and their fallbacks");
    for (name, object) in &objects {
        assert_eq!(check(object).err(), None, "{name}");
    }
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("MOULAGE_SHARED").map_or(beside, PathBuf::from);
    let venv = std::env::var("REFEREE_VENV").unwrap_or("/tmp/refvenv".into());
    if !shared.join("referee/validate.sh").exists() || !Path::new(&venv).exists() {
        return skipped("the referee needs the shared folder and REFEREE_VENV");
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("MOULAGE_OBJECTS").map_or(folder.path().to_owned(), PathBuf::from);
    let mut command = std::process::Command::new(shared.join("referee/validate.sh"));
    command.env("REFEREE_VENV", venv);
    for (name, object) in &objects {
        let path = folder.join(format!("{name}.dcm"));
        std::fs::write(&path, object).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn nothing_that_holds_patient_data_can_be_printed() {
    static_assertions::assert_not_impl_any!(Session: std::fmt::Debug, serde::Serialize, Clone);
    static_assertions::assert_not_impl_any!(Instance: std::fmt::Debug, serde::Serialize);
    static_assertions::assert_impl_all!(Session: Send, Sync);
    static_assertions::assert_not_impl_any!(View: std::fmt::Debug, serde::Serialize);
}

#[test]
fn a_series_for_each_class_and_numbers_without_gaps() {
    let mut session = session(device());
    let mut numbers = Vec::new();
    for class in [SopClass::VlPhotographic, SopClass::SecondaryCapture, SopClass::VlPhotographic] {
        assert!(session.capture_frames(&[], &view(class)).is_err());
        let object = session.capture(&plain(), &view(class)).unwrap();
        assert_eq!(object.study_instance_uid(), session.study_instance_uid());
        assert_eq!(text(&object, tags::SERIES_INSTANCE_UID).as_deref(), Some(object.series_instance_uid()));
        assert_eq!(text(&object, tags::SOP_INSTANCE_UID).as_deref(), Some(object.sop_instance_uid()));
        numbers.push([tags::SERIES_NUMBER, tags::INSTANCE_NUMBER].map(|tag| text(&object, tag).unwrap()).join("."));
    }
    assert_eq!(numbers, ["1.1", "2.1", "1.2"]);
}

#[test]
fn the_study_of_the_encounter_is_used() {
    let encounter = Encounter::default().study_instance_uid("1.2.3.4").unwrap();
    let clock = TestClock::at("2026-03-14T09:19:59Z");
    let mut session = Session::begin(patient(), encounter, device(), clock, TestRandomness::of(2)).unwrap();
    let object = session.capture(&plain(), &heel()).unwrap();
    assert_eq!(text(&object, tags::STUDY_INSTANCE_UID).as_deref(), Some("1.2.3.4"));
}

#[test]
fn an_encounter_of_somebody_else_begins_nothing() {
    let patient =
        br#"{"resourceType":"Patient","id":"a","identifier":[{"value":"1","type":{"coding":[{"code":"MR"}]}}]}"#;
    let visit = |id: &str| {
        let json = format!(
            r#"{{"resourceType":"Encounter","status":"in-progress","subject":{{"reference":"Patient/{id}"}}}}"#
        );
        Encounter::from_fhir(json.as_bytes()).unwrap()
    };
    let begin = |id| {
        let clock = TestClock::at("2026-03-14T09:19:59Z");
        let patient = Patient::from_fhir(patient).unwrap();
        Session::begin(patient, visit(id), device(), clock, TestRandomness::of(1)).err()
    };
    assert!(matches!(begin("b"), Some(CaptureError::Patient(_))));
    assert!(begin("a").is_none());
}

#[test]
fn without_randomness_nothing_is_made() {
    let begin = |draws| {
        let clock = TestClock::at("2026-03-14T09:19:59Z");
        Session::begin(patient(), Encounter::default(), device(), clock, TestRandomness::of(draws))
    };
    assert_eq!(begin(0).err(), Some(CaptureError::Randomness(RandomnessUnavailable)));
    for draws in [1, 2] {
        let failed = begin(draws).unwrap().capture(&plain(), &heel()).err();
        assert_eq!(failed, Some(CaptureError::Randomness(RandomnessUnavailable)));
    }
    assert!(begin(3).unwrap().capture(&plain(), &heel()).is_ok());
}

/// The error of one capture.
fn refusal(device: Device, photos: &[PreparedPhoto], view: &View) -> Option<CaptureError> {
    session(device).capture_frames(photos, view).err()
}

#[test]
fn what_a_dermoscopic_object_needs_is_named() {
    let missing = |device| refusal(device, &[plain()], &view(SopClass::Dermoscopic));
    let named = |keyword| Some(CaptureError::Dicom(DicomError::Missing(keyword)));
    assert_eq!(missing(Device { device_serial_number: String::new(), ..device() }), named("DeviceSerialNumber"));
    assert_eq!(missing(Device { manufacturer: String::new(), ..device() }), named("Manufacturer"));
    assert_eq!(missing(Device { manufacturer_model_name: String::new(), ..device() }), named("ManufacturerModelName"));
    let dry = Dermoscopy { contact_method: Some(ContactMethod::Contact(Vec::new())), ..Dermoscopy::default() };
    let view = View { dermoscopy: dry, ..view(SopClass::Dermoscopic) };
    assert_eq!(refusal(device(), &[plain()], &view), named("ImmersionMedia"));
    // A clinical photo needs none of it.
    assert_eq!(refusal(Device::default(), &[plain()], &heel()), None);
}

#[test]
fn a_device_that_cannot_be_written_is_named() {
    let device = Device { manufacturer: "two\\values".into(), ..Device::default() };
    let named = CaptureError::Dicom(DicomError::Unwritable("Manufacturer"));
    assert_eq!(refusal(device, &[plain()], &heel()), Some(named));
}

#[test]
fn exif_that_cannot_be_written_is_left_out() {
    let mut photo = plain();
    photo.facts.make = Some("two\\values".into());
    photo.facts.software = Some("  ".into());
    let object = session(device()).capture(&photo, &heel()).unwrap();
    assert_eq!(text(&object, tags::MANUFACTURER).as_deref(), Some("Given Maker"));
}

#[test]
fn frames_that_are_no_object_are_refused() {
    let multi_frame = view(SopClass::MultiFrameTrueColorSc);
    let refused = |photos: &[PreparedPhoto], view: &View| {
        matches!(refusal(device(), photos, view), Some(CaptureError::Dicom(DicomError::Frames(_))))
    };
    assert!(refused(&[], &multi_frame));
    assert!(refused(&[plain()], &multi_frame));
    assert!(refused(&[], &heel()));
    assert!(refused(&[plain(), plain()], &heel()));
    assert!(refused(&[plain(), photo(61, 42, Colour::YCbCr)], &multi_frame));
    assert!(!refused(&[photo(8, 8, Colour::Grey), photo(8, 8, Colour::YCbCr)], &multi_frame));
}

#[test]
fn frames_point_at_streams_of_any_length() {
    let sizes = [(40, 41), (40, 41), (40, 41)];
    let mut photos = sizes.map(|(columns, rows)| photo(columns, rows, Colour::YCbCr)).to_vec();
    photos[1].jpeg = {
        // The same picture with a restart interval that no MCU reaches: 6 bytes more, and an odd length somewhere.
        let mut longer = photos[0].jpeg.clone();
        longer.splice(2..2, *b"\xFF\xDD\0\x04\0\0");
        longer
    };
    let odd = photos.iter().filter(|photo| photo.jpeg.len() % 2 == 1).count();
    assert!(odd > 0, "choose another size");
    let object = session(device()).capture_frames(&photos, &view(SopClass::MultiFrameTrueColorSc)).unwrap();
    let file = read(&object);
    let pixels = file.element(tags::PIXEL_DATA).unwrap().value();
    let (table, fragments) = (pixels.offset_table().unwrap(), pixels.fragments().unwrap());
    let even = |photo: &PreparedPhoto| photo.jpeg.len().next_multiple_of(2);
    assert_eq!(fragments.iter().map(Vec::len).collect::<Vec<_>>(), photos.iter().map(even).collect::<Vec<_>>());
    let first = 8 + even(&photos[0]) as u32;
    assert_eq!(table, [0, first, first + 8 + even(&photos[1]) as u32]);
    assert!(fragments.iter().zip(&photos).all(|(fragment, photo)| fragment.starts_with(&photo.jpeg)));
    let ratio = 3.0 * 3.0 * 40.0 * 41.0 / photos.iter().map(even).sum::<usize>() as f64;
    let told: f64 = text(&object, tags::LOSSY_IMAGE_COMPRESSION_RATIO).unwrap().parse().unwrap();
    assert!((told - ratio).abs() < 0.001);
}

#[test]
fn decoded_pixels_are_those_of_the_stream_and_stay_lossy() {
    for colour in [Colour::YCbCr, Colour::Grey] {
        let photo = photo(61, 43, colour);
        let native = View { transfer_syntax: TransferSyntax::ExplicitVrLittleEndian, ..heel() };
        let object = session(device()).capture(&photo, &native).unwrap();
        let expected = image::load_from_memory(&photo.jpeg).unwrap().into_bytes();
        let pixels = read(&object).element(tags::PIXEL_DATA).unwrap().to_bytes().unwrap().into_owned();
        assert_eq!(pixels[..expected.len()], expected);
        assert!(pixels.len() - expected.len() < 2);
        assert_eq!(text(&object, tags::LOSSY_IMAGE_COMPRESSION).as_deref(), Some("01"));
    }
}

#[test]
fn a_stream_that_is_not_what_it_says_is_refused() {
    let mut swapped = plain();
    (swapped.rows, swapped.columns) = (swapped.columns, swapped.rows);
    let mut exif = plain();
    exif.jpeg.splice(2..2, *b"\xFF\xE1\0\x0AExif\0\0ab");
    let mut progressive = plain();
    let frame = progressive.jpeg.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
    progressive.jpeg[frame + 1] = 0xC2;
    for (photo, keyword) in [(swapped, "Rows"), (exif, "PixelData"), (progressive, "TransferSyntaxUID")] {
        match refusal(device(), std::slice::from_ref(&photo), &heel()) {
            Some(CaptureError::Dicom(DicomError::Broken { keyword: found, .. })) => assert_eq!(found, keyword),
            other => panic!("{keyword}: {other:?}"),
        }
    }
    let mut broken = plain();
    broken.jpeg.truncate(100);
    let native = View { transfer_syntax: TransferSyntax::ExplicitVrLittleEndian, ..heel() };
    let unwritable = CaptureError::Dicom(DicomError::Unwritable("PixelData"));
    assert_eq!(refusal(device(), &[broken], &native), Some(unwritable));
}

/// Every element at the top, as it is encoded.
fn elements(bytes: &[u8]) -> BTreeMap<Tag, Vec<u8>> {
    let object = OpenFileOptions::new().from_reader(bytes).unwrap();
    let of = |element: &dicom_object::mem::InMemElement| {
        let mut text = String::new();
        dump(&InMemDicomObject::from_element_iter([element.clone()]), 0, &mut text);
        (element.tag(), text.into_bytes())
    };
    object.iter().map(of).collect()
}

/// The tags whose elements are not the same in both.
fn differing(one: &[u8], other: &[u8]) -> Vec<Tag> {
    let (one, other) = (elements(one), elements(other));
    let tags: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).copied().collect();
    tags.into_iter().filter(|tag| one.get(tag) != other.get(tag)).collect()
}

#[test]
fn a_secondary_capture_of_an_object_is_what_the_session_would_have_made() {
    for provenance in [Provenance::Camera, Provenance::File] {
        for lesion in [None, Some(lesion())] {
            let made = |sop_class| {
                let clock = TestClock::at("2026-03-14T09:19:59+01:00");
                let mut session = Session::begin(patient(), visit(), device(), clock, TestRandomness::of(200)).unwrap();
                let view = View { lesion: lesion.clone(), provenance, ..view(sop_class) };
                session.capture(&talkative(), &view).unwrap().into_bytes()
            };
            let expected = made(SopClass::SecondaryCapture);
            let from_vl = dicom::as_secondary_capture(&made(SopClass::VlPhotographic)).unwrap();
            assert_eq!(differing(&from_vl, &expected), [tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID]);
            assert_eq!(from_vl.len(), dicom::as_secondary_capture(&made(SopClass::VlPhotographic)).unwrap().len());
            let from_dms = dicom::as_secondary_capture(&made(SopClass::Dermoscopic)).unwrap();
            let others =
                [tags::MODALITY, tags::RECOGNIZABLE_VISUAL_FEATURES, tags::SOP_INSTANCE_UID, tags::SERIES_INSTANCE_UID];
            let differs = differing(&from_dms, &expected);
            assert!(differs.iter().all(|tag| others.contains(tag)), "{differs:?}");
        }
    }
}

#[test]
fn an_object_in_explicit_vr_is_what_the_session_would_have_made() {
    for (sop_class, photos) in [
        (SopClass::VlPhotographic, vec![talkative()]),
        (SopClass::VlPhotographic, vec![photo(61, 43, Colour::Grey)]),
        (SopClass::Dermoscopic, vec![talkative()]),
        (SopClass::SecondaryCapture, vec![plain()]),
        (SopClass::MultiFrameTrueColorSc, vec![talkative(), plain()]),
    ] {
        let made = |transfer_syntax| {
            let view = View { transfer_syntax, ..view(sop_class) };
            session(device()).capture_frames(&photos, &view).unwrap().into_bytes()
        };
        let jpeg = made(TransferSyntax::JpegBaseline);
        let plain = dicom::in_explicit_vr(&jpeg, u64::MAX).unwrap();
        assert_eq!(differing(&plain, &made(TransferSyntax::ExplicitVrLittleEndian)), [tags::SOP_INSTANCE_UID]);
        assert!(dicom::in_explicit_vr(&jpeg, 100).is_err());
        assert!(dicom::in_explicit_vr(&plain, u64::MAX).is_err());
    }
}

#[test]
fn one_fallback_of_the_other_is_a_third_object() {
    let object = session(device()).capture(&plain(), &heel()).unwrap().into_bytes();
    let capture = dicom::as_secondary_capture(&object).unwrap();
    let both = dicom::in_explicit_vr(&capture, u64::MAX).unwrap();
    let uid = |bytes: &[u8]| dicom::Head::read(bytes).unwrap().sop_instance_uid;
    let uids = [&object, &capture, &dicom::in_explicit_vr(&object, u64::MAX).unwrap(), &both].map(|b| uid(b));
    assert!((1..uids.len()).all(|at| !uids[..at].contains(&uids[at])), "{uids:?}");
    for refused in [&capture[..], b"", &object[..object.len() - 9]] {
        assert!(dicom::as_secondary_capture(refused).is_err());
    }
    assert_eq!(check(&both).err(), None);
}

/// A retry, years and versions later, must store the same bytes under the same UID.
#[test]
fn fallbacks_of_a_kept_object_stay_what_they_are() {
    let kept = include_bytes!("../../tests/golden/vl-kept.dcm");
    let digest = |bytes: Vec<u8>| {
        let sum = ring::digest::digest(&ring::digest::SHA256, &bytes);
        sum.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    };
    assert_eq!(
        digest(dicom::as_secondary_capture(kept).unwrap()),
        "31e48d05a50460997e70fb613afb8ad7f9fa99959c5b5e9063c52d9f9b07b88e"
    );
    assert_eq!(
        digest(dicom::in_explicit_vr(kept, u64::MAX).unwrap()),
        "cce692053e8745ff7b5fbfa156ce2c1f7ba0cab74e2f0c16dbfa09d40c52259c"
    );
}
