//! The format as a whole.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::*;
use crate::clock::SystemRandomness;

/// A key store in memory: AES-256-GCM with a key of this process.
pub(super) struct MemoryKeystore;

impl Keystore for MemoryKeystore {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let mut sealed = secret.to_vec();
        cipher()
            .seal_in_place_append_tag(nonce(), Aad::from(associated_data), &mut sealed)
            .map_err(|_| KeystoreError::Unavailable)?;
        Ok(sealed)
    }

    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let mut secret = Zeroizing::new(sealed.to_vec());
        let length = cipher()
            .open_in_place(nonce(), Aad::from(associated_data), &mut secret)
            .map_err(|_| KeystoreError::Invalidated)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }
}

fn cipher() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap())
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

pub(super) fn device() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::create(&MemoryKeystore, &SystemRandomness).unwrap().0)
}

pub(super) fn now() -> DateTime<FixedOffset> {
    "2026-07-01T12:00:00+02:00".parse().unwrap()
}

fn to(device: &Arc<DeviceKey>) -> Recipients {
    Recipients { device: Some(device.clone()), ..Recipients::default() }
}

#[test]
fn the_device_opens_what_it_sealed() {
    let device = device();
    for length in [0, 1, 100, 127, 128, 255, 256, 65_535, 65_536, 1 << 20] {
        let object: Vec<u8> = (0..length).map(|i| i as u8).collect();
        let sealed = seal(&object, &to(&device), now(), &SystemRandomness).unwrap();
        let head = SealedHead { version: 1, device: Some(*device.id()), institutions: 0 };
        assert_eq!(inspect(&sealed), Ok(head));
        assert!(*open(&sealed, &device).unwrap() == object);
    }
}
