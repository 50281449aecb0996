// error[E0308]: a camera's file is no prepared photo
use moulage::{Session, View};

fn captured(session: &mut Session, file: &[u8], view: &View) {
    let _ = session.capture(file, view);
}

fn main() {
    let _ = captured;
}
