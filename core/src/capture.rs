//! The one use case: a session (patient + encounter, frozen) turns prepared photos into objects.
//!
//! ```
//! # use std::sync::Arc;
//! # use moulage::patient::{Encounter, Laterality, Patient, SiteList};
//! # use moulage::{CaptureError, Device, Session, View, clock, photo::PreparedPhoto};
//! fn left_heel(photo: &PreparedPhoto, clock: Arc<dyn clock::Clock>) -> Result<Vec<u8>, CaptureError> {
//!     let patient = Patient::new("0815", "City Hospital")?.patient_name("Muster^Erika")?;
//!     let device = Device { device_serial_number: "installation 1".into(), ..Device::default() };
//!     let randomness = Arc::new(clock::SystemRandomness);
//!     let mut session = Session::begin(patient, Encounter::default(), device, clock, randomness)?;
//!     let site = SiteList::standard().site("heel")?.on(Laterality::Left)?;
//!     Ok(session.capture(photo, &View::of(site))?.into_bytes())
//! }
//! ```

mod audit_log;
mod custody;
mod objects;

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};

pub use crate::dicom::{Device, View};
pub use audit_log::{AuditLog, verify_audit};
pub use custody::{Captured, Custody, CustodySession};
pub use objects::DicomObjects;

use crate::clock::{Clock, Randomness};
use crate::dicom::{self, Instance, SopClass, uid};
use crate::error::CaptureError;
use crate::patient::{Encounter, Patient};
use crate::photo::{Colour, PreparedPhoto};

/// Patient and encounter, frozen: every object that it makes is theirs. Cannot be printed.
///
/// One study; one series for each class of object that is made. A UID is minted once, when the object is made.
pub struct Session {
    patient: Patient,
    encounter: Encounter,
    device: Device,
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    begun: DateTime<FixedOffset>,
    study_instance_uid: String,
    series: Vec<Series>,
}

#[derive(Clone)]
struct Series {
    sop_class: SopClass,
    uid: String,
    instances: u32,
}

impl Session {
    /// Begins now. The encounter's StudyInstanceUID is taken; without one a new study begins.
    ///
    /// # Errors
    /// [`CaptureError::Patient`] when patient and encounter were read from resources that say they belong to different
    /// people; [`CaptureError::Randomness`] when no UID can be minted.
    pub fn begin(
        patient: Patient,
        encounter: Encounter,
        device: Device,
        clock: Arc<dyn Clock>,
        randomness: Arc<dyn Randomness>,
    ) -> Result<Self, CaptureError> {
        encounter.belongs_to(&patient)?;
        let study_instance_uid = match &encounter.study_instance_uid {
            Some(given) => given.expose().clone(),
            None => uid::mint(&*randomness)?,
        };
        let begun = clock.now();
        Ok(Self { patient, encounter, device, clock, randomness, begun, study_instance_uid, series: Vec::new() })
    }

    /// StudyInstanceUID (0020,000D) of all objects of the session.
    #[must_use]
    pub fn study_instance_uid(&self) -> &str {
        &self.study_instance_uid
    }

    /// One photo, one object.
    ///
    /// # Errors
    /// [`CaptureError::Dicom`] when something that the class needs is missing, cannot be written, or breaks the IOD;
    /// [`CaptureError::Randomness`]. Nothing is counted then.
    pub fn capture(&mut self, photo: &PreparedPhoto, view: &View) -> Result<Instance, CaptureError> {
        self.capture_frames(std::slice::from_ref(photo), view)
    }

    /// Several exposures of one view, two or more, all of the same rows and columns, as one object of
    /// [`SopClass::MultiFrameTrueColorSc`]. Grey ones get neutral colour there (see [`PreparedPhoto::in_colour`]).
    ///
    /// # Errors
    /// As [`Session::capture`]; [`crate::DicomError::Frames`] for frames that cannot be one object;
    /// [`CaptureError::Photo`] when a grey stream cannot be read again, a bug of ours.
    pub fn capture_frames(&mut self, photos: &[PreparedPhoto], view: &View) -> Result<Instance, CaptureError> {
        let now = self.clock.now();
        let mut coloured = Vec::new();
        if view.sop_class == SopClass::MultiFrameTrueColorSc && photos.iter().any(|p| p.colour() == Colour::Grey) {
            coloured = photos.iter().map(PreparedPhoto::in_colour).collect::<Result<_, _>>()?;
        }
        let photos = if coloured.is_empty() { photos } else { &coloured };
        let begun = self.series.iter().position(|series| series.sop_class == view.sop_class);
        let mut series = match begun {
            Some(at) => self.series[at].clone(),
            None => Series { sop_class: view.sop_class, uid: uid::mint(&*self.randomness)?, instances: 0 },
        };
        series.instances += 1;
        let at = begun.unwrap_or(self.series.len());
        let instance = dicom::build(dicom::Capture {
            patient: &self.patient,
            encounter: &self.encounter,
            device: &self.device,
            view,
            photos,
            study_instance_uid: &self.study_instance_uid,
            series_instance_uid: &series.uid,
            series_number: at as u32 + 1,
            sop_instance_uid: uid::mint(&*self.randomness)?,
            instance_number: series.instances,
            begun: self.begun,
            now,
        })?;
        // A capture that failed begins no series and counts no instance.
        match self.series.get_mut(at) {
            Some(known) => *known = series,
            None => self.series.push(series),
        }
        Ok(instance)
    }
}

#[cfg(test)]
mod tests;
