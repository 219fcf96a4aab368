//! Sequences of tokens.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Draws, RowDType};

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::layout::Layout;
use crate::plan::{Border, CHANNELS_MAX, W};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::signal::set_length;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "pad_or_truncate",
    usage: "length, value=0, side=right",
    parse: |a, args| {
        let default = PadOrTruncate::new(args.whole("length")?);
        Ok(a.pad_or_truncate(PadOrTruncate {
            value: args.number_or("value", default.value)?,
            side: args.word_or("side", default.side)?,
            ..default
        }))
    },
}];

/// The end of a sequence at which tokens are added or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// At the beginning: the last tokens stay.
    Left,
    /// At the end: the first tokens stay.
    Right,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Left { "left" } else { "right" })
    }
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "left" => Ok(Self::Left),
            "right" => Ok(Self::Right),
            _ => Err("expected left or right".to_owned()),
        }
    }
}

/// Brings sequences of any length to one length: shorter ones are padded, longer ones cut. Exact,
/// for integers of any type. A ragged field becomes regular. An empty sequence becomes all padding.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct PadOrTruncate {
    length: usize,
    value: f64,
    side: Side,
}

impl PadOrTruncate {
    /// Sequences of `length`.
    pub fn new(length: usize) -> Self {
        Self { length, value: 0.0, side: Side::Right }
    }

    /// The value of the padding: an integer of the field's type, at most 2^24 from zero. The
    /// default is 0.
    pub fn value(mut self, value: i32) -> Self {
        self.value = f64::from(value);
        self
    }

    /// Where tokens are added or removed. The default is right, the end.
    pub fn side(mut self, side: Side) -> Self {
        self.side = side;
        self
    }
}

impl From<usize> for PadOrTruncate {
    fn from(length: usize) -> Self {
        Self::new(length)
    }
}

impl Augment {
    /// Pads or cuts sequences of tokens to one length: a length, or a [`PadOrTruncate`].
    pub fn pad_or_truncate(self, to: impl Into<PadOrTruncate>) -> Self {
        self.push(to.into())
    }
}

/// Whole numbers up to here are `f32`, as plans hold them.
const VALUE_MAX: f64 = (1 << f32::MANTISSA_DIGITS) as f64;

/// The least and the largest value of an integer type.
fn range_of(dtype: RowDType) -> Option<(f64, f64)> {
    match dtype {
        RowDType::U8 => Some((0.0, f64::from(u8::MAX))),
        RowDType::U16 => Some((0.0, f64::from(u16::MAX))),
        RowDType::U32 => Some((0.0, f64::from(u32::MAX))),
        RowDType::I16 => Some((f64::from(i16::MIN), f64::from(i16::MAX))),
        RowDType::I32 => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
        RowDType::I64 => Some((i64::MIN as f64, i64::MAX as f64)),
        _ => None,
    }
}

impl Step for PadOrTruncate {
    fn name(&self) -> &'static str {
        "pad_or_truncate"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let Some((low, high)) = range_of(sketch.raw).filter(|_| sketch.raw_layout == Layout::T)
        else {
            let (dtype, layout) = (sketch.raw, sketch.raw_layout);
            return Err(format!("found {dtype} of layout {layout}, expected one axis of integers"));
        };
        let (low, high) = (low.max(-VALUE_MAX), high.min(VALUE_MAX));
        if self.value.fract() != 0.0 || !(low..=high).contains(&self.value) {
            let found = number(self.value);
            return Err(format!("found value {found}, expected a whole number in {low}..{high}"));
        }
        set_length(sketch, self.length)
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let more = self.length as i32 - composer.width();
        let (pad, cut) = ([0, 0, more.max(0)], [0, 0, (-more).max(0)]);
        let [front, after, start] = match self.side {
            Side::Left => [pad, [0; 3], cut],
            Side::Right => [[0; 3], pad, [0; 3]],
        };
        composer.pad(front, after, Border::Constant, [self.value as f32; CHANNELS_MAX]);
        let mut size = composer.size();
        size[W] = self.length as i32;
        composer.crop(start, size);
    }
}

impl fmt::Display for PadOrTruncate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, value) = (self.length, number(self.value));
        write!(f, "pad_or_truncate({length}, value={value}, side={})", self.side)
    }
}

#[cfg(test)]
mod tests {
    use bytemuck::Pod;
    use tallow_core::{Dim, Field, Schema, Transform};

    use super::*;
    use crate::steps::probe::{chain, round_trips, sequence};

    fn check<T: Pod + PartialEq + std::fmt::Debug>(dtype: RowDType, of: fn(i8) -> T) {
        let all = |tokens: &[i8]| -> Vec<T> { tokens.iter().map(|token| of(*token)).collect() };
        let made = |text: &str, tokens: &[i8]| sequence(text, dtype, 9, &all(tokens));
        let long = [7, 8, 9, 10, 11, 12];
        assert_eq!(made("pad_or_truncate(4)", &long), all(&[7, 8, 9, 10]), "{dtype}");
        assert_eq!(made("pad_or_truncate(4, side=left)", &long), all(&[9, 10, 11, 12]));
        assert_eq!(made("pad_or_truncate(4, value=5)", &[1, 2]), all(&[1, 2, 5, 5]));
        assert_eq!(made("pad_or_truncate(4, value=5, side=left)", &[1, 2]), all(&[5, 5, 1, 2]));
        assert_eq!(made("pad_or_truncate(4, value=3)", &[]), all(&[3; 4]), "no tokens");
        assert_eq!(made("pad_or_truncate(2)", &[1, 2]), all(&[1, 2]));
    }

    #[test]
    fn sequences_of_every_integer_type_become_one_length() {
        check(RowDType::U8, |token| token as u8);
        check(RowDType::U16, |token| token as u16);
        check(RowDType::U32, |token| token as u32);
        check(RowDType::I16, i16::from);
        check(RowDType::I32, i32::from);
        check(RowDType::I64, i64::from);
    }

    #[test]
    fn tokens_keep_all_their_bits() {
        let tokens = [i64::MAX, i64::MIN, (1 << 53) + 1, -1];
        let made = sequence("pad_or_truncate(5, value=-100)", RowDType::I64, 9, &tokens);
        assert_eq!(made, [i64::MAX, i64::MIN, (1 << 53) + 1, -1, -100]);
    }

    #[test]
    fn values_that_the_type_or_a_plan_does_not_hold_are_refused() {
        let refused = |text: &str, dtype, shape: &[usize]| {
            let schema = Schema::new(vec![Field::new("input", dtype, shape)]).unwrap();
            chain(text).bind(&schema).err().unwrap().to_string()
        };
        let text = "pad_or_truncate(5, value=-100)";
        assert!(refused(text, RowDType::U8, &[3]).contains("0..255"));
        assert!(refused(text, RowDType::F32, &[3]).contains("one axis of integers"));
        assert!(refused(text, RowDType::I64, &[3, 3]).contains("one axis of integers"));
        let text = "pad_or_truncate(5, value=16777217)";
        assert!(refused(text, RowDType::I64, &[3]).contains("16777216"));
        assert!(refused("pad_or_truncate(5, value=0.5)", RowDType::I64, &[3]).contains("whole"));
    }

    #[test]
    fn a_ragged_field_becomes_regular() {
        let dims = vec![Dim::Ragged { max: 9 }];
        let schema = Schema::new(vec![Field::with_dims("input", RowDType::I64, dims)]).unwrap();
        let engine = chain("pad_or_truncate(12)").bind(&schema).unwrap();
        assert_eq!(engine.schema().fields()[0], Field::new("input", RowDType::I64, &[12]));
        round_trips("pad_or_truncate(12, value=-100, side=left)");
    }
}
