//! `tune`: searches the settings that load fastest within bounds, and says why it chose them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tallow::candle::Device;
use tallow::{Augment, Auto, Loader, Search, Settings, Source, Workers as Bound};

use super::doctor;
use crate::args::{LoadArgs, TuneArgs, Workers};
use crate::augment;
use crate::ceiling::Ceiling;
use crate::cold::{Cached, READ_AHEAD_BYTES};
use crate::commands::run::visited;
use crate::console::Console;
use crate::device::{self, Consumer};
use crate::exit::{Failure, Result};
use crate::measure::{median, rate};
use crate::memory;
use crate::output::Outputs;
use crate::report::{self, Ceilings, Trial, html, human, json};
use crate::{plan, settings};

/// A trial lasts at least so long, and takes so many batches behind those that it begins with.
const TRIAL: Duration = Duration::from_millis(400);
const BATCHES: u64 = 6;

/// Samples that a ceiling is measured over, and whose files are dropped from the page cache: as many
/// as lie in so many bytes, and no more than these. A search is not to read a terabyte first.
const CEILING_BYTES: u64 = 1 << 30;
const CEILING_SAMPLES: usize = 1 << 17;

/// Threads that read for the ceiling of the storage, which likes many requests at once.
const STORAGE_THREADS: usize = 16;

/// Turns in which what was found is measured beside something else.
const ROUNDS: usize = 5;

pub(crate) fn run(args: &TuneArgs, console: &mut Console) -> Result {
    tallow::keep_freed_memory();
    refuse_what_is_searched(&args.load)?;
    let mut outputs = Outputs::beside(&args.source);
    let page = args.html.as_ref().map(|path| outputs.open("--html", path)).transpose()?;
    let device = device::open(args.load.device)?;
    let (place, opened) = plan::open(&args.source)?;
    let augment = augment::of(args.augment.as_ref(), &args.fields, opened.source.schema())?;
    let order = visited(opened.source.len(), &args.load, args.load.first_epoch)?;
    let order = first_of(&*opened.source, order);
    let files = Cached::of(&*opened.source, order.iter().copied());
    if args.cold {
        files.as_ref().map_err(|message| Failure::Usage(format!("--cold: {message}")))?;
    }
    let tuner = Tuner {
        source: opened.source,
        load: &args.load,
        chain: augment.map(|augment| augment.chain),
        consumer: Consumer { device, step: args.step_ms },
        cold: files.as_ref().ok().filter(|_| args.cold),
    };
    let auto = Auto::new().cpu_share(args.cpu_share).bytes(args.memory);
    let (start, most) = tuner.bounds(auto)?;
    tuner.refuse_less_than_the_least(args.memory)?;
    let starts_with_defaults = tuner.is_default(start)?;
    let progress = console.progress("tuning", args.seconds);
    let ceilings = tuner.ceilings(files.as_ref().ok(), &order, most.workers)?;
    if !args.cold {
        // Not counted: it fetches the files from the storage.
        tuner.trial(start)?;
    }
    let began = Instant::now();
    let mut search = Search::new(start, most);
    let trials = tuner.search(&mut search, args.seconds, &progress)?;
    let cut = search.trial().is_some();
    let climbed = search.best();
    let beside_start = if climbed == start { None } else { Some(tuner.beside(climbed, start)?) };
    // What a climb gained step by step may be noise: then what needs no words is better.
    let found = match beside_start {
        Some(pair) if pair.ratio() < 1.0 && climbed.costs_more_than(start) => start,
        Some(pair) if pair.ratio() < Search::LOSS_MAX => start,
        _ => climbed,
    };
    let seconds = began.elapsed();
    let grid = if args.grid { Some(tuner.grid(found, most)?) } else { None };
    progress.finish_and_clear();
    let loader = tuner.build(found)?;
    let report = report::Tune {
        source: place.to_string(),
        schema: loader.schema().clone(),
        code: settings::code(&place, &tuner.load_of(found), tuner.chain.as_ref(), loader.plan()),
        memory_bytes: loader.plan().memory_bytes(),
        step: args.step_ms,
        cold: args.cold,
        ceilings,
        start,
        starts_with_defaults,
        most,
        climbed,
        found,
        rate: match beside_start {
            None => of(&trials, found),
            Some(pair) if found == start => pair.other,
            Some(pair) => pair.found,
        },
        beside_start,
        steps: search.steps().to_vec(),
        trials,
        seconds,
        cut,
        grid,
    };
    if let Some(page) = page {
        page.write(&html::tune::page(&report, &doctor::surroundings()).to_html())?;
    }
    conclude(&report, args.json, console)
}

fn conclude(report: &report::Tune, json: bool, console: &mut Console) -> Result {
    let out = console.out();
    if json {
        json::print(out, &json::tune(report))?
    } else {
        human::tune(out, report)?
    }
    Ok(())
}

/// The beginning of an epoch, as far as ceilings are measured over it.
fn first_of(source: &dyn Source, mut order: Vec<usize>) -> Vec<usize> {
    let mut bytes = 0;
    let fits = |&&index: &&usize| {
        let fits = bytes < CEILING_BYTES;
        bytes += source.extents(index).iter().map(|extent| extent.bytes as u64).sum::<u64>();
        fits
    };
    let len = order.iter().take(CEILING_SAMPLES).take_while(fits).count();
    order.truncate(len);
    order
}

/// The median of the trials of these settings.
fn of(trials: &[Trial], settings: Settings) -> f64 {
    let own = trials.iter().filter(|trial| trial.settings == settings);
    median(own.map(|trial| trial.samples_per_second))
}

fn refuse_what_is_searched(load: &LoadArgs) -> Result {
    let given = [
        ("--workers", load.workers != Workers::Auto),
        ("--prefetch", load.prefetch.is_some()),
        ("--read-ahead", load.read_ahead.is_some()),
        ("--start-batch", load.start_batch.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Failure::Usage(format!(
            "{option} is not for tune, which searches the settings; bound it by --cpu-share and \
             --memory"
        ))),
    }
}

/// Loads under one setting after another.
struct Tuner<'a> {
    source: Arc<dyn Source>,
    load: &'a LoadArgs,
    chain: Option<Augment>,
    consumer: Consumer,
    /// What is dropped from the page cache before each trial.
    cold: Option<&'a Cached>,
}

impl Tuner<'_> {
    fn load_of(&self, settings: Settings) -> LoadArgs {
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

    fn build(&self, settings: Settings) -> Result<Loader> {
        plan::build(self.source.clone(), &self.load_of(settings), self.device(), self.chain.clone())
    }

    /// Where a loader begins that chooses for itself, and the most that it may choose.
    fn bounds(&self, auto: Auto) -> Result<(Settings, Settings)> {
        let builder =
            plan::builder(self.source.clone(), self.load, self.device(), self.chain.clone())?;
        let loader = builder.workers(Bound::Auto(auto)).build()?;
        let read_ahead = if self.cold.is_some() { READ_AHEAD_BYTES } else { 0 };
        let (workers, prefetch) = (loader.plan().workers(), loader.plan().prefetch());
        let start = Settings { read_ahead: 0, ..loader.settings() };
        Ok((start, Settings { workers, prefetch, read_ahead }))
    }

    /// A bound that nothing keeps is no bound.
    fn refuse_less_than_the_least(&self, memory: usize) -> Result {
        let least = Settings { workers: 1, prefetch: 1, read_ahead: 0 };
        let least = self.build(least)?.plan().memory_bytes();
        if least <= memory {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "--memory: found {}, expected at least {}, which one worker and one batch ahead take",
            human::bytes(memory as u64),
            human::bytes(least as u64)
        )))
    }

    /// Whether a loader that is told nothing has these settings.
    fn is_default(&self, settings: Settings) -> Result<bool> {
        let loader =
            plan::build(self.source.clone(), self.load, self.device(), self.chain.clone())?;
        let (workers, prefetch) = (loader.plan().workers(), loader.plan().prefetch());
        Ok((settings.workers, settings.prefetch) == (workers, prefetch))
    }

    /// Makes the trials that `search` asks for, until it has found or `seconds` have passed.
    fn search(
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

    /// Samples a second under `settings`.
    fn trial(&self, settings: Settings) -> Result<f64> {
        let loader = self.build(settings)?;
        if let Some(files) = self.cold {
            files.drop().map_err(Failure::Failed)?;
        }
        let first = self.load.first_epoch;
        // From the storage an epoch comes but once, and its beginning is as cold as its end.
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
        match samples {
            0 => Err(Failure::failed(format!(
                "no batch of {} to load: lower --batch-size, or change --last",
                self.load.batch_size
            ))),
            samples => Ok(rate(samples, started.elapsed())),
        }
    }

    /// The medians of two settings that take turns.
    fn beside(&self, found: Settings, other: Settings) -> Result<report::Pair> {
        let mut rates = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            rates[0].push(self.trial(found)?);
            rates[1].push(self.trial(other)?);
        }
        let [found, other] = rates.map(median);
        Ok(report::Pair { found, other })
    }

    /// Every setting within the bounds, and what was found beside the best of them.
    fn grid(&self, found: Settings, most: Settings) -> Result<report::Grid> {
        // As a search climbs: the rungs of the ladder, and the most.
        let up_to =
            |most: usize| Search::LADDER.into_iter().filter(move |&step| step < most).chain([most]);
        let mut points = Vec::new();
        for workers in up_to(most.workers) {
            for prefetch in up_to(most.prefetch) {
                for read_ahead in
                    [0, most.read_ahead].into_iter().take(1 + usize::from(most.read_ahead > 0))
                {
                    points.push(Settings { workers, prefetch, read_ahead });
                }
            }
        }
        // Two passes, so that what disturbs the machine for a while does not meet the same ones.
        let mut trials: Vec<Trial> = Vec::new();
        for _ in 0..2 {
            for &settings in &points {
                trials.push(Trial { settings, samples_per_second: self.trial(settings)? });
            }
        }
        let best = |a: &&Settings, b: &&Settings| of(&trials, **a).total_cmp(&of(&trials, **b));
        let best = points.iter().max_by(best).copied().unwrap_or(found);
        let pair = if best == found { None } else { Some(self.beside(found, best)?) };
        Ok(report::Grid { trials, best, pair })
    }

    fn ceilings(
        &self,
        files: Option<&Cached>,
        order: &[usize],
        threads: usize,
    ) -> Result<Ceilings> {
        let mut ceilings =
            Ceilings { memory_copy: memory::copy_bytes_per_second(threads), ..Ceilings::default() };
        if let (Some(files), Ok(ceiling)) = (files, Ceiling::new(&self.source)) {
            ceilings.sample_bytes = Some(files.bytes as f64 / order.len().max(1) as f64);
            let pass = |threads| ceiling.pass(order, threads).map_err(Failure::Failed);
            let samples = order.len() as u64;
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
    use crate::copies::{Host, bytes_per_second};
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
