// Compiles: the way to an object.
use std::sync::Arc;

use moulage::clock::{Clock, Randomness};
use moulage::dicom::Instance;
use moulage::patient::{AnatomicSite, Encounter, Patient};
use moulage::photo::{PrepareOptions, PreparedPhoto, ScrubReport, prepare};
use moulage::{CaptureError, Device, Session, View};

pub fn object(
    file: &[u8],
    (patient, encounter, site): (Patient, Encounter, AnatomicSite),
    (clock, randomness): (Arc<dyn Clock>, Arc<dyn Randomness>),
) -> Result<Instance, CaptureError> {
    let (photo, report): (PreparedPhoto, ScrubReport) = prepare(file, &PrepareOptions::default())?;
    let _json = serde_json::to_string(&report);
    let mut session = Session::begin(patient, encounter, Device::default(), clock, randomness)?;
    session.capture(&photo, &View::of(site))
}

fn main() {}
