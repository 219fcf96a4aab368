//! Tar archives of samples, as the package `webdataset` has them.

mod content;
mod index;
mod kept;
mod key;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

pub use self::content::TarContent;
use self::content::{Column, First};
pub(crate) use self::content::{Declared, digits_of};
use self::index::{Index, Members};
pub(crate) use self::key::split as split_key;
use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use crate::error::{list_names, quoted};
use crate::files::tar::BLOCK_BYTES;
use crate::files::{Limits, SampleFile, held_max};
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, Population, Result, Row, Schema,
    Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["tar"],
    of: " of samples",
    folder: Folder::OfShards,
    options: &[".fields(..)", ".ragged(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let mut builder = Tar::builder(shards.files()?).limits(limits);
    for (name, axis, max) in shards.ragged() {
        builder = builder.ragged(name, *axis, *max);
    }
    let fields = shards.fields();
    let tar = if fields.is_empty() { builder } else { builder.fields(fields) }.open()?;
    let ignored = tar.ignored();
    Ok(Survey::of(Box::new(tar), ignored))
}

/// Tar archives, the shards of a data set. The samples are what the package `webdataset` makes of them: a
/// name up to the first dot of its last part is the key of a sample, what follows says which part of the
/// sample the member is, and members with one key that are beside each other are one sample.
///
/// The headers of an archive are read once, when it is opened; then each sample is read at random, with
/// one system call for each field, as fast as from a large file. What was found is held in some 20 bytes a
/// sample, and for large archives also kept in the user's folder of caches (`$XDG_CACHE_HOME/tallow` or
/// `~/.cache/tallow`), so that they open at once from then on. Each read compares the header of its
/// member with what is expected there.
///
/// An index that another loader keeps beside an archive, like `train-000.idx` of DALI, is not read. Before it could be
/// believed, each header that it tells of would have to be read, which is what opening does anyway.
///
/// Without [`field`](TarBuilder::field) the members of the first sample are the fields: a picture is
/// `image`, `.cls` is `label`, `.npy` is `input`, `.x.npy` and `.x.png` are `x`, and others are bytes
/// under their own name.
///
/// ```no_run
/// use tallow_core::{RowDType, Tar, TarContent};
///
/// let source = Tar::open("train-{000..099}.tar")?;
/// let shards = (0..100).map(|at| format!("train-{at:03}.tar"));
/// let source = Tar::builder(shards)
///     .fields(["image"])
///     .field("age", ["json"], TarContent::JsonNumber { key: "person.age".into(), dtype: RowDType::F32 })
///     .open()?;
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Tar {
    shards: Vec<Shard>,
    samples: Succession,
    columns: Vec<Column>,
    schema: Schema,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    index: Index,
    /// For each layout of the index and each column, which of the members it is.
    positions: Vec<Vec<Option<usize>>>,
}

/// How a [`Tar`] is opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct TarBuilder {
    paths: Vec<PathBuf>,
    declared: Vec<Declared>,
    chosen: Option<Vec<String>>,
    ragged: Vec<(String, usize, usize)>,
    limits: Limits,
    kept_in: Option<PathBuf>,
}

impl TarBuilder {
    /// Adds a field that comes from members with one of these endings, whatever comes first in the
    /// list: what follows the first dot of a name, in lower case, like `jpg` or `seg.png`.
    pub fn field<S: Into<String>>(
        mut self,
        name: impl Into<String>,
        endings: impl IntoIterator<Item = S>,
        content: TarContent,
    ) -> Self {
        let extensions = endings.into_iter().map(Into::into).collect();
        self.declared.push(Declared { name: name.into(), extensions, content });
        self
    }

    /// Of the fields that the members of the first sample would be, takes these, in this order. By default
    /// all of them, or none if there is a [`field`](Self::field).
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.chosen = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Lets `axis` of the arrays of field `name` differ from sample to sample, up to `max`; of pictures
    /// `max` is the most pixels, axis 0 being the height.
    pub fn ragged(mut self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        self.ragged.push((name.into(), axis, max));
        self
    }

    /// How much a file may claim to hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps what was found in large archives in this folder instead of the user's folder of caches.
    pub fn index_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.kept_in = Some(folder.into());
        self
    }

    /// Opens the archives, whose samples follow one another.
    ///
    /// # Errors
    ///
    /// What is wrong with an archive, its name included: [`ErrorKind::Foreign`] for what is none,
    /// [`ErrorKind::Truncated`] for one that was cut, [`ErrorKind::Header`] for members that are sparse
    /// or hard links, and for two of one kind in a sample. [`ErrorKind::Empty`] where no sample is, and
    /// [`ErrorKind::Config`] for a field that is not there.
    pub fn open(self) -> Result<Tar> {
        let held = held_max();
        let mut opened = Vec::new();
        let mut samples = Succession::default();
        for (at, path) in self.paths.iter().enumerate() {
            let (file, index) = SampleFile::open(path, at, held, |file, len| {
                let index = kept::index(file, len, path, self.kept_in.as_deref())?;
                let mut head = [0; BLOCK_BYTES];
                let head = crate::files::Section::of_file(file, len).beginning(&mut head).to_vec();
                Ok((index, head))
            })?;
            samples.push(index.len(), "samples").map_err(|error| error.with_path(path))?;
            opened.push((file, index));
        }
        let columns = self.columns(&opened)?;
        let schema = Schema::new(columns.iter().map(|column| column.field.clone()).collect())?;
        let shards = opened.into_iter().map(|(file, index)| {
            let positions = index.layouts().map(|(members, ..)| positions(&members, &columns));
            Shard { file, positions: positions.collect(), index }
        });
        Ok(Tar { shards: shards.collect(), samples, schema, columns })
    }

    /// The fields, as the first samples show them that have them.
    fn columns(&self, opened: &[(SampleFile, Index)]) -> Result<Vec<Column>> {
        let first = opened.iter().find_map(|(_, index)| index.layouts().next());
        let Some((members, ..)) = first else {
            let message = "no sample: no member has a name like key.ending";
            let error = Error::new(ErrorKind::Empty, message);
            return Err(match self.paths.first() {
                Some(path) => error.with_path(path),
                None => Error::new(ErrorKind::Empty, "no .tar file"),
            });
        };
        let guessed = Declared::guess(&members);
        let mut all = match &self.chosen {
            None if self.declared.is_empty() => guessed,
            None => Vec::new(),
            Some(names) => {
                let choose = |name: &String| {
                    let found = guessed.iter().find(|it| it.name == *name).cloned();
                    found.ok_or_else(|| self.no_field(name, &guessed))
                };
                names.iter().map(choose).collect::<Result<_>>()?
            }
        };
        let guessed = all.len();
        all.extend(self.declared.iter().cloned());
        if let Some((name, ..)) =
            self.ragged.iter().find(|(name, ..)| all.iter().all(|it| it.name != *name))
        {
            return Err(self.no_field(name, &all));
        }
        let columns = all.iter().enumerate();
        columns.map(|(at, declared)| self.column(declared, opened, at < guessed)).collect()
    }

    fn column(
        &self,
        declared: &Declared,
        opened: &[(SampleFile, Index)],
        is_guess: bool,
    ) -> Result<Column> {
        let is_own = |extension: &&str| declared.extensions.iter().any(|own| own == extension);
        let longest = opened.iter().flat_map(|(_, index)| index.extensions());
        let longest =
            longest.filter(|(extension, _)| is_own(extension)).map(|(_, bytes)| bytes).max();
        for (file, index) in opened {
            let has = |(members, first, _): (Vec<&str>, usize, usize)| {
                let position = positions_of(&members, &declared.extensions)?;
                Some((first, position))
            };
            let Some((sample, position)) = index.layouts().find_map(has) else { continue };
            let mut column = None;
            let place = index.members(sample).and_then(|(_, mut members)| members.nth(position));
            let place = place.ok_or_else(|| damaged(file.path()))?;
            file.read(None, &|| false, |opened| {
                let first = First { file: opened, path: file.path(), place };
                let longest = longest.unwrap_or(0);
                column = Some(Column::new(
                    declared,
                    &first,
                    longest,
                    &self.ragged,
                    &self.limits,
                    is_guess,
                )?);
                Ok(())
            })
            .map_err(|error| {
                let key = index.key(sample).unwrap_or_default();
                error.with_field(&declared.name).with_path(named(file.path(), &key))
            })?;
            if let Some(column) = column {
                return Ok(column);
            }
        }
        let endings = declared.extensions.iter().map(|it| format!(".{it}"));
        let held = opened.iter().flat_map(|(_, index)| index.extensions());
        let held = list_names(held.map(|(it, _)| format!(".{it}")).collect::<Vec<_>>().into_iter());
        let message = format!(
            "no member that ends in {}, the archives hold {held}",
            list_names(endings.collect::<Vec<_>>().into_iter())
        );
        Err(Error::new(ErrorKind::Config, message).with_field(&declared.name))
    }

    #[cold]
    fn no_field(&self, name: &str, known: &[Declared]) -> Error {
        let names = known.iter().map(|it| quoted(&it.name)).collect::<Vec<_>>();
        let message =
            format!("no field {}, the fields are {}", quoted(name), list_names(names.into_iter()));
        let error = Error::new(ErrorKind::Config, message);
        match self.paths.first() {
            Some(path) => error.with_path(path),
            None => error,
        }
    }
}

/// Which of the members each column comes from.
fn positions(members: &[&str], columns: &[Column]) -> Vec<Option<usize>> {
    columns.iter().map(|column| positions_of(members, &column.extensions)).collect()
}

fn positions_of(members: &[&str], extensions: &[String]) -> Option<usize> {
    extensions.iter().find_map(|own| members.iter().position(|member| member == own))
}

/// A sample as messages name it.
fn named(archive: &Path, key: &[u8]) -> PathBuf {
    archive.join(String::from_utf8_lossy(key).as_ref())
}

#[cold]
fn damaged(path: &Path) -> Error {
    let message = "the index that is kept of the archive is damaged; open it again";
    Error::new(ErrorKind::Changed, message).with_path(path)
}

impl Tar {
    /// Opens the archive at `place`, those in a folder, or those of a pattern like
    /// `train-{000..099}.tar` or `shards/*.tar`.
    ///
    /// # Errors
    ///
    /// As [`TarBuilder::open`].
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(Shards::of(place.as_ref(), &FORMAT)?.files()?).open()
    }

    /// To open the archives at `paths`, in this order.
    pub fn builder<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> TarBuilder {
        TarBuilder {
            paths: paths.into_iter().map(Into::into).collect(),
            declared: Vec::new(),
            chosen: None,
            ragged: Vec::new(),
            limits: Limits::default(),
            kept_in: kept::folder(),
        }
    }

    /// Entries of the archives that are not part of a sample: names without an ending, folders, links, and
    /// what file managers leave behind.
    pub fn ignored(&self) -> usize {
        self.shards.iter().map(|shard| shard.index.ignored()).sum()
    }

    fn shard(&self, index: usize) -> (&Shard, usize) {
        let (shard, at) = self.samples.find(index);
        (&self.shards[shard], at)
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let (shard, at) = self.shard(index);
        let (unchecked, stopped) = (row.unchecked(), row.stop_flag());
        let read = shard.members(at).and_then(|(layout, members)| {
            shard.file.read(unchecked, &stopped, |file| {
                for (i, column) in fields.clone().enumerate() {
                    let (own, mut members) = (&self.columns[column], members);
                    let position = shard.positions[layout][column];
                    let read = position.ok_or_else(|| shard.missing(own, layout)).and_then(|it| {
                        let place = members.nth(it).ok_or_else(|| damaged(shard.file.path()))?;
                        own.read(file, place, &mut row.field(i))
                    });
                    // Which sample it was, as it is called in the archive.
                    let place = |error: Error| error.with_path(shard.path_of(at));
                    read.map_err(|error| place(error).with_field(own.field.name()))?;
                }
                Ok(())
            })
        });
        read.map_err(|error| error.with_index(index))
    }
}

impl Shard {
    fn members(&self, at: usize) -> Result<(usize, Members<'_>)> {
        self.index.members(at).ok_or_else(|| damaged(self.file.path()))
    }

    /// The archive, and in it the key of the sample.
    fn path_of(&self, at: usize) -> PathBuf {
        named(self.file.path(), &self.index.key(at).unwrap_or_default())
    }

    #[cold]
    fn missing(&self, column: &Column, layout: usize) -> Error {
        let endings = column.extensions.iter().map(|it| format!(".{it}")).collect::<Vec<_>>();
        let held =
            self.index.layouts().nth(layout).map(|(members, ..)| members).unwrap_or_default();
        let held = held.iter().map(|it| format!(".{it}")).collect::<Vec<_>>();
        let message = format!(
            "found {}, expected a member that ends in {}",
            list_names(held.into_iter()),
            list_names(endings.into_iter())
        );
        Error::new(ErrorKind::Incomplete, message).with_field(column.field.name())
    }
}

impl Source for Tar {
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
        self.read_some(index, 0..self.columns.len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let (shard, at) = self.shard(index);
        Cow::Owned(shard.path_of(at).display().to_string())
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| self.shard(index).0.file.location().clone())
    }

    /// Names and lengths of all members represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("tar").text(&self.schema.to_string());
        self.shards
            .iter()
            .fold(start, |print, shard| {
                let versions = shard.file.location().versions();
                print.with(shard.index.fingerprint()).with_versions(versions)
            })
            .finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (shard, at) = self.shard(index);
        let Ok((layout, members)) = shard.members(at) else { return };
        for position in shard.positions[layout].iter().flatten() {
            let mut members = members;
            if let Some(place) = members.nth(*position) {
                let bytes = BLOCK_BYTES + usize::try_from(place.bytes).unwrap_or(usize::MAX);
                visit(&shard.file.extent(place.start - BLOCK_BYTES as u64, bytes));
            }
        }
    }
}
