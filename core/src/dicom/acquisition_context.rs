//! Acquisition Context module (PS3.3 C.7.6.14), and the lesion that is followed.
//!
//! TrackingID and TrackingUID belong to the Dermoscopic Image module. A VL Photographic object tells the lesion in its
//! acquisition context, where text is allowed but no UID; the pair is added as an extension unless that is switched off.

use dicom_dictionary_std::tags;

use super::value::{Attributes, Code};
use super::{SopClass, View};
use crate::error::DicomError;
use crate::patient::Lesion;

const TRACKING_IDENTIFIER: Code = ("112039", "DCM", "Tracking Identifier");

pub(super) fn write(object: &mut Attributes, view: &View) -> Result<(), DicomError> {
    if view.sop_class.is_visible_light() {
        let told = view.lesion.as_ref().filter(|_| view.sop_class == SopClass::VlPhotographic);
        let items: Result<Vec<_>, _> = told.into_iter().map(context_item).collect();
        object.items(tags::ACQUISITION_CONTEXT_SEQUENCE, items?)?;
    }
    match &view.lesion {
        Some(lesion) if view.tracking_everywhere || view.sop_class == SopClass::Dermoscopic => {
            object.text(tags::TRACKING_ID, lesion.tracking_id.expose())?;
            object.text(tags::TRACKING_UID, lesion.tracking_uid.expose())
        }
        _ => Ok(()),
    }
}

fn context_item(lesion: &Lesion) -> Result<Attributes, DicomError> {
    let mut item = Attributes::new();
    item.text(tags::VALUE_TYPE, "TEXT")?;
    item.codes(tags::CONCEPT_NAME_CODE_SEQUENCE, &[TRACKING_IDENTIFIER])?;
    item.text(tags::TEXT_VALUE, lesion.tracking_id.expose())?;
    Ok(item)
}
