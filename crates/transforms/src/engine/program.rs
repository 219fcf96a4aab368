//! The pixel operations of a plan, on a row in flight.

use std::ops::Range;

use super::memory::Tile;
use super::statistics::Statistic;
use crate::kernels::noise::{
    NoiseCounter, apply_salt_and_pepper, fill_gaussian, gaussian, salt_and_pepper_mask,
};
use crate::kernels::{Simd, arithmetic, color};
use crate::plan::{CHANNELS_MAX, H, Op, OpCode, StagePlan, W, canvas};

/// Where a row is in the image, and what else operations look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) plan: &'a StagePlan,
    pub(crate) z: i32,
    pub(crate) y: i32,
    /// The canvases that a stage may blend in.
    pub(crate) canvases: &'a [&'a mut [f32]; canvas::COUNT],
}

impl Place<'_> {
    /// The number of the row's first pixel.
    fn first_pixel(&self) -> usize {
        let [_, height, width] = self.plan.size.map(|len| len as usize);
        (self.z as usize * height + self.y as usize) * width
    }

    /// Pixels of a channel.
    fn pixels(&self) -> usize {
        self.plan.size.iter().map(|&len| len as usize).product()
    }

    fn noise(&self, stream: u32) -> NoiseCounter {
        let [low, high] = self.plan.noise.index;
        NoiseCounter {
            key: self.plan.noise.key,
            stream,
            index: u64::from(high) << 32 | u64::from(low),
        }
    }

    /// The columns of the box of `op` in this row.
    fn columns(&self, op: &Op) -> Option<Range<usize>> {
        let [rows, columns] = box_of(self.plan, op);
        (rows.contains(&(self.y as usize)) && !columns.is_empty()).then_some(columns)
    }

    /// The row of another canvas at the same place.
    fn other(&self, slot: u32, channel: usize, width: usize) -> &[f32] {
        let from = channel * self.pixels() + self.first_pixel();
        &self.canvases[slot as usize][from..][..width]
    }
}

/// The rows and columns of the box of `op`, as far as it lies in the image.
pub(super) fn box_of(plan: &StagePlan, op: &Op) -> [Range<usize>; 2] {
    let [top, bottom, left, right] = [0, 1, 2, 3].map(|i| op.args[i] as i32);
    let inside = |start: i32, end: i32, k: usize| {
        start.clamp(0, plan.size[k]) as usize..end.clamp(0, plan.size[k]) as usize
    };
    [inside(top, bottom, H), inside(left, right, W)]
}

/// Runs `op` on the row `tile`, with the statistic that it needs.
pub(crate) fn run(
    simd: Simd,
    op: &Op,
    statistic: Option<&Statistic>,
    place: &Place<'_>,
    tile: &mut Tile<'_>,
) {
    let Some(code) = op.code() else { return };
    let [a, b, c, ..] = op.args;
    match code {
        OpCode::Brightness => colors(tile, |x| color::brightness(simd, x, a, b)),
        OpCode::Saturation if tile.channels >= 3 => {
            let [red, green, blue] = tile.colors();
            color::saturation(simd, red, green, blue, a, b);
        }
        OpCode::Hue if tile.channels >= 3 => {
            let [red, green, blue] = tile.colors();
            color::hue(simd, red, green, blue, a, b);
        }
        OpCode::Grayscale if tile.channels >= 3 => {
            let [red, green, blue] = tile.colors();
            color::grayscale(simd, red, green, blue);
        }
        // A gray image is its own luma.
        OpCode::Saturation | OpCode::Hue | OpCode::Grayscale => {}
        OpCode::Gamma => planes(tile, |_, x| color::gamma(simd, x, a, b, c)),
        OpCode::Solarize => planes(tile, |_, x| color::solarize(simd, x, a, b)),
        OpCode::Posterize => planes(tile, |_, x| color::posterize(simd, x, a, b)),
        OpCode::Invert => planes(tile, |_, x| color::invert(simd, x, a)),
        OpCode::Affine => planes(tile, |c, x| {
            let Some(c) = number_of(op, c) else { return };
            arithmetic::affine(simd, x, op.args[c], op.args[CHANNELS_MAX + c]);
        }),
        OpCode::Contrast | OpCode::Autocontrast | OpCode::Equalize | OpCode::Standardize => {
            with_statistic(simd, op, statistic, tile);
        }
        OpCode::GaussianNoise => noise(simd, op, place, tile),
        OpCode::SaltAndPepper => salt_and_pepper(simd, op, place, tile),
        OpCode::Erase => erase(op, place, tile),
        OpCode::EraseNoise => erase_noise(simd, op, place, tile),
        OpCode::Permute => permute(op, tile),
        OpCode::Blend => planes(tile, |channel, x| {
            arithmetic::blend(simd, x, place.other(op.slot, channel, x.len()), a, b);
        }),
        OpCode::Paste => paste(op, place, tile),
    }
}

/// Which of its four numbers an operation has for channel `c`: those of four channels have none for
/// others, those of all use the first for channels after the fourth.
pub(super) fn number_of(op: &Op, c: usize) -> Option<usize> {
    match op.slot as usize {
        0 => Some(if c < CHANNELS_MAX { c } else { 0 }),
        slot => c.checked_sub((slot - 1) * CHANNELS_MAX).filter(|c| *c < CHANNELS_MAX),
    }
}

/// Every channel.
fn planes(tile: &mut Tile<'_>, mut each: impl FnMut(usize, &mut [f32])) {
    (0..tile.channels).for_each(|c| each(c, tile.plane(c)));
}

/// The channels of colour: alpha, the last of two or four, is none.
fn colors(tile: &mut Tile<'_>, mut each: impl FnMut(&mut [f32])) {
    let colors = if tile.channels >= 3 { 3 } else { 1 };
    (0..colors.min(tile.channels)).for_each(|c| each(tile.plane(c)));
}

fn with_statistic(simd: Simd, op: &Op, statistic: Option<&Statistic>, tile: &mut Tile<'_>) {
    let [a, b, ..] = op.args;
    match statistic {
        Some(Statistic::Gray(sum)) => {
            let offset = (1.0 - a) * sum.mean();
            colors(tile, |x| color::blend_constant(simd, x, a, offset, b));
        }
        Some(Statistic::Extremes(extremes)) => planes(tile, |c, x| {
            if let Some(e) = extremes.get(c) {
                color::autocontrast(simd, x, e.min, e.max, a);
            }
        }),
        Some(Statistic::Tables(tables)) => planes(tile, |c, x| {
            if let Some(Some(table)) = tables.get(c) {
                color::lookup(simd, x, table, a);
            }
        }),
        Some(Statistic::Moments(moments)) => planes(tile, |c, x| {
            let moments = &moments[if op.slot == 1 { c.min(CHANNELS_MAX - 1) } else { 0 }];
            let deviation = (moments.variance() + f64::from(a)).sqrt();
            let scale = if deviation == 0.0 { 0.0 } else { 1.0 / deviation };
            arithmetic::affine(simd, x, scale as f32, (-moments.mean() * scale) as f32);
        }),
        Some(Statistic::Histograms(_)) | None => {}
    }
}

fn noise(simd: Simd, op: &Op, place: &Place<'_>, tile: &mut Tile<'_>) {
    let [sigma, mean, max, ..] = op.args;
    let key = place.noise(op.slot);
    let clip = (max > 0.0).then_some(max);
    planes(tile, |c, x| {
        let first = c * place.pixels() + place.first_pixel();
        gaussian(simd, x, key, first as u64, sigma, mean, clip);
    });
}

/// A mask of a row, one part at a time, so that it fits on the stack for any width.
const PART: usize = 256;

fn salt_and_pepper(simd: Simd, op: &Op, place: &Place<'_>, tile: &mut Tile<'_>) {
    let [amount, salt, max, ..] = op.args;
    let mut mask = [0.0; PART];
    for start in (0..tile.width).step_by(PART) {
        let len = PART.min(tile.width - start);
        let mask = &mut mask[..len];
        let first = (place.first_pixel() + start) as u64;
        salt_and_pepper_mask(simd, mask, place.noise(op.slot), first, amount, salt);
        colors(tile, |x| apply_salt_and_pepper(simd, &mut x[start..start + len], mask, max));
    }
}

fn erase(op: &Op, place: &Place<'_>, tile: &mut Tile<'_>) {
    let Some(columns) = place.columns(op) else { return };
    planes(tile, |c, x| {
        let Some(c) = number_of(op, c) else { return };
        x[columns.clone()].fill(op.args[CHANNELS_MAX + c]);
    });
}

fn erase_noise(simd: Simd, op: &Op, place: &Place<'_>, tile: &mut Tile<'_>) {
    let Some(columns) = place.columns(op) else { return };
    let key = place.noise(op.slot);
    let [_, _, _, _, mean, sigma, ..] = op.args;
    planes(tile, |c, x| {
        let first = c * place.pixels() + place.first_pixel() + columns.start;
        let x = &mut x[columns.clone()];
        fill_gaussian(simd, x, key, first as u64);
        arithmetic::affine(simd, x, sigma, mean);
    });
}

fn permute(op: &Op, tile: &mut Tile<'_>) {
    let channels = tile.channels.min(CHANNELS_MAX);
    for x in 0..tile.width {
        let pixel: [f32; CHANNELS_MAX] =
            std::array::from_fn(|c| tile.values[c.min(channels - 1) * tile.stride + x]);
        for c in 0..channels {
            tile.values[c * tile.stride + x] = pixel[op.args[c] as usize];
        }
    }
}

fn paste(op: &Op, place: &Place<'_>, tile: &mut Tile<'_>) {
    let Some(columns) = place.columns(op) else { return };
    planes(tile, |c, x| {
        let other = place.other(op.slot, c, x.len());
        x[columns.clone()].copy_from_slice(&other[columns.clone()]);
    });
}
