//! How an epoch begins: with its order, and with a pass over its stream.

use super::{Delivery, epoch_order};
use crate::user_code::catch;
use crate::visit::Visit;
use crate::{BatchId, Error, ErrorKind, Result};

impl Delivery {
    /// The order of an epoch from batch `from` on, and what its samples come from.
    pub(crate) fn visit(&self, from: BatchId) -> Result<Visit> {
        let (order, batching) = epoch_order::make(&self.course, from.epoch)?;
        let Some(in_turn) = &self.course.in_turn else {
            return Ok(Visit { order, batching, pass: None });
        };
        // A window is read as a whole, also if an iteration begins in the middle of it.
        let first = from.number.saturating_mul(self.course.batching.batch_size());
        let first = first - first % in_turn.window;
        let begin = || match in_turn.source.stream() {
            Some(stream) => stream.begin(from.epoch, first, in_turn.keep).map(Some),
            None => Ok(None),
        };
        let pass = catch(begin).map_err(|text| {
            let message = format!("{text:?} where the stream is opened, for epoch {}", from.epoch);
            Error::new(ErrorKind::Panic, message)
        })??;
        Ok(Visit { order, batching, pass })
    }
}
