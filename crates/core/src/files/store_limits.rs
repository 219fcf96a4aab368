//! What a process may have under way in stores, and which sources read from one.

use std::path::PathBuf;

use crate::Source;

/// What all loaders of the process together may have under way in stores, and what they keep on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreLimits {
    /// Bytes that were asked for and have not been read, at most.
    pub bytes: u64,
    /// Requests under way, at most.
    pub requests: usize,
    /// The folder in which bytes are kept for later epochs, and how many of them at most.
    pub cache: Option<(PathBuf, u64)>,
}

impl StoreLimits {
    /// Those that hold now, if stores are compiled in (feature `remote`).
    pub fn now() -> Option<Self> {
        #[cfg(feature = "remote")]
        {
            let budget = tallow_store::budget();
            // One that cannot be used is an error of the first object that is opened.
            let cache = tallow_store::cache().ok().flatten();
            let cache = cache.map(|cache| (cache.folder().to_owned(), cache.bytes()));
            Some(Self { bytes: budget.bytes, requests: budget.requests, cache })
        }
        #[cfg(not(feature = "remote"))]
        None
    }

    /// Those that hold now, if `source` reads from a store, as far as its [extents](Source::extents) say: it is asked
    /// for those of the first sample of each part, and a stream [says it](crate::Streaming::is_stored) itself.
    pub fn of(source: &dyn Source) -> Option<Self> {
        let limits = Self::now()?;
        let is_stored = match source.stream() {
            Some(stream) => stream.is_stored(),
            None => has_stored_part(source),
        };
        is_stored.then_some(limits)
    }
}

/// Whether the first sample of one of the parts lies in a store.
fn has_stored_part(source: &dyn Source) -> bool {
    /// So that a loader over very many parts begins at once.
    const PARTS_MAX: usize = 1 << 10;
    let population = source.population();
    let parts = (0..population.parts().min(PARTS_MAX)).map(|part| population.part(part));
    let mut firsts = parts.filter(|part| !part.is_empty()).map(|part| part.start);
    firsts.any(|index| {
        let mut is_stored = false;
        source.extents(index, &mut |extent| is_stored |= extent.location().url().is_some());
        is_stored
    })
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;
    use crate::{Extent, Field, Fingerprint, Location, Population, Result, Row, RowDType, Schema};

    /// Two parts, of which the second lies there.
    struct Parts(Schema, &'static str);

    impl Source for Parts {
        fn schema(&self) -> &Schema {
            &self.0
        }
        fn len(&self) -> usize {
            4
        }
        fn read(&self, _: usize, row: &mut Row<'_>) -> Result<()> {
            row.field(0).copy_from_slice(&[1u8])
        }
        fn population(&self) -> Population {
            Population::of_parts([2, 2]).unwrap()
        }
        fn fingerprint(&self) -> Fingerprint {
            Fingerprint::of("parts").finish()
        }
        fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
            let place = if index < 2 { "a.npy" } else { self.1 };
            visit(&Extent::whole(Location::file(place), 1));
        }
    }

    #[test]
    fn a_source_with_a_part_in_a_store_has_limits() {
        let parts = |place| {
            let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
            StoreLimits::of(&Parts(schema, place))
        };
        assert_eq!(parts("b.npy"), None);
        let limits = parts("s3://bucket/b.npy").unwrap();
        let budget = tallow_store::budget();
        assert_eq!((limits.bytes, limits.requests), (budget.bytes, budget.requests));
    }
}
