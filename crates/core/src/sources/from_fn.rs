use std::fmt;

use crate::{Fingerprint, Result, Row, Schema, Source};

/// A source of `len` samples that `read` writes: for data that no other source reads. See
/// [`from_fn_with`](crate::from_fn_with) for readers that only one thread may use at a time.
///
/// ```
/// use tallow_core::{Field, RowDType, Schema, from_fn};
///
/// let schema = Schema::new(vec![Field::new("square", RowDType::F32, &[])])?;
/// let squares = from_fn(schema, 100, |index, row| {
///     row.field(0).copy_from_slice(&[(index * index) as f32])
/// });
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub fn from_fn<F>(schema: Schema, len: usize, read: F) -> FromFn<F>
where
    F: Fn(usize, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    FromFn { schema, len, read, version: 0 }
}

/// The source that [`from_fn`] makes. Its fingerprint knows schema, length and
/// [`version`](Self::version) only.
pub struct FromFn<F> {
    schema: Schema,
    len: usize,
    read: F,
    version: u64,
}

impl<F> FromFn<F> {
    /// A number for what the closure writes, 0 if not given: change it with the closure, and a state
    /// that was saved with the old one is refused.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("FromFn");
        debug.field("schema", &self.schema).field("len", &self.len).finish_non_exhaustive()
    }
}

impl<F> Source for FromFn<F>
where
    F: Fn(usize, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        (self.read)(index, row).map_err(|error| error.with_index(index))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("from_fn").text(&self.schema.to_string());
        start.number(self.len as u64).number(self.version).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Field, RowDType};

    #[test]
    fn it_conforms() {
        let schema = Schema::new(vec![Field::new("x", RowDType::U32, &[2])]).unwrap();
        let source =
            from_fn(schema, 50, |index, row| row.field(0).copy_from_slice(&[index as u32, 7]));
        crate::testing::check_source(&source);
        let print = source.fingerprint();
        assert_ne!(source.version(1).fingerprint(), print);
    }
}
