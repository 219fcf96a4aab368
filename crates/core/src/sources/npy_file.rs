use std::borrow::Cow;
use std::path::Path;

use super::stacked::Stacked;
use crate::files::{Limits, SampleFile};
use crate::{Error, Extent, FieldId, Fingerprint, Location, Result, Row, Schema, Source};

/// One `.npy` file whose first axis is the sample axis. Its one field is called `input` unless it is
/// [renamed](Self::named).
///
/// The file is opened once and read where a sample lies, with one system call; rows of the other
/// byte order, of `int8` or of `uint64` are converted as they are read. A file in Fortran order has
/// no rows: it is turned once, when it is opened, and then held in memory, which is refused above
/// [`Limits::sample_bytes`].
///
/// A file that is written to after it was opened is [`ErrorKind::Changed`](crate::ErrorKind::Changed)
/// from then on, unless it is held in memory. An array of no rows is a source of no samples. Bytes
/// after the array's end are passed over, as numpy does, unless [`Limits::trailing_bytes`] says otherwise.
#[derive(Debug)]
pub struct NpyFile {
    file: SampleFile,
    array: Stacked,
    schema: Schema,
}

impl NpyFile {
    /// Opens `path` with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// What is wrong with the file, its name included; [`ErrorKind::ShapeMismatch`](crate::ErrorKind::ShapeMismatch) for an array
    /// without an axis.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::with_limits(path, Limits::default())
    }

    /// Opens `path`.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_limits(path: impl AsRef<Path>, limits: Limits) -> Result<Self> {
        let path = path.as_ref();
        let (file, array) = SampleFile::open_one(path, |file, bytes| {
            let array = Stacked::of_file(file, 0, bytes, &limits)?;
            limits.check_samples(&array.field("input"), array.len())?;
            let head = array.head().to_vec();
            Ok((array, head))
        })?;
        let schema = Schema::new(vec![array.field("input")]);
        let schema = schema.map_err(|error| error.with_path(path))?;
        Ok(Self { file, array, schema })
    }

    /// The same source with its field called `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) when the name is empty.
    pub fn named(mut self, name: &str) -> Result<Self> {
        self.schema = Schema::new(vec![self.schema.fields()[0].clone().renamed(name)])?;
        Ok(self)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Reads the sample into field `at` of the row.
    fn read_field(&self, index: usize, at: usize, row: &mut Row<'_>) -> Result<()> {
        let (unchecked, is_stopped, field) = (row.unchecked(), row.stop_flag(), &mut row.field(at));
        assert!(index < self.array.len(), "sample {index} of {}", self.array.len());
        let name = field.declared().name();
        let place = |e: Error| e.with_path(self.path()).with_field(name).with_index(index);
        let read = self.array.read_held(index, field).unwrap_or_else(|| {
            self.file.read(unchecked, &is_stopped, |file| self.array.read(file, index, field))
        });
        read.map_err(place)
    }
}

impl Source for NpyFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.array.len()
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_field(index, 0, row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        // There is one field, so it is this one each time.
        (0..fields.len()).try_for_each(|i| self.read_field(index, i, row))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(self.file.name_of(index))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let _ = index;
        self.schema.holds(field).then(|| self.file.location().clone())
    }

    /// Header and length of the file represent its contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npy_file").text(&self.schema.to_string());
        start
            .bytes(self.array.head())
            .number(self.file.bytes())
            .with_versions(self.file.location().versions())
            .finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        if let Some(offset) = self.array.offset_of(index) {
            visit(&self.file.extent(offset, self.array.stored_bytes()));
        }
    }
}
