use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use tallow_arrow::{ReadAt, Scalar};
use tallow_parquet::{Column, Parquet, Values};

use super::columns::{
    Bytes, check_memory, chosen, common, field_of, held, null, null_elements, of_arrow, set_shape,
    write_null,
};
use super::format::{Folder, Format};
use super::page_cache::PageCache;
use super::shards::Shards;
use super::splits::{Beside, check_one_split};
use crate::files::{Limits, SampleFile, Section, held_max};
use crate::succession::Succession;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Result, Row,
    Schema, Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["parquet"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Box<dyn Source>> {
    let files = files_of(shards)?;
    Ok(Box::new(ParquetShards::builder(files).fields(shards.fields()).limits(limits).open()?))
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
/// must be equally long; pictures are fields of pictures, and a `ClassLabel` has the names of its classes.
/// Columns of other types are passed over unless they are [chosen](ParquetShardsBuilder::fields). A null is
/// an error of its sample, unless [`null_as`](ParquetShardsBuilder::null_as) says what it is.
///
/// A sample is read from the page that has it, which is decoded wholly. Decoded pages are kept for the
/// next samples, at most [`Limits::decoded_bytes`] in all. Where rows are lists and neither a page index nor
/// pages of version 2 say which rows a page has, all pages of the row group are decoded together. So samples
/// in a random order cost a page each, unless all pages that are needed fit; small pages are fast.
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
pub struct ParquetShards {
    schema: Schema,
    /// The element that each field has where a value is null, unless that is an error.
    nulls: Vec<Option<[u8; 8]>>,
    shards: Vec<Shard>,
    samples: Succession,
    pages: PageCache<Values>,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    /// What stands for its metadata, which tell of all its pages.
    footer: Fingerprint,
    columns: Vec<Column>,
    fields: Vec<Field>,
    rows: usize,
}

/// How [`ParquetShards`] are opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct ParquetShardsBuilder {
    paths: Vec<PathBuf>,
    fields: Vec<String>,
    nulls: Vec<(String, f64)>,
    limits: Limits,
}

impl ParquetShardsBuilder {
    /// Reads only these columns, in this order. By default all are read whose values are numbers, text,
    /// bytes, lists of these, or pictures.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Fills a null of the column `name` with `value`. A list or text that is null is then empty, and a
    /// value of fixed shape that has a null in it is `value` throughout. By default a null is an error of
    /// its sample.
    pub fn null_as(mut self, name: impl Into<String>, value: f64) -> Self {
        self.nulls.push((name.into(), value));
        self
    }

    /// How much a sample, pages and what finds them may take.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::UnsupportedDtype`] for a column that
    /// no tensor can hold, for codecs that are not read, and for encrypted files; [`ErrorKind::Config`] for a
    /// column that is not there, and for a null that its column cannot hold; [`ErrorKind::ShapeMismatch`] for
    /// files of different columns; and [`ErrorKind::Empty`] for no file.
    pub fn open(self) -> Result<ParquetShards> {
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
            samples.push(shard.rows, "samples").map_err(place)?;
            shards.push(shard);
        }
        if shards.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "no .parquet file"));
        }
        fields.iter().try_for_each(|field| self.limits.check_samples(field, samples.len()))?;
        let nulls = null_elements(&self.nulls, &fields)?;
        let pages = PageCache::new(self.limits.decoded_bytes);
        Ok(ParquetShards { schema: Schema::new(fields)?, nulls, shards, samples, pages })
    }

    /// File number `at` of those of which `held` stay open.
    fn shard(&self, path: &Path, at: usize, held: usize) -> Result<Shard> {
        /// What stands for the beginning of a file.
        const HEAD_BYTES: u64 = 4 << 10;
        let (file, (columns, fields, footer)) = SampleFile::open(path, at, held, |file, bytes| {
            let source = Bytes(Section::of_file(file, bytes));
            if bytes == 0 {
                return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
            }
            let parquet = Parquet::open(&source, self.limits.inflated_bytes).map_err(of_arrow)?;
            let schema = parquet.schema();
            let chosen = chosen(&self.fields, schema)?;
            let columns = chosen.iter().map(|&(at, child)| {
                parquet.column(&source, at, child, child.is_some()).map_err(of_arrow)
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let pairs = chosen.iter().zip(&columns);
            let fields = pairs.map(|(&(at, child), column)| {
                let lengths = column.lengths();
                let told = (column.scalar(), lengths.as_slice());
                field_of(schema, &schema.fields()[at], child.is_some(), told)
            });
            let fields = fields.collect();
            let footer = Fingerprint::of("footer").bytes(parquet.footer()).finish();
            let mut head = vec![0; bytes.min(HEAD_BYTES) as usize];
            source.read_at(0, &mut head).map_err(|e| Error::io("read the beginning", e))?;
            Ok(((columns, fields, footer), head))
        })?;
        let rows = columns.first().map_or(0, |column| column.rows() as usize);
        Ok(Shard { file, footer, columns, fields, rows })
    }
}

impl ParquetShards {
    /// Opens a file, a folder, or what a pattern stands for, with the default [`Limits`]. The files of a
    /// folder are all of its `.parquet` files, in the order of the bytes of their names.
    ///
    /// # Errors
    ///
    /// As [`ParquetShardsBuilder::open`]; and for a folder of several splits, which are then named.
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(files_of(&Shards::of(place.as_ref(), &FORMAT)?)?).open()
    }

    /// To open these files otherwise; their samples follow one another in this order.
    pub fn builder<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> ParquetShardsBuilder {
        let paths = paths.into_iter().map(Into::into).collect();
        let (fields, nulls) = (Vec::new(), Vec::new());
        ParquetShardsBuilder { paths, fields, nulls, limits: Limits::default() }
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
            fields.clone().enumerate().try_for_each(|(to, column)| {
                let mut field = row.field(to);
                let name = field.declared().name();
                let read = self.read_value(file, [at, column], own, &mut field);
                read.map_err(|error| error.with_field(name))
            })
        });
        read.map_err(|error| error.with_path(shard.file.path()).with_index(index))
    }

    /// Reads the value of row `own` of a file and a column of it into `field`.
    fn read_value(
        &self,
        file: &File,
        [at, number]: [usize; 2],
        own: usize,
        field: &mut FieldMut<'_>,
    ) -> Result<()> {
        let shard = &self.shards[at];
        let column = &shard.columns[number];
        let (unit, row) = column.find(own as u64);
        let values = self.pages.get([at, number, unit], || {
            let source = Bytes(Section::of_file(file, shard.file.bytes()));
            let values = column.decode(&source, unit).map_err(of_arrow)?;
            let bytes = values.held_bytes();
            Ok((values, bytes))
        })?;
        let Some(value) = values.get(row) else {
            let place = || format!("row {own}, in row group {},", column.row_group(unit));
            let element = self.nulls[number].as_ref();
            return write_null(element.ok_or_else(|| null(field.declared(), &place()))?, field);
        };
        let width = (column.scalar().bits() / 8).max(1) as usize;
        set_shape(value.len() / width, field)?;
        match column.scalar() {
            Scalar::Bool => field.copy_from_bytes(value),
            scalar => held(scalar).1.write(value, field),
        }
    }
}

impl Source for ParquetShards {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.samples.len()
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

    /// Known of fields of which the first axis is ragged, but for pictures.
    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let [Dim::Ragged { .. }, inner @ ..] = self.schema.fields()[field].dims() else {
            return None;
        };
        let (at, own) = self.samples.find(index);
        let each: usize = inner.iter().map(|dim| dim.max()).product();
        let elements = self.shards[at].columns[field].elements(own as u64)?;
        Some(elements.checked_div(each).unwrap_or(0))
    }

    /// The metadata and lengths of all files represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("parquet").text(&self.schema.to_string());
        let start = self.nulls.iter().fold(start, |print, null| match null {
            None => print.number(0),
            Some(element) => print.number(1).bytes(element),
        });
        let shards = self.shards.iter();
        shards.fold(start, |print, shard| shard.file.add_to(print).with(shard.footer)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (at, own) = self.samples.find(index);
        let Shard { file, columns, .. } = &self.shards[at];
        for column in columns {
            let (offset, bytes) = column.place(column.find(own as u64).0);
            visit(&file.extent(offset, bytes));
        }
    }
}
