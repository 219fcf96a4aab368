//! Counts of lengths, classes and bytes. They are whole numbers, so that the sum over threads does not
//! depend on which thread saw which sample.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use tallow_core::Field;

use super::found::{Bin, ClassCount, Lengths};

/// The classes that are told apart: a label that says what to ignore is mostly -1, -100 or 255.
const CLASSES: RangeInclusive<i64> = -(1 << 16)..=(1 << 16) - 1;

/// Lengths below this are counted one by one, and as many bins halve each longer octave.
const FINE: usize = 1 << 10;

/// The counts of one field.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// For each ragged axis.
    axes: Vec<Axis>,
    classes: BTreeMap<i64, u64>,
    unlisted: u64,
    /// For each channel, how often each byte occurs.
    pub(super) bytes: Vec<Vec<u64>>,
}

#[derive(Debug, Clone, Default)]
struct Axis {
    axis: usize,
    sum: u128,
    range: Option<(usize, usize)>,
    /// By the shortest length of a bin.
    bins: BTreeMap<usize, u64>,
}

impl Tally {
    pub(super) fn new(ragged: &[usize]) -> Self {
        let axes = ragged.iter().map(|&axis| Axis { axis, ..Axis::default() });
        Self { axes: axes.collect(), ..Self::default() }
    }

    pub(super) fn add_shape(&mut self, shape: &[usize]) {
        for axis in &mut self.axes {
            let len = shape[axis.axis];
            axis.sum += len as u128;
            axis.widen(Some((len, len)));
            *axis.bins.entry(bin(len).0).or_default() += 1;
        }
    }

    pub(super) fn add_class(&mut self, class: i64) {
        match CLASSES.contains(&class) {
            true => *self.classes.entry(class).or_default() += 1,
            false => self.unlisted += 1,
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        for (own, other) in self.axes.iter_mut().zip(other.axes) {
            own.sum += other.sum;
            own.widen(other.range);
            other
                .bins
                .into_iter()
                .for_each(|(at, count)| *own.bins.entry(at).or_default() += count);
        }
        for (class, count) in other.classes {
            *self.classes.entry(class).or_default() += count;
        }
        self.unlisted += other.unlisted;
        for (own, other) in self.bytes.iter_mut().zip(other.bytes) {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }

    pub(super) fn lengths(&self) -> Vec<Lengths> {
        self.axes.iter().filter_map(Axis::lengths).collect()
    }

    /// The classes with their names, and the samples that are of none of them.
    pub(super) fn classes(&self, field: &Field) -> (Vec<ClassCount>, u64) {
        let of =
            |(&class, &count): (&i64, &u64)| ClassCount { class, name: name(field, class), count };
        (self.classes.iter().map(of).collect(), self.unlisted)
    }
}

/// The name that a field has for a class.
fn name(field: &Field, class: i64) -> Option<String> {
    field.classes()?.get(usize::try_from(class).ok()?).cloned()
}

impl Axis {
    fn widen(&mut self, other: Option<(usize, usize)>) {
        self.range = match (self.range, other) {
            (Some(own), Some(other)) => Some((own.0.min(other.0), own.1.max(other.1))),
            (own, other) => own.or(other),
        };
    }

    fn lengths(&self) -> Option<Lengths> {
        let (min, max) = self.range?;
        let samples: u64 = self.bins.values().sum();
        let bins = self.bins.iter().map(|(&from, &count)| Bin { from, to: bin(from).1, count });
        let mean = self.sum as f64 / samples as f64;
        Some(Lengths { axis: self.axis, min, max, mean, bins: bins.collect() })
    }
}

/// The lengths that share a bin with `len`.
fn bin(len: usize) -> (usize, usize) {
    let octave = len.max(1).ilog2().saturating_sub(FINE.ilog2() - 1);
    let octave = if len < FINE { 0 } else { octave };
    let from = len >> octave << octave;
    (from, from + ((1 << octave) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_follow_one_another_and_are_narrow() {
        let mut next = 0;
        while next < 1 << 20 {
            let (from, to) = bin(next);
            assert_eq!((from, bin(to)), (next, (from, to)));
            assert!(next < FINE && from == to || (to - from) * 500 < from, "{from} to {to}");
            next = to + 1;
        }
        assert!(bin(usize::MAX).1 == usize::MAX);
    }
}
