// error[E0277]: no session out of nothing
fn made<T: Default>() {}

fn main() {
    made::<moulage::Session>();
}
