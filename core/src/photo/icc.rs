//! Colour profiles: put together from their chunks, checked, and made fit for (0028,2000) (PS3.3 C.11.15).

/// Which colours a matrix profile stands for: its primaries, and a tone curve like theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Primaries {
    /// sRGB / ITU-R BT.709.
    Srgb,
    /// Display P3.
    DisplayP3,
    /// Adobe RGB (1998).
    AdobeRgb,
    /// Anything else, or a profile without a matrix.
    Other,
}

/// An RGB input profile: device class `scnr`, PCS XYZ or Lab, no text and no date of the source's, profile ID zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IccProfile {
    pub(crate) bytes: Vec<u8>,
    pub(crate) primaries: Primaries,
}

impl IccProfile {
    /// The profile, ready for (0028,2000).
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its primaries.
    #[must_use]
    pub fn primaries(&self) -> Primaries {
        self.primaries
    }
}

/// Why a profile is not carried. The picture itself is fine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IccProblem {
    /// A chunk that was announced is not there.
    ChunkMissing,
    /// Chunk numbers or counts contradict one another.
    ChunkOrder,
    /// More than 4 MiB.
    TooLarge,
    /// No ICC profile, or one that is cut off.
    NotAProfile,
    /// Neither version 2 nor version 4.
    UnsupportedVersion,
    /// Not for RGB.
    NotRgb,
    /// The connection space is neither XYZ nor Lab, or does not fit the model.
    UnsupportedConnectionSpace,
    /// A tag lies outside of the profile.
    TagOutside,
    /// A tag that is needed breaks its type.
    TagMalformed,
    /// Neither a whole matrix and its curves nor a table, or no white point where one is needed.
    Incomplete,
}

/// The largest profile that is carried.
pub(crate) const MAX_BYTES: usize = 4 << 20;

/// Puts the APP2 chunks of a JPEG together: (number from 1, count, bytes), in any order (ICC.1 B.4).
pub(crate) fn reassemble(chunks: &[(u8, u8, &[u8])]) -> Result<Vec<u8>, IccProblem> {
    let (_, count, _) = chunks.first().ok_or(IccProblem::ChunkMissing)?;
    let mut ordered = vec![None; usize::from(*count)];
    for (number, of, bytes) in chunks {
        let slot = usize::from(*number).checked_sub(1).and_then(|index| ordered.get_mut(index));
        let slot = slot.filter(|slot| of == count && slot.is_none()).ok_or(IccProblem::ChunkOrder)?;
        *slot = Some(*bytes);
    }
    let ordered: Vec<&[u8]> = ordered.into_iter().collect::<Option<_>>().ok_or(IccProblem::ChunkMissing)?;
    if ordered.iter().map(|bytes| bytes.len()).sum::<usize>() > MAX_BYTES {
        return Err(IccProblem::TooLarge);
    }
    Ok(ordered.concat())
}

/// Rebuilds a camera's profile as an input profile that holds what computes colour and nothing else.
///
/// No text, date, maker, platform or identifier of the source is left, and no byte that a kept tag does not need.
pub(crate) fn for_dicom(profile: &[u8]) -> Result<IccProfile, IccProblem> {
    if profile.len() > MAX_BYTES {
        return Err(IccProblem::TooLarge);
    }
    let source = Source::new(profile)?;
    // A monitor's colours are relative to its white. Version 2 stores that white all the same, and only the class says
    // that it does not count: without this, changing the class would tint absolute colorimetry.
    let white = if source.is_monitor { xyz_data(&D50) } else { source.xyz(b"wtpt")?.ok_or(IccProblem::Incomplete)? };
    let mut tags = vec![(*b"wtpt", white)];
    if let Some(adaptation) = source.tag(b"chad")? {
        tags.push((*b"chad", adaptation.typed(b"sf32")?.prefix(8 + 36)?));
    }
    for name in [*b"A2B0", *b"A2B1", *b"A2B2"] {
        if let Some(table) = source.tag(&name)? {
            tags.push((name, table.a_to_b()?));
        }
    }
    let has_table = tags.iter().any(|(name, _)| name == b"A2B0");
    let mut primaries = Primaries::Other;
    match source.matrix()? {
        Some((columns, curves)) if source.pcs == *b"XYZ " => {
            primaries = identify(&columns, &curves);
            tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(columns));
            tags.extend([*b"rTRC", *b"gTRC", *b"bTRC"].into_iter().zip(curves));
        }
        _ if has_table => {}
        Some(_) => return Err(IccProblem::UnsupportedConnectionSpace),
        None => return Err(IccProblem::Incomplete),
    }
    Ok(build(source.version, source.pcs, source.intent, primaries, tags))
}

/// sRGB (IEC 61966-2-1), for pictures that say so and pictures that say nothing.
pub(crate) fn srgb() -> IccProfile {
    from_columns(Primaries::Srgb, &SRGB)
}

/// What the `nclx` of a HEIC means (ITU-T H.273), where it means a colour space of phones.
pub(crate) fn from_nclx(primaries: u16, transfer: u16) -> Option<IccProfile> {
    match (primaries, transfer) {
        (1, 1 | 6 | 13) => Some(srgb()),
        (12, 13) => Some(from_columns(Primaries::DisplayP3, &DISPLAY_P3)),
        _ => None,
    }
}

/// X, Y, Z of red, green and blue, adapted to D50.
type Columns = [[f64; 3]; 3];

const SRGB: Columns = [[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]];
const DISPLAY_P3: Columns = [[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]];
const ADOBE_RGB: Columns = [[0.60974, 0.31111, 0.01947], [0.20528, 0.62567, 0.06087], [0.14919, 0.06322, 0.74457]];

/// D50, the illuminant of every profile.
const D50: [f64; 3] = [0.9642, 1.0, 0.8249];

type Tag = ([u8; 4], Vec<u8>);

fn from_columns(primaries: Primaries, columns: &Columns) -> IccProfile {
    let chad = [1.04788, 0.02292, -0.0502, 0.02959, 0.99048, -0.01707, -0.00925, 0.01508, 0.75168];
    let curve = [b"para\0\0\0\0\0\x03\0\0".to_vec(), fixed(&[2.4, 1.0 / 1.055, 0.055 / 1.055, 1.0 / 12.92, 0.04045])];
    let curve = curve.concat();
    let mut tags: Vec<Tag> =
        vec![(*b"wtpt", xyz_data(&D50)), (*b"chad", [b"sf32\0\0\0\0".to_vec(), fixed(&chad)].concat())];
    tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(columns.iter().map(|column| xyz_data(column))));
    tags.extend([*b"rTRC", *b"gTRC", *b"bTRC"].map(|name| (name, curve.clone())));
    build([4, 0x30], *b"XYZ ", 0, primaries, tags)
}

fn xyz_data(values: &[f64]) -> Vec<u8> {
    [b"XYZ \0\0\0\0".to_vec(), fixed(values)].concat()
}

/// Numbers as s15Fixed16.
fn fixed(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| ((value * 65536.0).round() as i32).to_be_bytes()).collect()
}

/// Writes a profile of class `scnr`. Equal data is stored once.
fn build(version: [u8; 2], pcs: [u8; 4], intent: u32, primaries: Primaries, tags: Vec<Tag>) -> IccProfile {
    let name = match primaries {
        Primaries::Srgb => "sRGB",
        Primaries::DisplayP3 => "Display P3",
        Primaries::AdobeRgb => "Adobe RGB",
        Primaries::Other => "RGB input",
    };
    let [description, copyright] = if version[0] == 2 {
        [description_v2(name), [b"text\0\0\0\0", COPYRIGHT.as_bytes(), b"\0"].concat()]
    } else {
        [text_v4(name), text_v4(COPYRIGHT)]
    };
    let tags = [vec![(*b"desc", description), (*b"cprt", copyright)], tags].concat();

    let (mut table, mut data) = (word(tags.len()).to_vec(), Vec::new());
    let mut stored: Vec<(&[u8], usize)> = Vec::new();
    for (name, content) in &tags {
        let known = stored.iter().find(|(known, _)| known == content).map(|(_, at)| *at);
        let at = known.unwrap_or(128 + 4 + 12 * tags.len() + data.len());
        if known.is_none() {
            stored.push((content, at));
            data.extend(content);
            data.resize(data.len().next_multiple_of(4), 0);
        }
        table.extend([*name, word(at), word(content.len())].concat());
    }

    let mut header = [0; 128];
    header[0..4].copy_from_slice(&word(128 + table.len() + data.len()));
    header[8..10].copy_from_slice(&version);
    header[12..24].copy_from_slice(&[*b"scnr", *b"RGB ", pcs].concat());
    header[36..40].copy_from_slice(b"acsp");
    header[64..68].copy_from_slice(&intent.to_be_bytes());
    header[68..80].copy_from_slice(&fixed(&D50));
    IccProfile { bytes: [header.to_vec(), table, data].concat(), primaries }
}

const COPYRIGHT: &str = "No copyright";

/// Sizes here are bounded by [`MAX_BYTES`].
fn word(value: usize) -> [u8; 4] {
    (value as u32).to_be_bytes()
}

/// multiLocalizedUnicodeType, one record, en-US.
fn text_v4(text: &str) -> Vec<u8> {
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let numbers = [0, 1, 12].map(word).concat();
    [b"mluc", numbers.as_slice(), b"enUS", &word(utf16.len()), &word(28), &utf16].concat()
}

/// textDescriptionType of version 2, ASCII part only.
fn description_v2(text: &str) -> Vec<u8> {
    [b"desc\0\0\0\0", word(text.len() + 1).as_slice(), text.as_bytes(), b"\0", &[0; 78]].concat()
}

fn identify(columns: &[Vec<u8>; 3], curves: &[Vec<u8>; 3]) -> Primaries {
    let near = |known: &Columns, tolerance: f64| {
        let pairs = columns.iter().zip(known).all(|(column, known)| {
            let values = column.get(8..).unwrap_or_default().as_chunks().0.iter().map(|bytes| s15(*bytes));
            values.zip(known).all(|(value, known)| (value - known).abs() < tolerance)
        });
        // All three colour spaces give about 0.21 here; a linear profile gives 0.5.
        pairs && curves.iter().all(|curve| midtone(curve).is_some_and(|value| (value - 0.214).abs() < 0.02))
    };
    [
        (Primaries::Srgb, &SRGB, 0.02),
        (Primaries::DisplayP3, &DISPLAY_P3, 0.005),
        (Primaries::AdobeRgb, &ADOBE_RGB, 0.005),
    ]
    .into_iter()
    .find(|(_, known, tolerance)| near(known, *tolerance))
    .map_or(Primaries::Other, |(primaries, ..)| primaries)
}

/// What a complete tone curve makes of one half.
fn midtone(curve: &[u8]) -> Option<f64> {
    if curve.starts_with(b"para") {
        let parameters: Vec<f64> = curve.get(12..)?.as_chunks().0.iter().map(|bytes| s15(*bytes)).collect();
        return match *parameters.as_slice() {
            [g] => Some(0.5_f64.powf(g)),
            [g, a, b] | [g, a, b, _, _] => Some((a * 0.5 + b).powf(g)),
            [g, a, b, c] => Some((a * 0.5 + b).powf(g) + c),
            [g, a, b, _, _, e, _] => Some((a * 0.5 + b).powf(g) + e),
            _ => None,
        };
    }
    let table: Vec<f64> =
        curve.get(12..)?.as_chunks().0.iter().map(|bytes| f64::from(u16::from_be_bytes(*bytes))).collect();
    match *table.as_slice() {
        [] => Some(0.5),
        [gamma] => Some(0.5_f64.powf(gamma / 256.0)),
        _ => Some((table[(table.len() - 1) / 2] + table[table.len() / 2]) / 2.0 / 65535.0),
    }
}

fn s15(bytes: [u8; 4]) -> f64 {
    f64::from(i32::from_be_bytes(bytes)) / 65536.0
}

/// A profile whose header and tag table are right.
struct Source<'a> {
    version: [u8; 2],
    is_monitor: bool,
    pcs: [u8; 4],
    intent: u32,
    tags: Vec<([u8; 4], Data<'a>)>,
}

impl<'a> Source<'a> {
    fn new(profile: &'a [u8]) -> Result<Self, IccProblem> {
        let whole = Data(profile);
        let size = whole.u32(0).map_err(|_| IccProblem::NotAProfile)?;
        let bytes = profile.get(..size).filter(|bytes| bytes.len() >= 132).ok_or(IccProblem::NotAProfile)?;
        let profile = Data(bytes);
        if profile.four(36)? != *b"acsp" {
            return Err(IccProblem::NotAProfile);
        }
        let [major, minor, ..] = profile.four(8)?;
        if !matches!(major, 2 | 4) {
            return Err(IccProblem::UnsupportedVersion);
        }
        if profile.four(16)? != *b"RGB " {
            return Err(IccProblem::NotRgb);
        }
        let pcs = profile.four(20)?;
        if !matches!(&pcs, b"XYZ " | b"Lab ") {
            return Err(IccProblem::UnsupportedConnectionSpace);
        }
        let count = profile.u32(128)?;
        if count > 100 {
            return Err(IccProblem::TagOutside);
        }
        let tag = |index: usize| {
            let at = 132 + 12 * index;
            let (from, length) = (profile.u32(at + 4)?, profile.u32(at + 8)?);
            let data = from.checked_add(length).and_then(|to| bytes.get(from..to)).ok_or(IccProblem::TagOutside)?;
            Ok((profile.four(at)?, Data(data)))
        };
        let tags = (0..count).map(tag).collect::<Result<_, IccProblem>>().map_err(|_| IccProblem::TagOutside)?;
        let intent = u32::from_be_bytes(profile.four(64)?);
        let is_monitor = profile.four(12)? == *b"mntr";
        Ok(Self { version: [major, minor], is_monitor, pcs, intent: if intent > 3 { 0 } else { intent }, tags })
    }

    /// The tag of that name, at most one.
    fn tag(&self, name: &[u8; 4]) -> Result<Option<Data<'a>>, IccProblem> {
        let mut named = self.tags.iter().filter(|(known, _)| known == name).map(|(_, data)| *data);
        match (named.next(), named.next()) {
            (_, Some(_)) => Err(IccProblem::TagMalformed),
            (tag, None) => Ok(tag),
        }
    }

    fn xyz(&self, name: &[u8; 4]) -> Result<Option<Vec<u8>>, IccProblem> {
        self.tag(name)?.map(|data| data.typed(b"XYZ ")?.prefix(8 + 12)).transpose()
    }

    /// The three columns and the three curves, when all are there.
    #[expect(clippy::type_complexity, reason = "named nowhere else")]
    fn matrix(&self) -> Result<Option<([Vec<u8>; 3], [Vec<u8>; 3])>, IccProblem> {
        let curve = |name| self.tag(name)?.map(|data| data.curve()).transpose();
        let columns = [self.xyz(b"rXYZ")?, self.xyz(b"gXYZ")?, self.xyz(b"bXYZ")?];
        let curves = [curve(b"rTRC")?, curve(b"gTRC")?, curve(b"bTRC")?];
        match (columns, curves) {
            ([Some(r), Some(g), Some(b)], [Some(rc), Some(gc), Some(bc)]) => Ok(Some(([r, g, b], [rc, gc, bc]))),
            _ => Ok(None),
        }
    }
}

/// The bytes of one tag, or from one place in it on. What is copied out is exactly what its type declares, with every
/// reserved byte zero.
#[derive(Clone, Copy)]
struct Data<'a>(&'a [u8]);

impl<'a> Data<'a> {
    fn typed(self, kind: &[u8; 4]) -> Result<Self, IccProblem> {
        if self.four(0)? == *kind { Ok(self) } else { Err(IccProblem::TagMalformed) }
    }

    /// The first `length` bytes, type signature included.
    fn prefix(self, length: usize) -> Result<Vec<u8>, IccProblem> {
        let mut bytes = self.0.get(..length).ok_or(IccProblem::TagMalformed)?.to_vec();
        bytes.get_mut(4..8).ok_or(IccProblem::TagMalformed)?.fill(0);
        Ok(bytes)
    }

    /// curveType or parametricCurveType (ICC.1 10.6, 10.18).
    fn curve(self) -> Result<Vec<u8>, IccProblem> {
        if self.typed(b"curv").is_ok() {
            return self.prefix(self.u32(8)?.checked_mul(2).ok_or(IccProblem::TagMalformed)?.saturating_add(12));
        }
        let parameters = [1, 3, 4, 5, 7].get(self.typed(b"para")?.u16(8)?).ok_or(IccProblem::TagMalformed)?;
        let mut bytes = self.prefix(12 + 4 * parameters)?;
        bytes[10..12].fill(0);
        Ok(bytes)
    }

    /// lut8Type, lut16Type or lutAToBType from three channels to three (ICC.1 10.10, 10.11, 10.12).
    fn a_to_b(self) -> Result<Vec<u8>, IccProblem> {
        let kind = self.four(0)?;
        let [inputs, outputs, grid, _] = self.four(8)?;
        if (inputs, outputs) != (3, 3) || !matches!(&kind, b"mft1" | b"mft2" | b"mAB ") {
            return Err(IccProblem::TagMalformed);
        }
        if kind == *b"mAB " {
            return self.staged_a_to_b();
        }
        let nodes = usize::from(grid).pow(3);
        let mut bytes = if kind == *b"mft1" {
            self.prefix(48 + 3 * (256 + nodes + 256))?
        } else {
            let (input_entries, output_entries) = (self.u16(48)?, self.u16(50)?);
            if !(2..=4096).contains(&input_entries) || !(2..=4096).contains(&output_entries) {
                return Err(IccProblem::TagMalformed);
            }
            self.prefix(52 + 6 * (input_entries + nodes + output_entries))?
        };
        bytes[11] = 0;
        if grid < 2 { Err(IccProblem::TagMalformed) } else { Ok(bytes) }
    }

    /// lutAToBType: B curves, and before them matrix with M curves, table with A curves, or both.
    fn staged_a_to_b(self) -> Result<Vec<u8>, IccProblem> {
        let stage = |at: usize| match self.u32(at)? {
            0 => Ok(None),
            from => self.0.get(from..).map(Data).ok_or(IccProblem::TagMalformed).map(Some),
        };
        let [b, matrix, m, table, a] = [stage(12)?, stage(16)?, stage(20)?, stage(24)?, stage(28)?];
        if b.is_none() || matrix.is_some() != m.is_some() || table.is_some() != a.is_some() {
            return Err(IccProblem::TagMalformed);
        }
        let parts = [
            b.map(Data::three_curves).transpose()?,
            matrix.map(|data| data.bytes(48)).transpose()?,
            m.map(Data::three_curves).transpose()?,
            table.map(Data::table).transpose()?,
            a.map(Data::three_curves).transpose()?,
        ];
        let (mut offsets, mut stages) = (Vec::new(), Vec::new());
        for part in parts {
            offsets.extend(word(if part.is_some() { 32 + stages.len() } else { 0 }));
            stages.extend(part.unwrap_or_default());
            stages.resize(stages.len().next_multiple_of(4), 0);
        }
        Ok([b"mAB \0\0\0\0\x03\x03\0\0".to_vec(), offsets, stages].concat())
    }

    /// Three curves, each padded to four bytes.
    fn three_curves(self) -> Result<Vec<u8>, IccProblem> {
        let mut curves = Vec::new();
        for _ in 0..3 {
            curves.extend(Data(self.0.get(curves.len()..).ok_or(IccProblem::TagMalformed)?).curve()?);
            curves.resize(curves.len().next_multiple_of(4), 0);
        }
        Ok(curves)
    }

    /// Grid points of three dimensions, precision, and the nodes.
    fn table(self) -> Result<Vec<u8>, IccProblem> {
        let [x, y, z, _] = self.four(0)?;
        let precision = *self.0.get(16).filter(|bytes| matches!(bytes, 1 | 2)).ok_or(IccProblem::TagMalformed)?;
        if x.min(y).min(z) < 2 {
            return Err(IccProblem::TagMalformed);
        }
        let nodes = usize::from(x) * usize::from(y) * usize::from(z);
        let mut bytes = self.bytes(20 + 3 * nodes * usize::from(precision))?;
        bytes[3..16].fill(0);
        bytes[17..20].fill(0);
        Ok(bytes)
    }

    fn bytes(self, length: usize) -> Result<Vec<u8>, IccProblem> {
        self.0.get(..length).map(<[u8]>::to_vec).ok_or(IccProblem::TagMalformed)
    }

    fn four(self, at: usize) -> Result<[u8; 4], IccProblem> {
        self.0.get(at..).and_then(|rest| rest.first_chunk().copied()).ok_or(IccProblem::TagMalformed)
    }

    fn u32(self, at: usize) -> Result<usize, IccProblem> {
        Ok(u32::from_be_bytes(self.four(at)?) as usize)
    }

    fn u16(self, at: usize) -> Result<usize, IccProblem> {
        let bytes = self.0.get(at..).and_then(|rest| rest.first_chunk().copied()).ok_or(IccProblem::TagMalformed)?;
        Ok(usize::from(u16::from_be_bytes(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::exif::tests::{mutants, real_photos};
    use super::*;

    const CANARY: &[u8] = b"LEAK_CANARY!";

    fn xyz(values: &[f64]) -> Vec<u8> {
        [b"XYZ LEAK".to_vec(), fixed(values), CANARY.to_vec()].concat()
    }

    fn gamma(value: u16) -> Vec<u8> {
        [b"curv\0\0\0\0\0\0\0\x01".as_slice(), &value.to_be_bytes(), CANARY].concat()
    }

    /// A monitor's profile with a canary wherever one fits; tags are laid out as they come.
    fn profile(version: u8, pcs: &[u8; 4], tags: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
        let (mut table, mut data) = (word(tags.len()).to_vec(), Vec::new());
        for (name, content) in tags {
            let at = 132 + 12 * tags.len() + data.len();
            table.extend([*name, word(at), word(content.len())].concat());
            data.extend([content, CANARY].concat());
        }
        let mut header = CANARY.repeat(11)[..128].to_vec();
        header[0..4].copy_from_slice(&word(128 + table.len() + data.len()));
        header[8..12].copy_from_slice(&[version, 0x10, 0, 0]);
        header[12..24].copy_from_slice(&[*b"mntr", *b"RGB ", *pcs].concat());
        header[36..40].copy_from_slice(b"acsp");
        header[64..68].copy_from_slice(&word(1));
        [header, table, data, CANARY.to_vec()].concat()
    }

    fn matrix_tags(columns: &Columns, gamma_value: u16) -> Vec<Tag> {
        let mut tags = vec![
            (*b"desc", [b"text\0\0\0\0", CANARY].concat()),
            (*b"wtpt", xyz(&[0.95, 1.0, 1.09])),
            (*b"LEAK", CANARY.repeat(4)),
            (*b"dmnd", CANARY.repeat(4)),
        ];
        tags.extend([*b"rXYZ", *b"gXYZ", *b"bXYZ"].into_iter().zip(columns.iter().map(|column| xyz(column))));
        tags.extend([*b"rTRC", *b"gTRC", *b"bTRC"].map(|name| (name, gamma(gamma_value))));
        tags
    }

    fn tag_names(profile: &IccProfile) -> Vec<String> {
        let source = Source::new(profile.bytes()).unwrap();
        source.tags.iter().map(|(name, _)| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    fn holds_canary(profile: &IccProfile) -> bool {
        profile.bytes().windows(4).any(|window| window == b"LEAK")
    }

    #[test]
    fn chunks_come_together_in_any_order() {
        let chunks = [(2, 3, b"b".as_slice()), (3, 3, b"c"), (1, 3, b"a")];
        assert_eq!(reassemble(&chunks).unwrap(), b"abc");
        assert_eq!(reassemble(&chunks[..2]), Err(IccProblem::ChunkMissing));
        assert_eq!(reassemble(&[]), Err(IccProblem::ChunkMissing));
        for bad in [[(0, 0), (0, 0)], [(0, 2), (1, 2)], [(1, 2), (1, 2)], [(1, 2), (2, 3)], [(1, 2), (3, 2)]] {
            let chunks = bad.map(|(number, count)| (number, count, b"x".as_slice()));
            assert_eq!(reassemble(&chunks), Err(IccProblem::ChunkOrder), "{bad:?}");
        }
        let large = vec![0; MAX_BYTES / 2 + 1];
        assert_eq!(reassemble(&[(1, 2, &large), (2, 2, &large)]), Err(IccProblem::TooLarge));
    }

    #[test]
    fn a_matrix_profile_keeps_its_colour_and_nothing_else() {
        for version in [2, 4] {
            let made = for_dicom(&profile(version, b"XYZ ", &matrix_tags(&DISPLAY_P3, 563))).unwrap();
            assert!(!holds_canary(&made));
            assert_eq!(made.primaries(), Primaries::DisplayP3);
            let names = ["desc", "cprt", "wtpt", "rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"];
            assert_eq!(tag_names(&made), names);
            let header = &made.bytes()[..128];
            assert_eq!(header[0..4], word(made.bytes().len()));
            assert_eq!(header[8..10], [version, 0x10]);
            assert_eq!(&header[12..24], b"scnrRGB XYZ ");
            assert_eq!(header[64..68], word(1));
            for zero in [4..8, 10..12, 24..36, 40..64, 80..128] {
                assert!(header[zero].iter().all(|byte| *byte == 0));
            }
            let source = Source::new(made.bytes()).unwrap();
            assert_eq!(source.tag(b"wtpt").unwrap().unwrap().0[8..], fixed(&D50));
            assert_eq!(source.tag(b"gXYZ").unwrap().unwrap().0[8..], fixed(&DISPLAY_P3[1]));
            let curves = [b"rTRC", b"gTRC", b"bTRC"].map(|name| source.tag(name).unwrap().unwrap().0.as_ptr());
            assert!(curves.iter().all(|curve| *curve == curves[0]), "shared data is stored once");
            assert_eq!(for_dicom(made.bytes()).unwrap(), made);
        }
    }

    #[test]
    fn colours_are_named_when_primaries_and_curve_agree() {
        let named = |columns, gamma| for_dicom(&profile(2, b"XYZ ", &matrix_tags(columns, gamma))).unwrap().primaries();
        assert_eq!(named(&SRGB, 563), Primaries::Srgb);
        assert_eq!(named(&ADOBE_RGB, 563), Primaries::AdobeRgb);
        assert_eq!(named(&SRGB, 256), Primaries::Other, "linear");
        let generic = [[0.4543, 0.2419, 0.0149], [0.3533, 0.6736, 0.0907], [0.1566, 0.0845, 0.7196]];
        assert_eq!(named(&generic, 461), Primaries::Other);
    }

    #[test]
    fn own_profiles_pass_their_own_check() {
        for (own, primaries) in [
            (srgb(), Primaries::Srgb),
            (from_nclx(1, 13).unwrap(), Primaries::Srgb),
            (from_nclx(12, 13).unwrap(), Primaries::DisplayP3),
        ] {
            assert_eq!(own.primaries(), primaries);
            assert_eq!(for_dicom(own.bytes()).unwrap(), own);
        }
        assert!(from_nclx(9, 16).is_none() && from_nclx(2, 2).is_none());
    }

    fn curve_8() -> Vec<u8> {
        [b"curv\0\0\0\0\0\0\0\x08".to_vec(), vec![7; 16]].concat()
    }

    fn table_tag(kind: &[u8; 4]) -> Vec<u8> {
        let head = [kind.as_slice(), b"LEAK\x03\x03\x02L"].concat();
        match kind {
            b"mft1" => [head, vec![1; 36 + 3 * (256 + 8 + 256)]].concat(),
            b"mft2" => [head, vec![1; 36], vec![0, 2, 0, 2], vec![1; 6 * (2 + 8 + 2)]].concat(),
            _ => {
                let curves = curve_8().repeat(3);
                let nodes = [[2; 16].as_slice(), &[1], b"LEA", &[9; 24]].concat();
                let stages = [&curves, CANARY, &[5; 48], &curves, CANARY, &nodes, &curves].concat();
                let offsets = [32, 128, 176, 272, 316].map(word).concat();
                let offsets = [offsets[..4].to_vec(), offsets[4..].to_vec()].concat();
                [kind.as_slice(), b"LEAK\x03\x03LK", &offsets, &stages].concat()
            }
        }
    }

    #[test]
    fn table_profiles_are_kept_whole_or_not_at_all() {
        for kind in [b"mft1", b"mft2", b"mAB "] {
            let table = table_tag(kind);
            let tags =
                |table: &[u8]| vec![(*b"wtpt", xyz(&D50)), (*b"A2B0", table.to_vec()), (*b"B2A0", CANARY.to_vec())];
            let made = for_dicom(&profile(2, b"Lab ", &tags(&[&table, CANARY].concat()))).unwrap();
            assert!(!holds_canary(&made), "{kind:?}");
            assert_eq!(tag_names(&made), ["desc", "cprt", "wtpt", "A2B0"]);
            assert_eq!(for_dicom(made.bytes()).unwrap(), made);
            for length in [3, 20, 30, table.len() - 1] {
                let cut = profile(2, b"Lab ", &tags(&table[..length]));
                assert_eq!(for_dicom(&cut), Err(IccProblem::TagMalformed), "{kind:?} {length}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = profile(4, b"XYZ ", &matrix_tags(&SRGB, 563));
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = good.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            for_dicom(&changed)
        };
        assert_eq!(for_dicom(b""), Err(IccProblem::NotAProfile));
        assert_eq!(for_dicom(&good[..good.len() - 13]), Err(IccProblem::NotAProfile));
        assert_eq!(for_dicom(&vec![0; MAX_BYTES + 1]), Err(IccProblem::TooLarge));
        assert_eq!(with(0, &word(131)), Err(IccProblem::NotAProfile));
        assert_eq!(with(36, b"acsq"), Err(IccProblem::NotAProfile));
        assert_eq!(with(8, &[5]), Err(IccProblem::UnsupportedVersion));
        assert_eq!(with(16, b"GRAY"), Err(IccProblem::NotRgb));
        assert_eq!(with(20, b"RGB "), Err(IccProblem::UnsupportedConnectionSpace));
        assert_eq!(with(20, b"Lab "), Err(IccProblem::UnsupportedConnectionSpace));
        assert_eq!(with(128, &[0xFF; 4]), Err(IccProblem::TagOutside));
        assert_eq!(with(136, &[0xFF; 8]), Err(IccProblem::TagOutside));
        let tags = matrix_tags(&SRGB, 563);
        let without = |name: &[u8; 4]| {
            for_dicom(&profile(
                2,
                b"XYZ ",
                &tags.iter().filter(|(known, _)| known != name).cloned().collect::<Vec<_>>(),
            ))
        };
        assert!(without(b"wtpt").is_ok(), "a monitor's white is D50");
        let mut printer = profile(2, b"Lab ", &[(*b"A2B0", table_tag(b"mft1"))]);
        printer[12..16].copy_from_slice(b"prtr");
        assert_eq!(for_dicom(&printer), Err(IccProblem::Incomplete));
        assert_eq!(without(b"gTRC"), Err(IccProblem::Incomplete));
        let twice = profile(2, b"XYZ ", &[tags.clone(), vec![(*b"gTRC", gamma(563))]].concat());
        assert_eq!(for_dicom(&twice), Err(IccProblem::TagMalformed));
    }

    #[test]
    fn real_profiles() {
        for (row, file) in real_photos().iter().filter(|(row, _)| row["file"].ends_with(".jpg")) {
            let marker = b"ICC_PROFILE\0";
            let found = file.windows(12).enumerate().filter(|(_, window)| window == marker);
            let chunks: Vec<(u8, u8, &[u8])> = found
                .map(|(at, _)| {
                    let length = usize::from(u16::from_be_bytes([file[at - 2], file[at - 1]]));
                    (file[at + 12], file[at + 13], &file[at + 14..at - 2 + length])
                })
                .collect();
            let made = match chunks.as_slice() {
                [] => continue,
                chunks => for_dicom(&reassemble(chunks).unwrap()),
            };
            let expected = match row["icc"].as_str() {
                "Gray Gamma 2.2" => Err(IccProblem::NotRgb),
                "Display P3" => Ok(Primaries::DisplayP3),
                "Generic RGB Profile" => Ok(Primaries::Other),
                _ => Ok(Primaries::Srgb),
            };
            assert_eq!(made.map(|profile| profile.primaries()), expected, "{}", row["file"]);
        }
    }

    #[test]
    fn mutated_profiles_never_panic_nor_leave_their_form() {
        let mut tags = matrix_tags(&SRGB, 563);
        tags.push((*b"A2B0", table_tag(b"mAB ")));
        tags.push((*b"A2B1", table_tag(b"mft2")));
        let source = profile(4, b"XYZ ", &tags);
        let mut carried = 0;
        for mutant in mutants(&source, 10_000) {
            if let Ok(made) = for_dicom(&mutant) {
                assert_eq!(for_dicom(made.bytes()).unwrap(), made);
                assert_eq!(&made.bytes()[12..20], b"scnrRGB ");
                carried += 1;
            }
        }
        assert!(carried > 1000);
    }
}
