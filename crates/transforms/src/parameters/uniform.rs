//! A range that a parameter is drawn from.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use tallow_core::Draws;

use crate::text::number;
use crate::values::MAGNITUDE_MAX;

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
        if self.low == self.high {
            let least = match low {
                f64::MIN_POSITIVE => "above 0 and up to".to_owned(),
                low => format!("from {} to", number(low)),
            };
            return Err(format!("found {name} {self}, expected a number {least} {}", number(high)));
        }
        let expected = match low {
            f64::MIN_POSITIVE => format!("above 0 and up to {}", number(high)),
            low => format!("in {}..{}", number(low), number(high)),
        };
        Err(format!("found {name} {self}, expected numbers {expected}, the least first"))
    }

    /// Whether both ends are at least `low`, of a moderate magnitude and in order.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub(crate) fn check_least(self, name: &str, low: f64) -> Result<(), String> {
        self.check(name, low, MAGNITUDE_MAX)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::is_moderate;

    #[test]
    fn what_is_expected_of_one_number_is_one_number() {
        let said = Uniform::from(2.0).check("p", 0.0, 1.0).unwrap_err();
        assert_eq!(said, "found p 2, expected a number from 0 to 1");
        let said = Uniform::from(0.0).check("p", f64::MIN_POSITIVE, 1.0).unwrap_err();
        assert_eq!(said, "found p 0, expected a number above 0 and up to 1");
        let said = Uniform::from(0.5..2.0).check("p", 0.0, 1.0).unwrap_err();
        assert_eq!(said, "found p 0.5..2, expected numbers in 0..1, the least first");
    }

    #[test]
    fn factors_that_would_leave_f32_are_refused() {
        assert!(Uniform::from(1e300).check_least("factor", 0.0).unwrap_err().contains("1e30"));
        assert!(Uniform::from(1e30).check_least("factor", 0.0).is_ok());
        assert!(is_moderate(-1e30) && !is_moderate(1e31) && !is_moderate(f64::NAN));
    }
}
