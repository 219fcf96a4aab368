//! `run`: loads epochs and reports what they cost.

use std::sync::Arc;
use std::time::Instant;

use tallow::candle::Device;
use tallow::{Augment, Loader, OnError, Source};

use super::doctor;
use crate::args::{LoadArgs, RunArgs, SourceArgs, StepsArg};
use crate::data::places::Places;
use crate::data::shuffled::Shuffled;
use crate::loading::augment::{self, Augmentation};
use crate::loading::{plan, settings};
use crate::measure::cold::READ_AHEAD_BYTES;
use crate::measure::device::{self, BesideCopy, Consumer, DeviceReport};
use crate::measure::epochs::{Measured, Taker};
use crate::measure::meter::Meter;
use crate::measure::process;
use crate::measure::trace::Trace;
use crate::report::{self, html, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{self, Failure, Result};
use crate::terminal::output::Outputs;
use crate::terminal::shell;

pub(crate) fn run(args: &RunArgs, console: &mut Console) -> Result {
    // Before any other thread allocates.
    let keeps_freed_memory = !args.return_memory && tallow::keep_freed_memory();
    let mut outputs = Outputs::beside(&args.source);
    let page = args.page.html.as_ref().map(|path| outputs.open("--html", path)).transpose()?;
    let trace = args.trace.as_ref().map(|path| Trace::begin(outputs.open("--trace", path)?));
    let trace = trace.transpose()?;
    let device = device::open(args.load.device)?;
    let started = Instant::now();
    let (found, opened) = plan::open_any(&args.source)?;
    let opening = started.elapsed();
    refuse_for_streams(args, &found)?;
    let started = Instant::now();
    let augment = augment::of(&args.augment, opened.source.schema())?;
    let augmented = augment.as_ref().map(Augmentation::report);
    let chain = augment.map(|augment| augment.chain);
    let mut load = args.load.clone();
    if args.cold && *load.read_ahead.get_or_insert(READ_AHEAD_BYTES) == 0 {
        let message = "--cold compares with reading ahead; expected a --read-ahead above 0";
        return Err(Failure::usage(message));
    }
    let loader = plan::build(opened.source.clone(), &load, &device, chain.clone())?;
    let building = started.elapsed();
    let consumer = Consumer { device, step: args.step_ms };
    let steps = args.steps.map(StepsArg::range);
    let (epochs, meter) = (epochs(args, &found), meter(args));
    let taker = Taker { consumer, load: &load, epochs, steps: steps.clone(), meter };
    let measured = measured(&taker, &loader, &opened.source, chain.clone(), args, console)?;
    let device = &taker.consumer.device;
    let [copies, kernels] = device_work(device, &measured.account)?;
    let Measured { meter, epochs, warm_up, rounds, cold, account } = measured;
    let report = report::Run {
        source: found.shown(),
        opening,
        building,
        schema: loader.schema().clone(),
        plan: loader.plan().clone(),
        augmented,
        epochs,
        steps,
        parts: report::Part::delivered(found.names(), &account),
        packed: opened.packed,
        warm_up,
        meter,
        device: DeviceReport::of(args.load.device, device, loader.plan()),
        loader: account,
        step: args.step_ms,
        copies,
        kernels,
        peak_rss_bytes: process::peak_rss_bytes(),
        keeps_freed_memory,
        rounds,
        cold,
        shuffled: shuffled(&*opened.source, &load),
        pack: pack(&found, &args.source),
    };
    if let (Some(page), Some(path)) = (page, &args.page.html) {
        let program = settings::code(&found, &load, chain.as_ref(), Some(loader.plan()));
        let of = html::run::page(&report, &program, &doctor::surroundings());
        page.write(&of.to_html())?;
        console.tell_written(path);
    }
    if let Some(trace) = trace {
        // Every span must end before the trace does.
        drop(loader);
        end_trace(trace, args, console)?;
    }
    end(&report, args, console)
}

/// Prints the report, and how to go on.
fn end(report: &report::Run, args: &RunArgs, console: &mut Console) -> Result {
    let concluded = conclude(report, args.output.json, console);
    if report.meter.met_bad_sample {
        console.tell(about_bad_samples(args));
    }
    concluded
}

/// Says what became of the trace, and where it lies.
fn end_trace(trace: Trace, args: &RunArgs, console: &mut Console) -> Result {
    if let Some(said) = trace.finish()? {
        console.tell(said);
    }
    args.trace.iter().for_each(|path| console.tell_written(path));
    Ok(())
}

/// How to go on after samples that cannot be read.
fn about_bad_samples(args: &RunArgs) -> String {
    let without = match args.load.on_error {
        OnError::Fail => "--on-error skip:N goes on without up to N of them per epoch",
        _ => "a larger N of --on-error allows more of them per epoch",
    };
    let (program, source) = (shell::program(), args.source.command_line());
    format!("about bad samples: {without}; list every problem with: {program} check {source}")
}

/// Loads the epochs in the way that was asked for.
fn measured(
    taker: &Taker<'_>,
    loader: &Loader,
    source: &Arc<dyn Source>,
    chain: Option<Augment>,
    args: &RunArgs,
    console: &mut Console,
) -> Result<Measured> {
    if args.cold {
        let without = LoadArgs { read_ahead: None, ..taker.load.clone() };
        let without = plan::build(source.clone(), &without, &taker.consumer.device, chain)?;
        return taker.cold([&without, loader], source, console);
    }
    if args.ceiling {
        return taker.with_ceiling(loader, source, console);
    }
    let progress = console.progress("loading", 0);
    match args.trace {
        Some(_) => Trace::consume(|| taker.plain(loader, &progress))?,
        None => taker.plain(loader, &progress),
    }
}

/// Options that take several passes over the samples, or their number.
fn refuse_for_streams(args: &RunArgs, found: &Places) -> Result {
    if found.stream().is_none() {
        return Ok(());
    }
    let given = [
        ("--steps", args.steps.is_some(), "use --epochs"),
        ("--ceiling", args.ceiling, "leave it out"),
        ("--cold", args.cold, "leave it out"),
    ];
    let why = "takes samples that can be counted and read again, which a stream does not have";
    exit::refuse(&given, why)
}

/// How many epochs to load; `None` for as many as are needed. A trace needs only one, and so does a
/// run that begins within an epoch. A stream may be there once only.
fn epochs(args: &RunArgs, found: &Places) -> Option<u64> {
    let one = args.trace.is_some() || args.load.start_batch.is_some() || found.stream().is_some();
    args.epochs.or(one.then_some(1))
}

/// The meter of a run; only a page needs a timeline.
fn meter(args: &RunArgs) -> Meter {
    if args.page.html.is_some() { Meter::watching() } else { Meter::default() }
}

/// The copies into CUDA memory and the kernels there, and right after them the speed of a copy of
/// as many bytes on its own.
#[cfg(feature = "cuda")]
fn device_work(device: &Device, account: &tallow::Report) -> Result<[Option<BesideCopy>; 2]> {
    use crate::measure::copies::{Host, bytes_per_second, within_device};
    let Device::Cuda(device) = device else { return Ok([None, None]) };
    let ordinal = device.cuda_stream().context().ordinal();
    let work = [account.copies, account.kernels];
    let [copies, kernels] = work.map(|done| Some(done.bytes.checked_div(done.count)? as usize));
    let copies = copies.map(|bytes| bytes_per_second(ordinal, bytes, Host::PageLocked));
    let kernels = kernels.map(|bytes| within_device(ordinal, bytes));
    let beside = |(done, alone): (_, Option<std::result::Result<f64, _>>)| match alone.transpose() {
        Ok(alone) => Ok(alone.map(|alone| BesideCopy { done, alone })),
        Err(error) => Err(Failure::failed(format!("cannot time a copy: {error}"))),
    };
    Ok([beside((work[0], copies))?, beside((work[1], kernels))?])
}

#[cfg(not(feature = "cuda"))]
#[expect(clippy::unnecessary_wraps, reason = "with CUDA it can fail")]
fn device_work(_: &Device, _: &tallow::Report) -> Result<[Option<BesideCopy>; 2]> {
    Ok([None, None])
}

/// How much more than it uses this run reads, if its shuffle is what makes that much.
fn shuffled(source: &dyn Source, load: &LoadArgs) -> Option<Shuffled> {
    load.shuffle.then(|| Shuffled::of(source))?.filter(Shuffled::harms)
}

/// The command that puts the samples into few files, where each is a file of its own.
fn pack(places: &Places, source: &SourceArgs) -> Option<String> {
    let command = || format!("{} pack {} --to PACKED", shell::program(), source.command_line());
    (!places.is_packed()).then(command)
}

/// Prints the report and what failed.
pub(crate) fn conclude(report: &report::Run, json: bool, console: &mut Console) -> Result {
    if json {
        console.print(json::run(report))?
    } else {
        human::run(console.out(), report)?
    }
    report.meter.tell(console);
    if report.meter.errors.total > 0 { Err(Failure::Told) } else { Ok(()) }
}
