//! MDS, the format of MosaicML Streaming, as a source: `index` says which shards there are, `shard` where
//! samples are in one, `layout` where values are in a sample, `encoding` what they are, and `survey`
//! what all of them have in common.

mod encoding;
mod index;
mod layout;
mod shard;
mod stored;
mod survey;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use self::encoding::Encoding;
use self::index::{Entry, INDEX};
use self::layout::{Column, Layout, Values};
use self::shard::Shard;
use self::stored::Stored;
use self::survey::{Likeness, Looks, survey};
use super::folders::{Survey, with_side};
use super::format::{Folder, Format};
use super::shards::Shards;
use crate::error::{list_names, quoted};
use crate::files::{Limits, Section, Stamp, held_max, open_path};
use crate::succession::Succession;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Picture, Population,
    Result, Row, RowDType, Schema, Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["mds"],
    of: " of MosaicML Streaming",
    folder: Folder::OfIndex,
    options: &[".fields(..)", ".ragged(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let mut builder = Mds::builder(shards.place()).limits(limits).fields(shards.fields());
    builder.ragged.clone_from(&shards.options().ragged);
    Ok(Survey::of(Box::new(builder.open_entries(builder.entries_of(shards)?)?), 0))
}

/// Whether `folder` has an index of shards, which need not lie directly in it.
pub(super) fn is_in(folder: &Path) -> bool {
    let Ok(file) = open_path(&folder.join(INDEX)) else { return false };
    let mut beginning = [0; 4096];
    let bytes = Stamp::of_regular(&file).map_or(0, |stamp| stamp.bytes);
    let beginning = Section::of_file(&file, bytes).beginning(&mut beginning);
    let shards = b"\"shards\"";
    beginning.windows(shards.len()).any(|window| window == shards)
}

/// The shards that the index of `folder` lists.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = index::read(folder, &Limits::default())?;
    Ok(entries.into_iter().map(|entry| entry.path).collect())
}

/// A data set of MosaicML Streaming: a folder with an `index.json` and the shards that it lists, which
/// may also lie in subfolders. The samples follow one another as the index has them. Shards must not be
/// compressed.
///
/// Each column is a field, in the order of the index (by name, as the writer puts them) or as
/// [chosen](MdsBuilder::fields):
///
/// | encoding | field |
/// |---|---|
/// | `int`, `int8` to `uint64`, `float16` to `float64` | a scalar; `int` is `i64`, `int8` held as `i16`, `uint64` as `i64` where values fit |
/// | `ndarray:DTYPE:SHAPE` | an array of that shape |
/// | `ndarray`, `ndarray:DTYPE` | an array, ragged in the axes in which samples differ |
/// | `bytes` | `u8`, ragged unless all are known to have one length |
/// | `str`, `json`, `str_int`, `str_float`, `str_decimal` | the bytes of the text, ragged |
/// | `jpeg`, `png` | a picture in RGB, or as [told](MdsBuilder::picture) |
///
/// Others (`pkl`, `pil`, lists) are refused unless other columns are chosen.
///
/// Opening reads the offsets of each shard and keeps 4 bytes for each sample, or none where all samples
/// have one size. The offsets also bound the lengths of bytes, text and pictures: exactly where one
/// column alone has no fixed size, and otherwise by the longest sample. The shapes of arrays that say
/// their own are looked up in each sample, one read for each, unless they are
/// [declared](MdsBuilder::ragged).
///
/// A sample of up to 16 KiB costs one read. Larger ones cost one for their beginning, unless all columns
/// have fixed sizes, and one for each field that is not wholly in its first 4 KiB, straight into the
/// row. Sizes inside a sample are compared with its offsets each time. The first 64 shards stay open.
///
/// ```no_run
/// use tallow_core::{Mds, Source};
///
/// let source = Mds::open("data/train")?; // index.json, shard.00000.mds, shard.00001.mds, ..
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Mds {
    schema: Schema,
    /// The column of each field.
    chosen: Vec<usize>,
    layout: Layout,
    shards: Vec<Shard>,
    samples: Succession,
}

/// How a [`Mds`] is opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct MdsBuilder {
    place: PathBuf,
    fields: Vec<String>,
    ragged: Vec<(String, usize, usize)>,
    pictures: Vec<(String, Picture)>,
    limits: Limits,
}

impl MdsBuilder {
    /// Reads only these columns, in this order, whatever else there is. By default all are read.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Says how long `axis` of the field `name` is at most, instead of looking for the longest. Axes of
    /// an array that are not declared are then those of its first sample. Of pictures, axis 0 is the
    /// height and 1 the width. By default nothing is declared.
    pub fn ragged(mut self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        self.ragged.push((name.into(), axis, max));
        self
    }

    /// What the pictures of the field `name` become. The default is [`Picture::rgb`].
    pub fn picture(mut self, name: impl Into<String>, picture: Picture) -> Self {
        self.pictures.push((name.into(), picture));
        self
    }

    /// How much the files may claim to hold: [`Limits::index_bytes`] limits the index, and all
    /// offsets that are held.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the shards.
    ///
    /// # Errors
    ///
    /// What is wrong with the index or a shard, its name included; [`ErrorKind::Foreign`] for
    /// compressed shards; [`ErrorKind::UnsupportedDtype`] for a column that cannot be read;
    /// [`ErrorKind::DtypeMismatch`] and [`ErrorKind::ShapeMismatch`] for arrays that differ in more
    /// than the lengths of their axes, [`ErrorKind::Config`] for a field that is not there, and
    /// [`ErrorKind::Empty`] for no sample.
    pub fn open(self) -> Result<Mds> {
        let entries = self.entries_of(&Shards::of(&self.place, &FORMAT)?)?;
        self.open_entries(entries)
    }

    /// What an index says of the shards: all of a folder's, or those that were named.
    fn entries_of(&self, shards: &Shards) -> Result<Vec<Entry>> {
        if let Some(folder) = shards.folder() {
            return index::read(folder, &self.limits);
        }
        let mut entries = Vec::new();
        let mut listed: Vec<Entry> = Vec::new();
        let mut of = None;
        for file in shards.files()? {
            let folder = file.parent().unwrap_or(Path::new("")).to_owned();
            if of.as_ref() != Some(&folder) {
                listed = index::read(&folder, &self.limits)?;
                of = Some(folder);
            }
            let Some(at) = listed.iter().position(|entry| entry.path == file) else {
                let message = format!("{INDEX} beside it does not list it");
                return Err(Error::new(ErrorKind::Config, message).with_path(file));
            };
            entries.push(listed.swap_remove(at));
        }
        Ok(entries)
    }

    fn open_entries(&self, entries: Vec<Entry>) -> Result<Mds> {
        let place = |error: Error| error.with_path(&self.place);
        let none = || place(Error::new(ErrorKind::Empty, "the index lists no shard"));
        let first = entries.first().ok_or_else(none)?;
        let layout = Layout::new(&first.columns).map_err(place)?;
        let chosen = self.choose(&layout).map_err(place)?;
        let mut shards = Vec::with_capacity(entries.len());
        let mut samples = Succession::default();
        let mut held_bytes = 0;
        let held = held_max();
        for (at, entry) in entries.iter().enumerate() {
            if entry.columns != first.columns {
                let message = format!("its columns are not those of {:?}", first.path);
                return Err(Error::new(ErrorKind::ShapeMismatch, message).with_path(&entry.path));
            }
            let shard = Shard::open(entry, &layout, at, held, &self.limits)?;
            held_bytes += shard.held_bytes();
            check_held(held_bytes, &self.limits).map_err(|error| error.with_path(&entry.path))?;
            samples.push(shard.samples, "samples").map_err(place)?;
            shards.push(shard);
        }
        if samples.len() == 0 {
            return Err(place(Error::new(ErrorKind::Empty, "no sample in any shard")));
        }
        let likenesses = survey(&shards, &layout, &chosen, self.looks(&layout, &chosen))?;
        let columns = chosen.iter().map(|&at| &layout.columns[at]);
        let fields = columns.zip(likenesses).map(|(column, likeness)| {
            let field = self.field(column, likeness)?;
            self.limits.check_samples(&field, samples.len())?;
            Ok(field)
        });
        let schema = Schema::new(fields.collect::<Result<_>>().map_err(place)?).map_err(place)?;
        Ok(Mds { schema, chosen, layout, shards, samples })
    }

    /// The positions of the columns that are read.
    fn choose(&self, layout: &Layout) -> Result<Vec<usize>> {
        let names = || list_names(layout.columns.iter().map(|column| quoted(&column.name)));
        let position = |name: &String| {
            let none = || {
                let message = format!("no column {}, there are {}", quoted(name), names());
                Error::new(ErrorKind::Config, message)
            };
            layout.position(name).ok_or_else(none)
        };
        let chosen: Vec<usize> = match self.fields.is_empty() {
            true => (0..layout.columns.len()).collect(),
            false => self.fields.iter().map(position).collect::<Result<_>>()?,
        };
        let mut columns = chosen.iter().map(|&at| &layout.columns[at]);
        if let Some(column) = columns.find(|column| column.encoding == Encoding::Other) {
            let message = format!(
                "encoding {} is not read; choose other columns with .fields(..), or write it as bytes, \
                 ndarray, jpeg or png",
                quoted(&column.written)
            );
            return Err(Error::new(ErrorKind::UnsupportedDtype, message).with_field(&column.name));
        }
        let is_field = |name: &String| chosen.iter().any(|&at| layout.columns[at].name == *name);
        let told = self.ragged.iter().map(|(name, ..)| name);
        match told.chain(self.pictures.iter().map(|(name, _)| name)).find(|it| !is_field(it)) {
            None => Ok(chosen),
            Some(name) => {
                let message = format!("{} is no field, columns are {}", quoted(name), names());
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    fn is_declared(&self, column: &Column) -> bool {
        self.ragged.iter().any(|(name, ..)| *name == column.name)
    }

    /// How many samples must be looked at.
    fn looks(&self, layout: &Layout, chosen: &[usize]) -> Looks {
        let columns = chosen.iter().map(|&at| &layout.columns[at]);
        let look = |column: &Column| match column.encoding {
            Encoding::Array(_) if self.is_declared(column) => Looks::First,
            Encoding::Array(_) => Looks::All,
            Encoding::Typed(_) => Looks::First,
            _ => Looks::Nowhere,
        };
        let looks: Vec<Looks> = columns.map(look).collect();
        let has = |looked: Looks| looks.contains(&looked);
        [Looks::All, Looks::First].into_iter().find(|it| has(*it)).unwrap_or(Looks::Nowhere)
    }

    /// A column as a field.
    fn field(&self, column: &Column, likeness: Likeness) -> Result<Field> {
        let name = &column.name;
        let declared = self.ragged.iter().filter(|(of, ..)| of == name);
        let mut dims = likeness.dims();
        let dtype = match &column.encoding {
            Encoding::Picture => return self.picture_field(name, &dims),
            Encoding::Fixed(element, shape) => {
                dims = shape.iter().map(|&len| Dim::Fixed(len)).collect();
                element.dtype
            }
            Encoding::Text => {
                dims.iter_mut().for_each(|dim| *dim = Dim::Ragged { max: dim.max() });
                RowDType::U8
            }
            _ => likeness.dtype.unwrap_or(RowDType::U8),
        };
        for &(_, axis, max) in declared {
            match dims.get_mut(axis) {
                Some(dim)
                    if !matches!(column.encoding, Encoding::Fixed(..) | Encoding::Typed(_)) =>
                {
                    *dim = Dim::Ragged { max };
                }
                _ => {
                    let message = format!(
                        "axis {axis} as ragged, of {} axes of encoding {}",
                        dims.len(),
                        quoted(&column.written)
                    );
                    return Err(Error::new(ErrorKind::Config, message).with_field(name));
                }
            }
        }
        Ok(Field::with_dims(name, dtype, dims))
    }

    fn picture_field(&self, name: &str, sizes: &[Dim]) -> Result<Field> {
        let told = self.pictures.iter().rev().find(|(of, _)| of == name);
        let mut picture = told.map_or_else(Picture::rgb, |(_, picture)| picture.clone());
        for (_, axis, max) in self.ragged.iter().filter(|(of, ..)| of == name) {
            picture = with_side(picture, name, *axis, *max)?;
        }
        let most = sizes.first().map_or(0, |size| size.max()).max(1);
        let most = most.min(picture.payload_bytes_max());
        Ok(Field::pictures(name, picture.payload_bytes(most)))
    }
}

fn check_held(bytes: usize, limits: &Limits) -> Result<()> {
    let most = limits.index_bytes;
    if bytes <= most {
        return Ok(());
    }
    let message = format!(
        "{bytes} bytes of offsets up to here, which are held in memory, at most {most}; set \
         Limits::index_bytes"
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

impl Mds {
    /// Opens a folder with an `index.json`, one shard beside its index, or the shards of a pattern.
    ///
    /// # Errors
    ///
    /// As [`MdsBuilder::open`].
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(place).open()
    }

    /// To open `place` otherwise.
    ///
    /// ```no_run
    /// use tallow_core::{Mds, Picture, Source};
    ///
    /// let source = Mds::builder("data/train")
    ///     .fields(["image", "label"])
    ///     .picture("image", Picture::rgb().upright())
    ///     .open()?;
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn builder(place: impl AsRef<Path>) -> MdsBuilder {
        MdsBuilder {
            place: place.as_ref().to_owned(),
            fields: Vec::new(),
            ragged: Vec::new(),
            pictures: Vec::new(),
            limits: Limits::default(),
        }
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl ExactSizeIterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let (at, own) = self.samples.find(index);
        let shard = &self.shards[at];
        let (unchecked, is_stopped) = (row.unchecked(), row.stop_flag());
        let mut run = |stored: &Stored<'_>, mut values: Values<'_>| {
            fields.clone().enumerate().try_for_each(|(i, at)| {
                let column = &self.layout.columns[self.chosen[at]];
                let place = values.find(self.chosen[at]);
                let delivered = stored.deliver(place, &column.encoding, &mut row.field(i));
                delivered.map_err(|error| error.with_field(&column.name))
            })
        };
        let read = shard.file.read(unchecked, &is_stopped, |file| {
            Stored::read(file, shard.place(own), &self.layout, fields.len(), &mut run)
        });
        read.map_err(|error| error.with_index(index))
    }
}

impl Source for Mds {
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
        self.read_some(index, 0..self.chosen.len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    /// The shard, and the number of the sample in it.
    fn name(&self, index: usize) -> Cow<'_, str> {
        let (at, own) = self.samples.find(index);
        Cow::Owned(self.shards[at].file.name_of(own))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let shard = &self.shards[self.samples.find(index).0];
        self.schema.holds(field).then(|| shard.file.location().clone())
    }

    /// The offsets, columns and lengths of all shards represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("mds").text(&self.schema.to_string());
        self.shards.iter().fold(start, |print, shard| shard.file.add_to(print)).finish()
    }

    /// All of the sample, whichever of its columns are read.
    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (at, own) = self.samples.find(index);
        let shard = &self.shards[at];
        let place = shard.place(own);
        visit(&shard.file.extent(place.start, (place.end - place.start) as usize));
    }
}
