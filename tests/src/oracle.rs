//! The independent judge of lossless turns and of pixels: libjpeg-turbo's `jpegtran` and `djpeg`.

use crate::Fixture;
use crate::jpeg::segment;
use crate::programs::run;
use crate::scene::{Picture, scene};

/// The programs that this module runs.
pub const PROGRAMS: [&str; 2] = ["jpegtran", "djpeg"];

/// A stream as `jpegtran` writes it from its coefficients alone (optimised, sequential, no restarts): two streams with equal
/// coefficients, sampling and tables give equal bytes. `None`: it cannot be read.
#[must_use]
pub fn coefficients(jpeg: &[u8]) -> Option<Vec<u8>> {
    let output = run("jpegtran", ["-copy", "none", "-optimize", "-restart", "0"], jpeg);
    if !output.status.success() || !output.stderr.is_empty() {
        return None;
    }
    let (parts, sos) = crate::jpeg::split(&output.stdout);
    let kept = parts.iter().filter(|(marker, _)| !(0xE0..=0xEF).contains(marker)).flat_map(|(m, p)| segment(*m, p));
    Some(kept.chain(output.stdout[sos..].iter().copied()).collect())
}

/// The stream set upright by `jpegtran -perfect`; `None` where that cannot be done without loss.
#[must_use]
pub fn turned(jpeg: &[u8], orientation: u8) -> Option<Vec<u8>> {
    jpegtran("-perfect", jpeg, orientation)
}

/// The stream set upright by `jpegtran -trim`, which cuts incomplete blocks off where they are in the way.
#[must_use]
pub fn trimmed(jpeg: &[u8], orientation: u8) -> Option<Vec<u8>> {
    jpegtran("-trim", jpeg, orientation)
}

fn jpegtran(edges: &str, jpeg: &[u8], orientation: u8) -> Option<Vec<u8>> {
    let turn: &[&str] = match orientation {
        2 => &["-flip", "horizontal"],
        3 => &["-rotate", "180"],
        4 => &["-flip", "vertical"],
        5 => &["-transpose"],
        6 => &["-rotate", "90"],
        7 => &["-transverse"],
        8 => &["-rotate", "270"],
        _ => &[],
    };
    let output = run("jpegtran", [&["-copy", "none", edges], turn].concat(), jpeg);
    output.status.success().then_some(output.stdout)
}

/// The pixels as `djpeg` decodes them, as RGB; `None` when it complains in any way.
///
/// # Panics
/// When `djpeg` writes something that is no PNM.
#[must_use]
pub fn decoded(jpeg: &[u8]) -> Option<Picture> {
    let output = run("djpeg", ["-pnm"], jpeg);
    (output.status.success() && output.stderr.is_empty()).then(|| pnm(&output.stdout))
}

/// Does this stream show the upright picture of `fixture`? Says what is wrong.
///
/// # Errors
/// As [`shows_upright`], and when `djpeg` complains.
pub fn stream_shows_upright(jpeg: &[u8], fixture: &Fixture) -> Result<(), String> {
    shows_upright(&decoded(jpeg).ok_or("djpeg complains")?, fixture)
}

/// Is this the upright picture of `fixture`? Says what is wrong.
///
/// # Errors
/// The size, the corners or the mean error.
pub fn shows_upright(picture: &Picture, fixture: &Fixture) -> Result<(), String> {
    let size = (picture.width, picture.height);
    let difference = picture.difference(&scene(fixture.width, fixture.height)).ok_or(format!("size {size:?}"))?;
    if difference > 8.0 {
        return Err(format!("mean error {difference:.1} of 255"));
    }
    if size.0.min(size.1) >= 16 && !picture.corners_are_right() {
        return Err("a corner has the wrong colour".into());
    }
    Ok(())
}

/// Reads a binary PGM or PPM with 8 bits a sample.
///
/// # Panics
/// When it is something else.
#[must_use]
pub fn pnm(file: &[u8]) -> Picture {
    let mut rest = file;
    let mut word = || {
        let end = rest.iter().position(u8::is_ascii_whitespace).expect("a PNM header");
        let (word, after) = rest.split_at(end);
        rest = &after[1..];
        std::str::from_utf8(word).expect("a PNM header").to_owned()
    };
    let (kind, width, height, _maximum) = (word(), word(), word(), word());
    let number = |text: &str| text.parse().expect("a number in the PNM header");
    let rgb = if kind == "P5" { rest.iter().flat_map(|v| [*v; 3]).collect() } else { rest.to_vec() };
    let picture = Picture { width: number(&width), height: number(&height), rgb };
    assert_eq!(picture.rgb.len(), 3 * picture.width * picture.height, "a PNM file of whole rows");
    picture
}
