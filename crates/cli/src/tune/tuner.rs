//! Runs trials: the rate that a loader reaches with given settings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tallow::candle::Device;
use tallow::{
    Augment, Auto, Loader, Population, Sampler as _, Search, Sequential, Settings, Source,
    Workers as Bound,
};

use crate::args::{LoadArgs, Workers};
use crate::loading::plan;
use crate::machine::memory;
use crate::measure::ceiling::Ceiling;
use crate::measure::cold::{Cached, READ_AHEAD_BYTES};
use crate::measure::device::Consumer;
use crate::measure::rate::{median, rate};
use crate::terminal::exit::{Failure, Result};
use crate::terminal::words;
use crate::tune::finals::Finals;
use crate::tune::trial::{Grid, Trial, rate_of};

/// A trial lasts at least this long, and takes at least this many batches after those that it
/// starts with.
const TRIAL: Duration = Duration::from_millis(400);
const BATCHES: u64 = 6;

/// Threads that read for the ceiling of the storage, which is faster with many requests at once.
const STORAGE_THREADS: usize = 16;

/// Rounds of the finals: the fewest for which two disturbed rounds do not widen the interval.
pub(crate) const ROUNDS: usize = 8;

/// The most that the machine can do.
#[derive(Debug, Default)]
pub(crate) struct Ceilings {
    /// Samples per second read from storage, and from the page cache.
    pub(crate) storage: Option<f64>,
    pub(crate) page_cache: Option<f64>,
    /// Bytes of a sample in files.
    pub(crate) sample_bytes: Option<f64>,
    /// Bytes per second of copies in memory, and of page-locked copies to the device.
    pub(crate) memory_copy: f64,
    pub(crate) device_copy: Option<f64>,
}

/// Loads with one setting after another.
pub(crate) struct Tuner<'a> {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) load: &'a LoadArgs,
    pub(crate) chain: Option<Augment>,
    pub(crate) consumer: Consumer,
    /// Files to drop from the page cache before each trial.
    pub(crate) cold: Option<&'a Cached>,
}

impl Tuner<'_> {
    pub(crate) fn load_of(&self, settings: Settings) -> LoadArgs {
        LoadArgs {
            workers: Workers::Count(settings.workers),
            prefetch: Some(settings.prefetch),
            read_ahead: Some(settings.read_ahead).filter(|&bytes| bytes > 0),
            ..self.load.clone()
        }
    }

    fn device(&self) -> &Device {
        &self.consumer.device
    }

    pub(crate) fn build(&self, settings: Settings) -> Result<Loader> {
        plan::build(self.source.clone(), &self.load_of(settings), self.device(), self.chain.clone())
    }

    /// The settings that a loader starts with by itself, and the most that it may use.
    pub(crate) fn bounds(&self, auto: Auto) -> Result<(Settings, Settings)> {
        let builder =
            plan::builder(self.source.clone(), self.load, self.device(), self.chain.clone())?;
        let loader = builder.workers(Bound::Auto(auto)).build()?;
        let read_ahead = if self.cold.is_some() { READ_AHEAD_BYTES } else { 0 };
        let (workers, prefetch) = (loader.plan().workers(), loader.plan().prefetch());
        let start = loader.settings().read_ahead(0);
        Ok((start, Settings::new(workers, prefetch).read_ahead(read_ahead)))
    }

    /// Refuses a bound that no settings keep.
    pub(crate) fn refuse_less_than_the_least(&self, memory: usize) -> Result {
        let least = Settings::new(1, 1);
        let loader = self.build(least)?;
        // A bound leaves out the largest pictures, as that of `tallow::Auto` does.
        let least = loader.plan().memory_bytes() - loader.plan().picture_bytes();
        if least <= memory {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "--memory: found {}, expected at least {}, for one worker and one batch ahead",
            words::bytes(memory as u64),
            words::bytes(least as u64)
        )))
    }

    /// Whether these are the default settings of a loader.
    pub(crate) fn is_default(&self, settings: Settings) -> Result<bool> {
        let loader =
            plan::build(self.source.clone(), self.load, self.device(), self.chain.clone())?;
        let (workers, prefetch) = (loader.plan().workers(), loader.plan().prefetch());
        Ok((settings.workers, settings.prefetch) == (workers, prefetch))
    }

    /// Runs the trials that `search` asks for, until it ends or `seconds` have passed.
    pub(crate) fn search(
        &self,
        search: &mut Search,
        seconds: u64,
        progress: &ProgressBar,
    ) -> Result<Vec<Trial>> {
        let began = Instant::now();
        let mut trials = Vec::new();
        while let Some(settings) = search.trial() {
            let samples_per_second = self.trial(settings)?;
            search.record(samples_per_second);
            trials.push(Trial { settings, samples_per_second });
            progress.set_position(began.elapsed().as_secs().min(seconds));
            if began.elapsed() >= Duration::from_secs(seconds) {
                break;
            }
        }
        Ok(trials)
    }

    /// Samples per second with `settings`.
    pub(crate) fn trial(&self, settings: Settings) -> Result<f64> {
        let loader = self.build(settings)?;
        if let Some(files) = self.cold {
            files.drop().map_err(Failure::Failed)?;
        }
        let first = self.load.first_epoch;
        // An epoch comes from storage only once, and its beginning is as cold as its end.
        let (last, begins) = match self.cold {
            Some(_) => (first.saturating_add(1), 0),
            None => (u64::MAX, settings.prefetch as u64 + 1),
        };
        let (mut samples, mut batches) = (0, 0);
        let mut started = Instant::now();
        for batch in loader.epochs(first..last) {
            let batch = batch?;
            if self.consumer.step.is_some() {
                self.consumer.synchronize().map_err(Failure::failed)?;
            }
            batches += 1;
            if batches > begins {
                samples += batch.len() as u64;
            }
            if let Some(step) = self.consumer.step {
                self.consumer.step(step, &batch);
            }
            drop(batch);
            if batches == begins {
                started = Instant::now();
            }
            if batches >= begins + BATCHES && started.elapsed() >= TRIAL {
                break;
            }
        }
        self.consumer.synchronize().map_err(Failure::failed)?;
        Ok(rate(samples, started.elapsed()))
    }

    /// Lets these settings take turns.
    pub(crate) fn finals(&self, settings: &[Settings]) -> Result<Finals> {
        Finals::of(settings, ROUNDS, |settings| self.trial(settings))
    }

    /// Measures all settings within the bounds, and compares `found` with the best of them.
    pub(crate) fn grid(&self, found: Settings, most: Settings) -> Result<Grid> {
        // As a search climbs: the steps of its ladder, and the most.
        let up_to =
            |most: usize| Search::LADDER.into_iter().filter(move |&step| step < most).chain([most]);
        let mut points = Vec::new();
        for workers in up_to(most.workers) {
            for prefetch in up_to(most.prefetch) {
                for read_ahead in
                    [0, most.read_ahead].into_iter().take(1 + usize::from(most.read_ahead > 0))
                {
                    points.push(Settings::new(workers, prefetch).read_ahead(read_ahead));
                }
            }
        }
        // Two passes, so that a temporary disturbance does not affect both trials of a setting.
        let mut trials: Vec<Trial> = Vec::new();
        for _ in 0..2 {
            for &settings in &points {
                trials.push(Trial { settings, samples_per_second: self.trial(settings)? });
            }
        }
        let best =
            |a: &&Settings, b: &&Settings| rate_of(&trials, **a).total_cmp(&rate_of(&trials, **b));
        let best = points.iter().max_by(best).copied().unwrap_or(found);
        let beside =
            if best == found { None } else { self.finals(&[found, best])?.ratio(found, best) };
        Ok(Grid { trials, best, beside })
    }

    pub(crate) fn ceilings(
        &self,
        files: Option<&Cached>,
        first: &[usize],
        threads: usize,
    ) -> Result<Ceilings> {
        let mut ceilings =
            Ceilings { memory_copy: memory::copy_bytes_per_second(threads), ..Ceilings::default() };
        let ceiling = Ceiling::new(&self.source, first.iter().copied());
        if let (Some(files), Ok(ceiling)) = (files, ceiling) {
            let order = Sequential.order(&Population::of(first.len()), 0, 0)?;
            ceilings.sample_bytes = Some(files.bytes as f64 / first.len().max(1) as f64);
            let pass = |threads| ceiling.pass(&*order, threads).map_err(Failure::Failed);
            let samples = first.len() as u64;
            if files.drop().is_ok() {
                // As many requests under way as reading ahead makes.
                ceilings.storage = Some(rate(samples, pass(threads.max(STORAGE_THREADS))?));
            }
            pass(threads)?;
            let mut hot = Vec::new();
            let began = Instant::now();
            while hot.len() < 3 || began.elapsed() < TRIAL {
                hot.push(rate(samples, pass(threads)?));
            }
            ceilings.page_cache = Some(median(hot));
        }
        ceilings.device_copy = device_copy(self.device())?;
        Ok(ceilings)
    }
}

#[cfg(feature = "cuda")]
fn device_copy(device: &Device) -> Result<Option<f64>> {
    use crate::measure::copies::{Host, bytes_per_second};
    const BYTES: usize = 64 << 20;
    let Device::Cuda(device) = device else { return Ok(None) };
    let ordinal = device.cuda_stream().context().ordinal();
    let copied = bytes_per_second(ordinal, BYTES, Host::PageLocked);
    copied.map(Some).map_err(|error| Failure::failed(format!("cannot time a copy: {error}")))
}

#[cfg(not(feature = "cuda"))]
#[expect(clippy::unnecessary_wraps, reason = "with CUDA it can fail")]
fn device_copy(_: &Device) -> Result<Option<f64>> {
    Ok(None)
}
