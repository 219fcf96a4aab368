//! The closures that run on whole batches, on the consumer's thread.

use crate::batch::Batch;
use crate::user_code::catch;
use crate::{Error, ErrorKind, Result};

type BatchMap = Box<dyn Fn(&mut Batch) -> candle_core::Result<()> + Send + Sync>;

/// The closures that [`crate::LoaderBuilder::map_batch`] was given, in that order.
#[derive(Default)]
pub(crate) struct BatchMaps(Vec<BatchMap>);

impl BatchMaps {
    pub(crate) fn push<F>(&mut self, f: F)
    where
        F: Fn(&mut Batch) -> candle_core::Result<()> + Send + Sync + 'static,
    {
        self.0.push(Box::new(f));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Runs them all, up to the first that fails. The batch may then be half changed, and must not be
    /// delivered.
    pub(crate) fn run(&self, batch: &mut Batch) -> Result<()> {
        self.0.iter().try_for_each(|map| match catch(|| map(batch)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(cause)) => Err(failed(cause)),
            Err(text) => Err(Error::new(ErrorKind::Panic, format!("{text:?} in map_batch"))),
        })
    }
}

#[cold]
fn failed(cause: candle_core::Error) -> Error {
    Error::caused(ErrorKind::MapBatch, cause.into())
}
