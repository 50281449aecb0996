//! Does a sequential scan hold its blocks, all of them and nothing else? Decodes symbols, not pixels (10918-1 F.2).

use super::jpeg::Frame;

/// What a scan is decoded with.
#[derive(Default)]
pub(super) struct Tables {
    /// DC and AC, four slots each.
    pub(super) huffman: [[Option<Huffman>; 4]; 2],
    /// MCUs between RST markers; 0 is none.
    pub(super) restart_interval: u16,
}

/// Bits that are looked up at once; longer codes are rare.
const QUICK: u32 = 10;

/// A set of codes.
pub(super) struct Huffman {
    /// For each of [`QUICK`] bits, the length of the code that they begin with and its symbol; length 0 is a longer code.
    quick: Vec<(u8, u8)>,
    /// For each length, the first 16 bits beyond its codes, and what to add to a code for its place among the symbols.
    long: [(u32, i32); 16],
    symbols: Vec<u8>,
}

impl Huffman {
    /// From the number of codes of each length and their symbols in order; nothing for more codes than there is room for.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut table = Self { quick: vec![(0, 0); 1 << QUICK], long: [(0, 0); 16], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0u32, 0usize);
        for (length, count) in (1u32..=16).zip(counts) {
            table.long[length as usize - 1].1 = place as i32 - code as i32;
            for symbol in symbols.get(place..place + usize::from(*count))? {
                if length <= QUICK {
                    let (first, span) = ((code << (QUICK - length)) as usize, 1 << (QUICK - length));
                    table.quick.get_mut(first..first + span)?.fill((length as u8, *symbol));
                }
                code += 1;
            }
            place += usize::from(*count);
            if code > 1 << length {
                return None;
            }
            table.long[length as usize - 1].0 = code << (16 - length);
            code <<= 1;
        }
        Some(table)
    }

    /// The length and the symbol of the code that these 16 bits begin with.
    fn find(&self, bits: u32) -> Option<(u32, u8)> {
        match self.quick.get((bits >> (16 - QUICK)) as usize)? {
            (0, _) => {
                let length = (1u32..=16).zip(&self.long).find(|(_, (beyond, _))| bits < *beyond)?;
                let (length, (_, offset)) = length;
                let place = (bits >> (16 - length)) as i32 + offset;
                Some((length, *self.symbols.get(usize::try_from(place).ok()?)?))
            }
            (length, symbol) => Some((u32::from(*length), *symbol)),
        }
    }
}

/// Walks all blocks of a scan.
pub(super) fn check(frame: &Frame, tables: &Tables, header: &[u8], data: &[u8]) -> Result<(), &'static str> {
    const HEADER: &str = "has a SOS that is no scan header";
    let (count, rest) = header.split_first().ok_or(HEADER)?;
    let (selectors, spectral) = rest.split_at_checked(2 * usize::from(*count)).ok_or(HEADER)?;
    if spectral != [0, 63, 0] || selectors.is_empty() {
        return Err(HEADER);
    }
    let mut scan = Vec::new();
    for selector in selectors.chunks_exact(2) {
        let component = frame.components.iter().find(|component| component.id == selector[0]).ok_or(HEADER)?;
        let [dc, ac] = [(0, selector[1] >> 4), (1, selector[1] & 15)].map(|(class, slot)| {
            let slots: &[Option<Huffman>; 4] = &tables.huffman[class];
            slots.get(usize::from(slot)).and_then(Option::as_ref)
        });
        scan.push((component, dc.ok_or(HEADER)?, ac.ok_or(HEADER)?));
    }
    let most = |size: fn(&super::jpeg::Component) -> u8| frame.components.iter().map(size).max().unwrap_or(1);
    let (across, down) = (most(|c| c.across), most(|c| c.down));
    let units = |size: u16, mine: u8, most: u8| (u64::from(size) * u64::from(mine)).div_ceil(8 * u64::from(most));
    // One component alone is not interleaved: its MCU is a block, and blocks beyond the picture are not coded (A.2.2).
    let (mcus, blocks): (u64, Vec<_>) = match &scan[..] {
        [(component, dc, ac)] => {
            let columns = units(frame.columns, component.across, across);
            (columns * units(frame.rows, component.down, down), vec![(1, *dc, *ac)])
        }
        _ => {
            let mcus = units(frame.columns, 1, across) * units(frame.rows, 1, down);
            (mcus, scan.iter().map(|(c, dc, ac)| (c.across * c.down, *dc, *ac)).collect())
        }
    };
    let mut bits = Bits { data, at: 0, buffer: 0, held: 0 };
    for mcu in 0..mcus {
        if tables.restart_interval > 0 && mcu > 0 && mcu % u64::from(tables.restart_interval) == 0 {
            let number = (mcu / u64::from(tables.restart_interval) - 1) % 8;
            bits.restart(0xD0 + number as u8).ok_or("has a scan without its restart markers")?;
        }
        for (count, dc, ac) in &blocks {
            for _ in 0..*count {
                bits.block(dc, ac).ok_or("has a scan that breaks off, or is no code")?;
            }
        }
    }
    bits.finish().ok_or("has a scan that goes on after its last block")
}

/// Bits without stuffing; the top ones are next.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    buffer: u64,
    held: u32,
}

impl Bits<'_> {
    fn block(&mut self, dc: &Huffman, ac: &Huffman) -> Option<()> {
        let size = self.symbol(dc)?;
        self.skip((size <= 11).then_some(size)?.into())?;
        let mut at = 1;
        while at < 64 {
            let symbol = self.symbol(ac)?;
            let size = symbol & 15;
            match (symbol >> 4, size) {
                (0, 0) => return Some(()),
                (15, 0) => at += 16,
                (_, 0) => return None,
                (run, _) => {
                    at += run + 1;
                    self.skip(u32::from(size))?;
                }
            }
        }
        (at == 64).then_some(())
    }

    fn symbol(&mut self, table: &Huffman) -> Option<u8> {
        self.fill();
        let (length, symbol) = table.find((self.buffer >> 48) as u32)?;
        self.skip(length)?;
        Some(symbol)
    }

    /// At most 31 bits after a [`Bits::fill`]: a code and its value.
    fn skip(&mut self, bits: u32) -> Option<()> {
        self.held = self.held.checked_sub(bits)?;
        self.buffer <<= bits;
        Some(())
    }

    fn fill(&mut self) {
        if self.held > 32 {
            return;
        }
        if let Some(next) = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<4>())
            && !next.contains(&0xFF)
        {
            self.buffer |= u64::from(u32::from_be_bytes(*next)) << (32 - self.held);
            self.held += 32;
            self.at += 4;
            return;
        }
        while self.held <= 56 {
            let Some(byte) = self.data.get(self.at) else { return };
            match (byte, self.data.get(self.at + 1)) {
                (0xFF, Some(0)) => self.at += 2,
                (0xFF, _) => return,
                _ => self.at += 1,
            }
            self.buffer |= u64::from(*byte) << (56 - self.held);
            self.held += 8;
        }
    }

    /// Less than a byte of ones is left, then the marker.
    fn restart(&mut self, marker: u8) -> Option<()> {
        self.padding()?;
        if self.data.get(self.at..self.at + 2)? != [0xFF, marker] {
            return None;
        }
        self.at += 2;
        Some(())
    }

    fn finish(&mut self) -> Option<()> {
        self.padding()?;
        (self.at == self.data.len()).then_some(())
    }

    fn padding(&mut self) -> Option<()> {
        self.fill();
        let padding = self.held;
        (self.buffer, self.held) = (0, 0);
        (padding < 8).then_some(())
    }
}
