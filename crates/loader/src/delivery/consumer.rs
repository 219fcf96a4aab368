//! What the consumer asks of a delivery: the next slab, and the end of an iteration.

use std::sync::Arc;
use std::time::Duration;

use super::stalls::{LOOK, Overdue};
use super::{Delivery, Progress};
use crate::report::Readiness;
use crate::slabs::Slab;
use crate::stages::{Doing, Stage};

/// What the consumer can have now.
pub(crate) enum Next {
    /// A slab that is done.
    Slab(Arc<Slab>),
    /// Nothing yet.
    Wait,
    /// Nothing any more.
    End,
}

impl Delivery {
    /// The next slab if it is done, and a worker is woken to admit another.
    fn take_done(&self, state: &mut Progress) -> Option<Arc<Slab>> {
        if !state.window.front()?.slab.is_done() {
            return None;
        }
        let slab = state.window.pop_front()?.slab;
        // Waking costs the consumer a system call and the worker a switch: not for one slab, but
        // when half of the window is free.
        let free = state.slabs.saturating_sub(state.window.len());
        if free >= state.window.len() {
            self.wake_worker(state, 0);
        }
        Some(slab)
    }

    /// The next slab if it is ready. Counts how often it is.
    pub(crate) fn ask(&self) -> Next {
        let mut state = self.state();
        let next = match self.take_done(&mut state) {
            Some(slab) => Next::Slab(slab),
            None if state.is_exhausted() => Next::End,
            None => Next::Wait,
        };
        state.readiness.asked += u64::from(!matches!(next, Next::End));
        state.readiness.ready += u64::from(matches!(next, Next::Slab(_)));
        next
    }

    /// The next slab if the consumer has just filled it.
    pub(crate) fn filled(&self) -> Option<Arc<Slab>> {
        self.take_done(&mut self.state())
    }

    /// Waits for the next slab; `None` after the last one. It is an error if the slab is overdue, or if
    /// no worker is left to make it.
    pub(crate) fn next(&self, stall: Option<Duration>) -> Option<Result<Arc<Slab>, Overdue>> {
        let mut state = self.state();
        let mut is_time = false;
        loop {
            if let Some(slab) = self.take_done(&mut state) {
                return Some(Ok(slab));
            }
            if state.is_exhausted() {
                return None;
            }
            // Also before it waits, if a worker is stuck already.
            is_time |= !state.passed.is_empty();
            let overdue = stall.filter(|_| is_time).and_then(|at| self.overdue(&mut state, at));
            if let Some(overdue) = overdue {
                return Some(Err(overdue));
            }
            let look = |stall| (state.patience(stall) / 16).clamp(Duration::from_millis(1), LOOK);
            let wait = stall.map_or(LOOK, look);
            state.waiting = true;
            let waited = self.ready.wait_timeout(state, wait);
            let timeout;
            (state, timeout) = waited.unwrap_or_else(|e| e.into_inner());
            state.waiting = false;
            is_time = timeout.timed_out();
            if is_time {
                self.look(&mut state, wait);
            }
        }
    }

    /// Ends the iteration: its slabs are no longer needed. Returns the workers that are still at one
    /// of its rows after `bound`.
    pub(crate) fn cancel(&self, bound: Duration) -> Vec<(usize, Doing)> {
        let mut state = self.state();
        state.window.iter().for_each(|entry| entry.slab.cancel());
        // Freed after the lock is released: it may be a lot of memory, and orders are user code.
        let (run, window) = (state.run.take(), std::mem::take(&mut state.window));
        let mut state = self.wait_until(state, bound, Progress::is_at_rest);
        let doing = self.activities.iter().map(|a| a.doing(self.built)).enumerate();
        let still = state.busy > 0;
        let left: Vec<_> = doing.filter(|(_, d)| still && d.stage != Stage::Idle).collect();
        state.passed.extend(left.iter().map(|(worker, _)| worker));
        drop(state);
        drop((run, window));
        left
    }

    /// Slabs that the consumer can take without waiting.
    pub(crate) fn ready(&self) -> usize {
        self.state().window.iter().take_while(|entry| entry.slab.is_done()).count()
    }

    /// How often the consumer asked for a slab, and how often one was done.
    pub(crate) fn readiness(&self) -> Readiness {
        self.state().readiness
    }
}
