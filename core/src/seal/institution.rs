//! An institution's certificate (RFC 5280): to whom an item is sealed, and until when.
//!
//! The host chose the certificate; no chain is followed. What is checked is that a key can be sealed to it soundly.

use chrono::{DateTime, FixedOffset, Utc};
use x509_cert::ext::pkix::KeyUsage;

use super::certificate::{Certificate, PublicKey, Validity, unsupported};
use crate::error::SealError;

/// A recipient: its public key and how long it may be sealed to.
#[derive(Clone)]
pub struct Institution {
    fingerprint: [u8; 32],
    /// IssuerAndSerialNumber, whole.
    identifier: Vec<u8>,
    public_key: PublicKey,
    validity: Validity,
}

impl Institution {
    /// The key of one X.509 certificate, DER or PEM: P-256, P-384, or RSA of 3072 to 8192 bits. A KeyUsage, if there is one,
    /// must allow `keyAgreement` for the former and `keyEncipherment` for the latter. Expiry is not looked at here.
    ///
    /// # Errors
    /// [`SealError::CertificateUnsupported`] with the reason; [`SealError::NoRandomness`].
    pub fn from_certificate(bytes: &[u8]) -> Result<Self, SealError> {
        let certificate = Certificate::read(bytes)?;
        let public_key = certificate.public_key()?;
        let allowed = |usage: KeyUsage| match public_key {
            PublicKey::Ec(..) => usage.key_agreement(),
            PublicKey::Rsa(_) => usage.key_encipherment(),
        };
        if !certificate.extension()?.is_none_or(allowed) {
            return Err(unsupported("its key usage does not allow encryption"));
        }
        certificate.check_critical()?;
        Ok(Self {
            fingerprint: certificate.fingerprint(),
            identifier: certificate.identifier()?,
            public_key,
            validity: certificate.validity(),
        })
    }

    /// May it be sealed to at this moment?
    ///
    /// # Errors
    /// [`SealError::CertificateNotYetValid`], [`SealError::CertificateExpired`].
    pub fn check(&self, now: DateTime<FixedOffset>) -> Result<(), SealError> {
        self.validity.check(now)
    }

    /// The last second at which it is valid. The year 9999 stands for no end.
    #[must_use]
    pub fn not_after(&self) -> DateTime<FixedOffset> {
        DateTime::from_timestamp(self.validity.last, 0).unwrap_or(DateTime::<Utc>::MAX_UTC).fixed_offset()
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
