//! General Equipment and Enhanced General Equipment modules (PS3.3 C.7.5.1, C.7.5.2): the camera.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::tags;

use super::value::{Attributes, fits, keyword};
use super::{Capture, OURSELVES, SopClass, VERSION};
use crate::error::DicomError;

pub(super) fn write(object: &mut Attributes, capture: &Capture<'_>) -> Result<(), DicomError> {
    let (device, facts) = (capture.device, capture.first()?.facts());
    let needed = capture.view.sop_class == SopClass::Dermoscopic;
    let mut one = |tag: Tag, exif: Option<&String>, given: &str| match (from_exif(exif).unwrap_or(given), needed) {
        ("", true) => Err(DicomError::Missing(keyword(tag))),
        ("", false) if tag == tags::MANUFACTURER => object.empty(tag),
        ("", false) => Ok(()),
        (value, _) => object.text(tag, value),
    };
    one(tags::MANUFACTURER, facts.make.as_ref(), &device.manufacturer)?;
    one(tags::MANUFACTURER_MODEL_NAME, facts.model.as_ref(), &device.manufacturer_model_name)?;
    one(tags::DEVICE_SERIAL_NUMBER, None, &device.device_serial_number)?;

    let ours = format!("{OURSELVES} {VERSION}");
    let given = device.software_versions.iter().map(String::as_str).filter(|version| !version.is_empty());
    let mut versions: Vec<_> = from_exif(facts.software.as_ref()).into_iter().chain(given).collect();
    versions.push(&ours);
    versions.dedup();
    object.texts(tags::SOFTWARE_VERSIONS, &versions)?;
    object.known(tags::INSTITUTION_NAME, capture.encounter.institution_name.as_ref())?;
    object.known(tags::INSTITUTIONAL_DEPARTMENT_NAME, capture.encounter.institutional_department_name.as_ref())
}

/// A camera's word, when it can be written: EXIF never fails a photo.
fn from_exif(fact: Option<&String>) -> Option<&str> {
    fact.map(String::as_str).filter(|text| !text.trim().is_empty() && fits(VR::LO, text))
}
