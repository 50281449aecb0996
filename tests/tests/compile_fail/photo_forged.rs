// error[E0451]: a prepared photo is made by prepare, not by hand
use moulage::photo::PreparedPhoto;

fn forged(photo: PreparedPhoto) -> PreparedPhoto {
    PreparedPhoto { jpeg: Vec::new(), ..photo }
}

fn main() {
    let _ = forged;
}
