//! Where moving blocks is not enough: samples are turned or their colour changed, then quantised again.

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

/// Turns a grey or Y Cb Cr picture whose size is no whole number of MCUs, with its own tables and sampling.
///
/// Each component is turned on its own grid, so no colour is converted. A component whose blocks stay whole (often the
/// luma: 3000 lines are 375 blocks, but no whole number of MCUs) gets its own coefficients again. One whose blocks are
/// cut anew is quantised half as coarsely as the camera did, since errors of two grids add up.
pub(super) fn turned(source: &Coefficients, turn: Turn, limits: &Limits) -> Result<Coefficients, PhotoError> {
    let frame = turn.frame(&source.frame, false);
    let steps = frame.components.iter().zip(&source.quantisation).map(|(component, steps)| {
        let (across, down) = frame.samples(component);
        let stays = !(turn.mirror_x && across % 8 > 0) && !(turn.mirror_y && down % 8 > 0);
        let steps = turned_steps(steps, turn);
        if stays { steps } else { steps.map(|step| step.div_ceil(2)) }
    });
    let steps = steps.collect();
    let mut target = Coefficients::zero(frame, steps, limits)?;
    for (i, from) in source.components.iter().enumerate() {
        let plane = dct::samples(from, &source.quantisation[i], source.frame.samples(&source.frame.components[i]));
        let plane = turn_plane(&plane, turn, &target.frame, &target.frame.components[i]);
        dct::quantise(&plane, &target.quantisation[i], &mut target.components[i]);
    }
    Ok(target)
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
    encode((frame.columns, frame.rows), pixel, turn, limits)
}

/// Makes Y Cb Cr 4:4:4 of RGB pixels whose rows begin every `stride` bytes, turned.
pub(super) fn encoded(
    rgb: &[u8],
    stride: usize,
    size: (u16, u16),
    turn: Turn,
    limits: &Limits,
) -> Result<Coefficients, PhotoError> {
    encode(size, |x, y| std::array::from_fn(|i| f32::from(rgb[y * stride + 3 * x + i])), turn, limits)
}

fn encode(
    (columns, rows): (u16, u16),
    pixel: impl Fn(usize, usize) -> [f32; 3],
    turn: Turn,
    limits: &Limits,
) -> Result<Coefficients, PhotoError> {
    let component = |id, quantisation| Component { id, h: 1, v: 1, quantisation };
    let components = vec![component(1, 0), component(2, 1), component(3, 1)];
    let frame = turn.frame(&Frame { coding: Coding::Baseline, columns, rows, components }, false);
    let [luma, chroma] = annex_k(QUALITY);
    let mut target = Coefficients::zero(frame, vec![luma, chroma, chroma], limits)?;
    let (width, height) = (usize::from(target.frame.columns), usize::from(target.frame.rows));
    limits.check_decoded(width as u64 * height as u64 * 6)?;
    let mut planes = [(); 3].map(|()| Plane { across: width, samples: Vec::with_capacity(width * height) });
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

/// Turns one component. Where a mirrored side is no whole number of its samples, each new sample is the mean of what
/// it covers, so that colour stays where it was to the pixel.
fn turn_plane(plane: &Plane, turn: Turn, frame: &Frame, component: &Component) -> Plane {
    let turned = |samples: &[i16], turn: Turn, across: usize| Plane {
        across: turn.swap((across, samples.len() / across.max(1))).0,
        samples: turn.grid(samples, across),
    };
    let mut plane = turned(&plane.samples, Turn { transpose: turn.transpose, ..Turn::NONE }, plane.across);
    if turn.mirror_x {
        plane = mirror(&plane, usize::from(frame.columns), (component.h, frame.h_max()));
    }
    if turn.mirror_y {
        let across = plane.across;
        let on_its_side = turned(&plane.samples, TRANSPOSE, across);
        let mirrored = mirror(&on_its_side, usize::from(frame.rows), (component.v, frame.v_max()));
        plane = turned(&mirrored.samples, TRANSPOSE, mirrored.across);
    }
    plane
}

const TRANSPOSE: Turn = Turn { transpose: true, ..Turn::NONE };

/// Swaps left and right of a component with `h` of `h_max` samples for each of `pixels`.
fn mirror(plane: &Plane, pixels: usize, (h, h_max): (u8, u8)) -> Plane {
    let scale = f32::from(h_max) / f32::from(h);
    // Four points in each new sample, and the old samples that lie there.
    let taps: Vec<[usize; 4]> = (0..plane.across)
        .map(|x| {
            std::array::from_fn(|i| {
                let at = (x as f32 + (i as f32 + 0.5) / 4.0) * scale;
                (((pixels as f32 - at) / scale).max(0.0) as usize).min(plane.across - 1)
            })
        })
        .collect();
    let mut samples = Vec::with_capacity(plane.samples.len());
    for row in plane.samples.chunks_exact(plane.across.max(1)) {
        samples.extend(taps.iter().map(|taps| {
            let sum: i32 = taps.iter().map(|&x| i32::from(row[x])).sum();
            (sum >> 2) as i16
        }));
    }
    Plane { across: plane.across, samples }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirrored_side_keeps_its_samples_where_they_are_whole_and_their_place_where_not() {
        let plane = |samples: &[i16]| Plane { across: samples.len(), samples: samples.into() };
        assert_eq!(mirror(&plane(&[1, 2, 3]), 3, (1, 1)).samples, [3, 2, 1]);
        assert_eq!(mirror(&plane(&[10, 20]), 4, (1, 2)).samples, [20, 10]);
        // Three pixels, two samples: pixels a a b become b a a.
        assert_eq!(mirror(&plane(&[10, 20]), 3, (1, 2)).samples, [15, 10]);
    }
}
