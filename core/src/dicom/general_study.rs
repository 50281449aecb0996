//! General Study module (PS3.3 C.7.2.1).

use dicom_dictionary_std::tags;

use super::Capture;
use super::patient::issued;
use super::time::{Times, date, time};
use super::value::Attributes;
use crate::error::DicomError;

const ACCESSION: (dicom_core::Tag, dicom_core::Tag) =
    (tags::ACCESSION_NUMBER, tags::ISSUER_OF_ACCESSION_NUMBER_SEQUENCE);

pub(super) fn write(object: &mut Attributes, capture: &Capture<'_>, times: &Times) -> Result<(), DicomError> {
    let encounter = capture.encounter;
    object.text(tags::STUDY_INSTANCE_UID, capture.study_instance_uid)?;
    object.text(tags::STUDY_DATE, &date(times.study))?;
    object.text(tags::STUDY_TIME, &time(times.study))?;
    object.known_or_empty(tags::REFERRING_PHYSICIAN_NAME, encounter.referring_physician_name.as_ref())?;
    object.known_or_empty(tags::STUDY_ID, encounter.study_id.as_ref())?;
    object.known(tags::STUDY_DESCRIPTION, encounter.study_description.as_ref())?;
    match &encounter.accession_number {
        Some(number) => issued(object, ACCESSION, number)?,
        None => object.empty(tags::ACCESSION_NUMBER)?,
    }
    // The order's numbers are not of this IOD (a Standard Extended SOP Class), but this is where archives look for them.
    if let Some(order) = &encounter.order {
        object.known(tags::PLACER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST, order.placer_order_number.as_ref())?;
        object.known(tags::FILLER_ORDER_NUMBER_IMAGING_SERVICE_REQUEST, order.filler_order_number.as_ref())?;
    }
    Ok(())
}
