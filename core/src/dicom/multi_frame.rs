//! Multi-frame and SC Multi-frame Vector modules (PS3.3 C.7.6.6, C.8.6.4): frames are exposures, labelled 1 to n.

use dicom_dictionary_std::tags;

use super::value::Attributes;
use crate::error::DicomError;

pub(super) fn write(object: &mut Attributes, frames: usize) -> Result<(), DicomError> {
    let frames = u32::try_from(frames).map_err(|_| DicomError::Frames("there are too many"))?;
    object.integer(tags::NUMBER_OF_FRAMES, frames)?;
    object.pointer(tags::FRAME_INCREMENT_POINTER, tags::FRAME_LABEL_VECTOR)?;
    let labels: Vec<_> = (1..=frames).map(|frame| frame.to_string()).collect();
    object.texts(tags::FRAME_LABEL_VECTOR, &labels)
}
