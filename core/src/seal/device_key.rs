//! The key of this device: it wraps the content keys of what waits in the outbox (RFC 5652 6.2.3, RFC 3394).

use std::fmt;

use aes_kw::{KeyInit, KwAes256};
use zeroize::Zeroizing;

use crate::clock::Randomness;
use crate::error::{KeystoreError, SealError};

/// 256 bits that encrypt one object, or wrap a key that does.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// A key of 256 bits wrapped by another one.
pub(super) const WRAPPED_KEY: usize = 40;

/// Version of the blob; after it the id, then what the key store made of the key.
const BLOB_MAGIC: &[u8; 8] = b"MOULKEK\x01";

/// The platform's store of keys: Keychain, Android Keystore, a file on desktops.
///
/// Called once when a key is made and once a process when it is opened again, never once a photo, and never with a lock held.
pub trait Keystore: Send + Sync {
    /// Encrypts and authenticates `secret` with a key that does not leave the store; binds `associated_data` to it.
    ///
    /// # Errors
    /// [`KeystoreError`].
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError>;

    /// What [`Keystore::seal`] sealed with the same `associated_data`.
    ///
    /// # Errors
    /// [`KeystoreError`]; `Invalidated` also when `sealed` or `associated_data` are not as they were.
    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError>;
}

/// Which device key. Random, says nothing, safe in logs; 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKeyId(pub(super) [u8; 16]);

impl DeviceKeyId {
    /// Its bytes, as the sealed item names them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for DeviceKeyId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for DeviceKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key-encryption key of this device. In memory for the process, erased when dropped, not printable.
pub struct DeviceKey {
    id: DeviceKeyId,
    key: Key,
}

impl DeviceKey {
    /// A new key, and the blob to keep: the key sealed by the store, with its id and the version of the blob.
    ///
    /// # Errors
    /// [`SealError::NoRandomness`], [`SealError::Keystore`].
    pub fn create(keystore: &dyn Keystore, randomness: &dyn Randomness) -> Result<(Self, Vec<u8>), SealError> {
        let mut key = Self { id: DeviceKeyId([0; 16]), key: Zeroizing::new([0; 32]) };
        randomness.fill(&mut key.id.0)?;
        randomness.fill(&mut key.key[..])?;
        let name = [&BLOB_MAGIC[..], &key.id.0].concat();
        let sealed = keystore.seal(&name, &key.key[..])?;
        Ok((key, [name, sealed].concat()))
    }

    /// The key of a blob that [`DeviceKey::create`] gave.
    ///
    /// # Errors
    /// [`SealError::Keystore`]; [`SealError::UnknownVersion`] for a blob of a later version, [`SealError::Damaged`] for
    /// what is none or holds no key.
    pub fn reopen(blob: &[u8], keystore: &dyn Keystore) -> Result<Self, SealError> {
        let (magic, rest) = blob.split_first_chunk::<8>().ok_or(SealError::Damaged)?;
        if magic != BLOB_MAGIC {
            let later = magic.starts_with(&BLOB_MAGIC[..7]);
            return Err(if later { SealError::UnknownVersion } else { SealError::Damaged });
        }
        let (id, sealed) = rest.split_first_chunk::<16>().ok_or(SealError::Damaged)?;
        let secret = keystore.unseal(&[&magic[..], id].concat(), sealed)?;
        Ok(Self { id: DeviceKeyId(*id), key: key_of(&secret).ok_or(SealError::Damaged)? })
    }

    /// Which one it is.
    #[must_use]
    pub fn id(&self) -> &DeviceKeyId {
        &self.id
    }

    pub(super) fn wrap(&self, content_key: &Key) -> [u8; WRAPPED_KEY] {
        wrap(&self.key, content_key)
    }

    pub(super) fn unwrap(&self, wrapped: &[u8]) -> Option<Key> {
        unwrap(&self.key, wrapped)
    }
}

/// AES-256 key wrap (RFC 3394 2.2.1).
pub(super) fn wrap(wrapping_key: &Key, key: &Key) -> [u8; WRAPPED_KEY] {
    let mut wrapped = [0; WRAPPED_KEY];
    KwAes256::new(&(**wrapping_key).into())
        .wrap_key(&key[..], &mut wrapped)
        .expect("32 bytes are whole blocks, and 40 hold them wrapped");
    wrapped
}

/// AES-256 key unwrap (RFC 3394 2.2.2); nothing when it is not a key wrapped with this one.
pub(super) fn unwrap(wrapping_key: &Key, wrapped: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; WRAPPED_KEY]);
    let unwrapped = KwAes256::new(&(**wrapping_key).into()).unwrap_key(wrapped, &mut key[..]).ok()?;
    key_of(unwrapped)
}

pub(super) fn key_of(bytes: &[u8]) -> Option<Key> {
    let mut key = Zeroizing::new([0; 32]);
    (bytes.len() == key.len()).then(|| key.copy_from_slice(bytes))?;
    Some(key)
}
