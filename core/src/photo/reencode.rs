//! Where moving blocks is not enough: samples are turned or their colour changed, then quantised again.

use super::Colour;
use super::coefficients::{Blocks, Coefficients};
use super::colour::{self, SourceColour};
use super::dct::{self, ONE, Plane};
use super::frame::{Coding, Component, Frame};
use super::limits::Limits;
use super::orient::Turn;
use super::transcode::{annex_k, turned_steps};
use crate::error::PhotoError;

/// For pixels that bring no tables of their own.
const QUALITY: u16 = 95;

/// Turns a grey or Y Cb Cr picture whose size is no whole number of MCUs, with its own, transposed steps.
///
/// Each component is turned on its own grid, so no colour is converted. A component whose blocks stay whole (often the
/// luma: 3000 lines are 375 blocks, but no whole number of MCUs) gets its own coefficients again. Where blocks are cut
/// anew, the errors of two grids add up: the steps are halved until [`MOST_ERROR`] is kept. Where even samples would be
/// cut (an odd side of 4:2:0), colour is first spread to one sample a pixel.
pub(super) fn turned(source: &Coefficients, turn: Turn, limits: &Limits) -> Result<Coefficients, PhotoError> {
    let mut frame = turn.frame(&source.frame, false);
    let cut = |mirrored: bool, pixels: u16, max: u8| mirrored && !pixels.is_multiple_of(max.into());
    let spread = cut(turn.mirror_x, frame.columns, frame.h_max()) || cut(turn.mirror_y, frame.rows, frame.v_max());
    if spread {
        limits.check_decoded(6 * u64::from(frame.columns) * u64::from(frame.rows))?;
        frame.components.iter_mut().for_each(|c| (c.h, c.v) = (1, 1));
    }
    let steps = source.quantisation.iter().map(|steps| turned_steps(steps, turn)).collect();
    let mut target = Coefficients::zero(frame, steps, limits)?;
    for (i, from) in source.components.iter().enumerate() {
        let component = &source.frame.components[i];
        let mut plane = dct::samples(from, &source.quantisation[i], source.frame.samples(component));
        if spread {
            plane = spread_out(&plane, &source.frame, component);
        }
        plane = Plane {
            across: turn.swap((plane.across, plane.down())).0,
            samples: turn.grid(&plane.samples, plane.across),
        };
        let steps = &mut target.quantisation[i];
        let most = MOST_ERROR[i.min(1)];
        while dct::quantise(&plane, steps, &mut target.components[i]) > most && steps.iter().any(|&step| step > 1) {
            *steps = steps.map(|step| step.div_ceil(2));
        }
    }
    Ok(target)
}

/// Mean squared error of 8-bit samples that a second quantisation may add, luma and chroma: together more than 40 dB
/// of R, G and B at worst, where a chroma error counts about twice.
const MOST_ERROR: [f64; 2] = [3.0, 1.2];

/// One sample a pixel: along a direction with half as many samples by the triangle filter that decoders use, else by
/// repetition.
fn spread_out(plane: &Plane, frame: &Frame, component: &Component) -> Plane {
    let across = line_taps(plane.across, frame.columns.into(), (component.h, frame.h_max()));
    let down = line_taps(plane.down(), frame.rows.into(), (component.v, frame.v_max()));
    let mut samples = Vec::with_capacity(across.len() * down.len());
    for &(y, near_y) in &down {
        for &(x, near_x) in &across {
            let at = |x: usize, y: usize| i32::from(plane.samples[y * plane.across + x]);
            let sum = 3 * (3 * at(x, y) + at(near_x, y)) + 3 * at(x, near_y) + at(near_x, near_y);
            samples.push(((sum + 8) >> 4) as i16);
        }
    }
    Plane { across: across.len(), samples }
}

/// For each pixel of a line, the sample that covers it (weight 3) and the nearest other one (weight 1).
fn line_taps(samples: usize, pixels: usize, (factor, max): (u8, u8)) -> Vec<(usize, usize)> {
    let last = samples - 1;
    (0..pixels)
        .map(|p| {
            let at = (p * usize::from(factor) / usize::from(max)).min(last);
            let near = match (factor * 2 == max, p % 2) {
                (true, 0) => at.saturating_sub(1),
                (true, _) => (at + 1).min(last),
                (false, _) => at,
            };
            (at, near)
        })
        .collect()
}

/// Makes Y Cb Cr 4:4:4 of a picture of any colour, turned.
pub(super) fn converted(
    source: &Coefficients,
    colour: SourceColour,
    turn: Turn,
    limits: &Limits,
) -> Result<Coefficients, PhotoError> {
    let frame = &source.frame;
    let (width, height) = (usize::from(frame.columns), usize::from(frame.rows));
    limits.check_decoded((source.components.len() + 3) as u64 * 2 * width as u64 * height as u64)?;
    let planes: Vec<Plane> = source
        .components
        .iter()
        .zip(&source.quantisation)
        .zip(&frame.components)
        .map(|((blocks, steps), c)| dct::samples(blocks, steps, frame.samples(c)))
        .collect();
    let factors: Vec<(usize, usize)> = frame.components.iter().map(|c| (c.h.into(), c.v.into())).collect();
    let (h_max, v_max) = (usize::from(frame.h_max()), usize::from(frame.v_max()));
    let pixel = |x: usize, y: usize| {
        let mut parts = [0.0; 4];
        for ((part, plane), (h, v)) in parts.iter_mut().zip(&planes).zip(&factors) {
            let sample = plane.samples[y * v / v_max * plane.across + x * h / h_max];
            *part = (f32::from(sample) / ONE + 128.0).clamp(0.0, 255.0).round();
        }
        colour::source_rgb(colour, parts)
    };
    encode((frame.columns, frame.rows), pixel, Colour::YCbCr, turn, limits)
}

/// Makes Y Cb Cr 4:4:4, or grey, of RGB pixels whose rows begin every `stride` bytes, turned.
pub(super) fn encoded(
    (rgb, stride): (&[u8], usize),
    colour: Colour,
    size: (u16, u16),
    turn: Turn,
    limits: &Limits,
) -> Result<Coefficients, PhotoError> {
    let pixel = |x: usize, y: usize| std::array::from_fn(|i| f32::from(rgb[y * stride + 3 * x + i]));
    encode(size, pixel, colour, turn, limits)
}

fn encode(
    (columns, rows): (u16, u16),
    pixel: impl Fn(usize, usize) -> [f32; 3],
    colour: Colour,
    turn: Turn,
    limits: &Limits,
) -> Result<Coefficients, PhotoError> {
    let component = |id, quantisation| Component { id, h: 1, v: 1, quantisation };
    let components = match colour {
        Colour::Grey => vec![component(1, 0)],
        Colour::YCbCr => vec![component(1, 0), component(2, 1), component(3, 1)],
    };
    let frame = turn.frame(&Frame { coding: Coding::Baseline, columns, rows, components }, false);
    let [luma, chroma] = annex_k(QUALITY);
    let steps = [luma, chroma, chroma].into_iter().take(frame.components.len()).collect();
    let mut target = Coefficients::zero(frame, steps, limits)?;
    let (width, height) = (usize::from(target.frame.columns), usize::from(target.frame.rows));
    limits.check_decoded(width as u64 * height as u64 * 6)?;
    let empty = || Plane { across: width, samples: Vec::with_capacity(width * height) };
    let mut planes: Vec<Plane> = target.components.iter().map(|_| empty()).collect();
    for y in 0..height {
        for x in 0..width {
            let (sx, sy) = turn.source((x, y), (width, height));
            for (plane, value) in planes.iter_mut().zip(colour::ycbcr(pixel(sx, sy))) {
                plane.samples.push((value * ONE).round() as i16);
            }
        }
    }
    for (i, plane) in planes.iter().enumerate() {
        dct::quantise(plane, &target.quantisation[i], &mut target.components[i]);
    }
    Ok(target)
}

/// A grey picture with two neutral components: same luma coefficients, Y Cb Cr 4:4:4.
pub(super) fn in_colour(grey: &Coefficients) -> Coefficients {
    let mut colour = grey.clone();
    let steps = grey.quantisation[0];
    for id in [2, 3] {
        // Distinct from the luma's own identifier, whatever it is.
        let id = colour.frame.components[0].id.wrapping_add(id);
        colour.frame.components.push(Component { id, h: 1, v: 1, quantisation: 0 });
        colour.quantisation.push(steps);
        let Blocks { across, ref values, ref masks } = grey.components[0];
        colour.components.push(Blocks { across, values: vec![0; values.len()], masks: vec![0; masks.len()] });
    }
    colour
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_spread_as_decoders_do() {
        let plane = Plane { across: 2, samples: vec![0, 160] };
        let component = Component { id: 2, h: 1, v: 1, quantisation: 0 };
        let luma = Component { id: 1, h: 2, ..component };
        let frame = Frame { coding: Coding::Baseline, columns: 3, rows: 1, components: vec![luma, component] };
        assert_eq!(spread_out(&plane, &frame, &component).samples, [0, 40, 120]);
        assert_eq!(spread_out(&plane, &frame, &luma).samples, [0, 160, 160]);
    }
}
