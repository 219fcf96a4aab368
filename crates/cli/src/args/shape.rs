//! The shape of a sample on the command line.

use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;

/// A shape like `3,32,32` or `3,100..400,64`, with a range for each length. It is a type of its own
/// because clap takes a bare `Vec` for a repeated option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShapeArg(Vec<RangeInclusive<usize>>);

impl Deref for ShapeArg {
    type Target = [RangeInclusive<usize>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromStr for ShapeArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "scalar" {
            return Ok(Self(Vec::new()));
        }
        let lengths = |part: &str| {
            let (least, greatest) = part.split_once("..").unwrap_or((part, part));
            match (least.trim().parse(), greatest.trim().parse()) {
                (Ok(least), Ok(greatest)) if least <= greatest => Ok(least..=greatest),
                (Ok(_), Ok(_)) => {
                    Err(format!("{part:?} is not a range; the smaller end comes first"))
                }
                _ => Err(format!(
                    "{part:?} is not a length; expected something like 3,32,32 or 3,100..400,64"
                )),
            }
        };
        let lengths: Vec<_> = text.split(',').map(lengths).collect::<Result<_, _>>()?;
        match lengths.len() {
            0..=tallow::MAX_RANK => Ok(Self(lengths)),
            axes => Err(format!("found {axes} axes, expected at most {}", tallow::MAX_RANK)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_parsed() {
        let shape = |text: &str| text.parse::<ShapeArg>().map(|shape| shape.0);
        assert_eq!(shape("3,32,32"), Ok(vec![3..=3, 32..=32, 32..=32]));
        assert_eq!(shape("3,10..40"), Ok(vec![3..=3, 10..=40]));
        assert_eq!((shape("scalar"), shape("")), (Ok(vec![]), Ok(vec![])));
        assert!(shape("3,,2").is_err() && shape("-1").is_err());
        assert!(shape("4..3").is_err() && shape("..3").is_err());
        assert!(shape(&["1"; 65].join(",")).is_err());
    }
}
