//! The stages on the way from file to tensor, and the clocks that measure where time goes.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam::utils::CachePadded;
use tallow_core::{FieldId, Row, RowMark, StoreWait, StoreWatched};

use crate::COUNTS;

/// Where a worker or the consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// A worker has nothing to do: the slabs are full, or the epoch is over.
    Idle,
    /// A worker makes the order of an epoch.
    Order,
    /// A worker reads a sample.
    Read,
    /// A worker waits for bytes of a store, whatever it wants them for.
    Store,
    /// A worker decodes pictures, be it whole ones in front of a transform or what an `Augment` needs of
    /// them.
    Decode,
    /// A worker transforms a sample.
    Transform,
    /// The consumer turns a slab into tensors, uploads included.
    HandOver,
    /// The consumer runs the closures of [`crate::LoaderBuilder::map_batch`].
    MapBatch,
    /// The consumer does its own work, between two calls of `next`.
    Consumer,
}

/// Nanoseconds in each of the stages that workers enter, in the order of the variants.
pub(crate) type WorkerTimes = [u64; Stage::WORKER_STAGES.len()];

impl Stage {
    /// The stages that workers enter, in the order of the variants.
    pub(crate) const WORKER_STAGES: [Self; 6] =
        [Self::Idle, Self::Order, Self::Read, Self::Store, Self::Decode, Self::Transform];

    /// Whether a worker in this stage is at a row.
    pub(crate) fn is_at_a_row(self) -> bool {
        matches!(self, Self::Read | Self::Decode | Self::Transform)
    }

    /// The stage's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Order => "order",
            Self::Read => "read",
            Self::Store => "store",
            Self::Decode => "decode",
            Self::Transform => "transform",
            Self::HandOver => "hand_over",
            Self::MapBatch => "map_batch",
            Self::Consumer => "consumer",
        }
    }

    fn of(number: u8) -> Self {
        Self::WORKER_STAGES.get(number as usize).copied().unwrap_or(Self::Idle)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What one worker is doing and has done, on a cache line of its own: the worker writes it for
/// every row, and others read it for a report or when a batch is overdue.
#[derive(Debug, Default)]
pub(crate) struct Activity(CachePadded<ActivityCells>);

#[derive(Debug, Default)]
struct ActivityCells {
    stage: AtomicU8,
    /// The slab that the worker is at, by sequence number.
    slab: AtomicU64,
    index: AtomicUsize,
    /// The field that the source is at, while it reads, and what transforms decode.
    mark: RowMark,
    /// Rows that it has begun.
    rows: AtomicU64,
    /// When it entered the stage, or began its claim in it, in nanoseconds since the loader was
    /// built.
    since_ns: AtomicU64,
    /// When its clock began to run.
    started_ns: AtomicU64,
    /// Time spent in each worker stage.
    spent_ns: [AtomicU64; Stage::WORKER_STAGES.len()],
    /// How long it waited for stores, and how much of that is booked. It waits within other stages, and only the store
    /// knows when.
    store_wait: StoreWait,
    store_booked_ns: AtomicU64,
}

/// What a worker was doing when it was looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doing {
    pub(crate) stage: Stage,
    pub(crate) slab: u64,
    pub(crate) index: usize,
    /// The field that it was reading.
    pub(crate) field: Option<FieldId>,
    pub(crate) elapsed: Duration,
}

impl ActivityCells {
    /// Adds to the time of a stage that workers enter.
    fn book(&self, stage: Stage, ns: u64) {
        let Some(spent) = self.spent_ns.get(stage as usize) else { return };
        // One writer: a load and a store are cheaper than an atomic addition.
        spent.store(spent.load(Ordering::Relaxed) + ns, Ordering::Relaxed);
    }

    /// How long it waited for stores since that was booked last.
    fn store_unbooked_ns(&self) -> u64 {
        let booked = self.store_booked_ns.load(Ordering::Relaxed);
        self.store_wait.total_ns().saturating_sub(booked)
    }
}

impl Activity {
    /// What the worker is doing, `epoch` being when the loader was built.
    pub(crate) fn doing(&self, epoch: Instant) -> Doing {
        // The stage before the time: a worker that has just left a long idleness is not to be
        // taken for one that has been reading as long.
        let stage = Stage::of(self.0.stage.load(Ordering::Acquire));
        let is_decoding = stage == Stage::Transform && self.0.mark.is_decoding();
        let stage = if is_decoding { Stage::Decode } else { stage };
        let since = Duration::from_nanos(self.0.since_ns.load(Ordering::Relaxed));
        Doing {
            stage,
            slab: self.0.slab.load(Ordering::Relaxed),
            index: self.0.index.load(Ordering::Relaxed),
            field: self.0.mark.field().filter(|_| stage == Stage::Read),
            elapsed: epoch.elapsed().saturating_sub(since),
        }
    }

    /// Rows that the worker has begun.
    pub(crate) fn rows(&self) -> u64 {
        self.0.rows.load(Ordering::Relaxed)
    }

    /// Time in each stage up to `now_ns`, including the current one.
    ///
    /// The current stage began when all booked time ended: unlike `since_ns` this cannot be older than
    /// the booking of the stage before it, whose time would then count twice. The stage is loaded
    /// first, so what is booked is at least as new.
    pub(crate) fn times(&self, now_ns: u64) -> WorkerTimes {
        let cells = &self.0;
        let stage = cells.stage.load(Ordering::Acquire) as usize;
        let mut times = cells.spent_ns.each_ref().map(|spent| spent.load(Ordering::Relaxed));
        let since = cells.started_ns.load(Ordering::Relaxed) + times.iter().sum::<u64>();
        let elapsed = now_ns.saturating_sub(since);
        let waited = cells.store_unbooked_ns().min(elapsed);
        times[Stage::Store as usize] += waited;
        times[stage] += elapsed - waited;
        times
    }
}

/// Writes the [`Activity`] of one worker.
#[derive(Debug)]
pub(crate) struct StageClock<'a> {
    activity: &'a Activity,
    built: Instant,
    stage: Stage,
    /// Until when time is booked.
    entered_ns: u64,
    /// It is on this thread that waiting for stores counts.
    _watched: StoreWatched,
}

impl<'a> StageClock<'a> {
    pub(crate) fn start(activity: &'a Activity, built: Instant) -> Self {
        let entered_ns = built.elapsed().as_nanos() as u64;
        let booked: u64 = activity.0.spent_ns.iter().map(|ns| ns.load(Ordering::Relaxed)).sum();
        activity.0.since_ns.store(entered_ns, Ordering::Relaxed);
        // Without workers a clock starts for each batch: the time between two is not counted.
        activity.0.started_ns.store(entered_ns.saturating_sub(booked), Ordering::Relaxed);
        let waited_ns = activity.0.store_wait.total_ns();
        activity.0.store_booked_ns.store(waited_ns, Ordering::Relaxed);
        let _watched = activity.0.store_wait.watch();
        Self { activity, built, stage: Stage::Idle, entered_ns, _watched }
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// The field that the source is at, in the stage that reads.
    pub(crate) fn field(&self) -> Option<FieldId> {
        self.activity.0.mark.field().filter(|_| self.stage == Stage::Read)
    }

    /// Says which slab the next stages concern.
    #[inline]
    pub(crate) fn at_slab(&self, slab: u64) {
        if COUNTS {
            self.activity.0.slab.store(slab, Ordering::Relaxed);
        }
    }

    /// Says that the next stages concern another row, of this sample.
    #[inline]
    pub(crate) fn at_row(&self, index: usize) {
        if !COUNTS {
            return;
        }
        let cells = &self.activity.0;
        cells.rows.store(cells.rows.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        self.sample(index);
    }

    /// Says which sample the next stages concern, of the same row.
    #[inline]
    pub(crate) fn sample(&self, index: usize) {
        if !COUNTS {
            return;
        }
        self.activity.0.index.store(index, Ordering::Relaxed);
        self.activity.0.mark.clear();
    }

    /// `row`, with a mark of the field that is being read and of what is decoded on the way to it.
    #[inline]
    pub(crate) fn watch<'b>(&self, row: Row<'b>) -> Row<'b>
    where
        'a: 'b,
    {
        if COUNTS { row.marking(&self.activity.0.mark) } else { row }
    }

    /// Ends the current stage and enters another. The clock is read only if it is another one: reading
    /// it costs as much as all that is done for a small row in addition to reading the row.
    pub(crate) fn enter(&mut self, stage: Stage) {
        if stage != self.stage {
            self.mark();
            if COUNTS {
                self.activity.0.stage.store(stage as u8, Ordering::Release);
            }
            self.stage = stage;
        }
    }

    /// Nanoseconds since the loader was built, as of the last reading of the clock.
    pub(crate) fn entered_ns(&self) -> u64 {
        self.entered_ns
    }

    /// Books the time of the stage so far; returns nanoseconds since the loader was built. Claims
    /// are sized by it too, so that the clock is read whether or not anything is counted.
    pub(crate) fn mark(&mut self) -> u64 {
        let now = self.built.elapsed().as_nanos() as u64;
        let cells = &self.activity.0;
        if COUNTS {
            let elapsed = now - self.entered_ns;
            // What a transform decoded was timed by the decoders: no clock is read for it here, and
            // none at all where there are no pictures.
            let decoded = cells.mark.take_decoded_ns().min(elapsed);
            if decoded > 0 {
                cells.book(Stage::Decode, decoded);
            }
            let elapsed = elapsed - decoded;
            let waited = cells.store_unbooked_ns();
            if waited > 0 {
                let booked = cells.store_booked_ns.load(Ordering::Relaxed) + waited;
                cells.store_booked_ns.store(booked, Ordering::Relaxed);
                cells.book(Stage::Store, waited.min(elapsed));
            }
            cells.book(self.stage, elapsed.saturating_sub(waited));
            cells.since_ns.store(now, Ordering::Relaxed);
        }
        self.entered_ns = now;
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_booked_to_the_stage_that_is_left() {
        let activity = Activity::default();
        let mut clock = StageClock::start(&activity, Instant::now());
        clock.enter(Stage::Read);
        std::thread::sleep(Duration::from_millis(20));
        clock.at_slab(3);
        clock.at_row(17);
        clock.enter(Stage::Transform);
        let [_, _, read, .., transform] = activity.times(clock.entered_ns());
        assert!(read >= 20_000_000 && transform == 0, "{read} {transform}");
        let doing = activity.doing(Instant::now());
        assert_eq!((doing.stage, doing.slab, doing.index), (Stage::Transform, 3, 17));
    }

    #[test]
    fn the_current_stage_counts_up_to_now_and_gaps_between_clocks_do_not() {
        let activity = Activity::default();
        let built = Instant::now();
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(20));
            let mut clock = StageClock::start(&activity, built);
            clock.enter(Stage::Order);
        }
        let now_ns = built.elapsed().as_nanos() as u64 + 50_000_000;
        let [idle, order, read, ..] = activity.times(now_ns);
        assert!((50_000_000..70_000_000).contains(&order), "{order}");
        assert!(idle < 10_000_000 && read == 0, "{idle} {read}");
    }
}
