//! RecipientInfos (RFC 5652 6.2): the content key, once for each who may open the item.

use ring::agreement::{self, ECDH_P256, ECDH_P384, EphemeralPrivateKey, UnparsedPublicKey};
use ring::digest;
use ring::rand::SystemRandom;
use zeroize::Zeroizing;

use super::algorithm::{EC_PUBLIC_KEY, STD_DH_SHA256_KDF, STD_DH_SHA384_KDF, aes256_wrap, algorithm, rsaes_oaep};
use super::device_key::{DeviceKey, DeviceKeyId, Key, WRAPPED_KEY, wrap};
use super::institution::{Institution, PublicKey};
use super::tlv::{BIT_STRING, Element, INTEGER, OCTET_STRING, Reader, SEQUENCE, constructed, element};
use crate::clock::{Randomness, RandomnessUnavailable};
use crate::error::SealError;

const TRANSPORT: u8 = SEQUENCE;
const AGREEMENT: u8 = constructed(1);
const DEVICE: u8 = constructed(2);

/// The curves of key agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    P256,
    P384,
}

impl Curve {
    fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
        }
    }

    /// `dhSinglePass-stdDH-sha256kdf` or `-sha384kdf` (RFC 5753 7.1.4), wrapping with AES-256.
    fn scheme(self) -> Vec<u8> {
        let scheme = match self {
            Self::P256 => &STD_DH_SHA256_KDF,
            Self::P384 => &STD_DH_SHA384_KDF,
        };
        algorithm(scheme, &aes256_wrap())
    }

    /// An uncompressed point, in bytes.
    pub(super) fn point_length(self) -> usize {
        match self {
            Self::P256 => 65,
            Self::P384 => 97,
        }
    }

    /// The key that wraps the content key, from the secret both sides agree on: one round of ANSI X9.63's function (SEC 1
    /// 3.6.1) over ECC-CMS-SharedInfo (RFC 5753 7.2).
    pub(super) fn wrapping_key(self, shared_secret: &[u8]) -> Key {
        let hash = match self {
            Self::P256 => &digest::SHA256,
            Self::P384 => &digest::SHA384,
        };
        let bits = element(OCTET_STRING, &[&256_u32.to_be_bytes()]);
        let info = element(SEQUENCE, &[&aes256_wrap(), &element(constructed(2), &[&bits])]);
        let mut context = digest::Context::new(hash);
        context.update(shared_secret);
        context.update(&1_u32.to_be_bytes());
        context.update(&info);
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&context.finish().as_ref()[..32]);
        key
    }
}

/// KEKRecipientInfo (RFC 5652 6.2.3).
pub(super) fn device(key: &DeviceKey, content_key: &Key) -> Vec<u8> {
    let id = element(SEQUENCE, &[&element(OCTET_STRING, &[key.id().as_bytes()])]);
    let wrapped = element(OCTET_STRING, &[&key.wrap(content_key)]);
    element(DEVICE, &[&version(4), &id, &aes256_wrap(), &wrapped])
}

/// KeyAgreeRecipientInfo (RFC 5652 6.2.2, RFC 5753 3.1) or KeyTransRecipientInfo (RFC 5652 6.2.1), as the certificate's key is.
pub(super) fn institution(
    institution: &Institution,
    content_key: &Key,
    randomness: &dyn Randomness,
) -> Result<Vec<u8>, SealError> {
    let identifier = institution.identifier();
    match institution.public_key() {
        PublicKey::Ec(curve, point) => {
            let ephemeral = EphemeralPrivateKey::generate(curve.agreement(), &SystemRandom::new())
                .map_err(|_| SealError::NoRandomness)?;
            let ephemeral_point = ephemeral.compute_public_key().map_err(|_| SealError::NoRandomness)?;
            let wrapped = agree(*curve, ephemeral, point, |secret| wrap(&curve.wrapping_key(secret), content_key))?;
            let public_key = element(BIT_STRING, &[&[0], ephemeral_point.as_ref()]);
            let originator = element(constructed(1), &[&algorithm(&EC_PUBLIC_KEY, &[]), &public_key]);
            let originator = element(constructed(0), &[&originator]);
            let encrypted = element(SEQUENCE, &[identifier, &element(OCTET_STRING, &[&wrapped])]);
            let encrypted = element(SEQUENCE, &[&encrypted]);
            Ok(element(AGREEMENT, &[&version(3), &originator, &curve.scheme(), &encrypted]))
        }
        PublicKey::Rsa(key) => {
            let encrypted = key
                .oaep_encrypt_with_rng::<rsa::sha2::Sha256, _>(&mut Rng(randomness), &content_key[..])
                .map_err(|_| SealError::NoRandomness)?;
            let encrypted = element(OCTET_STRING, &[&encrypted]);
            Ok(element(TRANSPORT, &[&version(0), identifier, &rsaes_oaep(), &encrypted]))
        }
    }
}

/// Is this a point of the curve, to which a key can be agreed?
pub(super) fn is_point(curve: Curve, point: &[u8]) -> Result<bool, SealError> {
    let ephemeral =
        EphemeralPrivateKey::generate(curve.agreement(), &SystemRandom::new()).map_err(|_| SealError::NoRandomness)?;
    Ok(agree(curve, ephemeral, point, |_| ()).is_ok())
}

fn agree<R>(
    curve: Curve,
    ephemeral: EphemeralPrivateKey,
    point: &[u8],
    with: impl FnOnce(&[u8]) -> R,
) -> Result<R, SealError> {
    agreement::agree_ephemeral(ephemeral, &UnparsedPublicKey::new(curve.agreement(), point), with)
        .map_err(|_| SealError::CertificateUnsupported("its key is not a point of its curve"))
}

/// A RecipientInfo that was read. Identifiers of certificates are their whole IssuerAndSerialNumber.
#[cfg_attr(not(feature = "unseal"), expect(dead_code, reason = "institutions are opened where items arrive"))]
pub(super) enum Info<'a> {
    Device { id: DeviceKeyId, wrapped: &'a [u8] },
    Agreement { curve: Curve, point: &'a [u8], identifier: &'a [u8], wrapped: &'a [u8] },
    Transport { identifier: &'a [u8], encrypted: &'a [u8] },
}

impl<'a> Info<'a> {
    pub(super) fn read(info: Element<'a>) -> Result<Self, SealError> {
        let mut fields = Reader::new(info.content);
        let info = match info.tag {
            DEVICE => {
                fields.mark(&version(4))?;
                let mut kekid = fields.inside(SEQUENCE)?;
                let id = kekid.content(OCTET_STRING)?.try_into().map_err(|_| SealError::Damaged)?;
                kekid.end()?;
                fields.mark(&aes256_wrap())?;
                Self::Device { id: DeviceKeyId(id), wrapped: wrapped(fields.content(OCTET_STRING)?)? }
            }
            AGREEMENT => {
                fields.mark(&version(3))?;
                let mut originator = fields.inside(constructed(0))?;
                let mut key = originator.inside(constructed(1))?;
                originator.end()?;
                key.mark(&algorithm(&EC_PUBLIC_KEY, &[]))?;
                let bits = key.content(BIT_STRING)?;
                key.end()?;
                let scheme = fields.any()?.whole;
                let curve = [Curve::P256, Curve::P384].into_iter().find(|curve| scheme == curve.scheme());
                let curve = curve.ok_or(SealError::UnknownVersion)?;
                let point = bits.strip_prefix(&[0]).filter(|point| point.len() == curve.point_length());
                let mut keys = fields.inside(SEQUENCE)?;
                let mut key = keys.inside(SEQUENCE)?;
                keys.end()?;
                let identifier = identifier(key.any()?)?;
                let wrapped = wrapped(key.content(OCTET_STRING)?)?;
                key.end()?;
                Self::Agreement { curve, point: point.ok_or(SealError::Damaged)?, identifier, wrapped }
            }
            TRANSPORT => {
                fields.mark(&version(0))?;
                let identifier = identifier(fields.any()?)?;
                fields.mark(&rsaes_oaep())?;
                Self::Transport { identifier, encrypted: fields.content(OCTET_STRING)? }
            }
            _ => return Err(SealError::UnknownVersion),
        };
        fields.end()?;
        Ok(info)
    }
}

fn wrapped(key: &[u8]) -> Result<&[u8], SealError> {
    if key.len() == WRAPPED_KEY { Ok(key) } else { Err(SealError::Damaged) }
}

fn identifier(element: Element<'_>) -> Result<&[u8], SealError> {
    if element.tag == SEQUENCE { Ok(element.whole) } else { Err(SealError::UnknownVersion) }
}

fn version(number: u8) -> [u8; 3] {
    [INTEGER, 1, number]
}

/// The port as the `rsa` crate asks for it.
pub(super) struct Rng<'a>(pub(super) &'a dyn Randomness);

impl rsa::rand_core::TryRng for Rng<'_> {
    type Error = RandomnessUnavailable;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(bytes)
    }
}

impl rsa::rand_core::TryCryptoRng for Rng<'_> {}
