//! Where items arrive: opened with the institution's private key, and asked who signed them.

use chrono::{DateTime, FixedOffset};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use rsa::pkcs8::DecodePrivateKey as _;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage};
use zeroize::Zeroizing;

use super::algorithm::{ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, SHA256_WITH_RSA};
use super::institution::{self, Institution, PublicKey};
use super::recipient::{Curve, Info, Rng};
use super::{device_key, envelope, keep, signed};
use crate::clock::SystemRandomness;
use crate::error::SealError;

/// The institution's private key, wherever it lies: in memory ([`InstitutionKey`]) or in a module that does not give it away.
pub trait Unsealer: Send + Sync {
    /// The certificate of the key.
    fn institution(&self) -> &Institution;

    /// ECDH: the x coordinate of this key times the point, which is uncompressed, on the certificate's curve or else refused.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for a key or a point of another kind, [`SealError::Keystore`].
    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;

    /// RSAES-OAEP with SHA-256, twice, and no label (RFC 8017 7.1.2). All failures must look and take alike.
    ///
    /// # Errors
    /// [`SealError::WrongKey`] for a key of another kind or what was not encrypted to it, [`SealError::Keystore`].
    fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError>;
}

/// A private key in memory, with its certificate. Erased when dropped, not printable.
pub struct InstitutionKey {
    institution: Institution,
    key: PrivateKey,
}

enum PrivateKey {
    P256(p256::SecretKey),
    P384(p384::SecretKey),
    Rsa(Box<rsa::PrivateKey>),
}

impl InstitutionKey {
    /// A private key in unencrypted PKCS#8 (RFC 5208, RFC 5958), PEM or DER, and its certificate as
    /// [`Institution::from_certificate`] takes it.
    ///
    /// # Errors
    /// [`SealError::KeyUnsupported`], also when the certificate is of another key; [`SealError::CertificateUnsupported`].
    pub fn from_pem(private_key: &[u8], certificate: &[u8]) -> Result<Self, SealError> {
        let unreadable = SealError::KeyUnsupported("it is not an unencrypted PKCS#8 key of the certificate's kind");
        let institution = Institution::from_certificate(certificate)?;
        let decoded;
        let der = if private_key.first() == Some(&super::tlv::SEQUENCE) {
            private_key
        } else {
            let (label, bytes) = der::pem::decode_vec(private_key).map_err(|_| unreadable)?;
            decoded = Zeroizing::new(bytes);
            if label == "PRIVATE KEY" { &decoded[..] } else { return Err(unreadable) }
        };
        let (key, fits) = match institution.public_key() {
            PublicKey::Ec(Curve::P256, point) => {
                let key = p256::SecretKey::from_pkcs8_der(der).map_err(|_| unreadable)?;
                let fits = key.public_key().to_sec1_bytes()[..] == point[..];
                (PrivateKey::P256(key), fits)
            }
            PublicKey::Ec(Curve::P384, point) => {
                let key = p384::SecretKey::from_pkcs8_der(der).map_err(|_| unreadable)?;
                let fits = key.public_key().to_sec1_bytes()[..] == point[..];
                (PrivateKey::P384(key), fits)
            }
            PublicKey::Rsa(public_key) => {
                let key = rsa::PrivateKey::from_pkcs8_der(der).map_err(|_| unreadable)?;
                let fits = key.as_public_key() == &**public_key;
                (PrivateKey::Rsa(Box::new(key)), fits)
            }
        };
        if fits { Ok(Self { institution, key }) } else { Err(SealError::KeyUnsupported("it is not the certificate's")) }
    }
}

impl Unsealer for InstitutionKey {
    fn institution(&self) -> &Institution {
        &self.institution
    }

    fn agree(&self, point: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let wrong = |_| SealError::WrongKey;
        Ok(Zeroizing::new(match &self.key {
            PrivateKey::P256(key) => {
                let point = p256::PublicKey::from_sec1_bytes(point).map_err(wrong)?;
                key.diffie_hellman(&point).raw_secret_bytes().to_vec()
            }
            PrivateKey::P384(key) => {
                let point = p384::PublicKey::from_sec1_bytes(point).map_err(wrong)?;
                key.diffie_hellman(&point).raw_secret_bytes().to_vec()
            }
            PrivateKey::Rsa(_) => return Err(SealError::WrongKey),
        }))
    }

    fn decrypt(&self, encrypted: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let PrivateKey::Rsa(key) = &self.key else { return Err(SealError::WrongKey) };
        // Blinded.
        let decrypted = key.oaep_decrypt_with_rng::<rsa::sha2::Sha256, _>(&mut Rng(&SystemRandomness), encrypted);
        decrypted.map(Zeroizing::new).map_err(|_| SealError::WrongKey)
    }
}

/// The certificates of devices that may sign, or of who issued theirs.
pub struct TrustedSigners {
    certificates: Vec<(Vec<u8>, Certificate)>,
}

impl TrustedSigners {
    /// One or several certificates in PEM. An item is trusted when its signer's certificate is one of them, or was issued by
    /// one of them that is an authority (RFC 5280 4.2.1.9).
    ///
    /// # Errors
    /// [`SealError::CertificateUnsupported`].
    pub fn from_pem(certificates: &[u8]) -> Result<Self, SealError> {
        let read = Certificate::load_pem_chain(certificates).ok().filter(|read| !read.is_empty());
        let read = read.ok_or(institution::unsupported("it is not a certificate"))?;
        let certificates = read.into_iter().map(|certificate| Ok((institution::encode(&certificate)?, certificate)));
        Ok(Self { certificates: certificates.collect::<Result<_, SealError>>()? })
    }

    /// Trusted, and valid at the moment that the signature tells?
    fn check(&self, signer: &[u8], signing_time: DateTime<FixedOffset>) -> Result<(), SealError> {
        let certificate = institution::parse(signer)?;
        let known = |(der, issuer): &(Vec<u8>, Certificate)| der == signer || issued(&certificate, signer, issuer);
        let valid = institution::check_validity(institution::validity(&certificate), signing_time).is_ok();
        if valid && self.certificates.iter().any(known) { Ok(()) } else { Err(SealError::SignerUntrusted) }
    }
}

/// Did `issuer` issue the certificate?
fn issued(certificate: &Certificate, der: &[u8], issuer: &Certificate) -> bool {
    let authority = institution::extension::<BasicConstraints>(issuer).ok().flatten().is_some_and(|basic| basic.ca);
    let may_sign =
        institution::extension::<KeyUsage>(issuer).is_ok_and(|usage| usage.is_none_or(|u| u.key_cert_sign()));
    let named = certificate.tbs_certificate().issuer() == issuer.tbs_certificate().subject();
    let key = issuer.tbs_certificate().subject_public_key_info().subject_public_key.as_bytes();
    let (Some(key), Some(algorithm)) = (key, verification(certificate, issuer)) else { return false };
    let Ok(signed) = super::tlv::Reader::new(der).inside(super::tlv::SEQUENCE).and_then(|mut parts| parts.any()) else {
        return false;
    };
    let signature = certificate.signature().raw_bytes();
    authority && may_sign && named && UnparsedPublicKey::new(algorithm, key).verify(signed.whole, signature).is_ok()
}

/// How the certificate is signed, if that is a sound way for this issuer's key.
fn verification(certificate: &Certificate, issuer: &Certificate) -> Option<&'static dyn VerificationAlgorithm> {
    match (institution::public_key(issuer).ok()?, certificate.signature_algorithm().oid) {
        (PublicKey::Ec(Curve::P256, _), ECDSA_WITH_SHA256) => Some(&ECDSA_P256_SHA256_ASN1),
        (PublicKey::Ec(Curve::P384, _), ECDSA_WITH_SHA384) => Some(&ECDSA_P384_SHA384_ASN1),
        (PublicKey::Rsa(_), SHA256_WITH_RSA) => Some(&RSA_PKCS1_2048_8192_SHA256),
        _ => None,
    }
}

/// An object that was unsealed.
pub struct Unsealed {
    /// As the device sealed it.
    pub object: Zeroizing<Vec<u8>>,
    /// Who signed it, if somebody did.
    pub signed_by: Option<SignedBy>,
}

/// Who signed an object. The signature fits; whether the certificate is trusted was asked only with [`TrustedSigners`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedBy {
    /// SHA-256 of the signer's certificate.
    pub fingerprint: [u8; 32],
    /// When, by the device's clock.
    pub signing_time: DateTime<FixedOffset>,
}

/// The object inside, opened with the institution's key. Its signature is verified if there is one; with `trusted` there
/// must be one, by one of these.
///
/// # Errors
/// Those of [`super::inspect`]; [`SealError::WrongKey`] when it is not sealed to this key; [`SealError::SignatureInvalid`];
/// [`SealError::Unsigned`] and [`SealError::SignerUntrusted`] with `trusted`; [`SealError::Keystore`].
pub fn unseal(sealed: &[u8], key: &dyn Unsealer, trusted: Option<&TrustedSigners>) -> Result<Unsealed, SealError> {
    let envelope = envelope::read(sealed)?;
    let mut object = envelope.decrypt(&content_key(&envelope.recipients, key)?)?;
    let mut signed_by = None;
    if let Some(signed) = signed::read(&object)? {
        let range = signed.object(&object)?;
        let (certificate, signing_time) = signed.signer()?;
        trusted.map_or(Ok(()), |trusted| trusted.check(certificate, signing_time))?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(&SHA256, certificate).as_ref());
        signed_by = Some(SignedBy { fingerprint, signing_time });
        keep(&mut object, range);
    }
    if trusted.is_some() && signed_by.is_none() {
        return Err(SealError::Unsigned);
    }
    Ok(Unsealed { object, signed_by })
}

/// From the recipient that names this key's certificate.
fn content_key(recipients: &[Info<'_>], key: &dyn Unsealer) -> Result<device_key::Key, SealError> {
    let own = key.institution().identifier();
    for info in recipients {
        let content_key = match info {
            Info::Agreement { curve, point, identifier, wrapped } if *identifier == own => {
                device_key::unwrap(&curve.wrapping_key(&key.agree(point)?), wrapped)
            }
            Info::Transport { identifier, encrypted } if *identifier == own => {
                device_key::key_of(&key.decrypt(encrypted)?)
            }
            _ => continue,
        };
        return content_key.ok_or(SealError::WrongKey);
    }
    Err(SealError::WrongKey)
}
