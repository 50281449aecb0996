//! What a clean stream is, marker by marker: a reader that shares no code with the library's.

/// What the frame header says, and the entropy-coded bytes of all scans, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
    /// 1 or 3.
    pub components: u8,
    /// Entropy-coded bytes, with restart markers.
    pub entropy: Vec<u8>,
}

/// Reads a stream that may hold SOI, DQT, SOF0, DHT, DRI, SOS, entropy-coded data with restart markers, EOI, and nothing else.
///
/// # Errors
/// The first thing that does not belong there.
pub fn read_clean(jpeg: &[u8]) -> Result<Stream, String> {
    let body =
        jpeg.strip_prefix(&[0xFF, 0xD8]).ok_or("no SOI")?.strip_suffix(&[0xFF, 0xD9]).ok_or("no EOI at the end")?;
    let mut stream = Stream { height: 0, width: 0, components: 0, entropy: Vec::new() };
    let mut rest = body;
    while let [0xFF, marker, high, low, after @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*high, *low])).checked_sub(2).ok_or("a length below 2")?;
        let (payload, after) = after.split_at_checked(length).ok_or("a segment longer than the stream")?;
        rest = after;
        match (marker, payload) {
            (0xDB | 0xC4 | 0xDD, _) => {}
            (0xC0, [8, h1, h2, w1, w2, components @ (1 | 3), ..]) if stream.components == 0 => {
                stream.height = u16::from_be_bytes([*h1, *h2]);
                stream.width = u16::from_be_bytes([*w1, *w2]);
                stream.components = *components;
            }
            (0xDA, _) if stream.components > 0 => {
                let end = entropy_end(rest);
                stream.entropy.extend(&rest[..end]);
                rest = &rest[end..];
            }
            _ => return Err(format!("marker {marker:02X} does not belong there")),
        }
    }
    if !rest.is_empty() || stream.entropy.is_empty() {
        return Err("bytes between the segments, or no scan".into());
    }
    Ok(stream)
}

/// The entropy-coded bytes of a stream as cameras write it, from after its first SOS to its EOI.
#[must_use]
pub fn entropy(jpeg: &[u8]) -> &[u8] {
    let data = &jpeg[crate::jpeg::scan_start(jpeg)..];
    &data[..entropy_end(data)]
}

fn entropy_end(data: &[u8]) -> usize {
    data.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xD0..=0xD7)).unwrap_or(data.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::{Coding, encode, segment, with_back, without};
    use crate::scene::scene;

    #[test]
    fn what_does_not_belong_is_seen() {
        let clean = without(&encode(&scene(40, 24), Coding { restart: 2, ..Coding::default() }), &[0xE0]);
        let stream = read_clean(&clean).unwrap();
        assert_eq!((stream.width, stream.height, stream.components), (40, 24, 3));
        assert_eq!(stream.entropy, entropy(&clean));
        let middle = clean.len() - 20;
        let after_scan = [&clean[..clean.len() - 2], &segment(0xFE, b"a")[..], &clean[clean.len() - 2..]].concat();
        for dirty in [
            with_back(&clean, &[segment(0xE1, b"Exif")]),
            with_back(&clean, &[segment(0xFE, b"")]),
            [&clean[..], b"x"].concat(),
            [&clean[..], &clean].concat(),
            [&clean[..middle], &[0xFF, 0xD9], &clean[middle..]].concat(),
            after_scan,
            clean[..clean.len() - 2].to_vec(),
            encode(&scene(40, 24), Coding { progressive: true, ..Coding::default() }),
        ] {
            assert!(read_clean(&dirty).is_err());
        }
    }
}
