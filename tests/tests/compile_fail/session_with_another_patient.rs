// error[E0616]: the patient of a session is frozen
fn changed(session: &mut moulage::Session, patient: moulage::patient::Patient) {
    session.patient = patient;
}

fn main() {
    let _ = changed;
}
