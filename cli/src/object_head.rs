//! What a stored object says of itself before its pixels begin: a bounded reader of Explicit VR Little Endian.

use std::io::{self, Read};

use chrono::{FixedOffset, NaiveDateTime};
use moulage::dicom::SopClass;

/// Objects of ours reach group 0028 within 4 kB; free text of 10,000 characters may come before it.
const HEAD_BYTES: u64 = 64 << 10;
/// Sequences within sequences.
const MAX_DEPTH: usize = 8;
const UNDEFINED: u32 = u32::MAX;

const TRANSFER_SYNTAX_UID: u32 = 0x0002_0010;
const SOP_CLASS_UID: u32 = 0x0008_0016;
const CONTENT_DATE: u32 = 0x0008_0023;
const ACQUISITION_DATE_TIME: u32 = 0x0008_002A;
const CONTENT_TIME: u32 = 0x0008_0033;
const CODE_MEANING: u32 = 0x0008_0104;
const TIMEZONE_OFFSET_FROM_UTC: u32 = 0x0008_0201;
const ANATOMIC_REGION_SEQUENCE: u32 = 0x0008_2218;
const INSTANCE_NUMBER: u32 = 0x0020_0013;
const IMAGE_LATERALITY: u32 = 0x0020_0062;
const NUMBER_OF_FRAMES: u32 = 0x0028_0008;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;

/// What the contact sheet shows of an object.
#[derive(Default)]
pub(crate) struct ObjectHead {
    pub(crate) sop_class: Option<SopClass>,
    /// CodeMeaning of the anatomic region.
    pub(crate) region: String,
    /// ImageLaterality.
    pub(crate) laterality: String,
    pub(crate) instance_number: u32,
    pub(crate) frames: u32,
    acquisition: String,
    content_date: String,
    content_time: String,
    offset: String,
}

/// When a photo was taken, or else when it came into the object.
pub(crate) struct Moment {
    pub(crate) local: NaiveDateTime,
    pub(crate) offset: Option<FixedOffset>,
    /// The photo's own time, not that of the import.
    pub(crate) taken: bool,
}

impl ObjectHead {
    /// Reads the beginning; `None` for what is no object of a kind that this library writes.
    pub(crate) fn read(file: impl Read) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut bytes)?;
        let mut head = Self::default();
        Ok(head.parse(&bytes).map(|()| head))
    }

    pub(crate) fn moment(&self) -> Option<Moment> {
        let parse = |text: &str| NaiveDateTime::parse_from_str(text.get(..14)?, "%Y%m%d%H%M%S").ok();
        let offset = self.offset.parse().ok();
        match parse(&self.acquisition) {
            Some(local) => Some(Moment { local, offset, taken: true }),
            None => {
                let local = parse(&format!("{}{}", self.content_date, self.content_time))?;
                Some(Moment { local, offset, taken: false })
            }
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Option<()> {
        let mut cursor = Cursor { bytes, at: 128 };
        (cursor.take(4)? == b"DICM").then_some(())?;
        // Ends of the open sequences; one of undefined length ends by its delimiter.
        let mut open: Vec<usize> = Vec::new();
        let mut top = 0;
        loop {
            while open.last().is_some_and(|end| cursor.at >= *end) {
                open.pop();
            }
            let tag = cursor.tag()?;
            if matches!(tag, ITEM | ITEM_END | SEQUENCE_END) {
                cursor.take(4)?;
                if tag == SEQUENCE_END {
                    open.pop()?;
                }
                continue;
            }
            if open.is_empty() {
                if tag > NUMBER_OF_FRAMES {
                    return Some(());
                }
                top = tag;
            }
            let vr = cursor.take(2)?;
            let length = match vr {
                b"OB" | b"OD" | b"OF" | b"OL" | b"OV" | b"OW" | b"SQ" | b"SV" | b"UC" | b"UN" | b"UR" | b"UT"
                | b"UV" => {
                    cursor.take(2)?;
                    cursor.u32()?
                }
                [b'A'..=b'Z', b'A'..=b'Z'] => u32::from(cursor.u16()?),
                _ => return None,
            };
            if vr == b"SQ" {
                (open.len() < MAX_DEPTH).then_some(())?;
                let end = if length == UNDEFINED { usize::MAX } else { cursor.at.checked_add(length as usize)? };
                open.push(end);
                continue;
            }
            let value = cursor.take(length as usize)?;
            match open.len() {
                0 => self.attribute(tag, value)?,
                1 if (top, tag) == (ANATOMIC_REGION_SEQUENCE, CODE_MEANING) => self.region = text(value),
                _ => {}
            }
        }
    }

    fn attribute(&mut self, tag: u32, value: &[u8]) -> Option<()> {
        let value = text(value);
        match tag {
            TRANSFER_SYNTAX_UID => {
                let unreadable = ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"];
                (!unreadable.contains(&value.as_str())).then_some(())?;
            }
            SOP_CLASS_UID => self.sop_class = SopClass::from_uid(&value),
            CONTENT_DATE => self.content_date = value,
            CONTENT_TIME => self.content_time = value,
            ACQUISITION_DATE_TIME => self.acquisition = value,
            TIMEZONE_OFFSET_FROM_UTC => self.offset = value,
            INSTANCE_NUMBER => self.instance_number = value.parse().unwrap_or_default(),
            IMAGE_LATERALITY => self.laterality = value,
            NUMBER_OF_FRAMES => self.frames = value.parse().unwrap_or_default(),
            _ => {}
        }
        Some(())
    }
}

fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value).trim_matches([' ', '\0']).to_owned()
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn tag(&mut self) -> Option<u32> {
        Some(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }
}

#[cfg(test)]
impl ObjectHead {
    pub(crate) fn of(acquisition: &str, offset: &str, region: &str) -> Self {
        let [acquisition, offset, region] = [acquisition, offset, region].map(str::to_owned);
        Self { acquisition, offset, region, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u32, vr: &str, value: &[u8]) -> Vec<u8> {
        let header = [&(tag >> 16).to_le_bytes()[..2], &tag.to_le_bytes()[..2], vr.as_bytes()].concat();
        let length = value.len() as u32;
        match vr {
            "SQ" | "OB" => [&header, &[0, 0][..], &length.to_le_bytes(), value].concat(),
            _ => [&header, &length.to_le_bytes()[..2], value].concat(),
        }
    }

    fn delimiter(tag: u32, length: u32) -> Vec<u8> {
        [&(tag >> 16).to_le_bytes()[..2], &tag.to_le_bytes()[..2], &length.to_le_bytes()].concat()
    }

    /// A file whose region is told in an item of defined or undefined length, with a modifier inside it.
    fn file(defined: bool) -> Vec<u8> {
        let modifier =
            [delimiter(ITEM, UNDEFINED), element(CODE_MEANING, "LO", b"Upper "), delimiter(ITEM_END, 0)].concat();
        let modifier = element(0x0008_2220, "SQ", &modifier);
        let region = [modifier, element(CODE_MEANING, "LO", b"Skin of heel")].concat();
        let sequence = if defined {
            element(ANATOMIC_REGION_SEQUENCE, "SQ", &[delimiter(ITEM, region.len() as u32), region].concat())
        } else {
            let mut open = element(ANATOMIC_REGION_SEQUENCE, "SQ", &[]);
            open.truncate(open.len() - 4);
            let end = [delimiter(ITEM_END, 0), delimiter(SEQUENCE_END, 0)].concat();
            [open, UNDEFINED.to_le_bytes().to_vec(), delimiter(ITEM, UNDEFINED), region, end].concat()
        };
        [
            vec![0; 128],
            b"DICM".to_vec(),
            element(TRANSFER_SYNTAX_UID, "UI", b"1.2.840.10008.1.2.4.50"),
            element(SOP_CLASS_UID, "UI", b"1.2.840.10008.5.1.4.1.1.77.1.4"),
            element(CONTENT_DATE, "DA", b"20260314"),
            element(CONTENT_TIME, "TM", b"092653.5"),
            element(TIMEZONE_OFFSET_FROM_UTC, "SH", b"-0330 "),
            sequence,
            element(INSTANCE_NUMBER, "IS", b"12"),
            element(IMAGE_LATERALITY, "CS", b"L "),
            element(0x0028_0010, "US", &[1, 0]),
        ]
        .concat()
    }

    #[test]
    fn sequences_of_both_kinds() {
        for defined in [true, false] {
            let head = ObjectHead::read(&*file(defined)).unwrap().unwrap();
            assert_eq!(
                (head.region.as_str(), head.laterality.as_str(), head.instance_number),
                ("Skin of heel", "L", 12)
            );
            assert_eq!(head.sop_class, Some(SopClass::VlPhotographic));
            let moment = head.moment().unwrap();
            assert_eq!(moment.local.to_string(), "2026-03-14 09:26:53");
            assert_eq!(moment.offset.unwrap().local_minus_utc(), -(3 * 3600 + 1800));
            assert!(!moment.taken);
        }
    }

    #[test]
    fn cut_and_changed_files_are_no_trouble() {
        for file in [file(true), file(false)] {
            for end in 0..file.len() - 8 {
                assert!(ObjectHead::read(&file[..end]).unwrap().is_none());
                let mut changed = file.clone();
                changed[end] ^= 0xFF;
                let _ = ObjectHead::read(&*changed).unwrap();
            }
        }
    }

    #[test]
    fn other_byte_orders_are_not_guessed() {
        let file = file(true);
        let text = String::from_utf8_lossy(&file).into_owned();
        let at = text.find("1.2.840.10008.1.2.4.50").unwrap();
        let mut big_endian = file.clone();
        big_endian[at..at + 22].copy_from_slice(b"1.2.840.10008.1.2.2\0\0\0");
        assert!(ObjectHead::read(&*big_endian).unwrap().is_none());
        assert!(ObjectHead::read(&b"not an object"[..]).unwrap().is_none());
    }
}
