use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, Population, Result, Row, Schema,
    Source,
};

/// Some samples of a source, in any order.
#[derive(Debug, Clone)]
pub struct Subset<S> {
    source: S,
    indices: Arc<[usize]>,
}

impl<S: Source> Subset<S> {
    pub(super) fn new(source: S, indices: Vec<usize>) -> Result<Self> {
        match indices.iter().find(|&&index| index >= source.len()) {
            None => Ok(Self::of_checked(source, indices)),
            Some(index) => {
                let message = format!("index {index} in a subset of {} samples", source.len());
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    pub(super) fn of_checked(source: S, indices: Vec<usize>) -> Self {
        Self { source, indices: indices.into() }
    }

    /// The samples of the source that this one has.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }
}

impl<S: Source> Source for Subset<S> {
    fn schema(&self) -> &Schema {
        self.source.schema()
    }

    fn len(&self) -> usize {
        self.indices.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.source.read(self.indices[index], row).map_err(|error| error.with_index(index))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let at = self.indices[index];
        self.source.read_fields(at, fields, row).map_err(|error| error.with_index(index))
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let read = self.source.read_part(self.indices[index], field, start, into, stop);
        read.map_err(|error| error.with_index(index))
    }

    /// The groups of the source, as far as they are in it, if the samples are in the source's order.
    fn population(&self) -> Population {
        let all = self.source.population();
        let whole = Population::of(self.len());
        if !all.has_groups() || !self.indices.is_sorted() {
            return whole;
        }
        let mut groups = Succession::default();
        let (mut rest, mut pushed) = (&*self.indices, Ok(()));
        for group in all.groups() {
            let (own, after) = rest.split_at(rest.partition_point(|&index| index < group.end));
            pushed = pushed.and_then(|()| groups.push(own.len(), "samples"));
            rest = after;
        }
        if pushed.is_ok() { whole.in_groups(groups) } else { whole }
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(self.indices[index])
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.source.location(self.indices[index], field)
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        self.source.length(self.indices[index], field)
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("subset").with(self.source.fingerprint());
        self.indices.iter().fold(start, |print, &index| print.number(index as u64)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.source.extents(self.indices[index], visit)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use crate::{Source, SourceExt};

    #[test]
    fn an_index_outside_the_source_is_refused() {
        let error = counting("a", 0, 3).subset([0, 3]).unwrap_err();
        assert_eq!(error.to_string(), "configuration: index 3 in a subset of 3 samples");
    }

    #[test]
    fn the_groups_of_the_source_are_those_of_a_subset_in_order() {
        let shards = || counting("a", 0, 3).concat(counting("a", 3, 4)).unwrap();
        let of = |source: &dyn Source| source.population().groups().collect::<Vec<_>>();
        // Parts are no groups.
        assert_eq!(of(&shards().subset([1, 4]).unwrap()).len(), 1);
        let grouped = std::sync::Arc::new(Grouped(shards()));
        assert_eq!(of(&grouped.clone().subset([0, 2, 3, 6]).unwrap()), [0..2, 2..3, 3..4]);
        assert_eq!(of(&grouped.subset([6, 0]).unwrap()), std::slice::from_ref(&(0..2)));
    }

    /// A source whose samples lie together in threes and ones.
    struct Grouped<S>(S);

    impl<S: Source> Source for Grouped<S> {
        fn schema(&self) -> &crate::Schema {
            self.0.schema()
        }
        fn len(&self) -> usize {
            self.0.len()
        }
        fn read(&self, index: usize, row: &mut crate::Row<'_>) -> crate::Result<()> {
            self.0.read(index, row)
        }
        fn population(&self) -> crate::Population {
            crate::Population::of(7).with_groups([3, 1, 3]).unwrap()
        }
    }
}
