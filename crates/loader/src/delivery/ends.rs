//! Epochs whose length is not known before their stream ends.

use std::sync::Arc;

use tallow_core::LastBatch;

use super::{Admitted, Delivery, NoOrder, Progress};
use crate::plan::empty_epoch;
use crate::slabs::{RowFault, Slab};
use crate::user_code::discard;
use crate::{BatchId, Error, ErrorKind};

impl Delivery {
    /// How many samples must be known to exist, or not, before it is known whether batch `id` is the last.
    pub(crate) fn known_after(&self, id: BatchId) -> usize {
        let batching = &self.course.batching;
        let next = id.number.saturating_add(1).saturating_mul(batching.batch_size());
        // Whether the next batch is delivered, of which one row is enough or all are needed.
        let rows = if batching.last() == LastBatch::Drop { batching.batch_size() } else { 1 };
        next.saturating_add(rows).min(self.course.positions)
    }

    /// The stream of an epoch has ended after `samples` samples, which a worker learned at `slab`: the batches
    /// that were admitted beyond it do not exist.
    pub(crate) fn ended(&self, slab: &Slab, samples: usize) {
        let mut state = self.state();
        if slab.is_cancelled() {
            return;
        }
        let epoch = slab.id.epoch;
        let batches = self.batches_of(slab, samples);
        if slab.id.number + 1 >= batches {
            slab.end_at(samples);
        }
        self.tell_broken(slab, samples, batches);
        if let Some(run) = &mut state.run
            && run.next.epoch == epoch
            && run.next.number >= batches
        {
            run.next = BatchId { epoch: epoch + 1, number: 0 };
        }
        let beyond = self.take_beyond(&mut state, epoch, batches, samples);
        self.wake_worker(&mut state, 0);
        if state.waiting {
            self.ready.notify_one();
        }
        drop(state);
        // Orders and streams are user code.
        discard(beyond);
    }

    /// The batch in which a stream breaks is an error on every rank, not only where the row is.
    fn tell_broken(&self, slab: &Slab, samples: usize, batches: usize) {
        let is_broken = slab.pass.as_ref().is_some_and(|pass| pass.is_broken());
        let rows = 0..slab.rows.samples();
        let is_there = |row: usize| slab.rows.position(row) + 1 == samples;
        if is_broken && slab.id.number + 1 == batches && !rows.into_iter().any(is_there) {
            let message = format!("the stream broke at sample {}, on another rank", samples - 1);
            let error = Error::new(ErrorKind::Sample, message);
            slab.fault(RowFault { row: 0, attempt: 0, index: Slab::NO_INDEX, error });
        }
    }

    /// Batches of an epoch of `samples` samples. One with the error that ends the stream is among them,
    /// however few rows it has.
    fn batches_of(&self, slab: &Slab, samples: usize) -> usize {
        let batching = &self.course.batching;
        match slab.pass.as_ref().is_some_and(|pass| pass.is_broken()) {
            true => samples.div_ceil(batching.batch_size()),
            false => batching.batches(samples),
        }
    }

    /// Takes the slabs of an epoch of `batches` batches out of the window that are none of its. If nothing
    /// comes before them, an error takes their place.
    fn take_beyond(
        &self,
        state: &mut Progress,
        epoch: u64,
        batches: usize,
        samples: usize,
    ) -> Vec<Admitted> {
        let is_beyond =
            |entry: &Admitted| entry.slab.id.epoch == epoch && entry.slab.id.number >= batches;
        let Some(at) = state.window.iter().position(is_beyond) else { return Vec::new() };
        let count = state.window.iter().skip(at).take_while(|entry| is_beyond(entry)).count();
        let beyond: Vec<Admitted> = state.window.drain(at..at + count).collect();
        beyond.iter().for_each(|entry| entry.slab.cancel());
        let first = &beyond[0];
        if let Some(why) = self.nothing_of(first.slab.id, batches, samples) {
            let id = first.slab.id;
            let place = (id, BatchId { epoch: epoch + 1, number: 0 });
            let error = Error::new(ErrorKind::Empty, why).with_batch(id);
            let rows = self.course.batching.no_rows();
            let slab = Arc::new(Slab::failed(place, rows, Arc::new(NoOrder), error));
            state.window.insert(at, Admitted { slab, number: first.number, claimed: 0 });
        }
        beyond
    }

    /// Why there is no batch `id`, unless the batch before it was the last.
    fn nothing_of(&self, id: BatchId, batches: usize, samples: usize) -> Option<String> {
        if id.number == 0 {
            return empty_epoch(&self.course.batching, samples, samples);
        }
        let start = id.number.saturating_mul(self.course.batching.batch_size());
        (id.number > batches).then(|| {
            format!(
                "the stream ended after {samples} samples, before position {start} of this batch"
            )
        })
    }
}
