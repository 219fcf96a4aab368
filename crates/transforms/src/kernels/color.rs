//! Colour steps on rows of planar `f32` in the native range `[0, max]` (255, 65535 or 1).
//!
//! The formulas are those of torchvision's float path; nothing is rounded between steps. NaN stays
//! NaN, and where channels are computed from each other, one of them makes all.

use super::Simd;
use super::math::{clamp, floor, larger, pow_f64, smaller, to_u8};

/// Torchvision's weights of red, green and blue in the luma; their sum is 0.9999.
pub(crate) const LUMA: [f32; 3] = [0.2989, 0.587, 0.114];

/// The luma of one pixel, added in the order R, G, B.
#[inline(always)]
pub(crate) fn luma_of(r: f32, g: f32, b: f32) -> f32 {
    LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
}

/// `x = op(x)` over a row.
#[inline(always)]
fn map(simd: Simd, x: &mut [f32], op: impl Fn(f32) -> f32) {
    simd.run(
        #[inline(always)]
        move || x.iter_mut().for_each(|x| *x = op(*x)),
    );
}

/// `clamp(f * x, 0, max)`.
pub(crate) fn brightness(simd: Simd, x: &mut [f32], f: f32, max: f32) {
    map(
        simd,
        x,
        #[inline(always)]
        move |x| clamp(x * f, 0.0, max),
    );
}

/// `clamp(f * x + offset, 0, max)`: contrast, with `offset = (1 - f) * mean` in native units.
pub(crate) fn blend_constant(simd: Simd, x: &mut [f32], f: f32, offset: f32, max: f32) {
    map(
        simd,
        x,
        #[inline(always)]
        move |x| clamp(f * x + offset, 0.0, max),
    );
}

/// `clamp((x - low) * max / (high - low), 0, max)`, where `low` and `high` are the plane's extremes;
/// no more than clamped where they are equal. Divides by `(high - low) / max`, as torchvision does.
pub(crate) fn autocontrast(simd: Simd, x: &mut [f32], low: f32, high: f32, max: f32) {
    let (low, unit) = if low == high { (0.0, 1.0) } else { (low, (high - low) * (1.0 / max)) };
    map(
        simd,
        x,
        #[inline(always)]
        move |x| clamp((x - low) / unit, 0.0, max),
    );
}

/// `clamp(f * x + (1 - f) * luma, 0, max)` of three planes.
pub(crate) fn saturation(
    simd: Simd,
    r: &mut [f32],
    g: &mut [f32],
    b: &mut [f32],
    f: f32,
    max: f32,
) {
    map3(
        simd,
        r,
        g,
        b,
        #[inline(always)]
        move |r, g, b| saturated(r, g, b, f).map(|x| clamp(x, 0.0, max)),
    );
}

/// `f * x + (1 - f) * luma` of one pixel.
#[inline(always)]
pub(crate) fn saturated(r: f32, g: f32, b: f32, f: f32) -> [f32; 3] {
    let gray = (1.0 - f) * luma_of(r, g, b);
    [f * r + gray, f * g + gray, f * b + gray]
}

/// Each of three planes becomes the luma.
pub(crate) fn grayscale(simd: Simd, r: &mut [f32], g: &mut [f32], b: &mut [f32]) {
    map3(
        simd,
        r,
        g,
        b,
        #[inline(always)]
        move |r, g, b| [luma_of(r, g, b); 3],
    );
}

/// `(r, g, b) = op(r, g, b)` over three rows of one length.
#[inline(always)]
fn map3(
    simd: Simd,
    r: &mut [f32],
    g: &mut [f32],
    b: &mut [f32],
    op: impl Fn(f32, f32, f32) -> [f32; 3],
) {
    let n = r.len().min(g.len()).min(b.len());
    let (r, g, b) = (&mut r[..n], &mut g[..n], &mut b[..n]);
    simd.run(
        #[inline(always)]
        move || {
            for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                let [new_r, new_g, new_b] = op(*r, *g, *b);
                (*r, *g, *b) = (new_r, new_g, new_b);
            }
        },
    );
}

/// Turns the hue by `shift` turns, in [-0.5, 0.5]; torchvision's `adjust_hue`.
///
/// Values must be at least 0. Of those above `max` the greatest of a pixel stays, wherever it goes,
/// and others are limited. Of a pixel with NaN or an infinity all channels become NaN.
pub(crate) fn hue(simd: Simd, r: &mut [f32], g: &mut [f32], b: &mut [f32], shift: f32, max: f32) {
    let sixths = shift * 6.0 - 1.0;
    let turn = if sixths < 0.0 { sixths + 6.0 } else { sixths };
    map3(
        simd,
        r,
        g,
        b,
        #[inline(always)]
        move |r, g, b| turned(r, g, b, turn, max),
    );
}

/// A pixel whose hue is turned by `turn` sixths of a turn from a sixth before red on, in [0, 6).
///
/// Hues are PIL's and torchvision's, ties going to red, then green, but begin a sixth before red, so
/// that none is below 0. Back from them each channel is the value less a share of its range, which
/// is a function of the hue made of straight lines: that is the way through saturation and the six
/// sectors in half of the operations, with one division instead of two and no sector to pick.
/// `(g - b) / range` replaces torchvision's `(max - b) / range - (max - g) / range` and so on.
///
/// Additions and comparisons, of which a processor does two at once, bound it: 30 of 55 operations.
#[inline(always)]
fn turned(r: f32, g: f32, b: f32, turn: f32, max: f32) -> [f32; 3] {
    // 0, or NaN where one of them is no finite number, which comparisons pass over.
    let odd = (r + g + b) * 0.0;
    let v = larger(larger(r, g), b) + odd;
    let range = v - smaller(smaller(r, g), b);
    let (from, difference) = if v == g { (3.0, b - r) } else { (5.0, r - g) };
    let (from, difference) = if v == r { (1.0, g - b) } else { (from, difference) };
    // Of gray there is nothing to divide.
    let h = (from + difference / larger(range, f32::MIN_POSITIVE)) + turn;
    let h = if h < 6.0 { h } else { h - 6.0 };
    let beyond = v - max;
    [
        lowered(v, 2.0 - (h - 3.0).abs(), range, beyond),
        lowered(v, (h - 2.0).abs() - 1.0, range, beyond),
        lowered(v, (h - 4.0).abs() - 1.0, range, beyond),
    ]
}

/// `v` less a share of `range`, of 0 to 1, and no less than `beyond` if there is a share.
#[inline(always)]
fn lowered(v: f32, share: f32, range: f32, beyond: f32) -> f32 {
    let by = larger(smaller(range * share, range), beyond);
    v - if share > 0.0 { by } else { 0.0 }
}

/// `max * clamp(gain * (x / max)^gamma, 0, 1)`, computed in `f64` and rounded once.
pub(crate) fn gamma(simd: Simd, x: &mut [f32], gamma: f32, gain: f32, max: f32) {
    let (y, unit, top) = (f64::from(gamma), 1.0 / f64::from(max), f64::from(gain) * f64::from(max));
    map(
        simd,
        x,
        #[inline(always)]
        move |x| clamp((top * pow_f64(f64::from(x) * unit, y)) as f32, 0.0, max),
    );
}

/// `x >= threshold ? max - x : x`, threshold in native units.
///
/// The `+ 0.0` only turns -0 into 0, but keeps the compiler from storing nothing where nothing
/// changes: a masked store is several times slower than a plain one on some machines.
pub(crate) fn solarize(simd: Simd, x: &mut [f32], threshold: f32, max: f32) {
    map(
        simd,
        x,
        #[inline(always)]
        move |x| if x >= threshold { max - x } else { x + 0.0 },
    );
}

/// The level at or below, of those that are `step` apart: `floor(x / step)` clamped to `[0, top]`,
/// times `step`. On bytes, with a step of 2^n, that masks the lower n bits and drops the fraction
/// that earlier steps left.
pub(crate) fn posterize(simd: Simd, x: &mut [f32], step: f32, top: f32) {
    // Exact for powers of two, as steps of bytes and of floats up to 1 are.
    let per_step = 1.0 / step;
    map(
        simd,
        x,
        #[inline(always)]
        move |x| clamp(floor(x * per_step), 0.0, top) * step,
    );
}

/// `max - x`.
pub(crate) fn invert(simd: Simd, x: &mut [f32], max: f32) {
    map(
        simd,
        x,
        #[inline(always)]
        move |x| max - x,
    );
}

/// Values whose bins are found at once, before the scalar part of the work.
pub(crate) const BLOCK: usize = 64;

/// Bins of a range `[0, max]`: a little less than 256, so that `max` falls into the last one. It is
/// the factor of torchvision's conversion of floats to `u8`; integers up to 255 are their own bins.
const BINS: f32 = 255.999;

/// The bins, 0..=255, that at most [`BLOCK`] values in `[0, max]` fall into: `x * 255.999 / max`,
/// rounded down and clamped.
#[inline(always)]
pub(crate) fn bins_of(x: &[f32], max: f32) -> [u8; BLOCK] {
    let per_bin = BINS / max;
    let mut bins = [0; BLOCK];
    bins.iter_mut().zip(x).for_each(|(bin, x)| *bin = to_u8(floor(x * per_bin)));
    bins
}

/// `x = lut[bin(x)]`: equalize. The entries of `lut` are in native units.
pub(crate) fn lookup(simd: Simd, x: &mut [f32], lut: &[f32; 256], max: f32) {
    simd.run(
        #[inline(always)]
        move || {
            for block in x.chunks_mut(BLOCK) {
                let bins = bins_of(block, max);
                block.iter_mut().zip(bins).for_each(|(x, bin)| *x = lut[usize::from(bin)]);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: [usize; 9] = [0, 1, 2, 7, 31, 63, 65, 224, 225];

    /// Values in [0, max], with -0, 0, max, ties and grays among them.
    fn random(n: usize, seed: u32, max: f32) -> Vec<f32> {
        let mut state = seed;
        let mut next = |i: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match i % 7 {
                3 => -0.0,
                4 => max,
                5 => max * 0.5,
                _ => (state >> 8) as f32 / 16_777_216.0 * max,
            }
        };
        (0..n).map(|i| next(i + seed as usize % 3)).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    /// `op` on a row at every level against `plain` on each value.
    fn check(max: f32, op: impl Fn(Simd, &mut [f32]), plain: impl Fn(f32) -> f32) {
        for n in LENGTHS {
            let x = random(n, 1, max);
            let want: Vec<f32> = x.iter().map(|x| plain(*x)).collect();
            for simd in Simd::levels() {
                let mut row = x.clone();
                op(simd, &mut row);
                assert_eq!(bits(&row), bits(&want), "{simd:?}, {n} values up to {max}");
            }
        }
    }

    type Planes = [Vec<f32>; 3];

    /// A step on one row, and one on three.
    type OfRow<'a> = dyn Fn(&mut [f32]) + 'a;
    type OfPlanes<'a> = dyn Fn(&mut [f32], &mut [f32], &mut [f32]) + 'a;

    /// `op` on three planes at every level against `plain` on each pixel.
    fn check3(max: f32, op: impl Fn(Simd, &mut Planes), plain: impl Fn(f32, f32, f32) -> [f32; 3]) {
        for n in LENGTHS {
            let planes = [1, 2, 3].map(|seed| random(n, seed, max));
            for simd in Simd::levels() {
                let mut done = planes.clone();
                op(simd, &mut done);
                for i in 0..n {
                    let want = plain(planes[0][i], planes[1][i], planes[2][i]);
                    assert_eq!([0, 1, 2].map(|c| done[c][i].to_bits()), want.map(f32::to_bits));
                }
            }
        }
    }

    #[test]
    fn pointwise_steps_are_their_formulas_at_every_level() {
        for max in [1.0, 255.0, 65535.0] {
            check(max, |s, x| brightness(s, x, 1.3, max), |x| clamp(x * 1.3, 0.0, max));
            check(max, |s, x| invert(s, x, max), |x| max - x);
            let offset = -0.2 * max;
            let blend = |x: f32| clamp(1.4 * x + offset, 0.0, max);
            check(max, |s, x| blend_constant(s, x, 1.4, offset, max), blend);
            let (t, flip) = (0.5 * max, |x: f32| if x >= 0.5 * max { max - x } else { x + 0.0 });
            check(max, |s, x| solarize(s, x, t, max), flip);
            let stretch =
                |x: f32| clamp((x - 0.1 * max) / ((0.8 * max - 0.1 * max) * (1.0 / max)), 0.0, max);
            check(max, |s, x| autocontrast(s, x, 0.1 * max, 0.8 * max, max), stretch);
            check(max, |s, x| autocontrast(s, x, 3.0, 3.0, max), |x| x);
        }
    }

    #[test]
    fn gamma_is_the_rounded_power() {
        for (max, g, gain) in [(1.0f32, 2.2f32, 1.0f32), (255.0, 0.45, 1.0), (65535.0, 1.7, 1.3)] {
            let plain = |x: f32| {
                let unit = f64::from(x) * (1.0 / f64::from(max));
                let top = f64::from(gain) * f64::from(max);
                clamp((top * pow_f64(unit, f64::from(g))) as f32, 0.0, max)
            };
            check(max, |s, x| gamma(s, x, g, gain, max), plain);
            for x in random(100, 9, max) {
                let exact = libm::pow(f64::from(x / max), f64::from(g)) * f64::from(gain);
                let exact = exact.min(1.0) * f64::from(max);
                assert!((f64::from(plain(x)) - exact).abs() <= 1e-6 * exact);
            }
        }
    }

    #[test]
    fn posterize_masks_the_low_bits() {
        for (max, depth) in [(255.0, 8), (65535.0, 16)] {
            for bits in 0..=8 {
                let drop = depth - bits;
                let plain = |x: f32| ((x as u32 >> drop) << drop) as f32;
                let (step, top) = ((1u32 << drop) as f32, ((1u32 << bits) - 1) as f32);
                check(max, |s, x| posterize(s, x, step, top), plain);
            }
        }
        for bits in 0..=8u32 {
            let levels = (1u32 << bits) as f32;
            let plain = |x: f32| clamp((x * levels).floor() + 0.0, 0.0, levels - 1.0) / levels;
            check(1.0, |s, x| posterize(s, x, 1.0 / levels, levels - 1.0), plain);
        }
    }

    #[test]
    fn lookup_takes_the_bin_below() {
        let lut: [f32; 256] = std::array::from_fn(|k| (k * k) as f32);
        for max in [1.0, 255.0, 65535.0] {
            let bin = |x: f32| (x * (255.999 / max)).floor().clamp(0.0, 255.0);
            check(max, |s, x| lookup(s, x, &lut, max), |x| lut[bin(x) as usize]);
        }
        let levels: Vec<f32> = (0..64).map(|k| (4 * k + 3) as f32).collect();
        let bins = bins_of(&levels, 255.0);
        assert!(bins.iter().zip(levels).all(|(bin, level)| f32::from(*bin) == level));
    }

    #[test]
    fn luma_steps_are_their_formulas_at_every_level() {
        let max = 255.0;
        let gray = |[r, g, b]: &mut Planes, s| grayscale(s, r, g, b);
        check3(max, |s, p| gray(p, s), |r, g, b| [luma_of(r, g, b); 3]);
        check3(
            max,
            |s, [r, g, b]| saturation(s, r, g, b, 1.6, max),
            |r, g, b| {
                let rest = (1.0 - 1.6) * luma_of(r, g, b);
                [r, g, b].map(|x| clamp(1.6 * x + rest, 0.0, max))
            },
        );
    }

    /// The formulas of torchvision's `adjust_hue`, unchanged, in double precision.
    fn reference_hue(r: f64, g: f64, b: f64, shift: f64) -> [f64; 3] {
        let (v, low) = (r.max(g).max(b), r.min(g).min(b));
        let range = if v == low { 1.0 } else { v - low };
        let s = if v == low { 0.0 } else { (v - low) / v };
        let (rc, gc, bc) = ((v - r) / range, (v - g) / range, (v - b) / range);
        let h = match () {
            () if v == r => bc - gc,
            () if v == g => 2.0 + rc - bc,
            () => 4.0 + gc - rc,
        };
        let h6 = ((h / 6.0 + 1.0).fract() + shift).rem_euclid(1.0) * 6.0;
        let f = h6 - h6.floor();
        let [p, q, t] =
            [1.0 - s, 1.0 - s * f, 1.0 - s * (1.0 - f)].map(|x| (v * x).clamp(0.0, 1.0));
        [[v, t, p], [q, v, p], [p, v, t], [p, q, v], [t, p, v], [v, p, q]][h6 as usize % 6]
    }

    #[test]
    fn hue_turns_a_color_cube_as_torchvision_does() {
        let cube = || (0..16 * 16 * 16).map(|i| [i / 256, i / 16 % 16, i % 16].map(|k| k * 17));
        for shift in [-0.5f32, -0.1, 0.0, 0.05, 0.25, 0.5] {
            for max in [1.0f32, 255.0, 65535.0] {
                let mut found = Vec::new();
                for simd in Simd::levels() {
                    let plane =
                        |c: usize| cube().map(|p| p[c] as f32 / 255.0 * max).collect::<Vec<f32>>();
                    let [mut r, mut g, mut b] = [0, 1, 2].map(plane);
                    hue(simd, &mut r, &mut g, &mut b, shift, max);
                    for (i, p) in cube().enumerate() {
                        let [x, y, z] = p.map(|k| f64::from(k) / 255.0);
                        let want = reference_hue(x, y, z, f64::from(shift));
                        for (x, want) in [r[i], g[i], b[i]].into_iter().zip(want) {
                            let off = (f64::from(x / max) - want).abs();
                            assert!(off < 3e-6, "{p:?} turned by {shift}: {x}, not {want}");
                        }
                    }
                    found.push([bits(&r), bits(&g), bits(&b)]);
                }
                assert!(found.iter().all(|planes| *planes == found[0]));
            }
        }
    }

    #[test]
    fn a_nan_stays_one_and_infinities_are_clamped() {
        const NAN: f32 = f32::NAN;
        const INF: f32 = f32::INFINITY;
        let lut = [7.0; 256];
        for simd in Simd::levels() {
            for max in [1.0, 255.0, 65535.0] {
                let steps: [(&OfRow, [f32; 2]); 6] = [
                    (&|x| brightness(simd, x, 1.5, max), [max, 0.0]),
                    (&|x| blend_constant(simd, x, 1.5, -0.1, max), [max, 0.0]),
                    (&|x| autocontrast(simd, x, 0.0, max, max), [max, 0.0]),
                    (&|x| autocontrast(simd, x, max, max, max), [max, 0.0]),
                    (&|x| gamma(simd, x, 0.5, 1.0, max), [max, 0.0]),
                    (&|x| invert(simd, x, max), [-INF, INF]),
                ];
                for (at, (step, want)) in steps.iter().enumerate() {
                    // At every place of a vector and after the last.
                    for n in [1, 9, 33] {
                        let mut x: Vec<f32> = [NAN, INF, -INF].repeat(n);
                        step(&mut x);
                        let fits = |x: &[f32]| x[0].is_nan() && x[1..] == *want;
                        assert!(x.chunks(3).all(fits), "step {at}, max {max}: {:?}", &x[..3]);
                    }
                }
                let mut x = [NAN, INF, -INF];
                lookup(simd, &mut x, &lut, max);
                assert_eq!(x, [7.0; 3], "what NaN becomes is the table's to say");
            }
        }
    }

    #[test]
    fn a_nan_in_one_channel_makes_all_of_the_pixel_nan() {
        for simd in Simd::levels() {
            for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for channel in 0..3 {
                    let pixel = |step: &OfPlanes| {
                        let mut planes = [[0.1f32, 0.9], [0.5, 0.2], [0.7, 0.3]];
                        planes[channel][1] = odd;
                        let [r, g, b] = &mut planes;
                        step(r, g, b);
                        assert!(planes.iter().all(|plane| plane[0].is_finite()));
                        planes.map(|plane| plane[1])
                    };
                    let turned = pixel(&|r, g, b| hue(simd, r, g, b, 0.3, 1.0));
                    assert!(turned.iter().all(|x| x.is_nan()), "{odd} in {channel}: {turned:?}");
                    if odd.is_nan() {
                        let gray = pixel(&|r, g, b| grayscale(simd, r, g, b));
                        let vivid = pixel(&|r, g, b| saturation(simd, r, g, b, 1.5, 1.0));
                        assert!(gray.iter().chain(&vivid).all(|x| x.is_nan()));
                    }
                }
            }
        }
    }

    #[test]
    fn of_values_above_the_range_the_greatest_stays() {
        for simd in Simd::levels() {
            let [mut r, mut g, mut b] = [[3.0], [2.0], [0.5]];
            hue(simd, &mut r, &mut g, &mut b, 1.0 / 3.0, 1.0);
            assert!((r[0] - 0.5f32).abs() < 1e-6 && g == [3.0] && b == [1.0], "{r:?} {g:?} {b:?}");
        }
    }

    #[test]
    fn gray_and_signed_zero_survive_a_turn_of_the_hue() {
        for simd in Simd::levels() {
            let row = [0.0, -0.0, 255.0, 77.0, 1e-9];
            let [mut r, mut g, mut b] = [row; 3];
            hue(simd, &mut r, &mut g, &mut b, 0.3, 255.0);
            assert!(r == row && g == row && b == row);
        }
    }
}
