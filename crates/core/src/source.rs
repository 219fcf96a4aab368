use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Population, Result, Row,
    RowBuffer, Schema, Streaming,
};

/// Where samples come from.
///
/// # Contract
///
/// - *Threads.* `read` is called from many threads at once, for any index in any order, the same
///   index more than once.
/// - *Determinism.* The same index gives the same bytes, whichever thread asks, and whenever.
/// - *Fields.* `schema` and `len` never change. `read` writes every field of the row completely; if
///   it does not, the loader reports an error that names the field.
/// - *Errors.* An error concerns its own sample only: all others can still be read. A panic in `read` is
///   caught by the loader and becomes the error of that sample.
/// - *Indices* are below `len`; a source may panic on others.
///
/// [`crate::testing::check_source`] tests all of this; run it on your own sources.
pub trait Source: Send + Sync {
    /// The fields of every sample.
    fn schema(&self) -> &Schema;

    /// The number of samples.
    fn len(&self) -> usize;

    /// Writes sample `index` into `row`.
    ///
    /// # Errors
    ///
    /// When this sample cannot be read.
    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()>;

    /// Writes some fields of sample `index` into `row`, whose fields are those at the positions
    /// `fields` of the schema, in this order: `[2, 0]` are the third and the first. The row's fields
    /// may have other names.
    ///
    /// By default reads the whole sample into memory of its own and copies these fields. Sources that
    /// can read a field alone do better, so that labels cost no images.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let mut whole = RowBuffer::new(self.schema())?;
        self.read(index, &mut whole.row_towards(row))?;
        whole.finish().map_err(|error| error.with_index(index))?;
        row.copy_fields(&whole.view(), fields)
    }

    /// Fills `into` with the bytes of elements of the field at position `field` of the schema of sample
    /// `index`: in row-major order, from the element `start` on, in the machine's byte order. `stop` is
    /// the flag of the row that they are read for.
    ///
    /// By default reads the whole field and copies these elements. Sources whose samples are long
    /// sequences do better, so that a part of a document costs no more than the part.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read), and [`ErrorKind::ShapeMismatch`](crate::ErrorKind::ShapeMismatch) when
    /// the sample has no such elements.
    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        read_part_of_all(self, index, field, start, into, stop)
    }

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a sampler chooses from: the samples, the parts of a concatenation, which are the sources
    /// that it was made of, and groups of samples that lie together, like those of a shard. A source made
    /// of another one whose samples it has in the same order says what that one says. By default `len`
    /// samples of a single part, of which no groups are known.
    fn population(&self) -> Population {
        Population::of(self.len())
    }

    /// What errors call sample `index`: its path, if it has one. Answers at once, also while a read of
    /// that sample is stuck, because the error that reports the stuck read asks for it.
    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(format!("sample {index}"))
    }

    /// Where `field` of sample `index` is read from, if that is known: a field of this source, or of
    /// one that this source is made of. By default `None`. Answers at once, as `name` does: errors
    /// ask for it, to say at which file a read is stuck or whose contents a transform refuses.
    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let _ = (index, field);
        None
    }

    /// How long the first ragged axis of the field at position `field` of the schema is in sample
    /// `index`, if that is known without reading the sample. By default `None`, and of a field without
    /// a ragged axis always. Answers from memory: packing and buckets ask for all samples before the
    /// first is read, and [`SampleLengths`](crate::SampleLengths) reads those of which nothing is known.
    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let _ = (index, field);
        None
    }

    /// What a saved state remembers of the source, so that it cannot be resumed on another one:
    /// schema and count, and the names in order if samples have names. Never a time stamp, because a
    /// copy of the data set has others.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("source")
            .text(&self.schema().to_string())
            .number(self.len() as u64)
            .finish()
    }

    /// The stream that the samples come from, if they come one after the other; see [`Streaming`]. A source
    /// made of another one whose samples it has, each under its own index, says what that one says. By
    /// default `None`: any sample can be read at any time.
    fn stream(&self) -> Option<&dyn Streaming> {
        None
    }

    /// Calls `visit` with each run of bytes that sample `index` is read from, as far as they lie in
    /// files. By default there is none. This is what reading ahead asks for.
    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let _ = (index, visit);
    }
}

/// [`Source::read_part`] by way of the whole field.
pub(crate) fn read_part_of_all<S: Source + ?Sized>(
    source: &S,
    index: usize,
    field: usize,
    start: usize,
    into: &mut [u8],
    stop: Option<&AtomicBool>,
) -> Result<()> {
    let declared = source.schema().fields()[field].clone();
    let start = start.saturating_mul(declared.dtype().size());
    let mut whole = RowBuffer::new(&Schema::new(vec![declared])?)?;
    source.read_fields(index, &[field], &mut whole.row(stop))?;
    whole.finish().map_err(|error| error.with_index(index))?;
    let bytes = whole.view().field(0).bytes();
    match start.checked_add(into.len()).and_then(|end| bytes.get(start..end)) {
        Some(part) => into.copy_from_slice(part),
        None => {
            let declared = &source.schema().fields()[field];
            return Err(no_part(declared, bytes.len(), start, into.len()).with_index(index));
        }
    }
    Ok(())
}

/// That a field of `found` bytes does not have `bytes` of them from `start` on.
#[cold]
pub(crate) fn no_part(field: &Field, found: usize, start: usize, bytes: usize) -> Error {
    let end = start.saturating_add(bytes);
    let message = format!("found {found} bytes, expected at least {end} to read a part");
    Error::new(ErrorKind::ShapeMismatch, message).with_field(field.name())
}

/// The methods of a source that is another, which `$inner` is of `$own`.
macro_rules! forward_source {
    ($own:ident => $inner:expr) => {
        fn schema(&$own) -> &$crate::Schema {
            $inner.schema()
        }
        fn len(&$own) -> usize {
            $inner.len()
        }
        fn read(&$own, index: usize, row: &mut $crate::Row<'_>) -> $crate::Result<()> {
            $inner.read(index, row)
        }
        fn read_fields(
            &$own,
            index: usize,
            fields: &[usize],
            row: &mut $crate::Row<'_>,
        ) -> $crate::Result<()> {
            $inner.read_fields(index, fields, row)
        }
        fn read_part(
            &$own,
            index: usize,
            field: usize,
            start: usize,
            into: &mut [u8],
            stop: Option<&std::sync::atomic::AtomicBool>,
        ) -> $crate::Result<()> {
            $inner.read_part(index, field, start, into, stop)
        }
        fn population(&$own) -> $crate::Population {
            $inner.population()
        }
        fn name(&$own, index: usize) -> std::borrow::Cow<'_, str> {
            $inner.name(index)
        }
        fn location(&$own, index: usize, field: $crate::FieldId) -> Option<$crate::Location> {
            $inner.location(index, field)
        }
        fn length(&$own, index: usize, field: usize) -> Option<usize> {
            $inner.length(index, field)
        }
        fn fingerprint(&$own) -> $crate::Fingerprint {
            $inner.fingerprint()
        }
        fn stream(&$own) -> Option<&dyn $crate::Streaming> {
            $inner.stream()
        }
        fn extents(&$own, index: usize, visit: &mut dyn FnMut(&$crate::Extent)) {
            $inner.extents(index, visit)
        }
    };
}

#[cfg(feature = "arrow")]
pub(crate) use forward_source;

impl<S: Source + ?Sized> Source for &S {
    forward_source!(self => (**self));
}

impl<S: Source + ?Sized> Source for Arc<S> {
    forward_source!(self => (**self));
}

impl<S: Source + ?Sized> Source for Box<S> {
    forward_source!(self => (**self));
}

fn _assert_trait_object(_: &dyn Source) {}
