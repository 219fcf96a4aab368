use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow_arrow::{ReadAt, Scalar};
use tallow_parquet::{Column, Parquet, Places, Values};

use super::column_shards::{
    ColumnFormat, ColumnShards, ColumnShardsBuilder, OfColumns, Opened, Value,
};
use super::columns::{Bytes, Declared, chosen, field_of, held, of_arrow, read_null, set_shape};
use super::folders::Survey;
use super::format::{Folder, Format};
use super::page_cache::PageCache;
use super::shards::Shards;
use super::splits::{Beside, check_one_split};
use crate::codecs::Widening;
use crate::files::{File, Limits, Section};
use crate::source::forward_source;
use crate::{Error, FieldMut, Fingerprint, Result, Source};

pub(super) static FORMAT: Format = Format {
    extensions: &["parquet"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)", ".picture(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let files = files_of(shards)?;
    let source = ParquetShards::builder(files).options(shards.options()).limits(limits).open()?;
    let left_out = source.left_out().to_vec();
    Ok(Survey { left_out, ..Survey::of(Box::new(source), 0) })
}

/// The files, which are those of one split if they are all of a folder.
fn files_of(shards: &Shards) -> Result<Vec<PathBuf>> {
    let files = shards.files()?;
    if let Some(folder) = shards.folder() {
        check_one_split(&files, Beside::Nothing).map_err(|error| error.with_path(folder))?;
    }
    Ok(files)
}

/// Parquet files, whose rows are samples and whose columns are fields: those of the Hugging Face hub, of
/// `Dataset.to_parquet`, and of `pyarrow`, polars and Spark. Their samples follow one another.
///
/// Columns become fields as they do of [`ArrowShards`](crate::ArrowShards): numbers and fixed lists of them
/// are of fixed shape, and so are `Array2D` to `Array5D`; lists, text and bytes are ragged; lists in lists
/// must be equally long; pictures, those of Hugging Face and those that [`picture`](ColumnShardsBuilder::picture)
/// names, are fields of pictures, and a `ClassLabel` has the names of its classes.
/// Columns of other types are [left out](Self::left_out) unless they are [chosen](ColumnShardsBuilder::fields). A null is
/// an error of its sample, unless [`null_as`](ColumnShardsBuilder::null_as) says what it is.
///
/// A sample is read from the page that has it, which is decoded wholly. Decoded pages are kept for the
/// next samples, at most [`Limits::decoded_bytes`] in all. Where rows are lists and neither a page index nor
/// pages of version 2 say which rows a page has, all pages of the row group are decoded together. So samples
/// in a random order cost a page each, unless all pages that are needed fit; small pages are fast. Of long
/// byte strings, as pictures are, it is known after that where they lie in pages that are compressed with
/// Snappy or not at all: one whose page was given up is then read alone. Row groups are groups of samples:
/// [`Shuffle::blocks`](crate::Shuffle::blocks) has the pages of a few row groups in use at a time, and decodes each
/// once if these fit.
///
/// Opening reads the headers of all pages. Where values differ in length, and are no pictures, it
/// decodes them for their lengths, of which 4 bytes a row are held; the largest picture is only known to be
/// no larger than the largest page. What is held to find values is at most [`Limits::index_bytes`], and pages
/// that are decoded together at most [`Limits::inflated_bytes`]. Pages may be compressed with Snappy, gzip,
/// Zstandard or LZ4. Encrypted files are refused.
///
/// ```no_run
/// use tallow_core::{ParquetShards, Source};
///
/// let source = ParquetShards::open("cifar10/plain_text/train-*.parquet")?;
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ParquetShards(ColumnShards<ParquetFiles>);

impl ParquetShards {
    /// Opens a file, a folder, or what a pattern stands for, with the default [`Limits`]. The files of a
    /// folder are all of its `.parquet` files, in the order of the bytes of their names.
    ///
    /// # Errors
    ///
    /// As [`ColumnShardsBuilder::open`]; and for a folder of several splits, which are then named.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(files_of(&Shards::of(place.as_ref(), &FORMAT)?)?).open()
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

impl OfColumns for ParquetShards {
    type Format = ParquetFiles;

    fn of(shards: ColumnShards<ParquetFiles>) -> Self {
        Self(shards)
    }
}

/// Row groups are groups: no page is of two. The metadata and lengths of all files represent their
/// contents.
impl Source for ParquetShards {
    forward_source!(self => self.0);
}

/// Files of Parquet, whose decoded pages samples share.
#[derive(Debug)]
pub struct ParquetFiles {
    pages: PageCache<Values>,
    /// Where long byte strings lie that are in pages which were decoded once.
    places: PageCache<Places>,
}

/// How a value is found.
enum Way {
    /// In its page, or what was decoded with that.
    Page(Arc<Values>),
    /// Alone.
    Alone(Arc<Places>),
}

impl ParquetFiles {
    /// The way to a value of a unit.
    fn way(&self, file: &File, value: &Value<'_, Column>, unit: usize) -> Result<Way> {
        let Value { column, number: [at, number], .. } = *value;
        let key = [at, number, unit];
        if column.is_of_strings() {
            if let Some(page) = self.pages.held(key) {
                return Ok(Way::Page(page));
            }
            // Of pictures of 70 KB this takes less than their share of decoding the page, even if all follow.
            if let Some(places) = self.places.held(key) {
                return Ok(Way::Alone(places));
            }
        }
        self.page(file, value, unit).map(Way::Page)
    }

    /// The page of a value, or what is decoded with it.
    fn page(&self, file: &File, value: &Value<'_, Column>, unit: usize) -> Result<Arc<Values>> {
        let Value { bytes, column, number: [at, number], .. } = *value;
        let key = [at, number, unit];
        self.pages.get(key, || {
            let source = Bytes(Section::of_file(file, bytes));
            let (values, places) = column.decode(&source, unit).map_err(of_arrow)?;
            if let Some(places) = places {
                let bytes = places.held_bytes();
                self.places.get(key, || Ok((places, bytes)))?;
            }
            let bytes = values.held_bytes();
            Ok((values, bytes))
        })
    }
}

impl ColumnFormat for ParquetFiles {
    const NAME: &'static str = "parquet";

    type Column = Column;

    fn new(limits: &Limits) -> Self {
        /// Places take a thousandth of the pages that they are of, so that this is enough for some hundred times
        /// as much as is held decoded.
        const PLACES_SHARE: usize = 8;
        let places = limits.decoded_bytes / PLACES_SHARE;
        let pages = PageCache::new(limits.decoded_bytes - places);
        Self { pages, places: PageCache::new(places) }
    }

    fn open(file: &Bytes<'_>, declared: &Declared, limits: &Limits) -> Result<Opened<Column>> {
        /// So much of the beginning of a file is in its fingerprint.
        const HEAD_BYTES: u64 = 4 << 10;
        let parquet = Parquet::open(file, limits.inflated_bytes).map_err(of_arrow)?;
        let schema = parquet.schema();
        let chosen = chosen(declared, schema)?;
        let columns = chosen.columns.iter().zip(&chosen.pictures).map(|(&(at, child), picture)| {
            parquet.column(file, at, child, picture.is_some()).map_err(of_arrow)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let pairs = chosen.columns.iter().zip(&columns).zip(chosen.pictures);
        let fields = pairs.map(|((&(at, _), column), picture)| {
            let lengths = column.lengths();
            let told = (column.scalar(), lengths.as_slice());
            field_of(schema, &schema.fields()[at], picture, told)
        });
        let fields = fields.collect();
        let rows = columns.first().map_or(0, |column| column.rows() as usize);
        let groups = parquet.row_groups().map(|rows| rows as usize).collect();
        let mut head = vec![0; file.bytes().min(HEAD_BYTES) as usize];
        file.read_at(0, &mut head).map_err(|e| Error::io("read the beginning", e))?;
        // The metadata tell of all pages.
        let print = Fingerprint::of("footer").bytes(parquet.footer()).finish();
        Ok(Opened { columns, fields, left_out: chosen.left_out, rows, groups, head, print })
    }

    fn held_bytes(column: &Column) -> usize {
        column.held_bytes()
    }

    fn read(
        &self,
        file: &File,
        value: Value<'_, Column>,
        null: Option<&[u8; 8]>,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        let Value { column, row: own, .. } = value;
        let (unit, row) = column.find(own as u64);
        let null = |field: &mut FieldMut<'_>| {
            let place = || format!("row {own}, in row group {},", column.row_group(unit));
            read_null(null, place, field)
        };
        let values = match self.way(file, &value, unit)? {
            Way::Page(values) => values,
            Way::Alone(places) => {
                let Some(bytes) = places.bytes(row) else { return null(field) };
                set_shape(bytes, field)?;
                let source = Bytes(Section::of_file(file, value.bytes));
                let (at, into) = ((unit, &*places), field.as_mut_bytes()?);
                return column.read_alone(&source, at, (row, 0), into).map_err(of_arrow);
            }
        };
        let Some(value) = values.get(row) else { return null(field) };
        let width = (column.scalar().bits() / 8).max(1) as usize;
        set_shape(value.len() / width, field)?;
        match column.scalar() {
            Scalar::Bool => field.copy_from_bytes(value),
            scalar => held(scalar).1.write(value, field),
        }
    }

    fn read_part(
        &self,
        file: &File,
        value: Value<'_, Column>,
        first: usize,
        into: &mut [u8],
        _: &dyn Fn() -> bool,
    ) -> Result<Option<usize>> {
        if held(value.column.scalar()).1 != Widening::None {
            return Ok(None);
        }
        let (unit, row) = value.column.find(value.row as u64);
        let page = match self.way(file, &value, unit)? {
            Way::Page(page) => page,
            Way::Alone(places) => {
                let Some(bytes) = places.bytes(row) else { return Ok(None) };
                if first.checked_add(into.len()).is_some_and(|end| end <= bytes) {
                    let source = Bytes(Section::of_file(file, value.bytes));
                    let at = (unit, &*places);
                    value.column.read_alone(&source, at, (row, first), into).map_err(of_arrow)?;
                }
                return Ok(Some(bytes));
            }
        };
        let Some(whole) = page.get(row) else { return Ok(None) };
        let part = first.checked_add(into.len()).and_then(|end| whole.get(first..end));
        if let Some(part) = part {
            into.copy_from_slice(part);
        }
        Ok(Some(whole.len()))
    }

    /// Those of pictures are not known.
    fn elements(column: &Column, row: usize) -> Option<usize> {
        column.elements(row as u64)
    }

    fn place(column: &Column, row: usize) -> Option<(u64, usize)> {
        Some(column.place(column.find(row as u64).0))
    }
}
