//! Sources made of sources: one file each.

mod cache;
mod concat;
mod map;
mod subset;
mod zip;

pub use self::cache::Cache;
pub use self::concat::Concat;
pub use self::map::Map;
pub use self::subset::Subset;
pub use self::zip::Zip;

use std::sync::Arc;

use crate::{Error, ErrorKind, Key, Order, Purpose, Result, Row, RowView, Schema, Source, Stream};

/// Adapters as methods, for every sized source.
pub trait SourceExt: Source + Sized {
    /// The fields of this source and of `other`, sample by sample.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShapeMismatch`] when the sources differ in length, [`ErrorKind::Config`] when
    /// they share a field name.
    fn zip<S: Source>(self, other: S) -> Result<Zip<Self, S>> {
        Zip::new(self, other)
    }

    /// The samples of this source, then those of `other`.
    ///
    /// # Errors
    ///
    /// When the schemas differ, or there are more samples than can be counted.
    fn concat<S: Source>(self, other: S) -> Result<Concat<Self, S>> {
        Concat::new(self, other)
    }

    /// The samples `indices` of this source, in this order.
    ///
    /// # Errors
    ///
    /// When an index is not below the source's length.
    fn subset(self, indices: impl Into<Vec<usize>>) -> Result<Subset<Self>> {
        Subset::new(self, indices.into())
    }

    /// Disjoint random parts of this source, `fractions` of its samples each: the same for the
    /// same seed, whatever else is drawn from it. Within a part the order is the source's. The parts
    /// share the source.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a fraction is negative or not a number, or their sum is above 1;
    /// [`ErrorKind::TooLarge`] when there is no memory for the list of a part.
    fn split<const N: usize>(
        self,
        fractions: [f64; N],
        seed: u64,
    ) -> Result<[Subset<Arc<Self>>; N]> {
        let lists = split_indices(self.len(), &fractions, seed)?;
        let (whole, mut lists) = (Arc::new(self), lists.into_iter());
        Ok(std::array::from_fn(|_| {
            Subset::of_checked(whole.clone(), lists.next().unwrap_or_default())
        }))
    }

    /// The samples of this source as `map` rewrites them to fields of `schema`.
    fn map<F>(self, schema: Schema, map: F) -> Map<Self, F>
    where
        F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync,
    {
        Map::new(self, schema, map)
    }

    /// Keeps samples in memory once they were read, up to `bytes` of them; what is kept is never
    /// evicted, so that every epoch hits the same share.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when there is no memory for a table of the samples that would fit.
    fn cache(self, bytes: usize) -> Result<Cache<Self>> {
        Cache::new(self, bytes)
    }
}

impl<S: Source> SourceExt for S {}

/// The indices of each part, ascending. Boundaries are rounded sums of the fractions, so the parts
/// of fractions that sum to 1 leave nothing out.
fn split_indices(len: usize, fractions: &[f64], seed: u64) -> Result<Vec<Vec<usize>>> {
    const ROUNDING: f64 = 1e-9;
    let sum: f64 = fractions.iter().sum();
    if fractions.iter().any(|f| f.is_nan() || *f < 0.0) || sum.is_nan() || sum > 1.0 + ROUNDING {
        let message = format!("fractions {fractions:?}, expected none below 0 and a sum up to 1");
        return Err(Error::new(ErrorKind::Config, message));
    }
    let stream = Stream::new("split", 0, Purpose::Split);
    let order = crate::permutation::Permutation::new(len, Key::new(seed, 0), stream);
    let (mut start, mut sum) = (0, 0.0);
    let mut parts = Vec::new();
    for fraction in fractions {
        sum += fraction;
        let end = ((sum * len as f64).round() as usize).clamp(start, len);
        let mut part = list_of(end - start)?;
        part.extend((start..end).map(|position| order.index(position)));
        part.sort_unstable();
        parts.push(part);
        start = end;
    }
    Ok(parts)
}

/// An empty list with room for `len` indices.
fn list_of(len: usize) -> Result<Vec<usize>> {
    /// 32 GiB: systems promise more memory than they have, and take the program's life for it.
    const LEN_MAX: usize = 1 << 32;
    let mut list = Vec::new();
    if len > LEN_MAX || list.try_reserve_exact(len).is_err() {
        let message = format!("a part of {len} samples, whose list takes 8 bytes each");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, RowDType, from_fn, testing};

    /// `len` samples whose value is their index plus `first`.
    pub(super) fn counting(
        name: &str,
        first: usize,
        len: usize,
    ) -> impl Source + Clone + std::fmt::Debug {
        let schema = Schema::new(vec![Field::new(name, RowDType::U32, &[])]).unwrap();
        std::sync::Arc::new(from_fn(schema, len, move |index, row| {
            row.field(0).copy_from_slice(&[(first + index) as u32])
        }))
    }

    pub(super) fn value(source: &dyn Source, index: usize, field: usize) -> u32 {
        let mut buffer = crate::RowBuffer::new(source.schema()).unwrap();
        source.read(index, &mut buffer.row(None)).unwrap();
        buffer.view().field(field).as_slice::<u32>().unwrap()[0]
    }

    #[test]
    fn adapters_conform_and_compose() {
        let zipped = counting("a", 0, 40).zip(counting("b", 100, 40)).unwrap();
        let both = std::sync::Arc::new(zipped);
        let source = both.clone().concat(both).unwrap().subset([79, 0, 45]).unwrap();
        let source = source.cache(1 << 20).unwrap();
        testing::check_source(&source);
        let read: Vec<(u32, u32)> =
            (0..3).map(|i| (value(&source, i, 0), value(&source, i, 1))).collect();
        assert_eq!(read, [(39, 139), (0, 100), (5, 105)]);
    }

    #[test]
    fn parts_of_a_split_are_disjoint_complete_and_seeded() {
        let source = counting("a", 0, 101);
        let indices = |seed| {
            let parts = source.clone().split([0.8, 0.1, 0.1], seed).unwrap();
            parts.map(|p| (0..p.len()).map(|i| value(&p, i, 0)).collect::<Vec<_>>())
        };
        let parts = indices(1);
        assert_eq!([parts[0].len(), parts[1].len(), parts[2].len()], [81, 10, 10]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<u32>>());
        assert_eq!(indices(1), parts);
        assert_ne!(indices(2), parts);
    }

    #[test]
    fn fractions_that_are_none_are_refused() {
        let message =
            |fractions: [f64; 2]| split_indices(9, &fractions, 0).unwrap_err().message().to_owned();
        let expected = "expected none below 0 and a sum up to 1";
        assert_eq!(message([0.8, 0.3]), format!("fractions [0.8, 0.3], {expected}"));
        for fractions in [[f64::NAN, 0.0], [-0.1, 0.2], [f64::INFINITY, 0.0], [1.0, -0.5]] {
            let message = message(fractions);
            assert!(message.ends_with(expected), "{message}");
        }
    }

    #[test]
    fn a_part_that_no_memory_holds_is_an_error() {
        for len in [1_000_000_000_000, usize::MAX] {
            let error = split_indices(len, &[0.5, 0.5], 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.message().contains("samples, whose list takes 8 bytes"), "{error}");
            let few = split_indices(len, &[1e-16, 0.0], 0).unwrap();
            assert!(few.iter().flatten().all(|&index| index < len));
        }
    }
}
