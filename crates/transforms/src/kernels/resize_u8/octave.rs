//! Resizes along both axes to exactly half or double, in numbers of 16 bits.
//!
//! A triangle then has the weights (1, 3, 3, 1) / 8, or (3, 1) / 4 and (1, 3) / 4. Sums of bytes times
//! the whole ones stay below 2^14 after both passes, and only the last value is rounded: what comes out
//! are the bits of the general way, whose sums are the same numbers with more zeros behind them.
//! An octave is what a factor of two is called where images form a pyramid.

use std::ops::Range;

use super::whole::Whole;
use super::{Across, Rows, Simd};

/// The factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Octave {
    /// Half as many outputs as pixels.
    Down,
    /// Twice as many.
    Up,
}

impl Octave {
    /// Fractional bits of the weights.
    pub(crate) fn fraction(self) -> u32 {
        match self {
            Self::Down => 3,
            Self::Up => 2,
        }
    }
}

/// Outputs along the width, one behind the other, whose taps are those of an octave.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) octave: Octave,
    /// A whole number of pairs where the width is doubled.
    pub(crate) outputs: Range<usize>,
    /// The first element of the first of them.
    first: usize,
    /// Elements of a pixel.
    apart: usize,
}

/// Fewer outputs are not worth the setup.
const LEAST: usize = 16;

impl Run {
    /// The outputs of `taps`, whose weights have `bits` fractional bits, that are an octave: all but
    /// those whose taps meet the border. There are `outputs` in all.
    pub(crate) fn of(taps: &Across<'_>, bits: u32, outputs: usize) -> Option<Self> {
        let (octave, step, pixels) = match taps.count {
            4 => (Octave::Down, 1, 2),
            2 => (Octave::Up, 2, 1),
            _ => return None,
        };
        let apart = taps.form.elements();
        let is_one = |at: usize| match octave {
            Octave::Down => is_shares(taps, bits, at, [1, 3, 3, 1]),
            Octave::Up => {
                at + 1 < outputs
                    && is_shares(taps, bits, at, [3, 1])
                    && is_shares(taps, bits, at + 1, [1, 3])
                    && taps.starts[at] == taps.starts[at + 1]
            }
        };
        // What is no octave in the middle is none at all.
        if !is_one(outputs / 2) && !is_one(outputs.saturating_sub(2) / 2) {
            return None;
        }
        let start = (0..outputs).find(|at| is_one(*at))?;
        let mut end = start + step;
        let pixels = (pixels * apart) as u32;
        while end < outputs && is_one(end) && taps.starts[end] == taps.starts[end - step] + pixels {
            end += step;
        }
        let first = taps.starts[start] as usize;
        (end - start >= LEAST).then_some(Self { octave, outputs: start..end, first, apart })
    }

    /// Makes the outputs of the run as bytes, rounded half to even, the first of them at the beginning
    /// of `to`; what lies behind them in `to` may change. `row` has sums along the height with
    /// [`Octave::fraction`] fractional bits. `memory` is room for as many bytes as the row or the
    /// outputs have elements, whichever are more.
    pub(crate) fn horizontal(&self, simd: Simd, row: &[i16], memory: &mut [u8], to: &mut [u8]) {
        let (row, apart) = (&row[self.first..], self.apart);
        match self.octave {
            Octave::Down => {
                let all = &mut memory[..(2 * self.outputs.len() - 1) * apart];
                simd.run(
                    #[inline(always)]
                    || halved(row, apart, all),
                );
                self.keep_alternate(simd, all, to);
            }
            Octave::Up => {
                let len = self.outputs.len() / 2 * apart;
                let (near, far) = memory.split_at_mut(len);
                let far = &mut far[..len];
                simd.run(
                    #[inline(always)]
                    || doubled(row, apart, near, far),
                );
                self.alternate(simd, [near, far], to);
            }
        }
    }

    /// The elements of a row of `len` that outputs before and behind the run are made of: at least whole
    /// vectors, which are faster than a few numbers.
    pub(crate) fn ends(&self, len: usize) -> [Range<usize>; 2] {
        const LEAST: usize = 32;
        let last = self.first + (self.outputs.len() - 1) * 2 * self.apart;
        let end = (self.first + 4 * self.apart).max(LEAST).min(len);
        [0..end, last.min(len.saturating_sub(LEAST))..len]
    }

    /// Makes the outputs of the run straight from rows of bytes, whose weights are `whole`, into `to`,
    /// which is as long. Returns whether it could: they are half as many, and the processor shuffles 64
    /// bytes at once.
    pub(crate) fn straight(
        &self,
        simd: Simd,
        rows: &Rows<'_>,
        whole: &Whole,
        to: &mut [u8],
    ) -> bool {
        #[cfg(target_arch = "x86_64")]
        if let Some(vbmi) = simd.vbmi()
            && self.octave == Octave::Down
            && whole.weights() == [1, 3, 3, 1]
        {
            let rows = [0, 1, 2, 3].map(|row| &rows.bytes[rows.place(row) + self.first..]);
            return super::vbmi::halved(vbmi, rows, self.apart, to);
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = (simd, rows, whole, to);
        false
    }

    /// The first pixel of `all`, the third, and so on.
    fn keep_alternate(&self, simd: Simd, all: &[u8], to: &mut [u8]) {
        let (apart, mut done) = (self.apart, 0);
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = simd.v3() {
            done = super::v3::octave::keep_alternate(v3, apart, all, to);
        }
        let pixels = all[2 * done * apart..].chunks(apart).step_by(2);
        let to = to[done * apart..].chunks_exact_mut(apart);
        pixels.zip(to).for_each(|(pixel, to)| to.copy_from_slice(pixel));
    }

    /// The pixels of two rows by turns.
    fn alternate(&self, simd: Simd, rows: [&[u8]; 2], to: &mut [u8]) {
        let (apart, mut done) = (self.apart, 0);
        #[cfg(target_arch = "x86_64")]
        if let Some(v3) = simd.v3() {
            done = super::v3::octave::alternate(v3, apart, rows, to);
        }
        let [near, far] = rows.map(|row| row[done * apart..].chunks(apart));
        let to = to[2 * done * apart..].chunks_exact_mut(2 * apart);
        for ((near, far), to) in near.zip(far).zip(to) {
            to[..apart].copy_from_slice(near);
            to[apart..].copy_from_slice(far);
        }
    }
}

/// Whether output `at` has these weights, as shares of their sum.
fn is_shares<const N: usize>(taps: &Across<'_>, bits: u32, at: usize, shares: [i16; N]) -> bool {
    let unit = (1 << bits) / i32::from(shares.iter().sum::<i16>());
    let mut weights = shares.iter().enumerate();
    weights.all(|(tap, share)| i32::from(taps.weight(at, tap)) == i32::from(*share) * unit)
}

/// `sum` of so many fractional bits as a byte, half to even. It is not negative.
#[inline(always)]
fn rounded<const BITS: u32>(sum: i16) -> u8 {
    let sum = sum as u16;
    ((sum + ((1 << (BITS - 1)) - 1) + (sum >> BITS & 1)) >> BITS) as u8
}

/// Of every pixel and the three behind it, though only every other is wanted: the sums of the others
/// cost less than to move apart what has 16 bits.
#[inline(always)]
fn halved(row: &[i16], apart: usize, to: &mut [u8]) {
    let len = to.len();
    let [a, b, c, d] = [0, 1, 2, 3].map(|pixel| &row[pixel * apart..][..len]);
    for (i, to) in to.iter_mut().enumerate() {
        *to = rounded::<6>(a[i] + d[i] + 3 * (b[i] + c[i]));
    }
}

/// Nearer to each pixel, and nearer to the one behind it.
#[inline(always)]
fn doubled(row: &[i16], apart: usize, near: &mut [u8], far: &mut [u8]) {
    let len = near.len();
    let (a, b, far) = (&row[..len], &row[apart..][..len], &mut far[..len]);
    for (i, (near, far)) in near.iter_mut().zip(far).enumerate() {
        *near = rounded::<4>(3 * a[i] + b[i]);
        *far = rounded::<4>(a[i] + 3 * b[i]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Form, To, horizontal};
    use super::*;

    /// As an image of `len` pixels has them at half or at double the width, in front of and behind
    /// outputs at its border.
    fn weights(octave: Octave, len: usize, output: usize) -> (usize, [i16; 4]) {
        let last = len - 1;
        match octave {
            Octave::Down if output == 0 => (0, [14043, 14043, 4682, 0]),
            Octave::Down if output == len / 2 - 1 => (len - 4, [0, 4682, 14043, 14043]),
            Octave::Down => (2 * output - 1, [4096, 12288, 12288, 4096]),
            Octave::Up if output == 0 => (0, [16384, 0, 0, 0]),
            Octave::Up if output == 2 * last + 1 => (last - 1, [0, 16384, 0, 0]),
            Octave::Up if output % 2 == 1 => (output / 2, [12288, 4096, 0, 0]),
            Octave::Up => (output / 2 - 1, [4096, 12288, 0, 0]),
        }
    }

    fn check(octave: Octave, form: Form, len: usize, skipped: usize) {
        let (outputs, count, bits) = match octave {
            Octave::Down => (len / 2 - skipped, 4, 15),
            Octave::Up => (2 * len - skipped, 2, 14),
        };
        let apart = form.elements();
        let (mut starts, mut all) = (vec![0; outputs + 8], vec![0; (outputs + 8) * 64]);
        let taps = Across::lay(
            form,
            outputs,
            |output| (weights(octave, len, output + skipped).0 * apart) as u32,
            count,
            |output, tap| weights(octave, len, output + skipped).1[tap],
            1.0 / (1u32 << (6 + bits)) as f32,
            (&mut starts, &mut all),
        );
        let run = Run::of(&taps, bits, outputs).expect("an octave");
        assert!(run.outputs.start <= 2 && outputs - run.outputs.end <= 2, "{:?}", run.outputs);
        // All sums that there are, the largest often.
        let top = 255 << octave.fraction();
        let sum = |i: usize| ((i * 7919 + i / 50 * 31) as i16 & 0x7fff) % (top + top / 4);
        let sums: Vec<i16> = (0..len * apart + 300).map(|i| sum(i).min(top)).collect();
        let general: Vec<i16> = sums.iter().map(|x| x << (6 - octave.fraction())).collect();
        let mut expected = vec![0; (outputs + 8) * apart];
        horizontal(Simd::detect(), &general, &taps, To::Bytes(&mut expected));
        let range = run.outputs.start * apart..run.outputs.end * apart;
        for simd in Simd::levels() {
            for room in [0, 64] {
                let mut memory = vec![7; len.max(outputs) * apart];
                let mut to = vec![9; range.len() + room];
                run.horizontal(simd, &sums, &mut memory, &mut to);
                assert_eq!(to[..range.len()], expected[range.clone()], "{octave:?} {form:?} {len}");
            }
        }
    }

    #[test]
    fn octaves_are_what_the_general_way_makes() {
        for form in [Form::Plane, Form::Rgb, Form::Rgba] {
            for len in [44, 62, 90, 130, 512] {
                for skipped in [0, 1, 2] {
                    check(Octave::Down, form, len, skipped);
                    check(Octave::Up, form, len, skipped);
                }
            }
        }
    }

    /// Of images whose rows end where the last of them does.
    #[test]
    fn rows_are_halved_straight_from_bytes_as_in_two_passes() {
        let whole = Whole::of(&[4096, 12288, 12288, 4096], 15, 3).expect("whole weights");
        for (apart, pixels) in [(1, 34), (1, 66), (1, 300), (3, 36), (3, 500), (4, 36), (4, 100)] {
            let step = pixels * apart;
            let level = |i: usize| if i % 7 < 3 { 255 } else { (i * 167 + i / 256 * 13) as u8 };
            let bytes: Vec<u8> = (0..4 * step).map(level).collect();
            let rows = Rows { bytes: &bytes, first: 0, step: step as isize, wrap: 9, back: 0 };
            let outputs = 0..pixels / 2 - 1;
            let run = Run { octave: Octave::Down, outputs, first: 0, apart };
            let mut sums = vec![0; step];
            let (mut memory, len) = (vec![0; step], run.outputs.len() * apart);
            let mut expected = vec![0; len];
            for simd in Simd::levels() {
                super::super::vertical_whole(simd, &rows, &whole, &mut sums);
                run.horizontal(simd, &sums, &mut memory, &mut expected);
                let mut found = vec![7; len];
                if run.straight(simd, &rows, &whole, &mut found) {
                    assert_eq!(found, expected, "{apart} bytes, {pixels} pixels");
                } else {
                    #[cfg(target_arch = "x86_64")]
                    assert!(len < 32 || simd.vbmi().is_none(), "{apart} bytes, {pixels} pixels");
                }
            }
        }
    }

    #[test]
    fn other_weights_are_no_octave() {
        let (mut starts, mut all) = (vec![0; 48], vec![0; 48 * 64]);
        let mut run = |count: usize, step: u32, weight: fn(usize, usize) -> i16| {
            let memory = (&mut starts[..], &mut all[..]);
            let start = |output: usize| output as u32 * step;
            Run::of(&Across::lay(Form::Plane, 40, start, count, weight, 1.0, memory), 15, 40)
        };
        let down = |_, tap| [4096, 12288, 12288, 4096][tap];
        assert!(run(4, 2, down).is_some_and(|run| run.outputs == (0..40)));
        assert!(run(4, 1, down).is_none());
        assert!(run(4, 2, |_, tap| [4096, 12288, 12287, 4097][tap]).is_none());
        assert!(run(3, 2, |_, tap| [8192, 16384, 8192][tap]).is_none());
        assert!(run(2, 1, |_, tap| [24576, 8192][tap]).is_none());
    }

    #[test]
    fn halves_are_rounded_to_even() {
        let plain = |sum: i16, unit: f64| (f64::from(sum) / unit).round_ties_even() as u8;
        assert!((0..=255 * 64).all(|sum| rounded::<6>(sum) == plain(sum, 64.0)));
        assert!((0..=255 * 16).all(|sum| rounded::<4>(sum) == plain(sum, 16.0)));
    }
}
