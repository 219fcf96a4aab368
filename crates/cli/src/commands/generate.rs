//! `gen`: writes pairs of random inputs and targets, in any kind of file that a source reads.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::ProgressBar;

use crate::args::{GenArgs, Storage};
use crate::data::contents::{Contents, Integers};
use crate::data::shard::{self, Tensor};
use crate::data::{listing, npy};
use crate::machine::threads;
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::output::Tree;
use crate::terminal::{shell, words};

/// The bytes that a thread writes at once to a file of many samples, unless one sample is larger:
/// enough for full speed, and little compared to the memory of any machine.
const PIECE_BYTES: usize = 4 << 20;

/// The headers of all shards are held in memory, and a reader opens each shard.
const SHARDS_MAX: usize = 1 << 16;

pub(crate) fn run(args: &GenArgs, console: &mut Console) -> Result {
    let started = Instant::now();
    let plan = Plan::new(args)?;
    plan.refuse_others().map_err(Failure::Failed)?;
    let tree = Tree::of(&args.dir)?;
    let progress = console.progress("writing", plan.samples as u64);
    let written = plan.write(tree.path(), threads::cores(), &progress);
    progress.finish_and_clear();
    let bytes = written.map_err(Failure::Failed)?;
    tree.finish()?;
    let out = console.out();
    writeln!(
        out,
        "wrote {} of input {} and target {} to {}: {} in {}",
        words::counted(plan.samples as u64, "pair"),
        plan.fields[0],
        plan.fields[1],
        words::one_line(&args.dir.display().to_string()),
        words::bytes(bytes),
        words::duration(started.elapsed()),
    )?;
    writeln!(out, "try next: {} {}", shell::program(), plan.next())?;
    Ok(())
}

/// What to write where.
#[derive(Debug)]
pub(crate) struct Plan {
    dir: PathBuf,
    samples: usize,
    fields: [Contents; 2],
    files: Files,
}

/// The files that hold the samples.
#[derive(Debug)]
enum Files {
    /// One per sample and field.
    Folders,
    /// Files of many samples each.
    Arrays(Vec<Array>),
}

/// A file with the elements of many samples.
#[derive(Debug)]
struct Array {
    name: PathBuf,
    header: Vec<u8>,
    columns: Vec<Column>,
}

/// The samples of one field in such a file, without gaps.
#[derive(Debug)]
struct Column {
    field: usize,
    start: u64,
    shape: Vec<usize>,
    samples: Range<usize>,
}

/// The names of the two fields, and of the folders or arrays that they are read from.
const FIELDS: [&str; 2] = ["input", "target"];
const PLACES: [&str; 2] = ["input", "output"];

impl Plan {
    fn new(args: &GenArgs) -> Result<Self> {
        let contents = |dtype, shape: &[_], integers| {
            Contents::new(args.seed, dtype, shape, integers).map_err(Failure::Usage)
        };
        let input = contents(args.dtype, &args.shape, Integers::All)?;
        let target = contents(args.target_dtype, &args.target_shape, Integers::Digits)?;
        let fields = [input, target];
        let files = Files::of(args, &fields).map_err(Failure::Usage)?;
        Ok(Self { dir: args.dir.clone(), samples: args.samples, fields, files })
    }

    /// Names of equal length, so that they sort like the numbers.
    fn file_name(&self, index: usize) -> String {
        numbered(index, self.samples, "npy")
    }

    /// Refuses folders that hold anything but files that will be overwritten.
    fn refuse_others(&self) -> Result<(), String> {
        match &self.files {
            Files::Folders => {
                let is_ours = |name: &OsStr| {
                    let index =
                        name.to_str().and_then(|name| name.strip_suffix(".npy")?.parse().ok());
                    let is_ours =
                        |&index: &usize| index < self.samples && *name == *self.file_name(index);
                    index.filter(is_ours).is_some()
                };
                PLACES.iter().try_for_each(|place| refuse_others(&self.dir.join(place), is_ours))
            }
            Files::Arrays(arrays) => {
                let ours: HashSet<&OsStr> =
                    arrays.iter().map(|array| array.name.as_os_str()).collect();
                refuse_others(&self.dir, |name| ours.contains(name))
            }
        }
    }

    /// Writes all files to `root`, and returns their bytes.
    fn write(&self, root: &Path, threads: usize, progress: &ProgressBar) -> Result<u64, String> {
        let writing = Writing { plan: self, root, bytes: AtomicU64::new(0), progress };
        match &self.files {
            Files::Folders => {
                for place in PLACES {
                    writing.make(fs::create_dir, Path::new(place))?;
                }
                share(threads, 0..self.samples, 1, |samples| writing.pairs(samples))?;
            }
            Files::Arrays(arrays) => {
                arrays.iter().try_for_each(|array| writing.array(threads, array))?;
            }
        }
        Ok(writing.bytes.into_inner())
    }

    /// A command that reads what was written.
    fn next(&self) -> String {
        let mut ragged = String::new();
        for (name, contents) in FIELDS.iter().zip(&self.fields) {
            for (axis, max) in contents.ragged() {
                ragged += &format!(" --ragged {name}:{axis}:{max}");
            }
        }
        match ragged.as_str() {
            "" => format!("run {} --shuffle --ceiling", shell::path(&self.dir)),
            // Samples of different shapes make a batch only after a step that gives them one shape.
            _ => format!("inspect {}{ragged}", shell::path(&self.dir)),
        }
    }
}

impl Files {
    /// # Errors
    ///
    /// A message, if such samples cannot be in such files.
    fn of(args: &GenArgs, fields: &[Contents; 2]) -> Result<Self, String> {
        if args.shards.is_some() && args.storage != Storage::Safetensors {
            return Err("--shards needs --as safetensors".to_owned());
        }
        if args.storage == Storage::Folders {
            return Ok(Self::Folders);
        }
        let one_shape = |contents: &Contents| {
            contents.shape().ok_or_else(|| {
                format!(
                    "the shape of {contents} differs from sample to sample, but an array has one \
                     for all; use --as folders"
                )
            })
        };
        let shapes = [one_shape(&fields[0])?, one_shape(&fields[1])?];
        let bytes: usize =
            fields.iter().zip(&shapes).map(|(field, shape)| field.bytes(shape)).sum();
        if i64::try_from(bytes as u128 * args.samples as u128).is_err() {
            let message = "samples take more bytes than a file can have";
            return Err(format!("{} {message}", args.samples));
        }
        let arrays = Arrays { samples: args.samples, fields, shapes };
        match (args.storage, args.shards.unwrap_or(1)) {
            (Storage::Safetensors, shards) if shards > args.samples => {
                let samples = words::counted(args.samples as u64, "sample");
                Err(format!("--shards {shards}, but there is only {samples}"))
            }
            (Storage::Safetensors, shards) if shards > SHARDS_MAX => {
                Err(format!("--shards: found {shards}, expected at most {SHARDS_MAX}"))
            }
            (Storage::Safetensors, shards) => {
                Ok(Self::Arrays((0..shards).map(|at| arrays.shard(at, shards)).collect()))
            }
            _ => Ok(Self::Arrays([0, 1].map(|field| arrays.npy(field)).into())),
        }
    }
}

/// What is needed to plan files of many samples.
struct Arrays<'a> {
    samples: usize,
    fields: &'a [Contents; 2],
    shapes: [Vec<usize>; 2],
}

impl Arrays<'_> {
    /// A file with all samples of one field.
    fn npy(&self, field: usize) -> Array {
        let shape = [&[self.samples], &self.shapes[field][..]].concat();
        let header = npy::header(self.fields[field].dtype, &shape);
        let column = self.column(field, header.len() as u64, 0..self.samples);
        let name = Path::new(PLACES[field]).with_extension("npy");
        Array { name, header, columns: vec![column] }
    }

    /// File `at` of `shards` files with both fields, whose sizes differ by at most one sample.
    fn shard(&self, at: usize, shards: usize) -> Array {
        let first = |at: usize| (self.samples as u128 * at as u128 / shards as u128) as usize;
        let samples = first(at)..first(at + 1);
        let tensors = [0, 1].map(|field| Tensor {
            name: FIELDS[field],
            dtype: self.fields[field].dtype,
            shape: [&[samples.len()], &self.shapes[field][..]].concat(),
        });
        let (header, starts) = shard::header(&tensors);
        let columns = starts.into_iter().enumerate();
        let columns = columns.map(|(field, start)| self.column(field, start, samples.clone()));
        let name = numbered(at, shards, "safetensors").into();
        Array { name, header, columns: columns.collect() }
    }

    fn column(&self, field: usize, start: u64, samples: Range<usize>) -> Column {
        Column { field, start, shape: self.shapes[field].clone(), samples }
    }
}

/// A plan that is being carried out.
struct Writing<'a> {
    plan: &'a Plan,
    /// The folder to write to, until everything is complete and moves to the plan's folder.
    root: &'a Path,
    bytes: AtomicU64,
    progress: &'a ProgressBar,
}

impl Writing<'_> {
    /// Calls `make` for a file or folder of this name, and adds the name to its error.
    fn make<T>(
        &self,
        make: impl FnOnce(PathBuf) -> io::Result<T>,
        name: &Path,
    ) -> Result<T, String> {
        let path = self.plan.dir.join(name);
        make(self.root.join(name)).map_err(|error| format!("cannot write {path:?}: {error}"))
    }

    /// Writes these samples to a file each.
    fn pairs(&self, samples: Range<usize>) -> Result<(), String> {
        let mut bytes = Vec::new();
        for index in samples {
            for (place, contents) in PLACES.iter().zip(&self.plan.fields) {
                contents.npy(index, &mut bytes);
                let name = Path::new(place).join(self.plan.file_name(index));
                self.make(|path| fs::write(path, &bytes), &name)?;
                self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            self.progress.inc(1);
        }
        Ok(())
    }

    /// Writes a file of many samples.
    fn array(&self, threads: usize, array: &Array) -> Result<(), String> {
        let file = self.make(fs::File::create_new, &array.name)?;
        self.make(|_| file.write_all_at(&array.header, 0), &array.name)?;
        self.bytes.fetch_add(array.header.len() as u64, Ordering::Relaxed);
        for column in &array.columns {
            let bytes = self.plan.fields[column.field].bytes(&column.shape);
            let claim = (PIECE_BYTES / bytes.max(1)).max(1);
            share(threads, column.samples.clone(), claim, |samples| {
                self.make(|_| self.piece(column, samples, &file), &array.name)
            })?;
        }
        Ok(())
    }

    fn piece(&self, column: &Column, samples: Range<usize>, file: &fs::File) -> io::Result<()> {
        let contents = &self.plan.fields[column.field];
        let before = (samples.start - column.samples.start) as u64;
        let start = column.start + before * contents.bytes(&column.shape) as u64;
        let mut bytes = Vec::new();
        for index in samples.clone() {
            contents.append(index, &column.shape, &mut bytes);
        }
        file.write_all_at(&bytes, start)?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if column.field == 0 {
            self.progress.inc(samples.len() as u64);
        }
        Ok(())
    }
}

/// Does `work` on all samples, `claim` of them at a time, until one of the threads fails.
fn share(
    threads: usize,
    samples: Range<usize>,
    claim: usize,
    work: impl Fn(Range<usize>) -> Result<(), String> + Sync,
) -> Result<(), String> {
    let next = AtomicUsize::new(samples.start);
    let failed = AtomicBool::new(false);
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let start = next.fetch_add(claim, Ordering::Relaxed);
            if start >= samples.end {
                break;
            }
            let end = samples.end.min(start.saturating_add(claim));
            work(start..end).inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let panicked = || Err("a writing thread panicked".to_owned());
    threads::share(threads, work)
        .into_iter()
        .try_for_each(|written| written.unwrap_or_else(panicked))
}

/// The name of file `index` of `total`.
pub(crate) fn numbered(index: usize, total: usize, extension: &str) -> String {
    const DIGITS_MIN: usize = 6;
    let digits = (total.max(1) - 1).checked_ilog10().unwrap_or(0) as usize + 1;
    format!("{index:0width$}.{extension}", width = digits.max(DIGITS_MIN))
}

/// Refuses a folder that holds anything but files that will be overwritten. Other files would
/// become samples too, and a FIFO or a link with the name of a sample must not be replaced.
fn refuse_others(folder: &Path, is_ours: impl Fn(&OsStr) -> bool) -> Result<(), String> {
    let cannot = |doing: &str, error: io::Error| format!("cannot {doing} {folder:?}: {error}");
    let entries = match listing::entries(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(format!("cannot make the folder {folder:?}: a file has its name"));
        }
        Err(error) => return Err(cannot("list", error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| cannot("list", error))?;
        let name = entry.name();
        if !entry.is_file().map_err(|error| cannot("look into", error))? {
            return Err(format!(
                "{folder:?} holds {name:?}, which is not a regular file; name a new folder"
            ));
        }
        if !is_ours(name) {
            return Err(format!(
                "{folder:?} already holds {name:?}, which would mix with the samples; \
                 name a new folder"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_numbers() {
        assert_eq!(numbered(7, 10, "npy"), "000007.npy");
        assert_eq!(numbered(7, 1_000_001, "npy"), "0000007.npy");
    }
}
