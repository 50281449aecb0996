//! A session with an invented patient, a clock that stands still and randomness that counts: the same objects every time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use chrono::{DateTime, FixedOffset};
use moulage::clock::{Clock, Randomness, RandomnessUnavailable};
use moulage::dicom::{Dermoscopy, Instance, Polarization, SopClass};
use moulage::patient::{Encounter, Laterality, Patient, Sex, SiteList};
use moulage::photo::PreparedPhoto;
use moulage::{CaptureError, Device, Session, View};

/// A clock that stands still.
pub struct Still;

impl Clock for Still {
    fn now(&self) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-03-14T09:26:53.589+01:00").expect("a moment")
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Bytes that begin with how often it was asked.
#[derive(Default)]
struct Counting(AtomicU8);

impl Randomness for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed).wrapping_add(1));
        Ok(())
    }
}

/// The classes that a photo can become.
pub const CLASSES: [SopClass; 4] =
    [SopClass::VlPhotographic, SopClass::Dermoscopic, SopClass::SecondaryCapture, SopClass::MultiFrameTrueColorSc];

/// Values that identify the patient, as they stand in the objects.
pub const IDENTITY: [&str; 4] = ["MRN-4711", "Muster^Erika", "19610203", "VISIT-0815"];

/// Begins a session.
///
/// # Panics
/// When the library does not take the invented patient.
#[must_use]
pub fn session() -> Session {
    let patient = Patient::new(IDENTITY[0], "City Hospital")
        .and_then(|patient| patient.patient_name("Muster^Erika=山田^太郎"))
        .and_then(|patient| patient.patient_birth_date(IDENTITY[2]))
        .map(|patient| patient.patient_sex(Sex::Female))
        .expect("an invented patient");
    let encounter = Encounter::default().admission_id(IDENTITY[3], "City Hospital").expect("an invented visit");
    let device = Device {
        device_serial_number: "installation-1".into(),
        manufacturer: "Acme".into(),
        manufacturer_model_name: "Phone 15".into(),
        software_versions: vec!["17.4".into()],
    };
    Session::begin(patient, encounter, device, Arc::new(Still), Arc::new(Counting::default()))
        .expect("randomness that counts")
}

/// The left heel, as an object of that class.
///
/// # Panics
/// When the standard list has no heel.
#[must_use]
pub fn view(sop_class: SopClass) -> View {
    let site =
        SiteList::standard().site("heel").and_then(|site| site.on(Laterality::Left)).expect("the heel has two sides");
    let dermoscopy = Dermoscopy { light_source_polarization: Some(Polarization::Polarized), ..Dermoscopy::default() };
    View { sop_class, dermoscopy, ..View::of(site) }
}

/// The photo as an object of that class; as two frames where one is not enough.
///
/// # Errors
/// As [`Session::capture`].
pub fn object(session: &mut Session, photo: &PreparedPhoto, sop_class: SopClass) -> Result<Instance, CaptureError> {
    let frames = if sop_class == SopClass::MultiFrameTrueColorSc { 2 } else { 1 };
    session.capture_frames(&vec![photo.clone(); frames], &view(sop_class))
}
