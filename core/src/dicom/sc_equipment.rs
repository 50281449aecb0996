//! SC Equipment module (PS3.3 C.8.6.1): General Equipment is what took the picture, this is what made an object of it.

use dicom_dictionary_std::tags;

use super::value::Attributes;
use super::{OURSELVES, Provenance, VERSION};
use crate::error::DicomError;

pub(super) fn write(object: &mut Attributes, provenance: Provenance) -> Result<(), DicomError> {
    let conversion = match provenance {
        Provenance::Camera => "DI",
        Provenance::File => "WSD",
    };
    object.text(tags::CONVERSION_TYPE, conversion)?;
    object.text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, OURSELVES)?;
    object.text(tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER_MODEL_NAME, OURSELVES)?;
    object.text(tags::SECONDARY_CAPTURE_DEVICE_SOFTWARE_VERSIONS, VERSION)
}
