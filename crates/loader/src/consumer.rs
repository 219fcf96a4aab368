//! The consumer's side: takes slabs in order, makes batches of them, and knows where it is.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tallow_core::{LastBatch, PartShare, StoreUse};

use crate::batch::Batch;
use crate::batch_maps::BatchMaps;
use crate::delivery::{Course, Next, Overdue};
use crate::lock::lock;
use crate::part_report::PartReport;
use crate::plan::Plan;
use crate::policy::{Fault, OnError};
use crate::report::{ReadsAhead, Report, WaitShares};
use crate::slabs::{RowFault, Slab, SlabLayout};
use crate::stages::{Stage, StageClock};
use crate::state::{Prints, State};
use crate::stats::Stats;
use crate::tuning::{Governor, Settings};
use crate::workers::{Filler, STOP_BOUND, Scratch};
use crate::{BatchId, COUNTS, Error, ErrorKind, Result};

/// Turns slabs into batches, on the thread that calls `next`.
pub(crate) struct Consumer {
    plan: Plan,
    filler: Arc<Filler>,
    layout: Arc<SlabLayout>,
    prints: Prints,
    maps: BatchMaps,
    stall_timeout: Option<Duration>,
    /// Where the consumer is.
    received: Mutex<Received>,
    /// Without workers the consumer does their work, with this scratch.
    inline: Mutex<Option<Scratch>>,
    stats: Mutex<Stats>,
    /// What the process had taken from stores when the loader was built.
    store_before: StoreUse,
    /// The report at the beginning of the epoch that is delivered.
    epoch_begun: Mutex<Option<Report>>,
    /// Chooses workers and batches ahead while the loader runs.
    governor: Option<Mutex<Governor>>,
}

/// What was delivered.
#[derive(Debug, Clone, Copy)]
struct Received {
    /// The batch after the last one that was delivered.
    next: BatchId,
    /// Failures of that epoch so far.
    errors: usize,
    /// Set by `resume` until an iteration reaches `next`.
    resumed: bool,
}

impl Received {
    /// Where an iteration of `batches` begins.
    fn begun(mut self, batches: &Range<BatchId>) -> Self {
        if !self.resumed || batches.start > self.next {
            return Self { next: batches.start, errors: 0, resumed: false };
        }
        // If they end before the resumed one, a later iteration begins there.
        self.resumed = batches.end <= self.next;
        self
    }
}

#[cold]
fn over_budget(fault: RowFault, why: &str) -> Error {
    let error = Error::new(ErrorKind::Budget, format!("{why}: {}", fault.error.words()));
    match fault.error.into_cause() {
        Some(cause) => error.with_source(cause),
        None => error,
    }
}

impl Consumer {
    /// A consumer at the beginning of epoch 0.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Memory`] without workers, when there is none for the scratch of the consumer.
    pub(crate) fn new(
        plan: Plan,
        layout: Arc<SlabLayout>,
        filler: Filler,
        prints: Prints,
        maps: BatchMaps,
        stall_timeout: Option<Duration>,
        governor: Option<Governor>,
    ) -> Result<Self> {
        if let Some(settings) = governor.as_ref().map(Governor::tried) {
            filler.delivery.limit(settings.workers, settings.prefetch);
        }
        let inline = if plan.workers == 0 { Some(filler.pipeline.scratch()?) } else { None };
        let next = BatchId { epoch: 0, number: 0 };
        let parts = PartReport::counted(&filler.delivery.course.population);
        Ok(Self {
            plan,
            filler: Arc::new(filler),
            layout,
            prints,
            maps,
            stall_timeout,
            received: Mutex::new(Received { next, errors: 0, resumed: false }),
            inline: Mutex::new(inline),
            stats: Mutex::new(Stats::new(parts)),
            store_before: StoreUse::now(),
            epoch_begun: Mutex::default(),
            governor: governor.map(Mutex::new),
        })
    }

    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn filler(&self) -> &Arc<Filler> {
        &self.filler
    }

    fn course(&self) -> &Course {
        &self.filler.delivery.course
    }

    // ---- where it is

    /// The state after the last batch that was delivered.
    pub(crate) fn state(&self) -> State {
        self.state_of(&lock(&self.received))
    }

    /// The state after `batch` batches of epoch `epoch`.
    pub(crate) fn state_at(&self, epoch: u64, batch: usize) -> Result<State> {
        if batch > self.plan.batches || (epoch == u64::MAX && batch > 0) {
            let batches = if epoch == u64::MAX { 0 } else { self.plan.batches };
            let message = format!("no batch {batch}, epoch {epoch} has {batches}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let next = self.normal(BatchId { epoch, number: batch });
        Ok(self.state_of(&Received { next, errors: 0, resumed: false }))
    }

    /// The end of an epoch is the beginning of the next.
    fn normal(&self, id: BatchId) -> BatchId {
        // An epoch without batches has an error instead of its first.
        if id.number < self.plan.batches.max(1) {
            id
        } else {
            BatchId { epoch: id.epoch.saturating_add(1), number: 0 }
        }
    }

    /// The batch of step `step`.
    pub(crate) fn batch_at(&self, step: u64) -> BatchId {
        // An epoch without batches has an error instead of its first.
        let per_epoch = self.plan.batches.max(1) as u64;
        BatchId { epoch: step / per_epoch, number: (step % per_epoch) as usize }
    }

    /// The step of batch `id`, as far as it can be counted.
    pub(crate) fn step_of(&self, id: BatchId) -> u64 {
        let per_epoch = self.plan.batches.max(1) as u64;
        id.epoch.saturating_mul(per_epoch).saturating_add(id.number as u64)
    }

    fn state_of(&self, received: &Received) -> State {
        let batch_size = self.plan.batch_size as u64;
        let (places, versions) = self.prints.source.versions().unzip();
        State {
            version: State::VERSION,
            source: self.prints.source,
            sampler: self.prints.sampler,
            transform: self.prints.transform,
            seed: self.course().seed,
            epoch: received.next.epoch,
            position: received.next.number as u64 * batch_size,
            batch_size,
            errors: received.errors as u64,
            samples: self.plan.is_bounded().then_some(self.plan.samples as u64),
            fields: self.prints.fields.clone(),
            places,
            versions,
        }
    }

    /// Goes where `state` was saved.
    pub(crate) fn resume(&self, state: &State) -> Result<()> {
        if self.filler.delivery.is_running() {
            return Err(Error::new(ErrorKind::Busy, "an iteration of this loader is running"));
        }
        let number = state.resume_on(&self.state(), self.plan.state_positions())?;
        let next = self.normal(BatchId { epoch: state.epoch(), number });
        let errors = if next.epoch == state.epoch() { state.errors() } else { 0 };
        let errors = usize::try_from(errors).unwrap_or(usize::MAX);
        *lock(&self.received) = Received { next, errors, resumed: true };
        Ok(())
    }

    /// Those of `epochs` that still have batches to deliver.
    pub(crate) fn remaining(&self, epochs: Range<u64>) -> Range<u64> {
        let received = lock(&self.received);
        let start = if received.resumed { received.next.epoch } else { 0 };
        epochs.start.max(start).min(epochs.end)..epochs.end
    }

    // ---- the delivery

    /// Begins an iteration and returns its first batch; `None` while another is running.
    pub(crate) fn begin(&self, batches: &Range<BatchId>) -> Option<BatchId> {
        let mut received = lock(&self.received);
        let begun = received.begun(batches);
        if !self.filler.delivery.begin(begun.next..batches.end) {
            return None;
        }
        *received = begun;
        lock(&self.stats).taken = None;
        Some(begun.next)
    }

    /// The next slab, which is made here without workers; `None` after the last one.
    pub(crate) fn next_slab(&self) -> Option<Result<Arc<Slab>>> {
        let delivery = &self.filler.delivery;
        match delivery.ask() {
            Next::Slab(slab) => return Some(Ok(slab)),
            Next::End => return None,
            Next::Wait => {}
        }
        let (started, before) = (Instant::now(), delivery.worker_times());
        let slab = if self.plan.workers == 0 { self.fill_inline() } else { self.wait() };
        // The end of an iteration is no batch that was waited for.
        if slab.is_some() && COUNTS {
            let made = WaitShares::between(started.elapsed(), before, delivery.worker_times());
            lock(&self.stats).made += made;
        }
        slab
    }

    fn wait(&self) -> Option<Result<Arc<Slab>>> {
        let span = tracing::trace_span!(target: "tallow::wait", "wait");
        let _entered = span.enter();
        let slab = self.filler.delivery.next(self.stall_timeout);
        slab.map(|slab| slab.map_err(|overdue| self.stalled(&overdue)))
    }

    fn fill_inline(&self) -> Option<Result<Arc<Slab>>> {
        let delivery = &self.filler.delivery;
        let mut inline = lock(&self.inline);
        let scratch = inline.as_mut()?;
        let mut clock = StageClock::start(&delivery.activities[0], delivery.built);
        let slab = loop {
            let claim = delivery.claim_inline(&mut clock);
            if let Some(claim) = &claim {
                self.filler.fill(claim, scratch, &mut clock);
            }
            // A slab beyond the end of a stream is gone, and what comes after it is next.
            let slab = delivery.filled();
            if slab.is_some() || claim.is_none() {
                break slab;
            }
        };
        clock.enter(Stage::Idle);
        slab.map(Ok)
    }

    #[cold]
    fn stalled(&self, overdue: &Overdue) -> Error {
        let Overdue { worker, doing, none_left, id, next } = overdue;
        let (stage, seconds) = (doing.stage, doing.elapsed.as_secs_f64());
        let mut message = format!("worker {worker} has been in stage {stage} for {seconds:.1} s");
        if stage != Stage::Order {
            let place = self.filler.pipeline.place(doing.index, doing.field);
            message = format!("{message}, {place}");
        }
        if *none_left {
            message += "; no worker is left, so what comes next fails at once until one returns";
        }
        self.received_up_to(*next, 0);
        let error = Error::new(ErrorKind::Stalled, message).with_batch(*id);
        if *none_left { error.hopeless() } else { error }
    }

    /// Notes that the batch before `next` was delivered, as a batch or as an error, with `faults`
    /// failures; returns the failures of its epoch before it.
    fn received_up_to(&self, next: BatchId, faults: usize) -> usize {
        let mut received = lock(&self.received);
        let before = received.errors;
        let same_epoch = received.next.epoch == next.epoch;
        received.next = next;
        received.errors = if same_epoch { before.saturating_add(faults) } else { 0 };
        before
    }

    /// The batch after the last one that was delivered.
    pub(crate) fn next_id(&self) -> BatchId {
        lock(&self.received).next
    }

    /// Turns a slab into a batch, or into the error that takes its place. `None` if all rows were
    /// skipped and no other rank waits for a batch of this number: a batch without rows has no mean,
    /// and would make a loss that is not a number.
    pub(crate) fn receive(&self, slab: &Slab) -> Result<Option<Batch>> {
        let span = tracing::debug_span!(target: "tallow::hand_over", "receive", batch = %slab.id);
        let _entered = span.enter();
        let started = Instant::now();
        let faults = slab.take_faults();
        let before = self.received_up_to(slab.next(), faults.len());
        let faults = self.accept(slab, faults, before)?;
        let course = self.course();
        let pad = course.batching.last() == LastBatch::Pad;
        if slab.holds_nothing() && !pad && self.plan.world == 1 {
            lock(&self.stats).faults += faults.len() as u64;
            return self.all_skipped(slab, before + faults.len());
        }
        let tensors = slab.take_tensors(pad, &self.layout.cuts);
        let tensors = tensors.map_err(|error| error.with_batch(slab.id))?;
        let bytes = tensors.bytes();
        let mut batch = Batch {
            id: slab.id,
            step: self.step_of(slab.id),
            names: self.layout.names.clone(),
            height: tensors.rows,
            tensors: tensors.tensors,
            device: self.plan.device.clone(),
            samples: tensors.samples,
            rows: slab.rows,
            last: slab.next().epoch > slab.id.epoch,
            faults,
            state: self.state(),
            source: self.filler.pipeline.source().clone(),
            population: course.population.clone(),
        };
        let hand_over = started.elapsed();
        if !self.maps.is_empty() {
            self.map_batch(&mut batch)?;
        }
        if COUNTS {
            lock(&self.stats).delivered(&batch, bytes, hand_over);
        }
        Ok(Some(batch))
    }

    /// No batch; but after the last one an error if all samples of the epoch were skipped. So far
    /// `skipped` were.
    fn all_skipped(&self, slab: &Slab, skipped: usize) -> Result<Option<Batch>> {
        let end = slab.end().unwrap_or(slab.rows.position(slab.rows.samples()));
        if slab.next().epoch == slab.id.epoch || skipped < end {
            return Ok(None);
        }
        let message = format!("each of its {end} samples was skipped");
        Err(Error::new(ErrorKind::Empty, message).with_batch(slab.id))
    }

    /// Runs the closures of `map_batch` on a batch that is otherwise ready.
    fn map_batch(&self, batch: &mut Batch) -> Result<()> {
        let span = tracing::debug_span!(target: "tallow::map_batch", "map", batch = %batch.id);
        let _entered = span.enter();
        let started = Instant::now();
        let mapped = self.maps.run(batch);
        lock(&self.stats).map_batch += started.elapsed();
        mapped.map_err(|error| error.with_batch(batch.id))
    }

    /// The failures of a slab, if the policy accepts them.
    fn accept(&self, slab: &Slab, faults: Vec<RowFault>, before: usize) -> Result<Vec<Fault>> {
        let on_error = self.plan.on_error;
        let budget = on_error.budget();
        let substitutes = matches!(on_error, OnError::Substitute { .. });
        let rows: Vec<usize> = faults.iter().map(|fault| fault.row).collect();
        let mut passed = Vec::new();
        for (i, fault) in faults.into_iter().enumerate() {
            let position = slab.rows.position(fault.row);
            if on_error == OnError::Fail || !fault.is_of_a_sample() {
                let error = fault.error.with_batch(slab.id);
                let is_row = fault.row < slab.rows.samples();
                return Err(if is_row { error.with_position(position) } else { error });
            }
            let used = before.saturating_add(i) >= budget;
            if used || (substitutes && slab.is_missing(fault.row)) {
                let reads = rows.iter().filter(|row| **row == fault.row).count();
                let why = if used {
                    format!("{budget} of {budget} failures accepted in an epoch were used")
                } else if reads == 1 {
                    "there is no other sample to substitute it with".to_owned()
                } else {
                    format!("every substitute failed as well, {} were tried", reads - 1)
                };
                let error = over_budget(fault, &why).with_batch(slab.id);
                return Err(error.with_position(position));
            }
            tracing::warn!(target: "tallow::faults", position, error = %fault.error, "passed over");
            passed.push(Fault { position, index: fault.index, error: fault.error });
        }
        Ok(passed)
    }

    /// A call of `next` that began at `started` ends, with a batch of `rows` rows or an error.
    pub(crate) fn waited(&self, started: Instant, rows: Option<usize>) {
        if !COUNTS {
            return;
        }
        let now = Instant::now();
        let since = lock(&self.stats).waited(started, now, rows.is_none());
        if let (Some(governor), Some(since)) = (&self.governor, since) {
            let mut governor = lock(governor);
            let Some(rows) = rows else { return governor.failed() };
            if let Some(settings) = governor.taken(rows, since, now - started) {
                self.limit(settings.workers, settings.prefetch);
            }
        }
    }

    /// Whether rows may be left out of their batches.
    pub(crate) fn may_skip(&self) -> bool {
        matches!(self.plan.on_error, OnError::Skip { .. })
    }

    /// How many workers may be busy from now on, and how many batches ahead.
    pub(crate) fn limit(&self, workers: usize, prefetch: usize) {
        self.filler.delivery.limit(workers, prefetch);
    }

    /// What may be set without changing what is delivered. With [`Auto`](crate::Auto) the best that
    /// the loader has found so far, which is worth copying once a training has run for a while.
    pub(crate) fn settings(&self) -> Settings {
        let Plan { workers, prefetch, read_ahead, .. } = self.plan;
        let fixed = Settings { workers, prefetch, read_ahead };
        let chosen = self.governor.as_ref().map(|governor| lock(governor).best());
        chosen.map_or(fixed, |chosen| Settings { read_ahead, ..chosen })
    }

    /// Ends the running iteration.
    pub(crate) fn end(&self) {
        let mut stats = lock(&self.stats);
        if let Some(taken) = stats.taken.take() {
            stats.wall += taken.elapsed();
        }
        drop(stats);
        for (worker, doing) in self.filler.delivery.cancel(STOP_BOUND) {
            let (index, stage) = (doing.index, doing.stage);
            let place = self.filler.pipeline.place(index, doing.field);
            tracing::warn!(target: "tallow::loader", worker, %stage, place, "stuck, no longer waited for");
        }
    }

    // ---- reporting

    /// Where the time has gone since the loader was built.
    pub(crate) fn report(&self) -> Report {
        let delivery = &self.filler.delivery;
        let times = delivery.worker_times();
        let spent = |stage| Duration::from_nanos(times[stage as usize]);
        let population = &self.course().population;
        // Before the statistics are locked: this locks where the consumer is, and others lock that first.
        let shares = self.shares();
        let stats = lock(&self.stats);
        let [copies, kernels] = delivery.course.store.work();
        let readiness = delivery.readiness();
        Report {
            wall: stats.wall,
            wait: stats.wait,
            made: stats.made,
            hand_over: stats.hand_over,
            map_batch: stats.map_batch,
            batches: stats.batches,
            samples: stats.samples,
            bytes: stats.bytes,
            errors: stats.errors,
            faults: stats.faults,
            batch_wait: stats.waits.waits(),
            waits: stats.waits.clone(),
            workers: self.plan.workers,
            chosen: self.governor.is_some().then(|| self.settings().workers),
            stages: self.stages(spent),
            ready_share: readiness.share(),
            readiness,
            cores: crate::cores::available(),
            copies,
            kernels,
            store: self.plan.store.is_some().then(|| StoreUse::now().since(self.store_before)),
            reads_ahead: self.reads_ahead(),
            parts: PartReport::all(population, &stats.parts, shares.as_deref()),
        }
    }

    /// The time of workers in each of their stages; who reads from no store waits for none.
    fn stages(&self, spent: impl Fn(Stage) -> Duration) -> Vec<(Stage, Duration)> {
        let stages = Stage::WORKER_STAGES.map(|stage| (stage, spent(stage)));
        let is_told = |(stage, time): &(Stage, Duration)| {
            *stage != Stage::Store || self.plan.store.is_some() || !time.is_zero()
        };
        stages.into_iter().filter(is_told).collect()
    }

    fn reads_ahead(&self) -> ReadsAhead {
        match (self.course().in_turn.is_some(), self.plan.read_ahead) {
            (true, _) => ReadsAhead::InOrder,
            (false, 0) => ReadsAhead::No,
            (false, _) => ReadsAhead::Yes,
        }
    }

    /// What the sampler asks of each part after the last batch that was delivered.
    fn shares(&self) -> Option<Vec<PartShare>> {
        let Course { sampler, population, .. } = self.course();
        let BatchId { epoch, number } = self.next_id();
        let position = number.saturating_mul(self.plan.batch_size).min(self.plan.positions);
        let has_parts = PartReport::counted(population) > 0;
        has_parts.then(|| sampler.shares(population, epoch, position))?
    }

    /// The first batch of an epoch is about to be waited for: its report begins.
    pub(crate) fn begin_report(&self) {
        if !COUNTS {
            return;
        }
        let mut report = self.report();
        // What the consumer does with the last batch of an epoch belongs to that epoch.
        report.wall += lock(&self.stats).taken.map_or(Duration::ZERO, |taken| taken.elapsed());
        *lock(&self.epoch_begun) = Some(report);
    }

    /// Of the epoch of the last batch.
    pub(crate) fn epoch_report(&self) -> Report {
        let report = self.report();
        match &*lock(&self.epoch_begun) {
            Some(before) => report.since(before),
            None => report,
        }
    }

    /// For `Loader`, of which this is all that is worth showing.
    pub(crate) fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let received = *lock(&self.received);
        f.debug_struct("Loader").field("plan", &self.plan).field("received", &received).finish()
    }
}
