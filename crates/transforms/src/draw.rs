//! How parameters are drawn. Every draw takes a fixed count of numbers, so that a parameter never
//! moves because another one is drawn differently.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use tallow_core::Draws;

use crate::step::number;

/// A parameter that is uniform in a range, or fixed where both ends are equal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Uniform {
    /// The least value.
    pub low: f64,
    /// The greatest value.
    pub high: f64,
}

impl Uniform {
    /// One draw.
    pub(crate) fn draw(self, draws: &mut Draws) -> f64 {
        // Where both are equal the product is an exact zero.
        self.low + (self.high - self.low) * draws.unit_f64()
    }

    /// Whether both ends are numbers inside `low..=high` and in order.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub(crate) fn check(self, name: &str, low: f64, high: f64) -> Result<(), String> {
        let inside = |value: f64| value >= low && value <= high;
        if inside(self.low) && inside(self.high) && self.low <= self.high {
            return Ok(());
        }
        let expected = match low {
            f64::MIN_POSITIVE => format!("above 0 and up to {}", number(high)),
            low => format!("in {}..{}", number(low), number(high)),
        };
        Err(format!("found {name} {self}, expected numbers {expected}, the least first"))
    }

    /// Whether both ends are at least `low`, no more than [`is_moderate`] and in order.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub(crate) fn check_least(self, name: &str, low: f64) -> Result<(), String> {
        self.check(name, low, MAGNITUDE_MAX)
    }
}

/// The greatest magnitude of a parameter that is a factor or a value: its product with a pixel is
/// still an `f32`, and no infinity of which a zero would make what is not a number.
const MAGNITUDE_MAX: f64 = 1e30;

/// Whether a value that plans hold as `f32` is a number of at most that magnitude.
pub(crate) fn is_moderate(value: f64) -> bool {
    value.abs() <= MAGNITUDE_MAX
}

impl From<f64> for Uniform {
    fn from(value: f64) -> Self {
        Self { low: value, high: value }
    }
}

impl From<Range<f64>> for Uniform {
    fn from(range: Range<f64>) -> Self {
        Self { low: range.start, high: range.end }
    }
}

impl From<RangeInclusive<f64>> for Uniform {
    fn from(range: RangeInclusive<f64>) -> Self {
        Self { low: *range.start(), high: *range.end() }
    }
}

impl fmt::Display for Uniform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            f.write_str(&number(self.low))
        } else {
            write!(f, "{}..{}", number(self.low), number(self.high))
        }
    }
}

/// True with probability `p`. Takes one number.
pub(crate) fn chance(draws: &mut Draws, p: f64) -> bool {
    draws.unit_f64() < p
}

/// A whole number in `low..=high`, uniform. Takes one number: the product of 64 bits with the
/// count, whose bias of less than one part in 2^40 no test of fewer draws could see.
pub(crate) fn whole(draws: &mut Draws, low: i64, high: i64) -> i64 {
    let count = (high - low + 1).max(1) as u128;
    low + ((u128::from(draws.next_u64()) * count) >> 64) as i64
}

/// An order of the first `len` of `N` things, at most 20, uniform among all; the others keep their
/// places. Takes one number.
pub(crate) fn permutation<const N: usize>(draws: &mut Draws, len: usize) -> [usize; N] {
    let mut order = std::array::from_fn(|i| i);
    let count: i64 = (1..=len as i64).product();
    let mut code = whole(draws, 0, count - 1) as usize;
    // Each thing in turn is exchanged with one of those not yet placed (Fisher and Yates).
    for i in 0..len {
        order.swap(i, i + code % (len - i));
        code /= len - i;
    }
    order
}

/// Checks a probability.
///
/// # Errors
///
/// When it is none.
pub(crate) fn check_p(p: f64) -> Result<(), String> {
    Uniform::from(p).check("p", 0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_core::{Key, Purpose, Stream};

    #[test]
    fn factors_that_would_leave_f32_are_refused() {
        assert!(Uniform::from(1e300).check_least("factor", 0.0).unwrap_err().contains("1e30"));
        assert!(Uniform::from(1e30).check_least("factor", 0.0).is_ok());
        assert!(is_moderate(-1e30) && !is_moderate(1e31) && !is_moderate(f64::NAN));
    }

    #[test]
    fn every_order_is_drawn_about_as_often() {
        let mut draws = Key::new(1, 0).draws(Stream::new("order", 0, Purpose::Transform), 0);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..2400 {
            let order: [usize; 5] = permutation(&mut draws, 4);
            assert_eq!(order[4], 4);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count| (60..140).contains(count)), "{counts:?}");
    }
}
