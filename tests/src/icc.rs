//! Matrix profiles of the monitor class, as phones embed them.

use crate::jpeg::segment;

/// What a made profile says.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its description.
    pub name: String,
    /// Its copyright.
    pub owner: String,
    /// Display P3 instead of sRGB primaries.
    pub display_p3: bool,
    /// 2 or 4.
    pub version: u8,
    /// `RGB ` or `GRAY`.
    pub colour: [u8; 4],
    /// Bytes of a tag that nobody needs.
    pub padding: usize,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "Display P3".into(),
            owner: "public".into(),
            display_p3: true,
            version: 4,
            colour: *b"RGB ",
            padding: 0,
        }
    }
}

const SRGB: [[f64; 3]; 3] = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];
const DISPLAY_P3: [[f64; 3]; 3] =
    [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]];
const WHITE: [f64; 3] = [0.9642, 1.0, 0.8249];

impl Profile {
    /// The profile's bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let xyz = |v: &[f64; 3]| [b"XYZ \0\0\0\0".to_vec(), v.iter().flat_map(|v| fixed(*v)).collect()].concat();
        let curve = if self.version == 4 {
            let parameters = [2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045];
            [b"para\0\0\0\0\0\x03\0\0".to_vec(), parameters.iter().flat_map(|v| fixed(*v)).collect()].concat()
        } else {
            b"curv\0\0\0\0\0\0\0\x01\x02\x33".to_vec()
        };
        let primaries = if self.display_p3 { DISPLAY_P3 } else { SRGB };
        let mut tags = vec![(*b"desc", self.description()), (*b"cprt", self.rights()), (*b"wtpt", xyz(&WHITE))];
        tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(primaries.iter().map(xyz)));
        tags.extend([*b"rTRC", *b"gTRC", *b"bTRC"].map(|name| (name, curve.clone())));
        if self.padding > 0 {
            tags.push((*b"pad ", [b"data\0\0\0\0".to_vec(), vec![0; self.padding]].concat()));
        }
        let (mut table, mut body) = ((tags.len() as u32).to_be_bytes().to_vec(), Vec::new());
        let start = 128 + 4 + 12 * tags.len();
        for (name, mut data) in tags {
            table.extend(
                [&name[..], &((start + body.len()) as u32).to_be_bytes(), &(data.len() as u32).to_be_bytes()].concat(),
            );
            data.resize(data.len().next_multiple_of(4), 0);
            body.extend(data);
        }
        let mut header = [
            &((start + body.len()) as u32).to_be_bytes()[..],
            b"none",
            &[self.version, 0, 0, 0],
            b"mntr",
            &self.colour,
            b"XYZ ",
        ]
        .concat();
        header.extend([2026u16, 3, 14, 9, 26, 53].iter().flat_map(|v| v.to_be_bytes()));
        header.extend(b"acsp");
        header.resize(68, 0);
        header.extend(WHITE.iter().flat_map(|v| fixed(*v)));
        header.resize(128, 0);
        [header, table, body].concat()
    }

    fn description(&self) -> Vec<u8> {
        if self.version == 4 {
            return localised(&self.name);
        }
        let length = (self.name.len() as u32 + 1).to_be_bytes();
        [b"desc\0\0\0\0", &length[..], self.name.as_bytes(), &[0; 79]].concat()
    }

    fn rights(&self) -> Vec<u8> {
        if self.version == 4 {
            localised(&self.owner)
        } else {
            [b"text\0\0\0\0", self.owner.as_bytes(), b"\0"].concat()
        }
    }
}

/// APP2 segments of at most `size` bytes of profile each.
#[must_use]
pub fn segments(profile: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = profile.len().div_ceil(size) as u8;
    (1..).zip(profile.chunks(size)).map(|(k, part)| chunk(k, count, part)).collect()
}

/// One APP2 segment: part `number` of `count`.
#[must_use]
pub fn chunk(number: u8, count: u8, part: &[u8]) -> Vec<u8> {
    segment(0xE2, &[b"ICC_PROFILE\0", &[number, count][..], part].concat())
}

fn localised(text: &str) -> Vec<u8> {
    let raw: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let head = [0u32, 1, 12].map(u32::to_be_bytes).concat();
    [
        b"mluc".to_vec(),
        head,
        b"enUS".to_vec(),
        (raw.len() as u32).to_be_bytes().to_vec(),
        28u32.to_be_bytes().to_vec(),
        raw,
    ]
    .concat()
}

fn fixed(value: f64) -> [u8; 4] {
    ((value * 65_536.0).round() as i32).to_be_bytes()
}
