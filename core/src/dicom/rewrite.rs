//! Another object of an object's own bytes: what is not changed stays byte for byte, so the outcome never depends on who writes.

use std::collections::BTreeMap;

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;
use ring::digest;

use super::check;
use super::dataset::{Dataset, File, has_long_length};
use super::value::vr;
use crate::error::DicomError;

/// The elements of an object of ours, group 0002 among them, each encoded.
pub(super) struct Rewrite<'a> {
    pub(super) source: File<'a>,
    elements: BTreeMap<Tag, std::borrow::Cow<'a, [u8]>>,
}

impl<'a> Rewrite<'a> {
    pub(super) fn of(object: &'a [u8]) -> Result<Self, DicomError> {
        let source = File::read(object).map_err(|_| DicomError::Unreadable)?;
        let of = |data: &Dataset<'a>| -> Vec<_> { data.elements().iter().map(|e| (e.tag, e.whole.into())).collect() };
        let elements = of(&source.meta).into_iter().chain(of(&source.data)).collect();
        Ok(Self { source, elements })
    }

    /// Replaces or adds an element, padded to an even length.
    pub(super) fn put(&mut self, tag: Tag, value: &[u8]) -> Result<(), DicomError> {
        // The dictionary gives PixelData two VRs; 8 bit pixels are OB here.
        let vr = vr(tag).unwrap_or(VR::OB);
        self.elements.insert(tag, encoded(tag, vr, value)?.into());
        Ok(())
    }

    /// Leaves out the elements that are named.
    pub(super) fn drop(&mut self, named: impl Fn(Tag) -> bool) {
        self.elements.retain(|tag, _| !named(*tag));
    }

    /// A UID of the object's own, in place of another that always gives the same one.
    pub(super) fn derive(&mut self, tag: Tag, purpose: &str) -> Result<(), DicomError> {
        let derived = derived_uid(purpose, self.source.data.text(tag));
        if tag == tags::SOP_INSTANCE_UID {
            self.put(tags::MEDIA_STORAGE_SOP_INSTANCE_UID, derived.as_bytes())?;
        }
        self.put(tag, derived.as_bytes())
    }

    /// The file, when it passes the check that all objects of ours pass.
    pub(super) fn finish(mut self) -> Result<Vec<u8>, DicomError> {
        let length = |elements: &BTreeMap<Tag, std::borrow::Cow<'_, [u8]>>, meta: bool| -> usize {
            let of = |(tag, bytes): (&Tag, &std::borrow::Cow<'_, [u8]>)| {
                if (tag.0 == 2) == meta && *tag != tags::FILE_META_INFORMATION_GROUP_LENGTH { bytes.len() } else { 0 }
            };
            elements.iter().map(of).sum()
        };
        let meta = u32::try_from(length(&self.elements, true)).map_err(|_| TOO_LONG)?;
        self.put(tags::FILE_META_INFORMATION_GROUP_LENGTH, &meta.to_le_bytes())?;
        let mut file = Vec::new();
        let size = 256usize.saturating_add(meta as usize).saturating_add(length(&self.elements, false));
        file.try_reserve_exact(size).map_err(|_| TOO_LONG)?;
        file.resize(128, 0);
        file.extend_from_slice(b"DICM");
        self.elements.values().for_each(|element| file.extend_from_slice(element));
        check::own(&file)?;
        Ok(file)
    }
}

const TOO_LONG: DicomError = DicomError::Unwritable("File");

fn encoded(tag: Tag, vr: VR, value: &[u8]) -> Result<Vec<u8>, DicomError> {
    let length = u32::try_from(value.len().next_multiple_of(2)).map_err(|_| TOO_LONG)?;
    let mut element = [tag.0.to_le_bytes(), tag.1.to_le_bytes(), vr.to_bytes()].concat();
    if has_long_length(vr) {
        element.extend([0, 0]);
        element.extend(length.to_le_bytes());
    } else {
        element.extend(u16::try_from(length).map_err(|_| TOO_LONG)?.to_le_bytes());
    }
    element.try_reserve_exact(length as usize).map_err(|_| TOO_LONG)?;
    element.extend_from_slice(value);
    if value.len() % 2 == 1 {
        element.push(if matches!(vr, VR::UI | VR::OB) { 0 } else { b' ' });
    }
    Ok(element)
}

/// `2.25.` and a UUID of version 8 (RFC 9562) that SHA-256 makes of the other UID and of what the new one is for. Never changes.
fn derived_uid(purpose: &str, uid: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("moulage {purpose} {uid}").as_bytes());
    let half = digest.as_ref().first_chunk().copied().unwrap_or_default();
    format!("2.25.{}", uuid::Builder::from_custom_bytes(half).into_uuid().as_u128())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_uid_stays_what_it_is() {
        // By Python: int.from_bytes(sha256(b'moulage as-secondary-capture 2.25.1').digest()[:16]) with version 8, variant 10.
        assert_eq!(derived_uid("as-secondary-capture", "2.25.1"), "2.25.320123494020039242990557021242738344719");
        assert_eq!(derived_uid("in-explicit-vr", "2.25.1"), "2.25.187766037233251411528462924922031149898");
    }

    #[test]
    fn elements_are_padded_as_their_vr_wants_it() {
        let of = |tag, vr, value: &[u8]| encoded(tag, vr, value).unwrap();
        assert_eq!(of(tags::MODALITY, VR::CS, b"XCX"), b"\x08\0\x60\0CS\x04\0XCX ");
        assert_eq!(of(tags::SOP_CLASS_UID, VR::UI, b"1.2"), b"\x08\0\x16\0UI\x04\x001.2\0");
        assert_eq!(of(tags::PIXEL_DATA, VR::OB, b"\x07"), b"\xE0\x7F\x10\0OB\0\0\x02\0\0\0\x07\0");
        assert_eq!(encoded(tags::MODALITY, VR::CS, &[b'X'; 65_536]).err(), Some(TOO_LONG));
    }
}
