// error[E0277]: no object out of nothing
fn made<T: Default>() {}

fn main() {
    made::<moulage::dicom::Instance>();
}
