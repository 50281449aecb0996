//! Coefficients to samples and back, for what cannot be done by moving blocks.
//!
//! Samples keep four bits below the point and are not clamped, so that a block which comes back to the same grid
//! gets its own coefficients again: only what really moves between blocks is quantised a second time.

use std::f32::consts::PI;
use std::sync::LazyLock;

use super::coefficients::Blocks;
use super::frame::{Quantisation, ZIGZAG};

/// Samples of one component, in rows; 16 = one step of 8 bits, 0 = mid-grey (128).
#[derive(Clone)]
pub(super) struct Plane {
    pub(super) across: usize,
    pub(super) samples: Vec<i16>,
}

pub(super) const ONE: f32 = 16.0;

impl Plane {
    pub(super) fn down(&self) -> usize {
        self.samples.len() / self.across.max(1)
    }
}

/// `[u][x]`: the cosine of frequency u at sample x, scaled so that the transform is orthonormal.
static COSINES: LazyLock<[[f32; 8]; 8]> = LazyLock::new(|| {
    std::array::from_fn(|u| {
        let scale = if u == 0 { 0.125_f32.sqrt() } else { 0.5 };
        std::array::from_fn(|x| scale * ((2 * x + 1) as f32 * u as f32 * PI / 16.0).cos())
    })
});

static TRANSPOSED: LazyLock<[[f32; 8]; 8]> =
    LazyLock::new(|| std::array::from_fn(|x| std::array::from_fn(|u| COSINES[u][x])));

type Block = [[f32; 8]; 8];

/// left * right
#[inline]
fn product(left: &Block, right: &Block) -> Block {
    let mut out = [[0.0; 8]; 8];
    for (row, factors) in out.iter_mut().zip(left) {
        for (&factor, line) in factors.iter().zip(right) {
            for (sum, &value) in row.iter_mut().zip(line) {
                *sum += factor * value;
            }
        }
    }
    out
}

/// Inverse DCT of the first `across` x `down` samples.
pub(super) fn samples(blocks: &Blocks, steps: &Quantisation, (across, down): (usize, usize)) -> Plane {
    let (cosines, transposed): (&Block, &Block) = (&COSINES, &TRANSPOSED);
    let steps = steps.map(f32::from);
    let mut plane = Plane { across, samples: vec![0; across * down] };
    for by in 0..down.div_ceil(8) {
        for bx in 0..across.div_ceil(8) {
            let index = by * blocks.across + bx;
            let values: &[i16; 64] = &blocks.values.as_chunks().0[index];
            let mut block = [[0.0; 8]; 8];
            let mut mask = blocks.masks[index] | 1;
            while mask != 0 {
                let k = mask.trailing_zeros() as usize;
                let at = usize::from(ZIGZAG[k]);
                block[at / 8][at % 8] = f32::from(values[k]) * steps[k] * ONE;
                mask &= mask - 1;
            }
            let block = product(transposed, &product(&block, cosines));
            for (line, y) in block.iter().zip(8 * by..down) {
                let row = &mut plane.samples[y * across..(y + 1) * across];
                for (sample, &value) in row[8 * bx..].iter_mut().zip(line) {
                    *sample = round(value);
                }
            }
        }
    }
    plane
}

/// DCT and quantisation into `blocks`, edges replicated; blocks outside the plane stay zero. Returns the mean squared
/// error of it, of 8-bit samples.
pub(super) fn quantise(plane: &Plane, steps: &Quantisation, blocks: &mut Blocks) -> f64 {
    let (cosines, transposed): (&Block, &Block) = (&COSINES, &TRANSPOSED);
    let inverse: [f32; 64] = steps.map(|step| 1.0 / (f32::from(step) * ONE));
    let weights: [f32; 64] = steps.map(|step| f32::from(step) * f32::from(step));
    let (across, down) = (plane.across, plane.down());
    let (mut error, mut count) = (0.0, 0);
    for by in 0..down.div_ceil(8) {
        for bx in 0..across.div_ceil(8) {
            let mut block = [[0.0; 8]; 8];
            for (y, line) in block.iter_mut().enumerate() {
                let row = &plane.samples[(8 * by + y).min(down - 1) * across..][..across];
                let part = &row[8 * bx..row.len().min(8 * bx + 8)];
                for (x, sample) in line.iter_mut().enumerate() {
                    *sample = f32::from(part[x.min(part.len() - 1)]);
                }
            }
            let block = product(cosines, &product(&block, transposed));
            let index = by * blocks.across + bx;
            let values: &mut [i16; 64] = &mut blocks.values.as_chunks_mut().0[index];
            let (mut mask, mut lost) = (0, 0.0);
            for (k, value) in values.iter_mut().enumerate() {
                let at = usize::from(ZIGZAG[k]);
                let exact = block[at / 8][at % 8] * inverse[k];
                *value = round(exact);
                mask |= u64::from(*value != 0) << k;
                let rest = exact - f32::from(*value);
                lost += rest * rest * weights[k];
            }
            blocks.masks[index] = mask & !1;
            // The transform is orthonormal: the error of the coefficients is the error of the samples.
            error += f64::from(lost);
            count += 64;
        }
    }
    error / f64::from(count.max(1))
}

/// To the nearest whole number; saturates.
#[inline]
fn round(value: f32) -> i16 {
    (value + 0.5_f32.copysign(value)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_stays_gets_its_coefficients_again() {
        let steps: Quantisation = std::array::from_fn(|k| 1 + k as u16 / 4);
        let values: Vec<i16> =
            (0..64_i16).map(|k| if k == 0 { 40 } else { (k * 37 % 23 - 11) / (1 + k / 8) }).collect();
        let masks = vec![values.iter().enumerate().skip(1).fold(0, |m, (k, &v)| m | u64::from(v != 0) << k)];
        let blocks = Blocks { across: 1, values, masks };
        let plane = samples(&blocks, &steps, (8, 8));
        let mut again = Blocks { across: 1, values: vec![0; 64], masks: vec![0] };
        quantise(&plane, &steps, &mut again);
        assert_eq!(blocks.values, again.values);
        assert_eq!(blocks.masks, again.masks);
    }
}
