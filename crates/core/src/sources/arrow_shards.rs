use std::path::{Path, PathBuf};

use tallow_arrow::{Arrow, Column, Place, ReadAt, Scalar};

use super::column_shards::{
    ColumnFormat, ColumnShards, ColumnShardsBuilder, OfColumns, Opened, Value,
};
use super::columns::{Bytes, Declared, chosen, field_of, held, of_arrow, read_null, set_shape};
use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use super::splits::{Beside, check_one_split};
use crate::codecs::Widening;
use crate::files::{File, Limits, Stamp, is_file, is_folder, open_path, read_into, read_stored};
use crate::source::forward_source;
use crate::{Error, ErrorKind, FieldMut, Fingerprint, Result, Source};

pub(super) static FORMAT: Format = Format {
    extensions: &["arrow"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)", ".picture(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let files = match shards.folder() {
        Some(folder) => files_of(folder)?,
        None => shards.files()?,
    };
    let source = ArrowShards::builder(files).options(shards.options()).limits(limits).open()?;
    let left_out = source.left_out().to_vec();
    Ok(Survey { left_out, ..Survey::of(Box::new(source), 0) })
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
        let is_described = is_file(&folder.join("dataset_info.json"));
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
    if !is_file(path) {
        return Ok(None);
    }
    let read = || {
        let file = open_path(path)?;
        let bytes = Stamp::of_regular(&file)?.bytes;
        if bytes > BYTES_MAX {
            let message = format!("{bytes} bytes, at most {BYTES_MAX}");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let text = read_stored(&file, 0, bytes as usize, || false)?;
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
/// text and bytes are ragged, up to the longest there is; lists in lists must be equally long. Pictures of
/// Hugging Face, and those that [`picture`](ColumnShardsBuilder::picture) names, are fields of pictures, decoded
/// upright in three colours; a `ClassLabel` has the names of its classes. Booleans are held as `u8`, `int8` as `i16`,
/// `uint64` as `i64` where the values fit. Columns of other types, such as structs and timestamps, are
/// [left out](Self::left_out) unless they are [chosen](ColumnShardsBuilder::fields), which is an error. A null is an
/// error of its sample, unless [`null_as`](ColumnShardsBuilder::null_as) says what it is.
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
pub struct ArrowShards(ColumnShards<ArrowFiles>);

impl ArrowShards {
    /// Opens a file, a folder, or what a pattern stands for, with the default [`Limits`]. The files of a
    /// folder are those that its `state.json` lists, or else all of its `.arrow` files in the order of
    /// the bytes of their names.
    ///
    /// # Errors
    ///
    /// As [`ColumnShardsBuilder::open`]; for a folder of several splits, which are then named; and for
    /// one that is a selection by indices.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        let place = place.as_ref();
        let files = match is_folder(place).unwrap_or(false) {
            true => files_of(place)?,
            false => Shards::of(place, &FORMAT)?.files()?,
        };
        Self::builder(files).open()
    }

    /// To open these files otherwise; their samples follow one another in this order.
    pub fn builder<P: Into<PathBuf>>(
        paths: impl IntoIterator<Item = P>,
    ) -> ColumnShardsBuilder<Self> {
        ColumnShardsBuilder::new(paths)
    }

    /// The columns that are not read, since no field holds their values, each as `name (type)`.
    pub fn left_out(&self) -> &[String] {
        &self.0.left_out
    }
}

impl OfColumns for ArrowShards {
    type Format = ArrowFiles;

    fn of(shards: ColumnShards<ArrowFiles>) -> Self {
        Self(shards)
    }
}

/// The files are groups. The schemas and lengths of all files represent their contents.
impl Source for ArrowShards {
    forward_source!(self => self.0);
}

/// Files of Arrow, of which samples share nothing.
#[derive(Debug)]
pub struct ArrowFiles;

impl ColumnFormat for ArrowFiles {
    const NAME: &'static str = "arrow";

    type Column = Column;

    fn new(_: &Limits) -> Self {
        Self
    }

    fn open(file: &Bytes<'_>, declared: &Declared, _: &Limits) -> Result<Opened<Column>> {
        let arrow = Arrow::open(file).map_err(of_arrow)?;
        let chosen = chosen(declared, arrow.schema())?;
        let columns = arrow.columns(file, &chosen.columns).map_err(of_arrow)?;
        let pairs = chosen.columns.iter().zip(&columns).zip(chosen.pictures);
        let fields = pairs.map(|((&(at, _), column), picture)| {
            let own = &arrow.schema().fields()[at];
            let lengths = column.lengths().map_err(of_arrow)?;
            let told = (column.scalar(), lengths.as_slice());
            Ok(field_of(arrow.schema(), own, picture, told))
        });
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let rows = columns.first().map_or(0, |column| column.rows() as usize);
        let mut head = vec![0; arrow.head_bytes() as usize];
        file.read_at(0, &mut head).map_err(|e| Error::io("read the header", e))?;
        let (groups, print) = (vec![rows], Fingerprint::of("head").finish());
        Ok(Opened { columns, fields, left_out: chosen.left_out, rows, groups, head, print })
    }

    fn held_bytes(column: &Column) -> usize {
        column.held_bytes()
    }

    fn read(
        &self,
        file: &File,
        Value { column, row, .. }: Value<'_, Column>,
        null: Option<&[u8; 8]>,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        let Some(place) = column.place(row as u64) else {
            return read_null(null, || format!("row {row}"), field);
        };
        read_place(file, column, &place, field)
    }

    fn read_part(
        &self,
        file: &File,
        Value { column, row, .. }: Value<'_, Column>,
        first: usize,
        into: &mut [u8],
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Option<usize>> {
        if column.scalar() == Scalar::Bool || held(column.scalar()).1 != Widening::None {
            return Ok(None);
        }
        let Some(place) = column.place(row as u64) else { return Ok(None) };
        let has = stored_bytes(column, &place);
        if first.saturating_add(into.len()) <= has {
            read_into(file, place.offset + first as u64, into, is_stopped)?;
        }
        Ok(Some(has))
    }

    /// A null is a value without elements, where it is read at all.
    fn elements(column: &Column, row: usize) -> Option<usize> {
        Some(column.place(row as u64).map_or(0, |place| place.elements))
    }

    fn place(column: &Column, row: usize) -> Option<(u64, usize)> {
        column.place(row as u64).map(|place| (place.offset, stored_bytes(column, &place)))
    }
}

/// Reads the value at `place` into `field`.
fn read_place(file: &File, column: &Column, place: &Place, field: &mut FieldMut<'_>) -> Result<()> {
    set_shape(place.elements, field)?;
    let (_, widening) = held(column.scalar());
    match (column.scalar(), widening) {
        (Scalar::Bool, _) => {
            let bytes = stored_bytes(column, place);
            let stored = read_stored(file, place.offset, bytes, field.stop_flag())?;
            let bits = field.as_mut_slice::<u8>()?.iter_mut().zip(usize::from(place.bit)..);
            bits.for_each(|(to, bit)| *to = stored[bit / 8] >> (bit % 8) & 1);
            Ok(())
        }
        (_, Widening::None) => {
            field.read_from(file, place.offset).map_err(|error| error.with_offset(place.offset))
        }
        (_, widening) => {
            let bytes = stored_bytes(column, place);
            let stored = read_stored(file, place.offset, bytes, field.stop_flag())?;
            widening.write(&stored, field)
        }
    }
}

/// The bytes of the file that a value touches.
fn stored_bytes(column: &Column, place: &Place) -> usize {
    (usize::from(place.bit) + place.elements * column.scalar().bits() as usize).div_ceil(8)
}
