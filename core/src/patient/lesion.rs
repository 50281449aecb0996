//! The same lesion or wound over many visits.

use super::value::{LT, Private, paragraphs, uid};
use crate::error::PatientError;

/// TrackingID and TrackingUID (0062,0020 and 0062,0021): written together, so known together. Cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Lesion {
    /// TrackingID, UT.
    pub(crate) tracking_id: Private<String>,
    /// TrackingUID, UI.
    pub(crate) tracking_uid: Private<String>,
}

impl Lesion {
    /// A label for people, and the UID that stays the same over all visits: from an earlier visit, or freshly minted.
    ///
    /// # Errors
    /// [`PatientError::Missing`] when either is empty; [`PatientError::Invalid`] when it breaks its VR.
    pub fn new(tracking_id: &str, tracking_uid: &str) -> Result<Self, PatientError> {
        Ok(Self {
            tracking_id: paragraphs("TrackingID", LT, tracking_id)?.ok_or(PatientError::Missing("TrackingID"))?,
            tracking_uid: uid("TrackingUID", tracking_uid)?.ok_or(PatientError::Missing("TrackingUID"))?,
        })
    }
}
