use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use super::stacked::Stacked;
use crate::files::{Limits, SampleFile, held_max};
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, FieldId, FieldMut, Fingerprint, FingerprintBuilder, Location,
    Population, Result, Row, Schema, Source, Unchecked,
};

/// What `.npy` files are once it was asked for: otherwise each file in a folder is a sample.
pub(super) static FORMAT: Format = Format {
    extensions: &["npy"],
    of: " of stacked samples",
    folder: Folder::OfShards,
    options: &[".stacked()"],
    open: |shards, limits| {
        let builder = NpyShards::builder(shards.files()?).limits(limits);
        Ok(Survey::of(Box::new(builder.open()?), 0))
    },
};

/// `.npy` files of many samples each, whose samples follow one another: the first axis of every file
/// is the sample axis, and all else about the arrays is equal. The one field is called `input` unless it
/// is [renamed](Self::named).
///
/// Only the headers are read when it is opened. A sample costs one read where it lies, as of an
/// [`NpyFile`](crate::NpyFile); which file that is, a binary search tells. The first 64 files stay
/// open, others are opened for each read. Files of either byte order go together. Files in Fortran
/// order are turned and held in memory, all of them together at most [`Limits::inflated_bytes`].
///
/// Nothing in a folder of `.npy` files says whether a file is one sample or many, so that
/// [`open`](crate::open) takes it for one, unless it is told otherwise by
/// [`OpenOptions::stacked`](crate::OpenOptions::stacked). Shards of inputs and shards of targets are
/// two sources that are zipped:
///
/// ```no_run
/// use tallow_core::{NpyShards, SourceExt};
///
/// let inputs = NpyShards::open("train/images")?; // 00.npy, 01.npy, .. of u8[10000, 3, 32, 32]
/// let targets = NpyShards::open("train/labels-{00..99}.npy")?.named("target")?;
/// let source = inputs.zip(targets)?;
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NpyShards {
    schema: Schema,
    shards: Vec<Shard>,
    samples: Succession,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    array: Stacked,
}

/// How [`NpyShards`] are opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct NpyShardsBuilder {
    paths: Vec<PathBuf>,
    limits: Limits,
}

impl NpyShardsBuilder {
    /// How much a file may claim to hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::ShapeMismatch`] for an array
    /// without an axis, and for two files whose samples differ in shape or element type;
    /// [`ErrorKind::TooLarge`] for more arrays in Fortran order than may be held in memory; and
    /// [`ErrorKind::Empty`] for no file.
    pub fn open(self) -> Result<NpyShards> {
        let held = held_max();
        let mut shards: Vec<Shard> = Vec::new();
        let mut samples = Succession::default();
        let mut memory = 0;
        for (at, path) in self.paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let shard = Shard::open(path, at, held, &self.limits)?;
            if let Some(first) = shards.first() {
                check_alike(&shard, first).map_err(place)?;
            }
            memory += shard.array.held_bytes();
            check_memory(memory, &self.limits).map_err(place)?;
            samples.push(shard.array.len(), "samples").map_err(place)?;
            shards.push(shard);
        }
        let none = || Error::new(ErrorKind::Empty, "no .npy file");
        let schema = Schema::new(vec![shards.first().ok_or_else(none)?.array.field(FIELD)])?;
        Ok(NpyShards { schema, shards, samples })
    }
}

const FIELD: &str = "input";

fn check_alike(shard: &Shard, first: &Shard) -> Result<()> {
    let [found, expected] = [shard, first].map(|shard| shard.array.field(FIELD));
    if found == expected {
        return Ok(());
    }
    let message = format!("found {found}, expected {expected} as in {:?}", first.file.path());
    Err(Error::new(ErrorKind::ShapeMismatch, message))
}

fn check_memory(bytes: usize, limits: &Limits) -> Result<()> {
    let most = limits.inflated_bytes;
    if bytes <= most {
        return Ok(());
    }
    let message = format!(
        "{bytes} bytes up to here are in Fortran order, which must be held in memory, at most {most}; \
         save np.ascontiguousarray(arr), or set Limits::inflated_bytes"
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

impl Shard {
    fn open(path: &Path, at: usize, held: usize, limits: &Limits) -> Result<Self> {
        let (file, array) = SampleFile::open(path, at, held, |file, bytes| {
            let array = Stacked::of_file(file, 0, bytes, limits)?;
            limits.check_samples(&array.field(FIELD), array.len())?;
            let head = array.head().to_vec();
            Ok((array, head))
        })?;
        Ok(Self { file, array })
    }

    fn read(
        &self,
        index: usize,
        unchecked: Option<&Unchecked>,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        if let Some(read) = self.array.read_held(index, field) {
            return read;
        }
        let is_stopped = field.stop_flag();
        self.file.read(unchecked, &is_stopped, |file| self.array.read(file, index, field))
    }
}

impl NpyShards {
    /// Opens a file, all `.npy` files of a folder in the order of the bytes of their names, or those
    /// that a pattern stands for: `part-{000..099}.npy` in this order, `part-*.npy` in that of names.
    ///
    /// # Errors
    ///
    /// As [`NpyShardsBuilder::open`], and when a folder cannot be listed or holds no such file.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(Shards::of(place.as_ref(), &FORMAT)?.files()?).open()
    }

    /// To open these files otherwise; their samples follow one another in this order.
    pub fn builder<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> NpyShardsBuilder {
        let paths = paths.into_iter().map(Into::into).collect();
        NpyShardsBuilder { paths, limits: Limits::default() }
    }

    /// The same source with its field called `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the name is empty.
    pub fn named(mut self, name: &str) -> Result<Self> {
        self.schema = Schema::new(vec![self.schema.fields()[0].clone().renamed(name)])?;
        Ok(self)
    }

    /// Reads the sample into field `at` of the row.
    fn read_field(&self, index: usize, at: usize, row: &mut Row<'_>) -> Result<()> {
        let (unchecked, field) = (row.unchecked(), &mut row.field(at));
        let (shard, own) = self.samples.find(index);
        let shard = &self.shards[shard];
        let name = field.declared().name();
        let place =
            |error: Error| error.with_path(shard.file.path()).with_field(name).with_index(index);
        shard.read(own, unchecked, field).map_err(place)
    }
}

impl Source for NpyShards {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    /// The files are groups.
    fn population(&self) -> Population {
        Population::of(self.len()).in_groups(self.samples.clone())
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_field(index, 0, row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        // There is one field, so it is this one each time.
        (0..fields.len()).try_for_each(|at| self.read_field(index, at, row))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let (at, own) = self.samples.find(index);
        Cow::Owned(self.shards[at].file.name_of(own))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let shard = &self.shards[self.samples.find(index).0];
        self.schema.holds(field).then(|| shard.file.location().clone())
    }

    /// The headers and lengths of all files represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npy_shards").text(&self.schema.to_string());
        let add = |print: FingerprintBuilder, shard: &Shard| {
            let print = print.bytes(shard.array.head()).number(shard.file.bytes());
            print.with_versions(shard.file.location().versions())
        };
        self.shards.iter().fold(start, add).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (at, own) = self.samples.find(index);
        let Shard { file, array } = &self.shards[at];
        if let Some(offset) = array.offset_of(own) {
            visit(&file.extent(offset, array.stored_bytes()));
        }
    }
}
