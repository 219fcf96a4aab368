use std::borrow::Cow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::likeness::Likeness;
use super::pairing::{Pairing, pair, summarize};
use crate::codecs::{Header, NpyReader};
use crate::files::{Limits, Names, Pattern, Stamp, list, open_folder, read_file};
use crate::{
    Dim, Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Result, Row,
    Schema, Source,
};

/// Folders of `.npy` files: one sample per file, one field per folder. Several folders are paired by
/// file stem.
///
/// Files are ordered by the bytes of their names (of their path below the folder, with
/// [`recursive`](NpyFoldersBuilder::recursive)), never by the order of the directory. Names that
/// begin with a dot are passed over, and so are extensions other than `.npy` in upper or lower case.
///
/// The schema of a field is that of the first file of its folder whose header can be read; a file
/// of another shape or dtype is an error of its own sample. What is read: versions 1 to 3, either
/// byte order, C and Fortran order, and every numeric dtype that candle holds exactly, with
/// `bool` as `u8`, `int8` as `i16`, `uint16` delivered as `u32`, and `uint64` as `i64` where the
/// values fit.
///
/// Costs four system calls per file (open, read, stat, close) and one copy, from the page cache into
/// the row; a file that was written to in the last two seconds is checked more closely. Holds one
/// descriptor per folder, and one more per thread that reads.
///
/// ```no_run
/// use tallow_core::{NpyFolders, Source};
///
/// let source = NpyFolders::pairs("data")?; // data/input/*.npy and data/output/*.npy
/// println!("{} samples of {}", source.len(), source.schema());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NpyFolders {
    schema: Schema,
    columns: Vec<Column>,
    ignored: usize,
}

/// One folder, which is one field.
#[derive(Debug)]
struct Column {
    root: PathBuf,
    folder: OwnedFd,
    names: Arc<Names>,
    reader: NpyReader,
}

impl NpyFolders {
    /// One folder, as the field `input`.
    ///
    /// # Errors
    ///
    /// As [`NpyFoldersBuilder::open`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self> {
        Self::builder().field("input", folder).open()
    }

    /// The folders `input` and `output` below `folder`, as the fields `input` and `target`.
    ///
    /// # Errors
    ///
    /// As [`NpyFoldersBuilder::open`].
    pub fn pairs(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let builder = Self::builder().field("input", folder.join("input"));
        builder.field("target", folder.join("output")).open()
    }

    /// Folders with other field names, ragged shapes, or other limits.
    pub fn builder() -> NpyFoldersBuilder {
        NpyFoldersBuilder::default()
    }

    /// Entries of the folders that were passed over: hidden ones and those of other extensions.
    pub fn ignored(&self) -> usize {
        self.ignored
    }

    /// Bytes that the names take.
    pub fn memory_bytes(&self) -> usize {
        // Folders of equal names share them.
        let shared = |i: usize| {
            self.columns[..i].iter().any(|c| Arc::ptr_eq(&c.names, &self.columns[i].names))
        };
        let own = (0..self.columns.len()).filter(|&i| !shared(i));
        own.map(|i| self.columns[i].names.memory_bytes()).sum()
    }
}

impl Source for NpyFolders {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.columns[0].names.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        for (i, column) in self.columns.iter().enumerate() {
            column.read(index, &mut row.field(i))?;
        }
        Ok(())
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        for (i, &field) in fields.iter().enumerate() {
            self.columns[field].read(index, &mut row.field(i))?;
        }
        Ok(())
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.columns[0].path(index).display().to_string())
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let at = self.schema.fields().iter().position(|own| own.id() == field)?;
        Some(Location::file(self.columns[at].path(index)))
    }

    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npy_folders").text(&self.schema.to_string());
        let add = |print: crate::FingerprintBuilder, c: &Column| print.bytes(c.names.as_bytes());
        self.columns.iter().fold(start, add).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let columns = self.columns.iter().zip(self.schema.fields());
        columns.for_each(|(column, field)| visit(&column.extent(index, field)));
    }
}

impl Column {
    fn read(&self, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        let name = self.names.get(index);
        let stopped = field.stop_flag();
        let result = read_file(self.folder.as_fd(), name, stopped, |file| {
            field.restart();
            self.reader.read(file, field)
        });
        result.map_err(|error| self.place(error, index, field.declared()))
    }

    fn path(&self, index: usize) -> PathBuf {
        self.root.join(self.names.path(index))
    }

    #[cold]
    fn place(&self, error: Error, index: usize, field: &Field) -> Error {
        error.with_path(self.path(index)).with_field(field.name()).with_index(index)
    }

    fn extent(&self, index: usize, field: &Field) -> Extent {
        let header = self.reader.first();
        let bytes = header.text.len() + header.stored_bytes(&field.max_shape());
        Extent::whole(Location::file(self.path(index)), bytes)
    }
}

/// Which folders, and how they are read.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct NpyFoldersBuilder {
    fields: Vec<(String, PathBuf)>,
    ragged: Vec<(String, usize, usize)>,
    patterns: Vec<(String, String)>,
    recursive: bool,
    limits: Limits,
}

/// What [`NpyFoldersBuilder::survey`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Survey {
    /// The samples that every folder has.
    pub source: NpyFolders,
    /// Every file without a partner, and every file with a twin.
    pub problems: Vec<Error>,
    /// What to do, if the names of files without a partner are alike.
    pub advice: Option<String>,
}

impl NpyFoldersBuilder {
    /// Adds the files of `folder` as the field `name`.
    pub fn field(mut self, name: impl Into<String>, folder: impl Into<PathBuf>) -> Self {
        self.fields.push((name.into(), folder.into()));
        self
    }

    /// Also reads subfolders; partners then share their path without extension. Off by default.
    pub fn recursive(mut self) -> Self {
        self.recursive = true;
        self
    }

    /// Lets `axis` of the field `name` differ from file to file, up to `max`. No axis is ragged
    /// by default.
    pub fn ragged(mut self, name: impl Into<String>, axis: usize, max: usize) -> Self {
        self.ragged.push((name.into(), axis, max));
        self
    }

    /// Takes only the files of the field `name` whose stem matches `pattern`, and pairs them by what
    /// its one star matches: with `"*_mask"`, `a_mask.npy` is the partner of `a.npy`. The default is
    /// `"*"`.
    pub fn pattern(mut self, name: impl Into<String>, pattern: impl Into<String>) -> Self {
        self.patterns.push((name.into(), pattern.into()));
        self
    }

    /// How much a file may claim to hold. The default is [`Limits::default`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lists the folders, pairs their files, and reads the header of a first file of each.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`] or [`ErrorKind::Duplicate`], listing the files, when the folders
    /// do not hold the same stems; [`ErrorKind::Empty`] when there is no file;
    /// [`ErrorKind::Config`] for a ragged axis that does not exist or a pattern that is none;
    /// [`ErrorKind::Changed`] when a folder goes on changing while it is listed; or what is wrong
    /// with the first file when no header can be read.
    pub fn open(self) -> Result<NpyFolders> {
        let Survey { source, problems, advice } = self.survey()?;
        match summarize(&problems, advice.as_deref()) {
            None => Ok(source),
            Some(error) => Err(error),
        }
    }

    /// Like [`open`](Self::open), but takes the samples that have all their partners and lists the
    /// files that do not.
    ///
    /// # Errors
    ///
    /// As `open`, except for pairing.
    pub fn survey(self) -> Result<Survey> {
        if self.fields.is_empty() {
            return Err(Error::new(ErrorKind::Config, "no folder was named"));
        }
        self.check_fields()?;
        let mut listings = Vec::new();
        let mut ignored = 0;
        for (name, root) in &self.fields {
            let listing = list(root, "npy", &self.pattern_of(name)?, self.recursive)?;
            if listing.names.len() == 0 {
                let message = format!("no .npy file, {} other entries", listing.ignored);
                return Err(Error::new(ErrorKind::Empty, message).with_path(root));
            }
            ignored += listing.ignored;
            listings.push(listing.names);
        }
        let folders: Vec<(&Path, &Names)> =
            self.fields.iter().map(|(_, root)| root.as_path()).zip(&listings).collect();
        let Pairing { indices, problems, alike } = pair(&folders);
        let advice = alike.map(|(i, j, likeness)| self.advice(i, j, &likeness));
        let names = shared_names(&listings, indices);
        if names[0].len() == 0 {
            let error = summarize(&problems, advice.as_deref());
            return Err(error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no sample")));
        }
        let source = self.columns(names, ignored)?;
        Ok(Survey { source, problems, advice })
    }

    /// Whether every option names a field that exists.
    fn check_fields(&self) -> Result<()> {
        let ragged = self.ragged.iter().map(|(name, ..)| ("ragged axis", name));
        let patterns = self.patterns.iter().map(|(name, _)| ("pattern", name));
        let is_field = |name: &str| self.fields.iter().any(|(field, _)| field == name);
        match ragged.chain(patterns).find(|(_, name)| !is_field(name)) {
            None => Ok(()),
            Some((what, name)) => {
                let message = format!("a {what} of {name:?}, which is no field");
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    }

    fn pattern_of(&self, name: &str) -> Result<Pattern> {
        let given = self.patterns.iter().rfind(|(field, _)| field == name);
        given.map_or(Ok(Pattern::default()), |(_, pattern)| Pattern::parse(pattern))
    }

    /// What to do where the names of fields `i` and `j` are alike.
    fn advice(&self, i: usize, j: usize, likeness: &Likeness) -> String {
        let (a, b) = match likeness {
            Likeness::Normalization => {
                return "the names are equal up to Unicode normalization (NFC and NFD): rename the \
                        files of one folder"
                    .to_owned();
            }
            Likeness::Case => {
                return "the names are equal up to case: rename the files of one folder".to_owned();
            }
            Likeness::Affixes(a, b) => (a, b),
        };
        let patterns = [(i, a), (j, b)].into_iter().filter(|(_, pattern)| !pattern.is_any());
        let patterns = patterns.map(|(field, pattern)| {
            format!(".pattern({:?}, {:?})", self.fields[field].0, pattern.to_string())
        });
        let patterns: Vec<String> = patterns.collect();
        format!("the names are those of {a} and {b}: add {}", patterns.join(" and "))
    }

    fn columns(&self, names: Vec<Arc<Names>>, ignored: usize) -> Result<NpyFolders> {
        let mut columns = Vec::new();
        let mut fields = Vec::new();
        for ((name, root), names) in self.fields.iter().zip(names) {
            let (column, field) = self.column(name, root, names)?;
            self.limits.check_sample(&field).map_err(|e| e.with_path(root))?;
            columns.push(column);
            fields.push(field);
        }
        Ok(NpyFolders { schema: Schema::new(fields)?, columns, ignored })
    }

    fn column(&self, name: &str, root: &Path, names: Arc<Names>) -> Result<(Column, Field)> {
        let folder = open_folder(root)?;
        let (at, first) = first_header(name, &folder, root, &names, &self.limits)?;
        let dims = self.dims(name, &first.shape)?;
        let field = Field::with_dims(name, first.dtype, dims);
        let reader = NpyReader::new(first, root.join(names.path(at)), self.limits);
        Ok((Column { root: root.to_owned(), folder, names, reader }, field))
    }

    fn dims(&self, name: &str, shape: &[usize]) -> Result<Vec<Dim>> {
        let mut dims: Vec<Dim> = shape.iter().map(|&len| Dim::Fixed(len)).collect();
        for (_, axis, max) in self.ragged.iter().filter(|(field, ..)| field == name) {
            let Some(dim) = dims.get_mut(*axis) else {
                let message = format!("axis {axis} of {name:?}, whose shape is {shape:?}");
                return Err(Error::new(ErrorKind::Config, message).with_field(name));
            };
            *dim = Dim::Ragged { max: *max };
        }
        Ok(dims)
    }
}

/// The names of each folder in the order of the samples; one list where all are equal.
fn shared_names(listings: &[Names], indices: Option<Vec<Vec<usize>>>) -> Vec<Arc<Names>> {
    match indices {
        None => {
            let pattern = listings[0].pattern().clone();
            let shared = Arc::new(Names::from_sorted(listings[0].iter(), pattern));
            std::iter::repeat_n(shared, listings.len()).collect()
        }
        Some(indices) => {
            let chosen = |(names, indices): (&Names, Vec<usize>)| {
                let chosen = indices.iter().map(|&index| names.get(index));
                Arc::new(Names::from_sorted(chosen, names.pattern().clone()))
            };
            listings.iter().zip(indices).map(chosen).collect()
        }
    }
}

/// The header that the others are expected to have: of the first file, or, so that one bad file
/// is an error in its own place and not of the whole folder, of the first of some that has one.
fn first_header(
    field: &str,
    folder: &OwnedFd,
    root: &Path,
    names: &Names,
    limits: &Limits,
) -> Result<(usize, Header)> {
    /// Files tried: a folder of nothing but foreign files should be refused soon.
    const TRIED_MAX: usize = 100;
    let mut first_error = None;
    for index in 0..names.len().min(TRIED_MAX) {
        let mut header = None;
        let result = read_file(
            folder.as_fd(),
            names.get(index),
            || false,
            |file| {
                let read = |stamp: &Stamp| Header::read(file, stamp.bytes, limits);
                let (_, read) = Stamp::at_rest(file, read)?;
                limits.check_sample(&Field::new(field, read.dtype, &read.shape))?;
                header = Some(read);
                Ok(())
            },
        );
        match (result, header) {
            (Ok(()), Some(header)) => return Ok((index, header)),
            (Err(error), _) => {
                first_error.get_or_insert(error.with_path(root.join(names.path(index))));
            }
            (Ok(()), None) => {}
        }
    }
    Err(first_error.unwrap_or_else(|| Error::new(ErrorKind::Empty, "no file").with_path(root)))
}
