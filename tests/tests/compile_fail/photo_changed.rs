// error[E0616]: the stream of a prepared photo stays as it is
fn changed(photo: &mut moulage::photo::PreparedPhoto) {
    photo.jpeg.clear();
}

fn main() {
    let _ = changed;
}
