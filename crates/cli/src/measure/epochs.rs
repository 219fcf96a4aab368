//! Loading epochs: as many as were asked for or as are needed for a result, in turn with the
//! ceiling, or from storage.

use std::ops::Range;
use std::time::Duration;

use indicatif::ProgressBar;
use tallow::{Batching, Loader, Order as _, Report, Sampler, Source};

use crate::args::LoadArgs;
use crate::loading::plan;
use crate::measure::ceiling::{Ceiling, Visits};
use crate::measure::cold::Cached;
use crate::measure::device::Consumer;
use crate::measure::meter::{Meter, Taking};
use crate::measure::process;
use crate::measure::rate::{median, rate, ratio};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

/// Without `--epochs`, a run loads for at least this long. A shorter one would measure threads that
/// wake up, and whatever else the machine was doing.
const ENOUGH: Duration = Duration::from_secs(2);

/// It also takes at least this many epochs, enough for a median, after a first one that fetches the
/// files from storage.
const EPOCHS_MIN: u64 = 3;

/// If the first epoch takes longer than this, it is the one that is reported: nobody waits for
/// three more epochs of an hour each.
const LONG_EPOCH: Duration = Duration::from_secs(5);

/// The most epochs without `--epochs`, however short they are.
const EPOCHS_MAX: u64 = 100_000;

/// Epochs of each kind with `--cold`.
const COLD_ROUNDS_MIN: u64 = 3;

/// Rounds with `--ceiling`: enough for a median that two disturbed rounds do not move.
const ROUNDS_MIN: u64 = 5;

/// Loads epochs and measures them.
pub(crate) struct Taker<'a> {
    pub(crate) consumer: Consumer,
    pub(crate) load: &'a LoadArgs,
    /// How many; `None` for as many as are needed.
    pub(crate) epochs: Option<u64>,
    /// These steps instead of epochs.
    pub(crate) steps: Option<Range<u64>>,
    /// A meter of the kind to use, which has measured nothing yet.
    pub(crate) meter: Meter,
}

/// What was measured.
pub(crate) struct Measured {
    pub(crate) meter: Meter,
    pub(crate) epochs: u64,
    /// How long the warm-up epoch took, which is not counted.
    pub(crate) warm_up: Option<Duration>,
    /// With the ceiling, each epoch and the pass that followed it.
    pub(crate) rounds: Vec<Round>,
    /// With `--cold`.
    pub(crate) cold: Option<Cold>,
    /// The loader's own report.
    pub(crate) account: Report,
}

/// The rates of an epoch, and of the ceiling right after it, in samples per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) loader: f64,
    pub(crate) ceiling: f64,
}

impl Round {
    /// The loader's share of the ceiling; 0 if there was nothing to load.
    pub(crate) fn ratio(self) -> f64 {
        ratio(self.loader, self.ceiling)
    }
}

/// Epochs that came from storage.
#[derive(Debug)]
pub(crate) struct Cold {
    pub(crate) rounds: Vec<ColdRound>,
    /// Batches that were read ahead.
    pub(crate) read_ahead: usize,
    /// Bytes that the storage read for this process, as a share of the samples' bytes, if the
    /// system tells. A small share means that the page cache kept them.
    pub(crate) stored_share: Option<f64>,
}

/// The rates of two epochs from storage, in samples per second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ColdRound {
    pub(crate) without: f64,
    pub(crate) ahead: f64,
}

impl Cold {
    /// The medians without and with reading ahead, and their ratio.
    pub(crate) fn medians(&self) -> (f64, f64, f64) {
        let without = median(self.rounds.iter().map(|round| round.without));
        let ahead = median(self.rounds.iter().map(|round| round.ahead));
        (without, ahead, ratio(ahead, without))
    }

    /// Below this share, the page cache was measured.
    const STORED_SHARE_MIN: f64 = 0.8;

    pub(crate) fn was_cached(&self) -> bool {
        self.stored_share.is_some_and(|share| share < Self::STORED_SHARE_MIN)
    }
}

impl Measured {
    fn of(meter: Meter, epochs: u64, account: Report) -> Self {
        Self { meter, epochs, warm_up: None, rounds: Vec::new(), cold: None, account }
    }
}

impl Taker<'_> {
    /// Loads the given number of epochs, or as many as are needed.
    pub(crate) fn plain(&self, loader: &Loader, progress: &ProgressBar) -> Result<Measured> {
        let epochs = plan::epochs(self.load, self.epochs.unwrap_or(1))?;
        let measured = match self.epochs {
            _ if self.steps.is_some() => self.steps(loader, progress),
            Some(count) => self.exactly(loader, epochs, count, progress),
            None => self.enough(loader, epochs.start, progress),
        };
        progress.finish_and_clear();
        Ok(measured)
    }

    fn exactly(
        &self,
        loader: &Loader,
        epochs: Range<u64>,
        count: u64,
        progress: &ProgressBar,
    ) -> Measured {
        let batches = (loader.len() as u64).saturating_mul(count);
        let skipped = self.load.start_batch.unwrap_or(0) as u64;
        match loader.plan().is_bounded() {
            true => progress.set_length(batches.saturating_sub(skipped)),
            false => progress.unset_length(),
        }
        let mut meter = self.meter.another();
        let account = meter.take(loader, &self.consumer, epochs, progress);
        Measured::of(meter, count, account)
    }

    /// The steps that were asked for, and the epochs that they are in.
    fn steps(&self, loader: &Loader, progress: &ProgressBar) -> Measured {
        let Range { start, end } = self.steps.clone().unwrap_or_default();
        progress.set_length(end - start);
        let mut meter = self.meter.another();
        let account =
            meter.take_batches(loader, &self.consumer, loader.steps(start..end), progress);
        let per_epoch = loader.len().max(1) as u64;
        Measured::of(meter, end.div_ceil(per_epoch) - start / per_epoch, account)
    }

    /// If the first epoch takes long or fails, it is the only one.
    fn enough(&self, loader: &Loader, first: u64, progress: &ProgressBar) -> Measured {
        let batches = loader.len() as u64;
        progress.set_length(batches.saturating_mul(EPOCHS_MIN + 1));
        // One iteration, so that only the first epoch begins without any batch made ahead.
        let epochs = first..first.saturating_add(EPOCHS_MAX);
        let all = loader.epochs(epochs);
        let mut taking = Taking::begin(loader, &self.consumer, all, progress);
        let mut meter = self.meter.another();
        let mut more = taking.epoch(&mut meter);
        let (mut count, mut warm_up) = (1, None);
        let took = taking.elapsed();
        if more && took < LONG_EPOCH && meter.errors.total == 0 {
            (count, warm_up, meter) = (0, Some(took), self.meter.another());
            let expected = (ENOUGH.div_duration_f64(took) as u64).max(EPOCHS_MIN);
            progress.set_length(batches.saturating_mul(expected.saturating_add(1)));
            taking.restart();
            while more && !is_enough(count, EPOCHS_MIN, taking.elapsed(), &meter) {
                more = taking.epoch(&mut meter);
                count += 1;
            }
        }
        let account = taking.end(&mut meter);
        Measured { warm_up, ..Measured::of(meter, count, account) }
    }

    /// Epochs and passes of the ceiling take turns. An epoch before them is not counted: it fetches
    /// the files from disk, and shows whether all of them can be read.
    pub(crate) fn with_ceiling(
        &self,
        loader: &Loader,
        source: &dyn Source,
        console: &mut Console,
    ) -> Result<Measured> {
        let asked = self.epochs.map(|count| count.max(ROUNDS_MIN));
        let epochs = plan::epochs(self.load, asked.unwrap_or(ROUNDS_MIN))?;
        let batches = loader.len() as u64;
        let steps = (epochs.end - epochs.start).saturating_add(1).saturating_mul(batches);
        let progress = console.progress("loading", steps);
        let mut warming = Meter::default();
        warming.take(loader, &self.consumer, epochs.start..epochs.start + 1, &progress);
        if warming.errors.total + warming.faults.total > 0 {
            progress.finish_and_clear();
            warming.tell(console);
            let message = "there is no ceiling, because some samples cannot be read; see \
                           `bench-loader check`";
            return Err(Failure::failed(message));
        }
        let warmed = loader.report();
        let ceiling = Ceiling::new(source, 0..source.len()).map_err(Failure::Failed)?;
        let threads = loader.plan().workers().max(1);
        let (mut all, mut rounds) = (self.meter.another(), Vec::new());
        let sampler = plan::sampler(source, self.load)?;
        for epoch in epochs.start..u64::MAX {
            let visits = visits(source, &*sampler, self.load, epoch)?;
            let mut meter = self.meter.another();
            meter.take(loader, &self.consumer, epoch..epoch + 1, &progress);
            let wall = ceiling.pass(&visits, threads).map_err(Failure::Failed)?;
            let ceiling = rate(visits.len() as u64, wall);
            rounds.push(Round { loader: meter.samples_per_second(), ceiling });
            all.merge(meter);
            if are_all(&rounds, asked, ROUNDS_MIN, &all) {
                break;
            }
        }
        progress.finish_and_clear();
        let account = loader.report().since(&warmed);
        let (warm_up, count) = (Some(warming.wall), rounds.len() as u64);
        Ok(Measured { warm_up, rounds, ..Measured::of(all, count, account) })
    }

    /// Epochs from storage. A loader that does not read ahead and one that does take turns.
    pub(crate) fn cold(
        &self,
        loaders: [&Loader; 2],
        source: &dyn Source,
        console: &Console,
    ) -> Result<Measured> {
        let epochs = plan::epochs(self.load, self.epochs.unwrap_or(COLD_ROUNDS_MIN))?;
        let batches = (loaders[1].len() as u64).saturating_mul(2);
        let steps = batches.saturating_mul(epochs.end - epochs.start);
        let progress = console.progress("loading", steps);
        let (mut all, mut rounds) = (self.meter.another(), Vec::new());
        let (stored, mut wanted) = (process::storage_bytes(), 0);
        let sampler = plan::sampler(source, self.load)?;
        for epoch in epochs.start..u64::MAX {
            // A rank reads different samples in each epoch.
            let visits = visits(source, &*sampler, self.load, epoch)?;
            let files = Cached::of(source, visits.indices()).map_err(Failure::Failed)?;
            wanted += files.bytes * loaders.len() as u64;
            let mut rates = [0.0; 2];
            for (loader, rate) in loaders.iter().zip(&mut rates) {
                files.drop().map_err(Failure::Failed)?;
                let mut meter = self.meter.another();
                meter.take(loader, &self.consumer, epoch..epoch + 1, &progress);
                *rate = meter.samples_per_second();
                if loader.plan().read_ahead() > 0 {
                    all.merge(meter);
                }
            }
            rounds.push(ColdRound { without: rates[0], ahead: rates[1] });
            if are_all(&rounds, self.epochs, COLD_ROUNDS_MIN, &all) {
                break;
            }
        }
        progress.finish_and_clear();
        let stored = process::storage_bytes().zip(stored).map(|(after, before)| after - before);
        let stored_share = stored.map(|stored| stored as f64 / wanted.max(1) as f64);
        let (count, read_ahead) = (rounds.len() as u64, loaders[1].plan().read_ahead_batches());
        let cold = Some(Cold { rounds, read_ahead, stored_share });
        Ok(Measured { cold, ..Measured::of(all, count, loaders[1].report()) })
    }
}

/// Whether this many epochs, loaded in this time, are enough. After one that failed there are no
/// more.
fn is_enough(epochs: u64, least: u64, loaded: Duration, meter: &Meter) -> bool {
    let long = epochs >= least && loaded >= ENOUGH;
    long || epochs >= EPOCHS_MAX || meter.errors.total > 0
}

/// Whether these are all the rounds: as many as were asked for, or enough. A run that was given up
/// is over.
fn are_all<T>(rounds: &[T], asked: Option<u64>, least: u64, all: &Meter) -> bool {
    let count = rounds.len() as u64;
    let enough = || is_enough(count, least, all.wall, all);
    all.given_up.is_some() || asked.map_or_else(enough, |asked| count >= asked)
}

/// The samples that the loader delivers in an epoch, in order.
pub(crate) fn visits(
    source: &dyn Source,
    sampler: &dyn Sampler,
    args: &LoadArgs,
    epoch: u64,
) -> Result<Visits> {
    let order = sampler.order(&source.population(), args.seed, epoch)?;
    let batching = plan::batching(source, sampler, args)?;
    let batching = order.batches().into_iter().fold(batching, Batching::with_table);
    Ok(Visits::new(order, batching))
}
