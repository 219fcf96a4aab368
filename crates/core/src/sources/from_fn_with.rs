use std::fmt;

use crate::pool::Pool;
use crate::{Fingerprint, Result, Row, Schema, Source};

/// A source of `len` samples that `read` writes with a state of its own, for readers that only one
/// thread may use at a time: decoders, database connections, open archives.
///
/// `init` makes a state when a thread needs one and none is free, so there are as many as threads
/// ever read at once; each is reused. A state whose `read` panicked is dropped. An error of `init`
/// is an error of the sample that was to be read.
///
/// ```
/// use std::fs::File;
/// use std::io::{Read, Seek, SeekFrom};
///
/// use tallow_core::{Field, RowDType, Schema, from_fn_with};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("records.bin");
/// # std::fs::write(&path, [7u8; 40])?;
/// let records = (std::fs::metadata(&path)?.len() / 4) as usize;
/// let schema = Schema::new(vec![Field::new("record", RowDType::U8, &[4])])?;
/// let source = from_fn_with(
///     schema,
///     records,
///     move || Ok(File::open(&path)?),
///     |file, index, row| {
///         let mut record = [0u8; 4];
///         file.seek(SeekFrom::Start(index as u64 * 4))?;
///         file.read_exact(&mut record)?;
///         row.field("record").copy_from_slice(&record)
///     },
/// );
/// # use tallow_core::SourceExt;
/// # assert_eq!(source.get(9)?.field("record").bytes(), [7; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_fn_with<T, I, F>(schema: Schema, len: usize, init: I, read: F) -> FromFnWith<T, I, F>
where
    T: Send,
    I: Fn() -> Result<T> + Send + Sync,
    F: Fn(&mut T, usize, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    FromFnWith { schema, len, init, read, version: 0, states: Pool::default() }
}

/// The source that [`from_fn_with`] makes. Its fingerprint knows schema, length and
/// [`version`](Self::version) only.
pub struct FromFnWith<T, I, F> {
    schema: Schema,
    len: usize,
    init: I,
    read: F,
    version: u64,
    states: Pool<T>,
}

impl<T, I, F> FromFnWith<T, I, F> {
    /// A number for what the closure writes, 0 if not given: change it with the closure, and a
    /// state that was saved with the old one is refused.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }
}

impl<T, I, F> fmt::Debug for FromFnWith<T, I, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FromFnWith");
        debug.field("schema", &self.schema).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T, I, F> Source for FromFnWith<T, I, F>
where
    T: Send,
    I: Fn() -> Result<T> + Send + Sync,
    F: Fn(&mut T, usize, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let state = self.states.take().map_or_else(&self.init, Ok);
        let mut state = state.map_err(|error| error.with_index(index))?;
        let result = (self.read)(&mut state, index, row);
        self.states.give(state);
        result.map_err(|error| error.with_index(index))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("from_fn_with").text(&self.schema.to_string());
        start.number(self.len as u64).number(self.version).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::{Error, Field, RowDType, SourceExt};

    fn schema() -> Schema {
        Schema::new(vec![Field::new("x", RowDType::U32, &[])]).unwrap()
    }

    #[test]
    fn it_conforms_with_a_state_that_is_not_sync() {
        let init = || Ok(Cell::new(0u32));
        let source = from_fn_with(schema(), 50, init, |state, index, row| {
            state.set(index as u32);
            std::thread::yield_now();
            row.field(0).copy_from_slice(&[state.get()])
        });
        crate::testing::check_source(&source);
        let print = source.fingerprint();
        assert_ne!(source.version(1).fingerprint(), print);
    }

    #[test]
    fn a_state_is_reused_also_after_an_error_and_not_after_a_panic() {
        let made = AtomicUsize::new(0);
        let init = || Ok(made.fetch_add(1, Ordering::Relaxed));
        let source = from_fn_with(schema(), 3, init, |state, index, row| match index {
            0 => row.field(0).copy_from_slice(&[*state as u32]),
            1 => Err(Error::user("bad")),
            _ => panic!("worse"),
        });
        let value = || source.get(0).unwrap().field(0).as_slice::<u32>().unwrap()[0];
        assert_eq!((value(), value()), (0, 0));
        assert_eq!(source.get(1).unwrap_err().index(), Some(1));
        assert_eq!(value(), 0);
        catch_unwind(AssertUnwindSafe(|| source.get(2))).unwrap_err();
        assert_eq!((value(), value()), (1, 1));
    }

    #[test]
    fn an_error_of_init_is_an_error_of_the_sample() {
        let init = || Err::<(), _>(Error::user("no connection"));
        let error = from_fn_with(schema(), 3, init, |_, _, _| Ok(())).get(2).unwrap_err();
        assert_eq!(error.to_string(), "user code failed: no connection (sample 2)");
    }
}
