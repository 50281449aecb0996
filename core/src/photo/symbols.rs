//! A picture as the symbols of its future scan: all that is left to do is to choose codes and write them.
//!
//! A sequential photo goes straight here from its own scan, which takes a third of the memory of its coefficients.

use super::coefficients::{Coefficients, Means, block_count};
use super::frame::{Frame, Quantisation};
use super::huffman::{END_OF_BLOCK, ZERO_RUN};
use super::limits::Limits;
use crate::error::PhotoError;

/// A run of zeros and a coefficient, as one word: value bits (low 16), symbol (8), and [`Symbol::LAST`].
#[derive(Clone, Copy)]
pub(super) struct Symbol(u32);

impl Symbol {
    /// Set on the last one of a block.
    const LAST: u32 = 1 << 31;

    fn new(symbol: u8, bits: u32) -> Self {
        Self(u32::from(symbol) << 16 | bits)
    }

    /// Run and size (T.81 F.1.2.2).
    #[inline(always)]
    pub(super) fn symbol(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// The value's bits; as many as the symbol's low four bits say.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        self.0 & 0xFFFF
    }
}

/// One component: its blocks in rows, up to the last whole MCU.
pub(super) struct Blocks {
    /// Blocks in a row.
    pub(super) across: usize,
    /// DC coefficients.
    pub(super) dc: Vec<i16>,
    /// Where each block's AC symbols begin.
    first: Vec<u32>,
}

impl Blocks {
    /// Blocks across and down.
    pub(super) fn grid(&self) -> (usize, usize) {
        (self.across, self.dc.len() / self.across.max(1))
    }
}

/// A picture as symbols.
pub(super) struct Symbols {
    pub(super) frame: Frame,
    pub(super) quantisation: Vec<Quantisation>,
    pub(super) components: Vec<Blocks>,
    ac: Vec<Symbol>,
    /// How often each AC symbol occurs: luma, chroma.
    pub(super) counts: [[u32; 256]; 2],
}

impl Symbols {
    /// No blocks yet; `expected` AC symbols will come, more or less.
    pub(super) fn new(
        frame: Frame,
        quantisation: Vec<Quantisation>,
        expected: usize,
        limits: &Limits,
    ) -> Result<Self, PhotoError> {
        limits.check_decoded(6 * block_count(&frame) as u64 + 4 * expected as u64)?;
        let (across, down) = frame.mcus();
        let blocks = |c: &super::frame::Component| {
            let (across, down) = (across * usize::from(c.h), down * usize::from(c.v));
            Blocks { across, dc: vec![0; across * down], first: vec![0; across * down] }
        };
        let components = frame.components.iter().map(blocks).collect();
        let ac = Vec::with_capacity(expected);
        Ok(Self { frame, quantisation, components, ac, counts: [[0; 256]; 2] })
    }

    /// The symbols of coefficients.
    pub(super) fn of(source: &Coefficients, limits: &Limits) -> Result<Self, PhotoError> {
        let mut all = Self::new(source.frame.clone(), source.quantisation.clone(), source.symbols(), limits)?;
        for (component, blocks) in source.components.iter().enumerate() {
            for (index, (values, &mask)) in blocks.values.as_chunks().0.iter().zip(&blocks.masks).enumerate() {
                all.set(component, index, values, mask)?;
            }
        }
        Ok(all)
    }

    /// Sets a block, once; bit k of `mask` says that coefficient k (1 to 63) is not zero.
    #[inline(always)]
    pub(super) fn set(
        &mut self,
        component: usize,
        index: usize,
        values: &[i16; 64],
        mut mask: u64,
    ) -> Result<(), PhotoError> {
        let blocks = &mut self.components[component];
        let counts = &mut self.counts[component.min(1)];
        blocks.dc[index] = values[0];
        // Bounded by the file's size, far below u32::MAX.
        blocks.first[index] = self.ac.len() as u32;
        let mut push = |symbol: u8, bits: u32| {
            counts[usize::from(symbol)] += 1;
            self.ac.push(Symbol::new(symbol, bits));
        };
        let mut last = 0;
        while mask != 0 {
            let k = mask.trailing_zeros();
            let mut run = k - last - 1;
            while run > 15 {
                push(ZERO_RUN, 0);
                run -= 16;
            }
            let (size, bits) = magnitude(values[k as usize & 63].into());
            if size > 10 {
                return Err(OUT_OF_RANGE);
            }
            push((run << 4 | size) as u8, bits);
            last = k;
            mask &= mask - 1;
        }
        if last < 63 {
            push(END_OF_BLOCK, 0);
        }
        if let Some(Symbol(word)) = self.ac.last_mut() {
            *word |= Symbol::LAST;
        }
        Ok(())
    }

    /// The AC symbols of a block that was set.
    #[inline(always)]
    pub(super) fn ac(&self, component: usize, index: usize) -> impl Iterator<Item = Symbol> {
        let mut more = true;
        let rest = &self.ac[self.components[component].first[index] as usize..];
        rest.iter().copied().take_while(move |symbol| std::mem::replace(&mut more, symbol.0 & Symbol::LAST == 0))
    }

    /// Mean values of the blocks.
    pub(super) fn means(&self) -> Means {
        Means { planes: self.components.iter().map(|c| c.dc.clone()).collect() }
    }
}

/// Larger than an 8-bit picture can have (T.81 F.1.2).
pub(super) const OUT_OF_RANGE: PhotoError = PhotoError::Malformed { part: "DCT coefficient", offset: 0 };

/// Bits of the magnitude, and the value's bits (T.81 F.1.2.1).
#[inline(always)]
pub(super) fn magnitude(value: i32) -> (u32, u32) {
    let size = 32 - value.unsigned_abs().leading_zeros();
    let bits = value.wrapping_add(value >> 31) as u32;
    (size, bits & ((1 << size) - 1))
}
