//! A code stream, marker by marker (ISO/IEC 10918-1 Annex B). Shares nothing with the reader that cleaned the photo.
//!
//! Only what a decoder needs may be there: SOI DQT DHT SOF DRI SOS RST EOI, each exactly as long as its contents, and after
//! EOI one byte of padding at most.

use super::scan::{self, Huffman, Tables};
use super::{Findings, Scans};

/// The frame header, and what the components are.
pub(super) struct Frame {
    /// 0 is baseline, 1 extended sequential.
    pub(super) process: u8,
    pub(super) bits: u8,
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) components: Vec<Component>,
    pub(super) colour: Colour,
}

pub(super) struct Component {
    pub(super) id: u8,
    pub(super) across: u8,
    pub(super) down: u8,
}

/// What a decoder takes the components for: by JFIF, then APP14, then their ids.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Colour {
    Grey,
    YCbCr,
    Rgb,
    Other,
}

/// Reads one stream; nothing when it has no frame header.
pub(super) fn read(stream: &[u8], scans: Scans, findings: &mut Findings) -> Option<Frame> {
    let mut reader = Reader {
        stream,
        at: 2,
        scans,
        tables: Tables::default(),
        huffman_tables: 0,
        frame: None,
        jfif: false,
        adobe: None,
    };
    if !stream.starts_with(&[0xFF, 0xD8]) {
        findings.add("jpeg", PIXELS, "does not start with SOI");
        return None;
    }
    if let Err(rule) = reader.segments(findings) {
        findings.add("jpeg", PIXELS, rule);
    }
    let (jfif, adobe) = (reader.jfif, reader.adobe);
    reader.frame.map(|mut frame| {
        let ids: Vec<_> = frame.components.iter().map(|component| component.id).collect();
        frame.colour = match (ids.len(), adobe) {
            (1, _) => Colour::Grey,
            (3, _) if jfif => Colour::YCbCr,
            (3, Some(0)) => Colour::Rgb,
            (3, None) if ids == *b"RGB" => Colour::Rgb,
            (3, _) => Colour::YCbCr,
            _ => Colour::Other,
        };
        frame
    })
}

const PIXELS: &str = "PixelData";
/// Twice as many as there are slots, for scans that bring their own; each costs more than the bytes that it is written in.
const MAX_HUFFMAN_TABLES: u32 = 32;

struct Reader<'a> {
    stream: &'a [u8],
    at: usize,
    scans: Scans,
    tables: Tables,
    huffman_tables: u32,
    frame: Option<Frame>,
    jfif: bool,
    /// Transform of an APP14 segment.
    adobe: Option<u8>,
}

impl<'a> Reader<'a> {
    fn segments(&mut self, findings: &mut Findings) -> Result<(), &'static str> {
        loop {
            let marker = self.marker(findings)?;
            match marker {
                0xD9 => return self.end(findings),
                0xD8 | 0x01 | 0xD0..=0xD7 => {
                    findings.add("jpeg-segment", PIXELS, "has a marker where none belongs");
                    continue;
                }
                _ => {}
            }
            let payload = self.payload()?;
            match marker {
                0xDB => self.quantisation(payload)?,
                0xC4 => self.huffman(payload)?,
                0xDD => {
                    let interval = payload.try_into().map_err(|_| "has a DRI of another length than 4")?;
                    self.tables.restart_interval = u16::from_be_bytes(interval);
                }
                0xC0..=0xCF if !matches!(marker, 0xC8 | 0xCC) => self.frame_header(marker - 0xC0, payload)?,
                0xDA => self.scan(payload, findings)?,
                _ => {
                    self.jfif |= marker == 0xE0 && payload.starts_with(b"JFIF\0");
                    if marker == 0xEE && payload.starts_with(b"Adobe") {
                        self.adobe = payload.get(11).copied();
                    }
                    findings.add("jpeg-segment", PIXELS, "has a segment that no decoder needs");
                }
            }
        }
    }

    fn marker(&mut self, findings: &mut Findings) -> Result<u8, &'static str> {
        if self.stream.get(self.at) != Some(&0xFF) {
            return Err(if self.at < self.stream.len() { "has bytes between its segments" } else { "has no EOI" });
        }
        let start = self.at;
        while self.stream.get(self.at) == Some(&0xFF) {
            self.at += 1;
        }
        if self.at - start > 1 {
            findings.add("jpeg-segment", PIXELS, "has fill bytes");
        }
        let marker = *self.stream.get(self.at).ok_or("has no EOI")?;
        self.at += 1;
        Ok(marker)
    }

    fn payload(&mut self) -> Result<&'a [u8], &'static str> {
        const SHORT: &str = "has a segment that runs past its end";
        let length = self.stream.get(self.at..self.at + 2).ok_or(SHORT)?;
        let length = usize::from(length[0]) << 8 | usize::from(length[1]);
        let payload = self.stream.get(self.at + 2..self.at + length).ok_or(SHORT)?;
        self.at += length;
        Ok(payload)
    }

    fn end(&self, findings: &mut Findings) -> Result<(), &'static str> {
        match self.stream.get(self.at..).unwrap_or_default() {
            [] => {}
            [0] if self.at % 2 == 1 => {}
            _ => findings.add("jpeg-tail", PIXELS, "has bytes after EOI"),
        }
        if self.frame.is_some() { Ok(()) } else { Err("has no frame") }
    }

    fn quantisation(&self, mut payload: &[u8]) -> Result<(), &'static str> {
        while let [selector, rest @ ..] = payload {
            let length = if selector >> 4 == 0 { 64 } else { 128 };
            if selector & 15 > 3 || selector >> 4 > 1 || rest.len() < length {
                return Err("has a DQT that is not as long as its tables");
            }
            payload = &rest[length..];
        }
        Ok(())
    }

    fn huffman(&mut self, mut payload: &[u8]) -> Result<(), &'static str> {
        const BROKEN: &str = "has a DHT that is no set of codes";
        while !payload.is_empty() {
            let (head, rest) = payload.split_at_checked(17).ok_or(BROKEN)?;
            let symbols: usize = head[1..].iter().map(|count| usize::from(*count)).sum();
            let (symbols, rest) = rest.split_at_checked(symbols).ok_or(BROKEN)?;
            let [class, slot] = [head[0] >> 4, head[0] & 15].map(usize::from);
            let table = self.tables.huffman.get_mut(class).and_then(|slots| slots.get_mut(slot)).ok_or(BROKEN)?;
            self.huffman_tables += 1;
            if self.huffman_tables > MAX_HUFFMAN_TABLES {
                return Err("has too many Huffman tables");
            }
            *table = Some(Huffman::new(&head[1..], symbols).ok_or(BROKEN)?);
            payload = rest;
        }
        Ok(())
    }

    fn frame_header(&mut self, process: u8, payload: &[u8]) -> Result<(), &'static str> {
        const BROKEN: &str = "has a SOF that is no frame header";
        let [bits, r1, r0, c1, c0, count, components @ ..] = payload else { return Err(BROKEN) };
        let components: Vec<_> = components
            .chunks(3)
            .filter_map(|c| Some(Component { id: *c.first()?, across: c.get(1)? >> 4, down: c.get(1)? & 15 }))
            .collect();
        let sampled = |c: &Component| (1..=4).contains(&c.across) && (1..=4).contains(&c.down);
        if self.frame.is_some() || payload.len() != 6 + 3 * usize::from(*count) || !components.iter().all(sampled) {
            return Err(BROKEN);
        }
        let [rows, columns] = [[*r1, *r0], [*c1, *c0]].map(u16::from_be_bytes);
        self.frame = Some(Frame { process, bits: *bits, rows, columns, components, colour: Colour::Other });
        Ok(())
    }

    /// The scan's entropy-coded data: up to a marker that is neither stuffing nor RST.
    fn scan(&mut self, header: &[u8], findings: &mut Findings) -> Result<(), &'static str> {
        let start = self.at;
        loop {
            let rest = self.stream.get(self.at..).unwrap_or_default();
            let next = rest.iter().position(|b| *b == 0xFF).ok_or("ends inside its scan: no EOI")?;
            match rest.get(next + 1) {
                Some(0 | 0xD0..=0xD7) => self.at += next + 2,
                Some(_) => {
                    self.at += next;
                    break;
                }
                None => return Err("ends inside its scan: no EOI"),
            }
        }
        let frame = self.frame.as_ref().ok_or("has a scan before its frame header")?;
        if self.scans == Scans::Decode
            && frame.process <= 1
            && let Err(rule) = scan::check(frame, &self.tables, header, &self.stream[start..self.at])
        {
            findings.add("decode", PIXELS, rule);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
    use proptest::prelude::*;

    /// What jpeg-encoder writes, without its APP0.
    fn stream(size: (u16, u16), sampling: SamplingFactor, grey: bool, restart: u16) -> Vec<u8> {
        let (kind, samples) = if grey { (ColorType::Luma, 1) } else { (ColorType::Rgb, 3) };
        let pixels: Vec<u8> =
            (0..usize::from(size.0) * usize::from(size.1) * samples).map(|at| (at * at / 7) as u8).collect();
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, 95);
        encoder.set_sampling_factor(sampling);
        encoder.set_restart_interval(restart);
        encoder.encode(&pixels, size.0, size.1, kind).unwrap();
        let app0 = 2 + usize::from(bytes[4]) * 256 + usize::from(bytes[5]);
        bytes.drain(2..2 + app0);
        bytes
    }

    fn codes(stream: &[u8]) -> Vec<&'static str> {
        let mut findings = Findings::default();
        read(stream, Scans::Decode, &mut findings);
        findings.0.iter().map(|finding| finding.code).collect()
    }

    const SAMPLINGS: [SamplingFactor; 6] = [
        SamplingFactor::F_1_1,
        SamplingFactor::F_2_1,
        SamplingFactor::F_1_2,
        SamplingFactor::F_2_2,
        SamplingFactor::F_4_1,
        SamplingFactor::F_4_2,
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn good_streams_pass_and_cut_or_stretched_scans_do_not(
            size in (1u16..70, 1u16..70),
            sampling in 0usize..6,
            grey in any::<bool>(),
            restart in 0u16..5,
            cut in 3usize..200,
        ) {
            let good = stream(size, SAMPLINGS[sampling], grey, restart);
            prop_assert_eq!(codes(&good), Vec::<&str>::new());
            let end = good.len() - 2;
            let stretched = [&good[..end], &[0x55, 0x55], &good[end..]].concat();
            prop_assert_eq!(codes(&stretched), ["decode"]);
            let scan = good.windows(2).position(|two| two == [0xFF, 0xDA]).unwrap() + 14;
            // What is left may end on a byte FF or inside a restart marker: still no clean stream.
            let short = [&good[..end.saturating_sub(cut).max(scan)], &good[end..]].concat();
            prop_assert!(short.len() == good.len() || !codes(&short).is_empty());
        }
    }

    #[test]
    fn nothing_may_hide_between_segments_in_them_or_after_the_end() {
        let good = stream((16, 16), SamplingFactor::F_1_1, false, 0);
        let insert = |at: usize, what: &[u8]| [&good[..at], what, &good[at..]].concat();
        for (hidden, code) in [
            (insert(2, b"\xFF\xFE\0\x06text"), "jpeg-segment"),
            (insert(2, b"\xFF\xE1\0\x06text"), "jpeg-segment"),
            (insert(2, b"\xFF"), "jpeg-segment"),
            (insert(2, b"\xFF\xD0"), "jpeg-segment"),
            (insert(2, b"text"), "jpeg"),
            (insert(2, b"\xFF\xDB\0\x06text"), "jpeg"),
            (insert(2, b"\xFF\xC4\0\x06text"), "jpeg"),
            (insert(2, b"\xFF\xDD\0\x06text"), "jpeg"),
            (insert(good.len(), b"text"), "jpeg-tail"),
            (insert(good.len(), b"\0\0"), "jpeg-tail"),
        ] {
            assert!(codes(&hidden).contains(&code), "{code}: {:?}", codes(&hidden));
        }
        let padded = insert(good.len(), &b"\0"[..good.len() % 2]);
        assert!(codes(&padded).is_empty());
    }

    #[test]
    fn hostile_headers_cost_nothing() {
        let many_tables =
            [b"\xFF\xD8" as &[u8], &b"\xFF\xC4\0\x13\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".repeat(40)].concat();
        assert_eq!(codes(&many_tables), ["jpeg"]);
        let mut huge = stream((16, 16), SamplingFactor::F_1_1, false, 0);
        let frame = huge.windows(2).position(|two| two == [0xFF, 0xC0]).unwrap();
        huge[frame + 5..frame + 9].fill(0xFF);
        assert_eq!(codes(&huge), ["decode"]);
    }
}
