use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use super::stacked::Stacked;
use crate::error::{list_names, quoted};
use crate::files::{Archive, File, Limits, Member, SampleFile, Section, foreign};
use crate::{
    Error, ErrorKind, Extent, FieldId, Fingerprint, Location, NpzFolder, Result, Row, Schema,
    Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["npz"],
    of: " of arrays",
    folder: Folder::OfSamples,
    options: &[".fields(..)", ".ragged(..)"],
    open,
};

/// One file has samples as rows. Of several, or of a folder, each is a sample.
fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let (mut files, fields) = (shards.files()?, shards.fields());
    let ragged = &shards.options().ragged;
    if shards.folder().is_none() && files.len() == 1 {
        if let Some((name, ..)) = ragged.first() {
            let message = "a ragged axis of one .npz file, whose rows all have one shape";
            return Err(Error::new(ErrorKind::Config, message).with_field(name));
        }
        let builder = NpzFile::builder(files.swap_remove(0)).limits(limits);
        let builder = if fields.is_empty() { builder } else { builder.fields(fields) };
        return Ok(Survey::of(Box::new(builder.open()?), 0));
    }
    let builder = match shards.folder() {
        Some(folder) => NpzFolder::builder(folder),
        None => NpzFolder::of_files(files),
    };
    let builder = if fields.is_empty() { builder } else { builder.fields(fields) };
    let ragged = ragged.iter();
    let builder =
        ragged.fold(builder, |builder, (name, axis, max)| builder.ragged(name, *axis, *max));
    Ok(Survey::of(Box::new(builder.limits(limits).open()?), 0))
}

/// One `.npz` file of stacked arrays: each array is a field, named as its member without `.npy`, and
/// the first axis of each is the sample axis. Fields come in the order in which the archive lists
/// them, or as [chosen](NpzFileBuilder::fields).
///
/// The archive's directory is read when it is opened, and refused where it contradicts itself. Arrays
/// that are stored as they are, as `np.savez` does, are read where a sample lies, one system call per
/// field; their checksums, which are over whole arrays, are not compared. Arrays that are compressed,
/// as `np.savez_compressed` does, have no place for a sample: they are inflated when the file is
/// opened, checked, and held in memory, all of them together at most
/// [`Limits::inflated_bytes`].
#[derive(Debug)]
pub struct NpzFile {
    file: SampleFile,
    arrays: Vec<Stacked>,
    schema: Schema,
    len: usize,
    directory: Fingerprint,
}

/// How an [`NpzFile`] is opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct NpzFileBuilder {
    path: PathBuf,
    fields: Option<Vec<String>>,
    limits: Limits,
}

impl NpzFileBuilder {
    /// Reads only these arrays, in this order, whatever else the archive holds. By default all
    /// are read.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// How much the file may claim to hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    ///
    /// What is wrong with the file, its name included; [`ErrorKind::ShapeMismatch`] for arrays
    /// without a common first axis, [`ErrorKind::TooLarge`] for compressed arrays beyond the limit,
    /// and [`ErrorKind::Config`] for a field that is not there.
    pub fn open(self) -> Result<NpzFile> {
        let path = self.path.clone();
        self.open_limited().map_err(|error| error.with_path(path))
    }

    fn open_limited(self) -> Result<NpzFile> {
        let (file, read) = SampleFile::open_one(&self.path, |file, bytes| self.read(file, bytes))?;
        let ReadArchive { fields, arrays, directory } = read;
        let len = arrays.first().map_or(0, Stacked::len);
        let declared = fields.iter().zip(&arrays).map(|(name, array)| array.field(name));
        let schema = Schema::new(declared.collect())?;
        Ok(NpzFile { file, arrays, schema, len, directory })
    }

    /// The arrays, and what the file begins with.
    fn read(&self, file: &File, file_bytes: u64) -> Result<(ReadArchive, Vec<u8>)> {
        let mut archive = Archive::read(file, file_bytes)?;
        let chosen = choose(archive.members(), self.fields.as_deref())?;
        self.check_inflated(archive.members(), &chosen)?;
        let mut directory = Fingerprint::of("npz");
        let (mut fields, mut arrays) = (Vec::<String>::new(), Vec::<Stacked>::new());
        for at in chosen {
            let member = &archive.members()[at];
            let name = field_of(&member.name).to_owned();
            directory = directory.text(&name).number(member.bytes).number(member.crc.into());
            let array = match member.is_compressed {
                true => {
                    archive.inflated(at).and_then(|bytes| Stacked::of_memory(bytes, &self.limits))
                }
                false => {
                    let end = member.start.saturating_add(member.bytes);
                    Stacked::of_file(file, member.start, end.min(file_bytes), &self.limits)
                }
            };
            let array = array.map_err(|error| self.of_array(error, &name))?;
            self.limits.check_samples(&array.field(&name), array.len())?;
            if let Some(first) = arrays.first().filter(|first| first.len() != array.len()) {
                return Err(other_length(&name, array.len(), &fields[0], first.len()));
            }
            fields.push(name);
            arrays.push(array);
        }
        let mut head = [0; HEAD_BYTES];
        let head = Section::of_file(file, file_bytes).beginning(&mut head).to_vec();
        Ok((ReadArchive { fields, arrays, directory: directory.finish() }, head))
    }

    /// An error of one array. One that has no samples may only lie beside those that have.
    fn of_array(&self, error: Error, name: &str) -> Error {
        if error.kind() != ErrorKind::ShapeMismatch || self.fields.is_some() {
            return error.with_field(name);
        }
        let message = format!("{}; choose the arrays with .fields(..)", error.message());
        Error::new(error.kind(), message).with_field(name)
    }

    /// Whether what is to be inflated is not too much, before any of it is.
    fn check_inflated(&self, members: &[Member], chosen: &[usize]) -> Result<()> {
        let compressed = chosen.iter().map(|&at| &members[at]).filter(|it| it.is_compressed);
        let bytes = compressed.fold(0, |sum: u64, member| sum.saturating_add(member.bytes));
        let most = self.limits.inflated_bytes;
        if bytes <= most as u64 {
            return Ok(());
        }
        let message = format!(
            "{bytes} bytes are compressed, which must be held in memory, at most {most}; save the \
             arrays with np.savez, or set Limits::inflated_bytes"
        );
        Err(Error::new(ErrorKind::TooLarge, message))
    }
}

/// What is read of an archive when it is opened.
struct ReadArchive {
    fields: Vec<String>,
    arrays: Vec<Stacked>,
    directory: Fingerprint,
}

/// How much of the beginning of a file is remembered, to see later that it is the same one.
const HEAD_BYTES: usize = 4096;

/// How the names of members end that are arrays.
const ARRAY: &str = ".npy";

/// The name of a member as that of a field.
pub(super) fn field_of(member: &str) -> &str {
    member.strip_suffix(ARRAY).unwrap_or(member)
}

/// The positions of the members that are read: of all, or of these fields.
pub(super) fn choose(members: &[Member], fields: Option<&[String]>) -> Result<Vec<usize>> {
    match fields {
        Some([]) => Err(Error::new(ErrorKind::Config, "no field is chosen, expected at least one")),
        Some(names) => names.iter().map(|name| place_of(members, name)).collect(),
        None => match members.iter().find(|member| !member.name.ends_with(ARRAY)) {
            None => Ok((0..members.len()).collect()),
            Some(other) => {
                if let Some(error) = foreign::no_npz(&other.name) {
                    return Err(error);
                }
                let message = format!(
                    "member {} is no array; choose the arrays with .fields(..)",
                    quoted(&other.name)
                );
                Err(Error::new(ErrorKind::Foreign, message))
            }
        },
    }
}

/// The position of the array called `name`.
pub(super) fn place_of(members: &[Member], name: &str) -> Result<usize> {
    let is = |member: &Member| member.name.strip_suffix(ARRAY) == Some(name);
    members.iter().position(is).ok_or_else(|| {
        let names = members.iter().map(|member| quoted(field_of(&member.name)));
        let message = format!("no array {}, the archive holds {}", quoted(name), list_names(names));
        Error::new(ErrorKind::Config, message)
    })
}

#[cold]
fn other_length(name: &str, found: usize, first: &str, expected: usize) -> Error {
    let message = format!(
        "found {found} samples, expected {expected} as in {}; choose arrays of one \
         length with .fields(..)",
        quoted(first)
    );
    Error::new(ErrorKind::ShapeMismatch, message).with_field(name)
}

impl NpzFile {
    /// Opens `path` with all its arrays.
    ///
    /// # Errors
    ///
    /// As [`NpzFileBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::builder(path).open()
    }

    /// To open `path` otherwise.
    pub fn builder(path: impl AsRef<Path>) -> NpzFileBuilder {
        let path = path.as_ref().to_owned();
        NpzFileBuilder { path, fields: None, limits: Limits::default() }
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let (unchecked, is_stopped) = (row.unchecked(), row.stop_flag());
        let place = |error: Error, at: usize| error.with_field(self.schema.fields()[at].name());
        let mut read = |file: Option<&File>| {
            fields.clone().enumerate().try_for_each(|(i, at)| {
                let (array, field) = (&self.arrays[at], &mut row.field(i));
                let read = match file {
                    Some(file) => array.read(file, index, field),
                    None => array.read_held(index, field).unwrap_or(Ok(())),
                };
                read.map_err(|error| place(error, at))
            })
        };
        // What is held in memory is not asked of the file.
        let result = match fields.clone().any(|at| self.arrays[at].offset_of(index).is_some()) {
            true => self.file.read(unchecked, &is_stopped, |file| read(Some(file))),
            false => read(None),
        };
        result.map_err(|error| error.with_path(self.file.path()).with_index(index))
    }
}

impl Source for NpzFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..self.arrays.len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.file.name_of(index))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let _ = index;
        self.schema.holds(field).then(|| self.file.location().clone())
    }

    /// The checksums that the archive has of its arrays represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npz_file").text(&self.schema.to_string());
        start
            .number(self.len as u64)
            .with(self.directory)
            .with_versions(self.file.location().versions())
            .finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        for array in &self.arrays {
            if let Some(offset) = array.offset_of(index) {
                visit(&self.file.extent(offset, array.stored_bytes()));
            }
        }
    }
}
