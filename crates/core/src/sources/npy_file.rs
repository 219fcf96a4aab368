use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

use super::file::open_path;
use crate::npy::{Header, read_converted};
use crate::sources::{Limits, Stamp};
use crate::{Error, ErrorKind, Extent, Field, Fingerprint, Result, Row, Schema, Source};

/// One `.npy` file whose first axis is the sample axis, as the field `input` unless
/// [renamed](Self::named).
///
/// The file is opened once and read where a sample lies, with one system call. A file that is not
/// stored as rows that can be used as they are (Fortran order, the other byte order, `int8`,
/// `uint64`) is converted once, when it is opened, and then held in memory: that is refused above
/// [`Limits::sample_bytes`].
#[derive(Debug)]
pub struct NpyFile {
    path: PathBuf,
    file: File,
    stamp: Stamp,
    header: Header,
    schema: Schema,
    len: usize,
    /// The payload, where it had to be converted.
    converted: Option<Vec<u8>>,
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
        let stamp = Stamp::of_regular(&file)?;
        let header = Header::read(&file, stamp.bytes, &limits)?;
        let Some((&len, shape)) = header.shape.split_first() else {
            let message = "found a scalar, expected a first axis of samples";
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        };
        let field = Field::new("input", header.dtype, shape);
        limits.check_sample(&field)?;
        let schema = Schema::new(vec![field])?;
        let converted =
            if header.is_plain() { None } else { Some(convert(&file, &header, &limits)?) };
        Ok(Self { path: path.to_owned(), file, stamp, schema, len, converted, header })
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

    fn row_bytes(&self) -> usize {
        self.schema.max_bytes()
    }

    fn read_row(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let bytes = self.row_bytes();
        if let Some(payload) = &self.converted {
            return row.field(0).copy_from_bytes(&payload[index * bytes..][..bytes]);
        }
        let offset = self.header.payload_offset() + (index * bytes) as u64;
        row.field(0).read_at(&self.file, offset).map_err(|error| error.with_offset(offset))?;
        if Stamp::of_regular(&self.file)?.same_contents(&self.stamp) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Changed, "the file was written to since it was opened"))
    }
}

fn convert(file: &File, header: &Header, limits: &Limits) -> Result<Vec<u8>> {
    let bytes = header.stored_bytes(&header.shape);
    if bytes > limits.sample_bytes {
        let message = format!(
            "{bytes} bytes in an order or type that must be converted in memory, at most {}; \
             save np.ascontiguousarray(arr) in this machine's byte order",
            limits.sample_bytes
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    read_converted(file, header, &|| false)
}

impl Source for NpyFile {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let place = |error: Error| error.with_path(&self.path).with_index(index);
        self.read_row(index, row).map_err(place)
    }

    fn name(&self, index: usize) -> Cow<'_, str> {
        Cow::Owned(format!("{}[{index}]", self.path.display()))
    }

    /// Header and length of the file stand for its contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("npy_file").text(&self.schema.to_string());
        start.bytes(&self.header.text).number(self.stamp.bytes).finish()
    }

    fn extents(&self, index: usize) -> Vec<Extent> {
        let bytes = self.header.stored_bytes(&self.header.shape[1..]);
        let offset = self.header.payload_offset() + (index * bytes) as u64;
        vec![Extent { path: self.path.clone(), offset, bytes, whole_file: false }]
    }
}
