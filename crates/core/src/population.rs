use std::ops::Range;
use std::sync::Arc;

use crate::succession::Succession;
use crate::{Error, ErrorKind, Result};

/// What a sampler chooses from: the samples of a source, as far as a sampler may know them. These
/// are their number, the parts that a concatenation is made of, and the groups that lie together.
///
/// ```
/// use tallow_core::{Population, Sampler, Shuffle};
///
/// let population = Population::of_parts([60, 40])?;
/// assert_eq!((population.samples(), population.parts()), (100, 2));
/// assert_eq!((population.part(1), population.part_of(59)), (60..100, 0));
/// let order = Shuffle.order(&population, 7, 0)?;
/// assert_eq!(order.len(), 100);
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    samples: usize,
    /// `None` for a single part.
    parts: Option<Arc<Succession>>,
    /// `None` where nothing is known of groups.
    groups: Option<Arc<Succession>>,
}

impl Population {
    /// `samples` samples, of which nothing else is known: a single part.
    pub fn of(samples: usize) -> Self {
        Self { samples, parts: None, groups: None }
    }

    /// Parts of these lengths, one after the other. Without any length there is one part without
    /// samples.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when there are more samples than can be
    /// counted.
    pub fn of_parts(lens: impl IntoIterator<Item = usize>) -> Result<Self> {
        let mut parts = Succession::default();
        lens.into_iter().try_for_each(|len| parts.push(len, "samples"))?;
        Ok(Self::of_succession(parts))
    }

    /// The samples of these parts.
    pub(crate) fn of_succession(parts: Succession) -> Self {
        let samples = parts.len();
        Self { samples, parts: several(parts), groups: None }
    }

    /// The samples of these populations, one after the other: a part each. Their groups are groups of
    /// the whole; where only some tell theirs, each other one is a group.
    pub(crate) fn of_concatenation(populations: &[Self]) -> Result<Self> {
        let whole = Self::of_parts(populations.iter().map(Self::samples))?;
        if !populations.iter().any(Self::has_groups) {
            return Ok(whole);
        }
        let mut groups = Succession::default();
        for population in populations {
            let mut own = population.groups();
            own.try_for_each(|group| groups.push(group.len(), "samples"))?;
        }
        Ok(Self { groups: several(groups), ..whole })
    }

    /// The same samples beside those of `other`: parts and groups of the first that has any.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            samples: self.samples,
            parts: self.parts.or(other.parts),
            groups: self.groups.or(other.groups),
        }
    }

    /// Samples that lie together in groups of these lengths, one after the other: shards, or whatever
    /// is cheaper to read together than one sample here and one there. A single group tells nothing.
    ///
    /// ```
    /// use tallow_core::Population;
    ///
    /// let shards = Population::of(100).with_groups([40, 40, 20])?;
    /// assert_eq!(shards.groups().collect::<Vec<_>>(), [0..40, 40..80, 80..100]);
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the lengths are not those of all samples.
    pub fn with_groups(self, lens: impl IntoIterator<Item = usize>) -> Result<Self> {
        let mut groups = Succession::default();
        lens.into_iter().try_for_each(|len| groups.push(len, "samples"))?;
        if groups.len() != self.samples {
            let (found, expected) = (groups.len(), self.samples);
            let message = format!("groups of {found} samples, expected those of all {expected}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        Ok(self.in_groups(groups))
    }

    /// These samples in these groups, which have as many.
    pub(crate) fn in_groups(self, groups: Succession) -> Self {
        Self { groups: several(groups), ..self }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The number of parts: the sources of a concatenation, and 1 for any other source.
    pub fn parts(&self) -> usize {
        self.parts.as_ref().map_or(1, |parts| parts.parts())
    }

    /// Whether it is known which samples lie together.
    pub fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    /// The samples of each group, in order; of each part where nothing is known of groups.
    pub fn groups(&self) -> impl Iterator<Item = Range<usize>> {
        let groups = self.groups.as_ref().or(self.parts.as_ref());
        let count = groups.map_or(1, |groups| groups.parts());
        (0..count)
            .map(move |at| groups.map_or(0..self.samples, |all| all.start(at)..all.start(at + 1)))
    }

    /// The samples of part `part`.
    ///
    /// # Panics
    ///
    /// When there is no such part.
    pub fn part(&self, part: usize) -> Range<usize> {
        assert!(part < self.parts(), "part {part} of {}", self.parts());
        match &self.parts {
            None => 0..self.samples,
            Some(parts) => parts.start(part)..parts.start(part + 1),
        }
    }

    /// The part that sample `index` belongs to.
    ///
    /// # Panics
    ///
    /// When there is no such sample.
    pub fn part_of(&self, index: usize) -> usize {
        assert!(index < self.samples, "sample {index} of {}", self.samples);
        self.parts.as_ref().map_or(0, |parts| parts.find(index).0)
    }
}

/// As they are kept: one says nothing that the number of samples does not.
fn several(parts: Succession) -> Option<Arc<Succession>> {
    (parts.parts() > 1).then(|| Arc::new(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn samples_belong_to_the_part_they_lie_in_also_among_empty_ones() {
        let population = Population::of_parts([0, 3, 0, 2, 0]).unwrap();
        assert_eq!((population.samples(), population.parts()), (5, 5));
        let found: Vec<usize> = (0..5).map(|index| population.part_of(index)).collect();
        assert_eq!(found, [1, 1, 1, 3, 3]);
        assert_eq!((population.part(0), population.part(3)), (0..0, 3..5));
    }

    #[test]
    fn one_part_is_the_same_as_no_parts() {
        assert_eq!(Population::of_parts([7]).unwrap(), Population::of(7));
        assert_eq!(Population::of_parts([]).unwrap(), Population::of(0));
        assert_eq!(Population::of(7).part(0), 0..7);
    }

    #[test]
    fn more_samples_than_can_be_counted_are_refused() {
        let error = Population::of_parts([1, usize::MAX]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.message().starts_with("18446744073709551615 samples after 1"), "{error}");
    }

    #[test]
    fn groups_are_parts_until_they_are_known() {
        let of = |population: &Population| population.groups().collect::<Vec<_>>();
        let parts = Population::of_parts([3, 2]).unwrap();
        assert_eq!((parts.has_groups(), of(&parts)), (false, vec![0..3, 3..5]));
        assert_eq!(of(&Population::of(5)), std::slice::from_ref(&(0..5)));
        let shards = Population::of(5).with_groups([1, 4]).unwrap();
        assert_eq!((shards.has_groups(), of(&shards)), (true, vec![0..1, 1..5]));
        let both = Population::of_concatenation(&[shards, Population::of(7)]).unwrap();
        assert_eq!((both.parts(), of(&both)), (2, vec![0..1, 1..5, 5..12]));
        assert_eq!(of(&Population::of(12).beside(both)), [0..1, 1..5, 5..12]);
        let error = Population::of(5).with_groups([1, 5]).unwrap_err();
        assert_eq!(error.message(), "groups of 6 samples, expected those of all 5");
    }
}
