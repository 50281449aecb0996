//! Quantised DCT coefficients of a whole picture.

use super::frame::{Frame, Quantisation};
use super::limits::Limits;
use super::{Colour, Preview};
use crate::error::PhotoError;

/// The blocks of one component, in rows, up to the last whole MCU.
#[derive(Clone)]
pub(super) struct Blocks {
    /// Blocks in a row.
    pub(super) across: usize,
    /// 64 coefficients a block in zigzag order.
    pub(super) values: Vec<i16>,
    /// Bit k of a block's mask: coefficient k (1 to 63) is not zero.
    pub(super) masks: Vec<u64>,
}

/// A decoded, still quantised picture.
#[derive(Clone)]
pub(super) struct Coefficients {
    pub(super) frame: Frame,
    pub(super) quantisation: Vec<Quantisation>,
    pub(super) components: Vec<Blocks>,
}

impl Coefficients {
    /// All zero; `frame` is that of the coefficients to come.
    pub(super) fn zero(frame: Frame, quantisation: Vec<Quantisation>, limits: &Limits) -> Result<Self, PhotoError> {
        limits.check_decoded(block_count(&frame) as u64 * (64 * 2 + 8))?;
        let (across, down) = frame.mcus();
        let components = frame
            .components
            .iter()
            .map(|c| {
                let (across, down) = (across * usize::from(c.h), down * usize::from(c.v));
                Blocks { across, values: vec![0; 64 * across * down], masks: vec![0; across * down] }
            })
            .collect();
        Ok(Self { frame, quantisation, components })
    }

    /// AC symbols that they will take, and some more for long runs of zeros.
    pub(super) fn symbols(&self) -> usize {
        let masks = self.components.iter().flat_map(|c| &c.masks);
        let symbols: usize = masks.map(|mask| mask.count_ones() as usize + 1).sum();
        symbols + symbols / 8
    }
}

/// Blocks of all components, padding included.
pub(super) fn block_count(frame: &Frame) -> usize {
    let (across, down) = frame.mcus();
    across * down * frame.components.iter().map(|c| usize::from(c.h) * usize::from(c.v)).sum::<usize>()
}

/// The DC coefficients alone, a plane a component, laid out as [`Blocks`].
pub(super) struct Means {
    pub(super) planes: Vec<Vec<i16>>,
}

impl Means {
    /// One pixel for every 8 x 8 of the picture that `frame` describes.
    pub(super) fn preview(&self, frame: &Frame, quantisation: &[Quantisation]) -> Preview {
        let (h_max, v_max) = (usize::from(frame.h_max()), usize::from(frame.v_max()));
        let (width, height) = (usize::from(frame.columns).div_ceil(8), usize::from(frame.rows).div_ceil(8));
        let mcus = frame.mcus().0;
        // For each component: its plane and row length, the block of each pixel of a row, and what a step is worth.
        let planes: Vec<_> = frame
            .components
            .iter()
            .zip(&self.planes)
            .zip(quantisation)
            .map(|((c, plane), steps)| {
                let (h, v) = (usize::from(c.h), usize::from(c.v));
                let blocks: Vec<usize> = (0..width).map(|x| x * h / h_max).collect();
                (plane, mcus * h, v, blocks, f32::from(steps[0]) / 8.0)
            })
            .collect();
        let mut pixels: Vec<[u8; 3]> = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = |i: usize| {
                let (plane, length, v, blocks, step) = &planes[i];
                let row = &plane[y * v / v_max * length..][..*length];
                move |x: usize| f32::from(row[blocks[x]]) * step
            };
            match frame.colour() {
                Colour::Grey => {
                    let luma = row(0);
                    pixels.extend((0..width).map(|x| [(luma(x) + 128.0) as u8; 3]));
                }
                Colour::YCbCr => {
                    let (luma, cb, cr) = (row(0), row(1), row(2));
                    pixels.extend((0..width).map(|x| super::colour::rgb(luma(x) + 128.0, cb(x), cr(x))));
                }
            }
        }
        Preview { width: width as u32, height: height as u32, rgb: pixels.into_flattened() }
    }
}
