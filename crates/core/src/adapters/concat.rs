use std::borrow::Cow;

use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, Result, Row, Schema, Source,
};

/// The samples of one source, then those of another of the same schema.
#[derive(Debug, Clone)]
pub struct Concat<A, B> {
    first: A,
    second: B,
}

impl<A: Source, B: Source> Concat<A, B> {
    pub(super) fn new(first: A, second: B) -> Result<Self> {
        if first.schema() != second.schema() {
            let message = format!("found {}, expected {}", second.schema(), first.schema());
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        if first.len().checked_add(second.len()).is_none() {
            let message =
                format!("{} and {} samples, more than can be counted", first.len(), second.len());
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        Ok(Self { first, second })
    }

    /// Runs `then` on the source that has sample `index`, with its index there.
    fn at<'a, R>(&'a self, index: usize, then: impl FnOnce(&'a dyn Source, usize) -> R) -> R {
        match index.checked_sub(self.first.len()) {
            None => then(&self.first, index),
            Some(rest) => then(&self.second, rest),
        }
    }
}

impl<A: Source, B: Source> Source for Concat<A, B> {
    fn schema(&self) -> &Schema {
        self.first.schema()
    }

    fn len(&self) -> usize {
        self.first.len() + self.second.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.at(index, |source, at| source.read(at, row)).map_err(|e| e.with_index(index))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.at(index, |source, at| source.read_fields(at, fields, row))
            .map_err(|e| e.with_index(index))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.at(index, |source, at| source.name(at))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.at(index, |source, at| source.location(at, field))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("concat").with(self.first.fingerprint());
        start.with(self.second.fingerprint()).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.at(index, |source, at| source.extents(at, visit))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::counting;
    use crate::{ErrorKind, Source as _, SourceExt};

    #[test]
    fn other_schemas_are_refused() {
        let error = counting("a", 0, 3).concat(counting("b", 0, 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
        assert_eq!(error.message(), "found b: u32[], expected a: u32[]");
    }

    #[test]
    fn more_samples_than_can_be_counted_are_refused() {
        let huge = || counting("a", 0, usize::MAX - 3);
        assert_eq!(huge().concat(counting("a", 0, 3)).unwrap().len(), usize::MAX);
        let error = huge().concat(counting("a", 0, 4)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let words = "18446744073709551612 and 4 samples, more than can be counted";
        assert_eq!(error.message(), words);
    }
}
