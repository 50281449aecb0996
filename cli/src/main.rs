//! The command `moulage`.
fn main() {}
