//! `check`: reads every sample and lists every problem.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;
use tallow::{
    Field, FieldFiles, FieldFolders, Found, ImageFolder, Limits, NpyFile, RowBuffer, Shards,
    Source, SourceError, SourceErrorKind, Survey,
};

use crate::args::{CheckArgs, Workers};
use crate::data::extents;
use crate::data::pixels::{Pixels, locate};
use crate::data::shapes::{self, Spread};
use crate::data::{place, places};
use crate::machine::threads;
use crate::report::{self, Problem, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{self, Failure, Result};

/// More threads do not read faster, and the system may refuse to start them.
const THREADS_MAX: usize = 256;

/// Samples that a thread claims at once.
const CLAIM: usize = 16;

pub(crate) fn run(args: &CheckArgs, console: &mut Console) -> Result {
    let threads = match args.workers {
        Workers::Auto => threads::cores(),
        Workers::Count(count) => count.clamp(1, THREADS_MAX),
    };
    let report = report::Check::default();
    let mut check = Checker { threads, console, fields: Vec::new(), report };
    match places::find(&args.source) {
        Ok(mut places) => {
            if let Some(stream) = places.stream() {
                return Err(Failure::usage(stream.refused()));
            }
            let mut samples = 0;
            for found in places.iter() {
                check.place(found);
                samples += std::mem::take(&mut check.report.samples);
            }
            check.report.samples = samples;
            // What is wrong with single samples was told; that the sources do not fit together, or cannot
            // be packed, was not.
            let is_more = places.only().is_none() || args.source.pack.is_some();
            if is_more && check.report.problems.is_empty() {
                places.open(&args.source).err().iter().for_each(|error| check.problem(error));
            }
        }
        // What could be several things is for who typed it to say.
        Err(error) if error.kind() == SourceErrorKind::Config => return Err(error.into()),
        Err(error) => check.problem(&error),
    }
    let report = check.finish();
    if args.output.json {
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
    /// The fields that were read.
    fields: Vec<Field>,
    report: report::Check,
}

impl Checker<'_> {
    fn place(&mut self, found: &Found) {
        match found {
            Found::Folders(folders) => self.folders(folders),
            Found::Shards(shards) => self.shards(shards),
            Found::WithTable { .. } => self.with_table(found),
            _ => match place::open(found) {
                Ok(opened) => {
                    self.trailing(place::arrays(found).into_iter());
                    self.samples(&*opened.source);
                }
                Err(error) => self.apart(found, &error),
            },
        }
        let passed_over = found.passed_over();
        if !passed_over.is_empty() {
            let folders = place::named(&passed_over);
            self.report.notes.push(format!("folders of samples are ignored: {folders}"));
        }
    }

    /// Reads the folders as pairs. Then it reads the files that come after the first bad file of a
    /// pair, and those that are in no pair.
    fn folders(&mut self, folders: &FieldFolders) {
        let survey = match folders.survey(strict()) {
            // Bytes after the end of every array are no reason to read none of them.
            Err(error) if error.kind() == SourceErrorKind::Trailing => {
                self.trailing(arrays_of(folders).iter().map(PathBuf::as_path));
                folders.survey(Limits::default())
            }
            survey => survey,
        };
        let Survey { source, problems, advice, .. } = match survey {
            Ok(survey) => survey,
            Err(error) => return self.folders_apart(folders, &error),
        };
        self.report.notes.extend(advice.map(|advice| exit::in_options(&advice)));
        problems.iter().for_each(|problem| self.problem(problem));
        let mut unread: Unread =
            problems.iter().filter_map(|p| Some((p.path()?.to_owned(), None))).collect();
        for error in self.samples(&*source) {
            let Some(index) = error.index() else { continue };
            let partners = extents::files_of(&*source, index).into_iter();
            let partners = partners.filter(|path| Some(path.as_path()) != error.path());
            unread.extend(partners.map(|path| (path, Some(index))));
        }
        for field in folders.fields() {
            if unread.keys().any(|path| path.starts_with(&field.folder))
                && let Some(alone) = folders.alone(&field.name)
            {
                self.files_of(&alone, &unread);
            }
        }
    }

    /// Reads folders that have no sample together, each on its own. If no file has its partners,
    /// every file is a problem.
    fn folders_apart(&mut self, folders: &FieldFolders, error: &SourceError) {
        let before = self.report.problems.len();
        let fields = folders.fields().iter();
        let alone: Vec<FieldFolders> = fields.filter_map(|it| folders.alone(&it.name)).collect();
        alone.iter().for_each(|folder| self.folder(folder));
        if !matches!(error.kind(), SourceErrorKind::Unpaired | SourceErrorKind::Duplicate) {
            // Unless reading a folder on its own has shown what is wrong.
            if self.report.problems.len() == before {
                self.problem(error);
            }
            return;
        }
        // Advice about similar names follows the list of names.
        let advice = error.message().rsplit_once("; ");
        self.report.notes.extend(advice.map(|(_, advice)| exit::in_options(advice)));
        for (folder, field) in alone.iter().zip(folders.fields()) {
            let others = folders.fields().iter().map(|other| &other.folder);
            let others = others.filter(|other| **other != field.folder);
            let others: Vec<String> = others.map(|other| format!("{other:?}")).collect();
            let message = format!("has no partner in {}", others.join(" or "));
            for file in folder.files().unwrap_or_default() {
                self.problem(
                    &SourceError::new(SourceErrorKind::Unpaired, &*message).with_path(file),
                );
            }
        }
    }

    /// Reads the files of `unread` that are in this folder.
    fn files_of(&mut self, folder: &FieldFolders, unread: &Unread) {
        let (source, mut buffer) = match folder.survey(strict()).and_then(|survey| {
            let buffer = RowBuffer::new(survey.source.schema())?;
            Ok((survey.source, buffer))
        }) {
            Ok(opened) => opened,
            Err(error) => return self.problem(&error),
        };
        let pixels = Pixels::default();
        for at in 0..source.len() {
            let path = extents::files_of(&*source, at).pop();
            let Some(&index) = path.and_then(|path| unread.get(&path)) else { continue };
            if let Err(error) = read_row(&*source, at, &mut buffer, &pixels) {
                self.report.problems.push(Problem { index, ..problem(&error, None) });
            }
        }
    }

    /// Reads two parts that cannot be opened together, each on its own. Reports why, unless one of
    /// them has shown what is wrong.
    fn apart(&mut self, found: &Found, error: &SourceError) {
        let before = self.report.problems.len();
        match found {
            Found::FolderAndRows { input, target } => {
                self.folder(input);
                self.array(target);
            }
            Found::ImageClasses { folder, picture } => {
                // A class without pictures is no reason to read none of the others.
                let classes = ImageFolder::builder(folder).picture(picture.clone()).allow_empty();
                if let Ok(source) = classes.open() {
                    self.samples(&source);
                    return self.problem(error);
                }
            }
            Found::NpyFiles { input, target } => {
                [input, target].into_iter().for_each(|file| self.array(file));
            }
            _ => {}
        }
        if error.kind() == SourceErrorKind::Unpaired || self.report.problems.len() == before {
            self.problem(error);
        }
    }

    /// Reports files that can be read but have bytes after the end of their array.
    fn trailing<'p>(&mut self, files: impl Iterator<Item = &'p Path>) {
        let opened = files.filter_map(|file| NpyFile::with_limits(file, strict()).err());
        let problems: Vec<SourceError> =
            opened.filter(|error| error.kind() == SourceErrorKind::Trailing).collect();
        problems.iter().for_each(|problem| self.problem(problem));
    }

    fn array(&mut self, file: &Path) {
        match NpyFile::open(file) {
            Ok(source) => drop(self.read(&source)),
            Err(error) => self.problem(&error),
        }
    }

    /// Reads one folder. If not even its schema is known, opens its files one by one, to report
    /// each.
    fn folder(&mut self, folder: &FieldFolders) {
        let error = match folder.survey(Limits::default()) {
            Ok(survey) => {
                self.read(&*survey.source);
                return;
            }
            Err(error) => error,
        };
        let failures = arrays_of(folder).into_iter().filter_map(|file| NpyFile::open(file).err());
        // A file may be a scalar as a sample, but not as an array of samples.
        let failures: Vec<SourceError> =
            failures.filter(|error| error.kind() != SourceErrorKind::ShapeMismatch).collect();
        failures.iter().for_each(|error| self.problem(error));
        if failures.is_empty() {
            self.problem(&error);
        }
    }

    /// Reads files of many samples each. If they do not go together, reads each on its own.
    fn shards(&mut self, shards: &Shards) {
        let error = match place::open(&Found::Shards(shards.clone())) {
            Ok(opened) => return drop(self.samples(&*opened.source)),
            Err(error) => error,
        };
        let before = self.report.problems.len();
        let files = shards.files().unwrap_or_default();
        let are_alone = files.len() > 1 && !shards.is_of_samples();
        for file in files.iter().filter(|_| are_alone) {
            match place::open(&Found::Shards(shards.alone(file))) {
                Ok(opened) => drop(self.read(&*opened.source)),
                Err(error) => self.problem(&error),
            }
        }
        if self.report.problems.len() == before {
            self.problem(&error);
        }
    }

    /// Reads the samples that have a row, and lists the files and rows that have no partner.
    fn with_table(&mut self, found: &Found) {
        match found.survey(Limits::default()) {
            Ok(Survey { source, problems, .. }) => {
                problems.iter().for_each(|problem| self.problem(problem));
                self.samples(&*source);
            }
            Err(error) => self.problem(&error),
        }
    }

    /// Reads every sample of the source on the command line.
    fn samples(&mut self, source: &dyn Source) -> Vec<SourceError> {
        self.report.samples = source.len();
        self.read(source)
    }

    /// Reads everything in a source, adds what failed to the report, and returns it.
    fn read(&mut self, source: &dyn Source) -> Vec<SourceError> {
        let samples = to_read(source);
        let progress = self.console.progress("reading", samples as u64);
        let errors = read_all(source, samples, self.threads, &progress);
        progress.finish_and_clear();
        for error in &errors {
            let name = error.index().map(|index| source.name(index).into_owned());
            self.report.problems.push(problem(error, name));
        }
        for field in source.schema().fields() {
            if self.fields.iter().all(|known| known.name() != field.name()) {
                self.fields.push(field.clone());
            }
        }
        errors
    }

    fn problem(&mut self, error: &SourceError) {
        self.report.problems.push(problem(error, None));
    }

    /// The report, in an order that does not depend on threads, and without duplicates.
    fn finish(self) -> report::Check {
        let Self { fields, mut report, .. } = self;
        let place = |problem: &Problem| (problem.index, problem.path.clone());
        report.problems.sort_by(|a, b| {
            place(a)
                .cmp(&place(b))
                .then_with(|| (a.kind.as_str(), &a.message).cmp(&(b.kind.as_str(), &b.message)))
        });
        // A folder that serves two fields has its problems only once.
        report.problems.dedup();
        let samples = report.samples;
        let spreads = fields.iter().map(|field| spread(field, samples, &mut report.problems));
        report.shapes = spreads.flatten().collect();
        report
    }
}

/// The files of a field with other lengths than it declares, if there are several. They are
/// reported together, with the options that allow them.
fn spread(field: &Field, files: usize, problems: &mut [Problem]) -> Option<Spread> {
    let of_field = |problem: &&mut Problem| {
        problem.kind == SourceErrorKind::ShapeMismatch
            && problem.field.as_deref() == Some(field.name())
    };
    let mut spread = Spread::among(field, files);
    let mut others = Vec::new();
    for problem in problems.iter_mut().filter(of_field) {
        let shape = problem.file.as_deref().and_then(shapes::of_file);
        if let Some(shape) = shape.filter(|shape| shape.len() == field.dims().len()) {
            spread.add(&shape);
            others.push(problem);
        }
    }
    if others.len() < 2 {
        return None;
    }
    others.into_iter().for_each(|problem| problem.is_told = true);
    Some(spread)
}

/// Limits under which bytes after the end of an array are an error.
fn strict() -> Limits {
    let mut limits = Limits::default();
    limits.trailing_bytes = 0;
    limits
}

fn problem(error: &SourceError, name: Option<String>) -> Problem {
    let path = error.path().map(|path| path.display().to_string());
    Problem {
        index: error.index(),
        path: path.or(name).unwrap_or_else(|| "source".to_owned()),
        file: error.path().map(Path::to_owned),
        field: error.field().map(str::to_owned),
        kind: error.kind(),
        message: exit::in_options(error.message()),
        is_told: false,
    }
}

/// The number of samples to read. If rows of a file take no bytes, reading one is enough.
fn to_read(source: &dyn Source) -> usize {
    let takes_none = source.schema().fields().iter().all(|field| field.max_bytes() == 0);
    let in_one_file = || extents::extents_of(source, 0).iter().all(|extent| !extent.is_whole());
    if takes_none && !source.is_empty() && in_one_file() { 1 } else { source.len() }
}

/// Reads this many samples and returns what failed, in any order.
fn read_all(
    source: &dyn Source,
    samples: usize,
    threads: usize,
    progress: &ProgressBar,
) -> Vec<SourceError> {
    let next = AtomicUsize::new(0);
    let pixels = Pixels::default();
    let read = || read_claimed(source, samples, &pixels, &next, progress);
    let found = threads::share(threads, read);
    let panicked = || vec![SourceError::new(SourceErrorKind::User, "a reading thread panicked")];
    found.into_iter().flat_map(|errors| errors.unwrap_or_else(panicked)).collect()
}

fn read_claimed(
    source: &dyn Source,
    samples: usize,
    pixels: &Pixels,
    next: &AtomicUsize,
    progress: &ProgressBar,
) -> Vec<SourceError> {
    let mut buffer = match RowBuffer::new(source.schema()) {
        Ok(buffer) => buffer,
        Err(error) => return vec![error],
    };
    let mut errors = Vec::new();
    loop {
        let start = next.fetch_add(CLAIM, Ordering::Relaxed);
        let claimed = start..samples.min(start.saturating_add(CLAIM));
        if claimed.is_empty() {
            return errors;
        }
        progress.inc(claimed.len() as u64);
        for index in claimed {
            errors.extend(read_row(source, index, &mut buffer, pixels).err());
        }
    }
}

/// Reads a sample, and decodes its pictures.
fn read_row(
    source: &dyn Source,
    index: usize,
    buffer: &mut RowBuffer,
    pixels: &Pixels,
) -> tallow::SourceResult<()> {
    let mut row = buffer.row(None);
    let read = source.read(index, &mut row).and_then(|()| row.finish());
    read.map_err(|error| error.with_index(index))?;
    pixels.check(buffer.view()).map_err(|error| locate(error, source, index))
}

/// The `.npy` files of folders.
fn arrays_of(folders: &FieldFolders) -> Vec<PathBuf> {
    let fields = folders.fields().iter().filter(|field| field.files == FieldFiles::Arrays);
    let alone = fields.filter_map(|field| folders.alone(&field.name)?.files().ok());
    alone.flatten().collect()
}
