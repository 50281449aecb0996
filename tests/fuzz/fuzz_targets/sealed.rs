//! Anything as a sealed item, as a certificate, as a private key and as a device key's blob.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use moulage::clock::SystemRandomness;
use moulage::seal::{
    DeviceKey, Institution, InstitutionKey, Keystore, KeystoreError, TrustedSigners, inspect, open, unseal,
};

const KEY: &[u8] = include_bytes!("../../../core/src/seal/golden/p256.key");
const CERTIFICATE: &[u8] = include_bytes!("../../../core/src/seal/golden/p256.crt");

static INSTITUTION: LazyLock<InstitutionKey> =
    LazyLock::new(|| InstitutionKey::from_pem(KEY, CERTIFICATE).expect("a pair"));
static DEVICE: LazyLock<DeviceKey> = LazyLock::new(|| DeviceKey::create(&Plain, &SystemRandomness).expect("a key").0);

/// A key store that keeps secrets as they are.
struct Plain;

impl Keystore for Plain {
    fn seal(&self, _: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Ok(secret.to_vec())
    }

    fn unseal(&self, _: &[u8], sealed: &[u8]) -> Result<zeroize::Zeroizing<Vec<u8>>, KeystoreError> {
        Ok(sealed.to_vec().into())
    }
}

fuzz_target!(|data: &[u8]| {
    // Nobody but the fuzzer made it, so nobody's key opens it; golden items among the seeds are opened by the institution.
    assert!(open(data, &DEVICE).is_err());
    if unseal(data, &*INSTITUTION, None).is_ok() {
        assert!(inspect(data).is_ok_and(|head| head.institutions > 0));
    }
    let _ = Institution::from_certificate(data);
    let _ = TrustedSigners::from_pem(data);
    let _ = InstitutionKey::from_pem(data, CERTIFICATE);
    let _ = DeviceKey::reopen(data, &Plain);
});
