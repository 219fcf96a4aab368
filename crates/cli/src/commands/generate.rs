//! `gen`: writes random inputs and targets, in any kind of file that a source reads.

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
use crate::data::listing::Entry;
use crate::data::npy::NpyDtype;
use crate::data::photos::{Format, Photos};
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
        "wrote {} to {}: {} in {}",
        plan.described(),
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
    files: Files,
}

/// The files that hold the samples.
#[derive(Debug)]
enum Files {
    /// One per sample and field.
    Folders([Contents; 2]),
    /// Files of many samples each.
    Arrays([Contents; 2], Vec<Array>),
    /// Pictures.
    Photos(Photos),
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
        let files = match args.storage {
            Storage::Jpeg | Storage::Png => Files::Photos(photos(args).map_err(Failure::Usage)?),
            _ => Files::of(args, fields(args).map_err(Failure::Usage)?).map_err(Failure::Usage)?,
        };
        Ok(Self { dir: args.dir.clone(), samples: args.samples, files })
    }

    /// Names of equal length, so that they sort like the numbers.
    fn file_name(&self, index: usize, extension: &str) -> String {
        numbered(index, self.samples, extension)
    }

    /// What is written, for a message.
    fn described(&self) -> String {
        match &self.files {
            Files::Folders([input, target]) | Files::Arrays([input, target], _) => {
                let pairs = words::counted(self.samples as u64, "pair");
                format!("{pairs} of input {input} and target {target}")
            }
            Files::Photos(photos) => {
                let pictures = words::counted(self.samples as u64, "picture");
                format!("{pictures} of {}", photos.described())
            }
        }
    }

    /// Refuses folders that hold anything but files that will be overwritten.
    fn refuse_others(&self) -> Result<(), String> {
        match &self.files {
            Files::Folders(_) => PLACES.iter().try_for_each(|place| {
                refuse_others(&self.dir.join(place), |name| self.is_sample(name, "npy"))
            }),
            Files::Arrays(_, arrays) => {
                let ours: HashSet<&OsStr> =
                    arrays.iter().map(|array| array.name.as_os_str()).collect();
                refuse_others(&self.dir, |name| ours.contains(name))
            }
            Files::Photos(photos) => self.refuse_other_pictures(photos),
        }
    }

    /// Whether this is the name of the file of a sample.
    fn is_sample(&self, name: &OsStr, extension: &str) -> bool {
        let stem = name.to_str().and_then(|name| name.strip_suffix(extension)?.strip_suffix('.'));
        let index = stem.and_then(|stem| stem.parse().ok());
        index.is_some_and(|index: usize| {
            index < self.samples && *name == *self.file_name(index, extension)
        })
    }

    /// The folders of classes are all that may be beside each other, and a picture belongs to one
    /// class only.
    fn refuse_other_pictures(&self, photos: &Photos) -> Result<(), String> {
        let folders = photos.folders();
        refuse_other_folders(&self.dir, |name| {
            folders.iter().any(|(folder, _)| folder.as_os_str() == name)
        })?;
        folders.iter().try_for_each(|(folder, extension)| {
            let is_here = |name: &OsStr| {
                let index = name.to_str().and_then(|name| name.split('.').next()?.parse().ok());
                index.and_then(|index| photos.folder_of(index)).is_none_or(|of| of == *folder)
            };
            refuse_others(&self.dir.join(folder), |name| {
                self.is_sample(name, extension) && is_here(name)
            })
        })
    }

    /// Writes all files to `root`, and returns their bytes.
    fn write(&self, root: &Path, threads: usize, progress: &ProgressBar) -> Result<u64, String> {
        let writing = Writing { plan: self, root, bytes: AtomicU64::new(0), progress };
        match &self.files {
            Files::Folders(fields) => {
                for place in PLACES {
                    writing.make(fs::create_dir, Path::new(place))?;
                }
                share(threads, 0..self.samples, 1, |samples| writing.pairs(fields, samples))?;
            }
            Files::Arrays(fields, arrays) => {
                arrays.iter().try_for_each(|array| writing.array(fields, threads, array))?;
            }
            Files::Photos(photos) => {
                for (folder, _) in photos.folders() {
                    writing.make(fs::create_dir, &folder)?;
                }
                share(threads, 0..self.samples, 1, |samples| writing.photos(photos, samples))?;
            }
        }
        Ok(writing.bytes.into_inner())
    }

    /// A command that reads what was written.
    fn next(&self) -> String {
        let dir = shell::path(&self.dir);
        let fields = match &self.files {
            Files::Folders(fields) | Files::Arrays(fields, _) => fields,
            Files::Photos(photos) => {
                let mask = if photos.has_masks() { " --mask target" } else { "" };
                let chain = "random_resized_crop(224) random_hflip";
                return format!("run {dir} --shuffle --augment '{chain}'{mask}");
            }
        };
        let mut ragged = String::new();
        for (name, contents) in FIELDS.iter().zip(fields) {
            for (axis, max) in contents.ragged() {
                ragged += &format!(" --ragged {name}:{axis}:{max}");
            }
        }
        match ragged.as_str() {
            "" => format!("run {dir} --shuffle --ceiling"),
            // Samples of different shapes make a batch only after a step that gives them one shape.
            _ => format!("inspect {dir}{ragged}"),
        }
    }
}

/// The contents of the two fields of samples that are no pictures.
fn fields(args: &GenArgs) -> Result<[Contents; 2], String> {
    if args.classes.is_some() {
        return Err("--classes needs --as jpeg or --as png".to_owned());
    }
    let dtype = args.dtype.ok_or("--dtype is missing: name the element type, like --dtype f32")?;
    let target_shape = args.target_shape.as_deref().unwrap_or_default();
    let target_dtype = args.target_dtype.unwrap_or(NpyDtype::I64);
    Ok([
        Contents::new(args.seed, dtype, &args.shape, Integers::All)?,
        Contents::new(args.seed, target_dtype, target_shape, Integers::Digits)?,
    ])
}

fn photos(args: &GenArgs) -> Result<Photos, String> {
    let given = [
        ("--dtype", args.dtype.is_some()),
        ("--target-shape", args.target_shape.is_some()),
        ("--target-dtype", args.target_dtype.is_some()),
        ("--shards", args.shards.is_some()),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(format!("{option} is not for pictures, which are RGB in bytes"));
    }
    if let Some(classes) = args.classes.filter(|&classes| classes > args.samples) {
        let samples = words::counted(args.samples as u64, "sample");
        return Err(format!("--classes {classes}, but there is only {samples}"));
    }
    const QUALITY: u8 = 85;
    let format = match (args.storage, args.quality) {
        (Storage::Png, Some(_)) => return Err("--quality needs --as jpeg".to_owned()),
        (Storage::Png, None) => Format::Png,
        (_, quality) => Format::Jpeg(quality.unwrap_or(QUALITY)),
    };
    Photos::new(args.seed, format, &args.shape, args.classes)
}

impl Files {
    /// # Errors
    ///
    /// A message, if such samples cannot be in such files.
    fn of(args: &GenArgs, fields: [Contents; 2]) -> Result<Self, String> {
        if args.quality.is_some() {
            return Err("--quality needs --as jpeg".to_owned());
        }
        if args.shards.is_some() && args.storage != Storage::Safetensors {
            return Err("--shards needs --as safetensors".to_owned());
        }
        if args.storage == Storage::Folders {
            return Ok(Self::Folders(fields));
        }
        let arrays = Arrays::new(args.samples, &fields)?.files(args)?;
        Ok(Self::Arrays(fields, arrays))
    }
}

/// What is needed to plan files of many samples.
struct Arrays<'a> {
    samples: usize,
    fields: &'a [Contents; 2],
    shapes: [Vec<usize>; 2],
}

impl<'a> Arrays<'a> {
    /// # Errors
    ///
    /// A message, if samples differ in shape or take more bytes than a file can have.
    fn new(samples: usize, fields: &'a [Contents; 2]) -> Result<Self, String> {
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
        if i64::try_from(bytes as u128 * samples as u128).is_err() {
            return Err(format!("{samples} samples take more bytes than a file can have"));
        }
        Ok(Self { samples, fields, shapes })
    }

    /// The files that the options ask for.
    fn files(&self, args: &GenArgs) -> Result<Vec<Array>, String> {
        match (args.storage, args.shards.unwrap_or(1)) {
            (Storage::Safetensors, shards) if shards > self.samples => {
                let samples = words::counted(self.samples as u64, "sample");
                Err(format!("--shards {shards}, but there is only {samples}"))
            }
            (Storage::Safetensors, shards) if shards > SHARDS_MAX => {
                Err(format!("--shards: found {shards}, expected at most {SHARDS_MAX}"))
            }
            (Storage::Safetensors, shards) => {
                Ok((0..shards).map(|at| self.shard(at, shards)).collect())
            }
            _ => Ok([0, 1].map(|field| self.npy(field)).into()),
        }
    }

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
    fn pairs(&self, fields: &[Contents], samples: Range<usize>) -> Result<(), String> {
        let mut bytes = Vec::new();
        for index in samples {
            for (place, contents) in PLACES.iter().zip(fields) {
                contents.npy(index, &mut bytes);
                self.file(&Path::new(place).join(self.plan.file_name(index, "npy")), &bytes)?;
            }
            self.progress.inc(1);
        }
        Ok(())
    }

    /// Writes these pictures, and their masks if they have some.
    fn photos(&self, photos: &Photos, samples: Range<usize>) -> Result<(), String> {
        for index in samples {
            for file in photos.files(index)? {
                let name = file.folder.join(self.plan.file_name(index, file.extension));
                self.file(&name, &file.bytes)?;
            }
            self.progress.inc(1);
        }
        Ok(())
    }

    fn file(&self, name: &Path, bytes: &[u8]) -> Result<(), String> {
        self.make(|path| fs::write(path, bytes), name)?;
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Writes a file of many samples.
    fn array(&self, fields: &[Contents; 2], threads: usize, array: &Array) -> Result<(), String> {
        let file = self.make(fs::File::create_new, &array.name)?;
        self.make(|_| file.write_all_at(&array.header, 0), &array.name)?;
        self.bytes.fetch_add(array.header.len() as u64, Ordering::Relaxed);
        for column in &array.columns {
            let contents = &fields[column.field];
            let bytes = contents.bytes(&column.shape);
            let claim = (PIECE_BYTES / bytes.max(1)).max(1);
            share(threads, column.samples.clone(), claim, |samples| {
                self.make(|_| self.piece(contents, column, samples, &file), &array.name)
            })?;
        }
        Ok(())
    }

    fn piece(
        &self,
        contents: &Contents,
        column: &Column,
        samples: Range<usize>,
        file: &fs::File,
    ) -> io::Result<()> {
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
    refuse(folder, |entry| {
        let name = entry.name();
        if !entry.is_file()? {
            return Ok(Some(format!("{name:?}, which is not a regular file")));
        }
        Ok((!is_ours(name)).then(|| format!("{name:?}, which would mix with the samples")))
    })
}

/// Refuses a folder that holds any folder but these: its pictures would become a class.
fn refuse_other_folders(folder: &Path, is_ours: impl Fn(&OsStr) -> bool) -> Result<(), String> {
    refuse(folder, |entry| {
        let name = entry.name();
        let is_other = entry.leads_to_folder() && !entry.is_hidden() && !is_ours(name);
        Ok(is_other.then(|| format!("{name:?}, which would be a class too")))
    })
}

/// Refuses a folder if `problem` says something of one of its entries.
fn refuse(
    folder: &Path,
    problem: impl Fn(&Entry) -> io::Result<Option<String>>,
) -> Result<(), String> {
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
        if let Some(problem) = problem(&entry).map_err(|error| cannot("look into", error))? {
            return Err(format!("{folder:?} already holds {problem}; name a new folder"));
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
