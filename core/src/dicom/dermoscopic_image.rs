//! Dermoscopic Image module (PS3.3 C.8.12.13): the dermatoscope.

use dicom_dictionary_std::tags;

use super::value::Attributes;
use super::{ContactMethod, Dermoscopy, Polarization};
use crate::error::DicomError;

pub(super) fn write(object: &mut Attributes, dermoscopy: &Dermoscopy) -> Result<(), DicomError> {
    match dermoscopy.light_source_polarization {
        Some(Polarization::Polarized) => object.text(tags::LIGHT_SOURCE_POLARIZATION, "POLARIZED")?,
        Some(Polarization::NonPolarized) => object.text(tags::LIGHT_SOURCE_POLARIZATION, "NON_POLARIZED")?,
        None => object.empty(tags::LIGHT_SOURCE_POLARIZATION)?,
    }
    match dermoscopy.emitter_color_temperature {
        Some(kelvin) => object.decimals(tags::EMITTER_COLOR_TEMPERATURE, &[kelvin.into()])?,
        None => object.empty(tags::EMITTER_COLOR_TEMPERATURE)?,
    }
    match &dermoscopy.contact_method {
        Some(ContactMethod::Contact(media)) if media.is_empty() => return Err(DicomError::Missing("ImmersionMedia")),
        Some(ContactMethod::Contact(media)) => {
            let media: Vec<_> = media.iter().map(|medium| medium.code()).collect();
            object.text(tags::CONTACT_METHOD, "CONTACT")?;
            object.texts(tags::IMMERSION_MEDIA, &media)?;
        }
        Some(ContactMethod::NonContact) => object.text(tags::CONTACT_METHOD, "NON_CONTACT")?,
        None => object.empty(tags::CONTACT_METHOD)?,
    }
    match dermoscopy.optical_magnification_factor {
        Some(factor) => object.decimals(tags::OPTICAL_MAGNIFICATION_FACTOR, &[factor]),
        None => object.empty(tags::OPTICAL_MAGNIFICATION_FACTOR),
    }
}
