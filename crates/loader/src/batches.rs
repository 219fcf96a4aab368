use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;
use std::time::Instant;

use crate::batch::Batch;
use crate::loader::Loader;
use crate::{BatchId, Error, ErrorKind, Result};

/// The batches of one or more epochs, in order.
///
/// An error stands in the place of its own batch, and the batch after it comes next. Dropping the
/// iterator at any moment ends the iteration: what was read ahead is given up.
#[must_use = "batches are read as they are asked for"]
pub struct Batches<'a> {
    loader: &'a Loader,
    /// The batch that the next call delivers.
    next: BatchId,
    end: u64,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Another iteration had the workers when this one began.
    Refused,
    Running,
    Ended,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(loader: &'a Loader, epochs: Range<u64>) -> Self {
        let begun = loader.begin(&epochs);
        let phase = if begun.is_some() { Phase::Running } else { Phase::Refused };
        let next = begun.unwrap_or(BatchId { epoch: epochs.start, number: 0 });
        Self { loader, next, end: epochs.end, phase }
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.phase, Phase::Ended) == Phase::Running {
            self.loader.end();
        }
    }

    /// Batches that are still to come, if no epoch fails as a whole.
    fn left(&self) -> usize {
        let per_epoch = self.loader.batches_per_epoch();
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
        match self.phase {
            Phase::Running => {}
            Phase::Ended => return None,
            Phase::Refused => {
                self.phase = Phase::Ended;
                let message = "another iteration of this loader is under way";
                return Some(Err(Error::new(ErrorKind::Busy, message)));
            }
        }
        let span = tracing::trace_span!(target: "tallow::next", "next", batch = %self.next);
        let _entered = span.enter();
        let started = Instant::now();
        let Some(slab) = self.loader.next_slab() else {
            self.finish();
            return None;
        };
        let result = slab.and_then(|slab| self.loader.receive(&slab));
        self.loader.waited(started, result.as_ref().ok().map(Batch::rows));
        self.next = self.loader.next_id();
        Some(result)
    }

    /// At most as many as there are batches; an epoch that fails as a whole is one error.
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.phase {
            Phase::Running => {
                let left = self.left();
                (left.min(self.epochs_left()), Some(left))
            }
            // The error that says so.
            Phase::Refused => (1, Some(1)),
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
