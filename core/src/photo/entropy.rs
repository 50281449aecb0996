//! Entropy-coded data to coefficients: sequential and progressive Huffman (T.81 Annexes F and G).
//!
//! Strict on purpose: a scan that ends early, a restart marker too many or a refinement that is missing is an error,
//! because an archive would accept the broken picture without a word.

use super::coefficients::{Coefficients, Means, block_count};
use super::frame::{Coding, Frame, Picture, Scan};
use super::huffman::{BadBits, BitReader, DecodeTable, END_OF_BLOCK, SkipTable, ZERO_RUN, is_ac};
use super::limits::Limits;
use super::orient::Turn;
use super::symbols::Symbols;
use super::transcode::turned_steps;
use crate::error::PhotoError;

/// Decodes all scans of a picture.
pub(super) fn decode(picture: &Picture<'_>, limits: &Limits) -> Result<Coefficients, PhotoError> {
    plausible(picture)?;
    let mut all = Coefficients::zero(picture.frame.clone(), picture.quantisation.clone(), limits)?;
    let places = Turn::NONE.places();
    let progressive = picture.frame.coding == Coding::Progressive;
    each_scan(picture, |scan, tables| {
        let (start, end) = (usize::from(scan.spectral.0), usize::from(scan.spectral.1));
        let (high, low) = scan.approximation;
        each_block(picture, scan, |reader, state, slot, component, (x, y)| {
            let blocks = &mut all.components[component];
            let index = y * blocks.across + x;
            let (block, mask) = (&mut blocks.values.as_chunks_mut::<64>().0[index], &mut blocks.masks[index]);
            if !progressive {
                block[0] = state.dc(reader, tables.dc(slot)?, slot)?;
                *mask = sequential_ac(reader, tables.ac(slot)?, &places, block)?;
                return Ok(());
            }
            match (start, high) {
                (0, 0) => block[0] = shift(state.dc(reader, tables.dc(slot)?, slot)?.into(), low)?,
                (0, _) => block[0] |= i16::from(reader.bit()) << low,
                (_, 0) => first_ac(reader, tables.ac(slot)?, state, (start, end, low), block, mask)?,
                _ => refine_ac(reader, tables.ac(slot)?, state, (start, end, low), block, mask)?,
            }
            Ok(())
        })
        .map(|_| ())
    })?;
    Ok(all)
}

/// The symbols of the turned picture that `frame` describes (see [`Turn::frame`]).
pub(super) fn symbols(picture: &Picture<'_>, turn: Turn, frame: Frame, limits: &Limits) -> Result<Symbols, PhotoError> {
    let steps = picture.quantisation.iter().map(|steps| turned_steps(steps, turn)).collect();
    let places = turn.places();
    if picture.frame.coding == Coding::Progressive {
        let stored = decode(picture, limits)?;
        let mut all = Symbols::new(frame, steps, stored.symbols(), limits)?;
        // One component after the other is let go.
        for (component, mut blocks) in stored.components.into_iter().enumerate() {
            let turned = all.components[component].grid();
            let values = blocks.values.as_chunks_mut::<64>().0;
            for (index, (block, mask)) in values.iter_mut().zip(&mut blocks.masks).enumerate() {
                if let Some((x, y)) = turn.target((index % blocks.across, index / blocks.across), turned) {
                    settle(block, mask, &places);
                    all.set(component, y * turned.0 + x, block, *mask)?;
                }
            }
        }
        return Ok(all);
    }
    plausible(picture)?;
    // About six bits a symbol.
    let bytes: usize = picture.scans.iter().map(|scan| scan.entropy.len()).sum();
    let mut all = Symbols::new(frame, steps, bytes + bytes / 2, limits)?;
    let grids: Vec<(usize, usize)> = all.components.iter().map(super::symbols::Blocks::grid).collect();
    each_scan(picture, |scan, tables| {
        let mut block = [0; 64];
        each_block(picture, scan, |reader, state, slot, component, at| {
            block[0] = state.dc(reader, tables.dc(slot)?, slot)?;
            let mut mask = sequential_ac(reader, tables.ac(slot)?, &places, &mut block)?;
            if let Some((x, y)) = turn.target(at, grids[component]) {
                all.set(component, y * grids[component].0 + x, &block, mask).map_err(|_| BadBits)?;
            }
            while mask != 0 {
                block[mask.trailing_zeros() as usize & 63] = 0;
                mask &= mask - 1;
            }
            Ok(())
        })
        .map(|_| ())
    })?;
    Ok(all)
}

/// Puts the coefficients of a block in their places.
fn settle(block: &mut [i16; 64], mask: &mut u64, places: &[(u8, i16); 64]) {
    let (old, mut left) = (*block, *mask);
    block[1..].fill(0);
    *mask = 0;
    while left != 0 {
        let k = left.trailing_zeros() as usize;
        let (at, sign) = places[k];
        block[usize::from(at)] = old[k].saturating_mul(sign);
        *mask |= 1 << at;
        left &= left - 1;
    }
}

/// What a walk over a sequential scan found, without keeping its coefficients.
pub(super) struct Walk {
    pub(super) means: Means,
    /// Nothing but the blocks: no byte that a decoder would step over.
    pub(super) tidy: bool,
}

/// Checks a sequential picture of one scan to its last MCU.
pub(super) fn walk(picture: &Picture<'_>, limits: &Limits) -> Result<Walk, PhotoError> {
    plausible(picture)?;
    limits.check_decoded(block_count(&picture.frame) as u64 * 2)?;
    let (across, down) = picture.frame.mcus();
    let plane = |c: &super::frame::Component| vec![0_i16; across * down * usize::from(c.h) * usize::from(c.v)];
    let mut planes: Vec<Vec<i16>> = picture.frame.components.iter().map(plane).collect();
    let rows: Vec<usize> = picture.frame.components.iter().map(|c| across * usize::from(c.h)).collect();
    let mut tidy = true;
    each_scan(picture, |scan, tables| {
        let skips: [Option<SkipTable>; 4] = std::array::from_fn(|i| tables.ac[i].as_ref().map(SkipTable::new));
        tidy &= each_block(picture, scan, |reader, state, slot, component, (x, y)| {
            planes[component][y * rows[component] + x] = state.dc(reader, tables.dc(slot)?, slot)?;
            let skip = skips[tables.selected[slot].1].as_ref().ok_or(BadBits)?;
            let mut local = *reader;
            local.skip_ac(tables.ac(slot)?, skip)?;
            *reader = local;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(Walk { means: Means { planes }, tidy })
}

/// Calls `scan` for every scan with its tables: those that are due and no other, until the picture is complete.
fn each_scan<F>(picture: &Picture<'_>, mut scan: F) -> Result<(), PhotoError>
where
    F: FnMut(&Scan<'_>, &Tables) -> Result<(), PhotoError>,
{
    let mut progress = Progress::new(picture);
    for next in &picture.scans {
        progress.enter(picture, next)?;
        scan(next, &Tables::of(next))?;
    }
    progress.complete()
}

/// Every block costs bits (a sixteenth is a bound that holds for every sampling and process). Less data than that
/// cannot be the picture that the header promises: said before anything is allocated for it.
fn plausible(picture: &Picture<'_>) -> Result<(), PhotoError> {
    let bits: usize = picture.scans.iter().map(|s| s.entropy.len() * 8).sum();
    if bits < block_count(&picture.frame) / 16 { Err(PhotoError::Truncated("SOS")) } else { Ok(()) }
}

/// Which coefficients have arrived, and how precisely.
struct Progress {
    /// For each component and coefficient: the bit position that is still open, `None` before its first scan.
    open: Vec<[Option<u8>; 64]>,
}

impl Progress {
    fn new(picture: &Picture<'_>) -> Self {
        Self { open: vec![[None; 64]; picture.frame.components.len()] }
    }

    fn enter(&mut self, picture: &Picture<'_>, scan: &Scan<'_>) -> Result<(), PhotoError> {
        let malformed = PhotoError::Malformed { part: "SOS", offset: scan.offset };
        let progressive = picture.frame.coding == Coding::Progressive;
        let band = if progressive { scan.spectral.0..=scan.spectral.1 } else { 0..=63 };
        let (high, low) = if progressive { scan.approximation } else { (0, 0) };
        for &(component, _, _) in &scan.components {
            for k in band.clone() {
                let open = &mut self.open[component][usize::from(k)];
                let expected = if high == 0 { None } else { Some(high) };
                if *open != expected {
                    return Err(malformed);
                }
                *open = Some(low);
            }
        }
        Ok(())
    }

    fn complete(&self) -> Result<(), PhotoError> {
        let done = self.open.iter().flatten().all(|&open| open == Some(0));
        if done { Ok(()) } else { Err(PhotoError::Truncated("the scans")) }
    }
}

/// The decoding tables of a scan, by its component slots.
struct Tables {
    dc: [Option<DecodeTable>; 4],
    ac: [Option<DecodeTable>; 4],
    selected: Vec<(usize, usize)>,
}

impl Tables {
    fn of(scan: &Scan<'_>) -> Self {
        let selected = scan.components.iter().map(|&(_, dc, ac)| (dc.into(), ac.into())).collect();
        let tables = |specs: &[Option<super::frame::HuffmanSpec<'_>>; 4]| {
            std::array::from_fn(|i| specs[i].as_ref().map(DecodeTable::new))
        };
        Self { dc: tables(&scan.dc), ac: tables(&scan.ac), selected }
    }

    #[inline]
    fn dc(&self, slot: usize) -> Result<&DecodeTable, BadBits> {
        self.dc[self.selected[slot].0].as_ref().ok_or(BadBits)
    }

    #[inline]
    fn ac(&self, slot: usize) -> Result<&DecodeTable, BadBits> {
        self.ac[self.selected[slot].1].as_ref().ok_or(BadBits)
    }
}

/// What a restart resets.
#[derive(Default)]
struct State {
    predicted: [i32; 4],
    end_of_band_run: u32,
}

impl State {
    #[inline(always)]
    fn dc(&mut self, reader: &mut BitReader<'_>, table: &DecodeTable, slot: usize) -> Result<i16, BadBits> {
        let (size, difference) = reader.symbol_and_value(table)?;
        // More than an 8-bit picture has (T.81 F.1.2.1).
        if size > 11 {
            return Err(BadBits);
        }
        self.predicted[slot] += difference;
        i16::try_from(self.predicted[slot]).map_err(|_| BadBits)
    }
}

/// Calls `block(reader, state, slot, component, (x, y))` for every block of a scan, in the scan's order. True when
/// nothing but blocks was in the data.
fn each_block<F>(picture: &Picture<'_>, scan: &Scan<'_>, mut block: F) -> Result<bool, PhotoError>
where
    F: FnMut(&mut BitReader<'_>, &mut State, usize, usize, (usize, usize)) -> Result<(), BadBits>,
{
    let frame = &picture.frame;
    let malformed = PhotoError::Malformed { part: "SOS", offset: scan.offset };
    let (mcus_across, mcus_down) = frame.mcus();
    let alone = scan.components.len() == 1;
    // Slot, component, width and height in blocks of one unit.
    let layout: Vec<(usize, usize, usize, usize)> = scan
        .components
        .iter()
        .enumerate()
        .map(|(slot, &(component, _, _))| {
            let c = &frame.components[component];
            let (h, v) = if alone { (1, 1) } else { (c.h, c.v) };
            (slot, component, usize::from(h), usize::from(v))
        })
        .collect();
    let (units_across, units_down) = if alone {
        let (across, down) = frame.samples(&frame.components[scan.components[0].0]);
        (across.div_ceil(8), down.div_ceil(8))
    } else {
        (mcus_across, mcus_down)
    };
    let units = units_across * units_down;
    let interval = if scan.restart_interval == 0 { units } else { scan.restart_interval };
    if scan.restarts != units.div_ceil(interval) - 1 {
        return Err(malformed);
    }

    let (mut tidy, mut rest, mut unit) = (!scan.fill, scan.entropy, 0);
    let (mut x, mut y) = (0, 0);
    for number in 0..=scan.restarts {
        let data;
        (data, rest) = next_interval(rest, number, scan.restarts).ok_or(malformed)?;
        let mut reader = BitReader::new(data);
        let mut state = State::default();
        for _ in 0..interval.min(units - unit) {
            for &(slot, component, h, v) in &layout {
                for by in 0..v {
                    for bx in 0..h {
                        let done = block(&mut reader, &mut state, slot, component, (x * h + bx, y * v + by));
                        if done.is_err() || reader.overrun() {
                            return Err(if reader.overrun() { PhotoError::Truncated("SOS") } else { malformed });
                        }
                    }
                }
            }
            x += 1;
            if x == units_across {
                (x, y) = (0, y + 1);
            }
        }
        unit += interval.min(units - unit);
        if state.end_of_band_run > 0 {
            return Err(malformed);
        }
        tidy &= !reader.unread_bytes();
    }
    Ok(tidy)
}

/// Splits off the data before the next RSTn, which must be the one whose turn it is.
fn next_interval(data: &[u8], number: usize, restarts: usize) -> Option<(&[u8], &[u8])> {
    if number == restarts {
        return Some((data, &[]));
    }
    let mut at = 0;
    loop {
        at += memchr::memchr(0xFF, &data[at..])?;
        let after = data[at..].iter().position(|&byte| byte != 0xFF)?;
        if data[at + after] != 0 {
            let due = data[at + after] == 0xD0 + (number % 8) as u8;
            return due.then(|| (&data[..at], &data[at + after + 1..]));
        }
        at += after + 1;
    }
}

/// AC coefficients of a sequential block, each into its place; returns which are not zero.
#[inline(always)]
fn sequential_ac(
    reader: &mut BitReader<'_>,
    table: &DecodeTable,
    places: &[(u8, i16); 64],
    block: &mut [i16; 64],
) -> Result<u64, BadBits> {
    let mut local = *reader;
    let (mut k, mut mask) = (1_usize, 0_u64);
    while k < 64 {
        let (symbol, value) = local.symbol_and_value(table)?;
        if symbol == END_OF_BLOCK {
            break;
        }
        k += usize::from(symbol >> 4);
        let Some(&(at, sign)) = places.get(k).filter(|_| is_ac(symbol)) else { return Err(BadBits) };
        k += 1;
        if symbol != ZERO_RUN {
            block[usize::from(at & 63)] = (value as i16).wrapping_mul(sign);
            mask |= 1 << (at & 63);
        }
    }
    *reader = local;
    Ok(mask)
}

fn shift(value: i32, low: u8) -> Result<i16, BadBits> {
    i16::try_from(value << low).map_err(|_| BadBits)
}

/// First scan of a band of AC coefficients (T.81 G.1.2.2).
fn first_ac(
    reader: &mut BitReader<'_>,
    table: &DecodeTable,
    state: &mut State,
    (start, end, low): (usize, usize, u8),
    block: &mut [i16; 64],
    mask: &mut u64,
) -> Result<(), BadBits> {
    if state.end_of_band_run > 0 {
        state.end_of_band_run -= 1;
        return Ok(());
    }
    let mut k = start;
    while k <= end {
        let (symbol, value) = reader.symbol_and_value(table)?;
        let run = u32::from(symbol >> 4);
        if symbol & 15 == 0 {
            if run < 15 {
                state.end_of_band_run = (1 << run) - 1 + reader.bits(run);
                break;
            }
            k += 16;
            continue;
        }
        k += run as usize;
        if k > end {
            return Err(BadBits);
        }
        block[k] = shift(value, low)?;
        *mask |= 1 << k;
        k += 1;
    }
    Ok(())
}

/// A further bit of a band of AC coefficients (T.81 G.1.2.3).
fn refine_ac(
    reader: &mut BitReader<'_>,
    table: &DecodeTable,
    state: &mut State,
    (start, end, low): (usize, usize, u8),
    block: &mut [i16; 64],
    mask: &mut u64,
) -> Result<(), BadBits> {
    let bit = 1_i16 << low;
    let mut k = start;
    if state.end_of_band_run == 0 {
        while k <= end {
            let symbol = reader.symbol(table)?;
            let mut zeros = u32::from(symbol >> 4);
            let fresh = match symbol & 15 {
                0 if zeros < 15 => {
                    state.end_of_band_run = (1 << zeros) + reader.bits(zeros);
                    break;
                }
                0 => None,
                1 => Some(if reader.bit() { bit } else { -bit }),
                _ => return Err(BadBits),
            };
            // Refine what is there already, up to the place of the new one.
            loop {
                if k > end {
                    return if fresh.is_some() { Err(BadBits) } else { Ok(()) };
                }
                if *mask >> k & 1 == 1 {
                    correct(reader, &mut block[k], bit);
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                k += 1;
            }
            if let Some(value) = fresh {
                block[k] = value;
                *mask |= 1 << k;
            }
            k += 1;
        }
    }
    if state.end_of_band_run > 0 {
        // Past the band where its last coefficient came just now.
        for (k, value) in block.iter_mut().enumerate().take(end + 1).skip(k) {
            if *mask >> k & 1 == 1 {
                correct(reader, value, bit);
            }
        }
        state.end_of_band_run -= 1;
    }
    Ok(())
}

fn correct(reader: &mut BitReader<'_>, value: &mut i16, bit: i16) {
    if reader.bit() && value.unsigned_abs() & bit.unsigned_abs() == 0 {
        *value = value.saturating_add(if *value > 0 { bit } else { -bit });
    }
}
