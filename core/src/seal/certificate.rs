//! X.509 certificates (RFC 5280): what is needed of an institution's and of a signer's. `x509-cert` reads them.

use chrono::{DateTime, FixedOffset};
use der::Decode as _;
use der::oid::AssociatedOid;
use ring::digest::{SHA256, digest};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rsa::traits::PublicKeyParts as _;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};

use super::algorithm::{EC_PUBLIC_KEY, RSA_ENCRYPTION, SECP256R1, SECP384R1};
use super::recipient::{Curve, is_point};
use super::tlv::{Reader, SEQUENCE, constructed, element};
use crate::error::SealError;

/// Larger certificates are refused.
const LARGEST: usize = 16 << 10;

/// RSA moduli, in bits.
const RSA_BITS: std::ops::RangeInclusive<u32> = 3072..=8192;

/// One that was read.
pub(super) struct Certificate {
    /// As it was given.
    der: Vec<u8>,
    pub(super) x509: x509_cert::Certificate,
}

/// Its key.
#[derive(Clone)]
pub(super) enum PublicKey {
    /// An uncompressed point.
    Ec(Curve, Vec<u8>),
    Rsa(Box<rsa::PublicKey>),
}

/// First and last second at which it is valid, since 1970.
#[derive(Clone, Copy)]
pub(super) struct Validity {
    pub(super) first: i64,
    pub(super) last: i64,
}

impl Certificate {
    /// One certificate, DER or PEM.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, SealError> {
        if bytes.len() > LARGEST {
            return Err(unsupported("it is too large"));
        }
        let none = unsupported("it is not a certificate");
        let der = if bytes.first() == Some(&SEQUENCE) {
            bytes.to_vec()
        } else {
            let (label, der) = der::pem::decode_vec(bytes).map_err(|_| none)?;
            if label == "CERTIFICATE" { der } else { return Err(none) }
        };
        let x509 = x509_cert::Certificate::from_der(&der).map_err(|_| none)?;
        Ok(Self { der, x509 })
    }

    /// SHA-256 of it.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, &self.der).as_ref());
        fingerprint
    }

    /// What is signed of it, as it was given.
    pub(super) fn signed_part(&self) -> Result<&[u8], SealError> {
        Ok(Reader::new(&self.der).inside(SEQUENCE)?.any()?.whole)
    }

    /// IssuerAndSerialNumber (RFC 5652 10.2.4), both as they were given.
    pub(super) fn identifier(&self) -> Result<Vec<u8>, SealError> {
        let mut fields = Reader::new(self.signed_part()?).inside(SEQUENCE)?;
        if fields.peek() == Some(constructed(0)) {
            fields.any()?; // version
        }
        let serial_number = fields.any()?.whole;
        fields.any()?; // signature algorithm
        Ok(element(SEQUENCE, &[fields.any()?.whole, serial_number]))
    }

    pub(super) fn validity(&self) -> Validity {
        let validity = self.x509.tbs_certificate().validity();
        let seconds =
            |time: x509_cert::time::Time| i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX);
        Validity { first: seconds(validity.not_before), last: seconds(validity.not_after) }
    }

    /// The extension of this kind; an unreadable or a repeated one is refused.
    pub(super) fn extension<'a, T: der::Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, SealError> {
        let found = self.x509.tbs_certificate().get_extension::<T>();
        Ok(found.map_err(|_| unsupported("an extension cannot be read"))?.map(|(_, extension)| extension))
    }

    /// A critical extension that is not understood forbids the use of a certificate (RFC 5280 4.2).
    pub(super) fn check_critical(&self) -> Result<(), SealError> {
        let understood = [KeyUsage::OID, BasicConstraints::OID, SubjectAltName::OID];
        let mut extensions = self.x509.tbs_certificate().extensions().into_iter().flatten();
        if extensions.any(|extension| extension.critical && !understood.contains(&extension.extn_id)) {
            return Err(unsupported("it has a critical extension that is not known"));
        }
        Ok(())
    }

    /// Its key, if it is one that is known and strong enough.
    pub(super) fn public_key(&self) -> Result<PublicKey, SealError> {
        let info = self.x509.tbs_certificate().subject_public_key_info();
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
                let key =
                    rsa::PublicKey::from_pkcs1_der(bits).map_err(|_| unsupported("its RSA key is out of bounds"))?;
                check_rsa(&key)?;
                Ok(PublicKey::Rsa(Box::new(key)))
            }
            _ => Err(unsupported("its key is neither elliptic nor RSA")),
        }
    }
}

impl Validity {
    pub(super) fn check(self, now: DateTime<FixedOffset>) -> Result<(), SealError> {
        match now.timestamp() {
            now if now < self.first => Err(SealError::CertificateNotYetValid),
            now if now > self.last => Err(SealError::CertificateExpired),
            _ => Ok(()),
        }
    }
}

fn check_rsa(key: &rsa::PublicKey) -> Result<(), SealError> {
    if !RSA_BITS.contains(&key.n().bit_width()) {
        return Err(unsupported("its RSA key is not of 3072 to 8192 bits"));
    }
    // Odd, or it would not have been read.
    if key.e().bit_width() < 17 {
        return Err(unsupported("its RSA exponent is below 65537"));
    }
    Ok(())
}

pub(super) fn unsupported(reason: &'static str) -> SealError {
    SealError::CertificateUnsupported(reason)
}
