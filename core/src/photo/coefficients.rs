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

    /// Mean values of the blocks.
    pub(super) fn means(&self) -> Means {
        let means = self.components.iter().map(|c| c.values.iter().step_by(64).copied().collect());
        Means { planes: means.collect() }
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
    pub(super) fn preview(&self, frame: &Frame, quantisation: &[Quantisation], colour: Colour) -> Preview {
        let (h_max, v_max) = (usize::from(frame.h_max()), usize::from(frame.v_max()));
        let (width, height) = (usize::from(frame.columns).div_ceil(8), usize::from(frame.rows).div_ceil(8));
        let row = frame.mcus().0;
        let mean = |i: usize, x: usize, y: usize| {
            let c = &frame.components[i];
            let (x, y) = (x * usize::from(c.h) / h_max, y * usize::from(c.v) / v_max);
            let dc = self.planes[i][y * row * usize::from(c.h) + x];
            f32::from(dc) * f32::from(quantisation[i][0]) / 8.0
        };
        let mut pixels: Vec<[u8; 3]> = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let luma = mean(0, x, y) + 128.0;
                pixels.push(match colour {
                    Colour::Grey => [luma as u8; 3],
                    Colour::YCbCr => super::colour::rgb(luma, mean(1, x, y), mean(2, x, y)),
                });
            }
        }
        Preview { width: width as u32, height: height as u32, rgb: pixels.into_flattened() }
    }
}
