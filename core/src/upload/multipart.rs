//! `multipart/related` (RFC 2387 and RFC 2046 5.1): one part out, one part in.

use crate::clock::{Randomness, RandomnessUnavailable};

/// Most bytes of a part's header.
const LONGEST_HEADER: usize = 8 << 10;
/// Longest boundary that RFC 2046 allows.
const LONGEST_BOUNDARY: usize = 70;

/// What goes before and after the only part of a body.
pub(super) struct Frame {
    pub(super) content_type: String,
    pub(super) head: Vec<u8>,
    pub(super) tail: Vec<u8>,
}

/// A frame whose boundary does not occur in `part`.
pub(super) fn frame(part: &[u8], randomness: &dyn Randomness) -> Result<Frame, RandomnessUnavailable> {
    let boundary = loop {
        let mut random = [0; 16];
        randomness.fill(&mut random)?;
        let boundary = format!("{:032x}", u128::from_be_bytes(random));
        if memchr::memmem::find(part, boundary.as_bytes()).is_none() {
            break boundary;
        }
    };
    Ok(Frame {
        content_type: format!("multipart/related; type=\"application/dicom\"; boundary={boundary}"),
        head: format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes(),
        tail: format!("\r\n--{boundary}--\r\n").into_bytes(),
    })
}

/// The DICOM file of an answer: its only part, or all of a body that is no multipart. `None`: there is none, or more than one, or it was
/// cut.
pub(super) fn dicom_part<'a>(content_type: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    let media_type = MediaType::read(content_type)?;
    match media_type.name.as_str() {
        "application/dicom" => Some(body),
        "multipart/related" => only_part(media_type.parameter("boundary")?, body),
        _ => None,
    }
}

fn only_part<'a>(boundary: &str, body: &'a [u8]) -> Option<&'a [u8]> {
    if boundary.is_empty() || boundary.len() > LONGEST_BOUNDARY {
        return None;
    }
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter may stand at the very start, without a line end before it.
    let (_, after) = match body.strip_prefix(&delimiter[2..]) {
        Some(after) => (&body[..0], after),
        None => split(body, &delimiter)?,
    };
    let after = line_end(after)?;
    let (header, rest) = match after.strip_prefix(b"\r\n") {
        Some(rest) => (&after[..0], rest),
        None => split(after, b"\r\n\r\n")?,
    };
    if header.len() > LONGEST_HEADER || !is_dicom(header) {
        return None;
    }
    let (part, after) = split(rest, &delimiter)?;
    after.starts_with(b"--").then_some(part)
}

/// A part that tells another type is another thing, for example a message for people.
fn is_dicom(header: &[u8]) -> bool {
    let lines = header.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
    let told =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    told.is_none_or(|(_, value)| MediaType::read(value).is_some_and(|told| told.name == "application/dicom"))
}

/// What follows the rest of a delimiter's line, which is blank.
fn line_end(after: &[u8]) -> Option<&[u8]> {
    let (blank, rest) = split(after, b"\r\n")?;
    blank.iter().all(|byte| matches!(byte, b' ' | b'\t')).then_some(rest)
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = memchr::memmem::find(bytes, at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}

/// A media type and its parameters (RFC 9110 8.3.1).
pub(super) struct MediaType {
    /// Lower case, for example `application/dicom`.
    pub(super) name: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (name, mut rest) = text.split_once(';').unwrap_or((text, ""));
        let name = name.trim().to_ascii_lowercase();
        let mut parameters = Vec::new();
        loop {
            rest = rest.trim_start_matches([';', ' ', '\t']);
            if rest.is_empty() {
                return name.contains('/').then_some(Self { name, parameters });
            }
            let (key, after) = rest.split_once('=')?;
            let value;
            (value, rest) = match after.strip_prefix('"') {
                Some(quoted) => unquote(quoted)?,
                None => {
                    let end = after.find(';').unwrap_or(after.len());
                    (after[..end].trim().to_owned(), &after[end..])
                }
            };
            parameters.push((key.trim().to_ascii_lowercase(), value));
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A quoted string after its first quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::SystemRandomness;

    fn body(part: &[u8]) -> (String, Vec<u8>) {
        let frame = frame(part, &SystemRandomness).unwrap();
        (frame.content_type, [&frame.head, part, &frame.tail].concat())
    }

    #[test]
    fn forms_that_archives_use() {
        let quoted = "Multipart/Related; type=\"application/dicom\"; boundary=\"a b\\\"c\"; start=x";
        let preamble = b"hello\r\n--a b\"c  \r\ncontent-type: application/dicom; transfer-syntax=1.2\r\nX: y\r\n\r\n\r\n--a\r\n--a b\"c--";
        assert_eq!(dicom_part(quoted, preamble), Some(&b"\r\n--a"[..]));
        assert_eq!(dicom_part("multipart/related;boundary=x", b"--x\r\n\r\nDATA\r\n--x--\r\n"), Some(&b"DATA"[..]));
        assert_eq!(dicom_part("application/dicom", b"DATA"), Some(&b"DATA"[..]));
    }

    #[test]
    fn what_is_not_one_whole_dicom_part_is_none() {
        let of = "multipart/related; boundary=x";
        for body in [
            &b""[..],
            b"--x--",
            b"--x\r\n\r\nDATA",
            b"--x\r\n\r\nDATA\r\n--x",
            b"--x\r\n\r\nDATA\r\n--x\r\n\r\nMORE\r\n--x--",
            b"--x\r\nContent-Type: text/plain\r\n\r\nDATA\r\n--x--",
            b"--xy\r\n\r\nDATA\r\n--x--",
        ] {
            assert_eq!(dicom_part(of, body), None, "{}", String::from_utf8_lossy(body));
        }
        for content_type in
            ["", "multipart/related", "multipart/related; boundary=", "text/html", "multipart/related; boundary=\"x"]
        {
            assert_eq!(dicom_part(content_type, b"--x\r\n\r\nDATA\r\n--x--"), None, "{content_type}");
        }
    }

    #[test]
    fn a_boundary_in_the_object_is_not_taken() {
        struct Twice(std::sync::atomic::AtomicU8);
        impl Randomness for Twice {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomnessUnavailable> {
                bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) / 2);
                Ok(())
            }
        }
        let part = "0".repeat(32);
        let frame = frame(part.as_bytes(), &Twice(0.into())).unwrap();
        assert!(frame.content_type.ends_with(&"01".repeat(16)), "{}", frame.content_type);
    }

    proptest! {
        #[test]
        fn what_is_framed_is_read_back(part in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b'\r'), Just(b'\n'), Just(b'-')], 0..300)) {
            let (content_type, body) = body(&part);
            prop_assert_eq!(dicom_part(&content_type, &body), Some(&part[..]));
        }

        #[test]
        fn a_body_that_was_cut_is_none(part in proptest::collection::vec(any::<u8>(), 0..100), cut in 1usize..200) {
            let (content_type, body) = body(&part);
            // The line end after the last boundary may be missing.
            let kept = body.len().saturating_sub(2 + cut);
            prop_assert_eq!(dicom_part(&content_type, &body[..kept]), None);
        }

        #[test]
        fn no_bytes_panic(content_type in ".{0,60}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = dicom_part(&content_type, &body);
            let _ = dicom_part("multipart/related; boundary=\"-\"", &body);
        }
    }
}
