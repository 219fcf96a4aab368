//! Workers that are stuck: how they are noticed, and what is given up for them.

use std::time::Duration;

use super::{Delivery, Progress};
use crate::BatchId;
use crate::stages::{Doing, Stage};

/// The longest time between two looks for stuck workers.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// What the consumer saw of a worker.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Rows that it had begun.
    rows: u64,
    /// When that was seen first, by `Progress::watched`.
    since: Duration,
}

/// A batch that a stuck worker holds up.
pub(crate) struct Overdue {
    pub(crate) worker: usize,
    pub(crate) doing: Doing,
    /// Whether no worker is left for the batches after it either, until one returns.
    pub(crate) none_left: bool,
    pub(crate) id: BatchId,
    /// The batch that is delivered after it.
    pub(crate) next: BatchId,
}

impl Delivery {
    /// Looks at which row each worker is, `passed` after looking before.
    ///
    /// Workers read no clock between the rows of a claim, so the consumer, which waits, measures how long
    /// they are at one. Only time in which it could look counts: in a process that was stopped, or on a
    /// machine that slept, workers are not stuck only because time has passed.
    pub(super) fn look(&self, state: &mut Progress, passed: Duration) {
        state.watched += passed;
        let (looks, watched) = (&mut state.looks, state.watched);
        looks.resize(self.activities.len(), Look::default());
        for (look, activity) in looks.iter_mut().zip(&self.activities) {
            let rows = activity.rows();
            if look.rows != rows || activity.doing(self.built).stage == Stage::Idle {
                *look = Look { rows, since: watched };
            }
        }
    }

    /// Gives up the first slab if a worker has been at one of its rows for longer than `stall`, or, if
    /// there is no slab yet, at its order; and at once if every worker is stuck somewhere.
    pub(super) fn overdue(&self, state: &mut Progress, stall: Duration) -> Option<Overdue> {
        let patience = state.patience(stall);
        // A worker that was stuck in the iteration before may be about to return.
        if state.watched - state.begun < patience {
            return None;
        }
        // Rows are finished without the lock, so the slab may be done by now.
        if state.window.front().is_some_and(|first| first.slab.is_done()) {
            return None;
        }
        let doing: Vec<Doing> = self.activities.iter().map(|a| a.doing(self.built)).collect();
        let stuck: Vec<usize> =
            (0..doing.len()).filter(|&at| self.is_stuck(state, at, doing[at], patience)).collect();
        // By what was claimed: a worker with a claim may not have begun it.
        let others_rest = state.busy <= stuck.len();
        let none_left = stuck.len() == doing.len();
        let at_first = stuck.iter().find(|&&at| self.is_at_first(state, at, doing[at]));
        let longest = || stuck.iter().max_by_key(|&&at| doing[at].elapsed);
        // Workers that the limit holds back do not help, either.
        let held_back = none_left || others_rest && state.is_limited(0);
        let &worker = at_first.or_else(|| longest().filter(|_| held_back))?;
        if state.wave_at != state.watched && others_rest {
            (state.waves, state.wave_at) = (state.waves + 1, state.watched);
        }
        let (id, next) = match state.window.pop_front() {
            Some(first) => {
                first.slab.cancel();
                (first.slab.id, first.slab.next())
            }
            None => self.give_up_next(state)?,
        };
        let next =
            if none_left { self.give_up_stream(state, id.epoch).unwrap_or(next) } else { next };
        // The others go on without it, and there is room in the window. They also go on without workers that are
        // at rows of slabs that were given up, which leave at the next row unless they are stuck, too.
        state.passed.insert(worker);
        let oldest = state.window.front().map_or(state.admitted, |first| first.number);
        let at_given_up = |&at: &usize| doing[at].stage.is_at_a_row() && doing[at].slab < oldest;
        state.passed.extend((0..doing.len()).filter(at_given_up));
        self.wake_worker(state, 0);
        Some(Overdue { worker, doing: doing[worker], none_left, id, next })
    }

    /// Whether a worker has been watched at one row, or in one order, for as long as `patience`.
    fn is_stuck(&self, state: &Progress, worker: usize, doing: Doing, patience: Duration) -> bool {
        let look = state.looks.get(worker);
        let look = look.filter(|look| look.rows == self.activities[worker].rows());
        doing.stage != Stage::Idle
            && doing.elapsed >= patience
            && look.is_some_and(|look| state.watched - look.since >= patience)
    }

    /// Whether a worker is at a row of the first slab, or at the order that it comes from.
    fn is_at_first(&self, state: &Progress, worker: usize, doing: Doing) -> bool {
        match state.window.front() {
            Some(first) => doing.stage.is_at_a_row() && doing.slab == first.number,
            // A worker that was given up makes an order that is no longer waited for.
            None => {
                let ordering = state.run.as_ref().is_some_and(|run| run.ordering);
                ordering && doing.stage == Stage::Order && !state.passed.contains(&worker)
            }
        }
    }

    /// Gives up what is left of an epoch that ends only where its stream does: that many batches are never
    /// delivered, and none comes before the reader returns. Returns what is delivered after it.
    fn give_up_stream(&self, state: &mut Progress, epoch: u64) -> Option<BatchId> {
        self.course.in_turn.as_ref().filter(|in_turn| in_turn.is_open)?;
        let next = BatchId { epoch: epoch.saturating_add(1), number: 0 };
        state.window.retain(|entry| {
            let is_left = entry.slab.id.epoch != epoch;
            if !is_left {
                entry.slab.cancel();
            }
            is_left
        });
        if let Some(run) = state.run.as_mut().filter(|run| run.next.epoch == epoch) {
            run.next = next;
        }
        Some(next)
    }

    /// Gives up the batch that no worker is free to admit; returns it and the one after it.
    fn give_up_next(&self, state: &mut Progress) -> Option<(BatchId, BatchId)> {
        let run = state.run.as_mut().filter(|run| run.next < run.end)?;
        let id = run.next;
        run.next = if run.ordering {
            // Without its order nothing of the epoch can be made. The order that the worker makes if it
            // returns is not for the next epoch, and will not be used.
            run.ordering = false;
            BatchId { epoch: id.epoch + 1, number: 0 }
        } else {
            self.after(id)
        };
        Some((id, run.next))
    }
}

impl Progress {
    /// How long a worker may be watched at one row: the whole timeout, and less if no worker has
    /// finished anything since all busy ones were stuck that long. What hangs for all of them probably
    /// hangs for the next rows as well, and should not cost a whole timeout for each.
    pub(super) fn patience(&self, stall: Duration) -> Duration {
        stall / 4u32.pow(self.waves.min(3))
    }
}
