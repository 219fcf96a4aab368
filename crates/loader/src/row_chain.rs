//! A source and its transforms, row by row: for what needs samples and no batches.

use std::fmt;
use std::sync::Arc;

use tallow_core::{
    Decode, Key, Order, Population, RowKey, RowView, Sampler as _, Schema, Sequential, Source,
    Transform,
};

use crate::builder::check_streams;
use crate::workers::{Epoch, Pipeline, RowMaker};
use crate::{Error, ErrorKind, Result};

/// The rows of a source, of any shape each, after the transforms that a loader would run: what
/// statistics are made of, and what is written into files.
///
/// Row `index` is what a [`Loader`](crate::Loader) with the same seed delivers of that sample in epoch
/// 0 of a sequential order, but neither padded nor widened. Threads take a [`reader`](Self::reader)
/// each.
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// use tallow_loader::RowChain;
///
/// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
/// # let source = from_fn(schema, 8, |at, row| row.field(0).copy_from_slice(&[at as u8; 4]));
/// let chain = RowChain::new(source);
/// let mut reader = chain.reader()?;
/// assert_eq!(reader.read(7)?.field("input").bytes(), [7; 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RowChain {
    pipeline: Pipeline,
    order: Arc<dyn Order>,
    seed: u64,
}

impl fmt::Debug for RowChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RowChain");
        debug.field("schema", self.schema()).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl RowChain {
    /// The rows of `source` as it has them: pictures are files.
    pub fn new(source: impl Source + 'static) -> Self {
        let order = Sequential.order(&Population::of(source.len()), 0, 0);
        let order = order.expect("an order that is the source's");
        Self { pipeline: Pipeline::new(Arc::new(source)), order, seed: 0 }
    }

    /// The number from which the transforms' random numbers derive. The default is 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Adds a transform, after those that were added before.
    ///
    /// # Errors
    ///
    /// When it cannot work on these fields, or with those that were added before.
    pub fn transform(mut self, transform: &dyn Transform) -> Result<Self> {
        if !transform.takes_encoded() {
            self.pipeline.decode()?;
        }
        self.pipeline.push(transform.bind(self.pipeline.schema())?)?;
        check_streams(&self.pipeline)?;
        Ok(self)
    }

    /// Decodes pictures that are still files.
    ///
    /// # Errors
    ///
    /// When the decoded fields do not fit the address space.
    pub fn decode(mut self) -> Result<Self> {
        if Decode::is_needed(self.pipeline.schema()) {
            self.pipeline.decode()?;
        }
        Ok(self)
    }

    /// The fields of the rows.
    pub fn schema(&self) -> &Schema {
        self.pipeline.schema()
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What one thread needs to make rows.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`] when there is no memory for it.
    pub fn reader(&self) -> Result<RowReader<'_>> {
        Ok(RowReader { chain: self, maker: RowMaker::new(&self.pipeline)? })
    }
}

/// What one thread needs to make the rows of a [`RowChain`].
pub struct RowReader<'a> {
    chain: &'a RowChain,
    maker: RowMaker<'a>,
}

impl fmt::Debug for RowReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowReader").field("chain", &self.chain).finish_non_exhaustive()
    }
}

impl RowReader<'_> {
    /// Row `index`, until the next one is read.
    ///
    /// # Errors
    ///
    /// When the sample cannot be read or transformed, with its file where that is known. A panic of
    /// user code is an error, too. Other rows can still be read.
    pub fn read(&mut self, index: usize) -> Result<RowView<'_>> {
        let samples = self.chain.len();
        if index >= samples {
            let message = format!("no sample {index}, the source has {samples}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let key = Key::new(self.chain.seed, 0);
        let epoch = Epoch { order: &*self.chain.order, key, samples, pass: None };
        self.maker.make(epoch, RowKey { key, index: index as u64 })
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Dim, Field, RowDType, from_fn};

    use super::*;

    #[test]
    fn rows_have_their_own_shapes_and_fail_alone() {
        let dims = vec![Dim::Ragged { max: 9 }];
        let schema = Schema::new(vec![Field::with_dims("a", RowDType::U16, dims)]).unwrap();
        let source = from_fn(schema, 6, |index, row| {
            assert_ne!(index, 4, "on purpose");
            row.field(0).set_shape(&[index])?;
            row.field(0).copy_from_slice(&vec![7u16; index])
        });
        let chain = RowChain::new(source);
        let mut reader = chain.reader().unwrap();
        for index in [5, 0, 4, 2] {
            match reader.read(index) {
                Ok(row) => assert_eq!(row.field(0).as_slice::<u16>().unwrap(), vec![7; index]),
                Err(error) => assert_eq!((index, error.kind()), (4, ErrorKind::Panic)),
            }
        }
        assert!(reader.read(6).unwrap_err().to_string().contains("no sample 6"));
    }
}
