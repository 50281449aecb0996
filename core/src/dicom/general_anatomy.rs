//! General Anatomy macro (PS3.3 10.5): exactly one region; where its code names a bone or a part of the body, Skin as well.

use dicom_dictionary_std::tags;

use super::value::{Attributes, Code, concept};
use crate::error::DicomError;
use crate::patient::AnatomicSite;

const SKIN: Code = ("39937001", "SCT", "Skin");

pub(super) fn write(object: &mut Attributes, site: &AnatomicSite) -> Result<(), DicomError> {
    let mut region = concept(&site.region)?;
    region.concepts(tags::ANATOMIC_REGION_MODIFIER_SEQUENCE, &site.modifiers)?;
    object.items(tags::ANATOMIC_REGION_SEQUENCE, [region])?;
    if site.primary_skin {
        object.codes(tags::PRIMARY_ANATOMIC_STRUCTURE_SEQUENCE, &[SKIN])?;
    }
    Ok(())
}
