// error[E0451]: an object is made by a session, not from bytes
use moulage::dicom::Instance;

fn forged(instance: Instance) -> Instance {
    Instance { bytes: Vec::new(), ..instance }
}

fn main() {
    let _ = forged;
}
