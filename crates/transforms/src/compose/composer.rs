//! From drawn parameters to plans: geometry is composed here, in `f64` and in whole numbers.

use std::fmt;

use bytemuck::Zeroable;
use tallow_core::{Draws, Purpose, RowKey, Stream};

use super::cut::{Atom, Contents};
use super::matrix::Matrix;
use crate::plan::{
    Border, CHANNELS_MAX, Channels, End, H, Head, Interpolation, NoiseKey, Op, OpCode, StagePlan,
    W, canvas,
};
use crate::values::Values;

/// Writes the plan of one sample. Steps speak to it in the order of the chain; it fuses what one
/// pass can do, by the rules of [`Contents`], and otherwise begins the next stage.
///
/// Coordinates are pixel indices of the image as it is at that moment.
pub(crate) struct Composer<'a> {
    key: RowKey,
    channels: usize,
    /// Whether there are a depth, a height and a width.
    axes: [bool; 3],
    values: Values,
    once: bool,
    plans: &'a mut [StagePlan],
    at: usize,
    contents: Contents,
    /// The interpolating map of the stage under way, resampled to middle pixels.
    matrix: Matrix,
    /// A scale and a bias that no operation follows yet: the store can apply them at no cost.
    pending: Option<(Channels, Channels)>,
    /// The step under way.
    stream: Option<Stream>,
    /// Whether values have left the input's range.
    normalized: bool,
    /// Whether a partner lies in its canvas.
    mixed: bool,
    /// The share of the sample itself in what is mixed.
    share: f32,
    /// What was drawn, in words, when that was asked for.
    notes: Option<Vec<String>>,
}

impl<'a> Composer<'a> {
    /// A composer of an image of `size` with `channels`, of `values`, into `plans`.
    pub(crate) fn new(
        key: RowKey,
        size: [i32; 3],
        channels: usize,
        values: Values,
        once: bool,
        plans: &'a mut [StagePlan],
    ) -> Self {
        plans.fill(StagePlan::zeroed());
        plans[0] = StagePlan::moving(size, canvas::ROW);
        Self {
            key,
            channels,
            axes: [true; 3],
            values,
            once,
            plans,
            at: 0,
            contents: Contents::default(),
            matrix: Matrix::IDENTITY,
            pending: None,
            stream: None,
            normalized: false,
            mixed: false,
            share: 1.0,
            notes: None,
        }
    }

    /// The axes of the raw field. The default is all.
    pub(crate) fn with_axes(mut self, axes: [bool; 3]) -> Self {
        self.axes = axes;
        self
    }

    /// Keeps what is drawn in words.
    pub(crate) fn with_notes(mut self) -> Self {
        self.notes = Some(Vec::new());
        self
    }

    pub(crate) fn into_notes(self) -> Vec<String> {
        self.notes.unwrap_or_default()
    }

    /// Says what a step drew, like `hflip` or `hue -0.03`; costs nothing unless notes are kept.
    pub(crate) fn note(&mut self, drawn: fmt::Arguments<'_>) {
        if let Some(notes) = &mut self.notes {
            notes.push(drawn.to_string());
        }
    }

    // ---- what a step asks

    /// Depth, height and width of the image as it is now.
    pub(crate) fn size(&self) -> [i32; 3] {
        self.plans[self.at].size
    }

    pub(crate) fn height(&self) -> i32 {
        self.size()[H]
    }

    pub(crate) fn width(&self) -> i32 {
        self.size()[W]
    }

    /// Whether there are a depth, a height and a width; what is missing has size 1.
    pub(crate) fn axes(&self) -> [bool; 3] {
        self.axes
    }

    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    /// White: the greatest value of a range that begins at 0.
    pub(crate) fn max(&self) -> f32 {
        self.values.width() as f32
    }

    /// White, where there is one.
    pub(crate) fn white(&self) -> Option<f32> {
        self.values.ends().map(|_| self.max())
    }

    /// The value of 1 in an argument, in the image as it is now: 1 once it is normalised.
    pub(crate) fn unit(&self) -> f32 {
        if self.normalized { 1.0 } else { self.values.unit() as f32 }
    }

    /// How far values lie from each other in the image as it is now, for noise instead of pixels: 1
    /// once it is normalised.
    pub(crate) fn spread(&self) -> f32 {
        if self.normalized { 1.0 } else { self.max() }
    }

    /// The stream of the noise of the step under way, for the slot of an operation.
    pub(crate) fn noise_slot(&self) -> u32 {
        self.stream.map_or(0, |stream| stream.with_purpose(Purpose::Noise).word())
    }

    /// Runs `step` with the draws of `stream`.
    pub(crate) fn draw_from(
        &mut self,
        stream: Stream,
        step: impl FnOnce(&mut Draws, &mut Composer<'a>),
    ) {
        let outer = self.stream.replace(stream);
        let mut draws = self.key.draws(stream);
        step(&mut draws, self);
        self.stream = outer;
    }

    // ---- geometry

    /// The part of the image from `start`, of `size`, which must lie inside.
    pub(crate) fn crop(&mut self, start: [i32; 3], size: [i32; 3]) {
        if start == [0; 3] && size == self.size() {
            return;
        }
        self.admit(Atom::Move);
        self.note_cropped(start, size);
        for (k, &start) in start.iter().enumerate() {
            self.moves().crop(k, start);
        }
        self.moved_to(size);
    }

    /// Notes at which sides of the source a crop of the image as it is now takes pixels away. After
    /// an interpolation `after` tells it: no border follows one in its stage.
    fn note_cropped(&mut self, start: [i32; 3], size: [i32; 3]) {
        if self.is_resampled() {
            return;
        }
        let now = self.size();
        let plan = self.plan();
        for k in 0..3 {
            let (axis, sign) = (plan.before.axis[k] as usize, plan.before.sign[k]);
            if start[k] > 0 {
                plan.set_cropped(axis, End::Low.along(sign));
            }
            if start[k] + size[k] < now[k] {
                plan.set_cropped(axis, End::High.along(sign));
            }
        }
    }

    /// Mirrors along `axis`.
    pub(crate) fn flip(&mut self, axis: usize) {
        self.admit(Atom::Move);
        let size = self.size()[axis];
        self.moves().flip(axis, size);
    }

    /// Turns by `quarters` of a full turn in the plane of axes `a` and `b`, from `b` towards `-a`:
    /// counter-clockwise for height and width.
    pub(crate) fn turn(&mut self, a: usize, b: usize, quarters: i32) {
        match quarters.rem_euclid(4) {
            0 => {}
            2 => {
                self.flip(a);
                self.flip(b);
            }
            odd => {
                self.admit(Atom::Turn);
                let mut size = self.size();
                self.moves().transpose(a, b);
                size.swap(a, b);
                self.moved_to(size);
                self.flip(if odd == 1 { a } else { b });
            }
        }
    }

    /// Adds `before` pixels at the beginning of each axis and `after` at its end.
    pub(crate) fn pad(
        &mut self,
        before: [i32; 3],
        after: [i32; 3],
        border: Border,
        fill: Channels,
    ) {
        if before == [0; 3] && after == [0; 3] {
            return;
        }
        self.admit(Atom::Pad { constant: border == Border::Constant });
        self.close_window();
        let plan = self.plan();
        plan.border = border as u32;
        plan.fill = fill;
        let mut size = plan.size;
        for k in 0..3 {
            plan.before.crop(k, -before[k]);
            size[k] += before[k] + after[k];
        }
        self.moved_to(size);
    }

    /// Makes the image as it is now the window that a border surrounds.
    fn close_window(&mut self) {
        let plan = self.plan();
        // Nothing surrounds an empty image: its window stays the empty one of the source.
        if plan.middle.contains(&0) {
            return;
        }
        let (a, b) = (plan.before.at([0; 3]), plan.before.at(plan.middle.map(|len| len - 1)));
        for k in 0..3 {
            plan.window_start[k] = a[k].min(b[k]);
            plan.window_end[k] = a[k].max(b[k]) + 1;
        }
    }

    /// Resizes height and width.
    pub(crate) fn resize(
        &mut self,
        height: i32,
        width: i32,
        interpolation: Interpolation,
        antialias: bool,
    ) {
        let [depth, h, w] = self.size();
        if (h, w) == (height, width) {
            return;
        }
        self.admit(Atom::Resize);
        let scale = [f64::from(w) / f64::from(width), f64::from(h) / f64::from(height)];
        if self.is_resampled() {
            let plan = self.plan();
            if plan.head() == Head::Resize {
                // Resizes alone have nothing to fill: their taps stay inside.
                plan.border = Border::Edge as u32;
            }
            return self.merge(Matrix::resize(scale), [depth, height, width], interpolation);
        }
        let plan = self.plan();
        plan.head = Head::Resize as u32;
        plan.interpolation = interpolation as u32;
        plan.antialias = u32::from(antialias && interpolation != Interpolation::Nearest);
        plan.size = [depth, height, width];
        plan.resampled = plan.size;
        self.matrix = Matrix::resize(scale);
    }

    /// Maps the image by `matrix`, which takes pixels of the result to pixels of the image as it
    /// is now; outside of it lies `fill`.
    pub(crate) fn warp(&mut self, matrix: Matrix, interpolation: Interpolation, fill: Channels) {
        self.admit(Atom::Warp);
        let size = self.size();
        let plan = self.plan();
        (plan.border, plan.fill) = (Border::Constant as u32, fill);
        self.merge(matrix, size, interpolation);
    }

    /// Puts `matrix` in front of the maps of the stage, as one interpolation.
    fn merge(&mut self, matrix: Matrix, size: [i32; 3], interpolation: Interpolation) {
        let merged = match self.is_resampled() {
            true => self.matrix * Matrix::of(&self.plan().after) * matrix,
            false => matrix,
        };
        self.matrix = merged;
        let plan = self.plan();
        let finer =
            plan.interpolation.max(interpolation as u32).min(Interpolation::Bilinear as u32);
        plan.interpolation = finer;
        plan.antialias = 0;
        plan.after = crate::plan::IntegerMap::IDENTITY;
        (plan.size, plan.resampled) = (size, size);
        let head = if merged.is_affine() { Head::Affine } else { Head::Perspective };
        plan.head = head as u32;
        plan.matrix = merged.scaled();
    }

    fn is_resampled(&self) -> bool {
        matches!(self.plans[self.at].head(), Head::Resize | Head::Affine | Head::Perspective)
    }

    /// The integer map that a move changes: after an interpolation the one of its result.
    fn moves(&mut self) -> &mut crate::plan::IntegerMap {
        let resampled = self.is_resampled();
        let plan = self.plan();
        if resampled { &mut plan.after } else { &mut plan.before }
    }

    fn moved_to(&mut self, size: [i32; 3]) {
        let resampled = self.is_resampled();
        let plan = self.plan();
        plan.size = size;
        if !resampled {
            (plan.middle, plan.resampled) = (size, size);
        }
    }

    // ---- neighbours

    /// Convolves with the symmetric kernel whose half is `weights`, its middle first.
    pub(crate) fn blur(&mut self, weights: &[f64]) {
        self.admit(Atom::Neighbours);
        self.set_weights(weights);
        self.plan().head = Head::Blur as u32;
    }

    /// Blends `factor` of the image with 1 - `factor` of its 3x3 mean.
    pub(crate) fn sharpen(&mut self, factor: f32) {
        self.admit(Atom::Neighbours);
        let max = self.max();
        let plan = self.plan();
        plan.head = Head::Sharpen as u32;
        plan.amount = factor;
        // The range that the blend is clamped to.
        plan.fill = [max; CHANNELS_MAX];
    }

    /// Displaces each pixel by at most `amount`, by noise that is convolved with the kernel whose
    /// half is `weights`.
    pub(crate) fn elastic(
        &mut self,
        amount: f32,
        weights: &[f64],
        interpolation: Interpolation,
        fill: Channels,
    ) {
        self.admit(Atom::Neighbours);
        self.set_weights(weights);
        let (noise, slot) = (self.noise_key(), self.noise_slot());
        let plan = self.plan();
        plan.head = Head::Elastic as u32;
        plan.amount = amount;
        plan.interpolation = (interpolation as u32).min(Interpolation::Bilinear as u32);
        plan.fill = fill;
        plan.noise = noise;
        plan.field_stream = slot;
    }

    fn set_weights(&mut self, weights: &[f64]) {
        let plan = self.plan();
        plan.weights_len = weights.len() as u32;
        for (to, &from) in plan.weights.iter_mut().zip(weights) {
            *to = from as f32;
        }
    }

    // ---- pixels

    /// An operation that looks at the value of the pixel alone, or at a statistic of the image.
    pub(crate) fn point(&mut self, code: OpCode, args: &[f32]) {
        let pinned = code.needs_statistic();
        self.op(pinned, Op::new(code, 0, args));
    }

    /// An operation that depends on the place of the pixel.
    pub(crate) fn pinned(&mut self, code: OpCode, slot: u32, args: &[f32]) {
        self.op(true, Op::new(code, slot, args));
    }

    fn op(&mut self, pinned: bool, op: Op) {
        self.flush();
        self.push(pinned, op);
    }

    fn push(&mut self, pinned: bool, op: Op) {
        self.admit(if pinned { Atom::Pinned(1) } else { Atom::Point(1) });
        let noise = self.noise_key();
        let plan = self.plan();
        plan.noise = noise;
        plan.ops[plan.ops_len as usize] = op;
        plan.ops_len += 1;
    }

    /// x `scale` + `bias` for each channel. The last one costs nothing, since the store does it.
    pub(crate) fn affine(&mut self, scale: Channels, bias: Channels) {
        self.flush();
        // Admitted when it enters the program; room for it is kept in any case.
        self.admit(Atom::Point(1));
        self.contents.ops -= 1;
        self.pending = Some((scale, bias));
    }

    fn flush(&mut self) {
        let Some((scale, bias)) = self.pending.take() else { return };
        self.push(false, Op::affine(0, scale, bias));
    }

    /// x scale + bias, after which values are normalised: no range is taken out of them again. `of`
    /// says both of each of `channels` channels, of which one is all of them.
    pub(crate) fn normalize(&mut self, channels: usize, of: impl Fn(usize) -> (f32, f32)) {
        for group in 0..channels.div_ceil(CHANNELS_MAX) {
            let first = group * CHANNELS_MAX;
            // Channels beyond the last can have any numbers.
            let pair = |c: usize| of(if first + c < channels { first + c } else { first });
            let scale = std::array::from_fn(|c| pair(c).0);
            let bias = std::array::from_fn(|c| pair(c).1);
            match channels > CHANNELS_MAX {
                true => self.op(false, Op::affine(slot_of_group(group), scale, bias)),
                false => self.affine(scale, bias),
            }
        }
        self.normalized = true;
    }

    /// Levels of which `bits` bits tell: those of the whole numbers that the range holds, where it ends
    /// below a power of two, else parts of the range.
    pub(crate) fn posterize(&mut self, bits: usize) {
        let max = self.values.width();
        let count = max + 1.0;
        // 255 is the greatest of 2^8 levels and 65535 of 2^16; a maximum of 1 is white, not a count
        // of levels.
        let is_whole = max > 1.0 && count.fract() == 0.0 && (count as u64).is_power_of_two();
        let most = if is_whole { (count as u64).trailing_zeros() as usize } else { 16 };
        let levels = (1u32 << bits.min(most)) as f32;
        let step = (if is_whole { count } else { max }) as f32 / levels;
        self.point(OpCode::Posterize, &[step, levels - 1.0]);
    }

    /// Makes every level as frequent as any other.
    pub(crate) fn equalize(&mut self) {
        // Bytes are levels already, of which a step of 0 changes none.
        let are_levels = self.values.has_levels() && self.max() == 255.0;
        self.point(OpCode::Equalize, &[self.max(), f32::from(u8::from(are_levels))]);
    }

    /// (x - mean) / sqrt(variance + `eps`) of this image, over the whole image or per channel.
    pub(crate) fn standardize(&mut self, eps: f32, per_channel: bool) {
        self.op(true, Op::new(OpCode::Standardize, u32::from(per_channel), &[eps]));
        self.normalized = true;
    }

    // ---- branches

    pub(crate) fn set_mixed(&mut self, mixed: bool) {
        self.mixed = mixed;
    }

    /// Whether there is a partner to mix with.
    pub(crate) fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// The share of the sample itself in the mixture.
    pub(crate) fn set_share(&mut self, share: f32) {
        self.share = share;
    }

    pub(crate) fn share(&self) -> f32 {
        self.share
    }

    /// Ends the stage under way in `canvas`, from which the next one reads.
    pub(crate) fn keep_in(&mut self, canvas: u32) {
        self.flush();
        self.plan().to = canvas;
        self.next(canvas);
    }

    /// The next stage reads `canvas`; the one under way must have been ended.
    pub(crate) fn read_from(&mut self, canvas: u32) {
        self.plan().from = canvas;
    }

    // ---- the end

    /// Ends the plan; the last stage delivers, values that were not normalised times `scale` plus
    /// `bias`.
    pub(crate) fn finish(mut self, [scale, bias]: [f32; 2]) {
        if !self.normalized {
            self.flush();
        }
        let [scale, bias] = if self.normalized { [1.0, 0.0] } else { [scale, bias] };
        let (scale, bias) =
            self.pending.take().unwrap_or(([scale; CHANNELS_MAX], [bias; CHANNELS_MAX]));
        let plan = self.plan();
        plan.to = canvas::ROW;
        (plan.scale, plan.bias) = (scale, bias);
    }

    /// Ends the plan in `canvas`.
    pub(crate) fn finish_in(mut self, canvas: u32) {
        self.flush();
        self.plan().to = canvas;
    }

    // ---- stages

    fn plan(&mut self) -> &mut StagePlan {
        &mut self.plans[self.at]
    }

    /// Makes sure that the stage under way takes `atom`.
    fn admit(&mut self, atom: Atom) {
        if !matches!(atom, Atom::Point(_) | Atom::Pinned(_)) {
            self.flush();
        }
        if self.contents.admits(atom, self.once).is_err() {
            self.flush();
            let to = if self.plan().from == canvas::FIRST { canvas::SECOND } else { canvas::FIRST };
            self.plan().to = to;
            self.next(to);
        }
        self.contents.add(atom);
    }

    fn next(&mut self, from: u32) {
        let size = self.size();
        self.at += 1;
        assert!(self.at < self.plans.len(), "a chain of more stages than its sketch");
        self.plans[self.at] = StagePlan::moving(size, from);
        self.contents = Contents::default();
        self.matrix = Matrix::IDENTITY;
    }

    fn noise_key(&self) -> NoiseKey {
        let index = self.key.index;
        NoiseKey { key: self.key.key.words(), index: [index as u32, (index >> 32) as u32] }
    }
}

/// The slot of an operation on channels 4 `group` to 4 `group` + 3 alone.
pub(crate) fn slot_of_group(group: usize) -> u32 {
    1 + group as u32
}

impl Op {
    fn new(code: OpCode, slot: u32, args: &[f32]) -> Self {
        let mut op = Self { code: code as u32, slot, args: [0.0; 8] };
        op.args[..args.len()].copy_from_slice(args);
        op
    }

    /// x `scale` + `bias` of the channels that `slot` says.
    fn affine(slot: u32, scale: Channels, bias: Channels) -> Self {
        let mut op = Self::new(OpCode::Affine, slot, &scale);
        op.args[CHANNELS_MAX..].copy_from_slice(&bias);
        op
    }
}
