//! SignedData (RFC 5652 5) around an object: which device took it.

use std::ops::Range;

use chrono::{DateTime, Datelike as _, FixedOffset};
use der::asn1::ObjectIdentifier;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_cert::ext::pkix::KeyUsage;

use super::algorithm::{
    CONTENT_TYPE, DATA, MESSAGE_DIGEST, SIGNED_DATA, SIGNING_TIME, ecdsa_with_sha256, identifier, sha256,
};
use super::institution::{self, PublicKey, unsupported};
use super::recipient::Curve;
use super::tlv::{
    self, Element, GENERALIZED_TIME, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, UTC_TIME, constructed, element,
    opening, set_of,
};
use crate::error::{KeystoreError, SealError};

/// The device's signing key, which does not leave its place (Secure Enclave, StrongBox, a file on desktops).
pub trait Signer: Send + Sync {
    /// DER: the key's own certificate first, then those that lead from it to the issuer, at most four in all.
    fn certificates(&self) -> Vec<Vec<u8>>;

    /// The signature of `message` by ECDSA P-256 with SHA-256, in DER; `message` is less than 200 bytes.
    ///
    /// # Errors
    /// [`KeystoreError`]; the object is not sealed then.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeystoreError>;
}

/// Most certificates that an item encloses.
const MOST_CERTIFICATES: usize = 4;

const VERSION: &[u8] = &[INTEGER, 1, 1];

/// What stands before the object, and what after it, to make it SignedData.
pub(super) fn sign(
    object: &[u8],
    signer: &dyn Signer,
    now: DateTime<FixedOffset>,
) -> Result<(Vec<u8>, Vec<u8>), SealError> {
    let certificates = signer.certificates();
    let own = match certificates.first() {
        Some(own) if certificates.len() <= MOST_CERTIFICATES => SignerCertificate::read(own)?,
        _ => return Err(unsupported("a signer has one to four certificates")),
    };
    for issuer in certificates.iter().skip(1) {
        institution::parse(issuer)?;
    }
    let attributes = attributes(digest(&SHA256, object).as_ref(), now);
    let message = set_of(SET, attributes.clone());
    let signature = signer.sign(&message)?;
    own.verify(&message, &signature)?;

    let info = element(
        SEQUENCE,
        &[
            VERSION,
            &own.identifier,
            &sha256(),
            &set_of(constructed(0), attributes),
            &ecdsa_with_sha256(),
            &element(OCTET_STRING, &[&signature]),
        ],
    );
    let after = [set_of(constructed(0), certificates), element(SET, &[&info])].concat();
    let length = object.len();
    let follows = length + after.len();
    let content = opening(constructed(0), &[&tlv::header(OCTET_STRING, length)], length);
    let content = opening(SEQUENCE, &[&identifier(&DATA), &content], length);
    let data = opening(SEQUENCE, &[VERSION, &element(SET, &[&sha256()]), &content], follows);
    let wrapper = opening(constructed(0), &[&data], follows);
    Ok((opening(SEQUENCE, &[&identifier(&SIGNED_DATA), &wrapper], follows), after))
}

/// Is this one CMS SignedData, from its first byte to its last?
pub(super) fn is_signed(content: &[u8]) -> bool {
    let mut whole = Reader::new(content);
    let info = whole.inside(SEQUENCE);
    whole.is_empty() && info.is_ok_and(|mut info| info.mark(&identifier(&SIGNED_DATA)).is_ok())
}

/// SignedData that was read. A device asks only for the digest; who signed is asked where items arrive.
#[cfg_attr(not(feature = "unseal"), expect(dead_code, reason = "who signed is asked where items arrive"))]
pub(super) struct Signed<'a> {
    object: &'a [u8],
    /// Bytes after the object.
    after: usize,
    certificates: &'a [u8],
    signer: &'a [u8],
    /// Content of the set.
    attributes: &'a [u8],
    signing_time: Element<'a>,
    digest: &'a [u8],
    signature: &'a [u8],
}

/// Reads content that [`is_signed`]; of anything else it is nothing.
pub(super) fn read(content: &[u8]) -> Result<Option<Signed<'_>>, SealError> {
    if !is_signed(content) {
        return Ok(None);
    }
    let mut info = Reader::new(content).inside(SEQUENCE)?;
    info.any()?;
    let mut wrapper = info.inside(constructed(0))?;
    info.end()?;
    let mut data = wrapper.inside(SEQUENCE)?;
    wrapper.end()?;
    data.mark(VERSION)?;
    data.mark(&element(SET, &[&sha256()]))?;
    let mut content = data.inside(SEQUENCE)?;
    content.mark(&identifier(&DATA))?;
    let mut octets = content.inside(constructed(0))?;
    content.end()?;
    let object = octets.content(OCTET_STRING)?;
    octets.end()?;
    let after = data.length();
    let certificates = data.content(constructed(0))?;
    let mut infos = data.inside(SET)?;
    data.end()?;
    let mut info = infos.inside(SEQUENCE)?;
    infos.end()?;
    info.mark(VERSION)?;
    let signer = info.any()?.whole;
    info.mark(&sha256())?;
    let attributes = info.content(constructed(0))?;
    info.mark(&ecdsa_with_sha256())?;
    let signature = info.content(OCTET_STRING)?;
    info.end()?;

    let mut values = Reader::new(attributes);
    values.mark(&attribute(&CONTENT_TYPE, &identifier(&DATA)))?;
    let signing_time = value(&mut values, &SIGNING_TIME)?;
    let digest = value(&mut values, &MESSAGE_DIGEST)?;
    values.end()?;
    if digest.tag != OCTET_STRING {
        return Err(SealError::Damaged);
    }
    let digest = digest.content;
    Ok(Some(Signed { object, after, certificates, signer, attributes, signing_time, digest, signature }))
}

impl<'a> Signed<'a> {
    /// Where the object lies in `content`, which is what was read; its digest is that which was signed.
    pub(super) fn object(&self, content: &[u8]) -> Result<Range<usize>, SealError> {
        if digest(&SHA256, self.object).as_ref() != self.digest {
            return Err(SealError::SignatureInvalid);
        }
        let end = content.len() - self.after;
        Ok(end - self.object.len()..end)
    }

    /// The certificate, in DER, of whoever signed, and when by the device's clock.
    #[cfg(feature = "unseal")]
    pub(super) fn signer(&self) -> Result<(&'a [u8], DateTime<FixedOffset>), SealError> {
        let mut certificates = Reader::new(self.certificates);
        while !certificates.is_empty() {
            let certificate = certificates.any()?.whole;
            let own = SignerCertificate::read(certificate);
            if let Some(own) = own.ok().filter(|own| own.identifier == self.signer) {
                own.verify(&element(SET, &[self.attributes]), self.signature)?;
                return Ok((certificate, read_time(self.signing_time)?));
            }
        }
        Err(SealError::SignatureInvalid)
    }
}

/// A P-256 key that may sign, and how a SignerInfo names it.
struct SignerCertificate {
    identifier: Vec<u8>,
    point: Vec<u8>,
}

impl SignerCertificate {
    fn read(der: &[u8]) -> Result<Self, SealError> {
        let certificate = institution::parse(der)?;
        let point = match institution::public_key(&certificate)? {
            PublicKey::Ec(Curve::P256, point) => point,
            _ => return Err(unsupported("a signer's key is of P-256")),
        };
        if !institution::extension::<KeyUsage>(&certificate)?.is_none_or(|usage| usage.digital_signature()) {
            return Err(unsupported("its key usage does not allow signatures"));
        }
        institution::check_critical(&certificate)?;
        Ok(Self { identifier: institution::identifier(&certificate)?, point })
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SealError> {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point);
        key.verify(message, signature).map_err(|_| SealError::SignatureInvalid)
    }
}

/// The attributes that are signed (RFC 5652 11.1 to 11.3), in the order of their encodings.
fn attributes(digest: &[u8], now: DateTime<FixedOffset>) -> Vec<Vec<u8>> {
    vec![
        attribute(&CONTENT_TYPE, &identifier(&DATA)),
        attribute(&SIGNING_TIME, &time(now)),
        attribute(&MESSAGE_DIGEST, &element(OCTET_STRING, &[digest])),
    ]
}

fn attribute(oid: &ObjectIdentifier, value: &[u8]) -> Vec<u8> {
    element(SEQUENCE, &[&identifier(oid), &element(SET, &[value])])
}

/// The one value of the next attribute, which has this type.
fn value<'a>(attributes: &mut Reader<'a>, oid: &ObjectIdentifier) -> Result<Element<'a>, SealError> {
    let mut attribute = attributes.inside(SEQUENCE)?;
    attribute.mark(&identifier(oid))?;
    let mut values = attribute.inside(SET)?;
    attribute.end()?;
    let value = values.any()?;
    values.end()?;
    Ok(value)
}

/// Time (RFC 5652 11.3): two digits of the year from 1950 to 2049, four in all others.
fn time(now: DateTime<FixedOffset>) -> Vec<u8> {
    let now = now.to_utc();
    match now.year() {
        1950..2050 => element(UTC_TIME, &[now.format("%y%m%d%H%M%SZ").to_string().as_bytes()]),
        _ => element(GENERALIZED_TIME, &[now.format("%Y%m%d%H%M%SZ").to_string().as_bytes()]),
    }
}

/// When it was signed, by the device's clock; x509-cert knows both forms.
#[cfg(feature = "unseal")]
fn read_time(time: Element<'_>) -> Result<DateTime<FixedOffset>, SealError> {
    let time = <x509_cert::time::Time as der::Decode>::from_der(time.whole).map_err(|_| SealError::Damaged)?;
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| SealError::Damaged)?;
    Ok(DateTime::from_timestamp(seconds, 0).ok_or(SealError::Damaged)?.fixed_offset())
}
