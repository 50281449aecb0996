// error[E0061]: a session needs a patient and an encounter
use std::sync::Arc;

use moulage::clock::{Clock, Randomness};
use moulage::patient::Encounter;
use moulage::{Device, Session};

fn begun(encounter: Encounter, clock: Arc<dyn Clock>, randomness: Arc<dyn Randomness>) {
    let _ = Session::begin(encounter, Device::default(), clock, randomness);
}

fn main() {
    let _ = begun;
}
