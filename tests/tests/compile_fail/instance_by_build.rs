// error[E0603]: the writer is the session's alone
use moulage::dicom::build;

fn main() {
    let _ = build;
}
