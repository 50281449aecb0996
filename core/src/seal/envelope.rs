//! AuthEnvelopedData (RFC 5083 2.1) around one content: nothing of it can change unnoticed.
//!
//! GCM authenticates content and nonce. The nonce is a digest of all RecipientInfos, so they are bound, too; every other
//! byte is fixed. A nonce need not be random here: no key is used twice.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use zeroize::Zeroizing;

use super::algorithm::{AUTH_ENVELOPED_DATA, DATA, aes256_gcm, identifier};
use super::device_key::Key;
use super::recipient::Info;
use super::tlv::{self, OCTET_STRING, Reader, SEQUENCE, SET, constructed, primitive};
use super::{LARGEST_SEALED, MOST_INSTITUTIONS};
use crate::error::SealError;

const VERSION: &[u8] = &[tlv::INTEGER, 1, 0];
const TAG: usize = 16;

/// The whole item, in one allocation: the parts of the content are encrypted where they are put, and nowhere else.
pub(super) fn write(recipients: Vec<Vec<u8>>, content: &[&[u8]], key: &Key) -> Vec<u8> {
    let recipients = tlv::set_of(SET, recipients);
    let nonce = nonce(&recipients);
    let length = content.iter().map(|part| part.len()).sum();
    let tag_header = tlv::header(OCTET_STRING, TAG);
    let follows = length + tag_header.len() + TAG;
    let encrypted = [&identifier(&DATA)[..], &aes256_gcm(&nonce), &tlv::header(primitive(0), length)];
    let encrypted = tlv::opening(SEQUENCE, &encrypted, length);
    let data = tlv::opening(SEQUENCE, &[VERSION, &recipients, &encrypted], follows);
    let wrapper = tlv::opening(constructed(0), &[&data], follows);
    let info = tlv::opening(SEQUENCE, &[&identifier(&AUTH_ENVELOPED_DATA), &wrapper], follows);

    let mut sealed = Vec::with_capacity(info.len() + follows);
    sealed.extend_from_slice(&info);
    content.iter().for_each(|part| sealed.extend_from_slice(part));
    let tag = cipher(key)
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed[info.len()..])
        .expect("far below the 64 GiB that GCM encrypts");
    sealed.extend_from_slice(&tag_header);
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// An item that was read, its content still encrypted.
pub(super) struct Envelope<'a> {
    pub(super) recipients: Vec<Info<'a>>,
    nonce: [u8; 12],
    content: &'a [u8],
    tag: &'a [u8],
}

/// Reads an item: its first byte to its last, in the one form that [`write`] gives it.
pub(super) fn read(sealed: &[u8]) -> Result<Envelope<'_>, SealError> {
    let Start { recipients, nonce, mut encrypted, mut data } = start(sealed, sealed.len())?;
    let content = encrypted.content(primitive(0))?;
    encrypted.end()?;
    absent(data, constructed(1))?;
    let tag = data.content(OCTET_STRING)?;
    absent(data, constructed(2))?;
    data.end()?;
    if tag.len() != TAG {
        return Err(SealError::Damaged);
    }
    Ok(Envelope { recipients, nonce, content, tag })
}

/// For whom an item of `length` bytes is, from its start: all that comes before the content.
pub(super) fn read_recipients(sealed: &[u8], length: usize) -> Result<Vec<Info<'_>>, SealError> {
    let Start { recipients, mut encrypted, data, .. } = start(sealed, length)?;
    encrypted.inside(primitive(0))?;
    encrypted.end()?;
    let follows = tlv::header(OCTET_STRING, TAG).len() + TAG;
    if data.length() == follows { Ok(recipients) } else { Err(SealError::Damaged) }
}

/// What comes before the content.
struct Start<'a> {
    recipients: Vec<Info<'a>>,
    nonce: [u8; 12],
    /// The content is next in it.
    encrypted: Reader<'a>,
    /// What follows the content.
    data: Reader<'a>,
}

/// Reads the start of an item of `length` bytes, as far as its content.
fn start(sealed: &[u8], length: usize) -> Result<Start<'_>, SealError> {
    if length > LARGEST_SEALED {
        return Err(SealError::TooLarge { maximum: LARGEST_SEALED as u64 });
    }
    if sealed.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(SealError::Damaged);
    }
    if length < tlv::extent(sealed)?.1 {
        return Err(SealError::Truncated);
    }
    let mut whole = Reader::start(sealed, length.saturating_sub(sealed.len()));
    let mut info = whole.inside(SEQUENCE)?;
    whole.end()?;
    info.mark(&identifier(&AUTH_ENVELOPED_DATA))?;
    let mut wrapper = info.inside(constructed(0))?;
    info.end()?;
    let mut data = wrapper.inside(SEQUENCE)?;
    wrapper.end()?;

    data.mark(VERSION)?;
    // originatorInfo, and below authAttrs and unauthAttrs: fields of CMS that this version does not use.
    absent(data, constructed(0))?;
    let recipients = data.any()?;
    if recipients.tag != SET {
        return Err(SealError::Damaged);
    }
    let nonce = nonce(recipients.whole);
    let mut encrypted = data.inside(SEQUENCE)?;
    encrypted.mark(&identifier(&DATA))?;
    let algorithm = encrypted.any()?.whole;
    let expected = aes256_gcm(&nonce);
    if algorithm != expected {
        // The same algorithm with another nonce: recipients or nonce were changed.
        let same = algorithm.len() == expected.len() && algorithm[..NONCE_AT] == expected[..NONCE_AT];
        return Err(if same { SealError::Damaged } else { SealError::UnknownVersion });
    }
    let recipients = infos(Reader::new(recipients.content))?;
    Ok(Start { recipients, nonce, encrypted, data })
}

impl Envelope<'_> {
    /// The content, if `key` is its key and nothing was changed.
    pub(super) fn decrypt(&self, key: &Key) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let mut content = Zeroizing::new(Vec::with_capacity(self.content.len() + TAG));
        content.extend_from_slice(self.content);
        content.extend_from_slice(self.tag);
        cipher(key)
            .open_in_place(Nonce::assume_unique_for_key(self.nonce), Aad::empty(), &mut content)
            .map_err(|_| SealError::Damaged)?;
        content.truncate(self.content.len());
        Ok(content)
    }
}

/// Where the nonce starts in [`aes256_gcm`].
const NONCE_AT: usize = 17;

fn nonce(recipients: &[u8]) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&digest(&SHA256, recipients).as_ref()[..12]);
    nonce
}

fn cipher(key: &Key) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key[..]).expect("a key of 32 bytes"))
}

fn absent(reader: Reader<'_>, tag: u8) -> Result<(), SealError> {
    if reader.peek() == Some(tag) { Err(SealError::UnknownVersion) } else { Ok(()) }
}

/// At least one, and no more than are ever written; one of the device at most.
fn infos(mut reader: Reader<'_>) -> Result<Vec<Info<'_>>, SealError> {
    let mut infos = Vec::new();
    while !reader.is_empty() {
        if infos.len() > MOST_INSTITUTIONS {
            return Err(SealError::Damaged);
        }
        infos.push(Info::read(reader.any()?)?);
    }
    let devices = infos.iter().filter(|info| matches!(info, Info::Device { .. })).count();
    if infos.is_empty() || devices > 1 { Err(SealError::Damaged) } else { Ok(infos) }
}
