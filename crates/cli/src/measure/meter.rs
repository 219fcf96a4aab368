//! Taking batches and recording what they cost.

use std::fmt;
use std::ops::Range;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tallow::{Batch, Batches, Error, ErrorKind, Loader, Report, Schema, Stage};

use crate::measure::device::Consumer;
use crate::measure::distribution::Distribution;
use crate::measure::process;
use crate::measure::rate::rate;
use crate::measure::timeline::{Taken, Timeline};
use crate::terminal::console::Console;
use crate::terminal::exit;

/// What loading has cost and delivered so far. The clock runs from the first `next()` until the
/// last batch was taken and dropped and the device has finished with it. Time between two
/// measurements is not counted.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) samples: u64,
    pub(crate) batches: u64,
    pub(crate) wall: Duration,
    /// Time inside `next()`; with steps, until the device has the batch.
    pub(crate) wait: Duration,
    /// Time in steps.
    pub(crate) steps: Duration,
    pub(crate) cpu: Duration,
    /// The wait for each batch, in seconds.
    pub(crate) batch_waits: Distribution,
    /// The rate of each epoch, in samples per second.
    pub(crate) epoch_rates: Distribution,
    /// Only if a report will show it.
    pub(crate) timeline: Option<Timeline>,
    /// The part of the wait until the device had the batch.
    pub(crate) device: Duration,
    /// The wait inside `next()` by stage, as the loader attributes it.
    waits: Vec<(Stage, Duration)>,
    /// Time of all workers in each of their stages.
    pub(crate) stages: Vec<(Stage, Duration)>,
    /// Time inside `next()` in which slabs became tensors.
    pub(crate) hand_over: Duration,
    /// Rows that were skipped or substituted.
    pub(crate) faults: Tally,
    pub(crate) errors: Tally,
    /// Why the remaining batches were not taken.
    pub(crate) given_up: Option<String>,
    /// Whether one of the errors is about a sample, rather than the loader or the device.
    pub(crate) met_bad_sample: bool,
}

/// A running measurement: an iteration, and the counters when the clock was started.
pub(crate) struct Taking<'a> {
    loader: &'a Loader,
    consumer: &'a Consumer,
    progress: &'a ProgressBar,
    batches: Batches<'a>,
    /// When the clock was started, and when the last epoch ended.
    started: Instant,
    lap: Instant,
    before: Report,
    cpu: Duration,
}

/// Why to give up after this error, if everything after it would fail too.
pub(crate) fn why_hopeless(error: &Error) -> Option<String> {
    let why = "gave up because every worker is stuck: the storage does not answer";
    error.is_hopeless().then(|| why.to_owned())
}

impl<'a> Taking<'a> {
    pub(crate) fn begin(
        loader: &'a Loader,
        consumer: &'a Consumer,
        batches: Batches<'a>,
        progress: &'a ProgressBar,
    ) -> Self {
        let (before, cpu) = (loader.report(), process::cpu_time());
        let started = Instant::now();
        Self { loader, consumer, progress, batches, started, lap: started, before, cpu }
    }

    /// Restarts the clock. Some batches are ready already, and as many will be ready at the end, so
    /// the measured part of the iteration pays for as many batches as it delivers.
    pub(crate) fn restart(&mut self) {
        self.before = self.loader.report();
        self.cpu = process::cpu_time();
        self.started = Instant::now();
        self.lap = self.started;
    }

    /// Takes the batches of an epoch and hands them to the consumer. Errors are recorded and the
    /// remaining batches are taken, unless they would never come. Returns whether there may be
    /// another epoch.
    pub(crate) fn epoch(&mut self, meter: &mut Meter) -> bool {
        let (before, mut ended) = (meter.samples, false);
        let more = loop {
            let asked = Instant::now();
            let next = self.batches.next();
            // A copy that is still running counts as waiting, or the step would hide it.
            if let (Some(Ok(_)), Some(_)) = (&next, self.consumer.step) {
                let started = Instant::now();
                meter.synchronize(self.consumer);
                meter.device += started.elapsed();
            }
            let waited = asked.elapsed();
            meter.wait += waited;
            let Some(next) = next else { break false };
            ended = self.is_last(&next);
            meter.given_up = next.as_ref().err().and_then(why_hopeless);
            meter.note(&next, waited);
            self.watch(&next, waited, meter);
            if let (Ok(batch), Some(step)) = (&next, self.consumer.step) {
                meter.steps += self.consumer.step(step, batch);
            }
            drop(next);
            self.progress.inc(1);
            if ended || meter.given_up.is_some() {
                break meter.given_up.is_none();
            }
        };
        if ended {
            let now = Instant::now();
            meter.epoch_rates.add(rate(meter.samples - before, now - self.lap));
            self.lap = now;
        }
        more
    }

    /// Whether this is the last of its epoch.
    fn is_last(&self, next: &Result<Batch, Error>) -> bool {
        let number = match next {
            Ok(batch) if batch.is_last() => None,
            Ok(batch) => Some(batch.number()),
            Err(error) => error.batch().map(|batch| batch.number),
        };
        number.is_none_or(|number| number + 1 >= self.loader.len())
    }

    /// Adds it to the timeline, if there is one.
    fn watch(&self, next: &Result<Batch, Error>, wait: Duration, meter: &mut Meter) {
        let Some(timeline) = &mut meter.timeline else { return };
        let samples = next.as_ref().map_or(0, |batch| batch.len() as u64);
        let (at, ready) = (meter.wall + self.started.elapsed(), self.loader.ready());
        timeline.add(&Taken { at, samples, wait, ready });
    }

    /// Time since the clock was started.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Stops the clock once the device has finished. Returns the loader's own report.
    pub(crate) fn end(self, meter: &mut Meter) -> Report {
        meter.synchronize(self.consumer);
        meter.wall += self.started.elapsed();
        meter.cpu += process::cpu_time().saturating_sub(self.cpu);
        let account = self.loader.report().since(&self.before);
        meter.hand_over += account.hand_over;
        account.stages.iter().for_each(|time| add(&mut meter.stages, *time));
        account.wait_by_stage().into_iter().for_each(|time| add(&mut meter.waits, time));
        account
    }
}

impl Meter {
    /// A meter that also keeps a timeline.
    pub(crate) fn watching() -> Self {
        Self { timeline: Some(Timeline::new()), ..Self::default() }
    }

    /// A meter of the same kind that has measured nothing yet.
    pub(crate) fn another(&self) -> Self {
        if self.timeline.is_some() { Self::watching() } else { Self::default() }
    }

    /// Takes every batch of these epochs. Returns the loader's own report.
    pub(crate) fn take(
        &mut self,
        loader: &Loader,
        consumer: &Consumer,
        epochs: Range<u64>,
        progress: &ProgressBar,
    ) -> Report {
        self.take_batches(loader, consumer, loader.epochs(epochs), progress)
    }

    /// Takes these batches. Returns the loader's own report.
    pub(crate) fn take_batches(
        &mut self,
        loader: &Loader,
        consumer: &Consumer,
        batches: Batches<'_>,
        progress: &ProgressBar,
    ) -> Report {
        let mut taking = Taking::begin(loader, consumer, batches, progress);
        while taking.epoch(self) {}
        taking.end(self)
    }

    /// Prints what was passed over, what failed, and why the remaining batches were not taken.
    pub(crate) fn tell(&self, console: &mut Console) {
        self.faults.tell("passed over", console);
        self.errors.tell("error", console);
        if let Some(why) = &self.given_up {
            console.tell_some("error", &[why], 1);
        }
    }

    /// Records a batch or an error, and how long the wait for it was.
    fn note(&mut self, next: &Result<Batch, Error>, wait: Duration) {
        self.batches += 1;
        self.batch_waits.add(wait.as_secs_f64());
        match next {
            Ok(batch) => {
                self.samples += batch.len() as u64;
                self.faults.add_faults(batch);
            }
            Err(error) => {
                self.errors.add_error(error);
                let is_of_sample = matches!(error.kind(), ErrorKind::Sample | ErrorKind::Budget);
                self.met_bad_sample |= is_of_sample;
            }
        }
    }

    fn synchronize(&mut self, consumer: &Consumer) {
        if let Err(error) = consumer.synchronize() {
            self.errors.add(format_args!("the device failed: {error}"));
        }
    }

    /// Adds what another meter has measured.
    pub(crate) fn merge(&mut self, other: Self) {
        if let (Some(own), Some(other)) = (&mut self.timeline, &other.timeline) {
            own.append(other, self.wall);
        }
        self.samples += other.samples;
        self.batches += other.batches;
        self.wall += other.wall;
        self.wait += other.wait;
        self.steps += other.steps;
        self.cpu += other.cpu;
        self.batch_waits.merge(other.batch_waits);
        self.epoch_rates.merge(other.epoch_rates);
        self.hand_over += other.hand_over;
        self.device += other.device;
        other.stages.into_iter().for_each(|time| add(&mut self.stages, time));
        other.waits.into_iter().for_each(|time| add(&mut self.waits, time));
        self.faults.merge(other.faults);
        self.errors.merge(other.errors);
        self.met_bad_sample |= other.met_bad_sample;
        self.given_up = other.given_up.or(self.given_up.take());
    }

    pub(crate) fn samples_per_second(&self) -> f64 {
        rate(self.samples, self.wall)
    }

    /// The share of the wall time that the consumer waited.
    pub(crate) fn wait_fraction(&self) -> f64 {
        if self.wall.is_zero() { 0.0 } else { self.wait.div_duration_f64(self.wall) }
    }

    /// The wait inside `next()` by stage.
    pub(crate) fn waits(&self) -> impl Iterator<Item = (Stage, Duration)> {
        self.waits.iter().copied()
    }

    /// The wall time in parts that add up to it.
    pub(crate) fn wall_by_part(&self) -> Vec<(Part, Duration)> {
        let stages = self.waits.iter().filter(|(stage, _)| *stage != Stage::Idle);
        let mut parts = vec![
            (Part::Step, self.steps),
            (Part::Own, self.wall.saturating_sub(self.wait + self.steps)),
        ];
        parts.extend(stages.map(|(stage, time)| (Part::Wait(*stage), *time)));
        parts.push((Part::Device, self.device));
        // What the loader does not see: the end of an iteration, and reading the clock.
        let known = parts.iter().map(|(_, time)| *time).sum();
        parts.push((Part::Wait(Stage::Idle), self.wall.saturating_sub(known)));
        parts
    }

    /// The average of `time` per batch.
    pub(crate) fn per_batch(&self, time: Duration) -> Duration {
        let batches = u32::try_from(self.batches).unwrap_or(u32::MAX);
        time.checked_div(batches).unwrap_or_default()
    }

    /// The waits that the given shares of the batches did not exceed, in microseconds.
    pub(crate) fn batch_waits_us<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        shares.map(|share| self.batch_waits.quantile(share) * 1e6)
    }
}

/// Where a part of the wall time went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The steps of the model.
    Step,
    /// What else this program does with a batch: it records and frees it.
    Own,
    /// Waiting for a stage of the loader; `Idle` is waiting while no thread works.
    Wait(Stage),
    /// Waiting until the device had the batch.
    Device,
}

impl Part {
    /// The name of the part in reports.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Own => "consumer",
            Self::Wait(stage) => stage.as_str(),
            Self::Device => "device",
        }
    }
}

fn add(sums: &mut Vec<(Stage, Duration)>, (stage, time): (Stage, Duration)) {
    match sums.iter_mut().find(|(known, _)| *known == stage) {
        Some((_, sum)) => *sum += time,
        None => sums.push((stage, time)),
    }
}

/// How many there were, and the first few that differ.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) total: usize,
    pub(crate) first: Vec<Told>,
}

/// Something that happened, and how often.
#[derive(Debug)]
pub(crate) struct Told {
    /// What is the same each time.
    cause: String,
    /// The first time.
    text: String,
    times: usize,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.times {
            1 => f.write_str(&self.text),
            times => write!(f, "{}; {times} times in all", self.text),
        }
    }
}

impl Tally {
    /// Nobody reads more.
    const SHOWN_MAX: usize = 10;

    pub(crate) fn add(&mut self, what: impl fmt::Display) {
        let what = what.to_string();
        self.add_one(what.clone(), what);
    }

    /// Adds an error. What a bad sample says is told once, although each epoch meets it again.
    pub(crate) fn add_error(&mut self, error: &Error) {
        self.add_one(cause(error), error.to_string());
    }

    fn add_one(&mut self, cause: String, text: String) {
        self.add_told(Told { cause, text: exit::in_options(&text), times: 1 });
        self.total += 1;
    }

    fn add_told(&mut self, told: Told) {
        let known = self.first.iter().position(|known| known.cause == told.cause);
        match known {
            Some(at) => self.first[at].times += told.times,
            None if self.first.len() < Self::SHOWN_MAX => self.first.push(told),
            None => {}
        }
    }

    /// Prints the first few, and how many more there are.
    pub(crate) fn tell(&self, what: &str, console: &mut Console) {
        let told: usize = self.first.iter().map(|told| told.times).sum();
        console.tell_some(what, &self.first, self.first.len() + self.total - told);
    }

    /// Adds the reads of a batch that were passed over.
    pub(crate) fn add_faults(&mut self, batch: &Batch) {
        for fault in batch.faults() {
            self.add_one(cause(&fault.error), format!("epoch {}, {fault}", batch.epoch()));
        }
    }

    fn merge(&mut self, other: Self) {
        self.total += other.total;
        other.first.into_iter().for_each(|told| self.add_told(told));
    }
}

/// What is wrong, without when that was noticed.
fn cause(error: &Error) -> String {
    error.cause().map_or_else(|| error.to_string(), ToString::to_string)
}

/// Bytes of one delivered row.
pub(crate) fn delivered_row_bytes(schema: &Schema) -> u64 {
    let fields = schema.fields().iter();
    fields.map(|f| (f.max_elements() * f.dtype().delivered().size_in_bytes()) as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_keeps_the_first_and_counts_all() {
        let mut tally = Tally::default();
        (0..12).for_each(|i| tally.add(i));
        let mut other = Tally::default();
        other.add("x");
        other.merge(tally);
        assert_eq!((other.total, other.first.len()), (13, 10));
        assert_eq!(other.first[0].to_string(), "x");
    }

    #[test]
    fn what_happens_again_is_counted_instead_of_told_again() {
        let mut tally = Tally::default();
        (0..3).for_each(|_| tally.add("x"));
        let mut other = Tally::default();
        ["y", "x"].iter().for_each(|what| other.add(what));
        tally.merge(other);
        let told: Vec<String> = tally.first.iter().map(ToString::to_string).collect();
        assert_eq!((tally.total, told), (5, vec!["x; 4 times in all".to_owned(), "y".to_owned()]));
    }
}
