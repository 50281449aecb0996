//! Stand-in, never merged.
#![allow(missing_docs)]
use crate::clock::Randomness;
use crate::error::{KeystoreError, SealError};
use chrono::{DateTime, FixedOffset};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use std::sync::Arc;
use zeroize::Zeroizing;

pub const LARGEST_OBJECT: usize = 64 << 20;
pub trait Keystore: Send + Sync {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError>;
    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError>;
}
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceKeyId([u8; 16]);
impl std::fmt::Display for DeviceKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
pub struct DeviceKey {
    id: DeviceKeyId,
    key: Zeroizing<Vec<u8>>,
}
impl DeviceKey {
    pub fn create(k: &dyn Keystore, r: &dyn Randomness) -> Result<(Self, Vec<u8>), SealError> {
        let mut id = [0; 16];
        let mut key = Zeroizing::new(vec![0; 32]);
        r.fill(&mut id).map_err(|_| SealError::NoRandomness)?;
        r.fill(&mut key).map_err(|_| SealError::NoRandomness)?;
        let blob = [&id[..], &k.seal(&id, &key).map_err(SealError::Keystore)?].concat();
        Ok((Self { id: DeviceKeyId(id), key }, blob))
    }
    pub fn reopen(blob: &[u8], k: &dyn Keystore) -> Result<Self, SealError> {
        let (id, sealed) = blob.split_first_chunk::<16>().ok_or(SealError::Truncated)?;
        Ok(Self { id: DeviceKeyId(*id), key: k.unseal(id, sealed).map_err(SealError::Keystore)? })
    }
    pub fn id(&self) -> &DeviceKeyId {
        &self.id
    }
}
#[derive(Clone)]
pub struct Institution;
impl Institution {
    pub fn from_certificate(_: &[u8]) -> Result<Self, SealError> {
        Ok(Self)
    }
    pub fn check(&self, _: DateTime<FixedOffset>) -> Result<(), SealError> {
        Ok(())
    }
}
pub trait Signer: Send + Sync {
    fn certificates(&self) -> Vec<Vec<u8>>;
    fn sign(&self, m: &[u8]) -> Result<Vec<u8>, KeystoreError>;
}
pub struct Recipients {
    pub device: Option<Arc<DeviceKey>>,
    pub institutions: Vec<Institution>,
    pub signer: Option<Arc<dyn Signer>>,
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedHead {
    pub device_key: Option<DeviceKeyId>,
    pub institutions: usize,
}
fn cipher(k: &[u8], n: &[u8; 12]) -> (LessSafeKey, Nonce) {
    (LessSafeKey::new(UnboundKey::new(&AES_256_GCM, k).unwrap()), Nonce::assume_unique_for_key(*n))
}
pub fn seal(
    object: &[u8],
    to: &Recipients,
    _: DateTime<FixedOffset>,
    r: &dyn Randomness,
) -> Result<Vec<u8>, SealError> {
    if object.len() > LARGEST_OBJECT {
        return Err(SealError::TooLarge { maximum: LARGEST_OBJECT as u64 });
    }
    if to.device.is_none() && to.institutions.is_empty() {
        return Err(SealError::NoRecipient);
    }
    let mut n = [0; 12];
    r.fill(&mut n).map_err(|_| SealError::NoRandomness)?;
    let mut out = vec![1, to.institutions.len() as u8];
    out.extend(to.device.as_ref().map_or([0; 16], |k| k.id.0));
    out.extend((object.len() as u64).to_be_bytes());
    out.extend(n);
    let at = out.len();
    out.extend(object);
    let zero = Zeroizing::new(vec![7; 32]);
    let (key, nonce) = cipher(to.device.as_ref().map_or(&zero, |k| &k.key), &n);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut out[at..]).unwrap();
    out.extend(tag.as_ref());
    Ok(out)
}
pub fn inspect(s: &[u8]) -> Result<SealedHead, SealError> {
    if s.is_empty() {
        return Err(SealError::Truncated);
    }
    if s[0] != 1 {
        return Err(SealError::UnknownVersion);
    }
    if s.len() < 54 || u64::from_be_bytes(s[18..26].try_into().unwrap()) + 54 != s.len() as u64 {
        return Err(SealError::Truncated);
    }
    let id: [u8; 16] = s[2..18].try_into().unwrap();
    Ok(SealedHead { device_key: (id != [0; 16]).then_some(DeviceKeyId(id)), institutions: s[1].into() })
}
pub fn open(s: &[u8], k: &DeviceKey) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if inspect(s)?.device_key != Some(k.id) {
        return Err(SealError::WrongKey);
    }
    let (key, nonce) = cipher(&k.key, s[26..38].try_into().unwrap());
    let mut b = Zeroizing::new(s[38..].to_vec());
    let n = key.open_in_place(nonce, Aad::empty(), &mut b).map_err(|_| SealError::Damaged)?.len();
    b.truncate(n);
    Ok(b)
}
