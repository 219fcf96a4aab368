//! The beta distribution, by the inverse of its distribution function: one number a draw, whatever
//! comes out. Methods that reject would take more.

use crate::text::number;
use tallow_core::Draws;

/// The beta distribution of two positive parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beta {
    a: f64,
    b: f64,
    /// The logarithm of 1 / B(a, b).
    log_norm: f64,
}

/// Halvings of an interval, after which it is 2^-44 wide: `f32` keeps less of a share.
const HALVINGS: usize = 44;

/// Terms of the continued fraction. Its error falls below [`PRECISION`] after some sqrt(max(a, b))
/// of them, which [`PARAMETER_MAX`] keeps far below.
const TERMS_MAX: u32 = 300;

const PRECISION: f64 = 1e-15;

/// The parameters that are taken: outside, a share is a coin or a constant.
pub(crate) const PARAMETER_MIN: f64 = 0.01;
/// See [`PARAMETER_MIN`].
pub(crate) const PARAMETER_MAX: f64 = 100.0;

/// Checks a parameter of the distribution.
///
/// # Errors
///
/// What was found and what was expected.
pub(crate) fn check(name: &str, value: f64) -> Result<(), String> {
    if (PARAMETER_MIN..=PARAMETER_MAX).contains(&value) {
        return Ok(());
    }
    Err(format!("found {name} {}, expected {PARAMETER_MIN}..{PARAMETER_MAX}", number(value)))
}

impl Beta {
    pub(crate) fn new(a: f64, b: f64) -> Self {
        Self { a, b, log_norm: libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) }
    }

    /// One draw. Takes one number.
    pub(crate) fn draw(self, draws: &mut Draws) -> f64 {
        let unit = draws.unit_f64();
        if self.a == 1.0 && self.b == 1.0 { unit } else { self.quantile(unit) }
    }

    /// Where the distribution function is `share`, by halving.
    fn quantile(self, share: f64) -> f64 {
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..HALVINGS {
            let middle = (low + high) / 2.0;
            if self.below(middle) < share { low = middle } else { high = middle }
        }
        (low + high) / 2.0
    }

    /// The probability of a value below `x`: the regularised incomplete beta function, by the
    /// continued fraction where that converges fast and by symmetry elsewhere (Abramowitz and
    /// Stegun, 26.5.8 and 6.6.3).
    fn below(self, x: f64) -> f64 {
        let Self { a, b, log_norm } = self;
        if x <= 0.0 || x >= 1.0 {
            return if x <= 0.0 { 0.0 } else { 1.0 };
        }
        let front = libm::exp(log_norm + a * libm::log(x) + b * libm::log1p(-x));
        match x < (a + 1.0) / (a + b + 2.0) {
            true => front * fraction(x, a, b) / a,
            false => 1.0 - front * fraction(1.0 - x, b, a) / b,
        }
    }
}

/// The continued fraction of the incomplete beta function, by Lentz's method.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    let away = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let (mut c, mut value) = (1.0, d);
    for m in 1..=TERMS_MAX {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for term in [even, odd] {
            d = 1.0 / away(1.0 + term * d);
            c = away(1.0 + term / c);
            factor = d * c;
            value *= factor;
        }
        if (factor - 1.0).abs() < PRECISION {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use tallow_core::{Key, Purpose, Stream};

    use super::*;

    /// The greatest distance between the distribution of 4000 draws and `below`, times its root:
    /// Kolmogorov's statistic, above 1.95 once in a thousand.
    fn kolmogorov(beta: Beta, below: impl Fn(f64) -> f64) -> f64 {
        const DRAWS: usize = 4000;
        let draw = |index| {
            let stream = Stream::new("beta", 0, Purpose::Transform);
            beta.draw(&mut Key::new(1, 2).draws(stream, index))
        };
        let mut drawn: Vec<f64> = (0..DRAWS as u64).map(draw).collect();
        drawn.sort_by(f64::total_cmp);
        let apart = drawn.iter().enumerate().map(|(i, &x)| {
            let at = |i: usize| (below(x) - i as f64 / DRAWS as f64).abs();
            at(i).max(at(i + 1))
        });
        apart.fold(0.0, f64::max) * (DRAWS as f64).sqrt()
    }

    type Form<'a> = &'a dyn Fn(f64) -> f64;

    #[test]
    fn draws_follow_the_distribution_functions_in_closed_form() {
        let arcsine = |x: f64| 2.0 / std::f64::consts::PI * libm::asin(libm::sqrt(x));
        let forms: [(f64, f64, Form<'_>); 5] = [
            (1.0, 1.0, &|x| x),
            (0.5, 0.5, &arcsine),
            (2.0, 2.0, &|x| x * x * (3.0 - 2.0 * x)),
            (1.0, 2.0, &|x| 1.0 - (1.0 - x) * (1.0 - x)),
            (3.0, 1.0, &|x| x * x * x),
        ];
        for (a, b, below) in forms {
            let statistic = kolmogorov(Beta::new(a, b), below);
            assert!(statistic < 1.95, "beta({a}, {b}): {statistic}");
        }
    }

    #[test]
    fn the_distribution_function_is_exact_where_it_has_a_closed_form() {
        for x in [1e-9, 0.01, 0.3, 0.5, 0.77, 0.999] {
            let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-13, "{x}: {a} {b}");
            near(Beta::new(2.0, 2.0).below(x), x * x * (3.0 - 2.0 * x));
            near(Beta::new(0.2, 1.0).below(x), libm::pow(x, 0.2));
            near(Beta::new(1.0, 7.0).below(x), 1.0 - libm::pow(1.0 - x, 7.0));
        }
    }

    #[test]
    fn parameters_at_their_limits_give_shares() {
        for a in [PARAMETER_MIN, PARAMETER_MAX] {
            let beta = Beta::new(a, a);
            assert!((beta.below(0.5) - 0.5).abs() < 1e-10, "{a}");
            let ends = [1e-9, 0.25, 0.75, 1.0 - 1e-9].map(|share| beta.quantile(share));
            assert!(ends.is_sorted() && ends.iter().all(|x| (0.0..=1.0).contains(x)), "{ends:?}");
        }
    }
}
