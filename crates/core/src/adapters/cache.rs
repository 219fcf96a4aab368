use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::pool::Pool;
use crate::source::read_part_of_all;
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Population, Result, Row,
    RowBuffer, Schema, Source,
};

/// A source whose samples stay in memory once they were read, up to a limit in bytes.
///
/// There are as many places as samples fit the limit. The index of a sample says which place it may
/// take, and the first sample that is read for a place stays there. Ragged samples and pictures take what
/// they have, and each has a place of its own, until the limit is reached. Nothing is evicted: under a
/// shuffle every sample comes once per epoch, so any replacement policy would lose what it is about to
/// need, while what stays is hit in every epoch.
#[derive(Debug)]
pub struct Cache<S> {
    source: S,
    places: Box<[OnceLock<Box<Kept>>]>,
    /// Bytes of samples that are kept, and the most that may be.
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Rows to read into, where samples differ in size.
    rows: Pool<RowBuffer>,
}

/// A sample and its index.
#[derive(Debug)]
struct Kept {
    index: usize,
    sample: RowBuffer,
}

impl<S: Source> Cache<S> {
    /// More places are refused: their table alone would fill the memory of most machines.
    const PLACES_MAX: usize = 1 << 32;

    pub(super) fn new(source: S, bytes_max: usize) -> Result<Self> {
        let sample_bytes = RowBuffer::bytes_for(source.schema());
        // One of the smallest ragged samples takes a word.
        let least = if is_ragged(source.schema()) { size_of::<u64>() } else { sample_bytes };
        let places = bytes_max.checked_div(least).unwrap_or(usize::MAX).min(source.len());
        let mut table = Vec::new();
        if places > Self::PLACES_MAX || table.try_reserve_exact(places).is_err() {
            let bytes = places as u128 * size_of::<OnceLock<Box<Kept>>>() as u128;
            let message = format!("a cache of {places} samples needs {bytes} bytes for its table");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        table.resize_with(places, OnceLock::new);
        let (bytes, rows) = (AtomicUsize::new(0), Pool::default());
        Ok(Self { source, places: table.into(), bytes, bytes_max, rows })
    }

    /// Bytes of the samples that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    fn place(&self, index: usize) -> Option<&OnceLock<Box<Kept>>> {
        // Every sample that has a place of its own is found without a division.
        let places = self.places.len();
        if index < places { self.places.get(index) } else { self.places.get(index % places.max(1)) }
    }

    fn read_and_keep(
        &self,
        index: usize,
        row: &mut Row<'_>,
        place: &OnceLock<Box<Kept>>,
    ) -> Result<()> {
        if is_ragged(self.schema()) {
            return self.read_and_keep_ragged(index, row, place);
        }
        let mut sample = RowBuffer::new(self.source.schema())?;
        self.source.read(index, &mut sample.row_towards(row))?;
        sample.finish().map_err(|error| error.with_index(index))?;
        row.copy_from(&sample.view())?;
        let bytes = sample.memory_bytes();
        // Unless another thread took the place meanwhile.
        if place.set(Box::new(Kept { index, sample })).is_ok() {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps a copy that is as large as the sample, if it still fits.
    fn read_and_keep_ragged(
        &self,
        index: usize,
        row: &mut Row<'_>,
        place: &OnceLock<Box<Kept>>,
    ) -> Result<()> {
        let new = || RowBuffer::new(self.source.schema());
        let mut buffer = self.rows.take().map_or_else(new, Ok)?;
        self.source.read(index, &mut buffer.row_towards(row))?;
        buffer.finish().map_err(|error| error.with_index(index))?;
        row.copy_from(&buffer.view())?;
        let fields = (0..buffer.view().field_count()).map(|at| buffer.view().field(at));
        let bytes: usize = fields.map(|f| f.bytes().len().next_multiple_of(size_of::<u64>())).sum();
        let taken = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        if self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok() {
            // What cannot be kept, or not any more, gives its bytes back.
            let kept = RowBuffer::copy_of(buffer.view(), self.schema())
                .is_ok_and(|sample| place.set(Box::new(Kept { index, sample })).is_ok());
            if !kept {
                self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
        self.rows.give(buffer);
        Ok(())
    }
}

/// Whether samples differ in size, as those of pictures do.
fn is_ragged(schema: &Schema) -> bool {
    schema.fields().iter().any(Field::is_ragged)
}

impl<S: Source> Source for Cache<S> {
    fn schema(&self) -> &Schema {
        self.source.schema()
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        assert!(index < self.len(), "sample {index} of {}", self.len());
        match self.place(index).map(|place| (place, place.get())) {
            Some((_, Some(kept))) if kept.index == index => row.copy_from(&kept.sample.view()),
            Some((place, None)) => self.read_and_keep(index, row, place),
            _ => self.source.read(index, row),
        }
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let kept = self.place(index).and_then(OnceLock::get);
        match kept.filter(|kept| kept.index == index) {
            Some(kept) => row.copy_fields(&kept.sample.view(), fields),
            // A part of a sample is not kept.
            None => self.source.read_fields(index, fields, row),
        }
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let kept = self.place(index).and_then(OnceLock::get);
        if kept.is_some_and(|kept| kept.index == index) {
            return read_part_of_all(self, index, field, start, into, stop);
        }
        // A part of a sample is not kept.
        self.source.read_part(index, field, start, into, stop)
    }

    fn population(&self) -> Population {
        self.source.population()
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(index)
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.source.location(index, field)
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        self.source.length(index, field)
    }

    /// The source's: what is kept changes nothing.
    fn fingerprint(&self) -> Fingerprint {
        self.source.fingerprint()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        self.source.extents(index, visit)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::{Dim, RowDType, SourceExt, from_fn, testing};

    #[test]
    fn it_conforms_whatever_fits() {
        for bytes in [0, 100, 1 << 20] {
            let cache = super::super::tests::counting("a", 0, 40).cache(bytes).unwrap();
            testing::check_source(&cache);
            assert!(cache.kept_bytes() <= bytes, "{} of {bytes}", cache.kept_bytes());
        }
    }

    #[test]
    fn a_kept_sample_is_not_read_again_and_a_failed_one_is() {
        let reads = Arc::new(AtomicUsize::new(0));
        let counted = reads.clone();
        let schema = Schema::new(vec![Field::new("a", RowDType::U8, &[])]).unwrap();
        let source = from_fn(schema, 3, move |index, row| {
            counted.fetch_add(1, Ordering::Relaxed);
            match index {
                0 => row.field(0).copy_from_slice(&[7u8]),
                1 => Err(crate::Error::user("bad")),
                _ => panic!("worse"),
            }
        });
        let cache = source.cache(1000).unwrap();
        let mut buffer = RowBuffer::new(cache.schema()).unwrap();
        for _ in 0..3 {
            cache.read(0, &mut buffer.row(None)).unwrap();
            cache.read(1, &mut buffer.row(None)).unwrap_err();
            let mut panics = || cache.read(2, &mut buffer.row(None));
            catch_unwind(AssertUnwindSafe(&mut panics)).unwrap_err();
        }
        assert_eq!(reads.load(Ordering::Relaxed), 7);
        assert_eq!(cache.kept_bytes(), 8, "a failed sample takes no bytes");
    }

    #[test]
    fn ragged_samples_take_what_they_have() {
        let dims = vec![Dim::Ragged { max: 1 << 20 }];
        let fields =
            vec![Field::with_dims("a", RowDType::U8, dims), Field::new("b", RowDType::U16, &[])];
        let reads = AtomicUsize::new(0);
        let source = from_fn(Schema::new(fields).unwrap(), 40, |index, row| {
            reads.fetch_add(1, Ordering::Relaxed);
            let mut a = row.field(0);
            a.set_shape(&[index])?;
            a.copy_from_slice(&vec![index as u8; index])?;
            row.field(1).copy_from_slice(&[index as u16])
        });
        // 8 bytes of the number, and those of the other field in words.
        let all: usize = (0..40).map(|index: usize| 8 + index.next_multiple_of(8)).sum();
        for bytes in [0, 100, all - 1, all, 1 << 30] {
            let cache = (&source).cache(bytes).unwrap();
            testing::check_source(&cache);
            assert!(cache.kept_bytes() <= bytes.min(all));
            assert_eq!(cache.kept_bytes() == all, bytes >= all, "{bytes}");
        }
        let cache = (&source).cache(all).unwrap();
        let before = reads.load(Ordering::Relaxed);
        for _ in 0..3 {
            (0..40).for_each(|index| {
                let sample = cache.get(index).unwrap();
                assert_eq!(sample.field(0).bytes(), vec![index as u8; index]);
            });
        }
        assert_eq!(reads.load(Ordering::Relaxed) - before, 40);
    }

    #[test]
    fn as_many_samples_are_kept_as_fit() {
        let cache = super::super::tests::counting("a", 0, 40).cache(8 * 15 + 7).unwrap();
        let mut buffer = RowBuffer::new(cache.schema()).unwrap();
        for index in [39, 0, 15, 9].into_iter().chain(0..40) {
            cache.read(index, &mut buffer.row(None)).unwrap();
            assert_eq!(buffer.view().field(0).as_slice::<u32>().unwrap(), [index as u32]);
        }
        assert_eq!(cache.kept_bytes(), 8 * 15);
    }

    #[test]
    fn a_table_that_no_memory_holds_is_an_error() {
        let schema = Schema::new(vec![Field::new("a", RowDType::U8, &[])]).unwrap();
        for len in [1_000_000_000_000, usize::MAX] {
            let source =
                from_fn(schema.clone(), len, |_, row| row.field(0).copy_from_slice(&[7u8]));
            let error = (&source).cache(usize::MAX).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TooLarge);
            assert!(error.message().contains("samples needs"), "{error}");
            let cache = (&source).cache(100).unwrap();
            let mut buffer = RowBuffer::new(cache.schema()).unwrap();
            cache.read(len - 1, &mut buffer.row(None)).unwrap();
            assert_eq!(cache.kept_bytes(), 8);
        }
        let nothing = Schema::new(vec![Field::new("a", RowDType::U8, &[0])]).unwrap();
        let source = from_fn(nothing, usize::MAX, |_, _| Ok(()));
        assert_eq!(source.cache(9).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
