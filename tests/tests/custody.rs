//! From a camera's bytes to the outbox on a real disk and back: nothing readable lies anywhere, nothing is lost.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use moulage::audit::{Event, Record};
use moulage::capture::{Custody, DicomObjects, verify_audit};
use moulage::clock::SystemRandomness;
use moulage::dicom::{Head, SopClass, check};
use moulage::error::{CaptureError, OutboxError};
use moulage::outbox::{Confirmation, FileStorage, Limits, Next, Parts};
use moulage::patient::{Encounter, Patient};
use moulage::photo::{PrepareOptions, prepare};
use moulage::seal::{Keystore, KeystoreError};
use moulage::upload::Objects as _;
use moulage::{Device, View};
use moulage_tests::jpeg::{Coding, encode};
use moulage_tests::leaks::{self, Sentinel};
use moulage_tests::scene::scene;
use moulage_tests::session::{Still, view};
use zeroize::Zeroizing;

/// Keeps secrets in memory, each with what it is bound to, and gives their number.
#[derive(Default)]
struct Vault(Mutex<HashMap<Vec<u8>, Bound>>);

type Bound = (Vec<u8>, Vec<u8>);

impl Keystore for Vault {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let mut kept = self.0.lock().unwrap();
        let number = kept.len().to_be_bytes().to_vec();
        kept.insert(number.clone(), (associated_data.to_vec(), secret.to_vec()));
        Ok(number)
    }

    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        match self.0.lock().unwrap().get(sealed) {
            Some((bound, secret)) if bound == associated_data => Ok(Zeroizing::new(secret.clone())),
            _ => Err(KeystoreError::Invalidated),
        }
    }
}

const CANARIES: [&str; 4] = ["CANARY-4711", "Canary^Erika", "CANARY-HOSPITAL", "canary-visit"];

fn custody(folder: &Path, keystore: &Arc<Vault>, limits: Limits) -> Custody {
    let parts = Parts {
        storage: Arc::new(FileStorage::new(folder).unwrap()),
        keystore: Some(Arc::clone(keystore) as Arc<dyn Keystore>),
        institutions: Vec::new(),
        signer: None,
        clock: Arc::new(Still),
        randomness: Arc::new(SystemRandomness),
        observer: None,
    };
    Custody::open(parts, limits).unwrap()
}

fn patient() -> (Patient, Encounter) {
    let patient = Patient::new(CANARIES[0], CANARIES[2]).unwrap().patient_name(CANARIES[1]).unwrap();
    (patient, Encounter::default().admission_id(CANARIES[3], CANARIES[2]).unwrap())
}

fn photo() -> moulage::photo::PreparedPhoto {
    prepare(&encode(&scene(96, 64), Coding::default()), &PrepareOptions::default()).unwrap().0
}

/// Names and contents of all files below, in one.
fn everything(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        all.extend_from_slice(path.file_name().unwrap().as_encoded_bytes());
        all.push(b'\n');
        if path.is_dir() { all.extend(everything(&path)) } else { all.extend(fs::read(&path).unwrap()) }
    }
    all
}

fn assert_unreadable(folder: &Path, uids: &[&str]) {
    let all = everything(folder);
    let texts = CANARIES.iter().chain(uids).chain(&["DICM", "JFIF"]).map(|text| Sentinel::from(*text));
    let sentinels: Vec<Sentinel> = texts.chain([Sentinel::Bytes(vec![0xFF, 0xD8, 0xFF, 0xDB])]).collect();
    assert_eq!(leaks::find(&all, &sentinels), [""; 0], "of {} bytes", all.len());
}

fn records(folder: &Path, keystore: &Vault) -> Vec<Record> {
    let [Ok(records)] = &verify_audit(&FileStorage::new(folder).unwrap(), keystore).unwrap()[..] else {
        panic!("not one sound log")
    };
    records.clone()
}

#[test]
fn a_photo_is_sealed_kept_over_a_restart_and_comes_out_as_it_went_in() {
    let place = tempfile::tempdir().unwrap();
    let (folder, keystore) = (place.path().join("outbox"), Arc::<Vault>::default());
    let mut captured = Vec::new();
    {
        let custody = custody(&folder, &keystore, Limits::default());
        let (patient, encounter) = patient();
        let mut session = custody.session(patient, encounter, Device::default()).unwrap();
        for class in [SopClass::VlPhotographic, SopClass::SecondaryCapture, SopClass::VlPhotographic] {
            session.ready().unwrap();
            captured.push(session.capture(&photo(), &View { sop_class: class, ..view(class) }).unwrap());
        }
        let frames = vec![photo(); 2];
        captured.push(session.capture_frames(&frames, &view(SopClass::MultiFrameTrueColorSc)).unwrap());
    }
    let uids: Vec<&str> = captured
        .iter()
        .flat_map(|c| [c.sop_instance_uid.as_str(), &c.series_instance_uid, &c.study_instance_uid])
        .collect();
    assert_unreadable(&folder, &uids);

    let custody = custody(&folder, &keystore, Limits::default());
    for captured in &captured {
        let Next::Item(mut claim) = custody.outbox().claim().unwrap() else { panic!("an item is gone") };
        assert_eq!(claim.id(), captured.item);
        let object = claim.object().unwrap();
        assert_eq!(check(&object).unwrap().sop_class, captured.sop_class);
        let head = Head::read(&object).unwrap();
        assert_eq!((head.sop_instance_uid, head.patient_id), (captured.sop_instance_uid.clone(), CANARIES[0].into()));
        assert!(DicomObjects.identify(&object).is_ok());
        claim.offer().unwrap();
        assert_unreadable(&folder, &uids);
        claim.stored(Confirmation::Found).unwrap();
    }
    assert!(custody.outbox().items().unwrap().is_empty());
    assert_unreadable(&folder, &uids);
    let records = records(&folder, &keystore);
    for (event, times) in [(Event::Started, 2), (Event::Captured, 4), (Event::Sealed, 4), (Event::Stored, 4)] {
        assert_eq!(records.iter().filter(|record| record.event == event).count(), times, "{event:?}");
    }
}

#[test]
fn the_device_key_opens_the_very_bytes_that_were_made() {
    let place = tempfile::tempdir().unwrap();
    let keystore = Arc::<Vault>::default();
    let custody = custody(place.path(), &keystore, Limits::default());
    let mut session = moulage_tests::session::session();
    let instance = session.capture(&photo(), &view(SopClass::VlPhotographic)).unwrap();
    let item = custody.outbox().add(instance.bytes()).unwrap();
    let claim = custody.outbox().claim_item(&item).unwrap().unwrap();
    assert_eq!(claim.object().unwrap().as_slice(), instance.bytes());
}

#[test]
fn what_the_outbox_does_not_take_is_not_counted() {
    let place = tempfile::tempdir().unwrap();
    let keystore = Arc::<Vault>::default();
    let custody = custody(place.path(), &keystore, Limits { items: 1, ..Limits::default() });
    let (patient, encounter) = patient();
    let mut session = custody.session(patient, encounter, Device::default()).unwrap();
    let heel = view(SopClass::VlPhotographic);
    let first = session.capture(&photo(), &heel).unwrap();
    assert!(matches!(session.ready(), Err(OutboxError::FullOfItems { maximum: 1 })));
    let full = session.capture(&photo(), &heel).unwrap_err();
    assert!(matches!(full, CaptureError::Outbox(OutboxError::FullOfItems { .. })));
    assert_eq!(full.code(), "outbox-full-of-items");
    custody.outbox().remove(&first.item).unwrap();
    let second = session.capture(&photo(), &heel).unwrap();
    let object = custody.outbox().claim_item(&second.item).unwrap().unwrap().object().unwrap();
    assert_eq!(Head::read(&object).unwrap().instance_number, 2);
}

#[test]
fn fallbacks_keep_whose_it_is_and_are_instances_of_their_own() {
    let mut session = moulage_tests::session::session();
    for class in [SopClass::VlPhotographic, SopClass::Dermoscopic] {
        let object = session.capture(&photo(), &view(class)).unwrap().into_bytes();
        let others = [DicomObjects.as_secondary_capture(&object), DicomObjects.in_explicit_vr(&object)];
        let of = |object: &[u8]| Head::read(object).unwrap();
        let source = of(&object);
        for other in others.map(Option::unwrap) {
            assert_eq!(check(&other).err(), None);
            let head = of(&other);
            assert_eq!(head.patient_id, source.patient_id);
            assert_eq!(head.study_instance_uid, source.study_instance_uid);
            assert_eq!(head.moment, source.moment);
            assert_ne!(head.sop_instance_uid, source.sop_instance_uid);
        }
    }
    assert!(DicomObjects.identify(b"no object").is_err());
    assert!(DicomObjects.as_secondary_capture(b"no object").is_none());
}
