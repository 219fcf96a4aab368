//! Which worker fills which row, and which batch is next: everything that workers and consumer share.
//!
//! One mutex guards a window of slabs in delivery order, and two condition variables say that
//! there is work and that the first slab is done. Workers claim a few rows at a time, always of
//! the first slab that has rows left, so that all of them work on the batch that is needed next, and
//! admit the next slab when all rows are claimed and the window has room. The mutex is taken once
//! per 50 us of work or so; a lock-free ring would save nothing that can be measured, and would be
//! harder to understand.
//!
//! `stalls` notices workers that are stuck, and gives up the batch that they hold up.
//!
//! Nothing can deadlock: slabs are admitted whole and in order, the first of the window always has
//! its memory, and its rows are claimed before any others.

mod consumer;
mod ends;
mod epoch_order;
mod fetched;
mod stalls;
mod visit;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tallow_core::{BatchRows, Batching, Key, Order, Population, Sampler};

pub(crate) use self::consumer::Next;
use self::fetched::Fetched;
use self::stalls::Look;
pub(crate) use self::stalls::Overdue;
use crate::lock::lock;
use crate::report::Readiness;
use crate::slabs::{Slab, SlabStore};
use crate::stages::{Activity, Stage, StageClock, WorkerTimes};
use crate::user_code::discard;
use crate::visit::{InTurn, Visit};
use crate::{BatchId, Error, ErrorKind, Result};

/// What is fixed at `build()` about the way from an epoch to its slabs.
pub(crate) struct Course {
    pub(crate) sampler: Arc<dyn Sampler>,
    pub(crate) population: Population,
    pub(crate) seed: u64,
    pub(crate) batching: Batching,
    /// Positions of an epoch.
    pub(crate) positions: usize,
    /// Makes the slabs.
    pub(crate) store: Arc<dyn SlabStore>,
    /// How many slabs may exist before the consumer takes them.
    pub(crate) slabs: usize,
    /// Bytes of files that are fetched before their batches are admitted.
    pub(crate) ahead: usize,
    /// Why an epoch has no batch, if it has none.
    pub(crate) empty: Option<String>,
    /// For samples that come one after the other. `positions` may then be more than there are.
    pub(crate) in_turn: Option<InTurn>,
}

impl Course {
    pub(crate) fn batches(&self) -> usize {
        self.batching.batches(self.positions)
    }
}

/// What workers and consumer share.
pub(crate) struct Delivery {
    pub(crate) course: Course,
    /// When the loader was built: the zero of the workers' clocks.
    pub(crate) built: Instant,
    /// One for each worker; for `workers 0` one for the consumer in that role.
    pub(crate) activities: Vec<Activity>,
    state: Mutex<Progress>,
    /// There are rows to claim, or a slab to admit, or it is time to stop.
    work: Condvar,
    /// There are files to fetch, or it is time to stop.
    fetch: Condvar,
    /// Set with `stop` of the state, to be read without the lock.
    stopping: AtomicBool,
    /// The consumer waits for this: the first slab is done, or, when it stops, no worker is busy or none
    /// is left.
    ready: Condvar,
}

#[derive(Default)]
struct Progress {
    /// The running iteration; `None` between iterations.
    run: Option<Iteration>,
    /// Admitted slabs that the consumer has not taken, in delivery order.
    window: VecDeque<Admitted>,
    /// Admitted slabs so far, which numbers them.
    admitted: u64,
    /// Workers asleep on `work`.
    idle: usize,
    /// How many of those were woken and do not have the lock yet: waking one twice would cost the
    /// consumer a system call for nothing.
    waking: usize,
    /// Workers with claimed rows, or making an order.
    busy: usize,
    /// How many may be, without those that were given up.
    busy_max: usize,
    /// Workers that were given up: busy with rows that are no longer waited for.
    passed: BTreeSet<usize>,
    /// Slabs that may be in the window, of those that `Course::slabs` allows.
    slabs: usize,
    /// Workers that have not returned.
    live: usize,
    /// How long the consumer has watched in all, and what it saw of each worker.
    watched: Duration,
    looks: Vec<Look>,
    /// What `watched` was when the iteration began.
    begun: Duration,
    /// How often all busy workers were found stuck since any of them finished a claim, and what `watched`
    /// was then.
    waves: u32,
    wave_at: Duration,
    readiness: Readiness,
    /// Whether the consumer sleeps on `ready`.
    waiting: bool,
    stop: bool,
}

struct Admitted {
    slab: Arc<Slab>,
    number: u64,
    /// Rows that workers have claimed.
    claimed: usize,
}

/// The part of an iteration that is not admitted yet.
struct Iteration {
    next: BatchId,
    /// The next batch whose files are fetched, unless `next` has overtaken it.
    ahead: BatchId,
    fetched: Fetched,
    /// The first batch that is not part of it.
    end: BatchId,
    visit: Option<(u64, Visit)>,
    /// Whether a worker is making the order of `next`'s epoch.
    ordering: bool,
}

/// Rows of a slab that one worker has to fill.
pub(crate) struct Claim {
    pub(crate) slab: Arc<Slab>,
    pub(crate) number: u64,
    pub(crate) rows: Range<usize>,
}

/// A batch whose files are to be fetched.
pub(crate) struct Ahead {
    pub(crate) id: BatchId,
    pub(crate) order: Arc<dyn Order>,
    pub(crate) rows: BatchRows,
}

/// What a worker finds to do.
enum Found {
    Rows(Claim),
    /// The order of the epoch of a batch must be made first.
    Order(BatchId),
    Nothing,
}

impl Delivery {
    pub(crate) fn new(course: Course, workers: usize) -> Self {
        let fetching = usize::from(course.ahead > 0);
        let activities = (0..workers.max(1)).map(|_| Activity::default()).collect();
        let state = Progress {
            live: workers + fetching,
            busy_max: workers.max(1),
            slabs: course.slabs,
            ..Progress::default()
        };
        Self {
            course,
            built: Instant::now(),
            activities,
            state: Mutex::new(state),
            work: Condvar::new(),
            fetch: Condvar::new(),
            stopping: AtomicBool::new(false),
            ready: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, Progress> {
        lock(&self.state)
    }

    /// Begins an iteration of `batches`; `false` while another is running.
    pub(crate) fn begin(&self, batches: Range<BatchId>) -> bool {
        let mut state = self.state();
        if state.run.is_some() {
            return false;
        }
        state.run = Some(Iteration {
            next: batches.start,
            ahead: batches.start,
            fetched: Fetched::default(),
            end: batches.end,
            visit: None,
            ordering: false,
        });
        state.begun = state.watched;
        self.work.notify_all();
        true
    }

    /// How many workers may be busy from now on, and how many slabs may be in the window. Workers that
    /// are busy finish their claims, and slabs in the window remain.
    pub(crate) fn limit(&self, workers: usize, slabs: usize) {
        let mut state = self.state();
        (state.busy_max, state.slabs) = (workers, slabs.min(self.course.slabs));
        self.work.notify_all();
    }

    // ---- workers

    /// Up to `want` rows to fill, and sleeps until there are some; `None` when it is time to end.
    /// A worker that comes back has finished its earlier claim.
    pub(crate) fn claim(
        &self,
        worker: usize,
        want: usize,
        came_back: bool,
        clock: &mut StageClock<'_>,
    ) -> Option<Claim> {
        let mut state = self.state();
        if came_back {
            self.rest(&mut state, worker);
        }
        loop {
            if state.stop {
                return None;
            }
            match self.find(&mut state, want) {
                Found::Rows(claim) => {
                    state.busy += 1;
                    return Some(claim);
                }
                Found::Order(from) => {
                    drop(state);
                    self.make_order(worker, from, clock);
                    state = self.state();
                }
                Found::Nothing => {
                    state.passed.remove(&worker);
                    clock.enter(Stage::Idle);
                    state.idle += 1;
                    state = self.work.wait(state).unwrap_or_else(|e| e.into_inner());
                    state.idle -= 1;
                    state.waking = state.waking.saturating_sub(1);
                }
            }
        }
    }

    /// Rows for the consumer itself, which is the worker where there are none.
    pub(crate) fn claim_inline(&self, clock: &mut StageClock<'_>) -> Option<Claim> {
        let mut state = self.state();
        loop {
            match self.find(&mut state, usize::MAX) {
                Found::Rows(claim) => return Some(claim),
                Found::Order(from) => {
                    drop(state);
                    self.make_order(0, from, clock);
                    state = self.state();
                }
                Found::Nothing => return None,
            }
        }
    }

    /// The worker's claim is finished: the consumer may be waiting for it.
    fn rest(&self, state: &mut Progress, worker: usize) {
        state.busy -= 1;
        state.waves = 0;
        state.passed.remove(&worker);
        let first_done = state.window.front().is_some_and(|first| first.slab.is_done());
        // Only the end of an iteration waits until the workers are at rest.
        let rested = state.is_at_rest() && state.run.is_none();
        if state.waiting && (first_done || rested) {
            self.ready.notify_one();
        }
    }

    fn find(&self, state: &mut Progress, want: usize) -> Found {
        if state.is_limited(0) {
            return Found::Nothing;
        }
        let found = match self.unclaimed(state, want) {
            Some(claim) => Found::Rows(claim),
            None => self.admit(state, want),
        };
        // One worker wakes the next, so that the consumer never has to wake more than one.
        if matches!(found, Found::Rows(_)) && self.has_more(state) {
            self.wake_worker(state, 1);
        }
        found
    }

    /// Wakes one more worker, if one is asleep and may be busy in addition to `others` that are about to be.
    fn wake_worker(&self, state: &mut Progress, others: usize) {
        if state.idle > state.waking && !state.is_limited(state.waking + others) {
            state.waking += 1;
            self.work.notify_one();
        }
    }

    /// Rows of the first slab that has any left.
    fn unclaimed(&self, state: &mut Progress, want: usize) -> Option<Claim> {
        let left = |entry: &Admitted| entry.slab.rows.samples() - entry.claimed;
        let entry = state.window.iter_mut().find(|entry| left(entry) > 0)?;
        let start = entry.claimed;
        entry.claimed += want.min(left(entry));
        let rows = start..entry.claimed;
        Some(Claim { slab: entry.slab.clone(), number: entry.number, rows })
    }

    fn has_more(&self, state: &Progress) -> bool {
        let unclaimed = |entry: &Admitted| entry.slab.rows.samples() > entry.claimed;
        let to_admit = state.window.len() < state.slabs
            && state.run.as_ref().is_some_and(|run| run.next < run.end && !run.ordering);
        to_admit || state.window.iter().any(unclaimed)
    }

    /// Admits slabs until one has rows to claim, as far as there is room.
    fn admit(&self, state: &mut Progress, want: usize) -> Found {
        while state.window.len() < state.slabs {
            let Some(run) = &mut state.run else { break };
            if run.next >= run.end || run.ordering {
                break;
            }
            if let Some(why) = &self.course.empty {
                let error = Error::new(ErrorKind::Empty, why);
                self.fail_epoch(state, error);
                continue;
            }
            let visit = match &run.visit {
                Some((epoch, visit)) if *epoch == run.next.epoch => visit.clone(),
                _ => {
                    run.ordering = true;
                    state.busy += 1;
                    return Found::Order(run.next);
                }
            };
            let id = run.next;
            run.next = self.after(id);
            let slab = self.slab(id, visit);
            self.push(state, slab);
            if let Some(claim) = self.unclaimed(state, want) {
                return Found::Rows(claim);
            }
        }
        Found::Nothing
    }

    fn slab(&self, id: BatchId, visit: Visit) -> Slab {
        let course = &self.course;
        let rows = visit.batching.rows(course.positions, id.number);
        let key = Key::new(course.seed, id.epoch);
        let place = (id, self.after(id));
        let (no_rows, order) = (visit.batching.no_rows(), visit.order.clone());
        Slab::new(&*course.store, place, rows, visit, key)
            .unwrap_or_else(|error| Slab::failed(place, no_rows, order, error))
    }

    fn push(&self, state: &mut Progress, slab: Slab) {
        let number = state.admitted;
        state.admitted += 1;
        if self.course.ahead > 0 {
            self.fetch.notify_one();
        }
        let done = slab.is_done();
        state.window.push_back(Admitted { slab: Arc::new(slab), number, claimed: 0 });
        // A slab without rows is done at once, and no worker will announce it.
        if done && state.waiting {
            self.ready.notify_one();
        }
    }

    fn after(&self, id: BatchId) -> BatchId {
        if id.number + 1 < self.course.batches() {
            BatchId { epoch: id.epoch, number: id.number + 1 }
        } else {
            BatchId { epoch: id.epoch + 1, number: 0 }
        }
    }

    /// Makes the order of an epoch without holding the lock: a table takes some milliseconds, and
    /// meanwhile the rows before it are read. The caller is already counted as busy.
    fn make_order(&self, worker: usize, from: BatchId, clock: &mut StageClock<'_>) {
        clock.enter(Stage::Order);
        let epoch = from.epoch;
        let span = tracing::debug_span!(target: "tallow::order", "order", epoch);
        let visit = span.in_scope(|| self.visit(from));
        let unwanted = self.bring_order(&mut self.state(), worker, epoch, visit);
        // Its destructor is user code, which must not run while the lock is held.
        discard(unwanted);
    }

    /// Stores the order of an epoch; returns an order that is not needed, or no longer.
    fn bring_order(
        &self,
        state: &mut Progress,
        worker: usize,
        epoch: u64,
        visit: Result<Visit>,
    ) -> Option<Visit> {
        self.rest(state, worker);
        // The iteration may have ended meanwhile, or another one begun: then it is not needed.
        let asked = |run: &&mut Iteration| run.ordering && run.next.epoch == epoch;
        let Some(run) = state.run.as_mut().filter(asked) else { return visit.ok() };
        run.ordering = false;
        let before = match visit {
            Ok(visit) => run.visit.replace((epoch, visit)).map(|(_, before)| before),
            Err(error) => {
                self.fail_epoch(state, error);
                None
            }
        };
        self.wake_worker(state, 1);
        before
    }

    /// Replaces all that is left of the next epoch by one error.
    fn fail_epoch(&self, state: &mut Progress, error: Error) {
        let Some(run) = &mut state.run else { return };
        let id = run.next;
        run.next = BatchId { epoch: id.epoch + 1, number: 0 };
        let place = (id, run.next);
        let rows = self.course.batching.no_rows();
        self.push(state, Slab::failed(place, rows, Arc::new(NoOrder), error.with_batch(id)));
    }

    // ---- reading ahead

    /// The next batch whose files are to be fetched, once it is near enough; `None` when it is
    /// time to end. `last` is the batch that was fetched last, and its bytes.
    pub(crate) fn next_ahead(&self, last: Option<(BatchId, usize)>) -> Option<Ahead> {
        let mut state = self.state();
        if let (Some(run), Some((id, bytes))) = (state.run.as_mut(), last) {
            run.fetched.finish(id, bytes);
        }
        while !state.stop {
            if let Some(ahead) = state.run.as_mut().and_then(|run| self.ahead(run)) {
                return Some(ahead);
            }
            state = self.fetch.wait(state).unwrap_or_else(|e| e.into_inner());
        }
        None
    }

    /// Only within the epoch whose order exists: that of the next epoch is made when its first batch is
    /// admitted.
    fn ahead(&self, run: &mut Iteration) -> Option<Ahead> {
        let (epoch, visit) = run.visit.as_ref()?;
        let id = run.ahead.max(run.next);
        let is_wanted = id.epoch == *epoch && id < run.end;
        if !is_wanted || !run.fetched.has_room(run.next, self.course.ahead) {
            return None;
        }
        run.fetched.begin(id);
        run.ahead = self.after(id);
        let rows = visit.batching.rows(self.course.positions, id.number);
        Some(Ahead { id, order: visit.order.clone(), rows })
    }

    /// Whether it is time to end.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells every worker to end, and waits until they have or `bound` has passed.
    pub(crate) fn stop(&self, bound: Duration) {
        let mut state = self.state();
        state.stop = true;
        self.stopping.store(true, Ordering::Relaxed);
        self.work.notify_all();
        self.fetch.notify_all();
        drop(self.wait_until(state, bound, |state| state.live == 0));
    }

    /// A worker returns, or could not be started.
    pub(crate) fn leave(&self) {
        let mut state = self.state();
        state.live -= 1;
        if state.waiting {
            self.ready.notify_one();
        }
    }

    /// Whether an iteration is running.
    pub(crate) fn is_running(&self) -> bool {
        self.state().run.is_some()
    }

    /// Whether every worker has returned, or is about to.
    pub(crate) fn has_left(&self) -> bool {
        self.state().live == 0
    }

    /// Time of all workers in each of their stages so far. About 5 loads per worker, mostly from cache
    /// lines that it has just written: for a consumer that is about to sleep anyway.
    pub(crate) fn worker_times(&self) -> WorkerTimes {
        let now_ns = self.built.elapsed().as_nanos() as u64;
        let times = self.activities.iter().map(|activity| activity.times(now_ns));
        times.fold(WorkerTimes::default(), |sums, times| {
            std::array::from_fn(|stage| sums[stage] + times[stage])
        })
    }

    fn wait_until<'a>(
        &'a self,
        mut state: MutexGuard<'a, Progress>,
        bound: Duration,
        reached: impl Fn(&Progress) -> bool,
    ) -> MutexGuard<'a, Progress> {
        let deadline = Instant::now() + bound;
        while !reached(&state) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state.waiting = true;
            (state, _) = self.ready.wait_timeout(state, left).unwrap_or_else(|e| e.into_inner());
            state.waiting = false;
        }
        state
    }
}

impl Progress {
    /// Whether no worker is busy, except for those that were given up.
    fn is_at_rest(&self) -> bool {
        self.busy <= self.passed.len()
    }

    /// Whether as many workers as may be are busy, counting `more` in addition.
    fn is_limited(&self, more: usize) -> bool {
        self.busy + more >= self.busy_max + self.passed.len()
    }

    /// Whether nothing is left to be delivered.
    fn is_exhausted(&self) -> bool {
        self.window.is_empty() && self.run.as_ref().is_none_or(|run| run.next >= run.end)
    }
}

/// The order of an epoch whose order could not be made.
#[derive(Debug)]
struct NoOrder;

impl Order for NoOrder {
    fn len(&self) -> usize {
        0
    }

    fn index(&self, position: usize) -> usize {
        position
    }
}
