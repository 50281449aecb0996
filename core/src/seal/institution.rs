//! An institution's certificate (RFC 5280): to whom an item is sealed, and until when.
//!
//! The host chose the certificate; no chain is followed. What is checked is that a key can be sealed to it soundly.

use chrono::{DateTime, FixedOffset};
use der::Decode as _;
use ring::digest::{SHA256, digest};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

use super::algorithm::{EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP256R1, SECP384R1};
use super::recipient::{Curve, is_point};
use super::tlv::{SEQUENCE, element};
use crate::error::SealError;

/// Larger certificates are refused.
const LARGEST_CERTIFICATE: usize = 16 << 10;

/// RSA moduli, in bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 3072..=8192;

/// A recipient: its public key and how long it may be sealed to.
#[derive(Clone)]
pub struct Institution {
    fingerprint: [u8; 32],
    /// IssuerAndSerialNumber, whole.
    identifier: Vec<u8>,
    public_key: PublicKey,
    /// Seconds since 1970, both included.
    not_before: i64,
    not_after: i64,
}

/// What content keys are encrypted with.
#[derive(Clone)]
pub(super) enum PublicKey {
    /// An uncompressed point.
    Ec(Curve, Vec<u8>),
    Rsa(Box<rsa::PublicKey>),
}

impl Institution {
    /// The key of one X.509 certificate, DER or PEM: P-256, P-384, or RSA of 3072 to 8192 bits. A KeyUsage, if there is one,
    /// must allow `keyAgreement` for the former and `keyEncipherment` for the latter. Expiry is not looked at here.
    ///
    /// # Errors
    /// [`SealError::CertificateUnsupported`] with the reason; [`SealError::NoRandomness`].
    pub fn from_certificate(bytes: &[u8]) -> Result<Self, SealError> {
        let certificate = parse(bytes)?;
        let public_key = public_key(&certificate)?;
        let usage = extension::<KeyUsage>(&certificate)?;
        let allowed = |usage: KeyUsage| match public_key {
            PublicKey::Ec(..) => usage.key_agreement(),
            PublicKey::Rsa(_) => usage.key_encipherment(),
        };
        if !usage.is_none_or(allowed) {
            return Err(unsupported("its key usage does not allow encryption"));
        }
        check_critical(&certificate)?;
        let (not_before, not_after) = validity(&certificate);
        let fingerprint = digest(&SHA256, &encode(&certificate)?);
        let mut institution =
            Self { fingerprint: [0; 32], identifier: identifier(&certificate)?, public_key, not_before, not_after };
        institution.fingerprint.copy_from_slice(fingerprint.as_ref());
        Ok(institution)
    }

    /// May it be sealed to at this moment?
    ///
    /// # Errors
    /// [`SealError::CertificateNotYetValid`], [`SealError::CertificateExpired`].
    pub fn check(&self, now: DateTime<FixedOffset>) -> Result<(), SealError> {
        check_validity((self.not_before, self.not_after), now)
    }

    /// The last second at which it is valid. The year 9999 stands for no end.
    #[must_use]
    pub fn not_after(&self) -> DateTime<FixedOffset> {
        DateTime::from_timestamp(self.not_after, 0).unwrap_or(DateTime::<chrono::Utc>::MAX_UTC).fixed_offset()
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    pub(super) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    pub(super) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }
}

/// One certificate, DER or PEM.
pub(super) fn parse(bytes: &[u8]) -> Result<Certificate, SealError> {
    if bytes.len() > LARGEST_CERTIFICATE {
        return Err(unsupported("it is too large"));
    }
    let decoded = if bytes.first() == Some(&SEQUENCE) {
        Certificate::from_der(bytes)
    } else {
        <Certificate as der::DecodePem>::from_pem(bytes)
    };
    decoded.map_err(|_| unsupported("it is not a certificate"))
}

/// IssuerAndSerialNumber (RFC 5652 10.2.4).
pub(super) fn identifier(certificate: &Certificate) -> Result<Vec<u8>, SealError> {
    let tbs = certificate.tbs_certificate();
    Ok(element(SEQUENCE, &[&encode(tbs.issuer())?, &encode(tbs.serial_number())?]))
}

pub(super) fn encode(value: &impl der::Encode) -> Result<Vec<u8>, SealError> {
    value.to_der().map_err(|_| unsupported("it is not DER"))
}

/// First and last second at which it is valid, since 1970.
pub(super) fn validity(certificate: &Certificate) -> (i64, i64) {
    let validity = certificate.tbs_certificate().validity();
    let seconds = |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
    (seconds(validity.not_before), seconds(validity.not_after))
}

pub(super) fn check_validity((first, last): (i64, i64), now: DateTime<FixedOffset>) -> Result<(), SealError> {
    match now.timestamp() {
        now if now < first => Err(SealError::CertificateNotYetValid),
        now if now > last => Err(SealError::CertificateExpired),
        _ => Ok(()),
    }
}

/// The extension of this kind; an unreadable or a repeated one is refused.
pub(super) fn extension<'a, T: der::Decode<'a> + der::oid::AssociatedOid>(
    certificate: &'a Certificate,
) -> Result<Option<T>, SealError> {
    let found = certificate.tbs_certificate().get_extension::<T>();
    Ok(found.map_err(|_| unsupported("an extension cannot be read"))?.map(|(_, extension)| extension))
}

/// A critical extension that is not understood forbids the use of a certificate (RFC 5280 4.2).
pub(super) fn check_critical(certificate: &Certificate) -> Result<(), SealError> {
    use der::oid::AssociatedOid as _;
    let understood = [KeyUsage::OID, BasicConstraints::OID, SubjectAltName::OID];
    let extensions = certificate.tbs_certificate().extensions().into_iter().flatten();
    let mut foreign = extensions.filter(|extension| extension.critical && !understood.contains(&extension.extn_id));
    foreign.next().map_or(Ok(()), |_| Err(unsupported("it has a critical extension that is not known")))
}

pub(super) fn unsupported(reason: &'static str) -> SealError {
    SealError::CertificateUnsupported(reason)
}

/// The key of a certificate, if it is one that is known.
pub(super) fn public_key(certificate: &Certificate) -> Result<PublicKey, SealError> {
    let info = certificate.tbs_certificate().subject_public_key_info();
    let bits = info.subject_public_key.as_bytes().ok_or(unsupported("its key is not whole bytes"))?;
    match info.algorithm.oid {
        EC_PUBLIC_KEY => {
            let curve = info.algorithm.parameters.as_ref().and_then(|parameters| parameters.decode_as().ok());
            let curve = match curve {
                Some(SECP256R1) => Curve::P256,
                Some(SECP384R1) => Curve::P384,
                _ => return Err(unsupported("its curve is neither P-256 nor P-384")),
            };
            // ring takes uncompressed points only, and checks that they are on the curve.
            if is_point(curve, bits)? {
                Ok(PublicKey::Ec(curve, bits.to_vec()))
            } else {
                Err(unsupported("its key is not a point of its curve"))
            }
        }
        RSA_ENCRYPTION => {
            let key = <rsa::PublicKey as rsa::pkcs1::DecodeRsaPublicKey>::from_pkcs1_der(bits)
                .map_err(|_| unsupported("its RSA key is out of bounds"))?;
            check_rsa(&key)?;
            Ok(PublicKey::Rsa(Box::new(key)))
        }
        _ => Err(unsupported("its key is neither elliptic nor RSA")),
    }
}

fn check_rsa(key: &rsa::PublicKey) -> Result<(), SealError> {
    use rsa::traits::PublicKeyParts as _;
    if !RSA_BITS.contains(&key.n().bit_width()) {
        return Err(unsupported("its RSA key is not of 3072 to 8192 bits"));
    }
    if key.e_bytes().as_ref() < &[1, 0, 1][..] {
        return Err(unsupported("its RSA exponent is below 65537"));
    }
    Ok(())
}
