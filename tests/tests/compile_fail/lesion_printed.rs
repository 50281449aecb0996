// error[E0277] error[E0277] error[E0277]: neither Debug nor Display nor Serialize
fn printed(value: moulage::patient::Lesion) {
    let _ = format!("{value:?}");
    let _ = format!("{value}");
    let _ = serde_json::to_string(&value);
}

fn main() {
    let _ = printed;
}
