//! Coefficients to a clean sequential stream: one interleaved scan, optimal Huffman tables, nothing else.

use std::ops::Range;

use super::frame::{Frame, Picture, Quantisation, Scan, ZIGZAG};
use super::huffman::{BitWriter, Bits, END_OF_BLOCK, EncodeTable};
use super::markers;
use super::orient::Turn;
use super::symbols::{OUT_OF_RANGE, Symbols, magnitude};
use crate::error::PhotoError;

/// A clean stream.
pub(super) struct Clean {
    pub(super) jpeg: Vec<u8>,
    /// Where its entropy-coded data lies.
    pub(super) entropy: Range<usize>,
}

/// Writes a picture with the codes that are best for it.
pub(super) fn write(source: &Symbols) -> Result<Clean, PhotoError> {
    let frame = &source.frame;
    let rows = frame.mcus().1;
    let (mut dc, mut ac) = ([[0; 256]; 2], source.counts);
    each_block(source, 0..rows, |class, size, _, block| {
        dc[class][size as usize & 255] += 1;
        // Padding ends at once; its symbol is not among the picture's.
        ac[class][usize::from(END_OF_BLOCK)] += u32::from(block.is_none());
    })?;
    let tables: Vec<(EncodeTable, EncodeTable)> = (0..frame.components.len().min(2))
        .map(|i| (EncodeTable::optimal(&dc[i]), EncodeTable::optimal(&ac[i])))
        .collect();

    let mut jpeg = vec![0xFF, markers::SOI];
    header(&mut jpeg, frame, &source.quantisation)?;
    for (i, (dc, _)) in (0_u8..).zip(&tables) {
        huffman(&mut jpeg, i, &dc.counts, &dc.symbols);
    }
    for (i, (_, ac)) in (0x10_u8..).zip(&tables) {
        huffman(&mut jpeg, i, &ac.counts, &ac.symbols);
    }
    let selectors: Vec<(u8, u8)> = (0..frame.components.len()).map(class).map(|i| (i as u8, i as u8)).collect();
    start_of_scan(&mut jpeg, frame, &selectors);
    let start = jpeg.len();
    let mut writer = BitWriter::new(jpeg);
    for part in in_parts(rows, |rows| code(source, rows, &tables)) {
        writer.append(part?);
    }
    let mut jpeg = writer.finish();
    let end = jpeg.len();
    jpeg.extend([0xFF, markers::EOI]);
    Ok(Clean { jpeg, entropy: start..end })
}

/// Copies the one scan of an upright baseline picture byte by byte behind headers that hold only what it uses.
pub(super) fn copy(picture: &Picture<'_>, scan: &Scan<'_>) -> Result<Clean, PhotoError> {
    let mut jpeg = Vec::with_capacity(scan.entropy.len() + 2048);
    jpeg.extend([0xFF, markers::SOI]);
    header(&mut jpeg, &picture.frame, &picture.quantisation)?;
    for (class, specs) in [(0_u8, &scan.dc), (0x10, &scan.ac)] {
        for (i, spec) in (0_u8..).zip(specs) {
            let used = scan.components.iter().any(|&(_, dc, ac)| i == if class == 0 { dc } else { ac });
            if let (true, Some(spec)) = (used, spec) {
                huffman(&mut jpeg, class | i, spec.counts, spec.symbols);
            }
        }
    }
    if scan.restart_interval > 0 {
        let [high, low] = (scan.restart_interval as u16).to_be_bytes();
        jpeg.extend([0xFF, markers::DRI, 0, 4, high, low]);
    }
    let selectors: Vec<(u8, u8)> = scan.components.iter().map(|&(_, dc, ac)| (dc, ac)).collect();
    start_of_scan(&mut jpeg, &picture.frame, &selectors);
    let start = jpeg.len();
    jpeg.extend_from_slice(scan.entropy);
    let end = jpeg.len();
    jpeg.extend([0xFF, markers::EOI]);
    Ok(Clean { jpeg, entropy: start..end })
}

/// Luma has tables of its own.
fn class(component: usize) -> usize {
    component.min(1)
}

/// Steps move with their coefficients when rows become columns.
pub(super) fn turned_steps(steps: &Quantisation, turn: Turn) -> Quantisation {
    let mut turned = [0; 64];
    for (&step, (at, _)) in steps.iter().zip(turn.places()) {
        turned[usize::from(at)] = step;
    }
    turned
}

/// DQT for each table, under the source's own number where two tables do not claim the same; then SOF0.
fn header(jpeg: &mut Vec<u8>, frame: &Frame, steps: &[Quantisation]) -> Result<(), PhotoError> {
    let mut tables: [Option<&Quantisation>; 4] = [None; 4];
    let mut chosen = Vec::with_capacity(4);
    for (component, steps) in frame.components.iter().zip(steps) {
        let own = usize::from(component.quantisation);
        let free = (own..4).chain(0..own).find(|&i| tables[i].is_none_or(|taken| taken == steps));
        // At most four components: there is always one.
        let number = free.unwrap_or(own);
        tables[number] = Some(steps);
        chosen.push(number as u8);
    }
    for (number, table) in (0_u8..).zip(tables).filter_map(|(number, table)| Some((number, table?))) {
        jpeg.extend([0xFF, markers::DQT, 0, 67, number]);
        for &step in table {
            // Baseline has one byte a step (T.81 B.2.4.1).
            jpeg.push(u8::try_from(step).map_err(|_| PhotoError::UnsupportedCoding("16-bit quantisation"))?);
        }
    }
    let count = frame.components.len() as u8;
    let ([r1, r0], [c1, c0]) = (frame.rows.to_be_bytes(), frame.columns.to_be_bytes());
    jpeg.extend([0xFF, 0xC0, 0, 8 + 3 * count, 8, r1, r0, c1, c0, count]);
    for (component, table) in frame.components.iter().zip(chosen) {
        jpeg.extend([component.id, component.h << 4 | component.v, table]);
    }
    Ok(())
}

fn huffman(jpeg: &mut Vec<u8>, class_and_number: u8, counts: &[u8; 16], symbols: &[u8]) {
    let [high, low] = (19 + symbols.len() as u16).to_be_bytes();
    jpeg.extend([0xFF, markers::DHT, high, low, class_and_number]);
    jpeg.extend(counts);
    jpeg.extend(symbols);
}

fn start_of_scan(jpeg: &mut Vec<u8>, frame: &Frame, selectors: &[(u8, u8)]) {
    let count = frame.components.len() as u8;
    jpeg.extend([0xFF, markers::SOS, 0, 6 + 2 * count, count]);
    for (component, &(dc, ac)) in frame.components.iter().zip(selectors) {
        jpeg.extend([component.id, dc << 4 | ac]);
    }
    jpeg.extend([0, 63, 0]);
}

/// Does the upper and the lower half of `rows` side by side, when there are many.
fn in_parts<T: Send>(rows: usize, work: impl Fn(Range<usize>) -> T + Sync) -> Vec<T> {
    if rows < 32 {
        return vec![work(0..rows)];
    }
    std::thread::scope(|scope| {
        let upper = || work(0..rows / 2);
        let beside = std::thread::Builder::new().spawn_scoped(scope, upper);
        let lower = work(rows / 2..rows);
        // Without a second thread, or when it came to grief, this one does its part.
        let upper = beside.ok().and_then(|thread| thread.join().ok()).unwrap_or_else(upper);
        vec![upper, lower]
    })
}

/// The bits of some rows of MCUs.
fn code(source: &Symbols, rows: Range<usize>, tables: &[(EncodeTable, EncodeTable)]) -> Result<Bits, PhotoError> {
    let mut out = Bits::default();
    let mut uncoded = false;
    each_block(source, rows, |class, size, bits, block| {
        let (dc, ac) = &tables[class];
        let mut put = |(code, length): (u16, u8), size: u32, bits: u32| {
            uncoded |= length == 0;
            out.put(u32::from(code) << size | bits, u32::from(length) + size);
        };
        put(dc.codes[size as usize & 255], size, bits);
        match block {
            Some((component, index)) => {
                for symbol in source.ac(component, index) {
                    let size = u32::from(symbol.symbol() & 15);
                    put(ac.codes[usize::from(symbol.symbol())], size, symbol.bits());
                }
            }
            // Padding may carry data of its own: written empty.
            None => put(ac.codes[usize::from(END_OF_BLOCK)], 0, 0),
        }
    })?;
    // A bug of ours: the stream would be garbage that looks well from outside.
    if uncoded { Err(PhotoError::CheckFailed("a symbol without a code")) } else { Ok(out) }
}

/// Calls `block(class, size, bits, where)` for the blocks of some rows of MCUs in the order of an interleaved scan, with
/// the DC difference; `where` is component and index, `None` for padding.
fn each_block(
    source: &Symbols,
    rows: Range<usize>,
    mut block: impl FnMut(usize, u32, u32, Option<(usize, usize)>),
) -> Result<(), PhotoError> {
    let frame = &source.frame;
    let mcus_across = frame.mcus().0;
    let layout: Vec<_> = frame
        .components
        .iter()
        .map(|c| {
            let (across, down) = frame.samples(c);
            (usize::from(c.h), usize::from(c.v), across.div_ceil(8), down.div_ceil(8))
        })
        .collect();
    let mut predicted = [0_i32; 4];
    if rows.start > 0 {
        // The last block before these rows, of each component.
        for ((dc, blocks), &(h, v, across, down)) in predicted.iter_mut().zip(&source.components).zip(&layout) {
            let (x, y) = ((mcus_across * h).min(across) - 1, (rows.start * v).min(down) - 1);
            *dc = blocks.dc[y * blocks.across + x].into();
        }
    }
    for y in rows {
        for x in 0..mcus_across {
            for (component, &(h, v, across, down)) in layout.iter().enumerate() {
                let blocks = &source.components[component];
                for by in y * v..y * v + v {
                    for bx in x * h..x * h + h {
                        if bx >= across || by >= down {
                            block(class(component), 0, 0, None);
                            continue;
                        }
                        let index = by * blocks.across + bx;
                        let dc = i32::from(blocks.dc[index]);
                        let (size, bits) = magnitude(dc - predicted[component]);
                        predicted[component] = dc;
                        if size > 11 {
                            return Err(OUT_OF_RANGE);
                        }
                        block(class(component), size, bits, Some((component, index)));
                    }
                }
            }
        }
    }
    Ok(())
}

/// The tables of T.81 Annex K.1 for a quality of 1 to 100, in zigzag order: luma, chroma.
pub(super) fn annex_k(quality: u16) -> [Quantisation; 2] {
    const LUMA: [u16; 64] = [
        16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29,
        51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121,
        120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
    ];
    const CHROMA: [u16; 64] = [
        17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
        99, 99, 99, 99, 99, 99, 99, 99,
    ];
    let scale = if quality < 50 { 5000 / quality } else { 200 - 2 * quality };
    [LUMA, CHROMA].map(|table| ZIGZAG.map(|at| ((table[usize::from(at)] * scale + 50) / 100).clamp(1, 255)))
}
