//! What a pass over a source found.

use tallow_core::{Field, RowDType};

use super::moments::Moments;
use crate::Error;

/// The numbers of every field of a source, from one pass over it: see [`StatisticsBuilder`](super::StatisticsBuilder).
#[derive(Debug)]
#[must_use]
pub struct Statistics {
    pub(super) samples: usize,
    pub(super) failed: usize,
    pub(super) errors: Vec<(usize, Error)>,
    pub(super) fields: Vec<FieldStatistics>,
}

impl Statistics {
    /// The samples that were read.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The samples that could not be read. They are not among the others.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// The first 100 of those, with what is wrong with each.
    pub fn errors(&self) -> &[(usize, Error)] {
        &self.errors
    }

    /// Every field, in the order of the schema.
    pub fn fields(&self) -> &[FieldStatistics] {
        &self.fields
    }

    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&FieldStatistics> {
        self.fields.iter().find(|of| of.field.name() == name)
    }
}

/// The numbers of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldStatistics {
    pub(super) field: Field,
    pub(super) channels: Vec<ChannelStatistics>,
    pub(super) lengths: Vec<Lengths>,
    pub(super) classes: Vec<ClassCount>,
    pub(super) unlisted: u64,
}

impl FieldStatistics {
    /// The field as it was read: decoded, and transformed where that was asked for.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The numbers of each channel; of a field without channels there is one.
    pub fn channels(&self) -> &[ChannelStatistics] {
        &self.channels
    }

    /// How long the samples are along each ragged axis.
    pub fn lengths(&self) -> &[Lengths] {
        &self.lengths
    }

    /// Of a field of one whole number a sample: how many samples have each, in ascending order.
    pub fn classes(&self) -> &[ClassCount] {
        &self.classes
    }

    /// Samples whose number is beyond those that [`classes`](Self::classes) lists, -65536 to 65535:
    /// what has such numbers is hardly a class.
    pub fn unlisted(&self) -> u64 {
        self.unlisted
    }

    /// What `normalize` takes for 1: 255 for `u8`, 65535 for `u16`, and 1 for others.
    pub fn white(&self) -> f64 {
        match self.field.dtype() {
            RowDType::U8 => 255.0,
            RowDType::U16 => 65535.0,
            _ => 1.0,
        }
    }

    /// The mean and the deviation of each channel in the units of `normalize`, where `u8` and `u16` are
    /// 0 to 1. `None` where a channel has no finite number.
    pub fn normalization(&self) -> Option<(Vec<f64>, Vec<f64>)> {
        let white = self.white();
        let pair = |of: &ChannelStatistics| Some((of.mean()? / white, of.deviation()? / white));
        self.channels.iter().map(pair).collect()
    }
}

/// The numbers of one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelStatistics {
    pub(super) moments: Moments,
    pub(super) values: Vec<u64>,
}

impl ChannelStatistics {
    /// How many are finite. Range, mean and deviation are of those.
    pub fn count(&self) -> u64 {
        self.moments.counts().0
    }

    /// How many are NaN.
    pub fn nan(&self) -> u64 {
        self.moments.counts().1
    }

    /// How many are infinite.
    pub fn infinite(&self) -> u64 {
        self.moments.counts().2
    }

    /// The least and the greatest; `None` if none is finite.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.moments.summary().map(|summary| summary.range)
    }

    /// The mean; `None` if none is finite.
    pub fn mean(&self) -> Option<f64> {
        self.moments.summary().map(|summary| summary.mean)
    }

    /// The standard deviation of all of them (numpy's default, `ddof=0`); `None` if none is finite.
    pub fn deviation(&self) -> Option<f64> {
        self.moments.summary().map(|summary| summary.deviation)
    }

    /// How often each of the 256 bytes occurs, where a field of `u8` was
    /// [counted](super::StatisticsBuilder::value_counts); otherwise empty.
    pub fn values(&self) -> &[u64] {
        &self.values
    }
}

/// How long samples are along a ragged axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Lengths {
    /// The axis, outermost first.
    pub axis: usize,
    /// The shortest.
    pub min: usize,
    /// The longest.
    pub max: usize,
    /// The mean of all samples.
    pub mean: f64,
    /// How many samples have which length, in ascending order: each length below 1024 has a bin of its
    /// own, and longer ones share one with lengths that differ by less than a five-hundredth.
    pub bins: Vec<Bin>,
}

/// Samples of some lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bin {
    /// The shortest length of the bin.
    pub from: usize,
    /// The longest length of the bin.
    pub to: usize,
    /// Samples of these lengths, at least one.
    pub count: u64,
}

/// The samples of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCount {
    /// The number that the samples have.
    pub class: i64,
    /// The name of the class, where the field has names.
    pub name: Option<String>,
    /// How many samples have it, at least one.
    pub count: u64,
}
