//! ICC Profile module (PS3.3 C.11.15). ColorSpace only where a defined term fits the primaries: Display P3 has none.

use dicom_dictionary_std::tags;

use super::value::Attributes;
use crate::error::DicomError;
use crate::photo::{Colour, PreparedPhoto, Primaries};

/// One profile for all frames: left out when they differ, and for grey pictures, which an RGB profile does not describe.
pub(super) fn write(object: &mut Attributes, photos: &[PreparedPhoto]) -> Result<(), DicomError> {
    let Some((first, others)) = photos.split_first() else { return Ok(()) };
    let Some(profile) = first.icc().filter(|_| first.colour() == Colour::YCbCr) else { return Ok(()) };
    if others.iter().any(|photo| photo.icc() != Some(profile)) {
        return Ok(());
    }
    object.bytes(tags::ICC_PROFILE, profile.bytes())?;
    match profile.primaries() {
        Primaries::Srgb => object.text(tags::COLOR_SPACE, "SRGB"),
        Primaries::AdobeRgb => object.text(tags::COLOR_SPACE, "ADOBERGB"),
        Primaries::DisplayP3 | Primaries::Other => Ok(()),
    }
}
