//! What sources of Arrow and of Parquet files have in common: one after the other, the rows of files whose
//! columns are fields.

use std::borrow::Cow;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::columns::{Bytes, Declared, check_memory, common, null_elements};
use super::open_options::OpenOptions;
use crate::files::{File, Limits, SampleFile, Section, held_max};
use crate::source::{no_part, read_part_of_all};
use crate::succession::Succession;
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Picture,
    Population, Result, Row, Schema, Source,
};

/// A format of files whose columns are fields.
pub trait ColumnFormat: Debug + Send + Sync + Sized {
    /// The extension of its files.
    const NAME: &'static str;

    /// What is known of a column of a file.
    type Column: Debug + Send + Sync;

    /// What all files of a source share.
    fn new(limits: &Limits) -> Self;

    /// Reads what must be known of a file that has bytes, of the columns that are declared or else all.
    fn open(file: &Bytes<'_>, declared: &Declared, limits: &Limits)
    -> Result<Opened<Self::Column>>;

    /// Bytes that are held to find the values of a column.
    fn held_bytes(column: &Self::Column) -> usize;

    /// Reads a value into `field`, or `null` where there is none.
    fn read(
        &self,
        file: &File,
        value: Value<'_, Self::Column>,
        null: Option<&[u8; 8]>,
        field: &mut FieldMut<'_>,
    ) -> Result<()>;

    /// Fills `into` with the bytes of a value from byte `first` on, if it has so many, and tells how many it
    /// has; `None` for a null and for what is stored in another form than it is delivered.
    fn read_part(
        &self,
        file: &File,
        value: Value<'_, Self::Column>,
        first: usize,
        into: &mut [u8],
        is_stopped: &dyn Fn() -> bool,
    ) -> Result<Option<usize>>;

    /// The elements of a value whose first axis is ragged, 0 for a null, if that is known.
    fn elements(column: &Self::Column, row: usize) -> Option<usize>;

    /// The bytes of the file that are read for a value: the first, and how many. A null may have none.
    fn place(column: &Self::Column, row: usize) -> Option<(u64, usize)>;
}

/// A file of columns that was opened.
#[derive(Debug)]
pub struct Opened<C> {
    pub(super) columns: Vec<C>,
    /// What each column is as a field.
    pub(super) fields: Vec<Field>,
    /// Name and type of those that are not read.
    pub(super) left_out: Vec<String>,
    pub(super) rows: usize,
    /// The lengths of runs of rows that lie together: of all rows.
    pub(super) groups: Vec<usize>,
    /// What the file begins with.
    pub(super) head: Vec<u8>,
    /// The fingerprint of what else its contents depend on.
    pub(super) print: Fingerprint,
}

/// A value of a column: that of a row of a file.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(feature = "parquet"),
    expect(
        dead_code,
        reason = "values of Arrow lie where their column says, those of Parquet in pages"
    )
)]
pub struct Value<'a, C> {
    /// Those of the file.
    pub(super) bytes: u64,
    pub(super) column: &'a C,
    /// The number of the file, and of the column among those that are read.
    pub(super) number: [usize; 2],
    pub(super) row: usize,
}

/// A source of files of columns: [`ArrowShards`](crate::ArrowShards) or
/// [`ParquetShards`](crate::ParquetShards).
pub trait OfColumns: Sized {
    /// The format of its files.
    type Format: ColumnFormat;

    /// The source of these files.
    fn of(shards: ColumnShards<Self::Format>) -> Self;
}

/// How a source of files of columns is opened: `S` is [`ArrowShards`](crate::ArrowShards) or
/// [`ParquetShards`](crate::ParquetShards).
#[derive(Debug, Clone)]
#[must_use]
pub struct ColumnShardsBuilder<S> {
    paths: Vec<PathBuf>,
    declared: Declared,
    nulls: Vec<(String, f64)>,
    limits: Limits,
    source: PhantomData<fn() -> S>,
}

impl<S: OfColumns> ColumnShardsBuilder<S> {
    pub(super) fn new<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let paths = paths.into_iter().map(Into::into).collect();
        let (declared, nulls) = (Declared::default(), Vec::new());
        Self { paths, declared, nulls, limits: Limits::default(), source: PhantomData }
    }

    /// Reads only these columns, in this order. By default all are read whose values are numbers, text,
    /// bytes, lists of these, or pictures.
    pub fn fields<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.declared.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// What the pictures of the column `name` become: files of JPEG, PNG or WebP in a column of bytes, or in
    /// the part `bytes` of a struct. By default only columns that Hugging Face `datasets` wrote as pictures,
    /// or that are structs of `bytes` and `path` like these, are pictures, and become
    /// `Picture::rgb().upright()`; bytes are bytes.
    ///
    /// ```no_run
    /// use tallow_core::{ArrowShards, Picture};
    ///
    /// let source = ArrowShards::builder(["train.arrow"]).picture("jpeg", Picture::rgb()).open()?;
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn picture(mut self, name: impl Into<String>, picture: Picture) -> Self {
        self.declared.pictures.push((name.into(), picture));
        self
    }

    /// What the options of a place say.
    pub(super) fn options(mut self, options: &OpenOptions) -> Self {
        self.declared = options.columns();
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

    /// How much a sample and what finds values may take, and decoded pages of Parquet files.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::UnsupportedDtype`] for a column that
    /// no tensor can hold, for compressed record batches of Arrow, and for encrypted Parquet files and codecs
    /// of theirs that are not read; [`ErrorKind::Config`] for a column that is not there, for a null that
    /// its column cannot hold, and for pictures in a column of other values than bytes; [`ErrorKind::ShapeMismatch`] for files of different columns; and
    /// [`ErrorKind::Empty`] for no file.
    pub fn open(self) -> Result<S> {
        self.shards().map(S::of)
    }

    fn shards(&self) -> Result<ColumnShards<S::Format>> {
        let held = held_max();
        let (mut samples, mut groups) = (Succession::default(), Succession::default());
        let (mut shards, mut fields, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let mut memory = 0;
        for (at, path) in self.paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let (file, opened) = self.shard(path, at, held)?;
            fields = match at {
                0 => opened.fields,
                _ => common(&fields, &opened.fields).map_err(place)?,
            };
            if at == 0 {
                left_out = opened.left_out;
            }
            memory += opened.columns.iter().map(S::Format::held_bytes).sum::<usize>();
            check_memory(memory, &self.limits).map_err(place)?;
            samples.push(opened.rows, "samples").map_err(place)?;
            let pushed = opened.groups.iter().try_for_each(|&rows| groups.push(rows, "samples"));
            pushed.map_err(place)?;
            shards.push(Shard { file, columns: opened.columns, print: opened.print });
        }
        if shards.is_empty() {
            let message = format!("no .{} file", S::Format::NAME);
            return Err(Error::new(ErrorKind::Empty, message));
        }
        fields.iter().try_for_each(|field| self.limits.check_samples(field, samples.len()))?;
        let nulls = null_elements(&self.nulls, &fields)?;
        let (schema, format) = (Schema::new(fields)?, S::Format::new(&self.limits));
        Ok(ColumnShards { schema, left_out, nulls, shards, samples, groups, format })
    }

    /// File number `at` of those of which `held` stay open.
    fn shard(
        &self,
        path: &Path,
        at: usize,
        held: usize,
    ) -> Result<(SampleFile, Opened<<S::Format as ColumnFormat>::Column>)> {
        SampleFile::open(path, at, held, |file, bytes| {
            if bytes == 0 {
                return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
            }
            let source = Bytes(Section::of_file(file, bytes));
            let mut opened = S::Format::open(&source, &self.declared, &self.limits)?;
            let head = std::mem::take(&mut opened.head);
            Ok((opened, head))
        })
    }
}

/// Rows of files of columns, which are samples.
#[derive(Debug)]
pub struct ColumnShards<F: ColumnFormat> {
    schema: Schema,
    /// Name and type of the columns of the first file that are not read.
    pub(super) left_out: Vec<String>,
    /// The element that each field has where a value is null, unless that is an error.
    nulls: Vec<Option<[u8; 8]>>,
    shards: Vec<Shard<F::Column>>,
    samples: Succession,
    groups: Succession,
    format: F,
}

#[derive(Debug)]
struct Shard<C> {
    file: SampleFile,
    columns: Vec<C>,
    print: Fingerprint,
}

impl<F: ColumnFormat> ColumnShards<F> {
    /// The file of sample `index`, and its row there.
    fn find(&self, index: usize) -> (&Shard<F::Column>, usize) {
        let (at, row) = self.samples.find(index);
        (&self.shards[at], row)
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
        let read = shard.file.read(row.unchecked(), &row.stop_flag(), |file: &File| {
            fields.clone().enumerate().try_for_each(|(to, number)| {
                let mut field = row.field(to);
                let name = field.declared().name();
                let column = &shard.columns[number];
                let bytes = shard.file.bytes();
                let value = Value { bytes, column, number: [at, number], row: own };
                let read = self.format.read(file, value, self.nulls[number].as_ref(), &mut field);
                read.map_err(|error| error.with_field(name))
            })
        });
        read.map_err(|error| error.with_path(shard.file.path()).with_index(index))
    }
}

impl<F: ColumnFormat> Source for ColumnShards<F> {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    fn population(&self) -> Population {
        Population::of(self.len()).in_groups(self.groups.clone())
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..self.schema.fields().len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn read_part(
        &self,
        index: usize,
        field: usize,
        start: usize,
        into: &mut [u8],
        stop: Option<&AtomicBool>,
    ) -> Result<()> {
        let (at, row) = self.samples.find(index);
        let (shard, declared) = (&self.shards[at], &self.schema.fields()[field]);
        let first = start.saturating_mul(declared.dtype().size());
        let is_stopped = || stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
        let (mut found, len) = (None, into.len());
        let read = shard.file.read(None, &is_stopped, |file: &File| {
            let (bytes, column) = (shard.file.bytes(), &shard.columns[field]);
            let value = Value { bytes, column, number: [at, field], row };
            found = self.format.read_part(file, value, first, into, &is_stopped)?;
            match found {
                Some(has) if first.saturating_add(len) > has => {
                    Err(no_part(declared, has, first, len))
                }
                _ => Ok(()),
            }
        });
        let located = |error: Error| error.with_field(declared.name()).with_path(shard.file.path());
        read.map_err(|error| located(error).with_index(index))?;
        match found {
            Some(_) => Ok(()),
            None => read_part_of_all(self, index, field, start, into, stop),
        }
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let (shard, own) = self.find(index);
        Cow::Owned(shard.file.name_of(own))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let (shard, _) = self.find(index);
        self.schema.holds(field).then(|| shard.file.location().clone())
    }

    fn length(&self, index: usize, field: usize) -> Option<usize> {
        let [Dim::Ragged { .. }, inner @ ..] = self.schema.fields()[field].dims() else {
            return None;
        };
        let (shard, own) = self.find(index);
        let each: usize = inner.iter().map(|dim| dim.max()).product();
        let elements = F::elements(&shard.columns[field], own)?;
        Some(elements.checked_div(each).unwrap_or(0))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of(F::NAME).text(&self.schema.to_string());
        let start = self.nulls.iter().fold(start, |print, null| match null {
            None => print.number(0),
            Some(element) => print.number(1).bytes(element),
        });
        let shards = self.shards.iter();
        shards.fold(start, |print, shard| shard.file.add_to(print).with(shard.print)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (shard, own) = self.find(index);
        for (offset, bytes) in shard.columns.iter().filter_map(|column| F::place(column, own)) {
            visit(&shard.file.extent(offset, bytes));
        }
    }
}
