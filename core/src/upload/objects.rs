//! The port through which objects are looked at: this stage reads no DICOM.

/// Knows the objects that are stored.
pub trait Objects: Send + Sync {
    /// Which instance of whom an object is.
    ///
    /// # Errors
    /// [`NotReadable`] when it is no object that can be stored.
    fn identify(&self, object: &[u8]) -> Result<Identity, NotReadable>;

    /// The same photo of the same patient, study and time as a Secondary Capture Image, for an archive that refuses its SOP class; `None` when
    /// it is one, or cannot become one. The same object always gives the same bytes, with a SOP Instance UID of their own.
    fn as_secondary_capture(&self, object: &[u8]) -> Option<Vec<u8>>;

    /// The same in Explicit VR Little Endian, for an archive that refuses its transfer syntax; `None` when it has it. The same object always
    /// gives the same bytes, with a SOP Instance UID of their own.
    fn in_explicit_vr(&self, object: &[u8]) -> Option<Vec<u8>>;
}

/// What was opened is no object that can be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an object that can be stored")]
pub struct NotReadable;

/// Which instance an object is, and of whom. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub(super) sop_class_uid: String,
    pub(super) sop_instance_uid: String,
    pub(super) study_instance_uid: String,
    pub(super) series_instance_uid: String,
    pub(super) patient_id: String,
    pub(super) issuer_of_patient_id: Option<String>,
}

/// UIDs of an instance (PS3.3 C.12.1, C.7.2.1, C.7.3.1), in the order in which a URL has them.
pub struct Uids<'a> {
    /// SOPClassUID (0008,0016).
    pub sop_class_uid: &'a str,
    /// StudyInstanceUID (0020,000D).
    pub study_instance_uid: &'a str,
    /// SeriesInstanceUID (0020,000E).
    pub series_instance_uid: &'a str,
    /// SOPInstanceUID (0008,0018).
    pub sop_instance_uid: &'a str,
}

impl Identity {
    /// From the object's attributes. `patient_id` is PatientID (0010,0020), `issuer_of_patient_id` IssuerOfPatientID (0010,0021).
    ///
    /// # Errors
    /// [`NotReadable`] when a UID is not 1 to 64 digits and dots, or the patient's ID is empty.
    pub fn new(uids: &Uids<'_>, patient_id: &str, issuer_of_patient_id: Option<&str>) -> Result<Self, NotReadable> {
        let uid = |value: &str| {
            let value = value.trim_end_matches('\0');
            let valid = (1..=64).contains(&value.len()) && value.bytes().all(|c| c.is_ascii_digit() || c == b'.');
            valid.then(|| value.to_owned()).ok_or(NotReadable)
        };
        let text = |value: &str| value.trim_matches(' ').to_owned();
        Ok(Self {
            sop_class_uid: uid(uids.sop_class_uid)?,
            study_instance_uid: uid(uids.study_instance_uid)?,
            series_instance_uid: uid(uids.series_instance_uid)?,
            sop_instance_uid: uid(uids.sop_instance_uid)?,
            patient_id: Some(text(patient_id)).filter(|id| !id.is_empty()).ok_or(NotReadable)?,
            issuer_of_patient_id: issuer_of_patient_id.map(text).filter(|issuer| !issuer.is_empty()),
        })
    }

    /// Another form of the same photo: another instance of the same patient in the same study.
    pub(super) fn may_replace(&self, other: &Self) -> bool {
        let whose = |of: &Self| (of.patient_id.clone(), of.issuer_of_patient_id.clone(), of.study_instance_uid.clone());
        whose(self) == whose(other) && self.sop_instance_uid != other.sop_instance_uid
    }
}
