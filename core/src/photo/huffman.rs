//! Huffman codes and bits of JPEG (T.81 Annexes C, F, K): decoding by look-up, optimal codes, a bit writer.

use super::frame::HuffmanSpec;

/// Bits looked up at once. 10 holds most codes together with their value bits and keeps a table at 4 kB.
const LOOK: u32 = 10;

/// What the look-up table says of the next [`LOOK`] bits, in one word: value (16 bits), symbol (8), bits of code and
/// value when both are known (4, else 0), bits of the code when that is known (4, else 0).
#[derive(Clone, Copy, Default)]
struct Entry(u32);

impl Entry {
    fn new(value: i32, symbol: u8, all_bits: u32, code_bits: u32) -> Self {
        Self((value as u32) << 16 | u32::from(symbol) << 8 | all_bits << 4 | code_bits)
    }

    #[inline]
    fn value(self) -> i32 {
        self.0 as i32 >> 16
    }

    #[inline]
    fn symbol(self) -> u8 {
        (self.0 >> 8) as u8
    }

    #[inline]
    fn all_bits(self) -> u32 {
        self.0 >> 4 & 15
    }

    #[inline]
    fn code_bits(self) -> u32 {
        self.0 & 15
    }
}

/// A table that decodes.
pub(super) struct DecodeTable {
    look: Box<[Entry; 1 << LOOK]>,
    /// For codes of length i + 1: the first code beyond them, left-aligned in 16 bits, and symbol index - code.
    limit: [u32; 16],
    delta: [i32; 16],
    symbols: [u8; 256],
}

impl DecodeTable {
    /// `None` when the counts over-subscribe the code space or exceed 256 symbols. The all-ones code is let pass: old
    /// encoders use it.
    pub(super) fn check(spec: &HuffmanSpec<'_>) -> Option<()> {
        let mut free = 1_u32;
        for &count in spec.counts {
            free = (free << 1).checked_sub(count.into())?;
        }
        (spec.symbols.len() <= 256).then_some(())
    }

    /// Of a spec that passed [`DecodeTable::check`].
    pub(super) fn new(spec: &HuffmanSpec<'_>) -> Self {
        let mut table =
            Self { look: Box::new([Entry::default(); 1 << LOOK]), limit: [0; 16], delta: [0; 16], symbols: [0; 256] };
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = u32::from(spec.counts[length as usize - 1]);
            table.delta[length as usize - 1] = index as i32 - code as i32;
            for _ in 0..count {
                let symbol = spec.symbols.get(index).copied().unwrap_or_default();
                table.symbols[index.min(255)] = symbol;
                if length <= LOOK {
                    table.fill(code, length, symbol);
                }
                code += 1;
                index += 1;
            }
            table.limit[length as usize - 1] = code << (16 - length);
            code <<= 1;
        }
        table
    }

    fn fill(&mut self, code: u32, length: u32, symbol: u8) {
        let value_bits = u32::from(symbol & 15);
        let spare = LOOK - length;
        for rest in 0..1_u32 << spare {
            self.look[((code << spare) | rest) as usize] = if value_bits <= spare {
                let value = extend(rest >> (spare - value_bits), value_bits);
                Entry::new(value, symbol, length + value_bits, length)
            } else {
                Entry::new(0, symbol, 0, length)
            };
        }
    }
}

/// The AC symbol for "only zeros from here" (T.81 F.1.2.2).
pub(super) const END_OF_BLOCK: u8 = 0;
/// The AC symbol for sixteen zeros.
pub(super) const ZERO_RUN: u8 = 0xF0;

/// Is this a symbol of an AC coefficient of a sequential 8-bit picture (T.81 F.1.2.2)?
#[inline(always)]
pub(super) fn is_ac(symbol: u8) -> bool {
    let size = symbol & 15;
    size <= 10 && (size > 0 || symbol == END_OF_BLOCK || symbol == ZERO_RUN)
}

/// Steps over AC coefficients without their values, several at once.
pub(super) struct SkipTable {
    /// For the next [`SKIP`] bits: what lies wholly in them.
    steps: Box<[Step; 1 << SKIP]>,
}

const SKIP: u32 = 12;

/// Some coefficients, one after the other.
#[derive(Clone, Copy, Default)]
struct Step {
    /// Their bits; 0 when not even the first fits.
    bits: u8,
    /// How far they go in the block.
    advance: u8,
    /// The last of them is the end of the block.
    ends: bool,
}

impl SkipTable {
    pub(super) fn new(table: &DecodeTable) -> Self {
        let mut steps = Box::new([Step::default(); 1 << SKIP]);
        for (window, step) in (0_u64..).zip(steps.iter_mut()) {
            while u32::from(step.bits) < SKIP && !step.ends {
                let left = SKIP - u32::from(step.bits);
                let bits = window << (64 - SKIP) << step.bits;
                let entry = table.look[(bits >> (64 - LOOK)) as usize];
                let size = u32::from(entry.symbol() & 15);
                let (run, all) = (entry.symbol() >> 4, entry.code_bits() + size);
                // Bits behind the window are unknown, and taken for zero: only what ends before them is known.
                // What no baseline picture has is left to the slow way.
                if entry.code_bits() == 0 || all > left || !is_ac(entry.symbol()) {
                    break;
                }
                step.bits += all as u8;
                step.ends = size == 0 && run == 0;
                // Beyond 63 in any case, when the runs are absurd.
                step.advance = if step.ends { step.advance } else { step.advance.saturating_add(run + 1).min(64) };
            }
        }
        Self { steps }
    }
}

/// A value's bits to the value (T.81 Figure F.12).
fn extend(bits: u32, count: u32) -> i32 {
    if count == 0 {
        0
    } else if bits >> (count - 1) == 0 {
        bits as i32 - (1 << count) + 1
    } else {
        bits as i32
    }
}

/// Not a code of the table, or bits beyond the end of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadBits;

/// Reads the bits of one restart interval: stuffed, without markers.
#[derive(Clone, Copy)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
    /// Left-aligned.
    bits: u64,
    count: u32,
    /// Zero bits made up behind the end.
    invented: u32,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bits: 0, count: 0, invented: 0 }
    }

    /// At least 32 bits in hand afterwards: the longest code and its value.
    #[inline(always)]
    fn refill(&mut self) {
        if self.count >= 32 {
            return;
        }
        if let Some(chunk) = self.data.get(self.at..).and_then(<[u8]>::first_chunk::<8>) {
            let word = u64::from_be_bytes(*chunk);
            // No byte is FF: none is zero in the complement.
            if (!word).wrapping_sub(0x0101_0101_0101_0101) & word & 0x8080_8080_8080_8080 == 0 {
                let bytes = (64 - self.count) / 8;
                // Bits beyond the whole bytes come along; the next refill puts the same ones there.
                self.bits |= word >> self.count;
                self.count += bytes * 8;
                self.at += bytes as usize;
                return;
            }
        }
        // By value, so that the reader of a hot loop can live in registers.
        *self = self.refilled_slowly();
    }

    #[cold]
    #[inline(never)]
    fn refilled_slowly(mut self) -> Self {
        // Drop what a quick refill may have left behind `count`.
        self.bits &= if self.count == 0 { 0 } else { !0 << (64 - self.count) };
        while self.count <= 56 {
            let byte = match self.data.get(self.at) {
                Some(&byte) => {
                    self.at += if byte == 0xFF { 2 } else { 1 };
                    byte
                }
                None => {
                    self.invented = self.invented.saturating_add(8);
                    0
                }
            };
            self.bits |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    #[inline(always)]
    fn skip(&mut self, count: u32) {
        self.bits <<= count;
        self.count = self.count.wrapping_sub(count);
    }

    /// Up to 16 bits as a number.
    #[inline]
    pub(super) fn bits(&mut self, count: u32) -> u32 {
        if count == 0 {
            return 0;
        }
        self.refill();
        let value = (self.bits >> (64 - count)) as u32;
        self.skip(count);
        value
    }

    #[inline]
    pub(super) fn bit(&mut self) -> bool {
        self.bits(1) == 1
    }

    /// A symbol and the value whose size its low four bits give.
    #[inline(always)]
    pub(super) fn symbol_and_value(&mut self, table: &DecodeTable) -> Result<(u8, i32), BadBits> {
        self.refill();
        let entry = table.look[(self.bits >> (64 - LOOK)) as usize];
        if entry.all_bits() > 0 {
            self.skip(entry.all_bits());
            return Ok((entry.symbol(), entry.value()));
        }
        let (after, symbol) = self.long_symbol(table, entry)?;
        *self = after;
        let count = u32::from(symbol & 15);
        let value = extend(((self.bits >> 32) as u32).checked_shr(32 - count).unwrap_or(0), count);
        self.skip(count);
        Ok((symbol, value))
    }

    /// Steps over the AC coefficients of a sequential block.
    #[inline(always)]
    pub(super) fn skip_ac(&mut self, table: &DecodeTable, skip: &SkipTable) -> Result<(), BadBits> {
        let mut k = 1;
        while k < 64 {
            self.refill();
            let step = skip.steps[(self.bits >> (64 - SKIP)) as usize];
            // Up to 63 the last coefficient is still this block's, and another symbol must follow.
            if step.bits > 0 && k + u32::from(step.advance) <= 63 {
                self.skip(step.bits.into());
                if step.ends {
                    return Ok(());
                }
                k += u32::from(step.advance);
                continue;
            }
            let (symbol, _) = self.symbol_and_value(table)?;
            if symbol == END_OF_BLOCK {
                return Ok(());
            }
            k += u32::from(symbol >> 4) + 1;
            if !is_ac(symbol) || k > 64 {
                return Err(BadBits);
            }
        }
        Ok(())
    }

    /// A symbol alone.
    #[inline]
    pub(super) fn symbol(&mut self, table: &DecodeTable) -> Result<u8, BadBits> {
        self.refill();
        let entry = table.look[(self.bits >> (64 - LOOK)) as usize];
        let (after, symbol) = self.long_symbol(table, entry)?;
        *self = after;
        Ok(symbol)
    }

    /// A symbol whose value the table does not hold; at least 16 bits stay in hand.
    #[inline(never)]
    fn long_symbol(mut self, table: &DecodeTable, entry: Entry) -> Result<(Self, u8), BadBits> {
        if entry.code_bits() > 0 {
            self.skip(entry.code_bits());
            return Ok((self, entry.symbol()));
        }
        let sixteen = (self.bits >> 48) as u32;
        for length in LOOK + 1..=16 {
            let i = length as usize - 1;
            if sixteen < table.limit[i] {
                self.skip(length);
                let index = (sixteen >> (16 - length)) as i32 + table.delta[i];
                return table.symbols.get(index as usize).map(|&symbol| (self, symbol)).ok_or(BadBits);
            }
        }
        Err(BadBits)
    }

    /// Were more bits read than there are?
    #[inline]
    pub(super) fn overrun(&self) -> bool {
        self.invented > self.count
    }

    /// Whole bytes that nobody read: more than the padding of the last byte.
    pub(super) fn unread_bytes(&self) -> bool {
        self.at < self.data.len() || self.count.saturating_sub(self.invented) >= 8
    }
}

/// An encoding table: (code, bits) a symbol; bits 0 for symbols that do not occur.
pub(super) struct EncodeTable {
    pub(super) codes: [(u16, u8); 256],
    pub(super) counts: [u8; 16],
    pub(super) symbols: Vec<u8>,
}

impl EncodeTable {
    /// The optimal code of at most 16 bits without the all-ones code (T.81 K.2).
    pub(super) fn optimal(frequencies: &[u32; 256]) -> Self {
        // Symbol 256 takes the place of the all-ones code.
        let mut frequency: Vec<u64> = frequencies.iter().map(|&n| u64::from(n)).chain([1]).collect();
        let mut size = [0_usize; 257];
        let mut next: [Option<usize>; 257] = [None; 257];
        while let Some((first, second)) = two_rarest(&frequency) {
            frequency[first] += frequency[second];
            frequency[second] = 0;
            let mut chain = first;
            loop {
                size[chain] += 1;
                match next[chain] {
                    Some(following) => chain = following,
                    None => break,
                }
            }
            next[chain] = Some(second);
            let mut chain = Some(second);
            while let Some(symbol) = chain {
                size[symbol] += 1;
                chain = next[symbol];
            }
        }
        let mut lengths = [0_u32; 258];
        for &bits in size.iter().filter(|&&bits| bits > 0) {
            lengths[bits] += 1;
        }
        // No code longer than 16 bits (T.81 Figure K.3).
        for long in (17..lengths.len()).rev() {
            while lengths[long] > 0 {
                let mut short = long - 2;
                while lengths[short] == 0 {
                    short -= 1;
                }
                lengths[long] -= 2;
                lengths[long - 1] += 1;
                lengths[short + 1] += 2;
                lengths[short] -= 1;
            }
        }
        if let Some(longest) = (1..=16).rev().find(|&bits| lengths[bits] > 0) {
            lengths[longest] -= 1;
        }
        let mut symbols: Vec<u8> = (0..=255).filter(|&s| size[usize::from(s)] > 0).collect();
        symbols.sort_by_key(|&s| size[usize::from(s)]);
        let mut counts = [0; 16];
        for (count, &length) in counts.iter_mut().zip(&lengths[1..17]) {
            *count = length as u8;
        }
        Self::assign(counts, symbols)
    }

    fn assign(counts: [u8; 16], symbols: Vec<u8>) -> Self {
        let mut codes = [(0, 0); 256];
        let (mut code, mut left) = (0_u32, symbols.iter());
        for (bits, &count) in (1_u8..).zip(&counts) {
            for &symbol in left.by_ref().take(count.into()) {
                codes[usize::from(symbol)] = (code as u16, bits);
                code += 1;
            }
            code <<= 1;
        }
        Self { codes, counts, symbols }
    }
}

/// The two symbols that occur least, the higher number first among equals; `None` when only one is left.
fn two_rarest(frequency: &[u64]) -> Option<(usize, usize)> {
    let rarest = |not: Option<usize>| {
        (0..frequency.len())
            .filter(|&s| frequency[s] > 0 && Some(s) != not)
            .min_by_key(|&s| (frequency[s], usize::MAX - s))
    };
    let first = rarest(None)?;
    Some((first, rarest(Some(first))?))
}

/// Bits without stuffing.
#[derive(Default)]
pub(super) struct Bits {
    words: Vec<u32>,
    /// Right-aligned, fewer than 32.
    bits: u64,
    count: u32,
}

impl Bits {
    /// Appends `count` bits, 32 at most, of which `bits` has no higher ones.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            self.words.push((self.bits >> self.count) as u32);
        }
    }
}

/// Writes stuffed bits.
pub(super) struct BitWriter {
    out: Vec<u8>,
    /// Right-aligned, fewer than 32 between calls.
    bits: u64,
    count: u32,
}

impl BitWriter {
    pub(super) fn new(out: Vec<u8>) -> Self {
        Self { out, bits: 0, count: 0 }
    }

    pub(super) fn append(&mut self, part: Bits) {
        self.out.reserve(part.words.len() * 4 + part.words.len() / 16);
        for word in part.words {
            self.put(word, 32);
        }
        self.put((part.bits & ((1 << part.count) - 1)) as u32, part.count);
    }

    #[inline(always)]
    fn put(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        if self.count >= 32 {
            self.count -= 32;
            let word = (self.bits >> self.count) as u32;
            if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.out.extend_from_slice(&word.to_be_bytes());
            } else {
                word.to_be_bytes().into_iter().for_each(|byte| self.byte(byte));
            }
        }
    }

    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
        if byte == 0xFF {
            self.out.push(0);
        }
    }

    /// Fills the last byte with ones.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let fill = (8 - self.count % 8) % 8;
        self.bits = self.bits << fill | ((1 << fill) - 1);
        self.count += fill;
        while self.count > 0 {
            self.count -= 8;
            self.byte((self.bits >> self.count) as u8);
        }
        self.out
    }
}
