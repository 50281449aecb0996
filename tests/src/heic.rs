//! HEIC files without pixels: boxes as a phone writes them, with noise where the coded picture belongs.

use crate::exif::Exif;
use crate::hidden::box_of;
use crate::random::noise;

/// What the boxes say.
#[derive(Debug, Clone)]
pub struct Heic {
    /// Pixels across, before any turn.
    pub width: u32,
    /// Pixels down, before any turn.
    pub height: u32,
    /// Quarter turns anticlockwise (`irot`).
    pub turns: Option<u8>,
    /// Axis of a mirror (`imir`): 0 upside down, 1 left to right.
    pub mirror: Option<u8>,
    /// The EXIF item.
    pub exif: Exif,
    /// The colour box: `nclx` and its numbers, or `prof` and a profile.
    pub colour: Vec<u8>,
}

/// sRGB primaries and curve, full range.
pub const NCLX_SRGB: &[u8] = b"nclx\0\x01\0\x0d\0\x06\x80";
/// Display P3 primaries, sRGB curve, full range.
pub const NCLX_P3: &[u8] = b"nclx\0\x0c\0\x0d\0\x06\x80";

impl Heic {
    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let coded = noise(8, 600);
        let block = [vec![0, 0, 0, 6], b"Exif\0\0".to_vec(), self.exif.tiff()].concat();
        let head = box_of(b"ftyp", b"heic\0\0\0\0mif1heic");
        let at = head.len() + self.meta(0, coded.len(), block.len()).len() + 8;
        [head, self.meta(at, coded.len(), block.len()), box_of(b"mdat", &[coded, block].concat())].concat()
    }

    fn meta(&self, at: usize, coded: usize, block: usize) -> Vec<u8> {
        let long = |v: usize| (v as u32).to_be_bytes();
        let item = |id: u8, kind: &[u8]| full(b"infe", 2, &[&[0, id, 0, 0], kind, b"\0"].concat());
        let size = full(b"ispe", 0, &[self.width.to_be_bytes(), self.height.to_be_bytes()].concat());
        let mut properties = vec![size, box_of(b"colr", &self.colour)];
        properties.extend(self.turns.map(|turns| box_of(b"irot", &[turns])));
        properties.extend(self.mirror.map(|axis| box_of(b"imir", &[axis])));
        let mut links = vec![0, 0, 0, 1, 0, 1, properties.len() as u8];
        links.extend((1..=properties.len() as u8).map(|k| 0x80 | k));
        let place = |id: u8, at: usize, length: usize| [&[0, id, 0, 0, 0, 1][..], &long(at), &long(length)].concat();
        let parts = [
            full(b"hdlr", 0, b"\0\0\0\0pict\0\0\0\0\0\0\0\0\0\0\0\0\0"),
            full(b"pitm", 0, &[0, 1]),
            full(b"iinf", 0, &[vec![0, 2], item(1, b"hvc1"), item(2, b"Exif")].concat()),
            full(b"iref", 0, &box_of(b"cdsc", &[0, 2, 0, 1, 0, 1])),
            box_of(b"iprp", &[box_of(b"ipco", &properties.concat()), full(b"ipma", 0, &links)].concat()),
            full(b"iloc", 0, &[vec![0x44, 0, 0, 2], place(1, at, coded), place(2, at + coded, block)].concat()),
        ];
        full(b"meta", 0, &parts.concat())
    }
}

fn full(kind: &[u8; 4], version: u8, payload: &[u8]) -> Vec<u8> {
    box_of(kind, &[&[version, 0, 0, 0], payload].concat())
}
