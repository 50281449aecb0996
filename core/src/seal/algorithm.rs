//! Object and algorithm identifiers. An algorithm here is its whole `AlgorithmIdentifier`, parameters included: another
//! one is another version of the format.

use der::asn1::ObjectIdentifier;

use super::tlv::{OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, element};

const fn oid(dotted: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(dotted)
}

/// RFC 5083 2.1.
pub(super) const AUTH_ENVELOPED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.9.16.1.23");
/// RFC 5652 4 and 5.
pub(super) const DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.1");
pub(super) const SIGNED_DATA: ObjectIdentifier = oid("1.2.840.113549.1.7.2");
/// RFC 5652 11.1 to 11.3.
pub(super) const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
pub(super) const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
pub(super) const SIGNING_TIME: ObjectIdentifier = oid("1.2.840.113549.1.9.5");
/// RFC 5480 2.1.1.
pub(super) const EC_PUBLIC_KEY: ObjectIdentifier = oid("1.2.840.10045.2.1");
pub(super) const SECP256R1: ObjectIdentifier = oid("1.2.840.10045.3.1.7");
pub(super) const SECP384R1: ObjectIdentifier = oid("1.3.132.0.34");
/// RFC 8017 appendix C.
pub(super) const RSA_ENCRYPTION: ObjectIdentifier = oid("1.2.840.113549.1.1.1");
/// RFC 5753 7.1.4.
pub(super) const STD_DH_SHA256_KDF: ObjectIdentifier = oid("1.3.132.1.11.1");
pub(super) const STD_DH_SHA384_KDF: ObjectIdentifier = oid("1.3.132.1.11.2");

/// RFC 5758 3.2.
pub(super) const ECDSA_WITH_SHA256: ObjectIdentifier = oid("1.2.840.10045.4.3.2");
#[cfg(feature = "unseal")]
pub(super) const ECDSA_WITH_SHA384: ObjectIdentifier = oid("1.2.840.10045.4.3.3");
/// RFC 8017 appendix A.2.4.
#[cfg(feature = "unseal")]
pub(super) const SHA256_WITH_RSA: ObjectIdentifier = oid("1.2.840.113549.1.1.11");

const AES256_GCM: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.46");
const AES256_WRAP: ObjectIdentifier = oid("2.16.840.1.101.3.4.1.45");
const SHA256: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.1");
const RSAES_OAEP: ObjectIdentifier = oid("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = oid("1.2.840.113549.1.1.8");
const NULL: &[u8] = &[0x05, 0x00];

pub(super) fn identifier(oid: &ObjectIdentifier) -> Vec<u8> {
    element(OBJECT_IDENTIFIER, &[oid.as_bytes()])
}

pub(super) fn algorithm(oid: &ObjectIdentifier, parameters: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&identifier(oid), parameters])
}

/// RFC 5084 3.2: a nonce of 12 bytes, a tag of 16.
pub(super) fn aes256_gcm(nonce: &[u8; 12]) -> Vec<u8> {
    let parameters = element(SEQUENCE, &[&element(OCTET_STRING, &[nonce]), &[0x02, 0x01, 16]]);
    algorithm(&AES256_GCM, &parameters)
}

/// RFC 3565 2.3.2: no parameters.
pub(super) fn aes256_wrap() -> Vec<u8> {
    algorithm(&AES256_WRAP, &[])
}

/// RFC 5754 2: no parameters.
pub(super) fn sha256() -> Vec<u8> {
    algorithm(&SHA256, &[])
}

/// RFC 5758 3.2: no parameters.
pub(super) fn ecdsa_with_sha256() -> Vec<u8> {
    algorithm(&ECDSA_WITH_SHA256, &[])
}

/// RFC 4055 4.1: SHA-256 both as the hash and in MGF1, no label.
pub(super) fn rsaes_oaep() -> Vec<u8> {
    let hash = algorithm(&SHA256, NULL);
    let mask = algorithm(&MGF1, &hash);
    let parameters = element(SEQUENCE, &[&element(constructed(0), &[&hash]), &element(constructed(1), &[&mask])]);
    algorithm(&RSAES_OAEP, &parameters)
}
