//! Distinguished Encoding Rules (X.690): as much as one format needs. Tags of one byte, definite and shortest lengths.

use crate::error::SealError;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;

/// `[number]`, its content one or several whole elements.
pub(super) const fn constructed(number: u8) -> u8 {
    0xA0 | number
}

/// `[number]`, its content plain bytes.
pub(super) const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// Tag and length of an element whose content is `length` bytes.
pub(super) fn header(tag: u8, length: usize) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match length {
        0..0x80 => vec![tag, length as u8],
        _ => [&[tag, 0x80 | significant.len() as u8], significant].concat(),
    }
}

/// One element of these parts.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut element = header(tag, parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| element.extend_from_slice(part));
    element
}

/// The start of an element: its header and first parts, when `follows` more bytes are still to come.
pub(super) fn opening(tag: u8, parts: &[&[u8]], follows: usize) -> Vec<u8> {
    let parts = parts.concat();
    [header(tag, parts.len() + follows), parts].concat()
}

/// A set, or with another `tag` a set by implicit tagging: its members in the order of their encodings (X.690 11.6).
pub(super) fn set_of(tag: u8, mut members: Vec<Vec<u8>>) -> Vec<u8> {
    members.sort();
    element(tag, &[&members.concat()])
}

/// Elements read one after the other. What is not DER is [`SealError::Damaged`].
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// So many bytes follow that are not at hand.
    beyond: usize,
}

/// One element.
#[derive(Clone, Copy)]
pub(super) struct Element<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
    /// With its tag and length.
    pub(super) whole: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self::start(bytes, 0)
    }

    /// Reads the start of something that goes on for so many bytes more.
    pub(super) fn start(bytes: &'a [u8], beyond: usize) -> Self {
        Self { rest: bytes, beyond }
    }

    pub(super) fn is_empty(self) -> bool {
        self.length() == 0
    }

    /// Bytes that are left.
    pub(super) fn length(self) -> usize {
        self.rest.len() + self.beyond
    }

    pub(super) fn peek(self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    pub(super) fn any(&mut self) -> Result<Element<'a>, SealError> {
        let (start, end) = extent(self.rest)?;
        let (whole, rest) = self.rest.split_at_checked(end).ok_or(SealError::Damaged)?;
        let (Some(tag), Some(content)) = (self.peek(), whole.get(start..)) else { return Err(SealError::Damaged) };
        self.rest = rest;
        Ok(Element { tag, content, whole })
    }

    /// The content of the next element, which has this tag.
    pub(super) fn content(&mut self, tag: u8) -> Result<&'a [u8], SealError> {
        let element = self.any()?;
        if element.tag == tag { Ok(element.content) } else { Err(SealError::Damaged) }
    }

    /// The elements inside the next one, which has this tag. It need not be there whole.
    pub(super) fn inside(&mut self, tag: u8) -> Result<Self, SealError> {
        let (start, end) = extent(self.rest)?;
        let beyond = end.saturating_sub(self.rest.len());
        if beyond == 0 {
            return self.content(tag).map(Self::new);
        }
        let left = self.beyond.checked_sub(beyond).filter(|_| self.peek() == Some(tag)).ok_or(SealError::Damaged)?;
        let inside = self.rest.get(start..).ok_or(SealError::Damaged)?;
        *self = Self::start(&[], left);
        Ok(Self::start(inside, beyond))
    }

    /// Takes the next element, which marks the version: with another value the rest means something else.
    pub(super) fn mark(&mut self, whole: &[u8]) -> Result<(), SealError> {
        if self.any()?.whole == whole { Ok(()) } else { Err(SealError::UnknownVersion) }
    }

    /// Nothing may be left.
    pub(super) fn end(self) -> Result<(), SealError> {
        if self.is_empty() { Ok(()) } else { Err(SealError::Damaged) }
    }
}

/// Where the content of the first element starts and ends. It need not be there whole.
pub(super) fn extent(bytes: &[u8]) -> Result<(usize, usize), SealError> {
    let (Some(tag), Some(first)) = (bytes.first(), bytes.get(1)) else { return Err(SealError::Truncated) };
    if tag & 0x1F == 0x1F {
        return Err(SealError::Damaged);
    }
    let (start, length) = match *first {
        short @ 0..=0x7F => (2, usize::from(short)),
        long @ 0x81..=0x84 => {
            let start = 2 + usize::from(long & 0x7F);
            let digits = bytes.get(2..start).ok_or(SealError::Truncated)?;
            let length = digits.iter().fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
            if length < 0x80 || digits.first() == Some(&0) {
                return Err(SealError::Damaged); // not the shortest form
            }
            (start, usize::try_from(length).map_err(|_| SealError::Damaged)?)
        }
        _ => return Err(SealError::Damaged),
    };
    Ok((start, start.checked_add(length).ok_or(SealError::Damaged)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_the_shortest() {
        for (length, expected) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (65_536, &[4, 0x83, 1, 0, 0]),
            (1 << 24, &[4, 0x84, 1, 0, 0, 0]),
        ] {
            assert_eq!(header(OCTET_STRING, length), expected);
        }
    }

    #[test]
    fn other_encodings_are_refused() {
        for (bytes, error) in [
            (&[][..], SealError::Truncated),
            (&[4], SealError::Truncated),
            (&[4, 0x82, 1], SealError::Truncated),
            (&[4, 0x80, 0, 0], SealError::Damaged),    // indefinite
            (&[4, 0x81, 0x7F], SealError::Damaged),    // too long a length
            (&[4, 0x82, 0, 0x80], SealError::Damaged), // a leading zero
            (&[4, 0x85, 1, 0, 0, 0, 0], SealError::Damaged),
            (&[0x1F, 0x81, 0, 0], SealError::Damaged), // a tag of several bytes
        ] {
            assert_eq!(extent(bytes), Err(error), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[4, 2, 0]).any().err(), Some(SealError::Damaged));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(contents in proptest::collection::vec((0_u8..0x1F, proptest::collection::vec(any::<u8>(), 0..400)), 0..8)) {
            let written: Vec<u8> = contents.iter().flat_map(|(tag, content)| element(*tag, &[content])).collect();
            let mut reader = Reader::new(&written);
            for (tag, content) in &contents {
                let read = reader.any().unwrap();
                prop_assert_eq!((read.tag, read.content), (*tag, &content[..]));
                prop_assert_eq!(read.whole, &element(*tag, &[content])[..]);
            }
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn what_is_read_is_written_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(read) = Reader::new(&bytes).any() {
                prop_assert_eq!(element(read.tag, &[read.content]), read.whole);
                prop_assert!(bytes.starts_with(read.whole));
            }
        }

        #[test]
        fn a_set_has_one_encoding(mut members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..6)) {
            let members: &mut Vec<Vec<u8>> = &mut members;
            let forwards = set_of(SET, members.clone());
            members.reverse();
            prop_assert_eq!(forwards, set_of(SET, members.clone()));
        }
    }
}
