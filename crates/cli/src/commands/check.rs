//! `check`: reads everything and lists whatever is wrong.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;
use tallow::{Error, ErrorKind, NpyFile, RowBuffer, Safetensors, Source, Survey};

use crate::args::{CheckArgs, Workers};
use crate::console::Console;
use crate::exit::{Failure, Result};
use crate::place::{self, Place};
use crate::report::{self, Problem, human, json};

/// Samples that a thread claims at once.
const CLAIM: usize = 16;

pub(crate) fn run(args: &CheckArgs, console: &mut Console) -> Result {
    let threads = match args.workers {
        Workers::Auto => super::threads(),
        Workers::Count(count) => count.max(1),
    };
    let mut check = Checker { threads, console, report: report::Check::default() };
    match Place::of(&args.source)? {
        Ok(place) => check.place(&place),
        Err(error) => check.problem(&error),
    }
    let mut report = check.report;
    report.problems.sort();
    // Two folders that are one, and a file that two fields share, are still one problem.
    report.problems.dedup();
    let out = console.out();
    if args.json {
        json::print(out, &json::check(&report))?
    } else {
        human::check(out, &report)?
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

struct Checker<'a> {
    threads: usize,
    console: &'a Console,
    report: report::Check,
}

impl Checker<'_> {
    fn place(&mut self, place: &Place) {
        match place {
            Place::Folders { fields, recursive } => self.folders(fields, *recursive),
            Place::Shards(folder) => self.shards(folder),
            Place::NpyFile(_) | Place::Safetensors(_) => match place.open() {
                Ok(opened) => self.read(&*opened.source),
                Err(error) => self.problem(&error),
            },
        }
    }

    /// The folders as pairs, then each of them by itself, so that of a pair of bad files both are
    /// found, and those of unpaired files too.
    fn folders(&mut self, fields: &[(String, PathBuf)], recursive: bool) {
        let before = self.report.problems.len();
        let survey = place::folders(fields, recursive).survey();
        let mut failure = None;
        let paired = match survey {
            Ok(Survey { source, problems }) => {
                problems.iter().for_each(|problem| self.problem(problem));
                Some(source)
            }
            Err(error) => {
                failure = Some(error);
                None
            }
        };
        let files_from = self.report.problems.len();
        for field in fields {
            self.folder(field, recursive);
        }
        let read = std::mem::take(&mut self.report.samples);
        self.report.samples = paired.as_ref().map_or(read, |source| source.len());
        if let Some(source) = paired {
            renumber(&source, &mut self.report.problems[files_from..]);
        }
        // What keeps the folders from being paired at all is said only where no folder by itself
        // has said it.
        let error = failure.filter(|error| {
            let pairing = matches!(error.kind(), ErrorKind::Unpaired | ErrorKind::Duplicate);
            pairing || self.report.problems.len() == before
        });
        if let Some(error) = error {
            self.problem(&error);
        }
    }

    /// One folder. Where not even its schema can be told, its files are opened one by one, so that
    /// each has its say.
    fn folder(&mut self, field: &(String, PathBuf), recursive: bool) {
        let error = match place::folders(std::slice::from_ref(field), recursive).survey() {
            Ok(survey) => return self.read(&survey.source),
            Err(error) => error,
        };
        let files = place::files(&field.1, "npy", recursive).unwrap_or_default();
        let failures = files.iter().filter_map(|file| NpyFile::open(file).err());
        // As a sample a file may be a scalar; an array of samples may not.
        let failures: Vec<Error> =
            failures.filter(|error| error.kind() != ErrorKind::ShapeMismatch).collect();
        failures.iter().for_each(|error| self.problem(error));
        if failures.is_empty() {
            self.problem(&error);
        }
    }

    /// A folder of shards. Where they do not go together, each is read by itself.
    fn shards(&mut self, folder: &Path) {
        let error = match Safetensors::open(folder) {
            Ok(source) => return self.read(&source),
            Err(error) => error,
        };
        let before = self.report.problems.len();
        let files = place::files(folder, "safetensors", false).unwrap_or_default();
        let mut samples = 0;
        for file in files {
            match Safetensors::open(&file) {
                Ok(source) => {
                    self.read(&source);
                    samples += source.len();
                }
                Err(error) => self.problem(&error),
            }
        }
        self.report.samples = samples;
        if self.report.problems.len() == before {
            self.problem(&error);
        }
    }

    /// Reads every sample.
    fn read(&mut self, source: &dyn Source) {
        let progress = self.console.progress("reading", source.len() as u64);
        let errors = read_all(source, self.threads, &progress);
        progress.finish_and_clear();
        self.report.samples = self.report.samples.max(source.len());
        for error in errors {
            let name = error.index().map(|index| source.name(index).into_owned());
            self.report.problems.push(problem(&error, name));
        }
    }

    fn problem(&mut self, error: &Error) {
        self.report.problems.push(problem(error, None));
    }
}

fn problem(error: &Error, name: Option<String>) -> Problem {
    let path = error.path().map(|path| path.display().to_string());
    Problem {
        index: error.index(),
        path: path.or(name).unwrap_or_else(|| "source".to_owned()),
        kind: error.kind().as_str(),
        message: error.message().to_owned(),
    }
}

/// What fails when every sample is read, in no order.
fn read_all(source: &dyn Source, threads: usize, progress: &ProgressBar) -> Vec<Error> {
    let next = AtomicUsize::new(0);
    let work = || read_claimed(source, &next, progress);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let panicked = |_| vec![Error::new(ErrorKind::User, "a thread that reads panicked")];
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(panicked)).collect()
    })
}

fn read_claimed(source: &dyn Source, next: &AtomicUsize, progress: &ProgressBar) -> Vec<Error> {
    let mut buffer = match RowBuffer::new(source.schema()) {
        Ok(buffer) => buffer,
        Err(error) => return vec![error],
    };
    let mut errors = Vec::new();
    loop {
        let start = next.fetch_add(CLAIM, Ordering::Relaxed);
        let claimed = start..source.len().min(start.saturating_add(CLAIM));
        if claimed.is_empty() {
            return errors;
        }
        progress.inc(claimed.len() as u64);
        for index in claimed {
            let mut row = buffer.row(None);
            let read = source.read(index, &mut row).and_then(|()| row.finish());
            errors.extend(read.err().map(|error| error.with_index(index)));
        }
    }
}

/// Gives problems of files the number of the sample that the file belongs to when the folders are
/// paired; a folder by itself counts its own files. One without a partner belongs to none.
fn renumber(paired: &dyn Source, problems: &mut [Problem]) {
    if problems.is_empty() {
        return;
    }
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (place, problem) in problems.iter().enumerate() {
        places.entry(problem.path.clone()).or_default().push(place);
    }
    problems.iter_mut().for_each(|problem| problem.index = None);
    for index in 0..paired.len() {
        for extent in paired.extents(index) {
            let found = places.get(&extent.path.display().to_string());
            found.into_iter().flatten().for_each(|&place| problems[place].index = Some(index));
        }
    }
}
