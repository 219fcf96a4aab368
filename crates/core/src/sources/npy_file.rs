use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::codecs::Header;
use crate::files::{Limits, Opened, Stamp, open_path, read_stored};
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, Location, Result, Row, Schema,
    Source,
};

/// One `.npy` file whose first axis is the sample axis. Its one field is called `input` unless it is
/// [renamed](Self::named).
///
/// The file is opened once and read where a sample lies, with one system call; rows of the other
/// byte order, of `int8` or of `uint64` are converted as they are read. A file in Fortran order has
/// no rows: it is turned once, when it is opened, and then held in memory, which is refused above
/// [`Limits::sample_bytes`].
///
/// A file that is written to after it was opened is [`ErrorKind::Changed`] from then on, unless it
/// is held in memory. An array of no rows is a source of no samples. Bytes after the array's end
/// are passed over, as numpy does, unless [`Limits::trailing_bytes`] says otherwise.
#[derive(Debug)]
pub struct NpyFile {
    path: PathBuf,
    location: Location,
    file: File,
    opened: Opened,
    header: Header,
    schema: Schema,
    len: usize,
    /// The rows, not widened, of a file that has none.
    turned: Option<Vec<u8>>,
}

impl NpyFile {
    /// Opens `path` with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// What is wrong with the file, its name included; [`ErrorKind::ShapeMismatch`] for an array
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
        Self::open_limited(path, limits).map_err(|error| error.with_path(path))
    }

    fn open_limited(path: &Path, limits: Limits) -> Result<Self> {
        let file = open_path(path)?;
        let (stamp, (header, turned)) = Stamp::at_rest(&file, |stamp| {
            let header = Header::read(&file, stamp.bytes, &limits)?;
            let turned = header.fortran_order.then(|| turn(&file, &header, &limits));
            Ok((header, turned.transpose()?))
        })?;
        let Some((&len, shape)) = header.shape.split_first() else {
            let message = "found a scalar, expected a first axis of samples";
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        };
        let field = Field::new("input", header.dtype, shape);
        limits.check_samples(&field, len)?;
        let schema = Schema::new(vec![field])?;
        let opened = Opened::new(stamp, &header.text);
        let location = Location::file(path);
        Ok(Self { path: path.to_owned(), location, file, opened, schema, len, turned, header })
    }

    /// The same source with its field called `name`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the name is empty.
    pub fn named(mut self, name: &str) -> Result<Self> {
        self.schema = Schema::new(vec![self.schema.fields()[0].clone().renamed(name)])?;
        Ok(self)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes of one sample in the file.
    fn stored_bytes(&self) -> usize {
        self.header.stored_bytes(&self.header.shape[1..])
    }

    fn offset_of(&self, index: usize) -> u64 {
        self.header.payload_offset() + (index * self.stored_bytes()) as u64
    }

    fn read_field(&self, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let name = field.declared().name();
        let place = |e: Error| e.with_path(&self.path).with_field(name).with_index(index);
        self.read_row(index, field).map_err(place)
    }

    fn read_row(&self, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        if let Some(rows) = &self.turned {
            let bytes = self.stored_bytes();
            return self.header.widening.write(&rows[index * bytes..][..bytes], field);
        }
        let offset = self.offset_of(index);
        self.opened.read(&self.file, || self.read_stored_row(offset, field))
    }

    fn read_stored_row(&self, offset: u64, field: &mut FieldMut<'_>) -> Result<()> {
        if self.header.is_plain() {
            return field.read_at(&self.file, offset).map_err(|error| error.with_offset(offset));
        }
        let stopped = field.stop_flag();
        let mut stored = read_stored(&self.file, offset, self.stored_bytes(), stopped)?;
        self.header.swap(&mut stored);
        self.header.widening.write(&stored, field)
    }
}

fn turn(file: &File, header: &Header, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = header.stored_bytes(&header.shape);
    if bytes > limits.sample_bytes {
        let message = format!(
            "{bytes} bytes in Fortran order, which must be held in memory, at most {}; save \
             np.ascontiguousarray(arr)",
            limits.sample_bytes
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    header.straightened(read_stored(file, header.payload_offset(), bytes, || false)?)
}

impl Source for NpyFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_field(index, &mut row.field(0))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        // There is one field, so it is this one each time.
        (0..fields.len()).try_for_each(|i| self.read_field(index, &mut row.field(i)))
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(format!("{}[{index}]", self.path.display()))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        let _ = index;
        (self.schema.fields()[0].id() == field).then(|| self.location.clone())
    }

    /// Header and length of the file represent its contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npy_file").text(&self.schema.to_string());
        start.bytes(&self.header.text).number(self.opened.bytes()).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (offset, bytes) = (self.offset_of(index), self.stored_bytes());
        visit(&Extent::part(self.location.clone(), offset, bytes));
    }
}
