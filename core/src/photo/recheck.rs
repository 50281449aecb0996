//! A second reading of what was written, sharing no code with the first: SOI, DQT, SOF0, DHT, DRI, one SOS, its data
//! and EOI as the last two bytes. Anything else means that something leaked through, and nothing leaves.

use crate::error::PhotoError;

/// Passes a clean stream of `rows` x `columns`.
pub(super) fn check(jpeg: &[u8], rows: u16, columns: u16) -> Result<(), PhotoError> {
    let body = jpeg.strip_prefix(b"\xff\xd8").ok_or(PhotoError::CheckFailed("no SOI"))?;
    let mut body = body.strip_suffix(b"\xff\xd9").ok_or(PhotoError::CheckFailed("no EOI"))?;
    let mut sized = false;
    loop {
        let (&[ff, marker, high, low], rest) = body.split_first_chunk::<4>().ok_or(PhotoError::CheckFailed("cut"))?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (payload, after) = length
            .checked_sub(2)
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(PhotoError::CheckFailed("segment length"))?;
        if ff != 0xFF {
            return Err(PhotoError::CheckFailed("bytes between segments"));
        }
        match (marker, payload) {
            (0xDB, [0..=3, steps @ ..]) if steps.len() == 64 && !sized => {}
            (0xC0, [8, r1, r0, c1, c0, count, listed @ ..]) if !sized && listed.len() == 3 * usize::from(*count) => {
                sized = true;
                if [*r1, *r0] != rows.to_be_bytes() || [*c1, *c0] != columns.to_be_bytes() {
                    return Err(PhotoError::CheckFailed("size"));
                }
            }
            (0xC4, [0 | 1 | 0x10 | 0x11, tables @ ..]) if sized && tables.len() >= 16 => {
                let (counts, symbols) = tables.split_at(16);
                if counts.iter().map(|&n| usize::from(n)).sum::<usize>() != symbols.len() {
                    return Err(PhotoError::CheckFailed("DHT"));
                }
            }
            (0xDD, [_, _]) if sized => {}
            (0xDA, [count, ..]) if sized && payload.len() == 4 + 2 * usize::from(*count) => return scan(after),
            _ => return Err(PhotoError::CheckFailed("a segment that does not belong there")),
        }
        body = after;
    }
}

/// No FF but stuffed ones and restart markers in their order.
fn scan(mut data: &[u8]) -> Result<(), PhotoError> {
    let mut due = 0;
    while let Some(at) = memchr::memchr(0xFF, data) {
        match data.get(at + 1) {
            Some(0) => {}
            Some(&restart) if restart == 0xD0 + due => due = (due + 1) % 8,
            _ => return Err(PhotoError::CheckFailed("a marker in the scan")),
        }
        data = &data[at + 2..];
    }
    Ok(())
}
