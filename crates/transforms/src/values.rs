//! The values of an image: their range, and the units in which steps take arguments.

use tallow_core::RowDType;

use crate::layout::Layout;
use crate::text::number;

/// The greatest magnitude of a parameter that is a factor or a value. Its product with a pixel is
/// still a finite `f32`, so that no product of zero and infinity makes a NaN.
pub(crate) const MAGNITUDE_MAX: f64 = 1e30;

/// Whether a value that plans hold as `f32` is a number of at most that magnitude.
pub(crate) fn is_moderate(value: f64) -> bool {
    value.abs() <= MAGNITUDE_MAX
}

/// What is known of a field's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Values {
    dtype: RowDType,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Every value of a `u8` or a `u16`; arguments are shares of the greatest.
    Levels,
    /// 0 to 1: the default of images of floats.
    Unit,
    /// The range that the chain sets.
    Said([f64; 2]),
    /// A signal may be anything.
    Free,
    /// An image of a type without a default range.
    Unknown,
}

impl Values {
    /// The values of a field of `dtype`, whose chain sets the range `said`.
    ///
    /// # Errors
    ///
    /// When that cannot be a range.
    pub(crate) fn of(
        said: Option<[f64; 2]>,
        dtype: RowDType,
        layout: Layout,
    ) -> Result<Self, String> {
        let has_levels = matches!(dtype, RowDType::U8 | RowDType::U16);
        let kind = match said {
            Some(_) if has_levels => {
                let max = max_of(dtype);
                return Err(format!(
                    "found {dtype}, which goes from 0 to {max}, expected floats or wider integers: leave \
                     out .range(..)"
                ));
            }
            Some([low, high]) => {
                // Engines hold the ends as `f32`.
                let apart = (low as f32) < (high as f32);
                if !(is_moderate(low) && is_moderate(high) && apart) {
                    return Err(format!(
                        "found .range({low:?}, {high:?}), expected two numbers, the least first"
                    ));
                }
                Kind::Said([low, high])
            }
            None if has_levels => Kind::Levels,
            None if !layout.axes()[crate::plan::H] => Kind::Free,
            None if is_float(dtype) => Kind::Unit,
            None => Kind::Unknown,
        };
        Ok(Self { dtype, kind })
    }

    /// The least and the greatest value of the raw field, where they are known.
    pub(crate) fn ends(self) -> Option<[f64; 2]> {
        match self.kind {
            Kind::Levels => Some([0.0, max_of(self.dtype)]),
            Kind::Unit => Some([0.0, 1.0]),
            Kind::Said(ends) => Some(ends),
            Kind::Free | Kind::Unknown => None,
        }
    }

    /// What 1 is in an argument, as a raw value.
    pub(crate) fn unit(self) -> f64 {
        if self.has_levels() { max_of(self.dtype) } else { 1.0 }
    }

    /// From the least value to the greatest, or the unit where they are not known.
    pub(crate) fn width(self) -> f64 {
        self.ends().map_or(self.unit(), |[low, high]| high - low)
    }

    /// Whether the type says where values end, so that a raw one cannot be outside.
    pub(crate) fn has_levels(self) -> bool {
        self.kind == Kind::Levels
    }

    /// Whether an argument `name` of `value` is one of the image's values.
    ///
    /// # Errors
    ///
    /// When it is not, or when the range is unknown. Zero, the default of most arguments, needs no
    /// range.
    pub(crate) fn check(self, name: &str, value: f64) -> Result<(), String> {
        let Some([low, high]) = self.ends().map(|ends| ends.map(|end| end / self.unit())) else {
            return self.check_known(name, value);
        };
        match (low..=high).contains(&value) {
            true => Ok(()),
            false => Err(self.unexpected(name, value, [low, high])),
        }
    }

    /// The same of a distance between two values, of either sign.
    ///
    /// # Errors
    ///
    /// When no two values are that far apart, or when the range is unknown.
    pub(crate) fn check_distance(self, name: &str, value: f64) -> Result<(), String> {
        let Some([low, high]) = self.ends().map(|ends| ends.map(|end| end / self.unit())) else {
            return self.check_known(name, value);
        };
        match value.abs() <= high - low {
            true => Ok(()),
            false => Err(self.unexpected(name, value, [0.0, high - low])),
        }
    }

    fn check_known(self, name: &str, value: f64) -> Result<(), String> {
        match self.kind {
            Kind::Unknown if value != 0.0 => Err(format!(
                "found {name} {} for an image of {}, whose range is not known: say \
                 .range(low, high)",
                number(value),
                self.dtype
            )),
            _ => Ok(()),
        }
    }

    fn unexpected(self, name: &str, value: f64, [low, high]: [f64; 2]) -> String {
        let [found, low, high] = [value, low, high].map(number);
        let expected = format!("found {name} {found}, expected {low} to {high}");
        match self.kind {
            Kind::Levels => format!("{expected}, as 1 is the greatest {}", self.dtype),
            Kind::Said(_) => format!("{expected}, as .range(..) says"),
            _ => format!("{expected}; {}", hint(value, "the field's range")),
        }
    }

    /// Whether steps that brighten and darken know where black and white are.
    ///
    /// # Errors
    ///
    /// When they do not, or black is not 0, from which they count.
    pub(crate) fn check_colors(self) -> Result<(), String> {
        self.check_ends()?;
        match self.kind {
            Kind::Said([low, high]) if low != 0.0 => {
                Err(format!("works on values that begin at 0, found .range({low:?}, {high:?})"))
            }
            _ => Ok(()),
        }
    }

    /// Whether black and white are known.
    ///
    /// # Errors
    ///
    /// When they are not.
    pub(crate) fn check_ends(self) -> Result<(), String> {
        let dtype = self.dtype;
        let found = match self.kind {
            Kind::Free => format!("a signal of {dtype}, which has neither"),
            Kind::Unknown => format!("{dtype}, which does not say them"),
            _ => return Ok(()),
        };
        Err(format!("needs black and white, found {found}: say .range(low, high)"))
    }

    /// How far from the middle of the range a raw value may be: half a width beyond its ends, more
    /// than an interpolation overshoots by. `None` when any value is allowed.
    pub(crate) fn reach(self) -> Option<[f32; 2]> {
        let [low, high] = self.ends().filter(|_| !self.has_levels())?;
        Some([((low + high) / 2.0) as f32, (high - low) as f32])
    }

    /// What is wrong with a raw value beyond that reach.
    pub(crate) fn beyond(self, value: f64, at: usize) -> String {
        let [low, high] = self.ends().unwrap_or_default().map(number);
        let found = number(value);
        let expected =
            format!("found {found} at element {at}, expected values from {low} to {high}");
        match self.kind {
            Kind::Said(_) => format!("{expected}, as .range(..) says"),
            _ => format!("{expected}; {}", hint(value, "the field's range")),
        }
    }
}

/// The way out for a float that is no share of white.
fn hint(value: f64, what: &str) -> String {
    let usual = [[0.0, 255.0], [0.0, 65535.0], [-1.0, 1.0]];
    let fits = |[low, high]: &[f64; 2]| (*low..=1.5 * high).contains(&value);
    match usual.into_iter().find(fits) {
        Some([low, high]) => format!("say .range({low:?}, {high:?}) if that is {what}"),
        None => format!("say .range(low, high) if {what} is another"),
    }
}

fn is_float(dtype: RowDType) -> bool {
    matches!(dtype, RowDType::F16 | RowDType::BF16 | RowDType::F32 | RowDType::F64)
}

/// The largest value of an element type's range, as images use it.
pub(crate) fn max_of(dtype: RowDType) -> f64 {
    match dtype {
        RowDType::U8 => 255.0,
        RowDType::U16 => 65535.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(said: Option<[f64; 2]>, dtype: RowDType, layout: Layout) -> Values {
        Values::of(said, dtype, layout).unwrap()
    }

    #[test]
    fn types_and_layouts_say_what_is_known() {
        let ends = |said, dtype, layout| values(said, dtype, layout).ends();
        assert_eq!(ends(None, RowDType::U8, Layout::Hw), Some([0.0, 255.0]));
        assert_eq!(ends(None, RowDType::U16, Layout::T), Some([0.0, 65535.0]));
        for dtype in [RowDType::F16, RowDType::BF16, RowDType::F32, RowDType::F64] {
            assert_eq!(ends(None, dtype, Layout::Chw), Some([0.0, 1.0]));
            assert_eq!(ends(None, dtype, Layout::Ct), None);
        }
        for dtype in [RowDType::I16, RowDType::I32, RowDType::I64, RowDType::U32] {
            assert_eq!(ends(None, dtype, Layout::Dhw), None);
            assert_eq!(ends(Some([-9.0, 4.0]), dtype, Layout::Dhw), Some([-9.0, 4.0]));
        }
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        let refused =
            |low, high, dtype| Values::of(Some([low, high]), dtype, Layout::Hw).unwrap_err();
        for [low, high] in [[1.0, 1.0], [2.0, 1.0], [f64::NAN, 1.0], [0.0, f64::INFINITY]] {
            assert!(refused(low, high, RowDType::F32).contains("the least first"));
        }
        assert!(refused(0.0, 255.0, RowDType::U8).contains("goes from 0 to 255"));
    }

    #[test]
    fn arguments_outside_of_the_range_are_told_how_to_say_another() {
        let floats = values(None, RowDType::F32, Layout::Chw);
        let problem = |value| floats.check("fill", value).unwrap_err();
        assert!(
            problem(128.0).ends_with("0 to 1; say .range(0.0, 255.0) if that is the field's range")
        );
        assert!(problem(-0.5).contains(".range(-1.0, 1.0)"));
        assert!(problem(40_000.0).contains(".range(0.0, 65535.0)"));
        assert!(problem(-700.0).contains(".range(low, high)"));
        let bytes = values(None, RowDType::U8, Layout::Chw);
        assert!(bytes.check("fill", 128.0).unwrap_err().contains("1 is the greatest u8"));
        assert!(bytes.check("fill", 1.0).is_ok());
        let wide = values(Some([-100.0, 300.0]), RowDType::I16, Layout::Chw);
        assert!(wide.check("fill", -100.0).is_ok() && wide.check_distance("std", 400.0).is_ok());
        assert!(wide.check("fill", 301.0).unwrap_err().contains("-100 to 300, as .range(..) says"));
        assert!(wide.check_distance("std", 401.0).unwrap_err().contains("0 to 400"));
        let unknown = values(None, RowDType::I32, Layout::Chw);
        assert!(unknown.check("fill", 1.0).unwrap_err().contains("say .range(low, high)"));
        assert!(unknown.check("fill", 0.0).is_ok());
        assert!(values(None, RowDType::F32, Layout::T).check("fill", 1e9).is_ok());
    }
}
