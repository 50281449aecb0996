//! A ward for tests: an outbox in a folder of its own, a clock that is set by hand, a key store in memory, and tiny objects.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use moulage::clock::{Clock, SystemRandomness};
use moulage::outbox::{FileStorage, Limits, Outbox, OutboxObserver, Parts};
use moulage::seal::{Institution, Keystore, KeystoreError};
use moulage::upload::{Destination, Identity, NotReadable, Objects, Uids, Uploader};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::dicomweb::element;

/// The patient of all tiny objects.
pub const PATIENT: &str = "MRN-4711";

/// See the module.
pub struct Ward {
    folder: TempDir,
    /// Time as the outbox sees it.
    pub clock: Arc<HandClock>,
    keystore: Arc<MemoryKeystore>,
    /// To whom items are sealed, too.
    pub institutions: Vec<Institution>,
    /// Hears what the outbox tells.
    pub observer: Option<Arc<dyn OutboxObserver>>,
}

impl Ward {
    /// An empty one.
    ///
    /// # Panics
    /// When there is no room for a temporary folder.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (institutions, observer) = (Vec::new(), None);
        Self { folder, clock: Arc::default(), keystore: Arc::default(), institutions, observer }
    }

    /// Where everything lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens the outbox, as a process does that starts.
    ///
    /// # Panics
    /// When it cannot be opened.
    #[must_use]
    pub fn open(&self) -> Arc<Outbox> {
        let parts = Parts {
            storage: Arc::new(FileStorage::new(&self.folder.path().join("outbox")).expect("a folder of our own")),
            keystore: Some(self.keystore.clone()),
            institutions: self.institutions.clone(),
            signer: None,
            clock: self.clock.clone(),
            randomness: Arc::new(SystemRandomness),
            observer: self.observer.clone(),
        };
        let limits = Limits { items: 5000, free_bytes: 0, ..Limits::default() };
        Arc::new(Outbox::open(parts, limits).expect("an outbox in a folder of our own"))
    }

    /// Empties the outbox into a destination.
    #[must_use]
    pub fn uploader(outbox: &Arc<Outbox>, destination: Destination) -> Uploader {
        Uploader::new(outbox.clone(), destination, Arc::new(TinyObjects))
    }
}

impl Default for Ward {
    fn default() -> Self {
        Self::new()
    }
}

/// A clock that moves when it is told to.
pub struct HandClock {
    begun: DateTime<FixedOffset>,
    passed: Mutex<Duration>,
}

impl HandClock {
    /// It stands here.
    #[must_use]
    pub fn at(begun: DateTime<FixedOffset>) -> Self {
        Self { begun, passed: Mutex::default() }
    }

    /// Later by this.
    ///
    /// # Panics
    /// When another thread did with the clock in its hands.
    pub fn advance(&self, by: Duration) {
        *self.passed.lock().expect("nobody panics with it") += by;
    }
}

impl Default for HandClock {
    fn default() -> Self {
        Self::at(DateTime::parse_from_rfc3339("2026-03-14T09:26:53+01:00").expect("a moment"))
    }
}

impl Clock for HandClock {
    fn now(&self) -> DateTime<FixedOffset> {
        self.begun + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.passed.lock().expect("nobody panics with it")
    }
}

/// Keeps secrets in memory and gives tickets for them.
#[derive(Default)]
pub struct MemoryKeystore(Mutex<Vec<(Vec<u8>, Vec<u8>)>>);

impl Keystore for MemoryKeystore {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let mut secrets = self.0.lock().map_err(|_| KeystoreError::Unavailable)?;
        secrets.push((associated_data.to_vec(), secret.to_vec()));
        Ok((secrets.len() as u64 - 1).to_be_bytes().to_vec())
    }

    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let secrets = self.0.lock().map_err(|_| KeystoreError::Unavailable)?;
        let ticket = u64::from_be_bytes(sealed.try_into().map_err(|_| KeystoreError::Invalidated)?) as usize;
        let (known, secret) = secrets.get(ticket).ok_or(KeystoreError::Invalidated)?;
        if known == associated_data { Ok(Zeroizing::new(secret.clone())) } else { Err(KeystoreError::Invalidated) }
    }
}

/// Reads what [`tiny_object`] makes, and has no other form of it.
struct TinyObjects;

impl Objects for TinyObjects {
    fn identify(&self, object: &[u8]) -> Result<Identity, NotReadable> {
        let of = |group, number| element(object, group, number).ok_or(NotReadable);
        let uids = Uids {
            sop_class_uid: &of(0x0008, 0x0016)?,
            study_instance_uid: &of(0x0020, 0x000D)?,
            series_instance_uid: &of(0x0020, 0x000E)?,
            sop_instance_uid: &of(0x0008, 0x0018)?,
        };
        Identity::new(&uids, &of(0x0010, 0x0020)?, None)
    }

    fn as_secondary_capture(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn in_explicit_vr(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

/// SOPInstanceUID of the object with that number.
#[must_use]
pub fn uid(number: usize) -> String {
    format!("2.25.{}", 1_000_000 + number)
}

/// A DICOM file with nothing but what names it, and `bytes` of something behind a JPEG's first marker.
#[must_use]
pub fn tiny_object(number: usize, bytes: usize) -> Vec<u8> {
    let class = "1.2.840.10008.5.1.4.1.1.77.1.4";
    let mut meta = Vec::new();
    put(&mut meta, 0x0002, 0x0002, b"UI", class.as_bytes());
    put(&mut meta, 0x0002, 0x0003, b"UI", uid(number).as_bytes());
    put(&mut meta, 0x0002, 0x0010, b"UI", b"1.2.840.10008.1.2.1");
    let mut file = vec![0; 128];
    file.extend(b"DICM");
    put(&mut file, 0x0002, 0x0000, b"UL", &(meta.len() as u32).to_le_bytes());
    file.extend(meta);
    put(&mut file, 0x0008, 0x0016, b"UI", class.as_bytes());
    put(&mut file, 0x0008, 0x0018, b"UI", uid(number).as_bytes());
    put(&mut file, 0x0010, 0x0020, b"LO", PATIENT.as_bytes());
    put(&mut file, 0x0020, 0x000D, b"UI", b"2.25.1");
    put(&mut file, 0x0020, 0x000E, b"UI", b"2.25.2");
    let mut pixels = b"\xFF\xD8\xFF\xDB".to_vec();
    pixels.extend(crate::random::noise(number as u64, bytes));
    put(&mut file, 0x7FE0, 0x0010, b"OB", &pixels);
    file
}

fn put(file: &mut Vec<u8>, group: u16, number: u16, vr: &[u8; 2], value: &[u8]) {
    file.extend(group.to_le_bytes());
    file.extend(number.to_le_bytes());
    file.extend(vr);
    let length = value.len().next_multiple_of(2);
    match vr {
        b"OB" => {
            file.extend([0, 0]);
            file.extend((length as u32).to_le_bytes());
        }
        _ => file.extend((length as u16).to_le_bytes()),
    }
    file.extend(value);
    file.resize(file.len() + length - value.len(), if vr == b"LO" { b' ' } else { 0 });
}
