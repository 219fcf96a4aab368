use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use tallow_arrow::{Arrow, Column, Place, ReadAt, Scalar};

use super::columns::{
    Bytes, check_memory, chosen, common, field_of, held, null, null_elements, of_arrow, set_shape,
    write_null,
};
use super::format::{Folder, Format};
use super::shards::Shards;
use super::splits::{Beside, check_one_split};
use crate::codecs::Widening;
use crate::files::{Limits, SampleFile, Section, held_max, read_stored};
use crate::succession::Succession;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Population,
    Result, Row, Schema, Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["arrow"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Box<dyn Source>> {
    let files = match shards.folder() {
        Some(folder) => files_of(folder)?,
        None => shards.files()?,
    };
    Ok(Box::new(ArrowShards::builder(files).fields(shards.fields()).limits(limits).open()?))
}

/// The Arrow files of a folder, in the order that its `state.json` says, if there is one.
fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    if let Some(splits) = json(&folder.join("dataset_dict.json"))? {
        let message = format!("a data set of several splits, name the folder of one: {splits}");
        return Err(Error::new(ErrorKind::Config, message).with_path(folder));
    }
    let refused =
        |message: &str| Error::new(ErrorKind::Header, message).with_path(folder.join("state.json"));
    let Some(state) = json(&folder.join("state.json"))? else {
        let files = Shards::of(folder, &FORMAT)?.files()?;
        let is_described = folder.join("dataset_info.json").is_file();
        let beside = if is_described { Beside::Description } else { Beside::Nothing };
        check_one_split(&files, beside).map_err(|error| error.with_path(folder))?;
        return Ok(files);
    };
    let is_selected = ["_indices_files", "_indices_data_files"].iter().any(|key| {
        state.get(key).and_then(|value| value.as_array()).is_some_and(|files| !files.is_empty())
    });
    if is_selected {
        return Err(refused(
            "the data set is a selection, by a file of indices; save dataset.flatten_indices()",
        ));
    }
    let files = state.get("_data_files").and_then(|files| files.as_array());
    let files = files.ok_or_else(|| refused("no list of files, expected \"_data_files\""))?;
    let name = |file: &serde_json::Value| {
        let name = Path::new(file.get("filename")?.as_str()?);
        (name.file_name() == Some(name.as_os_str())).then(|| folder.join(name))
    };
    let files: Option<Vec<_>> = files.iter().map(name).collect();
    files.ok_or_else(|| refused("a file of \"_data_files\" without a plain \"filename\""))
}

/// The object that a file of JSON holds, if the file is there.
fn json(path: &Path) -> Result<Option<serde_json::Value>> {
    /// More than the names of a million files.
    const BYTES_MAX: u64 = 64 << 20;
    if !path.is_file() {
        return Ok(None);
    }
    let read = || {
        let bytes = path.metadata().map_err(|e| Error::io("look at the file", e))?.len();
        if bytes > BYTES_MAX {
            let message = format!("{bytes} bytes, at most {BYTES_MAX}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let text = std::fs::read(path).map_err(|e| Error::io("read", e))?;
        serde_json::from_slice(&text)
            .map_err(|e| Error::new(ErrorKind::Header, format!("no JSON: {e}")))
    };
    read().map(Some).map_err(|error: Error| error.with_path(path))
}

/// Arrow files, in the stream or the file format, whose rows are samples and whose columns are fields:
/// folders that `save_to_disk` of Hugging Face `datasets` wrote, files of its cache, and those of
/// `pyarrow`. Their samples follow one another.
///
/// Numbers and fixed lists of them are fields of fixed shape, and so are `Array2D` to `Array5D`. Lists,
/// text and bytes are ragged, up to the longest there is; lists in lists must be equally long. Pictures
/// are fields of pictures, decoded upright in three colours; a `ClassLabel` has the names of its classes. Booleans are held as `u8`, `int8` as `i16`,
/// `uint64` as `i64` where the values fit. Columns of other types, such as structs and timestamps, are
/// passed over unless they are [chosen](ArrowShardsBuilder::fields), which is an error. A null is an
/// error of its sample, unless [`null_as`](ArrowShardsBuilder::null_as) says what it is.
///
/// Opening reads the headers of all record batches, and the offsets of lists. Held in memory are 4 bytes
/// a row for each column of ragged rows, 16 for views as polars writes text, at most [`Limits::index_bytes`] in all. A sample costs one read
/// per field, of its bytes alone, where they lie. The first 64 files stay open, others are opened for
/// each read. Compressed record batches are refused.
///
/// ```no_run
/// use tallow_core::{ArrowShards, Source};
///
/// let source = ArrowShards::open("cifar10/train")?; // data-00000-of-00001.arrow, state.json, ..
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ArrowShards {
    schema: Schema,
    /// The element that each field has where a value is null, unless that is an error.
    nulls: Vec<Option<[u8; 8]>>,
    shards: Vec<Shard>,
    samples: Succession,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    columns: Vec<Column>,
    fields: Vec<Field>,
}

/// How [`ArrowShards`] are opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct ArrowShardsBuilder {
    paths: Vec<PathBuf>,
    fields: Vec<String>,
    nulls: Vec<(String, f64)>,
    limits: Limits,
}

impl ArrowShardsBuilder {
    /// Reads only these columns, in this order. By default all are read whose values are numbers, text,
    /// bytes, lists of these, or pictures.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Fills a null of the column `name` with `value`. A list or text that is null is then empty, and a
    /// value of fixed shape that has a null in it is `value` throughout. By default a null is an error of
    /// its sample.
    ///
    /// ```no_run
    /// use tallow_core::ArrowShards;
    ///
    /// let source = ArrowShards::builder(["train.arrow"]).null_as("age", -1.0).open()?;
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn null_as(mut self, name: impl Into<String>, value: f64) -> Self {
        self.nulls.push((name.into(), value));
        self
    }

    /// How much a sample and the offsets of ragged columns may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::UnsupportedDtype`] for a column that
    /// no tensor can hold, and for compressed record batches; [`ErrorKind::Config`] for a column that
    /// is not there, and for a null that its column cannot hold; [`ErrorKind::ShapeMismatch`] for files of different columns; and
    /// [`ErrorKind::Empty`] for no file.
    pub fn open(self) -> Result<ArrowShards> {
        let held = held_max();
        let mut shards: Vec<Shard> = Vec::new();
        let mut samples = Succession::default();
        let mut fields: Vec<Field> = Vec::new();
        let mut memory = 0;
        for (at, path) in self.paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let shard = self.shard(path, at, held)?;
            fields = match shards.first() {
                Some(_) => common(&fields, &shard.fields).map_err(place)?,
                None => shard.fields.clone(),
            };
            memory += shard.columns.iter().map(Column::held_bytes).sum::<usize>();
            check_memory(memory, &self.limits).map_err(place)?;
            samples.push(shard.rows(), "samples").map_err(place)?;
            shards.push(shard);
        }
        if shards.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "no .arrow file"));
        }
        fields.iter().try_for_each(|field| self.limits.check_samples(field, samples.len()))?;
        let nulls = null_elements(&self.nulls, &fields)?;
        Ok(ArrowShards { schema: Schema::new(fields)?, nulls, shards, samples })
    }

    /// File number `at` of those of which `held` stay open.
    fn shard(&self, path: &Path, at: usize, held: usize) -> Result<Shard> {
        let (file, (columns, fields)) = SampleFile::open(path, at, held, |file, bytes| {
            let source = Bytes(Section::of_file(file, bytes));
            if bytes == 0 {
                return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
            }
            let arrow = Arrow::open(&source).map_err(of_arrow)?;
            let chosen = chosen(&self.fields, arrow.schema())?;
            let columns = arrow.columns(&source, &chosen).map_err(of_arrow)?;
            let pairs = chosen.iter().zip(&columns);
            let fields = pairs.map(|(&(at, child), column)| {
                let own = &arrow.schema().fields()[at];
                let lengths = column.lengths().map_err(of_arrow)?;
                let told = (column.scalar(), lengths.as_slice());
                Ok(field_of(arrow.schema(), own, child.is_some(), told))
            });
            let fields = fields.collect::<Result<Vec<_>>>()?;
            let mut head = vec![0; arrow.head_bytes() as usize];
            source.read_at(0, &mut head).map_err(|e| Error::io("read the header", e))?;
            Ok(((columns, fields), head))
        })?;
        Ok(Shard { file, columns, fields })
    }
}

impl Shard {
    fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.rows() as usize)
    }
}

impl ArrowShards {
    /// Opens a file, a folder, or what a pattern stands for, with the default [`Limits`]. The files of a
    /// folder are those that its `state.json` lists, or else all of its `.arrow` files in the order of
    /// the bytes of their names.
    ///
    /// # Errors
    ///
    /// As [`ArrowShardsBuilder::open`]; for a folder of several splits, which are then named; and for
    /// one that is a selection by indices.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        let place = place.as_ref();
        let files = match place.is_dir() {
            true => files_of(place)?,
            false => Shards::of(place, &FORMAT)?.files()?,
        };
        Self::builder(files).open()
    }

    /// To open these files otherwise; their samples follow one another in this order.
    pub fn builder<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> ArrowShardsBuilder {
        let paths = paths.into_iter().map(Into::into).collect();
        let (fields, nulls) = (Vec::new(), Vec::new());
        ArrowShardsBuilder { paths, fields, nulls, limits: Limits::default() }
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let (at, own) = self.samples.find(index);
        let shard = &self.shards[at];
        let read = shard.file.read(&row.stop_flag(), |file| {
            fields.clone().enumerate().try_for_each(|(to, at)| {
                let mut field = row.field(to);
                let name = field.declared().name();
                let nulls = self.nulls[at].as_ref();
                let read = read_value(file, &shard.columns[at], own, nulls, &mut field);
                read.map_err(|error| error.with_field(name))
            })
        });
        read.map_err(|error| error.with_path(shard.file.path()).with_index(index))
    }
}

/// Reads the value of row `own` into `field`, or the element that `nulls` are.
fn read_value(
    file: &File,
    column: &Column,
    own: usize,
    nulls: Option<&[u8; 8]>,
    field: &mut FieldMut<'_>,
) -> Result<()> {
    let Some(place) = column.place(own as u64) else {
        let element = nulls.ok_or_else(|| null(field.declared(), &format!("row {own}")))?;
        return write_null(element, field);
    };
    set_shape(place.elements, field)?;
    let (_, widening) = held(column.scalar());
    match (column.scalar(), widening) {
        (Scalar::Bool, _) => {
            let bytes = stored_bytes(column, &place);
            let stored = read_stored(file, place.offset, bytes, field.stop_flag())?;
            let bits = field.as_mut_slice::<u8>()?.iter_mut().zip(usize::from(place.bit)..);
            bits.for_each(|(to, bit)| *to = stored[bit / 8] >> (bit % 8) & 1);
            Ok(())
        }
        (_, Widening::None) => {
            field.read_at(file, place.offset).map_err(|error| error.with_offset(place.offset))
        }
        (_, widening) => {
            let bytes = stored_bytes(column, &place);
            let stored = read_stored(file, place.offset, bytes, field.stop_flag())?;
            widening.write(&stored, field)
        }
    }
}

/// The bytes of the file that a value touches.
fn stored_bytes(column: &Column, place: &Place) -> usize {
    (usize::from(place.bit) + place.elements * column.scalar().bits() as usize).div_ceil(8)
}

impl Source for ArrowShards {
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
        self.read_some(index, 0..self.schema.fields().len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let (at, own) = self.samples.find(index);
        Cow::Owned(self.shards[at].file.name_of(own))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let shard = &self.shards[self.samples.find(index).0];
        self.schema.holds(field).then(|| shard.file.location().clone())
    }

    /// Known of fields of which the first axis is ragged, as it is of all lists.
    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let [Dim::Ragged { .. }, inner @ ..] = self.schema.fields()[field].dims() else {
            return None;
        };
        let (at, own) = self.samples.find(index);
        let each: usize = inner.iter().map(|dim| dim.max()).product();
        // A null is a value without elements, where it is read at all.
        let elements =
            self.shards[at].columns[field].place(own as u64).map_or(0, |place| place.elements);
        Some(elements.checked_div(each).unwrap_or(0))
    }

    /// The schemas and lengths of all files represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("arrow").text(&self.schema.to_string());
        let start = self.nulls.iter().fold(start, |print, null| match null {
            None => print.number(0),
            Some(element) => print.number(1).bytes(element),
        });
        self.shards.iter().fold(start, |print, shard| shard.file.add_to(print)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (at, own) = self.samples.find(index);
        let Shard { file, columns, .. } = &self.shards[at];
        for column in columns {
            if let Some(place) = column.place(own as u64) {
                visit(&file.extent(place.offset, stored_bytes(column, &place)));
            }
        }
    }
}
