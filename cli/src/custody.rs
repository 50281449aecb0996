//! An outbox in a folder, with its key store beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use moulage::capture::Custody;
use moulage::clock::SystemRandomness;
use moulage::error::OutboxError;
use moulage::outbox::{FileStorage, Limits, Parts};
use moulage::seal::Institution;

use crate::clock::LocalClock;
use crate::failure::Failure;
use crate::file_keystore::FileKeystore;
use crate::input;

/// Opens the outbox; makes it, and its key store, on first use. Items are sealed to this computer and to those certificates.
pub(crate) fn open(folder: &Path, keystore: Option<&Path>, recipients: &[PathBuf]) -> Result<Custody, Failure> {
    let institutions = recipients.iter().map(|path| {
        let certificate = input::resource(path)?;
        Institution::from_certificate(&certificate).map_err(|error| Failure::usage(error.code(), error.to_string()))
    });
    let institutions = institutions.collect::<Result<_, _>>()?;
    let storage = FileStorage::new(folder).map_err(OutboxError::from)?;
    let keystore = keystore.map_or_else(|| FileKeystore::beside(folder), Path::to_path_buf);
    let keystore = FileKeystore::open(&keystore)?;
    let parts = Parts {
        storage: Arc::new(storage),
        keystore: Some(Arc::new(keystore)),
        institutions,
        signer: None,
        clock: Arc::new(LocalClock),
        randomness: Arc::new(SystemRandomness),
        observer: None,
    };
    Ok(Custody::open(parts, Limits::default())?)
}
