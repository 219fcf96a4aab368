//! The middle image of a stage: source pixels seen through crops, flips, turns and borders.

use std::ops::Range;

use crate::kernels::Simd;
use crate::kernels::convert::{
    Pixel, deinterleave, deinterleave_reversed, load, load_reversed, load4,
};
use crate::kernels::warp::Lattice;
use crate::plan::{Border, CHANNELS_MAX, H, StagePlan, W};

/// An image as it lies in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raster<'a, T> {
    pub(crate) pixels: &'a [T],
    /// Elements from one pixel to the next along depth, height, width.
    pub(crate) strides: [usize; 3],
    /// The place of the first of `pixels` in the image, of which they may be a part.
    pub(crate) origin: [i32; 3],
    /// Elements from one channel to the next.
    pub(crate) channel_stride: usize,
    pub(crate) channels: usize,
}

impl<'a, T> Raster<'a, T> {
    /// An image of `size` (depth, height, width) with its channels first or last.
    pub(crate) fn new(pixels: &'a [T], size: [i32; 3], channels: usize, interleaved: bool) -> Self {
        let [depth, height, width] = size.map(|len| len as usize);
        let pixel = if interleaved { channels } else { 1 };
        Self {
            pixels,
            strides: [height * width * pixel, width * pixel, pixel],
            origin: [0; 3],
            channel_stride: if interleaved { 1 } else { depth * height * width },
            channels,
        }
    }

    /// Elements from the first of `pixels` to what lies at `at` along axis `k`, which may be before
    /// it where nothing is read.
    pub(super) fn offset(&self, k: usize, at: i32) -> isize {
        (at - self.origin[k]) as isize * self.strides[k] as isize
    }
}

/// A raster seen through the integer map and the border of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a, T> {
    pub(super) raster: Raster<'a, T>,
    pub(super) plan: &'a StagePlan,
    /// The columns of the middle image that rows are of: the first, and how many.
    pub(super) columns: [i32; 2],
}

impl<'a, T: Pixel> View<'a, T> {
    pub(crate) fn new(raster: Raster<'a, T>, plan: &'a StagePlan) -> Self {
        Self { raster, plan, columns: [0, plan.middle[W]] }
    }

    /// The view of those columns of the middle image alone.
    pub(crate) fn columns(self, columns: &Range<u32>) -> Self {
        Self { columns: [columns.start as i32, columns.len() as i32], ..self }
    }

    pub(crate) fn channels(&self) -> usize {
        self.raster.channels
    }

    /// Columns of a row.
    pub(crate) fn width(&self) -> usize {
        self.columns[1] as usize
    }

    /// The source coordinate that is seen at `at` along source axis `axis`; `None` is the fill.
    #[inline]
    pub(super) fn bordered(&self, axis: usize, at: i32) -> Option<i32> {
        let (start, end) = (self.plan.window_start[axis], self.plan.window_end[axis]);
        if (start..end).contains(&at) {
            return Some(at);
        }
        beyond(self.plan.border(), at - start, end - start).map(|inside| start + inside)
    }

    /// The same image, where its elements are bytes.
    pub(crate) fn bytes(&self) -> Option<View<'a, u8>> {
        let Raster { pixels, strides, origin, channel_stride, channels } = self.raster;
        let pixels = T::bytes(pixels)?;
        let raster = Raster { pixels, strides, origin, channel_stride, channels };
        Some(View { raster, plan: self.plan, columns: self.columns })
    }

    /// The columns of a row that lie inside the window, the first of the row at the source coordinate
    /// `at`; what is left of and right of them is the border.
    pub(super) fn inside(&self, at: i32) -> Range<usize> {
        let (axis, sign) = (self.plan.before.axis[2] as usize, self.plan.before.sign[2]);
        let (start, end) = (self.plan.window_start[axis], self.plan.window_end[axis]);
        let width = self.width() as i32;
        let first = if sign > 0 { start - at } else { at - (end - 1) };
        let first = first.clamp(0, width);
        let inside = if sign > 0 { end - at } else { at - start + 1 };
        first as usize..inside.clamp(0, width).max(first) as usize
    }

    /// Row (z, y) of the middle image into `planes`, one plane per channel, `stride` apart.
    pub(crate) fn row(&self, simd: Simd, z: i32, y: i32, planes: &mut [f32], stride: usize) {
        let map = &self.plan.before;
        let width = self.width();
        let at = map.at([z, y, self.columns[0]]);
        let (axis, sign) = (map.axis[2] as usize, map.sign[2]);
        let mut base = 0;
        for k in (0..3).filter(|k| *k != axis) {
            match self.bordered(k, at[k]) {
                Some(at) => base += self.raster.offset(k, at),
                None => return self.fill(planes, stride, 0, width),
            }
        }
        let Range { start: first, end: inside } = self.inside(at[axis]);
        let step = self.raster.strides[axis];
        if self.plan.border() == Border::Constant {
            self.fill(planes, stride, 0, first);
            self.fill(planes, stride, inside, width);
        } else {
            for x in (0..first).chain(inside..width) {
                self.border_pixel(base, axis, at[axis] + sign * x as i32, planes, stride, x);
            }
        }
        if inside > first {
            let from = base + self.raster.offset(axis, at[axis] + sign * first as i32);
            let from = from as usize;
            self.run(simd, from, step, sign, &mut planes[first..], inside - first, stride);
        }
    }

    /// Row (z, y) of the middle image as whole pixels, where they lie as such: three or four
    /// channels side by side, with no border in the row. Otherwise `false`, and nothing is done.
    ///
    /// Resampling along the width takes whole pixels in half the time of as many planes.
    pub(crate) fn pixels(&self, simd: Simd, z: i32, y: i32, to: &mut [[f32; 4]]) -> bool {
        let Raster { pixels, channels, channel_stride, strides, .. } = self.raster;
        let map = &self.plan.before;
        let width = self.width();
        let (axis, sign) = (map.axis[2] as usize, map.sign[2]);
        let whole = channel_stride == 1 && strides[axis] == channels;
        if !whole || !(3..=4).contains(&channels) || width == 0 {
            return false;
        }
        let start = self.columns[0];
        let (first, last) = (map.at([z, y, start]), map.at([z, y, start + width as i32 - 1]));
        let inside = |at: [i32; 3]| {
            (0..3).all(|k| (self.plan.window_start[k]..self.plan.window_end[k]).contains(&at[k]))
        };
        if !inside(first) || !inside(last) {
            return false;
        }
        let low = if sign > 0 { first } else { last };
        let from = (0..3).map(|k| self.raster.offset(k, low[k])).sum::<isize>() as usize;
        let to = &mut to[..width];
        load4(simd, &pixels[from..from + width * channels], channels, to);
        if sign < 0 {
            to.reverse();
        }
        true
    }

    fn border_pixel(
        &self,
        base: isize,
        axis: usize,
        at: i32,
        planes: &mut [f32],
        stride: usize,
        x: usize,
    ) {
        let Some(at) = self.bordered(axis, at) else { return self.fill(planes, stride, x, x + 1) };
        let at = (base + self.raster.offset(axis, at)) as usize;
        for c in 0..self.raster.channels {
            planes[c * stride + x] =
                self.raster.pixels[at + c * self.raster.channel_stride].to_f32();
        }
    }

    fn fill(&self, planes: &mut [f32], stride: usize, start: usize, end: usize) {
        for c in 0..self.raster.channels {
            planes[c * stride..][start..end].fill(self.fill_of(c));
        }
    }

    pub(crate) fn fill_of(&self, channel: usize) -> f32 {
        self.plan.fill[if channel < CHANNELS_MAX { channel } else { 0 }]
    }

    /// `len` pixels from element `from` on, `step` elements apart, forwards or backwards.
    #[expect(clippy::too_many_arguments, reason = "the leaf of `row`, which has them all apart")]
    fn run(
        &self,
        simd: Simd,
        from: usize,
        step: usize,
        sign: i32,
        planes: &mut [f32],
        len: usize,
        stride: usize,
    ) {
        let Raster { pixels, channels, channel_stride, .. } = self.raster;
        let low = if sign > 0 { from } else { from - (len - 1) * step };
        if channel_stride == 1 && step == channels {
            let pixels = &pixels[low..low + len * channels];
            return match sign > 0 {
                true => deinterleave(simd, pixels, channels, planes, stride),
                false => deinterleave_reversed(simd, pixels, channels, planes, stride),
            };
        }
        // Planes of a single pixel lie side by side as well.
        if channel_stride == 1 && channels == 3 && step > 1 {
            let (red, rest) = planes.split_at_mut(stride);
            let (green, blue) = rest.split_at_mut(stride);
            let planes = [red, green, blue].map(|plane| &mut plane[..len]);
            return strided_colors(planes, &pixels[low..], step, sign);
        }
        for c in 0..channels {
            let plane = &mut planes[c * stride..][..len];
            let low = low + c * channel_stride;
            match (step, sign > 0) {
                (1, true) => load(simd, &pixels[low..low + len], plane),
                (1, false) => load_reversed(simd, &pixels[low..low + len], plane),
                (_, true) => strided(plane.iter_mut(), &pixels[low..], step),
                (_, false) => strided(plane.iter_mut().rev(), &pixels[low..], step),
            }
        }
    }

    /// Slice `z` of a middle image without a border.
    pub(crate) fn lattice(&self, z: i32) -> Lattice<'a, T> {
        let Raster { pixels, strides, channel_stride, channels, .. } = self.raster;
        let map = &self.plan.before;
        let first = map.at([z, 0, 0]);
        let step = |k: usize| map.sign[k] as isize * strides[map.axis[k] as usize] as isize;
        Lattice {
            pixels,
            base: (0..3).map(|k| self.raster.offset(k, first[k])).sum(),
            step: [step(H), step(W)],
            channels,
            channel_stride,
            size: [self.plan.middle[H], self.plan.middle[W]],
        }
    }
}

fn strided<'p, T: Pixel>(plane: impl Iterator<Item = &'p mut f32>, from: &[T], step: usize) {
    for (to, from) in plane.zip(from.iter().step_by(step)) {
        *to = from.to_f32();
    }
}

/// The three channels of pixels that begin `step` elements apart at once: each is on a line of the
/// cache of its own.
fn strided_colors<T: Pixel>(planes: [&mut [f32]; 3], from: &[T], step: usize, sign: i32) {
    let len = planes[0].len();
    let [red, green, blue] = planes;
    for (i, pixel) in from.chunks(step).take(len).enumerate() {
        let x = if sign > 0 { i } else { len - 1 - i };
        let [r, g, b] = *pixel.first_chunk().expect("a pixel of three channels");
        (red[x], green[x], blue[x]) = (r.to_f32(), g.to_f32(), b.to_f32());
    }
}

/// Where the coordinate `at`, outside of 0..`len`, is found inside; `None` is the fill.
pub(crate) fn beyond(border: Border, at: i32, len: i32) -> Option<i32> {
    if len <= 0 {
        return None;
    }
    Some(match border {
        Border::Constant => return None,
        Border::Edge => at.clamp(0, len - 1),
        Border::Wrap => at.rem_euclid(len),
        Border::Symmetric => {
            let at = at.rem_euclid(2 * len);
            if at < len { at } else { 2 * len - 1 - at }
        }
        Border::Reflect if len == 1 => 0,
        Border::Reflect => {
            let at = at.rem_euclid(2 * (len - 1));
            if at < len { at } else { 2 * (len - 1) - at }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_continue_as_their_pictures_show() {
        let picture = |border| -> Vec<Option<i32>> {
            (-3..6)
                .map(|at| if (0..3).contains(&at) { Some(at) } else { beyond(border, at, 3) })
                .collect()
        };
        let of = |places: [i32; 9]| places.map(Some).to_vec();
        assert_eq!(picture(Border::Edge), of([0, 0, 0, 0, 1, 2, 2, 2, 2]));
        assert_eq!(picture(Border::Reflect), of([1, 2, 1, 0, 1, 2, 1, 0, 1]));
        assert_eq!(picture(Border::Symmetric), of([2, 1, 0, 0, 1, 2, 2, 1, 0]));
        assert_eq!(picture(Border::Wrap), of([0, 1, 2, 0, 1, 2, 0, 1, 2]));
        assert_eq!(beyond(Border::Constant, -1, 3), None);
        assert_eq!(beyond(Border::Reflect, 7, 1), Some(0));
    }
}
