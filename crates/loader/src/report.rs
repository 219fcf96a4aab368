use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

use tallow_core::StoreUse;

use crate::part_report::{self, PartReport};
use crate::stages::{Stage, WorkerTimes};

/// Where the time of a loader went, and which stage limits its throughput.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// Wall time of all iterations, each from its first call of `next` to its last.
    pub wall: Duration,
    /// Of that, the time inside `next`, which [`Report::wait_by_stage`] splits.
    pub wait: Duration,
    pub(crate) made: WaitShares,
    /// Of the wait, making tensors and uploading them.
    pub hand_over: Duration,
    /// Of the wait, running the closures of [`crate::LoaderBuilder::map_batch`]. What they start on
    /// another device counts where it is waited for.
    pub map_batch: Duration,
    /// Batches delivered.
    pub batches: u64,
    /// Samples in them.
    pub samples: u64,
    /// Bytes of their tensors, as the loader made them.
    pub bytes: u64,
    /// Batches that became errors.
    pub errors: u64,
    /// Failed reads that were accepted, by skipping or substituting the sample.
    pub faults: u64,
    /// How long single calls of `next` took.
    pub batch_wait: Waits,
    pub(crate) waits: Histogram,
    /// Worker threads.
    pub workers: usize,
    /// How many of them may be busy, if the loader chooses ([`Auto`](crate::Auto)).
    pub chosen: Option<usize>,
    /// Time of all workers in each of their stages: idle, order, read, decode, transform, and store if the source
    /// reads from one.
    pub stages: Vec<(Stage, Duration)>,
    /// The share of the calls of `next` that found a batch ready: how full the queue between
    /// workers and consumer was.
    pub ready_share: f64,
    pub(crate) readiness: Readiness,
    /// Cores that this process may use.
    pub cores: usize,
    /// Copies of slabs into the memory of a CUDA device, before they are delivered. If samples are
    /// resident there, gathering them is part of the time.
    pub copies: DeviceWork,
    /// The work that makes tensors of slabs there, on a stream of the loader: kernels, or copies
    /// within the device. The bytes are those of raw rows, plans and tensors, each once.
    pub kernels: DeviceWork,
    /// What was taken from stores meanwhile, by all loaders of the process: `None` if the source reads from none. How
    /// long workers waited for it is the time of [`Stage::Store`].
    pub store: Option<StoreUse>,
    pub(crate) reads_ahead: ReadsAhead,
    /// What was delivered of each part of a concatenation, in their order: of each data set of a
    /// [`Mix`](tallow_core::Mix). Empty for any other source, and for more than 1024 parts.
    pub parts: Vec<PartReport>,
}

/// The consumer's waits for slabs, by what the workers did meanwhile.
///
/// Each wait is split among the stages by the time that workers spent in them during that wait, without
/// the time in which they were idle: an idle worker holds nothing up. What the workers do during the rest
/// of the run is not counted, since the consumer did not wait for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct WaitShares {
    order: Duration,
    read: Duration,
    store: Duration,
    decode: Duration,
    transform: Duration,
}

impl WaitShares {
    /// The shares of a wait of length `wait`: workers had spent `before` when it began, and `after` when
    /// it ended. If they worked less than that, the rest belongs to no stage.
    pub(crate) fn between(wait: Duration, before: WorkerTimes, after: WorkerTimes) -> Self {
        let spent = |stage: Stage| {
            after[stage as usize].saturating_sub(before[stage as usize]) as f64 / 1e9
        };
        let stages = [Stage::Order, Stage::Read, Stage::Store, Stage::Decode, Stage::Transform];
        let spent = stages.map(spent);
        let whole = spent.iter().sum::<f64>().max(wait.as_secs_f64()).max(1e-9);
        let [order, read, store, decode, transform] =
            spent.map(|spent| wait.mul_f64(spent / whole));
        Self { order, read, store, decode, transform }
    }
}

impl WaitShares {
    fn since(self, before: Self) -> Self {
        Self {
            order: self.order.saturating_sub(before.order),
            read: self.read.saturating_sub(before.read),
            store: self.store.saturating_sub(before.store),
            decode: self.decode.saturating_sub(before.decode),
            transform: self.transform.saturating_sub(before.transform),
        }
    }
}

impl AddAssign for WaitShares {
    fn add_assign(&mut self, other: Self) {
        self.order += other.order;
        self.read += other.read;
        self.store += other.store;
        self.decode += other.decode;
        self.transform += other.transform;
    }
}

/// Work of one kind on a CUDA device, as timed by the device, once per batch. It is counted after it is
/// over, when its slab is used again or a report is made, so the last few of an iteration may be
/// missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceWork {
    /// How many batches it was done for.
    pub count: u64,
    /// Bytes that it moved.
    pub bytes: u64,
    /// The sum of its times. Work of one kind is on one stream, so no two of them overlap.
    pub time: Duration,
}

impl DeviceWork {
    /// Bytes per second while it ran.
    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.bytes, self.time)
    }

    fn since(self, before: Self) -> Self {
        Self {
            count: self.count.saturating_sub(before.count),
            bytes: self.bytes.saturating_sub(before.bytes),
            time: self.time.saturating_sub(before.time),
        }
    }
}

/// Percentiles of the time inside single calls of `next`, too low by at most an eighth. The maximum is
/// exact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// How often the consumer asked for a batch, and how often one was ready.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Readiness {
    pub(crate) asked: u64,
    pub(crate) ready: u64,
}

impl Readiness {
    pub(crate) fn share(self) -> f64 {
        if self.asked == 0 { 0.0 } else { self.ready as f64 / self.asked as f64 }
    }
}

impl Report {
    /// Where the time has gone since an earlier report of the same loader, for example without the
    /// first epoch. For one epoch see [`Loader::epoch_report`](crate::Loader::epoch_report). The longest
    /// wait is exact if it is longer than any before, and otherwise too long by at most an eighth.
    ///
    /// ```
    /// # use tallow_core::{Field, RowDType, Schema, from_fn};
    /// # use tallow_loader::Loader;
    /// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
    /// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
    /// let loader = Loader::builder(source).build()?;
    /// for epoch in 0..3 {
    ///     let before = loader.report();
    ///     for batch in loader.epoch(epoch) {
    ///         batch?;
    ///     }
    ///     let report = loader.report().since(&before);
    ///     assert_eq!(report.samples, 8);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let stage =
            |(stage, time): &(Stage, Duration)| (*stage, time.saturating_sub(before.stage(*stage)));
        let waits = self.waits.since(&before.waits);
        let readiness = Readiness {
            asked: self.readiness.asked.saturating_sub(before.readiness.asked),
            ready: self.readiness.ready.saturating_sub(before.readiness.ready),
        };
        Self {
            wall: self.wall.saturating_sub(before.wall),
            wait: self.wait.saturating_sub(before.wait),
            made: self.made.since(before.made),
            hand_over: self.hand_over.saturating_sub(before.hand_over),
            map_batch: self.map_batch.saturating_sub(before.map_batch),
            batches: self.batches.saturating_sub(before.batches),
            samples: self.samples.saturating_sub(before.samples),
            bytes: self.bytes.saturating_sub(before.bytes),
            errors: self.errors.saturating_sub(before.errors),
            faults: self.faults.saturating_sub(before.faults),
            batch_wait: waits.waits(),
            waits,
            workers: self.workers,
            chosen: self.chosen,
            stages: self.stages.iter().map(stage).collect(),
            ready_share: readiness.share(),
            readiness,
            cores: self.cores,
            copies: self.copies.since(before.copies),
            kernels: self.kernels.since(before.kernels),
            store: self.store.map(|now| now.since(before.store.unwrap_or_default())),
            reads_ahead: self.reads_ahead,
            parts: PartReport::since(&self.parts, &before.parts),
        }
    }

    /// Samples per second of wall time.
    pub fn samples_per_second(&self) -> f64 {
        per_second(self.samples, self.wall)
    }

    /// Bytes of tensors per second of wall time.
    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.bytes, self.wall)
    }

    /// The share of the wall time that the consumer spent inside `next`.
    pub fn wait_fraction(&self) -> f64 {
        share(self.wait, self.wall)
    }

    /// The time of all workers in `stage`.
    pub fn stage(&self, stage: Stage) -> Duration {
        self.stages.iter().find(|(s, _)| *s == stage).map_or(Duration::ZERO, |(_, time)| *time)
    }

    /// What the wait was for. The parts add up to [`Report::wait`].
    ///
    /// Hand-over and `map_batch` are timed where they run, on the thread of the consumer. The time of
    /// waiting for a batch is split among the stages in which the workers were meanwhile: order, read,
    /// store, decode, transform. `Idle` is the rest, in which no worker worked: locks, and the time that a sleeping
    /// thread needs to wake.
    pub fn wait_by_stage(&self) -> Vec<(Stage, Duration)> {
        let known = [
            (Stage::Order, self.made.order),
            (Stage::Read, self.made.read),
            (Stage::Store, self.made.store),
            (Stage::Decode, self.made.decode),
            (Stage::Transform, self.made.transform),
            (Stage::HandOver, self.hand_over),
            (Stage::MapBatch, self.map_batch),
        ];
        let rest = self.wait.saturating_sub(known.iter().map(|(_, time)| *time).sum());
        let is_told = |told: &(Stage, Duration)| told.0 != Stage::Store || self.waits_for_store();
        known.into_iter().filter(is_told).chain([(Stage::Idle, rest)]).collect()
    }

    /// Whether workers may wait for a store.
    fn waits_for_store(&self) -> bool {
        self.stages.iter().any(|(stage, _)| *stage == Stage::Store)
    }

    /// The time between calls of `next`. Together with [`Report::wait`] it is the wall time.
    pub fn consumer(&self) -> Duration {
        self.wall.saturating_sub(self.wait)
    }

    /// The stage that limits the throughput: the consumer if it hardly ever waits, and otherwise the
    /// stage that it waits for most.
    pub fn limiting_stage(&self) -> Stage {
        /// If the consumer waits less than this, a faster loader would not help.
        const WAIT_FRACTION: f64 = 0.05;
        if self.wait_fraction() < WAIT_FRACTION {
            return Stage::Consumer;
        }
        let longest = self.wait_by_stage().into_iter().max_by_key(|(_, time)| *time);
        longest.map_or(Stage::Consumer, |(stage, _)| stage)
    }

    /// What to change, in one sentence.
    pub fn advice(&self) -> String {
        let limiting = self.limiting_stage();
        let remedy = match limiting {
            Stage::Transform => "make it cheaper, or cache its results in the source",
            Stage::Decode => {
                "store smaller pictures, or let an Augment crop or resize them, which decodes only \
                 what it needs, and large photos at a part of their size with scaled_decode"
            }
            _ => {
                "put many samples into few files with `bench-loader pack`, store smaller element \
                 types, or cache in memory"
            }
        };
        match limiting {
            Stage::Consumer => "the consumer is the limit: training does not wait for data".into(),
            Stage::HandOver => "making and uploading tensors is the limit: use smaller element \
                                types, or larger batches"
                .into(),
            Stage::MapBatch => "map_batch is the limit: do what concerns single samples in a \
                                transform, which runs in the workers"
                .into(),
            Stage::Order => "making the order is the limit: the sampler's order() is slow".into(),
            Stage::Idle => "waking threads is the limit, as no worker is busy for most of the \
                            wait: use larger batches, so that it is needed less often"
                .into(),
            _ if self.workers == 0 => {
                "everything runs inside next(): use workers to read ahead".into()
            }
            Stage::Store => self.reads_ahead.advice().into(),
            _ => match self.chosen {
                Some(chosen) if self.workers < self.cores => format!(
                    "{limiting} is the limit with {chosen} workers, the best number up to {}: raise \
                     that bound, or {remedy}",
                    self.workers
                ),
                Some(chosen) => format!(
                    "{limiting} is the limit, and more than {chosen} workers gain nothing: {remedy}"
                ),
                None if self.workers < self.cores => format!(
                    "{limiting} is the limit: raise workers from {} towards the {} cores",
                    self.workers, self.cores
                ),
                None => format!("{limiting} is the limit and every core has a worker: {remedy}"),
            },
        }
    }
}

/// Whether objects of stores are fetched ahead of the workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadsAhead {
    No,
    Yes,
    /// A stream is read in order.
    InOrder,
}

impl ReadsAhead {
    /// What to change if workers mostly wait for a store.
    fn advice(self) -> &'static str {
        match self {
            Self::No => {
                "the store is the limit, as workers wait for its requests: let the loader read ahead \
                 (read_ahead(64 << 20), --read-ahead 64MB), or use many more workers than cores"
            }
            Self::Yes => {
                "the store is the limit, although it is read ahead: let more be read ahead, shuffle in \
                 blocks of what lies together (Shuffle::blocks(16), --shuffle-blocks 16), put many \
                 samples into few files with `bench-loader pack`, or keep what was fetched for later \
                 epochs in a folder that TALLOW_STORE_CACHE names"
            }
            Self::InOrder => {
                "the store is the limit, as a stream is read in order: put the samples into archives that \
                 are not compressed, of which the loader reads many places at once, or keep what was \
                 fetched for later epochs in a folder that TALLOW_STORE_CACHE names"
            }
        }
    }
}

/// Loaders without pictures decode nothing, and need not be told so.
fn is_shown((stage, time): &(Stage, Duration)) -> bool {
    *stage != Stage::Decode || !time.is_zero()
}

fn per_second(count: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() }
}

fn share(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() { 0.0 } else { part.as_secs_f64() / whole.as_secs_f64() }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} samples in {} batches, {:.3} s: {:.0} samples/s, {:.1} MB/s",
            self.samples,
            self.batches,
            self.wall.as_secs_f64(),
            self.samples_per_second(),
            self.bytes_per_second() / 1e6
        )?;
        if self.errors + self.faults > 0 {
            writeln!(
                f,
                "{} batches failed, {} failed samples skipped or substituted",
                self.errors, self.faults
            )?;
        }
        writeln!(
            f,
            "waited {:.1}% of the time; a call of next: median {:.0?}, 99% {:.0?}, longest {:.0?}",
            self.wait_fraction() * 100.0,
            self.batch_wait.p50,
            self.batch_wait.p99,
            self.batch_wait.max
        )?;
        write!(f, "waits     ")?;
        for (stage, time) in self.wait_by_stage().into_iter().filter(is_shown) {
            write!(f, "{stage} {:.1}%  ", share(time, self.wall) * 100.0)?;
        }
        writeln!(f, "(of the wall time)")?;
        // The clocks of workers run between iterations, too.
        let of_workers: Duration = self.stages.iter().map(|(_, time)| *time).sum();
        write!(f, "workers   ")?;
        for (stage, time) in self.stages.iter().copied().filter(is_shown) {
            write!(f, "{stage} {:.1}%  ", share(time, of_workers) * 100.0)?;
        }
        writeln!(f, "(of their time; {:.1}% of the batches were ready)", self.ready_share * 100.0)?;
        if let Some(store) = &self.store {
            let (asked, megabytes) = (store.requests, store.bytes_fetched as f64 / 1e6);
            write!(f, "store     {megabytes:.1} MB in {asked} requests, ")?;
            write!(f, "{} sent again, {} sent twice; ", store.retries, store.hedges)?;
            let [cached, unread] = [store.bytes_cached, store.bytes_unread].map(|n| n as f64 / 1e6);
            writeln!(f, "{cached:.1} MB from the disk, {unread:.1} MB dropped unread")?;
        }
        part_report::write(f, &self.parts)?;
        write!(f, "limit     {}", self.advice())
    }
}

/// Counts durations in bins that grow by an eighth of a power of two.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    bins: Box<[u32; Self::BINS]>,
    count: u64,
    max: Duration,
}

impl Histogram {
    /// Bins for each doubling.
    const STEPS: u64 = 8;
    const BINS: usize = 64 * Self::STEPS as usize;

    pub(crate) fn new() -> Self {
        Self { bins: Box::new([0; Self::BINS]), count: 0, max: Duration::ZERO }
    }

    pub(crate) fn add(&mut self, time: Duration) {
        let bin = &mut self.bins[Self::bin(time.as_nanos() as u64)];
        *bin = bin.saturating_add(1);
        self.count += 1;
        self.max = self.max.max(time);
    }

    fn bin(ns: u64) -> usize {
        let ns = ns.max(Self::STEPS);
        let power = u64::from(ns.ilog2());
        let step = (ns >> (power - 3)) - Self::STEPS;
        (power * Self::STEPS + step) as usize
    }

    /// The lower bound of a bin.
    fn bound(bin: usize) -> Duration {
        let (power, step) = (bin as u64 / Self::STEPS, bin as u64 % Self::STEPS);
        Duration::from_nanos((Self::STEPS + step) << power.saturating_sub(3))
    }

    fn quantile(&self, quantile: f64) -> Duration {
        let rank = (self.count as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        let reached = self.bins.iter().position(|&count| {
            seen += u64::from(count);
            seen >= rank.max(1)
        });
        reached.map_or(Duration::ZERO, Self::bound).min(self.max)
    }

    /// What was added since this was `before`.
    fn since(&self, before: &Self) -> Self {
        let pairs = self.bins.iter().zip(before.bins.iter());
        let mut bins = Box::new([0; Self::BINS]);
        bins.iter_mut().zip(pairs).for_each(|(bin, (now, then))| *bin = now.saturating_sub(*then));
        let max = if self.max > before.max {
            self.max
        } else {
            let last = bins.iter().rposition(|count| *count > 0);
            last.map_or(Duration::ZERO, |bin| Self::bound(bin + 1)).min(self.max)
        };
        Self { bins, count: self.count.saturating_sub(before.count), max }
    }

    pub(crate) fn waits(&self) -> Waits {
        Waits { p50: self.quantile(0.5), p99: self.quantile(0.99), max: self.max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_an_eighth() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.waits(), Waits::default());
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        let Waits { p50, p99, max } = histogram.waits();
        let near = |found: Duration, us: f64| (found.as_secs_f64() / us * 1e6 - 1.0).abs() < 0.125;
        assert!(near(p50, 500.0) && near(p99, 990.0), "{p50:?} {p99:?}");
        assert_eq!(max, Duration::from_millis(1));
    }

    #[test]
    fn what_was_added_since_can_be_told() {
        let mut histogram = Histogram::new();
        (1..=1000).for_each(|us| histogram.add(Duration::from_micros(us)));
        let before = histogram.clone();
        assert_eq!(before.since(&before).waits(), Waits::default());
        (1..=100).for_each(|us| histogram.add(Duration::from_micros(us)));
        let Waits { p50, max, .. } = histogram.since(&before).waits();
        assert!((44..=50).contains(&p50.as_micros()), "{p50:?}");
        assert!((100..=113).contains(&max.as_micros()), "{max:?}");
        histogram.add(Duration::from_secs(1));
        assert_eq!(histogram.since(&before).waits().max, Duration::from_secs(1));
    }

    #[test]
    fn a_wait_is_shared_out_by_what_workers_did_during_it() {
        let ms = Duration::from_millis;
        let made = |wait, spent: [u64; 6]| {
            WaitShares::between(ms(wait), [7; 6], spent.map(|ms| ms * 1_000_000 + 7))
        };
        let of = |[order, read, store, decode, transform]: [u64; 5]| WaitShares {
            order: ms(order),
            read: ms(read),
            store: ms(store),
            decode: ms(decode),
            transform: ms(transform),
        };
        assert_eq!(made(10, [20, 0, 16, 12, 8, 4]), of([0, 4, 3, 2, 1]));
        assert_eq!(
            made(10, [20, 4, 0, 0, 0, 0]),
            of([4, 0, 0, 0, 0]),
            "no worker worked for the rest"
        );
        assert_eq!(made(0, [0; 6]), WaitShares::default());
    }

    #[test]
    fn every_duration_has_a_bin_below_it() {
        for ns in [0, 1, 7, 8, 9, 1000, 123_456_789, u64::MAX] {
            let bin = Histogram::bin(ns);
            assert!(bin < Histogram::BINS);
            assert!(Histogram::bound(bin).as_nanos() as u64 <= ns.max(8));
        }
    }
}
