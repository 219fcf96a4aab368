use std::ops::Range;
use std::sync::Arc;

use crate::Result;
use crate::succession::Succession;

/// What a sampler chooses from: the samples of a source, as far as a sampler may know them. These
/// are their number, and the parts that a concatenation is made of.
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
}

impl Population {
    /// `samples` samples, of which nothing else is known: a single part.
    pub fn of(samples: usize) -> Self {
        Self { samples, parts: None }
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
        Self { samples, parts: (parts.parts() > 1).then(|| Arc::new(parts)) }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The number of parts: the sources of a concatenation, and 1 for any other source.
    pub fn parts(&self) -> usize {
        self.parts.as_ref().map_or(1, |parts| parts.parts())
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
}
