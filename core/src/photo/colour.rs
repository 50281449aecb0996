//! What the components of a JPEG mean, and how any of it becomes Y Cb Cr.

use super::frame::Frame;
use super::markers::{APP0, Stream};
use crate::error::PhotoError;

/// What a source's components are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceColour {
    /// One component.
    Grey,
    /// Y Cb Cr (ITU-R BT.601, full range).
    #[serde(rename = "ycbcr")]
    YCbCr,
    /// Red, green, blue.
    Rgb,
    /// Adobe's inverted CMYK.
    Cmyk,
    /// Adobe's inverted CMYK with the first three as Y Cb Cr.
    Ycck,
}

/// What decided it; the first that applies, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecidedBy {
    /// One component has only one meaning.
    ComponentCount,
    /// A JFIF segment.
    Jfif,
    /// The transform flag of Adobe's APP14.
    Adobe,
    /// Component identifiers: `R` `G` `B`, else Y Cb Cr.
    ComponentIds,
    /// Not a JPEG.
    Format,
}

/// Decides what the components mean. Four components without Adobe's marker mean nothing: refused.
pub(super) fn decide(stream: &Stream<'_>, frame: &Frame) -> Result<(SourceColour, DecidedBy), PhotoError> {
    let jfif = stream.segments.iter().any(|s| s.marker == APP0 && s.payload.starts_with(b"JFIF\0"));
    let transform = stream.segments.iter().find_map(|s| match s.payload {
        [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..] if s.marker == 0xEE => Some(*transform),
        _ => None,
    });
    match (frame.components.len(), transform) {
        (1, _) => Ok((SourceColour::Grey, DecidedBy::ComponentCount)),
        (3, _) if jfif => Ok((SourceColour::YCbCr, DecidedBy::Jfif)),
        (3, Some(0)) => Ok((SourceColour::Rgb, DecidedBy::Adobe)),
        (3, Some(1)) => Ok((SourceColour::YCbCr, DecidedBy::Adobe)),
        (3, None) => {
            let ids = frame.components.iter().map(|c| c.id);
            let rgb = ids.eq(*b"RGB");
            Ok((if rgb { SourceColour::Rgb } else { SourceColour::YCbCr }, DecidedBy::ComponentIds))
        }
        (4, Some(0)) => Ok((SourceColour::Cmyk, DecidedBy::Adobe)),
        (4, Some(2)) => Ok((SourceColour::Ycck, DecidedBy::Adobe)),
        (4, None) => Err(PhotoError::UnsupportedColour("four components without an Adobe marker")),
        _ => Err(PhotoError::UnsupportedColour("unknown Adobe transform")),
    }
}

/// Y (0 to 255), Cb and Cr (0 = neutral) to R, G, B.
#[inline]
pub(super) fn rgb(y: f32, cb: f32, cr: f32) -> [u8; 3] {
    [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb].map(|v| (v + 0.5) as u8)
}

/// R, G, B to Y, Cb, Cr, all with 0 = mid-grey or neutral.
#[inline]
pub(super) fn ycbcr([r, g, b]: [f32; 3]) -> [f32; 3] {
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    [y - 128.0, (b - y) / 1.772, (r - y) / 1.402]
}

/// One pixel of a source (0 to 255 a component) to R, G, B. CMYK is stored inverted: 255 is no ink.
pub(super) fn source_rgb(colour: SourceColour, [a, b, c, k]: [f32; 4]) -> [f32; 3] {
    let ink = |v: f32| v * k / 255.0;
    match colour {
        SourceColour::Grey => [a; 3],
        SourceColour::Rgb => [a, b, c],
        SourceColour::YCbCr => rgb(a, b - 128.0, c - 128.0).map(f32::from),
        SourceColour::Cmyk => [a, b, c].map(ink),
        SourceColour::Ycck => rgb(a, b - 128.0, c - 128.0).map(|v| ink(255.0 - f32::from(v))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for pixel in [[0, 0, 0], [255, 255, 255], [200, 40, 40], [12, 250, 99], [1, 2, 254]] {
            let [y, cb, cr] = ycbcr(pixel.map(f32::from));
            assert_eq!(rgb(y + 128.0, cb, cr), pixel);
        }
    }
}
