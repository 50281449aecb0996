//! What uploading needs to know about objects, told by `dicom`.

use crate::dicom::{self, Head};
use crate::seal::LARGEST_OBJECT;
use crate::upload::{Identity, NotReadable, Objects, Uids};

/// Knows the objects that [`super::Session`] makes.
#[derive(Debug, Clone, Copy, Default)]
pub struct DicomObjects;

impl Objects for DicomObjects {
    fn identify(&self, object: &[u8]) -> Result<Identity, NotReadable> {
        let head = Head::read(object).map_err(|_| NotReadable)?;
        let uids = Uids {
            sop_class_uid: head.sop_class.uid(),
            study_instance_uid: &head.study_instance_uid,
            series_instance_uid: &head.series_instance_uid,
            sop_instance_uid: &head.sop_instance_uid,
        };
        Identity::new(&uids, &head.patient_id, Some(&head.issuer_of_patient_id))
    }

    fn as_secondary_capture(&self, object: &[u8]) -> Option<Vec<u8>> {
        dicom::as_secondary_capture(object).ok()
    }

    /// `None`, too, when the outcome would be larger than any object that is sealed.
    fn in_explicit_vr(&self, object: &[u8]) -> Option<Vec<u8>> {
        let decoded = dicom::in_explicit_vr(object, LARGEST_OBJECT as u64).ok()?;
        (decoded.len() <= LARGEST_OBJECT).then_some(decoded)
    }
}
