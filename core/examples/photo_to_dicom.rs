//! A photo in, an object out: `cargo run --example photo_to_dicom -- photo.jpg object.dcm`.

use std::error::Error;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use chrono::{DateTime, FixedOffset, Local};
use moulage::patient::{Encounter, Laterality, Patient, SiteList};
use moulage::{Device, Session, View, clock, photo};

struct LocalClock;

impl clock::Clock for LocalClock {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset()
    }

    fn elapsed(&self) -> Duration {
        static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGUN.elapsed()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let [source, target] = std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "two paths, please")?;
    let patient = Patient::new("TEST-1", "Example Hospital")?.patient_name("Muster^Erika")?;
    let randomness = Arc::new(clock::SystemRandomness);
    let mut session =
        Session::begin(patient, Encounter::default(), Device::default(), Arc::new(LocalClock), randomness)?;

    let (prepared, _report) = photo::prepare(&std::fs::read(source)?, &photo::PrepareOptions::default())?;
    let heel = SiteList::standard().site("heel")?.on(Laterality::Left)?;
    let object = session.capture(&prepared, &View::of(heel))?;
    std::fs::write(target, object.bytes())?;
    Ok(())
}
