use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::format::{Folder, Format};
use super::shards::Shards;
use crate::codecs::Widening;
use crate::error::{quoted, shortened};
use crate::files::{Limits, SampleFile, Section, foreign, held_max, read_stored};
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, FieldMut, Fingerprint, FingerprintBuilder, Location,
    Result, Row, RowDType, Schema, Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["safetensors"],
    of: "",
    folder: Folder::OfShards,
    options: &[],
    open: |shards, limits| Ok(Box::new(Safetensors::of_files(&shards.files()?, limits)?)),
};

/// A `.safetensors` file, or a folder of such files: every named tensor is a field, and the first
/// axis of each is the sample axis. Fields are ordered by name; the shards of a folder, ordered by
/// the bytes of their names, follow one another and must hold the same fields.
///
/// Only the headers are read when the source is opened; a sample costs one read per field. `U16` is
/// delivered as `u32`, `BOOL` held as `u8`, `I8` as `i16`, `U64` as `i64` where the values fit.
#[derive(Debug)]
pub struct Safetensors {
    schema: Schema,
    shards: Vec<Shard>,
    samples: Succession,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    header_hash: Fingerprint,
    samples: usize,
    tensors: Vec<TensorPlace>,
}

/// Where the rows of a field lie in a shard.
#[derive(Debug, Clone, Copy)]
struct TensorPlace {
    offset: u64,
    /// Bytes of one sample in the file.
    stored_bytes: usize,
    widening: Widening,
}

impl Safetensors {
    /// Opens a file or a folder with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::ShapeMismatch`] when tensors
    /// have no common first axis or shards hold different fields; [`ErrorKind::Empty`] for a
    /// folder without such files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::with_limits(path, Limits::default())
    }

    /// Opens a file or a folder.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_limits(path: impl AsRef<Path>, limits: Limits) -> Result<Self> {
        Self::of_files(&Shards::at(path.as_ref(), &FORMAT).files()?, limits)
    }

    /// Opens files whose samples follow one another, at least one.
    fn of_files(paths: &[PathBuf], limits: Limits) -> Result<Self> {
        let mut shards: Vec<Shard> = Vec::new();
        let mut samples = Succession::default();
        let mut schema: Option<Schema> = None;
        let held = held_max();
        for (at, path) in paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let (shard, fields) = Shard::open(path, at, held, &limits).map_err(place)?;
            match &schema {
                None => schema = Some(fields),
                Some(expected) if *expected == fields => {}
                Some(expected) => return Err(place(other_fields(&fields, expected, &paths[0]))),
            }
            samples.push(shard.samples, "samples").map_err(place)?;
            shards.push(shard);
        }
        let empty = || Error::new(ErrorKind::Empty, "no .safetensors file");
        Ok(Self { schema: schema.ok_or_else(empty)?, shards, samples })
    }
}

fn other_fields(found: &Schema, expected: &Schema, first: &Path) -> Error {
    let [found, expected] = [found, expected].map(|schema| shortened(schema.to_string()));
    let message = format!("found fields {found}, expected {expected} as in {first:?}");
    Error::new(ErrorKind::ShapeMismatch, message)
}

impl Source for Safetensors {
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
        let (shard, own) = self.shard(index);
        Cow::Owned(format!("{}[{own}]", shard.file.path().display()))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| self.shard(index).0.file.location().clone())
    }

    /// The headers and lengths of all shards represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("safetensors").text(&self.schema.to_string());
        let add = |print: FingerprintBuilder, shard: &Shard| {
            print.with(shard.header_hash).number(shard.file.bytes())
        };
        self.shards.iter().fold(start, add).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (shard, own) = self.shard(index);
        for place in &shard.tensors {
            visit(&shard.file.extent(place.offset_of(own), place.stored_bytes));
        }
    }
}

impl Safetensors {
    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let (shard, own) = self.shard(index);
        shard.read(own, fields, row).map_err(|error| error.with_index(index))
    }

    /// The shard that has sample `index`, and the sample's number there.
    fn shard(&self, index: usize) -> (&Shard, usize) {
        let (at, own) = self.samples.find(index);
        (&self.shards[at], own)
    }
}

impl Shard {
    fn open(path: &Path, at: usize, held: usize, limits: &Limits) -> Result<(Self, Schema)> {
        let (file, head) = SampleFile::open(path, at, held, |file, bytes| {
            read_head(file, bytes, limits).map(|head| (head.clone(), head))
        })?;
        let header = &head[LENGTH_BYTES..];
        let metadata = parse_header(header)?;
        let data_start = head.len() as u64;
        check_end(data_start, metadata.data_len() as u64, file.bytes())?;
        let mut fields = Vec::new();
        let mut tensors = Vec::new();
        let mut samples = None;
        let named: BTreeMap<String, &TensorInfo> = metadata.tensors().into_iter().collect();
        for (name, info) in named {
            let (field, len, place) = tensor(&name, info, data_start)?;
            limits.check_samples(&field, len)?;
            let expected = *samples.get_or_insert(len);
            if len != expected {
                let message = format!("found {len} samples, expected {expected} as in the others");
                return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(name));
            }
            fields.push(field);
            tensors.push(place);
        }
        if fields.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "the file holds no tensor"));
        }
        let header_hash = Fingerprint::of("header").bytes(header).finish();
        let samples = samples.unwrap_or(0);
        Ok((Self { file, header_hash, samples, tensors }, Schema::new(fields)?))
    }

    fn read(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        self.file.read(&row.stop_flag(), |file| {
            let mut fields = fields.clone().enumerate();
            fields.try_for_each(|(i, at)| self.tensors[at].read(file, index, &mut row.field(i)))
        })
    }
}

/// Whether the tensors end where the file does: the format has neither holes nor a tail.
fn check_end(data_start: u64, data_bytes: u64, file_bytes: u64) -> Result<()> {
    let kind = match data_start.checked_add(data_bytes) {
        Some(end) if end == file_bytes => return Ok(()),
        Some(end) if end < file_bytes => ErrorKind::Header,
        _ => ErrorKind::Truncated,
    };
    let available = file_bytes - data_start;
    let message = format!("the tensors take {data_bytes} bytes, the file holds {available}");
    Err(Error::new(kind, message).with_offset(data_start))
}

impl TensorPlace {
    fn offset_of(&self, index: usize) -> u64 {
        self.offset + (index * self.stored_bytes) as u64
    }

    fn read(&self, file: &File, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        let offset = self.offset_of(index);
        let name = field.declared().name();
        let place = |error: Error| error.with_field(name).with_offset(offset);
        if self.widening == Widening::None && cfg!(target_endian = "little") {
            return field.read_at(file, offset).map_err(place);
        }
        self.read_converted(file, offset, field).map_err(place)
    }

    fn read_converted(&self, file: &File, offset: u64, field: &mut FieldMut<'_>) -> Result<()> {
        let mut stored = read_stored(file, offset, self.stored_bytes, field.stop_flag())?;
        if cfg!(target_endian = "big") {
            let elements = field.declared().max_elements().max(1);
            stored
                .chunks_exact_mut((self.stored_bytes / elements).max(1))
                .for_each(<[u8]>::reverse);
        }
        self.widening.write(&stored, field)
    }
}

fn tensor(name: &str, info: &TensorInfo, start: u64) -> Result<(Field, usize, TensorPlace)> {
    let Some((dtype, widening)) = row_dtype(info.dtype) else {
        let message = format!("{:?}; save a type that candle holds", info.dtype);
        return Err(Error::new(ErrorKind::UnsupportedDtype, message).with_field(name));
    };
    let Some((&samples, shape)) = info.shape.split_first() else {
        let message = "found a scalar, expected a first axis of samples";
        return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(name));
    };
    let field = Field::new(name, dtype, shape);
    let (begin, end) = info.data_offsets;
    let stored_bytes = (end - begin).checked_div(samples).unwrap_or(0);
    let place = TensorPlace { offset: start + begin as u64, stored_bytes, widening };
    Ok((field, samples, place))
}

fn row_dtype(dtype: Dtype) -> Option<(RowDType, Widening)> {
    let row = match dtype {
        Dtype::BOOL | Dtype::U8 => RowDType::U8,
        Dtype::I8 => return Some((RowDType::I16, Widening::I8ToI16)),
        Dtype::U64 => return Some((RowDType::I64, Widening::U64ToI64)),
        Dtype::U16 => RowDType::U16,
        Dtype::U32 => RowDType::U32,
        Dtype::I16 => RowDType::I16,
        Dtype::I32 => RowDType::I32,
        Dtype::I64 => RowDType::I64,
        Dtype::F16 => RowDType::F16,
        Dtype::BF16 => RowDType::BF16,
        Dtype::F32 => RowDType::F32,
        Dtype::F64 => RowDType::F64,
        Dtype::F8_E4M3 => RowDType::F8E4M3,
        _ => return None,
    };
    Some((row, Widening::None))
}

/// Bytes of the length that a file begins with.
const LENGTH_BYTES: usize = 8;

/// The length of the header and the header, checked before they are allocated.
fn read_head(file: &File, file_bytes: u64, limits: &Limits) -> Result<Vec<u8>> {
    let section = Section::of_file(file, file_bytes);
    let len = header_len(file, file_bytes, limits).map_err(|error| foreign_or(error, section))?;
    let mut head = vec![0; LENGTH_BYTES + len];
    file.read_exact_at(&mut head, 0).map_err(|e| Error::io("read the header", e))?;
    if head.get(LENGTH_BYTES) == Some(&b'{') {
        return Ok(head);
    }
    let message = "the header does not begin with '{'";
    let error = Error::new(ErrorKind::Foreign, message).with_offset(LENGTH_BYTES as u64);
    Err(foreign_or(error, section))
}

fn header_len(file: &File, file_bytes: u64, limits: &Limits) -> Result<usize> {
    if file_bytes == 0 {
        return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
    }
    let Some(available) = file_bytes.checked_sub(LENGTH_BYTES as u64) else {
        let message = format!("{file_bytes} bytes, expected at least the 8 of a header's length");
        return Err(Error::new(ErrorKind::Truncated, message));
    };
    let mut len = [0; LENGTH_BYTES];
    file.read_exact_at(&mut len, 0).map_err(|e| Error::io("read the header", e))?;
    let len = u64::from_le_bytes(len);
    if len > limits.safetensors_header_bytes as u64 {
        let most = limits.safetensors_header_bytes;
        let message = format!("a header of {len} bytes, at most {most}");
        return Err(Error::new(ErrorKind::TooLarge, message).with_offset(0));
    }
    if len > available {
        let message = format!("a header of {len} bytes in a file of {file_bytes}");
        return Err(Error::new(ErrorKind::Truncated, message).with_offset(0));
    }
    Ok(len as usize)
}

/// That the file is of another format, where its beginning says which; otherwise `error`.
#[cold]
fn foreign_or(error: Error, file: Section<'_>) -> Error {
    foreign::error(file, "a .safetensors file").unwrap_or(error)
}

/// Parses a header with the format's own reader, once its names are known to be unique: that
/// reader lets the last of several equal names win.
fn parse_header(header: &[u8]) -> Result<Metadata> {
    let malformed = |error: serde_json::Error| {
        let offset = LENGTH_BYTES as u64;
        Error::new(ErrorKind::Header, shortened(error.to_string()))
            .with_offset(offset)
            .with_source(error)
    };
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(UniqueNames).map_err(malformed)?;
    serde_json::from_slice(header).map_err(malformed)
}

struct UniqueNames;

impl<'de> Visitor<'de> for UniqueNames {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = std::collections::HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            map.next_value::<IgnoredAny>()?;
            if !names.insert(name.clone()) {
                let message = format!("two tensors are named {}", quoted(&name));
                return Err(serde::de::Error::custom(message));
            }
        }
        Ok(())
    }
}
