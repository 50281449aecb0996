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

/// For each 16 bits, the length of the code that they begin with and its symbol; length 0 is no code.
pub(super) struct Huffman(Vec<(u8, u8)>);

impl Huffman {
    /// From the number of codes of each length and their symbols in order; nothing for more codes than there is room for.
    pub(super) fn new(counts: &[u8], symbols: &[u8]) -> Option<Self> {
        let mut table = vec![(0, 0); 1 << 16];
        let (mut at, mut symbols) = (0usize, symbols.iter());
        for (length, count) in (1u8..=16).zip(counts) {
            let span = 1usize << (16 - length);
            for symbol in symbols.by_ref().take(usize::from(*count)) {
                table.get_mut(at..at + span)?.fill((length, *symbol));
                at += span;
            }
        }
        Some(Self(table))
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
        let (length, symbol) = *table.0.get((self.buffer >> 48) as usize)?;
        if length == 0 {
            return None;
        }
        self.skip(length.into())?;
        Some(symbol)
    }

    /// At most 32 bits after a [`Bits::fill`]: a code and its value.
    fn skip(&mut self, bits: u32) -> Option<()> {
        self.held = self.held.checked_sub(bits)?;
        self.buffer <<= bits;
        Some(())
    }

    fn fill(&mut self) {
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
