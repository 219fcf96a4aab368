//! Rows of a middle image as bytes: where they lie, or copied.

use std::ops::Range;

use super::view::View;
use crate::kernels::math::to_u8;
use crate::kernels::resize_u8::Rows;
use crate::plan::{D, H, W};

impl<'a> View<'a, u8> {
    /// Whether the elements of a pixel lie side by side.
    pub(super) fn is_interleaved(&self) -> bool {
        self.raster.channel_stride == 1 && self.raster.channels > 1
    }

    /// Elements of a pixel that lie side by side.
    pub(super) fn beside(&self) -> usize {
        if self.is_interleaved() { self.raster.channels } else { 1 }
    }

    /// Whether columns lie beside each other in the raster, forwards or backwards.
    pub(super) fn has_rows(&self) -> bool {
        self.raster.strides[self.plan.before.axis[2] as usize] == self.beside()
    }

    /// Whether the rows `rows` of every slice lie in the raster as they are, but for running
    /// backwards: one element beside the other, and nothing of the border.
    pub(super) fn is_straight(&self, rows: &Range<i32>) -> bool {
        self.has_rows() && self.is_inside(rows)
    }

    /// Whether the rows `rows` of every slice have nothing of the border.
    pub(super) fn is_inside(&self, rows: &Range<i32>) -> bool {
        let [first, width] = self.columns;
        let (top, bottom) = (rows.start, rows.end - 1);
        let corners = [[0, top, first], [self.plan.middle[D] - 1, bottom, first + width - 1]];
        let inside = |at: [i32; 3]| {
            let at = self.plan.before.at(at);
            (0..3).all(|k| (self.plan.window_start[k]..self.plan.window_end[k]).contains(&at[k]))
        };
        width > 0 && top <= bottom && corners.into_iter().all(inside)
    }

    /// Whether columns run backwards in the raster.
    pub(super) fn is_mirrored(&self) -> bool {
        self.plan.before.sign[2] < 0
    }

    /// The straight rows of slice `z` from row `y` on.
    pub(super) fn straight(&self, z: i32, y: i32) -> Rows<'a> {
        let [first, width] = self.columns;
        let low = if self.is_mirrored() { first + width - 1 } else { first };
        let place = self.place([z, y, low]);
        let step = self.step(H);
        Rows { bytes: self.raster.pixels, first: place as usize, step, wrap: usize::MAX, back: 0 }
    }

    /// Where a pixel of the middle image that is no border lies in the raster.
    pub(super) fn place(&self, at: [i32; 3]) -> isize {
        let at = self.plan.before.at(at);
        (0..3).map(|k| self.raster.offset(k, at[k])).sum()
    }

    /// Elements of the raster from a pixel of the middle image to the next along axis `k`.
    pub(super) fn step(&self, k: usize) -> isize {
        let map = &self.plan.before;
        self.raster.strides[map.axis[k] as usize] as isize * map.sign[k] as isize
    }

    /// Copies row (z, y): whole pixels where they lie as such, otherwise a plane per channel, `stride`
    /// apart. Fills are rounded.
    pub(super) fn copy(&self, z: i32, y: i32, to: &mut [u8], stride: usize) {
        let (map, width) = (&self.plan.before, self.width());
        let at = map.at([z, y, self.columns[0]]);
        let (axis, sign) = (map.axis[2] as usize, map.sign[2]);
        let mut base = 0;
        for k in (0..3).filter(|k| *k != axis) {
            match self.bordered(k, at[k]) {
                Some(at) => base += self.raster.offset(k, at),
                None => return self.copy_pixels(None, 0..width, to, stride),
            }
        }
        let place = |x: usize| base + self.raster.offset(axis, at[axis] + sign * x as i32);
        let inside = self.inside(at[axis]);
        for x in (0..inside.start).chain(inside.end..width) {
            let at = self.bordered(axis, at[axis] + sign * x as i32);
            let from = at.map(|at| base + self.raster.offset(axis, at));
            self.copy_pixels(from, x..x + 1, to, stride);
        }
        if !inside.is_empty() {
            self.copy_pixels(Some(place(inside.start)), inside, to, stride);
        }
    }

    /// Copies the pixels of columns `columns`, the first of which lies at `from`; without, it is the
    /// fill.
    fn copy_pixels(
        &self,
        from: Option<isize>,
        columns: Range<usize>,
        to: &mut [u8],
        stride: usize,
    ) {
        let channels = self.raster.channels;
        if self.is_interleaved() {
            let to = &mut to[columns.start * channels..columns.end * channels];
            return match channels {
                2 => self.copy_whole::<2>(from, to),
                3 => self.copy_whole::<3>(from, to),
                4 => self.copy_whole::<4>(from, to),
                _ => (0..channels).for_each(|c| self.copy_plane(from, c, &mut to[c..], channels)),
            };
        }
        for c in 0..channels {
            self.copy_plane(from, c, &mut to[c * stride..][columns.clone()], 1);
        }
    }

    /// Pixels of `N` channels side by side.
    fn copy_whole<const N: usize>(&self, from: Option<isize>, to: &mut [u8]) {
        let (pixels, step) = (self.raster.pixels, self.step(W));
        match from {
            None => {
                let fill = std::array::from_fn(|c| to_u8(self.fill_of(c)));
                to.as_chunks_mut::<N>().0.fill(fill);
            }
            Some(from) if step == N as isize => {
                to.copy_from_slice(&pixels[from as usize..][..to.len()]);
            }
            Some(from) => {
                for (x, to) in to.as_chunks_mut::<N>().0.iter_mut().enumerate() {
                    let at = from + x as isize * step;
                    to.copy_from_slice(&pixels[at as usize..][..N]);
                }
            }
        }
    }

    /// Channel `c`, into every `beside`th element of `to`.
    fn copy_plane(&self, from: Option<isize>, c: usize, to: &mut [u8], beside: usize) {
        let step = self.step(W);
        let columns = to.len().div_ceil(beside) as isize;
        let to = to.iter_mut().step_by(beside);
        let Some(from) = from else {
            return to.for_each(|to| *to = to_u8(self.fill_of(c)));
        };
        let from = from + (c * self.raster.channel_stride) as isize;
        if step > 0 {
            let from = self.raster.pixels[from as usize..].iter().step_by(step as usize);
            to.zip(from).for_each(|(to, from)| *to = *from);
        } else {
            let low = (from + (columns - 1) * step) as usize;
            let from = self.raster.pixels[low..=from as usize].iter();
            let from = from.step_by(step.unsigned_abs()).rev();
            to.zip(from).for_each(|(to, from)| *to = *from);
        }
    }
}
