//! Separable resampling: every output is a short weighted sum of neighbouring inputs.
//!
//! Products are added in the order of the taps, one after the other, so that the sum does not
//! depend on the SIMD level, on the form (planes or whole pixels) or on the device.

use super::Simd;

/// Where each output of a row reads and with which weights.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taps<'a> {
    /// The first input of each output.
    pub(crate) start: &'a [u32],
    /// `count` weights per output, padded with 0: `weights[i * count + t]` belongs to
    /// `start[i] + t`. Inputs past the end of the row count as its last one, weight 0 or not; a
    /// window that ends within the row is faster.
    pub(crate) weights: &'a [f32],
    /// Taps per output.
    pub(crate) count: usize,
}

/// `dst[i] = w0 * src[s] + w1 * src[s + 1] + ..`, added in that order. `src` is not empty.
///
/// Reading is scalar (there is no gather in safe code): three planes cost more than one call of
/// [`horizontal4`], which is to be preferred where pixels have 3 or 4 channels.
pub(crate) fn horizontal(simd: Simd, src: &[f32], taps: &Taps<'_>, dst: &mut [f32]) {
    match taps.count {
        2 => planar::<2>(simd, src, taps, dst),
        4 => planar::<4>(simd, src, taps, dst),
        _ => planar_any(simd, src, taps, dst),
    }
}

/// `N` taps, known to the compiler.
fn planar<const N: usize>(simd: Simd, src: &[f32], taps: &Taps<'_>, dst: &mut [f32]) {
    let weights = taps.weights.as_chunks::<N>().0;
    simd.run(
        #[inline(always)]
        move || {
            for ((dst, weights), start) in dst.iter_mut().zip(weights).zip(taps.start) {
                *dst = narrow(src, weights, *start as usize);
            }
        },
    );
}

/// Any number of taps.
fn planar_any(simd: Simd, src: &[f32], taps: &Taps<'_>, dst: &mut [f32]) {
    let weights = taps.weights.chunks_exact(taps.count);
    simd.run(
        #[inline(always)]
        move || {
            for ((dst, weights), start) in dst.iter_mut().zip(weights).zip(taps.start) {
                *dst = narrow(src, weights, *start as usize);
            }
        },
    );
}

/// One output of one channel.
#[inline(always)]
fn narrow(src: &[f32], weights: &[f32], start: usize) -> f32 {
    let Some(inputs) = src.get(start..start + weights.len()) else {
        let at = |t: usize| src[(start + t).min(src.len() - 1)];
        let first = weights[0] * at(0);
        return (1..weights.len()).fold(first, |sum, t| sum + weights[t] * at(t));
    };
    let mut sum = weights[0] * inputs[0];
    for (w, x) in weights[1..].iter().zip(&inputs[1..]) {
        sum += w * x;
    }
    sum
}

/// A pixel of up to 4 channels, one vector of 128 bits.
pub(crate) type Wide = [f32; 4];

/// `w * x`, each channel.
#[inline(always)]
pub(crate) fn times(w: f32, x: Wide) -> Wide {
    [w * x[0], w * x[1], w * x[2], w * x[3]]
}

/// `a + b`, each channel.
#[inline(always)]
pub(crate) fn plus(a: Wide, b: Wide) -> Wide {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
}

/// [`horizontal`] of up to 4 channels at once, from whole pixels to planes: `dst[c * stride + i]` for
/// `channels` channels and `taps.start.len()` outputs, at most `stride`.
pub(crate) fn horizontal4(
    simd: Simd,
    src: &[[f32; 4]],
    taps: &Taps<'_>,
    channels: usize,
    dst: &mut [f32],
    stride: usize,
) {
    let (starts, weights, count) = (taps.start, taps.weights, taps.count);
    let planes = Planes { dst, stride, channels: channels.min(4) };
    simd.run(
        #[inline(always)]
        move || match count {
            2 => {
                let weights = weights.as_chunks::<2>().0;
                transpose(
                    starts,
                    planes,
                    #[inline(always)]
                    |i, s| sum4(src, &weights[i], s),
                );
            }
            4 => {
                let weights = weights.as_chunks::<4>().0;
                transpose(
                    starts,
                    planes,
                    #[inline(always)]
                    |i, s| sum4(src, &weights[i], s),
                );
            }
            _ => transpose(
                starts,
                planes,
                #[inline(always)]
                |i, start| sum4(src, &weights[i * count..][..count], start),
            ),
        },
    );
}

/// One output of four channels.
#[inline(always)]
fn sum4(src: &[Wide], weights: &[f32], start: usize) -> Wide {
    let Some(inputs) = src.get(start..start + weights.len()) else {
        let at = |t: usize| src[(start + t).min(src.len() - 1)];
        let first = times(weights[0], at(0));
        return (1..weights.len()).fold(first, |sum, t| plus(sum, times(weights[t], at(t))));
    };
    let mut sum = times(weights[0], inputs[0]);
    for (w, x) in weights[1..].iter().zip(&inputs[1..]) {
        sum = plus(sum, times(*w, *x));
    }
    sum
}

/// Where planes go.
struct Planes<'a> {
    dst: &'a mut [f32],
    stride: usize,
    /// At most 4.
    channels: usize,
}

/// `planes[c][i] = output(i, starts[i])[c]`, four outputs at a time: a 4 x 4 block is turned from
/// pixels into planes in registers.
///
/// The number of channels is left to run time on purpose: told of 3, the compiler drops the fourth
/// lane and computes a pixel in two halves.
#[inline(always)]
fn transpose(starts: &[u32], planes: Planes<'_>, output: impl Fn(usize, usize) -> Wide) {
    let Planes { dst, stride, channels } = planes;
    let (blocks, rest) = starts.as_chunks::<4>();
    for (k, &[s0, s1, s2, s3]) in blocks.iter().enumerate() {
        let p0 = output(4 * k, s0 as usize);
        let p1 = output(4 * k + 1, s1 as usize);
        let p2 = output(4 * k + 2, s2 as usize);
        let p3 = output(4 * k + 3, s3 as usize);
        let turned: [Wide; 4] = std::array::from_fn(|c| [p0[c], p1[c], p2[c], p3[c]]);
        for (c, values) in turned[..channels].iter().enumerate() {
            dst[c * stride + 4 * k..][..4].copy_from_slice(values);
        }
    }
    for (j, start) in rest.iter().enumerate() {
        let i = 4 * blocks.len() + j;
        let pixel = output(i, *start as usize);
        (0..channels).for_each(|c| dst[c * stride + i] = pixel[c]);
    }
}

/// `dst = w0 * row0 + w1 * row1 + ..`, added in that order. There is at least one row, and a weight
/// for each; rows are at least as long as `dst`.
pub(crate) fn vertical(simd: Simd, rows: &[&[f32]], weights: &[f32], dst: &mut [f32]) {
    match (rows, weights) {
        ([a], [w]) => scaled(simd, a, *w, dst),
        ([a, b], [v, w]) => blended(simd, a, b, *v, *w, dst),
        _ => summed(simd, rows, weights, dst),
    }
}

/// `dst += w0 * row0 + w1 * row1 + ..`, added in that order: the rest of a sum that [`vertical`]
/// began.
pub(crate) fn vertical_more(simd: Simd, rows: &[&[f32]], weights: &[f32], dst: &mut [f32]) {
    for (row, w) in rows.iter().zip(weights) {
        simd.run(
            #[inline(always)]
            || dst.iter_mut().zip(*row).for_each(|(x, a)| *x += w * a),
        );
    }
}

/// One row.
fn scaled(simd: Simd, a: &[f32], w: f32, dst: &mut [f32]) {
    simd.run(
        #[inline(always)]
        move || dst.iter_mut().zip(a).for_each(|(x, a)| *x = w * a),
    );
}

/// Two rows, the bilinear case.
fn blended(simd: Simd, a: &[f32], b: &[f32], v: f32, w: f32, dst: &mut [f32]) {
    simd.run(
        #[inline(always)]
        move || {
            for ((x, a), b) in dst.iter_mut().zip(a).zip(b) {
                *x = v * a + w * b;
            }
        },
    );
}

/// `dst[i] = w0 * src[i] + w1 * src[i + 1] + ..`, added in that order: one kernel for all outputs,
/// which are therefore made side by side. `src` is `dst.len() + weights.len() - 1` long.
pub(crate) fn convolve(simd: Simd, src: &[f32], weights: &[f32], dst: &mut [f32]) {
    let shifted = |tap: usize| &src[tap..];
    simd.run(
        #[inline(always)]
        move || summed_in_blocks(shifted, weights, dst),
    );
}

/// Any number of rows.
fn summed(simd: Simd, rows: &[&[f32]], weights: &[f32], dst: &mut [f32]) {
    simd.run(
        #[inline(always)]
        move || summed_in_blocks(|tap| rows[tap], weights, dst),
    );
}

/// Columns summed at once: eight vectors of AVX2, which hide the latency of an addition. With four
/// a kernel of 41 taps takes 1.1 times as long, and 1.3 times in AVX-512.
const COLUMNS: usize = 64;

/// Columns of a row that has fewer.
const FEW: usize = 16;

/// The sum of `weights[t] * row(t)`, block of columns by block of columns, so that sums stay in
/// registers.
#[inline(always)]
fn summed_in_blocks<'a>(row: impl Fn(usize) -> &'a [f32] + Copy, weights: &[f32], dst: &mut [f32]) {
    match dst.len() {
        0 => {}
        1..FEW => blocks::<1>(row, weights, dst),
        FEW..COLUMNS => blocks::<FEW>(row, weights, dst),
        _ => blocks::<COLUMNS>(row, weights, dst),
    }
}

/// The sum of `weights[t] * column(t)`, in order; 0 of nothing.
#[inline(always)]
fn weighted_sum<'a, const N: usize>(
    weights: &[f32],
    column: impl Fn(usize) -> &'a [f32; N],
) -> [f32; N] {
    let Some((w, rest)) = weights.split_first() else { return [0.0; N] };
    // One loop with a condition is not turned into vectors.
    let mut sums = column(0).map(|x| w * x);
    for (tap, w) in rest.iter().enumerate() {
        let column = column(tap + 1);
        for j in 0..N {
            sums[j] += w * column[j];
        }
    }
    sums
}

/// In blocks of `N` columns, of which there are at least so many. The last are made twice where
/// they are not as many.
#[inline(always)]
fn blocks<'a, const N: usize>(
    row: impl Fn(usize) -> &'a [f32] + Copy,
    weights: &[f32],
    dst: &mut [f32],
) {
    let last = dst.len() - N;
    let mut at = 0;
    loop {
        let column = |tap: usize| row(tap)[at..].first_chunk::<N>().expect("as long as the output");
        let sums = weighted_sum(weights, column);
        dst[at..][..N].copy_from_slice(&sums);
        if at == last {
            return;
        }
        at = (at + N).min(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.25
        };
        (0..n).map(|_| next()).collect()
    }

    fn taps(inputs: usize, outputs: usize, count: usize) -> Taps<'static> {
        let start: Vec<u32> = (0..outputs).map(|i| (i * inputs / outputs) as u32).collect();
        Taps { start: start.leak(), weights: random(outputs * count, 5).leak(), count }
    }

    fn plain(taps: &Taps<'_>, i: usize, at: impl Fn(usize) -> f32) -> f32 {
        let weights = &taps.weights[i * taps.count..][..taps.count];
        let start = taps.start[i] as usize;
        (1..taps.count).fold(weights[0] * at(start), |sum, t| sum + weights[t] * at(start + t))
    }

    #[test]
    fn both_horizontal_forms_are_the_plain_sum_at_every_level() {
        for (inputs, outputs) in [(177, 224), (224, 97), (1, 5), (3, 1), (9, 0)] {
            for count in [1, 2, 3, 4, 7] {
                let taps = taps(inputs, outputs, count);
                let pixels: Vec<[f32; 4]> = random(4 * inputs, 3).as_chunks::<4>().0.to_vec();
                for simd in Simd::levels() {
                    let stride = outputs + 2;
                    let mut joint = vec![9.0; 3 * stride];
                    horizontal4(simd, &pixels, &taps, 3, &mut joint, stride);
                    for c in 0..3 {
                        let plane: Vec<f32> = pixels.iter().map(|p| p[c]).collect();
                        let mut alone = vec![0.0; outputs];
                        horizontal(simd, &plane, &taps, &mut alone);
                        for i in 0..outputs {
                            let want = plain(&taps, i, |at| plane[at.min(inputs - 1)]);
                            assert_eq!(alone[i].to_bits(), want.to_bits());
                            assert_eq!(joint[c * stride + i].to_bits(), want.to_bits());
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_vertical_pass_is_the_plain_sum_at_every_level() {
        for simd in Simd::levels() {
            for n in [0, 1, 15, 16, 17, 63, 64, 65, 224] {
                for count in 1..6 {
                    let rows: Vec<Vec<f32>> = (0..count).map(|k| random(n, k as u32)).collect();
                    let rows: Vec<&[f32]> = rows.iter().map(|row| &row[..]).collect();
                    let weights = random(count, 77);
                    let mut dst = vec![9.0; n];
                    vertical(simd, &rows, &weights, &mut dst);
                    for i in 0..n {
                        let first = weights[0] * rows[0][i];
                        let want = (1..count).fold(first, |s, t| s + weights[t] * rows[t][i]);
                        assert_eq!(dst[i].to_bits(), want.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn a_convolution_is_the_plain_sum_at_every_level() {
        for simd in Simd::levels() {
            for n in [1, 15, 16, 17, 63, 64, 65, 224] {
                for count in [1, 3, 23] {
                    let (src, weights) = (random(n + count - 1, 1), random(count, 2));
                    let mut dst = vec![0.0; n];
                    convolve(simd, &src, &weights, &mut dst);
                    for i in 0..n {
                        let first = weights[0] * src[i];
                        let want = (1..count).fold(first, |s, t| s + weights[t] * src[i + t]);
                        assert_eq!(dst[i].to_bits(), want.to_bits());
                    }
                }
            }
        }
    }

    #[test]
    fn linear_taps_reproduce_a_ramp() {
        let ramp: Vec<f32> = (0..10).map(|i| i as f32 * 2.0).collect();
        let taps = Taps { start: &[0, 3, 8], weights: &[0.5, 0.5, 0.75, 0.25, 0.0, 1.0], count: 2 };
        let mut dst = [0.0; 3];
        horizontal(Simd::detect(), &ramp, &taps, &mut dst);
        assert_eq!(dst, [1.0, 6.5, 18.0]);
    }
}
