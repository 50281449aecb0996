//! A phone for tests: photos taken by a session, an outbox in a folder of its own, real time, real randomness.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use moulage::capture::DicomObjects;
use moulage::clock::SystemRandomness;
use moulage::dicom::SopClass;
use moulage::error::HttpError;
use moulage::outbox::{FileStorage, Limits, Outbox, Parts};
use moulage::patient::{Encounter, Patient};
use moulage::photo::{PrepareOptions, prepare};
use moulage::seal::Institution;
use moulage::upload::http::{HttpDriver, HttpOptions, Roots, TokenSource, Tokens};
use moulage::upload::{AccessToken, Destination, Uploader};
use moulage::{Device, Session};
use tempfile::TempDir;

use crate::desktop::{DesktopClock, OpenKeystore};
use crate::jpeg::{Coding, encode};
use crate::orthanc::md5;
use crate::scene::scene;
use crate::session::{IDENTITY, view};

/// See the module.
pub struct Phone {
    folder: TempDir,
    /// What waits.
    pub outbox: Arc<Outbox>,
    /// It gives up when there is nothing to do for longer than this. 60 s.
    pub longest_wait: Duration,
}

impl Phone {
    /// With an empty outbox, sealed to the phone itself and these institutions.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn new(institutions: Vec<Institution>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let parts = Parts {
            storage: Arc::new(FileStorage::new(&folder.path().join("outbox")).expect("a folder of our own")),
            keystore: Some(Arc::new(OpenKeystore)),
            institutions,
            signer: None,
            clock: Arc::new(DesktopClock::default()),
            randomness: Arc::new(SystemRandomness),
            observer: None,
        };
        let outbox = Outbox::open(parts, Limits { free_bytes: 0, ..Limits::default() }).expect("an outbox that opens");
        Self { folder, outbox: Arc::new(outbox), longest_wait: Duration::from_secs(60) }
    }

    /// Where its outbox lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Takes photos into the outbox: SOPInstanceUID -> MD5 of the object.
    ///
    /// # Panics
    /// When one is not captured.
    #[must_use]
    pub fn capture(&self, photos: usize) -> BTreeMap<String, String> {
        let add = |(uid, object): (String, Vec<u8>)| {
            self.outbox.add(&object).expect("captured");
            (uid, md5(&object))
        };
        objects(photos, 64, 48).map(add).collect()
    }

    /// Empties the outbox into a destination as far as it goes. `root` vouches for the server.
    ///
    /// # Errors
    /// As [`HttpDriver::drain`].
    ///
    /// # Panics
    /// When `root` is no certificate.
    pub fn drain(&self, destination: Destination, root: &str, token: AccessToken) -> Result<(), HttpError> {
        let options = HttpOptions {
            roots: Roots::Only(root.as_bytes().to_vec()),
            concurrency: 4,
            idle_timeout: Duration::from_secs(10),
            longest_wait: self.longest_wait,
            ..HttpOptions::default()
        };
        let driver = HttpDriver::new(options).expect("options that fit");
        let uploader = Uploader::new(Arc::clone(&self.outbox), destination, Arc::new(DicomObjects));
        driver.drain(&uploader, Some(&Tokens::new(Arc::new(Always(token)))), &())
    }
}

/// Objects of one session, each with its SOPInstanceUID.
///
/// # Panics
/// When the library does not take the invented patient, or the made photo.
pub fn objects(count: usize, width: usize, height: usize) -> impl Iterator<Item = (String, Vec<u8>)> {
    let patient = Patient::new(IDENTITY[0], "City Hospital").and_then(|patient| patient.patient_name(IDENTITY[1]));
    let device = Device { device_serial_number: "installation-1".into(), ..Device::default() };
    let (clock, randomness) = (Arc::new(DesktopClock::default()), Arc::new(SystemRandomness));
    let patient = patient.expect("an invented patient");
    let mut session = Session::begin(patient, Encounter::default(), device, clock, randomness).expect("randomness");
    let file = encode(&scene(width, height), Coding::default());
    let (photo, _) = prepare(&file, &PrepareOptions::default()).expect("a plain photo");
    let view = view(SopClass::VlPhotographic);
    (0..count).map(move |_| {
        let instance = session.capture(&photo, &view).expect("an object");
        (instance.sop_instance_uid().to_owned(), instance.into_bytes())
    })
}

struct Always(AccessToken);

impl TokenSource for Always {
    fn fetch(&self) -> Result<AccessToken, HttpError> {
        Ok(self.0.clone())
    }
}
