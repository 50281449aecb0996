//! Frame, tables and scans of a JPEG: what the segments before the entropy-coded data say.

use super::Colour;
use super::huffman::DecodeTable;
use super::limits::Limits;
use super::markers::{self, Segment, Stream};
use crate::error::PhotoError;

/// Order of the coefficients in a stream: zigzag index -> row * 8 + column (T.81 Figure A.6).
pub(super) const ZIGZAG: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// The coding process of a frame, as far as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coding {
    /// SOF0.
    Baseline,
    /// SOF1 with 8 bits.
    Extended,
    /// SOF2.
    Progressive,
}

/// One component of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    /// Sampling factors, 1 to 4. Always 1 when the component is alone.
    pub(super) h: u8,
    pub(super) v: u8,
    pub(super) quantisation: u8,
}

/// SOFn, with the number of lines from DNL where SOFn leaves it open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) coding: Coding,
    pub(super) columns: u16,
    pub(super) rows: u16,
    pub(super) components: Vec<Component>,
}

impl Frame {
    pub(super) fn h_max(&self) -> u8 {
        self.components.iter().map(|c| c.h).max().unwrap_or(1)
    }

    pub(super) fn v_max(&self) -> u8 {
        self.components.iter().map(|c| c.v).max().unwrap_or(1)
    }

    /// What a clean picture of this frame holds.
    pub(super) fn colour(&self) -> Colour {
        if self.components.len() == 1 { Colour::Grey } else { Colour::YCbCr }
    }

    /// MCUs across and down in an interleaved scan.
    pub(super) fn mcus(&self) -> (usize, usize) {
        let across = usize::from(self.columns).div_ceil(8 * usize::from(self.h_max()));
        let down = usize::from(self.rows).div_ceil(8 * usize::from(self.v_max()));
        (across, down)
    }

    /// Samples across and down of a component.
    pub(super) fn samples(&self, component: &Component) -> (usize, usize) {
        let across = (usize::from(self.columns) * usize::from(component.h)).div_ceil(usize::from(self.h_max()));
        let down = (usize::from(self.rows) * usize::from(component.v)).div_ceil(usize::from(self.v_max()));
        (across, down)
    }

    /// How photographers write the sampling: `4:2:0`, or `grey`, or the factors where there is no such name.
    pub(super) fn sampling(&self) -> String {
        let factors: Vec<(u8, u8)> = self.components.iter().map(|c| (c.h, c.v)).collect();
        match factors[..] {
            [_] => "grey".into(),
            [(1, 1), (1, 1), (1, 1)] => "4:4:4".into(),
            [(2, 1), (1, 1), (1, 1)] => "4:2:2".into(),
            [(1, 2), (1, 1), (1, 1)] => "4:4:0".into(),
            [(2, 2), (1, 1), (1, 1)] => "4:2:0".into(),
            [(4, 1), (1, 1), (1, 1)] => "4:1:1".into(),
            _ => factors.iter().map(|(h, v)| format!("{h}x{v}")).collect::<Vec<_>>().join(" "),
        }
    }
}

/// Quantisation steps in zigzag order.
pub(super) type Quantisation = [u16; 64];

/// One scan with the tables in force when it starts.
pub(super) struct Scan<'a> {
    /// Index into the frame's components, DC table, AC table.
    pub(super) components: Vec<(usize, u8, u8)>,
    pub(super) spectral: (u8, u8),
    /// Successive approximation: high, low.
    pub(super) approximation: (u8, u8),
    pub(super) restart_interval: usize,
    pub(super) dc: [Option<HuffmanSpec<'a>>; 4],
    pub(super) ac: [Option<HuffmanSpec<'a>>; 4],
    pub(super) entropy: &'a [u8],
    pub(super) restarts: usize,
    /// FF bytes before RSTn that carry nothing.
    pub(super) fill: bool,
    /// Of the SOS, from the start of the file.
    pub(super) offset: u64,
}

/// A Huffman table as DHT writes it: 16 counts, then the symbols.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HuffmanSpec<'a> {
    pub(super) counts: &'a [u8; 16],
    pub(super) symbols: &'a [u8],
}

/// Everything that is needed to decode a picture.
pub(super) struct Picture<'a> {
    pub(super) frame: Frame,
    /// One a component, as in force at the component's first scan.
    pub(super) quantisation: Vec<Quantisation>,
    pub(super) scans: Vec<Scan<'a>>,
}

/// Reads frame, tables and scans, and checks the size against `limits`.
pub(super) fn read<'a>(stream: &Stream<'a>, limits: &Limits) -> Result<Picture<'a>, PhotoError> {
    let mut reader = Reader::default();
    for segment in &stream.segments {
        let p = segment.payload;
        let malformed = PhotoError::Malformed { part: markers::name(segment.marker), offset: segment.offset as u64 };
        match segment.marker {
            0xC0..=0xC2 => {
                let lines = stream.segments.iter().find(|s| s.marker == markers::DNL).map(|s| s.payload);
                let frame = frame(segment.marker, p, lines, malformed)?;
                limits.check_size(frame.columns.into(), frame.rows.into())?;
                reader.quantisation = vec![None; frame.components.len()];
                if reader.frame.replace(frame).is_some() {
                    return Err(malformed);
                }
            }
            0xC3 | 0xC7 => return Err(PhotoError::UnsupportedCoding("lossless")),
            0xC5 | 0xC6 | 0xDE | 0xDF => return Err(PhotoError::UnsupportedCoding("hierarchical")),
            0xC9..=0xCF => return Err(PhotoError::UnsupportedCoding("arithmetic")),
            markers::DQT => reader.quantisation_tables(p).ok_or(malformed)?,
            markers::DHT => reader.huffman_tables(p).ok_or(malformed)?,
            markers::DRI => {
                reader.restart_interval = match *p {
                    [high, low] => usize::from(high) << 8 | usize::from(low),
                    _ => return Err(malformed),
                }
            }
            markers::SOS => {
                let scan = reader.scan(stream.file, segment).ok_or(malformed)?;
                reader.scans.push(scan);
                if reader.scans.len() > MAX_SCANS {
                    return Err(malformed);
                }
            }
            _ => {}
        }
    }
    let frame = reader.frame.ok_or(PhotoError::Malformed { part: "SOF", offset: stream.end as u64 })?;
    let quantisation: Option<Vec<Quantisation>> = reader.quantisation.into_iter().collect();
    // A component that no scan names has no table either.
    let quantisation = quantisation.ok_or(PhotoError::Malformed { part: "SOS", offset: stream.end as u64 })?;
    Ok(Picture { frame, quantisation, scans: reader.scans })
}

/// A progressive picture of a camera has about ten; each scan costs a walk over all blocks.
const MAX_SCANS: usize = 64;

fn frame(marker: u8, p: &[u8], lines: Option<&[u8]>, malformed: PhotoError) -> Result<Frame, PhotoError> {
    let (&[precision, r1, r0, c1, c0, count], listed) = p.split_first_chunk::<6>().ok_or(malformed)?;
    match precision {
        8 => {}
        12 => return Err(PhotoError::UnsupportedCoding("12-bit")),
        _ => return Err(malformed),
    }
    let columns = u16::from_be_bytes([c1, c0]);
    let rows = match (u16::from_be_bytes([r1, r0]), lines) {
        (0, Some(&[high, low])) => u16::from_be_bytes([high, low]),
        (rows, _) => rows,
    };
    if rows == 0 || columns == 0 || count == 0 || listed.len() != 3 * usize::from(count) {
        return Err(malformed);
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(PhotoError::UnsupportedColour("neither 1, 3 nor 4 components"));
    }
    let mut components = Vec::with_capacity(usize::from(count));
    for c in listed.chunks_exact(3) {
        let component = Component { id: c[0], h: c[1] >> 4, v: c[1] & 15, quantisation: c[2] };
        let fits = (1..=4).contains(&component.h) && (1..=4).contains(&component.v) && component.quantisation < 4;
        if !fits || components.iter().any(|other: &Component| other.id == component.id) {
            return Err(malformed);
        }
        components.push(component);
    }
    if let [alone] = &mut components[..] {
        // A single component is never interleaved: its factors mean nothing (T.81 A.2.2).
        (alone.h, alone.v) = (1, 1);
    }
    if components.iter().map(|c| c.h * c.v).sum::<u8>() > 10 && components.len() > 1 {
        return Err(malformed);
    }
    let coding = [Coding::Baseline, Coding::Extended, Coding::Progressive][usize::from(marker - 0xC0)];
    Ok(Frame { coding, columns, rows, components })
}

#[derive(Default)]
struct Reader<'a> {
    frame: Option<Frame>,
    tables: [Option<Quantisation>; 4],
    quantisation: Vec<Option<Quantisation>>,
    dc: [Option<HuffmanSpec<'a>>; 4],
    ac: [Option<HuffmanSpec<'a>>; 4],
    restart_interval: usize,
    scans: Vec<Scan<'a>>,
}

impl<'a> Reader<'a> {
    fn quantisation_tables(&mut self, mut p: &[u8]) -> Option<()> {
        while let Some((&head, rest)) = p.split_first() {
            let wide = head >> 4;
            let width = if wide == 0 { 1 } else { 2 };
            let (values, after) = rest.split_at_checked(64 * width)?;
            let mut table = [0; 64];
            for (step, bytes) in table.iter_mut().zip(values.chunks_exact(width)) {
                *step = bytes.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            }
            if wide > 1 || table.contains(&0) {
                return None;
            }
            *self.tables.get_mut(usize::from(head & 15))? = Some(table);
            p = after;
        }
        Some(())
    }

    fn huffman_tables(&mut self, mut p: &'a [u8]) -> Option<()> {
        while let Some((&head, rest)) = p.split_first() {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let total = counts.iter().map(|&n| usize::from(n)).sum();
            let (symbols, after) = rest.split_at_checked(total)?;
            let spec = HuffmanSpec { counts, symbols };
            DecodeTable::check(&spec)?;
            let class = match head >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return None,
            };
            *class.get_mut(usize::from(head & 15))? = Some(spec);
            p = after;
        }
        Some(())
    }

    fn scan(&mut self, file: &'a [u8], segment: &Segment<'_>) -> Option<Scan<'a>> {
        let frame = self.frame.as_ref()?;
        let (&count, rest) = segment.payload.split_first()?;
        let (listed, tail) = rest.split_at_checked(2 * usize::from(count))?;
        let &[start, end, approximation] = tail else { return None };
        let mut components: Vec<(usize, u8, u8)> = Vec::with_capacity(4);
        for pair in listed.chunks_exact(2) {
            let index = frame.components.iter().position(|c| c.id == pair[0])?;
            // In the frame's order, each once (T.81 B.2.3); table numbers stay below 4 even where they are not used.
            if components.last().is_some_and(|last| last.0 >= index) || pair[1] >> 4 > 3 || pair[1] & 15 > 3 {
                return None;
            }
            components.push((index, pair[1] >> 4, pair[1] & 15));
            let table = self.tables[usize::from(frame.components[index].quantisation)];
            let kept = &mut self.quantisation[index];
            if kept.is_none() {
                *kept = Some(table?);
            } else if *kept != table {
                return None;
            }
        }
        let (high, low) = (approximation >> 4, approximation & 15);
        let fits = match frame.coding {
            Coding::Progressive => {
                let band = if start == 0 { end == 0 } else { start <= end && end < 64 && components.len() == 1 };
                band && low <= 13 && (high == 0 || high == low + 1)
            }
            // Some cameras leave these three bytes at zero; a sequential scan has only one meaning.
            _ => true,
        };
        (fits && !components.is_empty()).then_some(Scan {
            components,
            spectral: (start, end),
            approximation: (high, low),
            restart_interval: self.restart_interval,
            dc: self.dc,
            ac: self.ac,
            entropy: file.get(segment.entropy.range.clone())?,
            restarts: segment.entropy.restarts,
            fill: segment.entropy.fill,
            offset: segment.offset as u64,
        })
    }
}
