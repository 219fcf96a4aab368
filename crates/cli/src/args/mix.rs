//! The options that say how several sources are mixed, and which steps are loaded.

use std::ops::Range;
use std::str::FromStr;

use clap::Args as Flags;
use tallow::Until;

use crate::terminal::shell;

/// How several sources are mixed.
#[derive(Debug, Clone, Default, Flags)]
#[command(next_help_heading = "Mixture")]
pub(crate) struct MixArgs {
    /// Mix the sources by these weights, one for each in their order, like 3,1: of four samples three are
    /// of the first source, in each batch. Without weights the sources are one after the other. Repeat it
    /// with @POSITION for other weights from that position on, counted over all epochs, like 1,1@32000
    #[arg(long, value_name = "W,W[@POSITION]")]
    pub(crate) weights: Vec<WeightsArg>,
    /// How long an epoch of the mixture is: until all sources were seen wholly, while those that end begin
    /// again (all-seen); until the first source ends (first-ends); each sample once, while those that end
    /// are left out (each-once); or a number of samples
    #[arg(long, value_name = "WHEN|N", default_value = "all-seen", requires = "weights")]
    pub(crate) until: UntilArg,
}

impl MixArgs {
    /// Whether there are weights.
    pub(crate) fn is_some(&self) -> bool {
        !self.weights.is_empty()
    }

    /// The same options, quoted for a shell and after a space; nothing without weights.
    pub(crate) fn command_line(&self) -> String {
        let mut words: String =
            self.weights.iter().map(|of| format!(" --weights {}", of.words())).collect();
        if self.is_some() && self.until != UntilArg::default() {
            words += &format!(" --until {}", self.until.words());
        }
        words
    }
}

/// Weights, and the position from which on they count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WeightsArg {
    pub(crate) weights: Vec<f64>,
    pub(crate) from: u64,
}

impl WeightsArg {
    fn words(&self) -> String {
        let weights: Vec<String> = self.weights.iter().map(ToString::to_string).collect();
        let from = if self.from > 0 { format!("@{}", self.from) } else { String::new() };
        shell::quoted(format!("{}{from}", weights.join(",")).as_ref())
    }
}

impl FromStr for WeightsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (weights, from) = match text.split_once('@') {
            None => (text, Ok(0)),
            Some((weights, from)) => (weights, from.parse()),
        };
        let from =
            from.map_err(|_| "expected a whole number after @, like 1,1@32000".to_owned())?;
        let weight = |word: &str| match word.trim().parse::<f64>() {
            Ok(weight) if weight.is_finite() && weight >= 0.0 => Ok(weight),
            _ => Err(format!("{word:?} is no weight; expected numbers from 0 on, like 3,1")),
        };
        let weights = weights.split(',').map(weight).collect::<Result<_, _>>()?;
        Ok(Self { weights, from })
    }
}

/// How long an epoch of a mixture is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct UntilArg(pub(crate) Until);

impl UntilArg {
    const WORDS: [(&str, Until); 3] = [
        ("all-seen", Until::AllSeen),
        ("first-ends", Until::FirstEnds),
        ("each-once", Until::EachOnce),
    ];

    pub(crate) fn words(self) -> String {
        let word = Self::WORDS.iter().find(|(_, until)| *until == self.0);
        match (word, self.0) {
            (_, Until::Samples(samples)) => samples.to_string(),
            (Some((word, _)), _) => (*word).to_owned(),
            (None, until) => format!("{until:?}"),
        }
    }
}

impl FromStr for UntilArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = Self::WORDS.iter().find(|(word, _)| *word == text);
        match (word, text.parse()) {
            (Some((_, until)), _) => Ok(Self(*until)),
            (None, Ok(samples @ 1..)) => Ok(Self(Until::Samples(samples))),
            _ => Err("expected all-seen, first-ends, each-once or a number of samples".to_owned()),
        }
    }
}

/// Steps of a training: `N` for the first N, or `A..B`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepsArg {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl StepsArg {
    pub(crate) fn range(self) -> Range<u64> {
        self.start..self.end
    }
}

impl FromStr for StepsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (start, end) = text.split_once("..").unwrap_or(("", text));
        let start = if start.is_empty() { Ok(0) } else { start.parse() };
        match (start, end.parse()) {
            (Ok(start), Ok(end)) if start < end => Ok(Self { start, end }),
            (Ok(_), Ok(_)) => Err("expected the smaller number first, like 100..200".to_owned()),
            _ => Err("expected a number of steps, or a range like 100..200".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_and_ends_are_parsed_and_written_again() {
        let weights = |text: &str| text.parse::<WeightsArg>();
        assert_eq!(weights("3, 0.5").unwrap(), WeightsArg { weights: vec![3.0, 0.5], from: 0 });
        assert_eq!(weights("1,1@32").unwrap().words(), "1,1@32");
        for bad in ["", "3,", "3,x", "-1,2", "1,inf", "1,2@", "1,2@x", "NaN"] {
            assert!(weights(bad).is_err(), "{bad}");
        }
        for word in ["all-seen", "first-ends", "each-once", "640"] {
            assert_eq!(word.parse::<UntilArg>().unwrap().words(), word);
        }
        assert!("0".parse::<UntilArg>().is_err() && "never".parse::<UntilArg>().is_err());
    }

    #[test]
    fn steps_are_a_number_or_a_range() {
        let steps = |text: &str| text.parse::<StepsArg>().map(StepsArg::range);
        assert_eq!((steps("7"), steps("..7"), steps("3..7")), (Ok(0..7), Ok(0..7), Ok(3..7)));
        for bad in ["0", "", "3..", "7..3", "3..3", "x", "1..x"] {
            assert!(steps(bad).is_err(), "{bad}");
        }
    }
}
