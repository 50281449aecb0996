//! An outbox on a real folder, as a desktop has it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Local};
use moulage::clock::{Clock, SystemRandomness};
use moulage::error::{KeystoreError, OutboxError, StorageError};
use moulage::outbox::{FileStorage, Limits, Outbox, Parts};
use moulage::seal::Keystore;
use zeroize::Zeroizing;

/// Keeps the device's key as it is: it hides nothing.
pub struct OpenKeystore;

impl Keystore for OpenKeystore {
    fn seal(&self, _associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Ok(secret.to_vec())
    }

    fn unseal(&self, _associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        Ok(Zeroizing::new(sealed.to_vec()))
    }
}

/// The computer's clock.
pub struct DesktopClock(Instant);

impl Default for DesktopClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for DesktopClock {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Limits that leave no room free.
pub const LIMITS: Limits = Limits { items: 1000, bytes: 8 << 30, free_bytes: 0, object_bytes: 64 << 20 };

/// What an outbox in this folder is made of. The keystore hides nothing.
///
/// # Errors
/// When the folder cannot be made.
pub fn parts(folder: &Path) -> Result<Parts, StorageError> {
    Ok(Parts {
        storage: Arc::new(FileStorage::new(folder)?),
        keystore: Some(Arc::new(OpenKeystore)),
        institutions: Vec::new(),
        signer: None,
        clock: Arc::new(DesktopClock::default()),
        randomness: Arc::new(SystemRandomness),
        observer: None,
    })
}

/// Opens an outbox in this folder.
///
/// # Errors
/// When it cannot be opened.
pub fn outbox(folder: &Path) -> Result<Outbox, OutboxError> {
    Outbox::open(parts(folder)?, LIMITS)
}

/// The object of this number: a DICOM-like start, then noise, of 100 bytes to 20 kB.
#[must_use]
pub fn object(number: u64) -> Vec<u8> {
    let length = 100 + (number as usize).wrapping_mul(7919) % 20_000;
    let mut object = number.to_be_bytes().to_vec();
    object.extend_from_slice(b"\0\0\0\0DICM CANARY^PATIENT \xFF\xD8\xFF\xE0\0\x10JFIF");
    object.extend(crate::random::noise(number, length));
    object
}

/// The number of such an object, when it is byte-exact.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<u64> {
    let number = u64::from_be_bytes(*bytes.first_chunk()?);
    (object(number) == bytes).then_some(number)
}
