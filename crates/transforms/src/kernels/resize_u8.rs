//! A resize of bytes in integers, along the height and then along the width.
//!
//! Weights are numbers of 16 bits and sums are numbers of 32, in which nothing is lost: whatever the
//! order in which terms are added, the sum is the same. Between the passes values are rounded to
//! 16 bits, of which [`BETWEEN`] are a fraction.

use std::ops::Range;

use super::Simd;
use super::math::to_u8;

pub(crate) mod octave;
#[cfg(target_arch = "x86_64")]
mod v3;
#[cfg(target_arch = "x86_64")]
mod vbmi;
mod whole;

pub(crate) use self::whole::{Whole, vertical_whole};

/// Fractional bits of the values between the passes. With seven, the overshoot of a cubic filter
/// would not fit.
pub(crate) const BETWEEN: u32 = 6;

/// Outputs of a row that are made together.
pub(crate) const OUTPUTS: usize = 8;

/// Elements that a step along the width reads.
const READ: usize = 8;

/// Elements of a row in which the outputs of a block lie where taps are narrow: they begin within 256
/// elements, and three steps follow.
const SPAN: usize = 256 + 3 * READ;

/// Elements behind the last pixel of a row that may be read; their weights are 0.
pub(crate) const SLACK: usize = SPAN;

/// Weights of one vector: those of two outputs.
const VECTOR: usize = 16;

/// Vectors of the weights of [`OUTPUTS`] outputs.
const VECTORS: usize = OUTPUTS / 2;

/// Rows of bytes, equally far apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) bytes: &'a [u8],
    /// The place of the first row.
    pub(crate) first: usize,
    /// From one row to the next.
    pub(crate) step: isize,
    /// The number of the row that lies `back` bytes before its place: behind the end of a ring.
    pub(crate) wrap: usize,
    pub(crate) back: usize,
}

impl Rows<'_> {
    /// The place of row `number`.
    #[inline(always)]
    pub(crate) fn place(&self, number: usize) -> usize {
        let place = self.first.wrapping_add_signed(number as isize * self.step);
        if number < self.wrap { place } else { place.wrapping_sub(self.back) }
    }

    /// `N` bytes of row `number` from column `at` on.
    #[inline(always)]
    fn block<const N: usize>(&self, number: usize, at: usize) -> &[u8; N] {
        let from = &self.bytes[self.place(number) + at..][..N];
        from.first_chunk().expect("as many as were asked for")
    }
}

/// `to = (w0 * row0 + w1 * row1 + ..) / 2^(bits - BETWEEN)`, rounded half up and saturated. Rows are
/// as long as `to`.
pub(crate) fn vertical(simd: Simd, rows: &Rows<'_>, weights: &[i16], bits: u32, to: &mut [i16]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3()
        && to.len() >= v3::COLUMNS
    {
        return v3::vertical(v3, rows, weights, bits, to);
    }
    simd.run(
        #[inline(always)]
        || vertical_plain(rows, weights, bits, to),
    );
}

/// What is added before the shift of a sum, and the shift.
#[inline(always)]
pub(super) fn rounding(bits: u32) -> (i32, u32) {
    let shift = bits - BETWEEN;
    (1 << (shift - 1), shift)
}

#[inline(always)]
fn vertical_plain(rows: &Rows<'_>, weights: &[i16], bits: u32, to: &mut [i16]) {
    let (blocks, rest) = to.as_chunks_mut::<16>();
    let tail = 16 * blocks.len();
    for (block, to) in blocks.iter_mut().enumerate() {
        *to = sums_of(rows, weights, bits, 16 * block);
    }
    for (i, to) in rest.iter_mut().enumerate() {
        [*to] = sums_of(rows, weights, bits, tail + i);
    }
}

/// `N` columns from `at` on.
#[inline(always)]
fn sums_of<const N: usize>(rows: &Rows<'_>, weights: &[i16], bits: u32, at: usize) -> [i16; N] {
    let (half, shift) = rounding(bits);
    let mut sums = [half; N];
    for (number, &weight) in weights.iter().enumerate() {
        for (sum, &x) in sums.iter_mut().zip(rows.block::<N>(number, at)) {
            *sum += i32::from(weight) * i32::from(x);
        }
    }
    sums.map(|sum| (sum >> shift).clamp(i16::MIN.into(), i16::MAX.into()) as i16)
}

/// What lies side by side in the rows that are resampled along the width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One channel.
    Plane,
    /// Pixels of three channels.
    Rgb,
    /// Pixels of four channels.
    Rgba,
}

impl Form {
    /// Elements of a pixel.
    pub(crate) fn elements(self) -> usize {
        match self {
            Self::Plane => 1,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }

    /// Neighbouring taps of an output in one vector of weights. Of pixels, each pair of weights is
    /// there for each channel.
    fn taps(self) -> usize {
        if self == Self::Plane { 8 } else { 2 }
    }
}

/// Taps along the width, their weights as vectors take them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Across<'a> {
    pub(crate) form: Form,
    /// The first element of each output; a multiple of [`OUTPUTS`].
    pub(crate) starts: &'a [u32],
    /// For all [`OUTPUTS`] and all [`Form::taps`] in turn, [`VECTORS`] vectors: the weights of
    /// output k and behind them those of output k + 4.
    pub(crate) weights: &'a [i16],
    /// Taps of each output.
    pub(crate) count: usize,
    /// What sums are multiplied by.
    pub(crate) scale: f32,
    /// Whether the outputs of each block begin within 256 elements from the first or the last of them.
    pub(crate) is_narrow: bool,
}

impl<'a> Across<'a> {
    /// `outputs` outputs, each with its first element and `count` weights, laid out in `memory`.
    pub(crate) fn lay(
        form: Form,
        outputs: usize,
        start: impl Fn(usize) -> u32,
        count: usize,
        weight: impl Fn(usize, usize) -> i16,
        scale: f32,
        (starts, weights): (&'a mut [u32], &'a mut [i16]),
    ) -> Self {
        let steps = count.div_ceil(form.taps());
        // The outputs that make the last block a whole one are 0.
        let blocks = outputs.div_ceil(OUTPUTS);
        let starts = &mut starts[..blocks * OUTPUTS];
        let weights = &mut weights[..blocks * steps * VECTORS * VECTOR];
        weights.fill(0);
        for (output, to) in starts.iter_mut().enumerate() {
            *to = start(output.min(outputs - 1));
        }
        let is_narrow = starts.as_chunks::<OUTPUTS>().0.iter().all(|starts| {
            let first = starts[0].min(starts[OUTPUTS - 1]);
            starts.iter().all(|start| start.wrapping_sub(first) < 256)
        });
        for output in 0..outputs {
            for tap in 0..count {
                let to = &mut weights[place(form, steps, output, tap)..];
                let weight = weight(output, tap);
                match form {
                    Form::Plane => to[0] = weight,
                    Form::Rgb | Form::Rgba => (0..4).for_each(|c| to[2 * c] = weight),
                }
            }
        }
        Self { form, starts, weights, count, scale, is_narrow }
    }

    /// How often [`Form::taps`] are taken.
    fn steps(&self) -> usize {
        self.count.div_ceil(self.form.taps())
    }

    /// The weight of a tap of an output.
    #[inline(always)]
    fn weight(&self, output: usize, tap: usize) -> i16 {
        self.weights[place(self.form, self.steps(), output, tap)]
    }

    /// `put(c, value)` of each channel of an output, of a row that has `short` fractional bits fewer than
    /// [`BETWEEN`].
    #[inline(always)]
    fn each(&self, row: &[i16], short: u32, output: usize, mut put: impl FnMut(usize, f32)) {
        let (elements, mut sums) = (self.form.elements(), [0; 4]);
        let row = &row[self.starts[output] as usize..];
        for tap in 0..self.count {
            let weight = i32::from(self.weight(output, tap));
            for (sum, x) in sums.iter_mut().zip(&row[tap * elements..][..elements]) {
                *sum += weight * i32::from(*x);
            }
        }
        for (c, sum) in sums[..elements].iter().enumerate() {
            put(c, (sum << short) as f32 * self.scale);
        }
    }
}

/// Where the weight of a tap of an output lies among the weights of all.
#[inline(always)]
fn place(form: Form, steps: usize, output: usize, tap: usize) -> usize {
    let (block, k) = (output / OUTPUTS, output % OUTPUTS);
    // No division by a number that the compiler does not know.
    let (step, tap) = if form == Form::Plane { (tap / 8, tap % 8) } else { (tap / 2, tap % 2) };
    let vector = (block * steps + step) * VECTORS + k % VECTORS;
    vector * VECTOR + k / VECTORS * (VECTOR / 2) + tap
}

/// Where outputs go: [`OUTPUTS`] at a time.
#[derive(Debug)]
pub(crate) enum To<'a> {
    /// Channel c of output i to `planes[c * stride + i]`.
    Planes {
        /// The planes.
        planes: &'a mut [f32],
        /// From one plane to the next.
        stride: usize,
    },
    /// One pixel beside the other, rounded half to even and saturated.
    Bytes(&'a mut [u8]),
}

/// `scale * (w0 * pixel0 + w1 * pixel1 + ..)` of all outputs and channels. `row` has [`SLACK`] more
/// elements than pixels.
pub(crate) fn horizontal(simd: Simd, row: &[i16], taps: &Across<'_>, to: To<'_>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::horizontal(v3, row, taps, to);
    }
    simd.run(
        #[inline(always)]
        || horizontal_plain(row, taps, to),
    );
}

#[inline(always)]
fn horizontal_plain(row: &[i16], taps: &Across<'_>, mut to: To<'_>) {
    let elements = taps.form.elements();
    for output in 0..taps.starts.len() {
        taps.each(row, 0, output, |c, value| match &mut to {
            To::Planes { planes, stride } => planes[c * *stride + output] = value,
            To::Bytes(bytes) => bytes[output * elements + c] = to_u8(value),
        });
    }
}

/// `outputs` as bytes, a few that are made one by one: `row` has `fraction` fractional bits.
pub(crate) fn few(
    row: &[i16],
    fraction: u32,
    taps: &Across<'_>,
    outputs: Range<usize>,
    to: &mut [u8],
) {
    let pixels = to.chunks_exact_mut(taps.form.elements());
    for (output, pixel) in outputs.zip(pixels) {
        taps.each(row, BETWEEN - fraction, output, |c, value| pixel[c] = to_u8(value));
    }
}

/// `planes[c * stride + i] = pixels[i * channels + c]`.
pub(crate) fn split(pixels: &[i16], channels: usize, planes: &mut [i16], stride: usize) {
    for (i, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (c, x) in pixel.iter().enumerate() {
            planes[c * stride + i] = *x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, seed: u32) -> Vec<u32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        (0..n).map(|_| next()).collect()
    }

    /// Weights of both signs, as large as those of a filter.
    fn weights(n: usize) -> Vec<i16> {
        random(n, 9).into_iter().map(|x| (x as i32 % 9000 - 2500) as i16).collect()
    }

    #[test]
    fn rows_are_summed_alike_at_every_level() {
        for n in [0, 1, 15, 16, 17, 63, 64, 65, 200, 1500] {
            for (count, bits) in [(1, 14), (2, 14), (3, 15), (4, 16), (9, 16)] {
                let bytes: Vec<u8> = random(7 * (n + 3), 4).into_iter().map(|x| x as u8).collect();
                // The last rows of a ring of seven, and then the first.
                let (step, back) = (n + 3, 7 * (n + 3));
                let ring =
                    Rows { bytes: &bytes, first: 5 * step, step: step as isize, wrap: 2, back };
                let up = Rows { first: 6 * step, step: -(step as isize), wrap: 9, ..ring };
                let weights = weights(count.min(7));
                for (rows, of) in [(ring, [5, 6, 0, 1, 2, 3, 4]), (up, [6, 5, 4, 3, 2, 1, 0])] {
                    let sum = |i: usize| {
                        let terms = weights.iter().zip(of);
                        let sum: i32 = terms
                            .map(|(w, r)| i32::from(*w) * i32::from(bytes[r * step + i]))
                            .sum();
                        let (half, shift) = rounding(bits);
                        ((sum + half) >> shift).clamp(-32768, 32767) as i16
                    };
                    let expected: Vec<i16> = (0..n).map(sum).collect();
                    for simd in Simd::levels() {
                        let mut found = vec![1; n];
                        vertical(simd, &rows, &weights, bits, &mut found);
                        assert_eq!(found, expected, "{n} columns, {count} rows, {simd:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn pixels_and_planes_are_summed_alike_at_every_level() {
        for form in [Form::Plane, Form::Rgb, Form::Rgba] {
            for (width, outputs) in [(40, 1), (40, 8), (41, 23), (9, 64), (300, 224)] {
                for count in [1, 2, 3, 5, 8, 9] {
                    let elements = form.elements();
                    let row: Vec<i16> = random(width * elements + SLACK, 3)
                        .into_iter()
                        .map(|x| (x % 20_000) as i16 - 2000)
                        .collect();
                    let all = weights(outputs * count);
                    // Some are bytes, some too small, some too large, some halves.
                    let scale = 1.0 / (1 << 18) as f32;
                    let start = |i: usize| i * (width - count + 1) / outputs;
                    let mut memory =
                        (vec![7; outputs + 8], vec![7; (outputs + 8) * (count + 1) * 8]);
                    let taps = Across::lay(
                        form,
                        outputs,
                        |i| (start(i) * elements) as u32,
                        count,
                        |i, tap| all[i * count + tap],
                        scale,
                        (&mut memory.0, &mut memory.1),
                    );
                    let stride = outputs.next_multiple_of(OUTPUTS);
                    for simd in Simd::levels() {
                        let mut found = vec![0.0; elements * stride];
                        horizontal(simd, &row, &taps, To::Planes { planes: &mut found, stride });
                        let mut bytes = vec![0; elements * stride];
                        horizontal(simd, &row, &taps, To::Bytes(&mut bytes));
                        for (c, i) in (0..elements).flat_map(|c| (0..outputs).map(move |i| (c, i)))
                        {
                            let term = |tap: usize| {
                                let x = row[(start(i) + tap) * elements + c];
                                i32::from(all[i * count + tap]) * i32::from(x)
                            };
                            let value = scale * (0..count).map(term).sum::<i32>() as f32;
                            assert_eq!(found[c * stride + i], value, "{form:?} {simd:?}");
                            assert_eq!(bytes[i * elements + c], to_u8(value), "{form:?} {simd:?}");
                        }
                    }
                }
            }
        }
    }
}
