//! The picture: the same everywhere, so that a wrong turn or a mirror shows.

/// RGB pixels, 8 bit, rows from the top, nothing between them.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
    /// `3 * width * height` samples.
    pub rgb: Vec<u8>,
}

/// Red, green (top), blue, yellow (bottom): the corners of the upright picture, left to right.
pub const CORNERS: [[u8; 3]; 4] = [[200, 40, 40], [40, 170, 60], [40, 70, 200], [220, 200, 40]];

impl Picture {
    /// A picture from a rule for its pixels.
    pub fn from_fn(width: usize, height: usize, pixel: impl Fn(usize, usize) -> [u8; 3]) -> Self {
        let rgb = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
        Self { width, height, rgb }
    }

    /// The pixel in column `x` of row `y`.
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The picture as a camera stores it that writes `orientation` (EXIF, 1 to 8; anything else is 1).
    #[must_use]
    pub fn stored(&self, orientation: u8) -> Self {
        let (right, bottom) = (self.width - 1, self.height - 1);
        let (width, height) = if swaps(orientation) { (self.height, self.width) } else { (self.width, self.height) };
        Self::from_fn(width, height, |x, y| match orientation {
            2 => self.at(right - x, y),
            3 => self.at(right - x, bottom - y),
            4 => self.at(x, bottom - y),
            5 => self.at(y, x),
            6 => self.at(right - y, x),
            7 => self.at(right - y, bottom - x),
            8 => self.at(y, bottom - x),
            _ => self.at(x, y),
        })
    }

    /// The mean of the luma, one byte a pixel.
    #[must_use]
    pub fn grey(&self) -> Vec<u8> {
        let luma = |p: &[u8]| ((u32::from(p[0]) * 77 + u32::from(p[1]) * 151 + u32::from(p[2]) * 28) >> 8) as u8;
        self.rgb.chunks_exact(3).map(luma).collect()
    }

    /// Mean absolute difference of the lumas, of 255; `None` when the sizes differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<f64> {
        if (self.width, self.height) != (other.width, other.height) {
            return None;
        }
        let (mine, other) = (self.grey(), other.grey());
        let sum: u64 = mine.iter().zip(&other).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        Some(sum as f64 / mine.len() as f64)
    }

    /// Is each corner nearer to its own colour of [`CORNERS`] than to another's (its luma, in a grey picture)?
    #[must_use]
    pub fn corners_are_right(&self) -> bool {
        let grey = self.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
        let wanted = Self { width: 2, height: 2, rgb: CORNERS.concat() };
        let wanted =
            if grey { Self { rgb: wanted.grey().iter().flat_map(|v| [*v; 3]).collect(), ..wanted } } else { wanted };
        let (w, h) = (self.width / 8, self.height / 8);
        [(w, h), (self.width - 1 - w, h), (w, self.height - 1 - h), (self.width - 1 - w, self.height - 1 - h)]
            .iter()
            .enumerate()
            .all(|(k, (x, y))| {
                let seen = self.at(*x, *y);
                let distance =
                    |k: &usize| (0..3).map(|c| u32::from(wanted.rgb[3 * k + c].abs_diff(seen[c]))).sum::<u32>();
                (0..4).min_by_key(distance) == Some(k)
            })
    }
}

/// Does the orientation exchange rows and columns?
#[must_use]
pub fn swaps(orientation: u8) -> bool {
    (5..=8).contains(&orientation)
}

/// The upright picture: skin, four coloured corners, a black F in the middle.
#[must_use]
pub fn scene(width: usize, height: usize) -> Picture {
    let (w, h) = ((width / 4).max(1), (height / 4).max(1));
    let (left, top, stroke) = (width * 3 / 8, height * 3 / 10, (width.min(height) / 16).max(1));
    Picture::from_fn(width, height, |x, y| {
        let (low, far) = (y >= height - h, x >= width - w);
        if (x < w || far) && (y < h || low) {
            return CORNERS[2 * usize::from(low) + usize::from(far)];
        }
        if x >= left && y >= top {
            let (across, down) = ((x - left) / stroke, (y - top) / stroke);
            if down < 6 && (across == 0 || (down == 0 && across < 4) || (down == 3 && across < 3)) {
                return [10, 10, 10];
            }
        }
        let texture = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).wrapping_mul(x + 7)) >> 5 & 15;
        [226, 190, 168].map(|v: u8| v - texture as u8 - (8 * y / height) as u8)
    })
}
