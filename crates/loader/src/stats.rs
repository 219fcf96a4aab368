//! What the consumer counts: batches, waits, and where the time went.

use std::time::{Duration, Instant};

use crate::batch::Batch;
use crate::report::{Histogram, WaitShares};

/// Sums since the loader was built.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) wall: Duration,
    /// When the last call of `next` ended, within an iteration.
    pub(crate) taken: Option<Instant>,
    pub(crate) wait: Duration,
    pub(crate) made: WaitShares,
    pub(crate) hand_over: Duration,
    pub(crate) map_batch: Duration,
    pub(crate) batches: u64,
    pub(crate) samples: u64,
    pub(crate) bytes: u64,
    pub(crate) errors: u64,
    pub(crate) faults: u64,
    pub(crate) waits: Histogram,
    /// Samples of each part of a concatenation; empty for any other source.
    pub(crate) parts: Vec<u64>,
}

impl Stats {
    /// Nothing yet, of so many parts.
    pub(crate) fn new(parts: usize) -> Self {
        Self {
            wall: Duration::ZERO,
            taken: None,
            wait: Duration::ZERO,
            made: WaitShares::default(),
            hand_over: Duration::ZERO,
            map_batch: Duration::ZERO,
            batches: 0,
            samples: 0,
            bytes: 0,
            errors: 0,
            faults: 0,
            waits: Histogram::new(),
            parts: vec![0; parts],
        }
    }

    /// A batch is delivered, whose tensors were of `bytes` bytes as the loader made them.
    pub(crate) fn delivered(&mut self, batch: &Batch, bytes: usize, hand_over: Duration) {
        self.batches += 1;
        self.samples += batch.len() as u64;
        self.bytes += bytes as u64;
        self.faults += batch.faults().len() as u64;
        if !self.parts.is_empty() {
            batch.parts().for_each(|part| self.parts[part] += 1);
        }
        self.hand_over += hand_over;
    }

    /// Counts a call of `next`. Returns how long ago the call before it ended, in the same iteration.
    pub(crate) fn waited(
        &mut self,
        started: Instant,
        now: Instant,
        failed: bool,
    ) -> Option<Duration> {
        let time = now - started;
        self.wait += time;
        self.errors += u64::from(failed);
        self.waits.add(time);
        let since = self.taken.replace(now).map(|before| now - before);
        self.wall += since.unwrap_or(time);
        since
    }
}
