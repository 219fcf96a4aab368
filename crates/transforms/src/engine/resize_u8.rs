//! Resizes of bytes, in integers: first along the height, straight from the bytes of the image, then
//! along the width. All engines and levels therefore make the same bits, in whatever order they add.

use std::ops::Range;

use super::band::Band;
use super::memory::{HeadMemory, Tile};
use super::stage::rows_of;
use super::store::{Delivered, RowPlace};
use super::taps::{IntegerTaps, taps_of};
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::resize_u8::octave::Run;
use crate::kernels::resize_u8::{
    Across, BETWEEN, Form, Rows, SLACK, To, Whole, few, horizontal, split, vertical, vertical_whole,
};
use crate::plan::{Border, D, H, Head, Interpolation, StagePlan, W};

/// A resize under way.
#[derive(Debug)]
pub(crate) struct ResizeU8<'a> {
    across: Across<'a>,
    /// The outputs along the width that are exactly half or double.
    octave: Option<Run>,
    down: IntegerTaps<'a>,
    /// The columns of the middle image that have a tap; taps of `across` count from the first.
    columns: Range<u32>,
    /// Outputs along the width.
    outputs: usize,
    band: Band<'a>,
    /// A row between the passes, and the same as planes where pixels have other than three or four
    /// channels.
    between: &'a mut [i16],
    stride: usize,
}

/// Whether `plan` resizes or blurs bytes in integers, if it reads bytes. All but the nearest pixel,
/// unless the border shows numbers that no byte is.
pub(crate) fn is_integer(plan: &StagePlan) -> bool {
    let is_sum = match plan.head() {
        Head::Resize => plan.interpolation() != Interpolation::Nearest,
        head => head == Head::Blur,
    };
    is_sum && has_byte_border(plan)
}

/// Whether what a border shows is a byte.
pub(super) fn has_byte_border(plan: &StagePlan) -> bool {
    let is_byte = |fill: &f32| f32::from(*fill as u8) == *fill;
    plan.border() != Border::Constant || plan.fill.iter().all(is_byte)
}

impl<'a> ResizeU8<'a> {
    /// Works out the taps of `plan`, which is an integer one of `view`.
    pub(crate) fn prepare(
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        memory: &'a mut HeadMemory<'_>,
    ) -> Self {
        let HeadMemory { row, ring, weights, starts, held, stride, .. } = memory;
        let [x_weights, y_weights] = weights;
        let [x_starts, y_starts] = starts;
        let y_weights: &mut [i16] = bytemuck::cast_slice_mut(y_weights);
        // The memory of the taps along the height serves until those along the width are laid out.
        let x = IntegerTaps::of(simd, plan, W, y_starts, y_weights);
        let (columns, bits) = (x.reach(), x.bits);
        let view = view.columns(&columns);
        let is_straight = view.is_straight(&taps_of(plan, H));
        let across = across(&x, &view, is_straight, x_starts, bytemuck::cast_slice_mut(x_weights));
        let outputs = plan.size[W] as usize;
        let octave = Run::of(&across, bits, outputs);
        let down = IntegerTaps::of(simd, plan, H, y_starts, y_weights);
        let ring = if is_straight { None } else { Some(bytemuck::cast_slice_mut(ring)) };
        let band = Band::new(ring, &mut held[..down.count], *stride);
        let between = bytemuck::cast_slice_mut(row);
        Self { across, octave, down, columns, outputs, band, between, stride: *stride }
    }

    /// Output row (z, y) into `tile`, whose planes have room for whole blocks of outputs.
    pub(crate) fn row(
        &mut self,
        simd: Simd,
        view: &View<'_, u8>,
        place: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        let between = self.between(simd, view, place);
        let Tile { values, stride, .. } = tile;
        if self.across.form != Form::Plane {
            let to = To::Planes { planes: values, stride: *stride };
            return horizontal(simd, &self.between[between], &self.across, to);
        }
        for c in 0..view.channels() {
            let row = &self.between[between.start + c * self.stride..];
            let to = To::Planes { planes: &mut values[c * *stride..], stride: *stride };
            horizontal(simd, row, &self.across, to);
        }
    }

    /// Writes all rows of `plan` as bytes, and returns whether it could: where pixels have operations
    /// to go through, or have to be put together from planes, nothing is done. They come out as they
    /// would by way of floats.
    pub(crate) fn deliver(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, u8>,
        memory: &mut [f32],
        to: &mut Delivered<'_, u8>,
    ) -> bool {
        let (channels, has_planes) = (view.channels(), self.across.form == Form::Plane);
        let lies_alike = channels == 1 || to.is_interleaved() != has_planes;
        if !plan.keeps_values() || !lies_alike {
            return false;
        }
        let (planes, pixel) = if has_planes { (channels, 1) } else { (1, channels) };
        let (memory, len) = (bytemuck::cast_slice_mut(memory), self.outputs * pixel);
        let memory: &mut [u8] = memory;
        let (memory, scratch) = memory.split_at_mut(memory.len() / 2);
        for (at, [z, y]) in rows_of(plan) {
            let z = plan.after.offset[D] + plan.after.sign[D] * z;
            if self.deliver_octave(simd, view, (at, [z, y]), [&mut *memory, &mut *scratch], to) {
                continue;
            }
            let between = self.between(simd, view, [z, y]);
            for c in 0..planes {
                let row = &self.between[between.start + c * self.stride..];
                // With what makes the last block of outputs a whole one.
                horizontal(simd, row, &self.across, To::Bytes(memory));
                to.put(c * at.rows + at.row, &memory[..len]);
            }
        }
        true
    }

    /// Sums up output row (z, y) along the height and returns where it lies: as pixels, or as planes.
    fn between(&mut self, simd: Simd, view: &View<'_, u8>, [z, y]: [i32; 2]) -> Range<usize> {
        let view = view.columns(&self.columns);
        let (first, weights) = self.down.output(y as usize);
        let (bits, channels, width) = (self.down.bits, view.channels(), view.width());
        let Self { across, band, between, stride, .. } = self;
        let (rows, apart) = band.rows(&view, z, first..first + weights.len());
        if !view.is_interleaved() {
            for c in 0..channels {
                let rows = Rows { first: rows.first + c * apart, ..rows };
                vertical(simd, &rows, weights, bits, &mut between[c * *stride..][..width]);
            }
            return 0..between.len();
        }
        let len = width * channels;
        vertical(simd, &rows, weights, bits, &mut between[..len]);
        if across.form == Form::Plane {
            let (pixels, planes) = between.split_at_mut(len);
            split(pixels, channels, planes, *stride);
            return len..between.len();
        }
        0..len + SLACK
    }

    /// Writes row (z, y), row `at` of what is delivered, if the width is an octave there, the weights along
    /// the height leave no more bits than that takes, and planes lie apart. Otherwise does nothing and
    /// returns `false`.
    fn deliver_octave(
        &mut self,
        simd: Simd,
        view: &View<'_, u8>,
        (at, [z, y]): (RowPlace, [i32; 2]),
        [memory, scratch]: [&mut [u8]; 2],
        to: &mut Delivered<'_, u8>,
    ) -> bool {
        let Self { across, octave, down, band, columns, between, outputs, .. } = self;
        let Some(run) = octave else { return false };
        let (view, elements) = (view.columns(columns), across.form.elements());
        let (first, weights) = down.output(y as usize);
        let whole = Whole::of(weights, down.bits, run.octave.fraction());
        let lies_apart = view.channels() == elements || !view.is_interleaved();
        let Some(whole) = whole.filter(|_| lies_apart) else { return false };
        let (rows, apart) = band.rows(&view, z, first..first + weights.len());
        let between = &mut between[..view.width() * elements];
        for plane in 0..view.channels() / elements {
            let rows = Rows { first: rows.first + plane * apart, ..rows };
            let row = &mut memory[..*outputs * elements];
            octave_row(simd, run, (&rows, &whole, across), (between, scratch), row);
            to.put(plane * at.rows + at.row, row);
        }
        true
    }
}

/// A row of bytes, most of which are an octave: of rows that are summed up in `between` where they are not
/// read straight.
fn octave_row(
    simd: Simd,
    run: &Run,
    (rows, whole, across): (&Rows<'_>, &Whole, &Across<'_>),
    (between, scratch): (&mut [i16], &mut [u8]),
    to: &mut [u8],
) {
    let (elements, fraction) = (across.form.elements(), run.octave.fraction());
    let (start, end, outputs) = (run.outputs.start, run.outputs.end, to.len() / elements);
    let inner = &mut to[start * elements..end * elements];
    if run.straight(simd, rows, whole, inner) {
        // The few others are near the ends.
        for end in run.ends(between.len()) {
            let rows = Rows { first: rows.first + end.start, ..*rows };
            vertical_whole(simd, &rows, whole, &mut between[end]);
        }
    } else {
        vertical_whole(simd, rows, whole, between);
        run.horizontal(simd, between, scratch, &mut to[start * elements..]);
    }
    few(between, fraction, across, 0..start, to);
    few(between, fraction, across, end..outputs, &mut to[end * elements..]);
}

/// The taps `x` along the width, as those of rows of `view`.
fn across<'a>(
    x: &IntegerTaps<'_>,
    view: &View<'_, u8>,
    is_straight: bool,
    starts: &'a mut [u32],
    weights: &'a mut [i16],
) -> Across<'a> {
    let form = match view.channels() {
        3 if view.is_interleaved() => Form::Rgb,
        4 if view.is_interleaved() => Form::Rgba,
        _ => Form::Plane,
    };
    // Copied rows run as the middle image does.
    let is_mirrored = is_straight && view.is_mirrored();
    let (first, count, width) = (x.reach().start, x.count, view.width() as u32);
    let start = |output: usize| {
        let start = x.start[output] - first;
        let start = if is_mirrored { width - start - count as u32 } else { start };
        start * form.elements() as u32
    };
    let weight = |output: usize, tap: usize| {
        let tap = if is_mirrored { count - 1 - tap } else { tap };
        x.weights[output * count + tap]
    };
    let scale = 1.0 / (1u64 << (BETWEEN + x.bits)) as f32;
    Across::lay(form, x.start.len(), start, count, weight, scale, (starts, weights))
}
