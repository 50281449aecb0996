//! The fallback for an archive that refuses the visible light classes: the same photo as a Secondary Capture Image (PS3.3 A.8.1).

use dicom_core::Tag;
use dicom_dictionary_std::tags;

use super::dataset::Dataset;
use super::rewrite::Rewrite;
use super::{OURSELVES, SopClass};
use crate::error::DicomError;

const PURPOSE: &str = "as-secondary-capture";

/// An object of ours, VL Photographic or Dermoscopic, as a Secondary Capture Image. The same object always gives the same
/// bytes, in every version of this library.
///
/// **New:** SOPClassUID, SOPInstanceUID and SeriesInstanceUID (a series has one class), both UIDs derived from the old ones;
/// ConversionType and the Secondary Capture Device attributes. ConversionType is DI when the photo was taken in the session
/// that made the object (AcquisitionDateTime is InstanceCreationDate and Time), else WSD.
///
/// **Dropped**, for this class has no place for it: the exposure and the lens (all of group 0016), the dermatoscope, and
/// AcquisitionContextSequence; with that the lesion's name, when the object was made without TrackingID and TrackingUID.
///
/// **Stays**, byte for byte: everything else. That is the patient, study and visit, the site, the equipment, all times, the
/// pixels and their history, and Modality, which tells the source (PS3.3 C.8.6.1).
///
/// # Errors
/// [`DicomError::Unreadable`] for what is no Part 10 file of ours; [`DicomError::Unwritable`] for another class than the two;
/// [`DicomError::Broken`] when the outcome breaks its IOD, as it does for objects that others made.
pub fn as_secondary_capture(object: &[u8]) -> Result<Vec<u8>, DicomError> {
    let mut capture = Rewrite::of(object)?;
    let data = &capture.source.data;
    if !SopClass::from_uid(data.text(tags::SOP_CLASS_UID)).is_some_and(SopClass::is_visible_light) {
        return Err(DicomError::Unwritable("SOPClassUID"));
    }
    let conversion = if is_from_the_session(data) { "DI" } else { "WSD" };
    // Of the version that made the object: this one may be another.
    let ours =
        data.texts(tags::SOFTWARE_VERSIONS).into_iter().rev().find_map(|version| version.strip_prefix(OURSELVES));
    let version = ours.map(str::trim).ok_or(DicomError::Missing("SoftwareVersions"))?;
    capture.drop(|Tag(group, element)| group == 0x0016 || Tag(group, element) == tags::ACQUISITION_CONTEXT_SEQUENCE);
    for (tag, value) in [
        (tags::MEDIA_STORAGE_SOP_CLASS_UID, SopClass::SecondaryCapture.uid()),
        (tags::SOP_CLASS_UID, SopClass::SecondaryCapture.uid()),
        (tags::CONVERSION_TYPE, conversion),
        (tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER, OURSELVES),
        (tags::SECONDARY_CAPTURE_DEVICE_MANUFACTURER_MODEL_NAME, OURSELVES),
        (tags::SECONDARY_CAPTURE_DEVICE_SOFTWARE_VERSIONS, version),
    ] {
        capture.put(tag, value.as_bytes())?;
    }
    capture.derive(tags::SOP_INSTANCE_UID, PURPOSE)?;
    capture.derive(tags::SERIES_INSTANCE_UID, PURPOSE)?;
    capture.finish()
}

/// See [`super::Provenance`]: only of a photo from the shutter is the session's moment the time of the picture.
fn is_from_the_session(data: &Dataset<'_>) -> bool {
    let created = [tags::INSTANCE_CREATION_DATE, tags::INSTANCE_CREATION_TIME].map(|tag| data.text(tag)).concat();
    let zone = data.text(tags::TIMEZONE_OFFSET_FROM_UTC);
    !zone.is_empty() && data.text(tags::ACQUISITION_DATE_TIME) == created + zone
}
