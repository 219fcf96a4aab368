use std::borrow::Cow;
use std::sync::atomic::AtomicBool;

use super::concat::check_schema;
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, Population, Result, Row, Schema,
    Source,
};

/// The samples of all `sources`, one source after the other. All must have the same schema.
///
/// Sources of different types go together once they are [`boxed`](crate::SourceExt::boxed). However
/// many there are, a sample is found with one binary search.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use tallow_core::{Memory, Source, SourceExt, concat};
///
/// let part = |from, to| Memory::new([("x", Tensor::arange(from, to, &Device::Cpu)?)]);
/// let source = concat([part(0i64, 10)?, part(10, 15)?, part(15, 40)?])?;
/// assert_eq!(source.len(), 40);
///
/// let few = part(0, 100)?.subset([3, 14, 15])?;
/// let source = concat([source.boxed(), few.boxed()])?;
/// assert_eq!(source.len(), 43);
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`] when there is no source, [`ErrorKind::ShapeMismatch`] when the schemas
/// differ, [`ErrorKind::TooLarge`] when there are more samples than can be counted.
pub fn concat<S: Source>(sources: impl IntoIterator<Item = S>) -> Result<ConcatMany<S>> {
    let sources: Vec<S> = sources.into_iter().collect();
    let Some(first) = sources.first() else {
        return Err(Error::new(ErrorKind::Config, "found no source, expected at least one"));
    };
    let expected = first.schema();
    let mut samples = Succession::default();
    for (i, source) in sources.iter().enumerate() {
        let place =
            |error: Error| Error::new(error.kind(), format!("source {i}: {}", error.message()));
        check_schema(source.schema(), expected, "source 0").map_err(place)?;
        samples.push(source.len(), "samples").map_err(place)?;
    }
    Ok(ConcatMany { sources, samples })
}

/// The source that [`concat()`] makes.
#[derive(Debug, Clone)]
pub struct ConcatMany<S> {
    /// At least one.
    sources: Vec<S>,
    samples: Succession,
}

impl<S: Source> ConcatMany<S> {
    /// The source that has sample `index`, and its index there.
    fn at(&self, index: usize) -> (&S, usize) {
        let (at, index) = self.samples.find(index);
        (&self.sources[at], index)
    }
}

impl<S: Source> Source for ConcatMany<S> {
    fn schema(&self) -> &Schema {
        self.sources[0].schema()
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let (source, at) = self.at(index);
        source.read(at, row).map_err(|error| error.with_index(index))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let (source, at) = self.at(index);
        source.read_fields(at, fields, row).map_err(|error| error.with_index(index))
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let (source, at) = self.at(index);
        let read = source.read_part(at, field, start, into, stop);
        read.map_err(|error| error.with_index(index))
    }

    fn population(&self) -> Population {
        let all: Vec<Population> = self.sources.iter().map(Source::population).collect();
        // Their sum was checked when this was made.
        Population::of_concatenation(&all).unwrap_or_else(|_| Population::of(self.len()))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let (source, at) = self.at(index);
        source.name(at)
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let (source, at) = self.at(index);
        source.location(at, field)
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let (source, at) = self.at(index);
        source.length(at, field)
    }

    /// That of two sources is the same as of [`SourceExt::concat`](crate::SourceExt::concat).
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("concat");
        self.sources.iter().fold(start, |print, source| print.with(source.fingerprint())).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (source, at) = self.at(index);
        source.extents(at, visit);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counting, value};
    use super::*;
    use crate::{SourceExt, testing};

    #[test]
    fn it_conforms_and_finds_every_sample_also_among_empty_sources() {
        let lens = [0, 3, 0, 0, 4, 1, 0];
        let starts = [0, 0, 3, 3, 3, 7, 8];
        let parts = lens.into_iter().zip(starts);
        let source = concat(parts.map(|(len, start)| counting("a", start, len))).unwrap();
        testing::check_source(&source);
        let values: Vec<u32> = (0..8).map(|index| value(&source, index, 0)).collect();
        assert_eq!(values, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(source.name(3), "sample 0");
    }

    #[test]
    fn boxes_of_different_sources_go_together() {
        let renamed = counting("b", 3, 4).rename("b", "a").unwrap();
        let source = concat([counting("a", 0, 3).boxed(), renamed.boxed()]).unwrap();
        assert_eq!((source.len(), value(&source, 6, 0)), (7, 6));
    }

    #[test]
    fn two_sources_have_the_fingerprint_of_the_method() {
        let parts = || [counting("a", 0, 3), counting("a", 3, 4)];
        let [first, second] = parts();
        let pair = first.concat(second).unwrap();
        assert_eq!(concat(parts()).unwrap().fingerprint(), pair.fingerprint());
    }

    #[test]
    fn none_and_other_schemas_and_too_many_samples_are_refused() {
        let error = concat(Vec::<Box<dyn Source>>::new()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.message(), "found no source, expected at least one");
        let error = concat([counting("a", 0, 3).boxed(), counting("b", 0, 3).boxed()]).err();
        let error = error.unwrap();
        assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
        assert_eq!(
            error.message(),
            "source 1: found b: u32[], expected a: u32[] as in source 0; rename it, as in \
             .rename(\"b\", \"a\")"
        );
        let error = concat([counting("a", 0, usize::MAX), counting("a", 0, 1)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let words =
            "source 1: 1 samples after 18446744073709551615 others, more than can be counted";
        assert_eq!(error.message(), words);
    }
}
