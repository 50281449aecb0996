//! The profile in the data set (PS3.3 C.11.15.1.1; ICC.1 7.2): an input profile of the picture's colour space, without a name.

use dicom_dictionary_std::tags;

use super::{Findings, Object};

const PROFILE: &str = "ICCProfile";
const SPACE: &str = "ColorSpace";
/// Columns of the sRGB matrix, adapted to D50: X Y Z of red, green, blue.
const SRGB: [[f64; 3]; 3] = [[0.4360, 0.2225, 0.0139], [0.3851, 0.7169, 0.0971], [0.1431, 0.0606, 0.7141]];

pub(super) fn check(object: &Object<'_>, findings: &mut Findings) {
    let space = object.data.text(tags::COLOR_SPACE);
    if !["", "SRGB", "ADOBERGB", "ROMMRGB"].contains(&space) {
        findings.add("color-space", SPACE, "is no defined term");
    }
    if object.data.get(tags::ICC_PROFILE).is_none() {
        if !space.is_empty() {
            findings.add("color-space", SPACE, "is told without a profile");
        }
        return;
    }
    let profile = object.data.bytes(tags::ICC_PROFILE);
    let field = |at: usize| profile.get(at..at + 4).unwrap_or_default();
    let number = |at: usize| field(at).try_into().map(u32::from_be_bytes).unwrap_or_default();
    let size = number(0) as usize;
    if profile.len() < 132 || field(36) != b"acsp" || size.next_multiple_of(2) != profile.len() {
        return findings.add("icc", PROFILE, "is no profile of its own length");
    }
    if field(12) != b"scnr" {
        findings.add("icc-class", PROFILE, "is not of the class for input devices");
    }
    let grey = object.data.short(tags::SAMPLES_PER_PIXEL) == Some(1);
    if field(16) != if grey { b"GRAY" } else { b"RGB " } {
        findings.add("icc-space", PROFILE, "is not for the picture's colour space");
    }
    if ![b"XYZ ", b"Lab "].iter().any(|space| field(20) == *space) {
        findings.add("icc-space", PROFILE, "does not connect to XYZ or Lab");
    }
    if profile.get(84..100).is_none_or(|id| id.iter().any(|b| *b != 0)) {
        findings.add("icc-id", PROFILE, "has a profile id");
    }
    let table = profile.get(132..).unwrap_or_default().chunks_exact(12).take(number(128).min(100) as usize);
    let mut primaries = [None; 3];
    for entry in table {
        let [at, length] = [4, 8].map(|k| entry[k..k + 4].try_into().map_or(0, u32::from_be_bytes) as usize);
        let Some(tag) = at.checked_add(length).filter(|end| *end <= size).and_then(|end| profile.get(at..end)) else {
            return findings.add("icc", PROFILE, "has a tag that runs past its end");
        };
        if let Some(primary) = [b"rXYZ", b"gXYZ", b"bXYZ"].iter().position(|signature| entry.starts_with(*signature)) {
            primaries[primary] = tag.get(8..20);
        }
    }
    if space == "SRGB" && !primaries.iter().zip(SRGB).all(|(tag, srgb)| tag.is_none_or(|tag| is_near(tag, srgb))) {
        findings.add("color-space", SPACE, "is SRGB, and the profile has other primaries");
    }
}

/// Three s15Fixed16 numbers, to two hundredths.
fn is_near(tag: &[u8], expected: [f64; 3]) -> bool {
    tag.chunks_exact(4).zip(expected).all(|(number, expected)| {
        let number = number.try_into().map_or(0, i32::from_be_bytes);
        (f64::from(number) / 65_536.0 - expected).abs() < 0.02
    })
}
