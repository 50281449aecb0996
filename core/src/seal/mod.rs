//! Sealing: an object goes in, bytes come out that only the device's key or an institution's can open.
//!
//! The format is `sealed-v1`, described to the byte in `core/docs/sealed-v1.md`: CMS AuthEnvelopedData (RFC 5083), AES-256-GCM
//! (RFC 5084) with a fresh key an item. Whoever holds a recipient's key opens it with `openssl cms`.
//!
//! ```text
//! object --[SignedData by the Signer]--> content --AES-256-GCM--> AuthEnvelopedData
//!                                                   key wrapped for: DeviceKey, every Institution
//! ```

mod algorithm;
mod certificate;
mod device_key;
mod envelope;
mod institution;
mod recipient;
mod signed;
mod tlv;
#[cfg(feature = "unseal")]
mod unseal;

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use zeroize::Zeroizing;

pub use device_key::{DeviceKey, DeviceKeyId, Keystore};
pub use institution::Institution;
pub use signed::Signer;
#[cfg(feature = "unseal")]
pub use unseal::{InstitutionKey, SignedBy, TrustedSigners, Unsealed, Unsealer, unseal};

use crate::clock::Randomness;
pub use crate::error::{KeystoreError, SealError};

/// Largest object that is sealed, in bytes: sealing and opening hold it in memory.
pub const LARGEST_OBJECT: usize = 64 << 20;

/// Largest sealed item that is looked at, in bytes.
pub const LARGEST_SEALED: usize = LARGEST_OBJECT + (1 << 20);

/// Most institutions that one item is sealed to.
pub const MOST_INSTITUTIONS: usize = 16;

/// Whom an item is sealed to, and who signs it.
#[derive(Clone, Default)]
pub struct Recipients {
    /// This device, so that it can open its own items again.
    pub device: Option<Arc<DeviceKey>>,
    /// The institutions' certificates, at most [`MOST_INSTITUTIONS`]. Around a change of certificates give both, old and new.
    pub institutions: Vec<Institution>,
    /// The device's signature, inside; none: not signed.
    pub signer: Option<Arc<dyn Signer>>,
}

impl Recipients {
    /// Can anything be sealed at this moment? Asked before the shutter.
    ///
    /// An institution whose certificate is not valid `now` is left out; the item is still sealed to all others and to the
    /// device. Only when nobody is left it is an error: a photo is rather kept for the device alone than refused.
    ///
    /// # Errors
    /// [`SealError::NoRecipient`]; [`SealError::CertificateExpired`] or [`SealError::CertificateNotYetValid`] when that is
    /// why nobody is left; [`SealError::TooManyRecipients`].
    pub fn check(&self, now: DateTime<FixedOffset>) -> Result<(), SealError> {
        self.valid(now).map(drop)
    }

    fn valid(&self, now: DateTime<FixedOffset>) -> Result<Vec<&Institution>, SealError> {
        if self.institutions.len() > MOST_INSTITUTIONS {
            return Err(SealError::TooManyRecipients);
        }
        let (mut valid, mut refused) = (Vec::new(), SealError::NoRecipient);
        for institution in &self.institutions {
            match institution.check(now) {
                Ok(()) => valid.push(institution),
                Err(error) => refused = error,
            }
        }
        if valid.is_empty() && self.device.is_none() { Err(refused) } else { Ok(valid) }
    }
}

/// What a sealed item says of itself without a key. Nothing in it tells of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedHead {
    /// Version of the format: 1.
    pub version: u8,
    /// The device key that opens it, if one does.
    pub device: Option<DeviceKeyId>,
    /// How many institutions' certificates it is sealed to.
    pub institutions: usize,
}

/// Seals one object, of at most [`LARGEST_OBJECT`] bytes, with a key of its own, to the device and to every institution whose
/// certificate is valid `now`; see [`Recipients::check`] for what becomes of the others.
///
/// # Errors
/// Those of [`Recipients::check`]; [`SealError::TooLarge`]; [`SealError::AlreadySigned`] for bytes that begin as CMS
/// SignedData does; [`SealError::Keystore`] and [`SealError::SignatureInvalid`] from the signer; [`SealError::NoRandomness`].
pub fn seal(
    object: &[u8],
    recipients: &Recipients,
    now: DateTime<FixedOffset>,
    randomness: &dyn Randomness,
) -> Result<Vec<u8>, SealError> {
    if object.len() > LARGEST_OBJECT {
        return Err(SealError::TooLarge { maximum: LARGEST_OBJECT as u64 });
    }
    if signed::is_signed(object) {
        return Err(SealError::AlreadySigned);
    }
    let institutions = recipients.valid(now)?;
    let mut key = Zeroizing::new([0; 32]);
    randomness.fill(&mut key[..])?;
    let mut infos = Vec::new();
    if let Some(device) = &recipients.device {
        infos.push(recipient::device(device, &key));
    }
    for institution in institutions {
        infos.push(recipient::institution(institution, &key, randomness)?);
    }
    let signature = recipients.signer.as_deref().map(|signer| signed::sign(object, signer, now)).transpose()?;
    let (before, after) = signature.as_ref().map_or((&[][..], &[][..]), |(before, after)| (before, after));
    Ok(envelope::write(infos, &[before, object, after], &key))
}

/// Looks at a sealed item's structure, whole, and at nothing that needs a key.
///
/// # Errors
/// [`SealError::TooLarge`], [`SealError::Truncated`], [`SealError::UnknownVersion`], [`SealError::Damaged`].
pub fn inspect(sealed: &[u8]) -> Result<SealedHead, SealError> {
    Ok(SealedHead::of(&envelope::read(sealed)?.recipients))
}

/// The same from an item's first bytes and the `length` of the whole, in bytes; the first 32 KiB tell unless its recipients are unusually many
/// or large. Says the same as [`inspect`] of what is as it was sealed. Damage behind the start is found only when the item is opened.
///
/// # Errors
/// Those of [`inspect`]. Another of them may stand for an item that ends in an unknown way; and an item whose recipients do not all fit into
/// `start` is [`SealError::Damaged`] or [`SealError::Truncated`] here.
pub fn inspect_start(start: &[u8], length: u64) -> Result<SealedHead, SealError> {
    let length = usize::try_from(length).map_err(|_| SealError::TooLarge { maximum: LARGEST_SEALED as u64 })?;
    if start.len() == length {
        return inspect(start);
    }
    Ok(SealedHead::of(&envelope::read_recipients(start, length)?))
}

impl SealedHead {
    fn of(recipients: &[recipient::Info<'_>]) -> Self {
        let device = recipients.iter().find_map(|info| match info {
            recipient::Info::Device { id, .. } => Some(*id),
            _ => None,
        });
        let institutions = recipients.len() - usize::from(device.is_some());
        Self { version: 1, device, institutions }
    }
}

/// The object inside, opened with the device's key. An inner signature is taken off and its digest checked; whose it is, is
/// not asked: the device knows its own items by its key.
///
/// # Errors
/// Those of [`inspect`]; [`SealError::WrongKey`] when the item is not sealed to this key; [`SealError::SignatureInvalid`].
pub fn open(sealed: &[u8], key: &DeviceKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let envelope = envelope::read(sealed)?;
    let content_key = envelope.recipients.iter().find_map(|info| match info {
        recipient::Info::Device { id, wrapped } if id == key.id() => key.unwrap(wrapped),
        _ => None,
    });
    let mut content = envelope.decrypt(&content_key.ok_or(SealError::WrongKey)?)?;
    if let Some(signed) = signed::read(&content)? {
        let object = signed.object(&content)?;
        keep(&mut content, object);
    }
    Ok(content)
}

/// Keeps only this range of the bytes, in their place.
fn keep(bytes: &mut Vec<u8>, range: std::ops::Range<usize>) {
    bytes.truncate(range.end);
    bytes.drain(..range.start);
}

#[cfg(test)]
mod tests;
