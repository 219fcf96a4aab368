//! `check`: reads everything and lists whatever is wrong.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;
use tallow::{Error, ErrorKind, NpyFile, RowBuffer, Safetensors, Source, Survey};

use crate::args::{CheckArgs, Workers};
use crate::console::Console;
use crate::exit::{self, Failure, Result};
use crate::place::{self, Folders, Place};
use crate::report::{self, Problem, human, json};
use crate::threads;

/// Threads beyond this do not read faster, and the system may refuse to start them.
const THREADS_MAX: usize = 256;

/// Samples that a thread claims at once.
const CLAIM: usize = 16;

pub(crate) fn run(args: &CheckArgs, console: &mut Console) -> Result {
    let threads = match args.workers {
        Workers::Auto => threads::cores(),
        Workers::Count(count) => count.clamp(1, THREADS_MAX),
    };
    let mut check = Checker { threads, console, report: report::Check::default() };
    match Place::of(&args.source)? {
        Ok(place) => check.place(&place),
        Err(error) => check.problem(&error),
    }
    let mut report = check.report;
    report.problems.sort();
    // A folder that serves two fields has its problems once.
    report.problems.dedup();
    if args.json {
        console.print(json::check(&report))?
    } else {
        human::check(console.out(), &report)?
    }
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

/// Files that reading the pairs did not reach, and the sample that each belongs to.
type Unread = HashMap<PathBuf, Option<usize>>;

struct Checker<'a> {
    threads: usize,
    console: &'a Console,
    report: report::Check,
}

impl Checker<'_> {
    fn place(&mut self, place: &Place) {
        match place {
            Place::Folders(folders) => self.folders(folders),
            Place::Shards(folder) => self.shards(folder),
            Place::NpyFile(_) | Place::NpyFiles { .. } | Place::Safetensors(_) => {
                match place.open() {
                    Ok(opened) => {
                        self.read(&*opened.source);
                    }
                    Err(error) => self.problem(&error),
                }
            }
        }
    }

    /// The folders as pairs; then, of the pairs that cannot be read, the files behind the first
    /// bad one, and the files that are in no pair.
    fn folders(&mut self, folders: &Folders) {
        let before = self.report.problems.len();
        let Survey { source, problems } = match folders.builder().survey() {
            Ok(survey) => survey,
            Err(error) => {
                folders
                    .fields
                    .iter()
                    .for_each(|field| self.folder(&folders.alone(field), &field.1));
                // Unless a folder by itself has said what is wrong with it.
                let pairing = matches!(error.kind(), ErrorKind::Unpaired | ErrorKind::Duplicate);
                if pairing || self.report.problems.len() == before {
                    self.problem(&error);
                }
                return;
            }
        };
        problems.iter().for_each(|problem| self.problem(problem));
        let mut unread: Unread =
            problems.iter().filter_map(|p| Some((p.path()?.to_owned(), None))).collect();
        for error in self.read(&source) {
            let Some(index) = error.index() else { continue };
            let partners = source.extents(index).into_iter().map(|extent| extent.path);
            let partners = partners.filter(|path| Some(path.as_path()) != error.path());
            unread.extend(partners.map(|path| (path, Some(index))));
        }
        for field in &folders.fields {
            if unread.keys().any(|path| path.starts_with(&field.1)) {
                self.files_of(&folders.alone(field), &unread);
            }
        }
    }

    /// The files among `unread` that are in this folder.
    fn files_of(&mut self, folder: &Folders, unread: &Unread) {
        let (source, mut buffer) = match folder.builder().survey().and_then(|survey| {
            let buffer = RowBuffer::new(survey.source.schema())?;
            Ok((survey.source, buffer))
        }) {
            Ok(opened) => opened,
            Err(error) => return self.problem(&error),
        };
        for at in 0..source.len() {
            let path = source.extents(at).pop().map(|extent| extent.path);
            let Some(&index) = path.and_then(|path| unread.get(&path)) else { continue };
            if let Err(error) = read_row(&source, at, &mut buffer) {
                self.report.problems.push(Problem { index, ..problem(&error, None) });
            }
        }
    }

    /// One folder. Where not even its schema can be told, its files are opened one by one, so that
    /// each has its say.
    fn folder(&mut self, folder: &Folders, path: &Path) {
        let error = match folder.builder().survey() {
            Ok(survey) => {
                self.read(&survey.source);
                return;
            }
            Err(error) => error,
        };
        let files = place::files(path, "npy", folder.recursive).unwrap_or_default();
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
            Ok(source) => {
                self.read(&source);
                return;
            }
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

    /// Reads every sample, and returns what failed once it is in the report.
    fn read(&mut self, source: &dyn Source) -> Vec<Error> {
        let progress = self.console.progress("reading", source.len() as u64);
        let errors = read_all(source, self.threads, &progress);
        progress.finish_and_clear();
        self.report.samples = self.report.samples.max(source.len());
        for error in &errors {
            let name = error.index().map(|index| source.name(index).into_owned());
            self.report.problems.push(problem(error, name));
        }
        errors
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
        message: exit::in_options(error.message()),
    }
}

/// What fails when every sample is read, in no order.
fn read_all(source: &dyn Source, threads: usize, progress: &ProgressBar) -> Vec<Error> {
    let next = AtomicUsize::new(0);
    let found = threads::share(threads, || read_claimed(source, &next, progress));
    let panicked = || vec![Error::new(ErrorKind::User, "a thread that reads panicked")];
    found.into_iter().flat_map(|errors| errors.unwrap_or_else(panicked)).collect()
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
            errors.extend(read_row(source, index, &mut buffer).err());
        }
    }
}

fn read_row(source: &dyn Source, index: usize, buffer: &mut RowBuffer) -> tallow::Result<()> {
    let mut row = buffer.row(None);
    let read = source.read(index, &mut row).and_then(|()| row.finish());
    read.map_err(|error| error.with_index(index))
}
