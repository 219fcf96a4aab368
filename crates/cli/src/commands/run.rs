//! `run`: loads epochs and reports what that cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallow::candle::Device;
use tallow::{Loader, Sampler, Sequential, Shuffle, Source};

use super::doctor;
use crate::args::{LoadArgs, RunArgs};
use crate::augment::{self, Augmentation};
use crate::ceiling::{self, Ceiling};
use crate::cold::{Cached, READ_AHEAD_BYTES};
use crate::console::Console;
use crate::device::{self, Consumer};
use crate::exit::{Failure, Result};
use crate::measure::{Meter, rate};
use crate::output::Outputs;
use crate::report::{self, Round, html, human, json};
use crate::trace::Trace;
use crate::{plan, process, settings};

/// Epochs of each kind with `--cold`.
const COLD_ROUNDS: u64 = 3;

/// Rounds with `--ceiling`: enough for a median that one disturbed round, or two, do not move.
const ROUNDS_MIN: u64 = 5;

pub(crate) fn run(args: &RunArgs, console: &mut Console) -> Result {
    // Before any other thread has memory of its own.
    let keeps_freed_memory = !args.return_memory && tallow::keep_freed_memory();
    let mut outputs = Outputs::beside(&args.source);
    let page = args.html.as_ref().map(|path| outputs.open("--html", path)).transpose()?;
    let trace = args.trace.as_ref().map(|path| Trace::begin(outputs.open("--trace", path)?));
    let trace = trace.transpose()?;
    let device = device::open(args.load.device)?;
    let started = Instant::now();
    let (place, opened) = plan::open(&args.source)?;
    let opening = started.elapsed();
    let started = Instant::now();
    let augment = augment::of(args.augment.as_ref(), &args.fields, opened.source.schema())?;
    let augmented = augment.as_ref().map(Augmentation::report);
    let chain = augment.map(|augment| augment.chain);
    let mut load = args.load.clone();
    if args.cold && *load.read_ahead.get_or_insert(READ_AHEAD_BYTES) == 0 {
        let message = "--cold compares with reading ahead: expected a --read-ahead above 0";
        return Err(Failure::usage(message));
    }
    let loader = plan::build(opened.source.clone(), &load, &device, chain.clone())?;
    let building = started.elapsed();
    let consumer = Consumer { device, step: args.step_ms };
    let mut cold = None;
    let measured = if args.cold {
        let without = LoadArgs { read_ahead: None, ..load.clone() };
        let without =
            plan::build(opened.source.clone(), &without, &consumer.device, chain.clone())?;
        let (measured, found) =
            from_storage([&without, &loader], &consumer, &*opened.source, args, console)?;
        cold = Some(found);
        measured
    } else if args.ceiling {
        with_ceiling(&loader, &consumer, &opened.source, args, console)?
    } else {
        plain(&loader, &consumer, args, console)?
    };
    let Measured { meter, epochs, rounds, account } = measured;
    let [copies, kernels] = device_work(&consumer.device, &account)?;
    let report = report::Run {
        source: place.to_string(),
        opening,
        building,
        schema: loader.schema().clone(),
        plan: loader.plan().clone(),
        augmented,
        epochs,
        meter,
        device: device::report(args.load.device, &consumer.device, loader.plan()),
        loader: account,
        step: args.step_ms,
        copies,
        kernels,
        peak_rss_bytes: process::peak_rss_bytes(),
        keeps_freed_memory,
        rounds,
        cold,
    };
    if let Some(page) = page {
        let program = settings::code(&place, &load, chain.as_ref(), loader.plan());
        let of = html::run::page(&report, &program, &doctor::surroundings());
        page.write(&of.to_html())?;
    }
    if let Some(trace) = trace {
        // Every span ends before the trace does.
        drop(loader);
        if let Some(said) = trace.finish()? {
            console.tell(said);
        }
    }
    conclude(&report, args.json, console)
}

/// What measures a run, as far as its reports will be looked at.
fn meter(args: &RunArgs) -> Meter {
    if args.html.is_some() { Meter::watching() } else { Meter::default() }
}

/// The copies into CUDA memory and the kernels there, and what a copy of as many bytes reaches
/// alone, right after them.
#[cfg(feature = "cuda")]
fn device_work(device: &Device, account: &tallow::Report) -> Result<[Option<report::Work>; 2]> {
    use crate::copies::{Host, bytes_per_second, within_device};
    let Device::Cuda(device) = device else { return Ok([None, None]) };
    let ordinal = device.cuda_stream().context().ordinal();
    let work = [account.copies, account.kernels];
    let [copies, kernels] = work.map(|done| Some(done.bytes.checked_div(done.count)? as usize));
    let copies = copies.map(|bytes| bytes_per_second(ordinal, bytes, Host::PageLocked));
    let kernels = kernels.map(|bytes| within_device(ordinal, bytes));
    let beside = |(done, alone): (_, Option<std::result::Result<f64, _>>)| match alone.transpose() {
        Ok(alone) => Ok(alone.map(|alone| report::Work { done, alone })),
        Err(error) => Err(Failure::failed(format!("cannot time a copy: {error}"))),
    };
    Ok([beside((work[0], copies))?, beside((work[1], kernels))?])
}

#[cfg(not(feature = "cuda"))]
#[expect(clippy::unnecessary_wraps, reason = "with CUDA it can fail")]
fn device_work(_: &Device, _: &tallow::Report) -> Result<[Option<report::Work>; 2]> {
    Ok([None, None])
}

/// Prints the report and what failed.
pub(crate) fn conclude(report: &report::Run, json: bool, console: &mut Console) -> Result {
    let out = console.out();
    if json {
        json::print(out, &json::run(report))?
    } else {
        human::run(out, report)?
    }
    let (errors, faults) = (&report.meter.errors, &report.meter.faults);
    console.tell_some("passed over", &faults.first, faults.total);
    console.tell_some("error", &errors.first, errors.total);
    if errors.total > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// What was counted of a run.
struct Measured {
    meter: Meter,
    epochs: u64,
    rounds: Vec<Round>,
    /// The loader's own account of it.
    account: tallow::Report,
}

fn plain(
    loader: &Loader,
    consumer: &Consumer,
    args: &RunArgs,
    console: &Console,
) -> Result<Measured> {
    let count = args.epochs.unwrap_or(1);
    let epochs = plan::epochs(&args.load, count)?;
    let batches = (loader.batches_per_epoch() as u64).saturating_mul(count);
    let skipped = args.load.start_batch.unwrap_or(0) as u64;
    let progress = console.progress("loading", batches.saturating_sub(skipped));
    let mut meter = meter(args);
    let take = || meter.take(loader, consumer, epochs, &progress);
    if args.trace.is_some() {
        Trace::consume(take)?;
    } else {
        take();
    }
    progress.finish_and_clear();
    Ok(Measured { meter, epochs: count, rounds: Vec::new(), account: loader.report() })
}

/// Epochs from the storage, by turns of a loader that does not read ahead and of one that does.
fn from_storage(
    loaders: [&Loader; 2],
    consumer: &Consumer,
    source: &dyn Source,
    args: &RunArgs,
    console: &mut Console,
) -> Result<(Measured, report::Cold)> {
    let count = args.epochs.unwrap_or(COLD_ROUNDS);
    let epochs = plan::epochs(&args.load, count)?;
    let batches = (loaders[1].batches_per_epoch() as u64).saturating_mul(2 * count);
    let progress = console.progress("loading", batches);
    let (mut all, mut rounds) = (meter(args), Vec::new());
    let stored = process::storage_bytes();
    let mut wanted = 0;
    for epoch in epochs {
        // A rank reads other samples in each.
        let order = visited(source.len(), &args.load, epoch)?;
        let files = Cached::of(source, order).map_err(Failure::Failed)?;
        wanted += files.bytes * loaders.len() as u64;
        let mut rates = [0.0; 2];
        for (loader, rate) in loaders.iter().zip(&mut rates) {
            files.drop().map_err(Failure::Failed)?;
            let mut meter = all.another();
            meter.take(loader, consumer, epoch..epoch + 1, &progress);
            *rate = meter.samples_per_second();
            if loader.plan().read_ahead() > 0 {
                all.merge(meter);
            }
        }
        rounds.push(report::ColdRound { without: rates[0], ahead: rates[1] });
    }
    progress.finish_and_clear();
    let stored = process::storage_bytes().zip(stored).map(|(after, before)| after - before);
    let stored_share = stored.map(|stored| stored as f64 / wanted.max(1) as f64);
    let read_ahead = loaders[1].plan().read_ahead();
    let account = loaders[1].report();
    let measured = Measured { meter: all, epochs: count, rounds: Vec::new(), account };
    Ok((measured, report::Cold { rounds, read_ahead, stored_share }))
}

/// Epochs and passes of the ceiling by turns, after one epoch that is not counted: it fetches the
/// files from the disk, and shows whether all of them can be read.
fn with_ceiling(
    loader: &Loader,
    consumer: &Consumer,
    source: &Arc<dyn Source>,
    args: &RunArgs,
    console: &mut Console,
) -> Result<Measured> {
    let count = args.epochs.unwrap_or(ROUNDS_MIN).max(ROUNDS_MIN);
    let epochs = plan::epochs(&args.load, count)?;
    let batches = (loader.batches_per_epoch() as u64).saturating_mul(count.saturating_add(1));
    let progress = console.progress("loading", batches);
    let mut warming = Meter::default();
    warming.take(loader, consumer, epochs.start..epochs.start + 1, &progress);
    if warming.errors.total + warming.faults.total > 0 {
        progress.finish_and_clear();
        console.tell_some("passed over", &warming.faults.first, warming.faults.total);
        console.tell_some("error", &warming.errors.first, warming.errors.total);
        let message = "no ceiling of samples that cannot be read; see `bench-loader check`";
        return Err(Failure::failed(message));
    }
    let warmed = loader.report();
    let ceiling = Ceiling::new(source).map_err(Failure::Failed)?;
    let threads = loader.plan().workers().max(1);
    let mut all = meter(args);
    let mut rounds = Vec::new();
    for epoch in epochs {
        let order = visited(source.len(), &args.load, epoch)?;
        let mut meter = all.another();
        meter.take(loader, consumer, epoch..epoch + 1, &progress);
        let wall: Duration = ceiling.pass(&order, threads).map_err(Failure::Failed)?;
        let ceiling = rate(order.len() as u64, wall);
        rounds.push(Round { loader: meter.samples_per_second(), ceiling });
        all.merge(meter);
    }
    progress.finish_and_clear();
    let account = loader.report().since(&warmed);
    Ok(Measured { meter: all, epochs: count, rounds, account })
}

/// The samples that the loader delivers in an epoch, in that order.
pub(crate) fn visited(samples: usize, args: &LoadArgs, epoch: u64) -> Result<Vec<usize>> {
    let sampler: &dyn Sampler = if args.shuffle { &Shuffle } else { &Sequential };
    let order = sampler.order(samples, args.seed, epoch)?;
    Ok(ceiling::visited(&*order, &plan::batching(args)?))
}
