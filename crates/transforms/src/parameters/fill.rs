//! The value outside of an image.

use std::fmt;

use crate::compose::Sketch;
use crate::plan::{CHANNELS_MAX, Channels};
use crate::text::number;

/// The value of pixels outside of the image: one number for all channels, or one per channel for up
/// to four, in the units that `Augment` describes under *Values*. After a normalisation it is a
/// normalised value. The default is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    values: [f64; CHANNELS_MAX],
    /// How many were given; 1 is for all channels, 0 marks a list that does not fit.
    given: usize,
}

impl Default for Fill {
    fn default() -> Self {
        0.0.into()
    }
}

impl From<f64> for Fill {
    fn from(value: f64) -> Self {
        Self { values: [value; CHANNELS_MAX], given: 1 }
    }
}

impl<const N: usize> From<[f64; N]> for Fill {
    fn from(values: [f64; N]) -> Self {
        values[..].into()
    }
}

impl From<&[f64]> for Fill {
    fn from(values: &[f64]) -> Self {
        let given = if values.len() > CHANNELS_MAX { 0 } else { values.len() };
        let of = |c: usize| values.get(c).or(values.first()).copied().unwrap_or(0.0);
        Self { values: std::array::from_fn(of), given }
    }
}

impl Fill {
    /// Whether the fill suits the image that reaches a step.
    ///
    /// # Errors
    ///
    /// What was found and what was expected.
    pub(crate) fn check(self, sketch: &Sketch) -> Result<(), String> {
        let channels = sketch.channels;
        match self.given {
            0 => {
                return Err(format!(
                    "found fills of no channel, or of more than {CHANNELS_MAX}: \
                                     give one number for all"
                ));
            }
            1 => {}
            given if given != channels => {
                return Err(format!("found {channels} channels, expected {given}, one per fill"));
            }
            _ => {}
        }
        let given = &self.values[..self.given];
        given.iter().try_for_each(|value| sketch.needs_value("fill", *value))
    }

    /// The one value for all channels, where no others were given.
    pub(crate) fn single(self) -> Option<f64> {
        (self.given == 1).then_some(self.values[0])
    }

    /// The fill of an image in which `unit` is the value of 1.
    pub(crate) fn channels(self, unit: f32) -> Channels {
        self.values.map(|value| (value * f64::from(unit)) as f32)
    }
}

impl fmt::Display for Fill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.given == 1 {
            return write!(f, "{}", number(self.values[0]));
        }
        let values: Vec<String> = self.values[..self.given].iter().map(|x| number(*x)).collect();
        write!(f, "[{}]", values.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_stands_for_all_channels_and_a_list_for_each() {
        assert_eq!(Fill::from(0.4).channels(255.0), [102.0; 4]);
        assert_eq!(Fill::from([0.2, 0.4, 0.6]).channels(255.0)[..3], [51.0, 102.0, 153.0]);
        assert_eq!(Fill::from([0.5; 5]).given, 0);
        assert_eq!(Fill::from([0.2, 0.4, 0.6]).to_string(), "[0.2,0.4,0.6]");
    }
}
