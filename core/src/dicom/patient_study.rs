//! Patient Study module (PS3.3 C.7.2.2): the visit.

use dicom_dictionary_std::tags;

use super::patient::issued;
use super::value::Attributes;
use crate::error::DicomError;
use crate::patient::Encounter;

pub(super) fn write(object: &mut Attributes, encounter: &Encounter) -> Result<(), DicomError> {
    if let Some(id) = &encounter.admission_id {
        issued(object, (tags::ADMISSION_ID, tags::ISSUER_OF_ADMISSION_ID_SEQUENCE), id)?;
    }
    if let Some(id) = &encounter.service_episode_id {
        issued(object, (tags::SERVICE_EPISODE_ID, tags::ISSUER_OF_SERVICE_EPISODE_ID_SEQUENCE), id)?;
    }
    object.known(tags::REASON_FOR_VISIT, encounter.reason_for_visit.as_ref())?;
    object.concepts(tags::REASON_FOR_VISIT_CODE_SEQUENCE, &encounter.reason_for_visit_codes)
}
