//! The eight orientations: of a grid of anything, and of the coefficients of a block.

use super::frame::{Component, Frame, ZIGZAG};

/// EXIF Orientation (tag 0x0112): how to set the stored picture upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Rows become columns first ...
    pub(super) transpose: bool,
    /// ... then left and right are swapped ...
    pub(super) mirror_x: bool,
    /// ... and top and bottom.
    pub(super) mirror_y: bool,
}

impl Turn {
    pub(super) const NONE: Self = Self { transpose: false, mirror_x: false, mirror_y: false };

    /// Of EXIF's 1 to 8; anything else is no orientation.
    pub(super) fn from_exif(orientation: u16) -> Option<Self> {
        let (transpose, mirror_x, mirror_y) = match orientation {
            1 => (false, false, false),
            2 => (false, true, false),
            3 => (false, true, true),
            4 => (false, false, true),
            5 => (true, false, false),
            6 => (true, true, false),
            7 => (true, true, true),
            8 => (true, false, true),
            _ => return None,
        };
        Some(Self { transpose, mirror_x, mirror_y })
    }

    /// Two numbers, across and down, after the turn.
    pub(super) fn swap<T>(self, (across, down): (T, T)) -> (T, T) {
        if self.transpose { (down, across) } else { (across, down) }
    }

    /// Where cell (x, y) of a turned grid of `across` x `down` cells comes from.
    #[inline]
    pub(super) fn source(self, (x, y): (usize, usize), (across, down): (usize, usize)) -> (usize, usize) {
        let x = if self.mirror_x { across - 1 - x } else { x };
        let y = if self.mirror_y { down - 1 - y } else { y };
        self.swap((x, y))
    }

    /// Where cell (x, y) goes in a turned grid of `across` x `down` cells; `None` beyond a side that was cut.
    #[inline]
    pub(super) fn target(self, at: (usize, usize), (across, down): (usize, usize)) -> Option<(usize, usize)> {
        let (x, y) = self.swap(at);
        let x = if self.mirror_x { across.checked_sub(x + 1)? } else { x };
        let y = if self.mirror_y { down.checked_sub(y + 1)? } else { y };
        (x < across && y < down).then_some((x, y))
    }

    /// A turned copy of a grid whose rows hold `across` cells.
    pub(super) fn grid<T: Copy>(self, cells: &[T], across: usize) -> Vec<T> {
        let down = cells.len() / across.max(1);
        let turned = self.swap((across, down));
        let mut out = Vec::with_capacity(cells.len());
        for y in 0..turned.1 {
            out.extend((0..turned.0).map(|x| {
                let (sx, sy) = self.source((x, y), turned);
                cells[sy * across + sx]
            }));
        }
        out
    }

    /// The frame after the turn. A mirrored side must be a whole number of MCUs for a turn without loss;
    /// `trim` cuts it down to one, else it stays as it is.
    pub(super) fn frame(self, frame: &Frame, trim: bool) -> Frame {
        let components = frame
            .components
            .iter()
            .map(|c| {
                let (h, v) = self.swap((c.h, c.v));
                Component { h, v, ..*c }
            })
            .collect();
        let (columns, rows) = self.swap((frame.columns, frame.rows));
        let mut turned = Frame { columns, rows, components, ..*frame };
        if trim && self.mirror_x {
            turned.columns -= columns % (8 * u16::from(turned.h_max()));
        }
        if trim && self.mirror_y {
            turned.rows -= rows % (8 * u16::from(turned.v_max()));
        }
        turned
    }

    /// For each zigzag position of a block: where its coefficient goes in the turned block, and its sign there (odd
    /// frequencies change sign along a mirrored direction).
    pub(super) fn places(self) -> [(u8, i16); 64] {
        let mut index_of = [0_u8; 64];
        for (k, &at) in (0_u8..).zip(&ZIGZAG) {
            index_of[usize::from(at)] = k;
        }
        ZIGZAG.map(|at| {
            let (column, row) = self.swap((at % 8, at / 8));
            let negative = (self.mirror_x && column % 2 == 1) != (self.mirror_y && row % 2 == 1);
            (index_of[usize::from(row * 8 + column)], if negative { -1 } else { 1 })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_turns_of_a_grid() {
        // a b c
        // d e f
        let turned = |o| String::from_utf8(Turn::from_exif(o).unwrap().grid(b"abcdef", 3)).unwrap();
        let expected = ["abcdef", "cbafed", "fedcba", "defabc", "adbecf", "daebfc", "fcebda", "cfbead"];
        for (orientation, want) in (1..).zip(expected) {
            assert_eq!(turned(orientation), want, "orientation {orientation}");
        }
        assert!(Turn::from_exif(0).is_none() && Turn::from_exif(9).is_none());
    }

    #[test]
    fn transposition_is_its_own_inverse() {
        let places = Turn::from_exif(5).unwrap().places();
        for k in 0..64_u8 {
            assert_eq!(places[usize::from(places[usize::from(k)].0)], (k, 1));
        }
    }

    #[test]
    fn source_and_target_are_inverse() {
        for turn in (1..=8).map(|o| Turn::from_exif(o).unwrap()) {
            for at in (0..6).map(|i| (i % 3, i / 3)) {
                let turned = turn.swap((3, 2));
                assert_eq!(turn.source(turn.target(at, turned).unwrap(), turned), at);
            }
        }
        // A mirrored side that was cut from 3 to 2: the last cell is gone.
        assert_eq!(Turn::from_exif(2).unwrap().target((2, 0), (2, 2)), None);
    }
}
