//! Writes the made photographs into a folder: to look at, or as seeds for the fuzz targets.
//!
//! `cargo run -p moulage-tests --example fixtures FOLDER`

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).ok_or(std::io::Error::other("usage: fixtures FOLDER"))?;
    let folder = std::path::Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for fixture in moulage_tests::fixtures() {
        let name: String = fixture.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        std::fs::write(folder.join(name), &fixture.bytes)?;
    }
    Ok(())
}
