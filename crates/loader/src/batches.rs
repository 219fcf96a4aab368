//! An iteration, as the training loop sees it.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;
use std::time::Instant;

use crate::batch::Batch;
use crate::consumer::Consumer;
use crate::{BatchId, Error, ErrorKind, Result};

/// The batches of one or more epochs, or of some steps, in order.
///
/// An error takes the place of its own batch, and the batch after it comes next. Dropping the
/// iterator at any moment ends the iteration, and the batches that were made ahead are dropped.
///
/// It borrows the loader, except from [`Loader::epochs_owned`](crate::Loader::epochs_owned) and
/// [`Loader::steps_owned`](crate::Loader::steps_owned).
#[must_use = "batches are read as they are asked for"]
pub struct Batches<'a> {
    consumer: Held<'a>,
    /// The batch that the next call delivers.
    next: BatchId,
    /// The first one that is not delivered.
    end: BatchId,
    /// The epoch whose report was begun.
    reported: Option<u64>,
    phase: Phase,
}

/// The consumer, for as long as the iteration lasts.
enum Held<'a> {
    Borrowed(&'a Consumer),
    /// What it belongs to is kept as well, so that the workers stay.
    Owned(Arc<dyn Owner>),
}

/// What a consumer belongs to.
pub(crate) trait Owner: Send + Sync {
    fn consumer(&self) -> &Consumer;
}

impl std::ops::Deref for Held<'_> {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        match self {
            Self::Borrowed(consumer) => consumer,
            Self::Owned(owner) => owner.consumer(),
        }
    }
}

#[derive(Debug)]
enum Phase {
    /// Never begun; the reason is delivered once.
    Refused(Error),
    Running,
    Ended,
}

impl<'a> Batches<'a> {
    pub(crate) fn new(consumer: &'a Consumer, batches: Range<BatchId>) -> Self {
        Self::begin(Held::Borrowed(consumer), batches)
    }

    pub(crate) fn owned(owner: Arc<dyn Owner>, batches: Range<BatchId>) -> Batches<'static> {
        Batches::begin(Held::Owned(owner), batches)
    }

    fn begin(consumer: Held<'a>, batches: Range<BatchId>) -> Self {
        match consumer.begin(&batches) {
            Some(next) => {
                Self { consumer, next, end: batches.end, reported: None, phase: Phase::Running }
            }
            None => {
                let message = "another iteration of this loader is running";
                Self::failed(consumer, batches.start, Error::new(ErrorKind::Busy, message))
            }
        }
    }

    /// As [`refused`](Self::refused), with a share of what the consumer belongs to.
    pub(crate) fn refused_owned(owner: Arc<dyn Owner>, error: Error) -> Batches<'static> {
        Batches::failed(Held::Owned(owner), BatchId { epoch: 0, number: 0 }, error)
    }

    /// An iteration that is this error and nothing else.
    pub(crate) fn refused(consumer: &'a Consumer, epoch: u64, error: Error) -> Self {
        Self::failed(Held::Borrowed(consumer), BatchId { epoch, number: 0 }, error)
    }

    fn failed(consumer: Held<'a>, next: BatchId, error: Error) -> Self {
        Self { consumer, next, end: next, reported: None, phase: Phase::Refused(error) }
    }

    fn finish(&mut self) {
        if let Phase::Running = std::mem::replace(&mut self.phase, Phase::Ended) {
            self.consumer.end();
        }
    }

    /// Notes where the time of an epoch begins, before its first batch is waited for.
    fn report_epoch(&mut self) {
        let epoch = self.next.epoch;
        if self.next < self.end && self.reported != Some(epoch) {
            self.reported = Some(epoch);
            self.consumer.begin_report();
        }
    }

    /// The fewest and the most batches that are still to come.
    fn left(&self) -> (usize, usize) {
        // Where an epoch has no batch, an error says so.
        let per_epoch = self.consumer.plan().batches.max(1);
        let Self { next, end, .. } = self;
        let epochs = usize::try_from(end.epoch.saturating_sub(next.epoch)).unwrap_or(usize::MAX);
        let most = epochs.saturating_mul(per_epoch).saturating_add(end.number);
        let most = if next < end { most.saturating_sub(next.number) } else { 0 };
        // Of the last one, which may be delivered in part.
        let epochs = epochs.saturating_add(usize::from(end.number > 0));
        // Once a batch of an epoch was delivered, each of the others is one too, or an error. An epoch
        // whose order cannot be made is a single error.
        let has_order = next.number > 0 && self.reported == Some(next.epoch);
        let begun = if has_order { (per_epoch - next.number).min(most) } else { 0 };
        let whole = if begun > 0 { epochs - 1 } else { epochs };
        let unknown = self.consumer.may_skip() || !self.consumer.plan().is_bounded();
        let least = if unknown { 0 } else { begun.saturating_add(whole) };
        (least.min(most), most)
    }
}

/// The first epoch or step of a range, and the one after the last.
pub(crate) fn bounds(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(&start) => start,
        Bound::Excluded(&before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&last) => last.saturating_add(1),
        Bound::Excluded(&end) => end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
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
            self.report_epoch();
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

    /// Exact from the first batch of the last epoch on, unless samples are skipped, with which whole
    /// batches may be. Before that the upper bound is what comes unless an epoch fails as a whole: an
    /// epoch whose order cannot be made is a single error. For a progress bar,
    /// [`Loader::len`](crate::Loader::len) is the number of batches per epoch.
    fn size_hint(&self) -> (usize, Option<usize>) {
        match self.phase {
            Phase::Running => {
                let (least, most) = self.left();
                (least, Some(most))
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
