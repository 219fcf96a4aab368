use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use crate::{FieldId, Fingerprint, Result, Row, Schema};

/// Where samples come from.
///
/// # Contract
///
/// - *Threads.* `read` is called from many threads at once, for any index in any order, the same
///   index more than once.
/// - *Determinism.* The same index gives the same bytes, whoever asks and whenever.
/// - *Fields.* `schema` and `len` never change. `read` writes every field of the row wholly; a
///   field that is not is an error of the loader's, naming it.
/// - *Errors.* An error concerns its own sample: any other may still be read. A panic in `read` is
///   caught by the loader and becomes the error of that sample.
/// - *Indices* are below `len`; a source may panic on others.
///
/// [`crate::testing::check_source`] tests all of it, for a source of your own as well.
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

    /// Whether there is no sample.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What to call sample `index` in an error: its path, where it has one. Answers at once, also
    /// while a read of that sample is stuck, since it is asked for in order to say so.
    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(format!("sample {index}"))
    }

    /// The file that `field` of sample `index` is read from, where there is one: a field of this
    /// source, or of one that this one is made of. Answers at once, as `name` does: it is asked for
    /// to say which file a read is stuck at, or whose contents a transform refuses.
    fn file(&self, index: usize, field: FieldId) -> Option<PathBuf> {
        let _ = (index, field);
        None
    }

    /// What a saved state remembers of the source, so that it is not resumed on another one:
    /// schema and count, and the names in order where samples have names. Never a time stamp,
    /// which a copy of the data set would not share.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("source")
            .text(&self.schema().to_string())
            .number(self.len() as u64)
            .finish()
    }

    /// Where the bytes of sample `index` lie, as far as they lie in files: what a measurement of
    /// the floor, or a warming of the page cache, needs to know.
    fn extents(&self, index: usize) -> Vec<Extent> {
        let _ = index;
        Vec::new()
    }
}

/// A run of bytes of a file that belongs to one sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// The file.
    pub path: PathBuf,
    /// Where the run begins.
    pub offset: u64,
    /// How long it is; of a file of one sample, how long at most, since those of ragged samples
    /// differ.
    pub bytes: usize,
    /// Whether the file holds this sample only, so that reading it means opening it.
    pub whole_file: bool,
}

macro_rules! forward_source {
    ($($pointer:ty),*) => {
        $(impl<S: Source + ?Sized> Source for $pointer {
            fn schema(&self) -> &Schema {
                (**self).schema()
            }
            fn len(&self) -> usize {
                (**self).len()
            }
            fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
                (**self).read(index, row)
            }
            fn name(&self, index: usize) -> Cow<'_, str> {
                (**self).name(index)
            }
            fn file(&self, index: usize, field: FieldId) -> Option<PathBuf> {
                (**self).file(index, field)
            }
            fn fingerprint(&self) -> Fingerprint {
                (**self).fingerprint()
            }
            fn extents(&self, index: usize) -> Vec<Extent> {
                (**self).extents(index)
            }
        })*
    };
}

forward_source!(&S, Arc<S>, Box<S>);

fn _assert_trait_object(_: &dyn Source) {}
