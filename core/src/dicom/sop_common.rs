//! SOP Common module (PS3.3 C.12.1).

use dicom_dictionary_std::tags;

use super::time::{Times, date, offset, time};
use super::value::{Attributes, Code};
use super::{Capture, OURSELVES, VERSION};
use crate::error::DicomError;

const PROCESSING: Code = ("109102", "DCM", "Processing Equipment");

pub(super) fn write(object: &mut Attributes, capture: &Capture<'_>, times: &Times) -> Result<(), DicomError> {
    object.text(tags::SPECIFIC_CHARACTER_SET, "ISO_IR 192")?;
    object.text(tags::SOP_CLASS_UID, capture.view.sop_class.uid())?;
    object.text(tags::SOP_INSTANCE_UID, &capture.sop_instance_uid)?;
    object.text(tags::INSTANCE_CREATION_DATE, &date(times.creation))?;
    object.text(tags::INSTANCE_CREATION_TIME, &time(times.creation))?;
    if let Some(east) = times.offset {
        object.text(tags::TIMEZONE_OFFSET_FROM_UTC, &offset(east)?)?;
    }
    if capture.photos.iter().any(|photo| photo.derivation().is_some()) {
        let mut item = Attributes::new();
        item.codes(tags::PURPOSE_OF_REFERENCE_CODE_SEQUENCE, &[PROCESSING])?;
        item.text(tags::MANUFACTURER, OURSELVES)?;
        item.text(tags::MANUFACTURER_MODEL_NAME, OURSELVES)?;
        item.text(tags::SOFTWARE_VERSIONS, VERSION)?;
        object.items(tags::CONTRIBUTING_EQUIPMENT_SEQUENCE, [item])?;
    }
    Ok(())
}
