//! EXIF as phones write it, and as nobody should.

use crate::jpeg::segment;

/// A value of a directory entry.
#[derive(Debug, Clone)]
pub enum Value {
    /// BYTE.
    Bytes(Vec<u8>),
    /// ASCII, a NUL is added.
    Text(String),
    /// SHORT.
    Short(u16),
    /// LONG.
    Long(u32),
    /// RATIONAL, any number of them.
    Rationals(Vec<(u32, u32)>),
    /// UNDEFINED.
    Undefined(Vec<u8>),
}

impl Value {
    /// ASCII.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    fn coded(&self, big: bool) -> (u16, u32, Vec<u8>) {
        let count = |n: usize| u32::try_from(n).expect("a made value is small");
        match self {
            Self::Bytes(v) => (1, count(v.len()), v.clone()),
            Self::Text(v) => (2, count(v.len() + 1), [v.as_bytes(), b"\0"].concat()),
            Self::Short(v) => (3, 1, u16_bytes(*v, big).to_vec()),
            Self::Long(v) => (4, 1, u32_bytes(*v, big).to_vec()),
            Self::Rationals(v) => (
                5,
                count(v.len()),
                v.iter().flat_map(|(n, d)| [u32_bytes(*n, big), u32_bytes(*d, big)].concat()).collect(),
            ),
            Self::Undefined(v) => (7, count(v.len()), v.clone()),
        }
    }
}

/// Directories of one EXIF block.
#[derive(Debug, Clone, Default)]
pub struct Exif {
    /// IFD0.
    pub main: Vec<(u16, Value)>,
    /// The EXIF directory.
    pub sub: Vec<(u16, Value)>,
    /// The GPS directory.
    pub gps: Vec<(u16, Value)>,
    /// A JPEG in IFD1; empty: none.
    pub thumbnail: Vec<u8>,
    /// Motorola (`MM`) instead of Intel byte order.
    pub big: bool,
}

impl Exif {
    /// Nothing but an orientation.
    #[must_use]
    pub fn oriented(orientation: u16) -> Self {
        Self { main: vec![(0x0112, Value::Short(orientation))], big: true, ..Self::default() }
    }

    /// An orientation and a DateTimeOriginal, with OffsetTimeOriginal when given; DateTime says 2020.
    #[must_use]
    pub fn taken(time: &str, offset: Option<&str>) -> Self {
        let mut sub = vec![(0x9003, Value::text(time))];
        sub.extend(offset.map(|offset| (0x9011, Value::text(offset))));
        Self {
            sub,
            main: vec![(0x0112, Value::Short(1)), (0x0132, Value::text("2020:01:01 00:00:00"))],
            ..Self::default()
        }
    }

    /// The TIFF structure alone, as HEIC and PNG carry it.
    #[must_use]
    pub fn tiff(&self) -> Vec<u8> {
        let (mut main, big) = (self.main.clone(), self.big);
        let size = |entries: &[(u16, Value)]| directory(entries, 0, 0, big).len();
        let pointers: Vec<u16> = [(0x8769, !self.sub.is_empty()), (0x8825, !self.gps.is_empty())]
            .iter()
            .filter(|p| p.1)
            .map(|p| p.0)
            .collect();
        main.extend(pointers.iter().map(|tag| (*tag, Value::Long(0))));
        let sub_at = 8 + size(&main);
        let gps_at = sub_at + if self.sub.is_empty() { 0 } else { size(&self.sub) };
        let next_at = gps_at + if self.gps.is_empty() { 0 } else { size(&self.gps) };
        for (tag, value) in &mut main {
            match tag {
                0x8769 => *value = Value::Long(sub_at as u32),
                0x8825 => *value = Value::Long(gps_at as u32),
                _ => {}
            }
        }
        let mut out = if big { b"MM\0*\0\0\0\x08".to_vec() } else { b"II*\0\x08\0\0\0".to_vec() };
        out.extend(directory(&main, 8, if self.thumbnail.is_empty() { 0 } else { next_at }, big));
        for (entries, at) in [(&self.sub, sub_at), (&self.gps, gps_at)] {
            if !entries.is_empty() {
                out.extend(directory(entries, at, 0, big));
            }
        }
        if !self.thumbnail.is_empty() {
            let entries = |at: usize| {
                [
                    (0x0103, Value::Short(6)),
                    (0x0201, Value::Long(at as u32)),
                    (0x0202, Value::Long(self.thumbnail.len() as u32)),
                ]
            };
            out.extend(directory(&entries(next_at + size(&entries(0))), next_at, 0, big));
            out.extend(&self.thumbnail);
        }
        out
    }

    /// The APP1 segment.
    #[must_use]
    pub fn segment(&self) -> Vec<u8> {
        app1(&self.tiff())
    }
}

/// An EXIF APP1 around any bytes.
#[must_use]
pub fn app1(tiff: &[u8]) -> Vec<u8> {
    segment(0xE1, &[b"Exif\0\0", tiff].concat())
}

/// A place on earth: 47 degrees north, 8 east.
#[must_use]
pub fn gps() -> Vec<(u16, Value)> {
    vec![
        (0, Value::Bytes(vec![2, 3, 0, 0])),
        (1, Value::text("N")),
        (2, Value::Rationals(LATITUDE.to_vec())),
        (3, Value::text("E")),
        (4, Value::Rationals(LONGITUDE.to_vec())),
        (6, Value::Rationals(vec![(40_871, 97)])),
        (28, Value::Undefined(b"ASCII\0\0\0LEAK_GPSAREA clinic".to_vec())),
        (29, Value::text("2026:03:14")),
    ]
}

/// Degrees, minutes, seconds.
pub const LATITUDE: [(u32, u32); 3] = [(47, 1), (22, 1), (360_817, 10_000)];
/// Degrees, minutes, seconds.
pub const LONGITUDE: [(u32, u32); 3] = [(8, 1), (32, 1), (275_311, 10_000)];

/// Names and APP1 segments of EXIF that loops, lies and overflows. None is a reason to refuse the photo.
#[must_use]
pub fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let intel = |body: &[u8]| app1(&[b"II*\0\x08\0\0\0", body].concat());
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value.to_le_bytes()].concat()
    };
    let one = |entry: Vec<u8>, next: u32| [&1u16.to_le_bytes()[..], &entry, &next.to_le_bytes()].concat();
    let chain: Vec<u8> = (1..=200u32).flat_map(|k| one(entry(0x0112, 3, 1, 1), 8 + 18 * k)).collect();
    vec![
        ("next-is-itself", intel(&one(entry(0x0112, 3, 1, 1), 8))),
        ("sub-is-main", intel(&one(entry(0x8769, 4, 1, 8), 0))),
        ("chain-of-200", intel(&chain)),
        ("far-offset", app1(&[&b"MM\0*\xff\xff\xff\xff"[..], &[0; 20]].concat())),
        ("count-overflows", intel(&one(entry(0x9286, 5, 0x2000_0001, 26), 0))),
        ("value-outside", intel(&one(entry(0x010F, 2, 60_000, 40), 0))),
        ("65535-entries", intel(&[0xFF, 0xFF, 0, 0])),
        ("unknown-type", intel(&one(entry(0x0112, 99, 1, 6), 0))),
        ("orientation-as-text", intel(&one(entry(0x0112, 2, 2, 0x36), 0))),
        ("orientation-twice-as-many", intel(&one(entry(0x0112, 3, 70_000, 26), 0))),
        ("empty", app1(b"")),
        ("no-order", app1(&[&b"XX\0*\0\0\0\x08"[..], &[0; 30]].concat())),
        ("header-cut", app1(b"II*\0")),
    ]
}

fn directory(entries: &[(u16, Value)], start: usize, next: usize, big: bool) -> Vec<u8> {
    let mut entries = entries.to_vec();
    entries.sort_by_key(|entry| entry.0);
    let mut table = u16_bytes(entries.len() as u16, big).to_vec();
    let mut data = Vec::new();
    let data_at = start + 2 + 12 * entries.len() + 4;
    for (tag, value) in &entries {
        let (kind, count, mut raw) = value.coded(big);
        table.extend([&u16_bytes(*tag, big)[..], &u16_bytes(kind, big), &u32_bytes(count, big)].concat());
        if raw.len() <= 4 {
            raw.resize(4, 0);
            table.extend(raw);
        } else {
            table.extend(u32_bytes((data_at + data.len()) as u32, big));
            raw.resize(raw.len().next_multiple_of(2), 0);
            data.extend(raw);
        }
    }
    table.extend(u32_bytes(next as u32, big));
    table.extend(data);
    table
}

fn u16_bytes(value: u16, big: bool) -> [u8; 2] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn u32_bytes(value: u32, big: bool) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}
