//! A worker: it claims rows, fills them, and comes back for more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tallow_core::{RowKey, Stream, Unchecked};

use super::epoch::Epoch;
use super::pipeline::{Pipeline, Scratch, Tools};
use crate::delivery::{Claim, Delivery};
use crate::slabs::{RowFault, RowOutcome, Slab};
use crate::stages::{Stage, StageClock};
use crate::user_code::{catch, discard};
use crate::{Error, ErrorKind};

/// How long one claim should keep a worker: long enough that the lock costs nothing, short enough
/// that the rows of a batch spread over all workers and a slow row holds up few others.
const CLAIM_NS: u64 = 50_000;

/// Rows of one claim at most, however fast they are.
const CLAIM_ROWS_MAX: u64 = 64;

/// Everything that filling a row needs, except for the scratch of a worker.
pub(crate) struct Filler {
    pub(crate) pipeline: Pipeline,
    pub(crate) delivery: Delivery,
    /// How many substitutes are tried for a row that fails.
    pub(crate) substitutes: usize,
    /// The stream from which they are drawn.
    pub(crate) substitute_stream: Stream,
}

/// The whole life of a worker.
pub(crate) fn work(filler: &Arc<Filler>, worker: usize, mut scratch: Scratch) {
    let delivery = &filler.delivery;
    let mut clock = StageClock::start(&delivery.activities[worker], delivery.built);
    let mut want = 1;
    let mut came_back = false;
    while let Some(claim) = delivery.claim(worker, want, came_back, &mut clock) {
        want = filler.fill(&claim, &mut scratch, &mut clock);
        came_back = true;
        // It may hold the last reference to the order of an iteration that was dropped.
        discard(claim);
    }
    delivery.leave();
}

impl Filler {
    /// Fills the rows of a claim; returns how many rows the next claim should have.
    pub(crate) fn fill(
        &self,
        claim: &Claim,
        scratch: &mut Scratch,
        clock: &mut StageClock<'_>,
    ) -> usize {
        let slab = &*claim.slab;
        let rows = claim.rows.len();
        let span = tracing::trace_span!(target: "tallow::fill", "fill", batch = %slab.id, rows);
        let _entered = span.enter();
        clock.enter(Stage::Read);
        clock.at_slab(claim.number);
        // Read when the worker came from another stage, or from the claim before.
        let started_ns = clock.entered_ns();
        if let Err(error) = slab.prepare() {
            let row = claim.rows.start;
            slab.fault(RowFault { row, attempt: 0, index: Slab::NO_INDEX, error });
            slab.finish(rows, 0);
            return 1;
        }
        let (written, faults) = self.fill_checked(claim, scratch, clock);
        faults.into_iter().for_each(|fault| slab.fault(fault));
        clock.enter(Stage::Read);
        if claim.rows.end == slab.rows.samples() {
            self.look_for_end(slab, clock);
        }
        let row_ns = (clock.mark() - started_ns) / rows.max(1) as u64;
        slab.finish(rows, written);
        (CLAIM_NS / row_ns.max(1)).clamp(1, CLAIM_ROWS_MAX) as usize
    }

    /// Fills the rows, and looks once at each file that they were read from. If one has changed, each row is
    /// read again with a look of its own, which tells the rows that are as they should be from others.
    ///
    /// Returns how many rows hold a sample, and what failed.
    fn fill_checked(
        &self,
        claim: &Claim,
        scratch: &mut Scratch,
        clock: &mut StageClock<'_>,
    ) -> (usize, Vec<RowFault>) {
        // What a stream gave is gone, and memory for a device grows with each row that is written.
        let is_repeatable = claim.slab.pass.is_none() && self.pipeline.finisher().is_none();
        scratch.tools.unchecked = is_repeatable.then(Unchecked::default);
        let filled = self.fill_rows(claim, scratch, clock);
        match scratch.tools.unchecked.take() {
            Some(files) if !files.hold() => self.fill_rows(claim, scratch, clock),
            _ => filled,
        }
    }

    fn fill_rows(
        &self,
        claim: &Claim,
        scratch: &mut Scratch,
        clock: &mut StageClock<'_>,
    ) -> (usize, Vec<RowFault>) {
        let slab = &*claim.slab;
        let (mut written, mut faults) = (0, Vec::new());
        for row in claim.rows.clone() {
            if slab.cancelled.load(Ordering::Relaxed) {
                break;
            }
            // Orders are user code too, and so are the names in errors.
            let fill = || self.fill_row(slab, row, scratch, clock, &mut faults);
            let outcome = catch(fill).unwrap_or_else(|text| {
                let message = format!("{text:?} in the order of the epoch");
                let error = Error::new(ErrorKind::Panic, message);
                faults.push(RowFault { row, attempt: 0, index: Slab::NO_INDEX, error });
                RowOutcome::Missing
            });
            slab.record(row, outcome);
            written += usize::from(outcome != RowOutcome::Missing);
        }
        (written, faults)
    }

    fn fill_row(
        &self,
        slab: &Slab,
        row: usize,
        scratch: &mut Scratch,
        clock: &mut StageClock<'_>,
        faults: &mut Vec<RowFault>,
    ) -> RowOutcome {
        let position = slab.rows.position(row);
        let samples = self.delivery.course.population.samples();
        let pass = slab.pass.as_deref();
        let epoch = Epoch { order: &*slab.order, key: slab.key, samples, pass };
        let own_key = slab.key.at(position as u64);
        let Some(mut sample) = self.reach(epoch, slab, position, clock) else {
            return RowOutcome::Missing;
        };
        let mut draws = own_key.draws(self.substitute_stream, sample.index);
        let mut failed = Vec::new();
        for attempt in 0..=self.substitutes {
            if attempt > 0 {
                // Drawn with the key of the row. The sample may now be delivered twice, so its random
                // numbers depend on the position.
                let Some(index) = epoch.substitute(slab.rows, &failed, &mut draws) else { break };
                sample = RowKey { key: own_key, index: index as u64 };
            }
            let index = sample.index as usize;
            clock.at_row(index);
            if let Err(error) = epoch.check(sample) {
                faults.push(RowFault { row, attempt, index, error });
                break;
            }
            // SAFETY: this worker claimed the row, finishes it only after this function, and aims
            // its slots elsewhere before it writes again.
            let beside = unsafe {
                let Tools { slots, extras, .. } = &mut scratch.tools;
                slab.aim(row, 0, slots);
                if let Some(extras) = extras {
                    slab.aim(row, slots.len(), extras);
                }
                slab.beside()
            };
            let stop = &slab.cancelled;
            match self.pipeline.run(epoch, sample, scratch, beside, stop, clock) {
                Ok(()) => return RowOutcome::Written(index),
                Err(_) if slab.cancelled.load(Ordering::Relaxed) => break,
                Err(error) => {
                    // If the row is mixed, its partner may be what failed.
                    let culprit = error.cause().and_then(tallow_core::Error::index);
                    failed.extend(
                        [Some(index), culprit.filter(|at| *at != index)].into_iter().flatten(),
                    );
                    faults.push(RowFault { row, attempt, index, error });
                }
            }
        }
        RowOutcome::Missing
    }
}
