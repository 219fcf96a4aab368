//! Elementary functions out of `+ - * /` and integer bit tricks alone, so that every SIMD level and
//! a CUDA kernel that repeats them (without contraction) agree bit for bit; `libm` and the
//! hardware's own functions do not.
//!
//! The coefficients are minimax polynomials of our own, fitted with the Remez exchange in 40 digits
//! (weighted for the relative error of the whole function) and then rounded to the type; the
//! error given with each is the fit's, before rounding. Ranges are halved around the binary point:
//! mantissas in [sqrt(1/2), sqrt(2)), fractions in [-1/2, 1/2].

/// `x` limited to `[low, high]`; NaN and -0 stay.
///
/// `f32::clamp` and `f32::max` leave the sign of a zero open; these comparisons do not, and each is
/// one instruction of x86 (MAXPS, MINPS), which gives its second operand where one is NaN.
#[inline(always)]
pub(crate) fn clamp(x: f32, low: f32, high: f32) -> f32 {
    smaller(high, larger(low, x))
}

/// `a` if it is above `b`, else `b`.
#[inline(always)]
pub(crate) fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// `a` if it is below `b`, else `b`.
#[inline(always)]
pub(crate) fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// The largest integer not above x, for |x| <= 2^22; never -0.
///
/// Rounding by a magic sum and correcting vectorises at every level, where `f32::floor` is a call
/// into the C library for each element on plain x86-64.
#[inline(always)]
pub(crate) fn floor(x: f32) -> f32 {
    let nearest = (x + ROUND) - ROUND;
    nearest - if nearest > x { 1.0 } else { 0.0 }
}

/// `x` rounded half to even and saturated; NaN becomes 0.
///
/// Adding 2^23 leaves the integer in the low bits, with the same rounding at every level.
#[inline(always)]
pub(crate) fn to_u8(x: f32) -> u8 {
    (smaller(larger(x, 0.0), 255.0) + 8_388_608.0).to_bits() as u8
}

/// The polynomial with coefficients `c`, lowest first, by Horner's rule.
#[inline(always)]
fn horner<const N: usize>(c: [f32; N], x: f32) -> f32 {
    let mut sum = c[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + c[i];
    }
    sum
}

/// [`horner`] in double precision.
#[inline(always)]
fn horner_f64<const N: usize>(c: [f64; N], x: f64) -> f64 {
    let mut sum = c[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + c[i];
    }
    sum
}

/// The bits of sqrt(1/2), where mantissas begin.
const HALF_ROOT: u32 = 0x3f35_04f3;
/// The bits of sqrt(1/2) as `f64`.
const HALF_ROOT_F64: u64 = 0x3fe6_a09e_667f_3bcd;
/// 1.5 * 2^23: added and subtracted, it rounds an `f32` below 2^22 half to even.
const ROUND: f32 = 12_582_912.0;
/// 1.5 * 2^52, the same for `f64`.
const ROUND_F64: f64 = 6_755_399_441_055_744.0;

/// `x = m * 2^e` as `(e, m - 1)`, m in [sqrt(1/2), sqrt(2)), for normal x > 0. `m - 1` is exact.
#[inline(always)]
fn split(x: f32) -> (f32, f32) {
    let bits = x.to_bits().wrapping_add(0x3f80_0000 - HALF_ROOT);
    let exponent = (bits >> 23) as i32 - 127;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) + HALF_ROOT);
    (exponent as f32, mantissa - 1.0)
}

/// `(ln(1 + t) - t + t^2 / 2) / t^3` on [sqrt(1/2) - 1, sqrt(2) - 1], to 6e-9 of `1 / t^2`.
const LN: [f32; 8] = [
    0.333_333_16,
    -0.250_007_96,
    0.200_022_83,
    -0.166_249_7,
    0.141_814_22,
    -0.131_252_93,
    0.128_791_88,
    -0.078_654_43,
];
/// ln 2 in two parts, the first with 9 zero bits at its end, so that an exponent times it is exact.
const LN2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The natural logarithm of a normal x > 0; relative error below 2e-7.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    let (exponent, t) = split(x);
    let square = t * t;
    let tail = square * (t * horner(LN, t)) - 0.5 * square;
    exponent * LN2[0] + (t + (tail + exponent * LN2[1]))
}

/// `sin(pi/2 r) / r` in `r^2` on [0, 1/4], to 5e-9.
const SIN: [f32; 4] = [1.570_796_4, -0.645_963_5, 0.079_680_23, -0.004_602_177];
/// `(cos(pi/2 r) - 1) / r^2` in `r^2` on [0, 1/4], to 8e-10.
const COS: [f32; 4] = [-1.233_700_5, 0.253_669_4, -0.020_861_529, 0.000_906_743_5];

/// `(sin, cos)` of `u` turns, that is of `2 pi u`, for |u| < 2^19; absolute error below 2e-7.
///
/// The reduction to a quarter turn is exact, which is why the argument is not in radians.
#[inline(always)]
pub(crate) fn sin_cos_turns(u: f32) -> (f32, f32) {
    let quarters = u * 4.0;
    let shifted = quarters + ROUND;
    let quadrant = shifted.to_bits();
    let r = quarters - (shifted - ROUND);
    let z = r * r;
    let (sin, cos) = (r * horner(SIN, z), 1.0 + z * horner(COS, z));
    let odd = quadrant & 1 == 1;
    let (a, b) = if odd { (cos, sin) } else { (sin, cos) };
    // The sine is negative in quadrants 2 and 3, the cosine in 1 and 2: flip the sign bit.
    let sin_sign = (quadrant << 30) & 0x8000_0000;
    let cos_sign = (quadrant.wrapping_add(1) << 30) & 0x8000_0000;
    (f32::from_bits(a.to_bits() ^ sin_sign), f32::from_bits(b.to_bits() ^ cos_sign))
}

/// `log2((1 + s) / (1 - s)) / s` in `s^2`, |s| <= 3 - 2 sqrt(2), to 1.2e-11.
const LOG2_F64: [f64; 5] = [
    2.885390081790147,
    0.9617966732756938,
    0.5770835961807842,
    0.41167210984621644,
    0.3407404476557951,
];

/// The base-2 logarithm of a normal x > 0, to an absolute error of 2e-12.
#[inline(always)]
fn log2_f64(x: f64) -> f64 {
    let bits = x.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - HALF_ROOT_F64);
    // AVX2 has no conversion of 64-bit integers: the exponent becomes the low bits of 2^52 + e.
    let exponent = f64::from_bits(0x4330_0000_0000_0000 | (bits >> 52));
    let exponent = exponent - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) + HALF_ROOT_F64);
    let s = (m - 1.0) / (m + 1.0);
    exponent + s * horner_f64(LOG2_F64, s * s)
}

/// `(2^r - 1) / r` on [-1/2, 1/2], to 1.6e-10.
const EXP2_F64: [f64; 7] = [
    0.6931471805537177,
    0.24022650922335245,
    0.05550410928749263,
    0.009618056671118811,
    0.0013333454557935447,
    0.00015461447075348965,
    1.5310078054966933e-05,
];

/// 2^z to a relative error of 2e-10; z is limited to [-1000, 1000].
#[inline(always)]
fn exp2_f64(z: f64) -> f64 {
    let z = if z > -1000.0 { z } else { -1000.0 };
    let z = if z < 1000.0 { z } else { 1000.0 };
    let shifted = z + ROUND_F64;
    let r = z - (shifted - ROUND_F64);
    let scale = f64::from_bits((shifted.to_bits() << 52).wrapping_add(0x3ff0_0000_0000_0000));
    (1.0 + r * horner_f64(EXP2_F64, r)) * scale
}

/// x^y for x >= 0 and finite y; 0^y is 0 for y > 0 and 1 for y = 0, x below 0 counts as 0, and NaN
/// stays. Relative error below 1e-9 where |y log2 x| < 100, enough that rounding to `f32` is all
/// that shows.
#[inline(always)]
pub(crate) fn pow_f64(x: f64, y: f64) -> f64 {
    let power = exp2_f64(y * log2_f64(x));
    let of_zero = if y > 0.0 { 0.0 } else { 1.0 };
    let of_others = if x.is_nan() { x } else { of_zero };
    if x > 0.0 { power } else { of_others }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest relative error of `f` against `exact` over `n + 1` points of [a, b].
    fn error(a: f64, b: f64, f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        let n = 400_000;
        let grid = (0..=n).map(|i| (a + (b - a) * f64::from(i) / f64::from(n)) as f32);
        grid.map(|x| {
            let truth = exact(f64::from(x));
            let off = (f64::from(f(x)) - truth).abs();
            if truth == 0.0 { off } else { off / truth.abs() }
        })
        .fold(0.0, f64::max)
    }

    #[test]
    fn logarithms_are_accurate_near_one_and_far_away() {
        for (a, b) in [(0.5, 2.0), (1e-7, 1e-3), (0.99, 1.01), (1.0, 1e6), (1e20, 3e38)] {
            let found = error(a, b, ln, libm::log);
            assert!(found < 2e-7, "[{a}, {b}]: {found:e}");
        }
        assert_eq!(ln(1.0).to_bits(), 0);
    }

    #[test]
    fn sine_and_cosine_hold_over_several_turns() {
        let turn = std::f64::consts::TAU;
        for i in 0..=1_000_000 {
            let u = (f64::from(i) * 4e-6 - 2.0) as f32;
            let (sin, cos) = sin_cos_turns(u);
            let angle = turn * f64::from(u);
            let off = (f64::from(sin) - libm::sin(angle)).abs();
            let off = off.max((f64::from(cos) - libm::cos(angle)).abs());
            assert!(off < 2e-7, "at {u} turns: {off:e}");
        }
        assert_eq!((sin_cos_turns(0.0), sin_cos_turns(0.25)), ((0.0, 1.0), (1.0, 0.0)));
    }

    #[test]
    fn powers_are_rounded_once() {
        let pow = |x: f32, y: f32| pow_f64(f64::from(x), f64::from(y)) as f32;
        for y in [0.1f32, 0.45, 1.0, 2.2, 5.0, 10.0] {
            let found = error(
                1e-6,
                1.0,
                |x| pow(x, y),
                |x| {
                    let exact = libm::pow(x, f64::from(y));
                    // Subnormal results have fewer bits than the bound asks for.
                    if exact < 1.2e-38 { 0.0 } else { exact }
                },
            );
            assert!(found < 6.1e-8, "to the {y}: {found:e}");
        }
        assert_eq!((pow(0.0, 2.2), pow(0.0, 0.0), pow(1.0, 3.3)), (0.0, 1.0, 1.0));
        assert_eq!(pow(1e-40, 1.0), 1e-40);
        assert_eq!((pow(-1.0, 2.0), pow(f32::INFINITY, 0.5)), (0.0, f32::INFINITY));
        assert!(pow(f32::NAN, 0.5).is_nan() && pow(f32::NAN, 0.0).is_nan());
    }

    #[test]
    fn floor_agrees_with_the_standard_library() {
        for i in -40_000..40_000 {
            let x = i as f32 * 0.062_5;
            assert_eq!(floor(x), x.floor());
            assert_eq!(floor(x * 0.37), (x * 0.37).floor());
        }
        assert_eq!((floor(-1e-9), floor(-0.0).to_bits()), (-1.0, 0));
    }

    #[test]
    fn clamp_keeps_what_is_no_number_and_bytes_have_none() {
        assert_eq!(clamp(-0.0, 0.0, 1.0).to_bits(), (-0.0f32).to_bits());
        assert!(clamp(f32::NAN, 0.0, 1.0).is_nan());
        assert_eq!((clamp(2.0, 0.0, 1.0), clamp(f32::NEG_INFINITY, 0.0, 1.0)), (1.0, 0.0));
        // Whatever the bits of the NaN.
        assert_eq!((to_u8(f32::NAN), to_u8(f32::from_bits(0xffc1_2345))), (0, 0));
        assert_eq!((to_u8(f32::INFINITY), to_u8(f32::NEG_INFINITY)), (255, 0));
    }
}
