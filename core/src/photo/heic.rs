//! HEIC boxes: orientation, EXIF, colour. HEVC is not decoded here.
//!
//! ISO/IEC 14496-12 (boxes, `meta`, `iloc`) and ISO/IEC 23008-12 (items, `irot`, `imir`, `ispe`). Boxes nest three deep
//! and no deeper, each list is bounded, and nothing is allocated by a number that the file only claims.

use std::collections::{BTreeMap, BTreeSet};

use super::Limits;
use crate::error::PhotoError;

/// What a HEIC says about its primary picture, and what else lies in the file.
pub(crate) struct Heic<'a> {
    /// Columns as coded: before `clap`, `irot` and `imir`.
    pub(crate) width: u32,
    /// Rows as coded.
    pub(crate) height: u32,
    /// Size after the clean aperture (`clap`), where there is one; decoders cut first and turn then.
    pub(crate) crop: Option<(u32, u32)>,
    /// Quarter turns anticlockwise, 0 to 3.
    pub(crate) irot: Option<u8>,
    /// 0: top and bottom change places; 1: left and right (ISO/IEC 23008-12:2022; the 2017 text had it the other way,
    /// which no decoder follows).
    pub(crate) imir: Option<u8>,
    /// `imir` stands before `irot` in the picture's list of properties (ISO/IEC 23000-22 wants it behind).
    pub(crate) mirror_first: bool,
    /// The EXIF block from its byte-order mark on.
    pub(crate) exif: Option<&'a [u8]>,
    /// The ICC profile.
    pub(crate) icc: Option<&'a [u8]>,
    /// Colour primaries and transfer characteristics of the `nclx` (ITU-T H.273).
    pub(crate) nclx: Option<(u16, u16)>,
    /// Bytes of the coded picture; for a grid, of all its tiles.
    pub(crate) coded_bytes: u64,
    /// Bits a sample.
    pub(crate) bit_depth: Option<u8>,
    /// Everything else that is in the file: (class, offset from the start, bytes). The classes are `thumbnail`,
    /// `gain-map`, `depth`, `aux`, `exif`, `xmp`, `motion-video` and `other`.
    pub(crate) other_items: Vec<(&'static str, u64, u64)>,
}

/// `heic` or `avif`, by the brands of the `ftyp`.
pub(crate) fn brand(head: &[u8]) -> Option<&'static str> {
    let size = u32::from_be_bytes(*head.first_chunk()?) as usize;
    let ftyp = head.get(..size.min(head.len()))?.get(4..)?.strip_prefix(b"ftyp")?;
    let (brands, _) = ftyp.as_chunks::<4>();
    // Major brand, its version (skipped), compatible brands
    let (major, compatible) = (brands.first()?, brands.get(2..).unwrap_or_default());
    let any = |names: &[&[u8; 4]]| names.contains(&major) || compatible.iter().any(|brand| names.contains(&brand));
    if matches!(major, b"avif" | b"avis") {
        Some("avif")
    } else if any(&[b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx"]) {
        Some("heic")
    } else if any(&[b"avif", b"avis"]) {
        Some("avif")
    } else if any(&[b"mif1", b"msf1"]) {
        Some("heic")
    } else {
        None
    }
}

/// The EXIF orientation, 1 to 8, that does what the container's turn and mirror do in their order.
pub(crate) fn orientation(irot: Option<u8>, imir: Option<u8>, mirror_first: bool) -> u16 {
    let clockwise = 4 - irot.unwrap_or(0) % 4;
    // Exchanging top and bottom is exchanging left and right and half a turn; a turn before a mirror is the opposite
    // turn behind it.
    match imir {
        None => [1, 6, 3, 8][usize::from(clockwise % 4)],
        Some(axis) => {
            let half_turn = if axis == 0 { 2 } else { 0 };
            let turn = if mirror_first { clockwise } else { 4 - clockwise % 4 };
            [2, 7, 4, 5][usize::from((half_turn + turn) % 4)]
        }
    }
}

/// Boxes of one level, at most; so items and properties as well.
const MAX_BOXES: usize = 4096;

/// Associations, extents and references of all items together, at most.
const MAX_LINKS: usize = 65_536;

/// Reads the container.
///
/// # Errors
/// `Truncated` when a box or the coded picture runs past the end of the file, `Malformed` with the box that breaks its
/// format, `LimitExceeded` for the file's or the picture's size.
pub(crate) fn read<'a>(file: &'a [u8], limits: &Limits) -> Result<Heic<'a>, PhotoError> {
    limits.check_file(file.len() as u64)?;
    let Layout { meta, mut other_items } = Layout::new(file)?;
    let meta = Meta::new(file, &meta)?;
    let primary = meta.items.get(&meta.primary).ok_or(malformed("pitm", meta.at))?;

    let size = meta.property(primary, b"ispe").ok_or(malformed("ispe", meta.at))?;
    let mut fields = Fields::of_full(size)?.1;
    let (width, height) = (fields.u32()?, fields.u32()?);
    if width == 0 || height == 0 {
        return Err(malformed("ispe", size.at));
    }
    limits.check_size(width, height)?;

    let own = meta.with_sources(meta.primary);
    let coded: Vec<&Item> =
        own.iter().filter_map(|id| meta.items.get(id)).filter(|item| item.sources.is_empty()).collect();
    let mut coded_bytes = 0_u64;
    for (from, length) in coded.iter().flat_map(|item| &item.extents) {
        from.checked_add(*length).filter(|to| *to <= file.len() as u64).ok_or(PhotoError::Truncated("mdat"))?;
        coded_bytes = coded_bytes.saturating_add(*length);
    }
    if coded_bytes == 0 {
        return Err(malformed("iloc", meta.at));
    }

    // A grid may leave colour and depth to its tiles.
    let described: Vec<&Item> = std::iter::once(primary).chain(coded.first().copied()).collect();
    let colour = |kinds: &[&[u8]]| {
        let all = described.iter().flat_map(|item| meta.properties(item, b"colr"));
        all.map(|colr| colr.body).find_map(|body| kinds.iter().find_map(|kind| body.strip_prefix(*kind)))
    };
    let first = |kind| described.iter().find_map(|item| meta.property(item, kind)).map(|found| found.body);
    let place = |kind| primary.properties.iter().position(|index| meta.is(*index, kind));
    let transform =
        |kind, mask| meta.property(primary, kind).and_then(|found| found.body.first()).map(|byte| byte & mask);

    other_items.extend(meta.others(&own));
    Ok(Heic {
        width,
        height,
        crop: meta.property(primary, b"clap").map(clean_aperture).transpose()?,
        irot: transform(b"irot", 3),
        imir: transform(b"imir", 1),
        mirror_first: matches!((place(b"imir"), place(b"irot")), (Some(mirror), Some(turn)) if mirror < turn),
        exif: meta.exif(file),
        icc: colour(&[b"prof", b"rICC"]),
        nclx: colour(&[b"nclx"]).and_then(|body| {
            let (values, _) = body.as_chunks();
            Some((u16::from_be_bytes(*values.first()?), u16::from_be_bytes(*values.get(1)?)))
        }),
        coded_bytes,
        // Luma depth of the decoder's configuration, or the first channel's of `pixi`
        bit_depth: first(b"hvcC")
            .and_then(|body| body.get(17).map(|byte| (byte & 7) + 8))
            .or_else(|| first(b"pixi").and_then(|body| body.get(5).copied())),
        other_items,
    })
}

fn malformed(part: &'static str, offset: u64) -> PhotoError {
    PhotoError::Malformed { part, offset }
}

/// Width and height in whole pixels.
fn clean_aperture(clap: &Found<'_>) -> Result<(u32, u32), PhotoError> {
    let mut fields = Fields::of(clap);
    let (width, width_unit, height, height_unit) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
    match (width.checked_div(width_unit), height.checked_div(height_unit)) {
        (Some(width @ 1..), Some(height @ 1..)) => Ok((width, height)),
        _ => Err(malformed("clap", clap.at)),
    }
}

/// One box.
struct Found<'a> {
    kind: [u8; 4],
    /// Its name, when it is one that is read here, else `box`.
    name: &'static str,
    at: u64,
    body_at: u64,
    body: &'a [u8],
}

/// The boxes that are read here; errors name no others.
const NAMES: [&str; 20] = [
    "ftyp", "meta", "mdat", "hdlr", "pitm", "iinf", "infe", "iref", "iprp", "ipco", "ipma", "iloc", "idat", "ispe",
    "irot", "imir", "clap", "colr", "pixi", "mpvd",
];

enum Next<'a> {
    Box(Found<'a>),
    /// The box runs past the end; its name.
    TooLong(&'static str),
    /// No box starts here.
    Nothing,
}

/// The box at the start of `bytes`, which lie at `at` of the file.
fn next_box(bytes: &[u8], at: u64) -> Next<'_> {
    let Some((size, kind)) = bytes.first_chunk::<8>().map(|head| {
        let [a, b, c, d, kind @ ..] = *head;
        (u32::from_be_bytes([a, b, c, d]), kind)
    }) else {
        return Next::TooLong("box");
    };
    let name = NAMES.into_iter().find(|name| name.as_bytes() == kind).unwrap_or("box");
    let (head, size) = match size {
        0 => (8, bytes.len() as u64),
        1 => match bytes.get(8..).and_then(<[u8]>::first_chunk) {
            Some(long) => (16, u64::from_be_bytes(*long)),
            None => return Next::TooLong(name),
        },
        size => (8, size.into()),
    };
    if size < head as u64 {
        return Next::Nothing;
    }
    match usize::try_from(size).ok().and_then(|size| bytes.get(head..size)) {
        Some(body) => Next::Box(Found { kind, name, at, body_at: at + head as u64, body }),
        None => Next::TooLong(name),
    }
}

/// The boxes inside `parent`, from `skip` bytes of its body on.
fn children<'a>(parent: &Found<'a>, skip: usize) -> Result<Vec<Found<'a>>, PhotoError> {
    let mut rest = parent.body.get(skip..).ok_or(malformed(parent.name, parent.at))?;
    let mut at = parent.body_at + skip as u64;
    let mut found = Vec::new();
    while !rest.is_empty() {
        match next_box(rest, at) {
            Next::Box(child) if found.len() < MAX_BOXES => {
                let length = (child.body_at - at) as usize + child.body.len();
                (rest, at) = (rest.get(length..).unwrap_or_default(), at + length as u64);
                found.push(child);
            }
            _ => return Err(malformed(parent.name, at)),
        }
    }
    Ok(found)
}

/// The boxes of the file itself.
struct Layout<'a> {
    meta: Found<'a>,
    other_items: Vec<(&'static str, u64, u64)>,
}

impl<'a> Layout<'a> {
    fn new(file: &'a [u8]) -> Result<Self, PhotoError> {
        let (mut meta, mut other_items, mut boxes) = (None, Vec::new(), 0);
        let mut at = 0;
        while let Some(rest) = file.get(at..).filter(|rest| !rest.is_empty()) {
            boxes += 1;
            let found = match next_box(rest, at as u64) {
                Next::Box(found) if boxes <= MAX_BOXES => found,
                Next::TooLong(name) if name != "box" || meta.is_none() => return Err(PhotoError::Truncated(name)),
                // Something appended that is no box
                _ if meta.is_some() => {
                    other_items.push(("other", at as u64, rest.len() as u64));
                    break;
                }
                _ => return Err(malformed("box", at as u64)),
            };
            let length = (found.body_at - found.at) as usize + found.body.len();
            match &found.kind {
                b"meta" if meta.is_none() => meta = Some(found),
                b"ftyp" | b"mdat" | b"styp" => {}
                b"free" | b"skip" if found.body.iter().all(|byte| *byte == 0) => {}
                b"mpvd" | b"moov" | b"moof" => other_items.push(("motion-video", found.at, length as u64)),
                _ => other_items.push(("other", found.at, length as u64)),
            }
            at += length;
        }
        Ok(Self { meta: meta.ok_or(PhotoError::Truncated("meta"))?, other_items })
    }
}

/// One item of the `meta` box.
#[derive(Default)]
struct Item {
    kind: [u8; 4],
    is_xmp: bool,
    /// (offset from the start of the file, bytes)
    extents: Vec<(u64, u64)>,
    /// Places in `ipco`, from 0, in the order of `ipma`.
    properties: Vec<usize>,
    /// The items that this one is derived from (`dimg`).
    sources: Vec<u32>,
    /// What this item is a thumbnail of, an auxiliary picture of, or described by (`thmb`, `auxl`, `cdsc`).
    references: Vec<([u8; 4], u32)>,
}

struct Meta<'a> {
    at: u64,
    primary: u32,
    items: BTreeMap<u32, Item>,
    properties: Vec<Found<'a>>,
    links: usize,
}

impl<'a> Meta<'a> {
    fn new(file: &[u8], meta: &Found<'a>) -> Result<Self, PhotoError> {
        let boxes = children(meta, 4)?;
        let find =
            |kind: &[u8; 4], name| boxes.iter().find(|child| child.kind == *kind).ok_or(malformed(name, meta.at));
        let hdlr = find(b"hdlr", "hdlr")?;
        if hdlr.body.get(8..12) != Some(b"pict") {
            return Err(malformed("hdlr", hdlr.at));
        }
        let (version, mut fields) = Fields::of_full(find(b"pitm", "pitm")?)?;
        let primary = fields.uint(if version == 0 { 2 } else { 4 })? as u32;

        let iprp = children(find(b"iprp", "iprp")?, 0)?;
        let ipco = iprp.iter().find(|child| child.kind == *b"ipco").ok_or(malformed("ipco", meta.at))?;
        let mut read = Self { at: meta.at, primary, items: BTreeMap::new(), properties: children(ipco, 0)?, links: 0 };
        read.read_items(find(b"iinf", "iinf")?)?;
        for ipma in iprp.iter().filter(|child| child.kind == *b"ipma") {
            read.read_associations(ipma)?;
        }
        let data = boxes.iter().find(|child| child.kind == *b"idat");
        read.read_locations(find(b"iloc", "iloc")?, data, file.len() as u64)?;
        if let Some(iref) = boxes.iter().find(|child| child.kind == *b"iref") {
            read.read_references(iref)?;
        }
        Ok(read)
    }

    /// Counts one association, extent or reference.
    fn link(&mut self, part: &Found<'_>) -> Result<(), PhotoError> {
        self.links += 1;
        if self.links > MAX_LINKS { Err(malformed(part.name, part.at)) } else { Ok(()) }
    }

    fn read_items(&mut self, iinf: &Found<'_>) -> Result<(), PhotoError> {
        let (version, _) = Fields::of_full(iinf)?;
        for infe in children(iinf, if version == 0 { 6 } else { 8 })? {
            let (version, mut fields) = Fields::of_full(&infe)?;
            if version < 2 {
                continue;
            }
            let id = fields.uint(if version == 2 { 2 } else { 4 })? as u32;
            fields.uint(2)?; // protection
            let kind = fields.u32()?.to_be_bytes();
            let mut texts = fields.rest.split(|byte| *byte == 0).skip(1);
            let is_xmp = kind == *b"mime" && texts.next() == Some(b"application/rdf+xml");
            self.items.insert(id, Item { kind, is_xmp, ..Item::default() });
        }
        Ok(())
    }

    fn read_associations(&mut self, ipma: &Found<'_>) -> Result<(), PhotoError> {
        let (version, mut fields) = Fields::of_full(ipma)?;
        let wide = ipma.body.get(3).is_some_and(|flags| flags & 1 == 1);
        for _ in 0..fields.u32()? {
            let id = fields.uint(if version == 0 { 2 } else { 4 })? as u32;
            for _ in 0..fields.uint(1)? {
                self.link(ipma)?;
                // The highest bit says "essential"; number 0 stands for none.
                let number = if wide { fields.uint(2)? & 0x7FFF } else { fields.uint(1)? & 0x7F };
                if let (Some(index), Some(item)) = ((number as usize).checked_sub(1), self.items.get_mut(&id)) {
                    item.properties.push(index);
                }
            }
        }
        Ok(())
    }

    fn read_locations(&mut self, iloc: &Found<'_>, idat: Option<&Found<'_>>, end: u64) -> Result<(), PhotoError> {
        let (version, mut fields) = Fields::of_full(iloc)?;
        let sizes = fields.uint(2)?;
        let [offset_size, length_size, base_size, index_size] =
            [12, 8, 4, 0].map(|shift| (sizes >> shift & 15) as usize);
        for _ in 0..fields.uint(if version < 2 { 2 } else { 4 })? {
            let id = fields.uint(if version < 2 { 2 } else { 4 })? as u32;
            let method = if version == 0 { 0 } else { fields.uint(2)? & 15 };
            let is_external = fields.uint(2)? != 0;
            let base = fields.uint(base_size)?;
            let (start, end) = match (method, idat) {
                (0, _) => (0, end),
                (1, Some(idat)) => (idat.body_at, idat.body_at + idat.body.len() as u64),
                (1, None) => return Err(malformed("idat", iloc.at)),
                _ => (end, end),
            };
            for _ in 0..fields.uint(2)? {
                self.link(iloc)?;
                if version > 0 {
                    fields.uint(index_size)?;
                }
                let offset =
                    [base, fields.uint(offset_size)?].iter().try_fold(start, |sum, part| sum.checked_add(*part));
                let offset = offset.ok_or(malformed("iloc", iloc.at))?;
                // No length: all there is
                let length = match fields.uint(length_size)? {
                    0 => end.saturating_sub(offset),
                    length => length,
                };
                if let Some(item) = self.items.get_mut(&id).filter(|_| !is_external && method < 2) {
                    item.extents.push((offset, length));
                }
            }
        }
        Ok(())
    }

    fn read_references(&mut self, iref: &Found<'_>) -> Result<(), PhotoError> {
        let (version, _) = Fields::of_full(iref)?;
        let id_size = if version == 0 { 2 } else { 4 };
        for reference in children(iref, 4)? {
            let mut fields = Fields { name: "iref", ..Fields::of(&reference) };
            let from = fields.uint(id_size)? as u32;
            for _ in 0..fields.uint(2)? {
                self.link(iref)?;
                let to = fields.uint(id_size)? as u32;
                match self.items.get_mut(&from) {
                    Some(item) if reference.kind == *b"dimg" => item.sources.push(to),
                    Some(item) => item.references.push((reference.kind, to)),
                    None => {}
                }
            }
        }
        Ok(())
    }

    fn is(&self, index: usize, kind: &[u8; 4]) -> bool {
        self.properties.get(index).is_some_and(|property| property.kind == *kind)
    }

    fn properties(&self, item: &Item, kind: &'static [u8; 4]) -> impl Iterator<Item = &Found<'a>> {
        item.properties.iter().filter_map(|index| self.properties.get(*index)).filter(move |found| found.kind == *kind)
    }

    fn property(&self, item: &Item, kind: &'static [u8; 4]) -> Option<&Found<'a>> {
        self.properties(item, kind).next()
    }

    /// The item and all that it is derived from, eight steps deep at most.
    fn with_sources(&self, id: u32) -> BTreeSet<u32> {
        let mut all = BTreeSet::from([id]);
        for _ in 0..8 {
            let items = all.iter().filter_map(|id| self.items.get(id));
            let sources: Vec<u32> = items.flat_map(|item| &item.sources).copied().collect();
            all.extend(sources);
        }
        all
    }

    /// The block of the EXIF item that describes the primary picture, or else of the first.
    fn exif(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let mut items = self.items.values().filter(|item| item.kind == *b"Exif");
        let describes = |item: &&Item| item.references.contains(&(*b"cdsc", self.primary));
        let item = items.clone().find(describes).or_else(|| items.next())?;
        let [(from, length)] = *item.extents.as_slice() else { return None };
        let (from, to) = (usize::try_from(from).ok()?, usize::try_from(from.checked_add(length)?).ok()?);
        // Offset of the byte-order mark behind these four bytes
        let (skip, block) = file.get(from..to)?.split_first_chunk()?;
        let block = block.get(u32::from_be_bytes(*skip) as usize..)?;
        Some(block.strip_prefix(b"Exif\0\0").unwrap_or(block))
    }

    /// Every item but `own`, with its class. A tile is what its picture is.
    fn others(&self, own: &BTreeSet<u32>) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let derived = self.items.iter().flat_map(|(id, item)| item.sources.iter().map(move |source| (*source, *id)));
        let parents: BTreeMap<u32, u32> = derived.collect();
        let classes: BTreeMap<u32, &str> =
            self.items.iter().filter_map(|(id, item)| Some((*id, self.class(item)?))).collect();
        let others = self.items.iter().filter(|(id, _)| !own.contains(id));
        others.map(move |(id, item)| {
            let mut lineage = std::iter::successors(Some(*id), |id| parents.get(id).copied()).take(8);
            let class = lineage.find_map(|id| classes.get(&id).copied());
            let bytes = item.extents.iter().fold(0_u64, |sum, (_, length)| sum.saturating_add(*length));
            let offset = item.extents.first().map_or(0, |(offset, _)| *offset);
            (class.unwrap_or("other"), offset, bytes)
        })
    }

    fn class(&self, item: &Item) -> Option<&'static str> {
        let refers = |kind: &[u8; 4]| item.references.iter().any(|(known, _)| known == kind);
        match &item.kind {
            b"Exif" => Some("exif"),
            b"mime" if item.is_xmp => Some("xmp"),
            b"tmap" => Some("gain-map"),
            _ if refers(b"thmb") => Some("thumbnail"),
            _ if refers(b"auxl") => {
                let name = self.property(item, b"auxC").map_or([].as_slice(), |found| found.body);
                let name = name.get(..256).unwrap_or(name);
                let says = |word: &[u8]| name.windows(word.len()).any(|window| window == word);
                if says(b"hdrgainmap") {
                    Some("gain-map")
                } else if says(b"depth") || says(b"disparity") || says(b":auxid:2") {
                    Some("depth")
                } else {
                    Some("aux")
                }
            }
            _ => None,
        }
    }
}

/// Big-endian fields of one box, in turn.
struct Fields<'a> {
    name: &'static str,
    at: u64,
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    fn of(found: &Found<'a>) -> Self {
        Self { name: found.name, at: found.at, rest: found.body }
    }

    /// The version of a full box, and its fields behind version and flags.
    fn of_full(found: &Found<'a>) -> Result<(u8, Self), PhotoError> {
        let mut fields = Self::of(found);
        Ok(((fields.u32()? >> 24) as u8, fields))
    }

    fn uint(&mut self, size: usize) -> Result<u64, PhotoError> {
        let (field, rest) =
            self.rest.split_at_checked(size).filter(|_| size <= 8).ok_or(malformed(self.name, self.at))?;
        self.rest = rest;
        Ok(field.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    fn u32(&mut self) -> Result<u32, PhotoError> {
        Ok(self.uint(4)? as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::super::exif::tests::{mutants, real_photos};
    use super::super::{exif, icc};
    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        [&(body.len() as u32 + 8).to_be_bytes(), kind.as_slice(), body].concat()
    }

    fn full(kind: &[u8; 4], version: u8, body: &[u8]) -> Vec<u8> {
        boxed(kind, &[&[version, 0, 0, 0], body].concat())
    }

    fn word(value: u32) -> [u8; 4] {
        value.to_be_bytes()
    }

    const TIFF: &[u8] = b"MM\0*\0\0\0\x08\0\0";

    /// Item 1, the picture, is a grid of the tiles 2 and 3; 4 is EXIF, 5 a thumbnail, 6 XMP, 7 a gain map of tile 8.
    struct Builder {
        properties: Vec<Vec<u8>>,
        primary_properties: Vec<u8>,
        version: u8,
        references: Vec<u8>,
    }

    impl Default for Builder {
        fn default() -> Self {
            Self {
                properties: vec![
                    full(b"ispe", 0, &[word(640), word(480)].concat()),
                    boxed(b"irot", &[3]),
                    boxed(b"imir", &[1]),
                    boxed(b"colr", b"nclx\0\x0c\0\x0d\0\x06\x80"),
                    boxed(b"colr", b"profICC"),
                    full(b"auxC", 0, b"urn:com:apple:photo:2020:aux:hdrgainmap\0"),
                    boxed(b"hvcC", &[[0; 17].as_slice(), &[0xFA], &[0; 5]].concat()),
                ],
                primary_properties: vec![1, 2, 3],
                version: 0,
                references: Vec::new(),
            }
        }
    }

    impl Builder {
        fn id(&self, id: u32) -> Vec<u8> {
            if self.version == 0 { word(id)[2..].to_vec() } else { word(id).to_vec() }
        }

        fn meta(&self, data_at: u32) -> Vec<u8> {
            let infe = |id: u32, rest: &[u8]| {
                full(b"infe", 2 + self.version, &[&self.id(id), b"\0\0".as_slice(), rest].concat())
            };
            let infos = [
                infe(1, b"grid\0"),
                infe(2, b"hvc1\0"),
                infe(3, b"hvc1\0"),
                infe(4, b"Exif\0"),
                infe(5, b"hvc1\0"),
                infe(6, b"mimename\0application/rdf+xml\0"),
                infe(7, b"grid\0"),
                infe(8, b"hvc1\0"),
            ];
            let count = self.id(infos.len() as u32);
            let iinf = full(b"iinf", self.version, &[count, infos.concat()].concat());
            let reference = |kind, from, to: &[u32]| {
                let to: Vec<u8> = to.iter().flat_map(|id| self.id(*id)).collect();
                boxed(kind, &[self.id(from), vec![0, (to.len() / self.id(0).len()) as u8], to].concat())
            };
            let references = [
                reference(b"dimg", 1, &[2, 3]),
                reference(b"cdsc", 4, &[1]),
                reference(b"thmb", 5, &[1]),
                reference(b"auxl", 7, &[1]),
                reference(b"dimg", 7, &[8]),
                self.references.clone(),
            ];
            let association = |id, places: &[u8]| [self.id(id), vec![places.len() as u8], places.to_vec()].concat();
            let associations = [
                word(4).to_vec(),
                association(1, &self.primary_properties),
                association(2, &[4, 0x85, 7]),
                association(7, &[6]),
                association(3, &[0, 77]),
            ];
            let iprp = [boxed(b"ipco", &self.properties.concat()), full(b"ipma", self.version, &associations.concat())];
            // Items 1 and 7 are in the idat, the others follow one another in the mdat, 10 bytes each; EXIF has 14.
            let extent = |id: u32, method: u8, at: u32, length: u32| {
                [&self.id(id), [0, method, 0, 0, 0, 1].as_slice(), &word(at), &word(length)].concat()
            };
            let extents = [
                extent(1, 1, 0, 8),
                extent(2, 0, data_at, 10),
                extent(3, 0, data_at + 10, 10),
                extent(4, 0, data_at + 20, 14),
                extent(5, 0, data_at + 34, 10),
                extent(6, 0, data_at + 44, 10),
                extent(7, 1, 8, 8),
                extent(8, 0, data_at + 54, 10),
            ];
            let iloc = full(
                b"iloc",
                1 + self.version,
                &[[0x44, 0].as_slice(), &self.id(extents.len() as u32), &extents.concat()].concat(),
            );
            let boxes = [
                full(b"hdlr", 0, &[b"\0\0\0\0pict".as_slice(), &[0; 13]].concat()),
                full(b"pitm", self.version, &self.id(1)),
                iinf,
                full(b"iref", self.version, &references.concat()),
                boxed(b"iprp", &iprp.concat()),
                boxed(b"idat", &[0; 16]),
                iloc,
            ];
            full(b"meta", 0, &boxes.concat())
        }

        fn file(&self) -> Vec<u8> {
            let ftyp = boxed(b"ftyp", b"heic\0\0\0\0mif1heic");
            let data_at = ftyp.len() + self.meta(0).len() + 8;
            let data = [[7; 20].as_slice(), &[0; 4], TIFF, &[7; 30]].concat();
            [ftyp, self.meta(data_at as u32), boxed(b"mdat", &data), boxed(b"mpvd", b"video")].concat()
        }
    }

    fn read(file: &[u8]) -> Result<Heic<'_>, PhotoError> {
        super::read(file, &Limits::default())
    }

    #[test]
    fn reads_a_grid_and_what_lies_beside_it() {
        for version in [0, 1] {
            let file = Builder { version, ..Builder::default() }.file();
            let heic = read(&file).unwrap();
            assert_eq!((heic.width, heic.height, heic.crop), (640, 480, None));
            assert_eq!((heic.irot, heic.imir, heic.mirror_first), (Some(3), Some(1), false));
            assert_eq!(heic.exif, Some(TIFF));
            assert_eq!(heic.icc, Some(b"ICC".as_slice()));
            assert_eq!(heic.nclx, Some((12, 13)));
            assert_eq!((heic.coded_bytes, heic.bit_depth), (20, Some(10)));
            let classes: Vec<_> = heic.other_items.iter().map(|(class, _, bytes)| (*class, *bytes)).collect();
            let expected =
                [("motion-video", 13), ("exif", 14), ("thumbnail", 10), ("xmp", 10), ("gain-map", 8), ("gain-map", 10)];
            assert_eq!(classes, expected);
            let at = heic.other_items[1].1 as usize;
            assert_eq!(&file[at + 4..at + 14], TIFF);
        }
    }

    #[test]
    fn the_order_of_turn_and_mirror_counts() {
        let file = Builder { primary_properties: vec![3, 1, 2], ..Builder::default() }.file();
        let heic = read(&file).unwrap();
        assert!(heic.mirror_first);
        assert_eq!(orientation(heic.irot, heic.imir, true), 7);
        assert_eq!(orientation(heic.irot, heic.imir, false), 5);
    }

    /// Against turning and mirroring a small picture step by step.
    #[test]
    fn orientation_does_what_the_transforms_do() {
        type Picture = [[u8; 2]; 2];
        let left_right = |p: Picture| p.map(|[a, b]| [b, a]);
        let top_bottom = |[a, b]: Picture| [b, a];
        let transpose = |[[a, b], [c, d]]: Picture| [[a, c], [b, d]];
        let clockwise = |p| left_right(transpose(p));
        let by_exif = |p, orientation| match orientation {
            1 => p,
            2 => left_right(p),
            3 => left_right(top_bottom(p)),
            4 => top_bottom(p),
            5 => transpose(p),
            6 => clockwise(p),
            7 => left_right(top_bottom(transpose(p))),
            8 => clockwise(clockwise(clockwise(p))),
            other => panic!("{other}"),
        };
        let picture = [[1, 2], [3, 4]];
        for irot in [None, Some(0), Some(1), Some(2), Some(3)] {
            for imir in [None, Some(0), Some(1)] {
                for mirror_first in [false, true] {
                    let mirrored = |p| match imir {
                        None => p,
                        Some(0) => top_bottom(p),
                        Some(_) => left_right(p),
                    };
                    let turned = |p| (0..3 * irot.unwrap_or(0)).fold(p, |p, _| clockwise(p));
                    let expected = if mirror_first { turned(mirrored(picture)) } else { mirrored(turned(picture)) };
                    let found = by_exif(picture, orientation(irot, imir, mirror_first));
                    assert_eq!(found, expected, "{irot:?} {imir:?} {mirror_first}");
                }
            }
        }
    }

    #[test]
    fn brands() {
        let ftyp = |brands: &[u8]| boxed(b"ftyp", brands);
        assert_eq!(brand(&ftyp(b"heic\0\0\0\0mif1heic")), Some("heic"));
        assert_eq!(brand(&ftyp(b"mif1\0\0\0\0mif1heix")), Some("heic"));
        assert_eq!(brand(&ftyp(b"mif1\0\0\0\0mif1avif")), Some("avif"));
        assert_eq!(brand(&ftyp(b"avif\0\0\0\0mif1heic")), Some("avif"));
        assert_eq!(brand(&ftyp(b"mif1\0\0\0\0mif1")), Some("heic"));
        assert_eq!(brand(&ftyp(b"isom\0\0\0\0mp42")), None);
        assert_eq!(brand(&[ftyp(b"isom\0\0\0\0mp42"), b"heic".to_vec()].concat()), None);
        assert_eq!(brand(b"\xff\xd8\xff\xe0"), None);
        assert_eq!(brand(&ftyp(b"heic\0\0\0\0mif1heic")), Some("heic"));
        assert!(brand(b"").is_none() && brand(&[0; 12]).is_none());
    }

    #[test]
    fn every_cut_is_noticed() {
        let file = Builder::default().file();
        let mdat_end = file.len() - 13;
        for length in 0..mdat_end {
            let found = read(&file[..length]).map(|_| ());
            assert!(matches!(found, Err(PhotoError::Truncated(_))), "{length}: {found:?}");
        }
        assert!(matches!(read(&file[..file.len() - 1]), Err(PhotoError::Truncated("mpvd"))));
        let appended = [file.as_slice(), b"appended by an app"].concat();
        let (class, at, bytes) = read(&appended).unwrap().other_items[1];
        assert_eq!((class, at, bytes), ("other", file.len() as u64, 18));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let part = |builder: Builder| match read(&builder.file()).map(|_| ()) {
            Err(PhotoError::Malformed { part, .. }) => part,
            other => panic!("{other:?}"),
        };
        assert_eq!(part(Builder { primary_properties: vec![2], ..Builder::default() }), "ispe");
        let mut no_size = Builder::default();
        no_size.properties[0] = full(b"ispe", 0, &[0; 8]);
        assert_eq!(part(no_size), "ispe");
        let mut flat = Builder::default();
        flat.properties.push(boxed(b"clap", &[0; 32]));
        flat.primary_properties.push(8);
        assert_eq!(part(flat), "clap");
        // 65,535 references of each of five items
        let flood = [b"\0\x05\xff\xff".to_vec(), vec![0; 131_070]].concat();
        assert_eq!(part(Builder { references: boxed(b"thmb", &flood).repeat(5), ..Builder::default() }), "iref");
        let mut large = Builder::default();
        large.properties[0] = full(b"ispe", 0, &[word(20_000), word(20_000)].concat());
        assert_eq!(read(&large.file()).map(|_| ()).unwrap_err().code(), "limit-side");
    }

    #[test]
    fn real_photos_give_what_their_manifest_says() {
        for (row, file) in real_photos().iter().filter(|(row, _)| !row["file"].ends_with(".jpg")) {
            let name = &row["file"];
            assert_eq!(brand(&file[..64]), Some("heic"), "{name}");
            if name == "canon-10bit-corrupted.hif" {
                assert_eq!(read(file).map(|_| ()), Err(PhotoError::Truncated("mdat")));
                continue;
            }
            let heic = read(file).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(heic.width.to_string(), row["width"], "{name}");
            assert_eq!(heic.height.to_string(), row["height"], "{name}");
            assert_eq!(
                heic.irot.unwrap_or(0).to_string(),
                if row["irot"].is_empty() { "0" } else { &row["irot"] },
                "{name}"
            );
            assert_eq!(heic.bit_depth.unwrap().to_string(), row["bit_depth"], "{name}");
            let block = exif::read(heic.exif.unwrap(), &Limits::default()).unwrap();
            assert_eq!(block.orientation.map_or("absent".into(), |o| o.to_string()), row["exif_orientation"], "{name}");
            assert_eq!(block.facts.model.unwrap_or_default(), row["model"], "{name}");
            let primaries = heic.icc.map(|icc| icc::for_dicom(icc).unwrap().primaries());
            assert_eq!(primaries, (row["icc"] == "Display P3").then_some(super::super::Primaries::DisplayP3), "{name}");
            assert!(heic.coded_bytes > 100_000 && heic.coded_bytes < file.len() as u64, "{name}");
            for class in ["gain-map", "motion-video", "xmp"] {
                let found = heic.other_items.iter().any(|(known, ..)| *known == class);
                assert_eq!(found, row["has"].split(',').any(|has| has == class), "{name} {class}");
            }
        }
    }

    #[test]
    fn mutated_containers_never_panic() {
        let file = Builder::default().file();
        let read = mutants(&file, 20_000).filter(|mutant| read(mutant).is_ok()).count();
        assert!(read > 1000);
    }
}
