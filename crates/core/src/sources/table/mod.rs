//! Tables of labels and other values, a row for each sample.

mod cells;
mod column;
mod join;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use self::cells::Cells;
use self::column::Column;
use super::folders::Survey;
use super::pairing::summarize;
use crate::error::{list_names, quoted};
use crate::files::{File, Limits, Stamp, foreign, open_path, read_stored};
use crate::{
    Error, ErrorKind, FieldId, Fingerprint, FingerprintBuilder, Location, Result, Row, Schema,
    Source, SourceExt as _, Subset, Zip,
};

/// A table whose columns are fields and whose rows belong to samples: labels in a `.csv` or `.tsv` file
/// with a header, or the `metadata.jsonl` or `metadata.csv` of a folder of pictures.
///
/// [`with_table`](crate::SourceExt::with_table) gives each sample of a source the row that names its
/// file. On its own a table is a source of its rows.
///
/// | values of a column | field |
/// |---|---|
/// | integers | `i64[]` |
/// | other numbers | `f32[]`, rounded |
/// | `true` and `false` | `u8[]` |
/// | lists of numbers, of one length or of several | `f32[n]` or `f32[..=n]`, or `i64`; lists of lists of one length likewise |
/// | text | `u8[..=n]`, its UTF-8; of [`classes`](TableBuilder::classes) `i64[]`, the place of its name among all, sorted |
///
/// A column of text called `label`, `class`, `category` or `target` is of classes. A key within an object of
/// JSON is called `outer.inner`. A value that is missing is an error; leave its column out with
/// [`columns`](TableBuilder::columns).
///
/// The file is read, and held as the rows it becomes, when it is opened; a sample is then a copy from memory.
///
/// ```no_run
/// use tallow_core::{ImageFolders, Source, SourceExt, Table};
///
/// let source = ImageFolders::open("train")?.with_table(Table::open("labels.csv")?)?;
/// println!("{}", source.schema()); // input: u8[..] of pictures; label: i64[]
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub struct Table {
    path: PathBuf,
    location: Location,
    schema: Schema,
    columns: Vec<Column>,
    /// The file that each row names, if a column has files.
    files: Option<Cells>,
    /// The columns that are there, for messages.
    names: Vec<String>,
    /// The line of the file in which each row begins.
    lines: Vec<u64>,
    /// The row of each sample, if it is not its own number.
    order: Option<Vec<usize>>,
    contents: Fingerprint,
}

/// Which file, and what its columns are.
#[derive(Debug, Clone)]
#[must_use]
pub struct TableBuilder {
    path: PathBuf,
    file: Option<String>,
    columns: Option<Vec<String>>,
    classes: Vec<String>,
    limits: Limits,
}

/// Names of a column of files, the surest first.
const FILES: [&str; 14] = [
    "file_name",
    "filename",
    "file",
    "file_path",
    "filepath",
    "path",
    "image_path",
    "image_name",
    "image_id",
    "image",
    "img",
    "fname",
    "id",
    "name",
];

/// Names of a column of text whose values are classes.
const CLASSES: [&str; 4] = ["label", "class", "category", "target"];

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

impl TableBuilder {
    /// The column that names the file of each sample. By default it is the first of these that is there:
    /// `file_name`, `filename`, `file`, `file_path`, `filepath`, `path`, `image_path`, `image_name`, `image_id`,
    /// `image`, `img`, `fname`, `id`, `name`.
    pub fn file(mut self, column: impl Into<String>) -> Self {
        self.file = Some(column.into());
        self
    }

    /// Makes fields of these columns alone, in this order. By default all are fields but that of the
    /// files.
    pub fn columns<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.columns = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Takes the text of this column for names of classes, which are numbered as they sort. By default
    /// it is the text itself, unless the column is called `label`, `class`, `category` or `target`.
    pub fn classes(mut self, column: impl Into<String>) -> Self {
        self.classes.push(column.into());
        self
    }

    /// How much the file may hold: [`Limits::index_bytes`], and [`Limits::sample_bytes`] in a row.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reads the table.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Header`] for a line that is not as the others, naming it; [`ErrorKind::Config`] for a
    /// column that is not there; [`ErrorKind::Empty`] for a table without rows, and
    /// [`ErrorKind::TooLarge`] for one beyond the limits.
    pub fn open(self) -> Result<Table> {
        let path = self.path.clone();
        self.read().map_err(|error| error.with_path(path))
    }

    fn read(self) -> Result<Table> {
        let file = open_path(&self.path)?;
        let (_, bytes) = Stamp::at_rest(&file, |stamp| self.bytes(&file, stamp.bytes))?;
        let is_lines = self.path.extension().is_some_and(|it| {
            ["jsonl", "ndjson", "json"].iter().any(|json| it.eq_ignore_ascii_case(json))
        });
        let rows = if is_lines { text::of_json_lines(&bytes)? } else { text::of_columns(&bytes)? };
        drop(bytes);
        self.made_of(rows)
    }

    fn bytes(&self, file: &File, bytes: u64) -> Result<Vec<u8>> {
        let most = self.limits.index_bytes;
        if bytes == 0 {
            return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
        }
        if bytes > most as u64 {
            let message =
                format!("a table of {bytes} bytes, at most {most}; set Limits::index_bytes");
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let bytes = read_stored(file, 0, bytes as usize, || false)?;
        match foreign::no_table(&bytes) {
            None => Ok(bytes),
            Some(error) => Err(error),
        }
    }

    fn made_of(self, rows: text::Rows) -> Result<Table> {
        let text::Rows { names, columns, lines } = rows;
        if lines.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "the table has a header and no row"));
        }
        let place = |name: &String| {
            names.iter().position(|own| own == name).ok_or_else(|| no_column(name, &names))
        };
        let file = match &self.file {
            Some(name) => Some(place(name)?),
            None => FILES
                .iter()
                .find_map(|file| names.iter().position(|name| name.eq_ignore_ascii_case(file))),
        };
        let chosen: Vec<usize> = match &self.columns {
            Some(chosen) => chosen.iter().map(place).collect::<Result<_>>()?,
            None => (0..names.len()).filter(|&at| Some(at) != file).collect(),
        };
        self.classes.iter().try_for_each(|name| place(name).map(drop))?;
        let mut columns: Vec<Option<Cells>> = columns.into_iter().map(Some).collect();
        let files = file.map(|at| columns[at].clone().unwrap_or_default());
        let mut fields = Vec::new();
        for at in chosen {
            let name = &names[at];
            let cells = columns[at].take().ok_or_else(|| {
                Error::new(ErrorKind::Config, format!("column {} is named twice", quoted(name)))
            })?;
            let is_asked = self.classes.contains(name);
            let classed = is_asked || is_one_of(name, &CLASSES);
            let column = Column::of(name, cells, classed, &lines)?;
            if is_asked && column.field.classes().is_none() {
                let message = format!(
                    "column {} is {}, expected text, whose values can be names of classes",
                    quoted(name),
                    column.field
                );
                return Err(Error::new(ErrorKind::Config, message));
            }
            self.limits.check_sample(&column.field)?;
            fields.push(column);
        }
        let schema = Schema::new(fields.iter().map(|column| column.field.clone()).collect())?;
        let add = |print: FingerprintBuilder, column: &Column| column.add_to(print);
        let contents = fields.iter().fold(Fingerprint::of("columns"), add).finish();
        let location = Location::file(&self.path);
        Ok(Table {
            path: self.path,
            location,
            schema,
            columns: fields,
            files,
            names,
            lines,
            order: None,
            contents,
        })
    }
}

#[cold]
fn no_column(name: &str, names: &[String]) -> Error {
    let held = list_names(names.iter().map(|name| quoted(name)));
    let message = format!("no column {}, the columns are {held}", quoted(name));
    Error::new(ErrorKind::Config, message)
}

impl Table {
    /// The table at `path`: JSON lines if it is a `.jsonl`, `.ndjson` or `.json` file, and columns between
    /// commas, semicolons or tabs otherwise, whichever the header has most of.
    ///
    /// # Errors
    ///
    /// As [`TableBuilder::open`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// The table at `path`, read in another way.
    pub fn builder(path: impl Into<PathBuf>) -> TableBuilder {
        let limits = Limits::default();
        let path = path.into();
        TableBuilder { path, file: None, columns: None, classes: Vec::new(), limits }
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The samples of `source` whose files have a row, each with its row; the other files and rows are
    /// listed. A row names a file by its path, or by the end of it, with its extension or without.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when no column has files or a field of both has one name, and
    /// [`ErrorKind::Unpaired`] when no file has a row.
    pub fn survey<S: Source>(self, source: S) -> Result<Survey<Zip<Subset<S>, Self>>> {
        let joined = self.join(&source)?;
        let (indices, rows): (Vec<usize>, Vec<usize>) =
            joined.rows.iter().enumerate().filter_map(|(at, row)| Some((at, (*row)?))).unzip();
        if indices.is_empty() {
            let error = summarize(&joined.problems, None);
            return Err(error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no sample")));
        }
        let table = Self { order: Some(rows), ..self };
        let zipped = source.subset(indices)?.zip(table)?;
        Ok(Survey { problems: joined.problems, ..Survey::of(zipped, 0) })
    }

    /// Each sample of `source` with its row.
    pub(crate) fn joined<S: Source>(self, source: S) -> Result<Zip<S, Self>> {
        let joined = self.join(&source)?;
        if let Some(error) = summarize(&joined.problems, None) {
            return Err(error);
        }
        let order = joined.rows.into_iter().flatten().collect();
        source.zip(Self { order: Some(order), ..self })
    }

    fn join(&self, source: &dyn Source) -> Result<join::Joined> {
        let Some(files) = &self.files else {
            let held = list_names(self.names.iter().map(|name| quoted(name)));
            let message = format!(
                "no column of files among {held}; name it with Table::builder(..).file(..)"
            );
            return Err(Error::new(ErrorKind::Config, message).with_path(&self.path));
        };
        join::join(files, &self.lines, &self.path, source)
    }

    fn row(&self, index: usize) -> usize {
        self.order.as_ref().map_or(index, |order| order[index])
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Table");
        debug.field("path", &self.path).field("schema", &self.schema.to_string());
        debug.field("rows", &self.lines.len()).finish_non_exhaustive()
    }
}

impl Source for Table {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.order.as_ref().map_or(self.lines.len(), Vec::len)
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let at = self.row(index);
        self.columns
            .iter()
            .enumerate()
            .try_for_each(|(i, column)| column.read(at, &mut row.field(i)))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let at = self.row(index);
        let mut fields = fields.iter().enumerate();
        fields.try_for_each(|(i, &column)| self.columns[column].read(at, &mut row.field(i)))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        let line = self.lines[self.row(index)];
        Cow::Owned(format!("{}, line {line}", self.path.display()))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let _ = index;
        self.schema.holds(field).then(|| self.location.clone())
    }

    /// Of what the rows hold, in the order of the samples.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("table").text(&self.schema.to_string()).with(self.contents);
        let order = self.order.iter().flatten();
        order.fold(start, |print, &row| print.number(row as u64)).finish()
    }
}
