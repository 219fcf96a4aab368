//! How far a colour is changed.

use std::fmt;
use std::ops::{Range, RangeInclusive};

use super::uniform::Uniform;
use crate::text::number;

/// How far a colour parameter varies. A number is the largest distance from the value that changes
/// nothing; a range is the range of the parameter itself.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Jitter {
    /// Factors from max(0, 1 - x) to 1 + x, or turns of the hue from -x to x. 0 is none.
    By(f64),
    /// Factors or turns in this range.
    Within(Uniform),
}

impl From<f64> for Jitter {
    fn from(by: f64) -> Self {
        Self::By(by)
    }
}

impl From<Uniform> for Jitter {
    fn from(range: Uniform) -> Self {
        Self::Within(range)
    }
}

impl From<Range<f64>> for Jitter {
    fn from(range: Range<f64>) -> Self {
        Self::Within(range.into())
    }
}

impl From<RangeInclusive<f64>> for Jitter {
    fn from(range: RangeInclusive<f64>) -> Self {
        Self::Within(range.into())
    }
}

impl Jitter {
    /// The range of a factor.
    pub(crate) fn factor(self) -> Uniform {
        match self {
            // What is no distance stays wrong, for `outline` to refuse.
            Self::By(by) if by >= 0.0 => Uniform { low: (1.0 - by).max(0.0), high: 1.0 + by },
            Self::By(by) => by.into(),
            Self::Within(range) => range,
        }
    }

    /// The range of a turn.
    pub(crate) fn turn(self) -> Uniform {
        match self {
            Self::By(by) => Uniform { low: -by, high: by },
            Self::Within(range) => range,
        }
    }
}

/// Always written as a range: a single number would be read as a distance.
impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::By(by) => f.write_str(&number(*by)),
            Self::Within(Uniform { low, high }) => write!(f, "{}..{}", number(*low), number(*high)),
        }
    }
}
