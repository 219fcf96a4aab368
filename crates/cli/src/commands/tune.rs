//! `tune`: finds the settings that load fastest within bounds, and says why.

use tallow::{Auto, Source};

use super::doctor;
use crate::args::{LoadArgs, TuneArgs, Workers};
use crate::data::places::Places;
use crate::loading::{augment, plan, settings};
use crate::measure::cold::Cached;
use crate::measure::device::{self, Consumer};
use crate::measure::epochs::visits;
use crate::report::{self, html, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{self, Failure, Result};
use crate::terminal::output::Outputs;
use crate::tune::search::Sought;
use crate::tune::tuner::Tuner;

/// The most bytes and samples to measure a ceiling over and to drop from the page cache, so that a
/// search does not read a terabyte first.
const CEILING_BYTES: u64 = 1 << 30;
const CEILING_SAMPLES: usize = 1 << 17;

pub(crate) fn run(args: &TuneArgs, console: &mut Console) -> Result {
    tallow::keep_freed_memory();
    refuse_what_is_searched(&args.load)?;
    let mut outputs = Outputs::beside(&args.source);
    let page = args.page.html.as_ref().map(|path| outputs.open("--html", path)).transpose()?;
    let device = device::open(args.load.device)?;
    let (found, opened) = plan::open(&args.source)?;
    let augment = augment::of(&args.augment, opened.source.schema())?;
    let sampler = plan::sampler(&*opened.source, &args.load)?;
    let visits = visits(&*opened.source, &*sampler, &args.load, args.load.first_epoch)?;
    let first = first_of(&*opened.source, visits.indices());
    let files = Cached::of(&*opened.source, first.iter().copied());
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
    let report = tuned(&tuner, &found, (files.as_ref().ok(), &first), args, console)?;
    if let Some(page) = page {
        page.write(&html::tune::page(&report, &doctor::surroundings()).to_html())?;
        args.page.html.iter().for_each(|path| console.tell_written(path));
    }
    conclude(&report, args.output.json, console)
}

/// Searches, and reports what was found. The ceilings are measured over the samples `first`, which
/// are in `files`.
fn tuned(
    tuner: &Tuner<'_>,
    of: &Places,
    (files, first): (Option<&Cached>, &[usize]),
    args: &TuneArgs,
    console: &Console,
) -> Result<report::Tune> {
    let auto = Auto::new().cpu_share(args.cpu_share).bytes(args.memory);
    let (start, most) = tuner.bounds(auto)?;
    tuner.refuse_less_than_the_least(args.memory)?;
    let progress = console.progress("tuning", args.seconds);
    let ceilings = tuner.ceilings(files, first, most.workers)?;
    if !args.cold {
        // Not counted: it fetches the files from storage.
        tuner.trial(start)?;
    }
    let sought = Sought::by(tuner, args, (start, most), &progress)?;
    let found = sought.found(args, start);
    let grid = if args.grid { Some(tuner.grid(found, most)?) } else { None };
    progress.finish_and_clear();
    // The defaults need not be set, here or in a program.
    let are_defaults = found == start && tuner.is_default(start)?;
    let named = if are_defaults { args.load.clone() } else { tuner.load_of(found) };
    let loader = tuner.build(found)?;
    let pinned = (!are_defaults).then_some(loader.plan());
    Ok(report::Tune {
        source: of.shown(),
        schema: loader.schema().clone(),
        code: settings::code(of, &named, tuner.chain.as_ref(), pinned),
        memory_bytes: loader.plan().memory_bytes(),
        step: args.step_ms,
        cold: args.cold,
        ceilings,
        start,
        starts_with_defaults: tuner.is_default(start)?,
        most,
        found,
        sought,
        grid,
    })
}

fn conclude(report: &report::Tune, json: bool, console: &mut Console) -> Result {
    if json {
        console.print(json::tune(report))?
    } else {
        human::tune(console.out(), report)?
    }
    Ok(())
}

/// The beginning of an epoch, over which the ceilings are measured.
fn first_of(source: &dyn Source, order: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut bytes = 0;
    let fits = |&index: &usize| {
        let fits = bytes < CEILING_BYTES;
        source.extents(index, &mut |extent| bytes += extent.bytes() as u64);
        fits
    };
    order.take(CEILING_SAMPLES).take_while(fits).collect()
}

fn refuse_what_is_searched(load: &LoadArgs) -> Result {
    let instead = "set bounds with --cpu-share and --memory";
    let given = [
        ("--workers", load.workers != Workers::Auto, instead),
        ("--prefetch", load.prefetch.is_some(), instead),
        ("--read-ahead", load.read_ahead.is_some(), instead),
        ("--start-batch", load.start_batch.is_some(), instead),
    ];
    exit::refuse(&given, "cannot be used with tune, which searches for it")
}
