use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{Extent, FieldId, Fingerprint, Result, Row, RowBuffer, Schema, Source};

/// A source whose samples stay in memory once they were read, as far as a bound in bytes allows.
///
/// Nothing is evicted: under a shuffle every sample comes once an epoch, so any replacement policy
/// would lose what it is about to need, while what stays is hit in every epoch.
#[derive(Debug)]
pub struct Cache<S> {
    source: S,
    kept: Box<[OnceLock<Box<RowBuffer>>]>,
    bytes_max: usize,
    /// Bytes of samples that are kept, or that a thread is about to keep.
    bytes: AtomicUsize,
}

impl<S: Source> Cache<S> {
    pub(super) fn new(source: S, bytes_max: usize) -> Self {
        let kept = (0..source.len()).map(|_| OnceLock::new()).collect();
        Self { source, kept, bytes_max, bytes: AtomicUsize::new(0) }
    }

    /// Bytes of the samples that are kept.
    pub fn kept_bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` of the bound, if that many are left.
    fn reserve(&self, bytes: usize) -> Option<Reserved<'_>> {
        let take = |held: usize| held.checked_add(bytes).filter(|sum| *sum <= self.bytes_max);
        let taken = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(|_| Reserved { of: &self.bytes, bytes })
    }

    fn read_and_keep(&self, index: usize, row: &mut Row<'_>, reserved: Reserved<'_>) -> Result<()> {
        let mut buffer = RowBuffer::new(self.source.schema())?;
        self.source.read(index, &mut buffer.row_towards(row))?;
        buffer.finish().map_err(|error| error.with_index(index))?;
        row.copy_from(&buffer.view())?;
        // Unless another thread kept the same sample meanwhile.
        if self.kept[index].set(Box::new(buffer)).is_ok() {
            std::mem::forget(reserved);
        }
        Ok(())
    }
}

/// Bytes of the bound, given back when they are dropped: the source may fail, or panic.
struct Reserved<'a> {
    of: &'a AtomicUsize,
    bytes: usize,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl<S: Source> Source for Cache<S> {
    fn schema(&self) -> &Schema {
        self.source.schema()
    }

    fn len(&self) -> usize {
        self.source.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        if let Some(sample) = self.kept[index].get() {
            return row.copy_from(&sample.view());
        }
        let bytes = RowBuffer::bytes_for(self.source.schema());
        match self.reserve(bytes) {
            Some(reserved) => self.read_and_keep(index, row, reserved),
            None => self.source.read(index, row),
        }
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        self.source.name(index)
    }

    fn file(&self, index: usize, field: FieldId) -> Option<PathBuf> {
        self.source.file(index, field)
    }

    /// The source's: what is kept changes nothing.
    fn fingerprint(&self) -> Fingerprint {
        self.source.fingerprint()
    }

    fn extents(&self, index: usize) -> Vec<Extent> {
        self.source.extents(index)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;
    use crate::{Field, RowDType, SourceExt, from_fn, testing};

    #[test]
    fn it_conforms_whatever_fits() {
        for bytes in [0, 100, 1 << 20] {
            let cache = super::super::tests::counting("a", 0, 40).cache(bytes);
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
        let cache = source.cache(1000);
        let mut buffer = RowBuffer::new(cache.schema()).unwrap();
        for _ in 0..3 {
            cache.read(0, &mut buffer.row(None)).unwrap();
            cache.read(1, &mut buffer.row(None)).unwrap_err();
            let mut panics = || cache.read(2, &mut buffer.row(None));
            catch_unwind(AssertUnwindSafe(&mut panics)).unwrap_err();
        }
        assert_eq!(reads.load(Ordering::Relaxed), 7);
        assert_eq!(cache.kept_bytes(), 8, "the bytes of a failed sample are given back");
    }
}
