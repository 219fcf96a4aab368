//! `stats`: range, mean and deviation of every field, classes and lengths.

use tallow::{Statistics, StatisticsBuilder};

use crate::args::{StatsArgs, Workers};
use crate::commands::doctor;
use crate::loading::{augment, plan};
use crate::machine::threads;
use crate::report::stats::{Stats, html, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::output::Outputs;

pub(crate) fn run(args: &StatsArgs, console: &mut Console) -> Result {
    let page = args.page.html.as_ref();
    let page = page.map(|path| Outputs::beside(&args.source).open("--html", path)).transpose()?;
    let (found, opened) = plan::open(&args.source)?;
    let augmentation = augment::of(&args.augment, opened.source.schema())?;
    let augmented = augmentation.as_ref().map(|augmentation| augmentation.report());
    let progress = console.progress("reading", opened.source.len() as u64);
    let bar = progress.clone();
    let mut pass = tallow::stats(opened.source)
        .seed(args.seed)
        .failures_max(usize::MAX)
        .progress(move |samples| bar.inc(samples as u64));
    pass = with_threads(pass, args.workers);
    if page.is_some() {
        pass = pass.value_counts();
    }
    if let Some(augmentation) = augmentation {
        pass = pass.transform(augmentation.chain);
    }
    let result = pass.run();
    progress.finish_and_clear();
    let report = Stats { source: found.shown(), augmented, found: result? };
    if args.output.json {
        console.print(json::stats(&report))?;
    } else {
        human::stats(console.out(), &report)?;
    }
    if let (Some(page), Some(path)) = (page, &args.page.html) {
        page.write(&html::page(&report, &doctor::surroundings()).to_html())?;
        console.tell_written(path);
    }
    tell(&report.found, console)
}

fn with_threads(pass: StatisticsBuilder, workers: Workers) -> StatisticsBuilder {
    let threads = match workers {
        Workers::Auto => threads::cores(),
        Workers::Count(count) => count,
    };
    match threads.try_into() {
        Ok(threads) => pass.threads(threads),
        Err(_) => pass,
    }
}

/// The samples that could not be read.
fn tell(found: &Statistics, console: &mut Console) -> Result {
    let errors: Vec<&tallow::Error> = found.errors().iter().map(|(_, error)| error).collect();
    console.tell_some("error", &errors, found.failed());
    if found.failed() > 0 { Err(Failure::Told) } else { Ok(()) }
}
