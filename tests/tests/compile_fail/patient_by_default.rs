// error[E0277]: no patient without an id
fn made<T: Default>() {}

fn main() {
    made::<moulage::patient::Patient>();
}
