//! The format as a whole.

use std::path::Path;

use proptest::prelude::*;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use static_assertions::assert_not_impl_any;

use super::tlv::{OCTET_STRING, Reader, SEQUENCE, SET, constructed, element};
use super::*;
use crate::clock::{RandomnessUnavailable, SystemRandomness};

assert_not_impl_any!(DeviceKey: std::fmt::Debug, std::fmt::Display, Clone, serde::Serialize);
assert_not_impl_any!(Recipients: std::fmt::Debug, serde::Serialize);

/// A key store in memory, with one key.
struct MemoryKeystore;

impl Keystore for MemoryKeystore {
    fn seal(&self, associated_data: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        let mut sealed = secret.to_vec();
        memory_cipher().seal_in_place_append_tag(memory_nonce(), Aad::from(associated_data), &mut sealed).unwrap();
        Ok(sealed)
    }

    fn unseal(&self, associated_data: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        let mut secret = Zeroizing::new(sealed.to_vec());
        let opened = memory_cipher().open_in_place(memory_nonce(), Aad::from(associated_data), &mut secret);
        let length = opened.map_err(|_| KeystoreError::Invalidated)?.len();
        secret.truncate(length);
        Ok(secret)
    }
}

fn memory_cipher() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap())
}

fn memory_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

/// One that fails.
struct BrokenKeystore(KeystoreError);

impl Keystore for BrokenKeystore {
    fn seal(&self, _: &[u8], _: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        Err(self.0)
    }

    fn unseal(&self, _: &[u8], _: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        Err(self.0)
    }
}

struct NoRandomness;

impl Randomness for NoRandomness {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        Err(RandomnessUnavailable)
    }
}

/// Signs with the key of `golden/signer.key`, or fails.
struct FileSigner {
    certificates: Vec<Vec<u8>>,
    fails: Option<KeystoreError>,
}

impl FileSigner {
    fn new() -> Self {
        Self { certificates: vec![der("signer.crt")], fails: None }
    }
}

impl Signer for FileSigner {
    fn certificates(&self) -> Vec<Vec<u8>> {
        self.certificates.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeystoreError> {
        assert!(message.len() < 200);
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der("signer.key"), &random).unwrap();
        self.fails.map_or_else(|| Ok(key.sign(&random, message).unwrap().as_ref().to_vec()), Err)
    }
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seal/golden").join(name)).unwrap()
}

fn der(name: &str) -> Vec<u8> {
    ::der::pem::decode_vec(&golden(name)).unwrap().1
}

fn certificate(name: &str) -> Institution {
    Institution::from_certificate(&golden(&format!("{name}.crt"))).unwrap()
}

fn device() -> Arc<DeviceKey> {
    Arc::new(DeviceKey::create(&MemoryKeystore, &SystemRandomness).unwrap().0)
}

fn now() -> DateTime<FixedOffset> {
    "2027-07-01T12:00:00+02:00".parse().unwrap()
}

fn to(device: &Arc<DeviceKey>) -> Recipients {
    Recipients { device: Some(device.clone()), ..Recipients::default() }
}

fn to_institutions<const N: usize>(names: [&str; N]) -> Recipients {
    Recipients { institutions: names.map(certificate).to_vec(), ..Recipients::default() }
}

/// The device, two institutions, and a signature.
fn to_all(device: &Arc<DeviceKey>) -> Recipients {
    Recipients { signer: Some(Arc::new(FileSigner::new())), ..to_institutions(["p256", "rsa3072"]) }.with(device)
}

impl Recipients {
    fn with(self, device: &Arc<DeviceKey>) -> Self {
        Self { device: Some(device.clone()), ..self }
    }
}

fn sealed(object: &[u8], recipients: &Recipients) -> Vec<u8> {
    seal(object, recipients, now(), &SystemRandomness).unwrap()
}

fn object(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

#[test]
fn the_device_opens_what_it_sealed() {
    let device = device();
    for length in [0, 1, 100, 127, 128, 255, 256, 65_535, 65_536, 1 << 20] {
        for recipients in [to(&device), to_all(&device)] {
            let sealed = sealed(&object(length), &recipients);
            let institutions = recipients.institutions.len();
            let head = SealedHead { version: 1, device: Some(*device.id()), institutions };
            assert_eq!(inspect(&sealed), Ok(head));
            for start in [sealed.len(), sealed.len() - 1, sealed.len() - 18] {
                let length = sealed.len() as u64;
                assert_eq!(inspect_start(&sealed[..start], length), Ok(head));
                assert!(inspect_start(&sealed[..start], length - 1).is_err());
                assert!(inspect_start(&sealed[..start], length + 1).is_err());
            }
            assert!(*open(&sealed, &device).unwrap() == object(length));
            assert!(length < 16 || memchr::memmem::find(&sealed, &object(16)).is_none(), "the object can be seen");
        }
    }
}

proptest! {
    #[test]
    fn any_object_comes_back(object in proptest::collection::vec(any::<u8>(), 0..2000), signed: bool) {
        let device = device();
        let signer: Option<Arc<dyn Signer>> = if signed { Some(Arc::new(FileSigner::new())) } else { None };
        let sealed = sealed(&object, &Recipients { signer, ..to(&device) });
        prop_assert_eq!(&*open(&sealed, &device).unwrap(), &object);
    }

    #[test]
    fn any_bytes_are_refused_or_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(inspect(&bytes).is_err());
    }
}

#[test]
fn the_same_object_is_never_sealed_to_the_same_bytes() {
    let device = device();
    assert!(sealed(b"object", &to(&device)) != sealed(b"object", &to(&device)));
}

#[test]
fn the_largest_object_is_sealed_and_no_larger_one() {
    let device = device();
    let largest = object(LARGEST_OBJECT);
    assert!(*open(&sealed(&largest, &to(&device)), &device).unwrap() == largest);
    let larger = object(LARGEST_OBJECT + 1);
    let error = SealError::TooLarge { maximum: 64 << 20 };
    assert_eq!(seal(&larger, &to(&device), now(), &SystemRandomness), Err(error));
    let maximum = LARGEST_SEALED as u64;
    assert_eq!(inspect(&vec![0x30; LARGEST_SEALED + 1]), Err(SealError::TooLarge { maximum }));
}

#[test]
fn no_changed_bit_is_accepted() {
    let device = device();
    for recipients in [to(&device), to_all(&device)] {
        let sealed = sealed(&object(4096), &recipients);
        let mut changed = sealed.clone();
        for bit in 0..sealed.len() * 8 {
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&changed, &device).is_err(), "bit {bit}");
            changed[bit / 8] = sealed[bit / 8];
        }
        assert!(open(&changed, &device).is_ok());
    }
}

#[test]
fn every_length_but_the_whole_is_cut_off_or_damaged() {
    let device = device();
    let sealed = sealed(&object(4096), &to_all(&device));
    for length in 0..sealed.len() {
        assert_eq!(open(&sealed[..length], &device).err(), Some(SealError::Truncated), "{length}");
    }
    let longer = [&sealed[..], &[0]].concat();
    assert_eq!(open(&longer, &device).err(), Some(SealError::Damaged));
}

#[test]
fn another_key_opens_nothing() {
    let (device, other) = (device(), device());
    let sealed = sealed(b"object", &to(&device));
    assert_eq!(open(&sealed, &other).err(), Some(SealError::WrongKey));
    // The same id with another key.
    let name = [&b"MOULKEK\x01"[..], device.id().as_bytes()].concat();
    let blob = [&name[..], &MemoryKeystore.seal(&name, &[9; 32]).unwrap()].concat();
    let forged = DeviceKey::reopen(&blob, &MemoryKeystore).unwrap();
    assert_eq!(forged.id(), device.id());
    assert_eq!(open(&sealed, &forged).err(), Some(SealError::WrongKey));
    assert_eq!(open(&self::sealed(b"object", &to_institutions(["p256"])), &device).err(), Some(SealError::WrongKey));
}

#[test]
fn a_device_key_comes_back_from_its_blob() {
    let (key, blob) = DeviceKey::create(&MemoryKeystore, &SystemRandomness).unwrap();
    let sealed = sealed(b"object", &to(&Arc::new(key)));
    let again = DeviceKey::reopen(&blob, &MemoryKeystore).unwrap();
    assert_eq!(*open(&sealed, &again).unwrap(), b"object");
    assert_eq!(again.id().to_string().len(), 32);

    let reopen = |blob: &[u8]| DeviceKey::reopen(blob, &MemoryKeystore).err();
    let changed = |at: usize| {
        let mut blob = blob.clone();
        blob[at] ^= 1;
        blob
    };
    let invalidated = Some(SealError::Keystore(KeystoreError::Invalidated));
    assert_eq!(reopen(&changed(0)), Some(SealError::Damaged));
    assert_eq!(reopen(&changed(7)), Some(SealError::UnknownVersion));
    for at in 8..blob.len() {
        assert_eq!(reopen(&changed(at)), invalidated, "id and key belong together");
    }
    for length in 0..blob.len() {
        assert!(reopen(&blob[..length]).is_some());
    }
    for error in [KeystoreError::Locked, KeystoreError::Invalidated, KeystoreError::Unavailable] {
        let broken = BrokenKeystore(error);
        assert_eq!(DeviceKey::reopen(&blob, &broken).err(), Some(SealError::Keystore(error)));
        assert_eq!(DeviceKey::create(&broken, &SystemRandomness).err(), Some(SealError::Keystore(error)));
    }
    assert_eq!(DeviceKey::create(&MemoryKeystore, &NoRandomness).err(), Some(SealError::NoRandomness));
}

#[test]
fn a_certificate_that_is_not_valid_is_left_out_and_the_photo_kept() {
    let device = device();
    let soon: DateTime<FixedOffset> = "2020-01-01T00:00:00Z".parse().unwrap();
    let late: DateTime<FixedOffset> = "2200-01-01T00:00:00Z".parse().unwrap();
    for (moment, error) in [(soon, SealError::CertificateNotYetValid), (late, SealError::CertificateExpired)] {
        let institution = to_institutions(["p256"]);
        assert_eq!(institution.institutions[0].check(moment), Err(error));
        assert_eq!(institution.check(moment), Err(error));
        assert_eq!(seal(b"object", &institution, moment, &SystemRandomness), Err(error));
        let both = institution.with(&device);
        assert_eq!(both.check(moment), Ok(()));
        let sealed = seal(b"object", &both, moment, &SystemRandomness).unwrap();
        assert_eq!(inspect(&sealed).unwrap().institutions, 0);
        assert_eq!(*open(&sealed, &device).unwrap(), b"object");
    }
    let last = certificate("p256").not_after();
    assert_eq!(last.to_rfc3339(), "2126-10-31T17:15:57+00:00");
    assert_eq!(certificate("p256").check(last), Ok(()));
    assert_eq!(certificate("p256").check(last + chrono::TimeDelta::seconds(1)), Err(SealError::CertificateExpired));
}

#[test]
fn somebody_must_be_there_and_not_too_many() {
    assert_eq!(Recipients::default().check(now()), Err(SealError::NoRecipient));
    assert_eq!(seal(b"", &Recipients::default(), now(), &SystemRandomness), Err(SealError::NoRecipient));
    let device = device();
    let many = |count| Recipients { institutions: vec![certificate("p256"); count], ..to(&device) };
    assert_eq!(open(&sealed(b"object", &many(16)), &device).as_deref(), Ok(&b"object".to_vec()));
    assert_eq!(many(17).check(now()), Err(SealError::TooManyRecipients));
    assert_eq!(seal(b"", &to(&device), now(), &NoRandomness), Err(SealError::NoRandomness));
    assert_eq!(seal(b"", &to_institutions(["rsa3072"]), now(), &NoRandomness), Err(SealError::NoRandomness));
}

#[test]
fn what_the_signer_does_wrong_is_told() {
    let device = device();
    let signed = |certificates: Vec<Vec<u8>>, fails| {
        let signer = FileSigner { certificates, fails };
        let recipients = Recipients { signer: Some(Arc::new(signer)), ..to(&device) };
        seal(b"object", &recipients, now(), &SystemRandomness).err()
    };
    assert_eq!(signed(vec![der("signer.crt")], None), None);
    assert_eq!(signed(vec![der("signer.crt"), der("authority.crt")], None), None);
    let locked = Some(SealError::Keystore(KeystoreError::Locked));
    assert_eq!(signed(vec![der("signer.crt")], Some(KeystoreError::Locked)), locked);
    for wrong in [vec![], vec![der("signer.crt"); 5], vec![der("p384.crt")], vec![der("p256.crt")], vec![vec![0x30]]] {
        assert!(matches!(signed(wrong, None), Some(SealError::CertificateUnsupported(_))));
    }
    assert!(matches!(signed(vec![der("authority.crt")], None), Some(SealError::CertificateUnsupported(_))));
}

#[test]
fn signed_data_is_not_sealed_as_an_object() {
    let (before, after) = signed::sign(b"object", &FileSigner::new(), now()).unwrap();
    let signed = [&before[..], b"object", &after].concat();
    assert_eq!(seal(&signed, &to(&device()), now(), &SystemRandomness), Err(SealError::AlreadySigned));
    assert_eq!(seal(&signed[..20], &to(&device()), now(), &SystemRandomness), Err(SealError::AlreadySigned));
}

/// Signed content that was changed before it was sealed.
#[test]
fn a_signature_of_another_object_is_refused() {
    let device = device();
    let (before, after) = signed::sign(b"object", &FileSigner::new(), now()).unwrap();
    let key = Zeroizing::new([5; 32]);
    let sealed = |content: &[&[u8]]| envelope::write(vec![recipient::device(&device, &key)], content, &key);
    assert_eq!(*open(&sealed(&[&before, b"object", &after]), &device).unwrap(), b"object");
    assert_eq!(open(&sealed(&[&before, b"obJect", &after]), &device).err(), Some(SealError::SignatureInvalid));
    let signed = [&before[..], b"object", &after].concat();
    for at in 0..signed.len() {
        let mut changed = signed.clone();
        changed[at] ^= 0x40;
        // The device asks for the digest; a changed header makes it an object that was never signed data.
        let opened = open(&sealed(&[&changed]), &device);
        let unsigned = opened.as_ref().is_ok_and(|opened| **opened == changed);
        let signature = at >= before.len() + 6 && opened.as_ref().is_ok_and(|opened| **opened == b"object");
        assert!(opened.is_err() || unsigned && at < 40 || signature, "{at}");
    }
}

/// What a later version may look like: it is told apart from damage, and never opened.
#[test]
fn later_versions_are_told() {
    let device = device();
    let sealed = sealed(b"object", &to_all(&device));
    let parts = |bytes: &[u8]| {
        let (mut reader, mut parts) = (Reader::new(bytes), Vec::new());
        while !reader.is_empty() {
            parts.push(reader.any().unwrap().whole.to_vec());
        }
        parts
    };
    let content = |whole: &[u8]| Reader::new(whole).any().unwrap().content.to_vec();
    let info = parts(&content(&sealed));
    let data = parts(&content(&content(&info[1])));
    let with = |data: &[Vec<u8>]| {
        element(SEQUENCE, &[&info[0], &element(constructed(0), &[&element(SEQUENCE, &[&data.concat()])])])
    };
    assert!(with(&data) == sealed);
    let replaced = |at: usize, whole: Vec<u8>| {
        let mut data = data.clone();
        data[at] = whole;
        with(&data)
    };
    let inserted = |at: usize, whole: Vec<u8>| {
        let mut data = data.clone();
        data.insert(at, whole);
        with(&data)
    };
    let encrypted = parts(&content(&data[2]));
    let encrypted = |at: usize, whole: Vec<u8>| {
        let mut parts = encrypted.clone();
        parts[at] = whole;
        replaced(2, element(SEQUENCE, &[&parts.concat()]))
    };
    let envelope = element(SEQUENCE, &[&algorithm::identifier(&algorithm::SIGNED_DATA), &info[1]]);
    let attributes = |number| element(constructed(number), &[&element(SEQUENCE, &[])]);
    for (what, later) in [
        ("content type", envelope),
        ("version", replaced(0, vec![2, 1, 1])),
        ("originatorInfo", inserted(1, element(constructed(0), &[]))),
        ("authAttrs", inserted(3, attributes(1))),
        ("unauthAttrs", inserted(4, attributes(2))),
        ("content inside", encrypted(0, algorithm::identifier(&algorithm::SIGNED_DATA))),
        ("cipher", encrypted(1, algorithm::aes256_wrap())),
    ] {
        assert_eq!(inspect(&later), Err(SealError::UnknownVersion), "{what}");
        assert_eq!(open(&later, &device).err(), Some(SealError::UnknownVersion), "{what}");
    }
    // Recipients of another kind, the nonce made to fit.
    let key = Zeroizing::new([5; 32]);
    let own = recipient::device(&device, &key);
    let other_recipients = [
        element(constructed(3), &[&[2, 1, 0]]),
        element(constructed(4), &[&[2, 1, 0]]),
        element(constructed(2), &[&[2, 1, 5]]),
        element(SEQUENCE, &[&[2, 1, 2]]),
        element(constructed(1), &[&[2, 1, 4]]),
    ];
    for other in other_recipients {
        let later = envelope::write(vec![own.clone(), other], &[b"object"], &key);
        assert_eq!(inspect(&later), Err(SealError::UnknownVersion));
    }
    // Not a later version, but wrong.
    for wrong in [vec![], vec![own.clone(), own.clone()], vec![element(SET, &[]), own.clone()]] {
        let wrong = envelope::write(wrong, &[b"object"], &key);
        assert!(matches!(inspect(&wrong), Err(SealError::Damaged | SealError::UnknownVersion)));
    }
    assert_eq!(inspect(&replaced(3, element(OCTET_STRING, &[&[0; 12]]))), Err(SealError::Damaged));
    assert_eq!(inspect(b"DICM and so on"), Err(SealError::Damaged));
    assert_eq!(inspect(b""), Err(SealError::Truncated));
}

/// RFC 3394 4.6.
#[test]
fn key_wrap_is_that_of_rfc_3394() {
    let wrapping_key = Zeroizing::new(std::array::from_fn(|i| i as u8));
    let mut key = Zeroizing::new([0; 32]);
    hex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", &mut key[..]);
    let mut expected = [0; 40];
    hex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21", &mut expected);
    assert_eq!(device_key::wrap(&wrapping_key, &key), expected);
    assert_eq!(*device_key::unwrap(&wrapping_key, &expected).unwrap(), *key);
    for bit in 0..expected.len() * 8 {
        let mut changed = expected;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(device_key::unwrap(&wrapping_key, &changed).is_none());
    }
    for length in 0..40 {
        assert!(device_key::unwrap(&wrapping_key, &expected[..length]).is_none());
    }
}

/// `openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexsecret:... -kdfopt hexinfo:... X963KDF`
#[test]
fn key_derivation_is_that_of_openssl() {
    for (curve, length, expected) in [
        (recipient::Curve::P256, 32, "4a05bb60553c66fc1f7b0a83e1c5a7fd88e38bdc847af06c6bdc3b56a348ccb5"),
        (recipient::Curve::P384, 48, "d10b79dbb76e9ad9cf60b055c65a044bdd211d1d59e353cf3640e051e0c2508e"),
    ] {
        let secret: Vec<u8> = (0..length).collect();
        let mut key = [0; 32];
        hex(expected, &mut key);
        assert_eq!(*curve.wrapping_key(&secret), key);
    }
}

fn hex(digits: &str, bytes: &mut [u8]) {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    }
}

#[test]
fn only_institutions_that_can_be_sealed_to_soundly_are_taken() {
    let by_der = Institution::from_certificate(&der("rsa3072.crt")).unwrap();
    assert_eq!(by_der.fingerprint(), certificate("rsa3072").fingerprint());
    for unusable in ["signer.crt", "authority.crt", "p256.key"] {
        let error = Institution::from_certificate(&golden(unusable)).err();
        assert!(matches!(error, Some(SealError::CertificateUnsupported(_))), "{unusable}");
    }
    let with_text = [b"Certificate:\n    Data:\n", &golden("p256.crt")[..]].concat();
    assert_eq!(Institution::from_certificate(&with_text).unwrap().fingerprint(), certificate("p256").fingerprint());
    let whole = der("p256.crt");
    for length in 0..whole.len() {
        assert!(Institution::from_certificate(&whole[..length]).is_err());
    }
    assert!(Institution::from_certificate(&[&whole[..], &[0]].concat()).is_err());
    assert!(Institution::from_certificate(&vec![0x30; 1 << 20]).is_err());
}

#[cfg(feature = "unseal")]
mod with_private_keys {
    use std::collections::HashMap;
    use std::sync::{LazyLock, Mutex};

    use super::*;

    fn key(name: &str) -> InstitutionKey {
        InstitutionKey::from_pem(&golden(&format!("{name}.key")), &golden(&format!("{name}.crt"))).unwrap()
    }

    fn trusting(name: &str) -> TrustedSigners {
        TrustedSigners::from_pem(&golden(name)).unwrap()
    }

    /// A key behind the port, which is asked the same again and again.
    struct Remembering {
        key: InstitutionKey,
        answers: Mutex<HashMap<Vec<u8>, Zeroizing<Vec<u8>>>>,
    }

    impl Unsealer for Remembering {
        fn institution(&self) -> &Institution {
            self.key.institution()
        }

        fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
            self.answer(point, || self.key.agree(point))
        }

        fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
            self.answer(encrypted, || self.key.decrypt(encrypted))
        }
    }

    impl Remembering {
        fn new(name: &str) -> Self {
            Self { key: key(name), answers: Mutex::default() }
        }

        fn answer(
            &self,
            question: &[u8],
            ask: impl FnOnce() -> Result<Zeroizing<Vec<u8>>, SealError>,
        ) -> Result<Zeroizing<Vec<u8>>, SealError> {
            let mut answers = self.answers.lock().unwrap();
            if !answers.contains_key(question) {
                answers.insert(question.to_vec(), ask()?);
            }
            Ok(answers[question].clone())
        }
    }

    const KINDS: [&str; 3] = ["p256", "p384", "rsa3072"];

    #[test]
    fn every_institution_opens_what_it_was_sealed() {
        let device = device();
        let all = to_institutions(KINDS).with(&device);
        for length in [0, 1, 300, 70_000] {
            let sealed = sealed(&object(length), &all);
            assert!(*open(&sealed, &device).unwrap() == object(length));
            for kind in KINDS {
                let unsealed = unseal(&sealed, &key(kind), None).unwrap();
                assert!(*unsealed.object == object(length), "{kind}");
                assert_eq!(unsealed.signed_by, None);
            }
        }
        for kind in KINDS {
            let sealed = sealed(b"object", &to_institutions([kind]));
            for other in KINDS {
                let expected = if kind == other { None } else { Some(SealError::WrongKey) };
                assert_eq!(unseal(&sealed, &key(other), None).err(), expected);
            }
        }
    }

    #[test]
    fn who_signed_is_told_and_asked() {
        let signer: Option<Arc<dyn Signer>> = Some(Arc::new(FileSigner::new()));
        let signed = sealed(b"object", &Recipients { signer, ..to_institutions(["p256"]) });
        let unsigned = sealed(b"object", &to_institutions(["p256"]));
        let key = key("p256");
        for trusted in [None, Some(&trusting("signer.crt")), Some(&trusting("authority.crt"))] {
            let unsealed = unseal(&signed, &key, trusted).unwrap();
            assert_eq!(*unsealed.object, b"object");
            let signed_by = unsealed.signed_by.unwrap();
            assert_eq!(signed_by.signing_time, now());
            assert_eq!(
                signed_by.fingerprint[..],
                *ring::digest::digest(&ring::digest::SHA256, &der("signer.crt")).as_ref()
            );
        }
        let stranger = trusting("p256.crt");
        assert_eq!(unseal(&signed, &key, Some(&stranger)).err(), Some(SealError::SignerUntrusted));
        assert_eq!(unseal(&unsigned, &key, Some(&trusting("signer.crt"))).err(), Some(SealError::Unsigned));
        assert!(TrustedSigners::from_pem(b"").is_err());
        assert!(TrustedSigners::from_pem(b"-----BEGIN CERTIFICATE-----").is_err());
    }

    #[test]
    fn a_signature_outside_the_life_of_its_certificate_is_not_trusted() {
        for (moment, error) in [
            ("2026-11-24T17:15:57Z", Some(SealError::SignerUntrusted)),
            ("2026-11-24T17:15:58Z", None),
            ("2126-10-31T17:15:58Z", None),
            ("2126-10-31T17:15:59Z", Some(SealError::SignerUntrusted)),
            // Clocks that are off, some so far that no certificate tells such a time.
            ("1900-01-01T00:00:00Z", Some(SealError::SignerUntrusted)),
            ("9999-12-31T23:59:59-12:00", Some(SealError::SignerUntrusted)),
        ] {
            let (before, after) = signed::sign(b"object", &FileSigner::new(), moment.parse().unwrap()).unwrap();
            let sealed = sealed_content(&[&before, b"object", &after]);
            assert_eq!(unseal(&sealed, &key("p256"), Some(&trusting("authority.crt"))).err(), error, "{moment}");
            assert!(unseal(&sealed, &key("p256"), None).is_ok(), "{moment}");
        }
    }

    /// Whatever this content is, sealed to `p256`.
    fn sealed_content(content: &[&[u8]]) -> Vec<u8> {
        static TO_P256: LazyLock<Vec<u8>> = LazyLock::new(|| {
            recipient::institution(&certificate("p256"), &Zeroizing::new([5; 32]), &SystemRandomness).unwrap()
        });
        envelope::write(vec![TO_P256.clone()], content, &Zeroizing::new([5; 32]))
    }

    #[test]
    fn nothing_inside_the_signed_data_can_change() {
        let (before, after) = signed::sign(b"object", &FileSigner::new(), now()).unwrap();
        let signed = [&before[..], b"object", &after].concat();
        let (key, trusted) = (Remembering::new("p256"), trusting("signer.crt"));
        assert!(unseal(&sealed_content(&[&signed]), &key, Some(&trusted)).is_ok());
        for bit in 0..signed.len() * 8 {
            let mut changed = signed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(unseal(&sealed_content(&[&changed]), &key, Some(&trusted)).is_err(), "bit {bit}");
        }
        for length in 0..signed.len() {
            assert!(unseal(&sealed_content(&[&signed[..length]]), &key, Some(&trusted)).is_err());
        }
    }

    #[test]
    fn no_changed_bit_is_accepted() {
        let signer: Option<Arc<dyn Signer>> = Some(Arc::new(FileSigner::new()));
        for kind in KINDS {
            let all = Recipients { signer: signer.clone(), ..to_institutions([kind]) }.with(&device());
            let sealed = sealed(&object(4096), &all);
            let key = Remembering::new(kind);
            let mut changed = sealed.clone();
            for bit in 0..sealed.len() * 8 {
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(unseal(&changed, &key, None).is_err(), "bit {bit}");
                changed[bit / 8] = sealed[bit / 8];
            }
            assert!(unseal(&changed, &key, None).is_ok());
        }
    }

    #[test]
    fn every_length_but_the_whole_is_cut_off() {
        let sealed = sealed(&object(4096), &to_institutions(["p256", "rsa3072"]));
        for length in 0..sealed.len() {
            assert_eq!(unseal(&sealed[..length], &key("p256"), None).err(), Some(SealError::Truncated));
        }
    }

    #[test]
    fn a_key_belongs_to_its_certificate() {
        let from = |key: &str, crt: &str| InstitutionKey::from_pem(&golden(key), &golden(crt)).err();
        for (key, certificate) in [("p384.key", "p256.crt"), ("signer.key", "p256.crt"), ("p256.crt", "p256.crt")] {
            assert!(matches!(from(key, certificate), Some(SealError::KeyUnsupported(_))), "{key}");
        }
        assert!(matches!(from("signer.key", "signer.crt"), Some(SealError::CertificateUnsupported(_))));
        assert!(InstitutionKey::from_pem(&der("p256.key"), &golden("p256.crt")).is_ok());
        assert!(InstitutionKey::from_pem(b"", &golden("p256.crt")).is_err());
    }

    /// Points that are not on the curve, and other bytes (Wycheproof, ecdh).
    #[test]
    fn only_points_of_the_curve_are_agreed_to() {
        let mut off = [4; 65];
        assert_eq!(key("p256").agree(&off).err(), Some(SealError::WrongKey));
        off[1..].fill(0);
        for wrong in [&off[..], &[0], &[], &off[..64], &[4; 97]] {
            assert_eq!(key("p256").agree(wrong).err(), Some(SealError::WrongKey));
            assert_eq!(key("p384").agree(wrong).err(), Some(SealError::WrongKey));
            assert_eq!(key("rsa3072").agree(wrong).err(), Some(SealError::WrongKey));
        }
        assert_eq!(key("p256").decrypt(&[0; 384]).err(), Some(SealError::WrongKey));
        for wrong in [&[0; 384][..], &[0xFF; 384], &[1; 383], &[]] {
            assert_eq!(key("rsa3072").decrypt(wrong).err(), Some(SealError::WrongKey));
        }
    }

    /// Items that were sealed once and must open for ever. `MOULAGE_BLESS=1` adds those of a new name; it never replaces one.
    #[test]
    fn golden_items_open() {
        let add = |name: &str, bytes: &dyn Fn() -> Vec<u8>| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seal/golden").join(name);
            if std::env::var_os("MOULAGE_BLESS").is_some() && !path.exists() {
                std::fs::write(path, bytes()).unwrap();
            }
        };
        add("device.blob", &|| DeviceKey::create(&MemoryKeystore, &SystemRandomness).unwrap().1);
        let device = Arc::new(DeviceKey::reopen(&golden("device.blob"), &MemoryKeystore).unwrap());
        let signer: Option<Arc<dyn Signer>> = Some(Arc::new(FileSigner::new()));
        for (name, recipients) in [
            ("device", to(&device)),
            ("p256", to_institutions(["p256"])),
            ("p384", to_institutions(["p384"])),
            ("rsa3072", to_institutions(["rsa3072"])),
            ("several", to_institutions(KINDS).with(&device)),
            ("signed", Recipients { signer, ..to_institutions(["p256"]).with(&device) }),
        ] {
            add(&format!("{name}.cms"), &|| sealed(&object(300), &recipients));
            let sealed = golden(&format!("{name}.cms"));
            let head = inspect(&sealed).unwrap();
            assert_eq!(head.device, recipients.device.as_ref().map(|device| *device.id()));
            assert_eq!(head.institutions, recipients.institutions.len());
            if head.device.is_some() {
                assert!(*open(&sealed, &device).unwrap() == object(300), "{name}");
            }
            let trusted = (name == "signed").then(|| trusting("authority.crt"));
            for institution in KINDS.map(key) {
                if recipients.institutions.iter().any(|to| to.fingerprint() == institution.institution().fingerprint())
                {
                    let unsealed = unseal(&sealed, &institution, trusted.as_ref()).unwrap();
                    assert!(*unsealed.object == object(300), "{name}");
                }
            }
        }
    }
}
