//! Reads a Part 10 file in Explicit VR Little Endian (PS3.5 7, PS3.10 7): borrows its bytes, trusts none of its lengths.

use dicom_core::{Tag, VR};
use dicom_dictionary_std::{tags, uids};

/// Items within items.
const MAX_DEPTH: u32 = 8;
/// Elements altogether; an object of ours has about a hundred.
const MAX_ELEMENTS: u32 = 65_536;

/// Frames of one object.
const MAX_FRAGMENTS: usize = 4096;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const UNDEFINED: u32 = 0xFFFF_FFFF;

/// Why a file cannot be read.
type Broken = &'static str;

pub(super) struct Element<'a> {
    pub(super) tag: Tag,
    pub(super) vr: VR,
    pub(super) value: Value<'a>,
    /// Tag, VR, length and value, as they stand in the file.
    pub(super) whole: &'a [u8],
}

pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    Items(Vec<Dataset<'a>>),
    /// Encapsulated pixels: the Basic Offset Table, then the fragments.
    Fragments(Vec<&'a [u8]>),
}

/// Elements by ascending tag.
pub(super) struct Dataset<'a>(Vec<Element<'a>>);

impl<'a> Dataset<'a> {
    /// What is not in items.
    pub(super) fn elements(&self) -> &[Element<'a>] {
        &self.0
    }

    pub(super) fn get(&self, tag: Tag) -> Option<&Element<'a>> {
        self.0.binary_search_by_key(&tag, |element| element.tag).ok().map(|at| &self.0[at])
    }

    /// Present with a value or an item.
    pub(super) fn has(&self, tag: Tag) -> bool {
        self.get(tag).is_some_and(|element| match &element.value {
            Value::Bytes(bytes) if is_binary(element.vr) => !bytes.is_empty(),
            Value::Bytes(bytes) => !trimmed(bytes).is_empty(),
            Value::Items(items) => !items.is_empty(),
            Value::Fragments(fragments) => fragments.len() > 1,
        })
    }

    /// The value as text without padding; nothing when it is absent or not UTF-8.
    pub(super) fn text(&self, tag: Tag) -> &'a str {
        std::str::from_utf8(trimmed(self.bytes(tag))).unwrap_or_default()
    }

    /// The values of a text; none when it is empty.
    pub(super) fn texts(&self, tag: Tag) -> Vec<&'a str> {
        let text = self.text(tag);
        if text.is_empty() { Vec::new() } else { text.split('\\').map(str::trim).collect() }
    }

    pub(super) fn short(&self, tag: Tag) -> Option<u16> {
        <[u8; 2]>::try_from(self.bytes(tag)).ok().map(u16::from_le_bytes)
    }

    pub(super) fn bytes(&self, tag: Tag) -> &'a [u8] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        }
    }

    pub(super) fn items(&self, tag: Tag) -> &[Dataset<'a>] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// Every element, those of items too.
    pub(super) fn visit(&self, visit: &mut dyn FnMut(&Element<'a>)) {
        for element in &self.0 {
            visit(element);
            if let Value::Items(items) = &element.value {
                items.iter().for_each(|item| item.visit(visit));
            }
        }
    }
}

/// Whether a zero is a value, not padding.
fn is_binary(vr: VR) -> bool {
    matches!(
        vr,
        VR::AT
            | VR::FD
            | VR::FL
            | VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SL
            | VR::SS
            | VR::SV
            | VR::UL
            | VR::UN
            | VR::US
            | VR::UV
    )
}

/// Whether its length takes four bytes (PS3.5 7.1.2).
pub(super) fn has_long_length(vr: VR) -> bool {
    matches!(
        vr,
        VR::OB
            | VR::OD
            | VR::OF
            | VR::OL
            | VR::OV
            | VR::OW
            | VR::SQ
            | VR::SV
            | VR::UC
            | VR::UN
            | VR::UR
            | VR::UT
            | VR::UV
    )
}

/// Without the padding at the end: a space, or NUL for UI.
pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|b| !matches!(b, b' ' | 0)).map_or(0, |last| last + 1);
    bytes.get(..end).unwrap_or_default()
}

pub(super) struct File<'a> {
    pub(super) preamble: &'a [u8],
    pub(super) meta: Dataset<'a>,
    pub(super) transfer_syntax: &'a str,
    pub(super) data: Dataset<'a>,
}

impl<'a> File<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Broken> {
        Self::read_until(bytes, Until::End)
    }

    /// All before the first element beyond `last`, which must be there: of `bytes`, what follows it may be missing.
    pub(super) fn read_head(bytes: &'a [u8], last: Tag) -> Result<Self, Broken> {
        Self::read_until(bytes, Until::Beyond(last))
    }

    fn read_until(bytes: &'a [u8], until: Until) -> Result<Self, Broken> {
        let preamble = bytes.get(..128).ok_or("is too short")?;
        let mut reader = Reader { bytes, at: 132, elements: 0 };
        if bytes.get(128..132) != Some(b"DICM") {
            return Err("is not a DICOM Part 10 file");
        }
        let meta = reader.dataset(bytes.len(), 0, Until::Group(0x0002))?;
        let transfer_syntax = meta.text(tags::TRANSFER_SYNTAX_UID);
        let unreadable =
            [uids::IMPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.2", uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN];
        if transfer_syntax.is_empty() || unreadable.contains(&transfer_syntax) {
            return Err("is not in Explicit VR Little Endian");
        }
        let data = reader.dataset(bytes.len(), 0, until)?;
        Ok(Self { preamble, meta, transfer_syntax, data })
    }
}

/// Where a data set ends.
#[derive(Clone, Copy, PartialEq)]
enum Until {
    /// With its bytes.
    End,
    /// With its bytes, or with the first element of another group.
    Group(u16),
    /// With the first element beyond this one.
    Beyond(Tag),
    /// With an item delimiter.
    Delimiter,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    elements: u32,
}

impl<'a> Reader<'a> {
    fn dataset(&mut self, end: usize, depth: u32, until: Until) -> Result<Dataset<'a>, Broken> {
        if depth > MAX_DEPTH {
            return Err("has items too deep in items");
        }
        let mut elements: Vec<Element<'a>> = Vec::new();
        loop {
            if self.at >= end && !matches!(until, Until::Delimiter | Until::Beyond(_)) {
                return Ok(Dataset(elements));
            }
            let start = self.at;
            let tag = self.tag()?;
            match until {
                Until::Group(group) if tag.0 != group => {
                    self.at = start;
                    return Ok(Dataset(elements));
                }
                Until::Beyond(last) if tag > last => return Ok(Dataset(elements)),
                Until::Delimiter if tag == ITEM_END => {
                    self.no_length()?;
                    return Ok(Dataset(elements));
                }
                _ => {}
            }
            if elements.last().is_some_and(|last| last.tag >= tag) {
                return Err("has elements out of order, or one twice");
            }
            let (vr, value) = self.element(tag, end, depth)?;
            let whole = self.bytes.get(start..self.at).ok_or(TRUNCATED)?;
            elements.push(Element { tag, vr, value, whole });
            if self.at > end {
                return Err("has an element that runs past its end");
            }
        }
    }

    fn element(&mut self, tag: Tag, end: usize, depth: u32) -> Result<(VR, Value<'a>), Broken> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err("has too many elements");
        }
        let vr = self.take(2)?.try_into().ok().and_then(VR::from_binary).ok_or("has an element without a known VR")?;
        let length = if has_long_length(vr) {
            self.take(2)?;
            self.long()?
        } else {
            self.short()?.into()
        };
        let value = match (vr, length) {
            (VR::SQ, UNDEFINED) => Value::Items(self.items(self.bytes.len(), depth, true)?),
            (VR::SQ, length) => {
                let items_end = self.at.checked_add(length as usize).filter(|items_end| *items_end <= end);
                Value::Items(self.items(items_end.ok_or("has a sequence that runs past its end")?, depth, false)?)
            }
            (VR::OB | VR::OW, UNDEFINED) if tag == tags::PIXEL_DATA => Value::Fragments(self.fragments()?),
            (_, UNDEFINED) => return Err("has a value of undefined length"),
            (_, length) if length % 2 == 1 => return Err("has a value of odd length"),
            (_, length) => Value::Bytes(self.take(length as usize)?),
        };
        Ok((vr, value))
    }

    fn items(&mut self, end: usize, depth: u32, delimited: bool) -> Result<Vec<Dataset<'a>>, Broken> {
        let mut items = Vec::new();
        while delimited || self.at < end {
            match (self.tag()?, delimited) {
                (ITEM, _) => {}
                (SEQUENCE_END, true) => {
                    self.no_length()?;
                    return Ok(items);
                }
                _ => return Err("has a sequence of other things than items"),
            }
            self.elements += 1;
            items.push(match self.long()? {
                UNDEFINED => self.dataset(end, depth + 1, Until::Delimiter)?,
                length => {
                    let item_end = self.at.checked_add(length as usize).filter(|item_end| *item_end <= end);
                    self.dataset(item_end.ok_or("has an item that runs past its end")?, depth + 1, Until::End)?
                }
            });
            if self.elements > MAX_ELEMENTS {
                return Err("has too many elements");
            }
        }
        Ok(items)
    }

    fn fragments(&mut self) -> Result<Vec<&'a [u8]>, Broken> {
        let mut fragments = Vec::new();
        loop {
            match self.tag()? {
                ITEM => {
                    let length = self.long()?;
                    fragments.push(self.take(length as usize)?);
                }
                SEQUENCE_END => {
                    self.no_length()?;
                    return Ok(fragments);
                }
                _ => return Err("has pixels in other things than items"),
            }
            if fragments.len() > MAX_FRAGMENTS {
                return Err("has too many fragments");
            }
        }
    }

    fn no_length(&mut self) -> Result<(), Broken> {
        if self.long()? == 0 { Ok(()) } else { Err("has a delimiter with a length") }
    }

    fn tag(&mut self) -> Result<Tag, Broken> {
        Ok(Tag(self.short()?, self.short()?))
    }

    fn short(&mut self) -> Result<u16, Broken> {
        self.take(2)?.try_into().map(u16::from_le_bytes).map_err(|_| TRUNCATED)
    }

    fn long(&mut self) -> Result<u32, Broken> {
        self.take(4)?.try_into().map(u32::from_le_bytes).map_err(|_| TRUNCATED)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Broken> {
        let end = self.at.checked_add(length).ok_or(TRUNCATED)?;
        let taken = self.bytes.get(self.at..end).ok_or(TRUNCATED)?;
        self.at = end;
        Ok(taken)
    }
}

const TRUNCATED: Broken = "ends too early";

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: Tag, vr: &str, value: &[u8]) -> Vec<u8> {
        let head = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        let length = if vr == "SQ" {
            [&[0, 0], &UNDEFINED.to_le_bytes()[..]].concat()
        } else {
            (value.len() as u16).to_le_bytes().to_vec()
        };
        [&head, vr.as_bytes(), &length, value].concat()
    }

    fn file(data: &[u8]) -> Vec<u8> {
        let meta = element(tags::TRANSFER_SYNTAX_UID, "UI", b"1.2.840.10008.1.2.1\0");
        [&[0; 128][..], b"DICM", &meta, data].concat()
    }

    fn reason(data: &[u8]) -> Option<Broken> {
        File::read(&file(data)).err()
    }

    const ITEM_HEAD: &[u8] = b"\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF";
    const ITEM_TAIL: &[u8] = b"\xFE\xFF\x0D\xE0\0\0\0\0";
    const SEQUENCE_TAIL: &[u8] = b"\xFE\xFF\xDD\xE0\0\0\0\0";

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(element(tags::PATIENT_ID, "LO", b"77"), |inner, _| {
            element(tags::ANATOMIC_REGION_SEQUENCE, "SQ", &[ITEM_HEAD, &inner, ITEM_TAIL, SEQUENCE_TAIL].concat())
        })
    }

    #[test]
    fn items_are_read_down_to_a_depth() {
        let bytes = file(&nested(2));
        let data = File::read(&bytes).unwrap().data;
        let inner = &data.items(tags::ANATOMIC_REGION_SEQUENCE)[0].items(tags::ANATOMIC_REGION_SEQUENCE)[0];
        assert_eq!(inner.text(tags::PATIENT_ID), "77");
        assert_eq!(reason(&nested(8)), None);
        assert_eq!(reason(&nested(9)), Some("has items too deep in items"));
        // As deep as a stack would never hold.
        let open = [element(tags::ANATOMIC_REGION_SEQUENCE, "SQ", b""), ITEM_HEAD.to_vec()].concat();
        assert_eq!(reason(&open.repeat(1_000_000)), Some("has items too deep in items"));
    }

    #[test]
    fn lengths_and_order_are_not_trusted() {
        let id = element(tags::PATIENT_ID, "LO", b"77");
        let name = element(tags::PATIENT_NAME, "PN", b"ab");
        assert_eq!(reason(&[&name[..], &id].concat()), None);
        assert_eq!(reason(&[&id[..], &name].concat()), Some("has elements out of order, or one twice"));
        assert_eq!(reason(&id.repeat(2)), Some("has elements out of order, or one twice"));
        assert_eq!(reason(&id[..id.len() - 1]), Some("ends too early"));
        assert_eq!(reason(&element(tags::PATIENT_ID, "LO", b"odd")), Some("has a value of odd length"));
        assert_eq!(reason(&element(tags::PATIENT_ID, "??", b"77")), Some("has an element without a known VR"));
        assert_eq!(reason(&[&id[..], SEQUENCE_TAIL].concat()), Some("has an element without a known VR"));
        assert_eq!(reason(b"\x10\0\x20\0UN\0\0\xFF\xFF\xFF\xFF"), Some("has a value of undefined length"));
        assert_eq!(reason(b"\x10\0\x20\0UT\0\0\xFE\xFF\xFF\xFF"), Some("ends too early"));
        let many: Vec<u8> =
            [element(tags::ANATOMIC_REGION_SEQUENCE, "SQ", b""), [ITEM_HEAD, ITEM_TAIL].concat().repeat(70_000)]
                .concat();
        assert_eq!(reason(&many), Some("has too many elements"));
    }

    #[test]
    fn only_part_10_in_explicit_little_endian_is_read() {
        assert_eq!(File::read(b"short").err(), Some("is too short"));
        assert_eq!(File::read(&[0; 200]).err(), Some("is not a DICOM Part 10 file"));
        let implicit =
            [&[0; 128][..], b"DICM", &element(tags::TRANSFER_SYNTAX_UID, "UI", b"1.2.840.10008.1.2\0")].concat();
        assert_eq!(File::read(&implicit).err(), Some("is not in Explicit VR Little Endian"));
    }
}
