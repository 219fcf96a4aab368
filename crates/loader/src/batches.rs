//! An iteration, as the training loop sees it.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::time::Instant;

use crate::batch::Batch;
use crate::consumer::Consumer;
use crate::{BatchId, Error, ErrorKind, Result};

/// The batches of one or more epochs, in order.
///
/// An error stands in the place of its own batch, and the batch after it comes next. Dropping the
/// iterator at any moment ends the iteration: what was read ahead is given up.
#[must_use = "batches are read as they are asked for"]
pub struct Batches<'a> {
    consumer: &'a Consumer,
    /// The batch that the next call delivers.
    next: BatchId,
    end: u64,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Never begun, for this reason, which is told once.
    Refused(Error),
    Running,
    Ended,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(consumer: &'a Consumer, epochs: Range<u64>) -> Self {
        match consumer.begin(&epochs) {
            Some(next) => Self { consumer, next, end: epochs.end, phase: Phase::Running },
            None => {
                let message = "another iteration of this loader is under way";
                Self::refused(consumer, epochs.start, Error::new(ErrorKind::Busy, message))
            }
        }
    }

    pub(crate) fn refused(consumer: &'a Consumer, epoch: u64, error: Error) -> Self {
        let next = BatchId { epoch, number: 0 };
        Self { consumer, next, end: epoch, phase: Phase::Refused(error) }
    }

    fn finish(&mut self) {
        if let Phase::Running = std::mem::replace(&mut self.phase, Phase::Ended) {
            self.consumer.end();
        }
    }

    /// Batches that are still to come, if no epoch fails as a whole.
    fn left(&self) -> usize {
        // Where an epoch has no batch, an error says so.
        let per_epoch = self.consumer.plan().batches.max(1);
        self.epochs_left().saturating_mul(per_epoch).saturating_sub(self.next.number)
    }

    /// Epochs that are still to be ended.
    fn epochs_left(&self) -> usize {
        usize::try_from(self.end.saturating_sub(self.next.epoch)).unwrap_or(usize::MAX)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        if !matches!(self.phase, Phase::Running) {
            return match std::mem::replace(&mut self.phase, Phase::Ended) {
                Phase::Refused(error) => Some(Err(error)),
                _ => None,
            };
        }
        let span = tracing::trace_span!(target: "tallow::next", "next", batch = %self.next);
        let _entered = span.enter();
        let started = Instant::now();
        loop {
            let Some(slab) = self.consumer.next_slab() else {
                self.finish();
                return None;
            };
            let result = slab.and_then(|slab| self.consumer.receive(&slab));
            self.next = self.consumer.next_id();
            if let Some(result) = result.transpose() {
                self.consumer.waited(started, result.as_ref().ok().map(Batch::rows));
                return Some(result);
            }
        }
    }

    /// At most as many as there are batches; an epoch that fails as a whole is one error, and where
    /// samples are skipped whole batches may be.
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.phase {
            Phase::Running => {
                let left = self.left();
                let least = if self.consumer.may_skip() { 0 } else { left.min(self.epochs_left()) };
                (least, Some(left))
            }
            // The error that says so.
            Phase::Refused(_) => (1, Some(1)),
            Phase::Ended => (0, Some(0)),
        }
    }
}

impl FusedIterator for Batches<'_> {}

impl Drop for Batches<'_> {
    fn drop(&mut self) {
        self.finish();
    }
}

impl fmt::Debug for Batches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Batches");
        debug.field("next", &self.next).field("end", &self.end).field("phase", &self.phase);
        debug.finish_non_exhaustive()
    }
}
