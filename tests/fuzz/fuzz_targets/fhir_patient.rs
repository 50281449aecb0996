//! A FHIR Patient or Encounter of any bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use moulage::patient::{Encounter, Patient};

fuzz_target!(|data: &[u8]| {
    let _ = Patient::from_fhir(data);
    let _ = Encounter::from_fhir(data);
});
