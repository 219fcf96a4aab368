//! `.safetensors` files as a source: `header` says which tensors there are, `tensors` and `series` which
//! of them are the fields of a sample.

mod header;
mod series;
mod tensors;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use self::header::Header;
use self::tensors::{FieldTensors, Reading, fields_of};
use super::folders::Survey;
use super::format::{Folder, Format};
use super::shards::Shards;
use crate::error::shortened;
use crate::files::{Limits, SampleFile, held_max};
use crate::succession::Succession;
use crate::{
    Error, ErrorKind, Extent, Field, FieldId, Fingerprint, Location, Population, Result, Row,
    Schema, Source,
};

pub(super) static FORMAT: Format = Format {
    extensions: &["safetensors"],
    of: "",
    folder: Folder::OfShards,
    options: &[".fields(..)", ".stacked()"],
    open,
};

fn open(shards: &Shards, limits: Limits) -> Result<Survey<Box<dyn Source>>> {
    let builder = Safetensors::builder(shards.place()).limits(limits).fields(shards.fields());
    let builder = if shards.options().is_stacked() { builder.stacked() } else { builder };
    Ok(Survey::of(Box::new(builder.open_files(&shards.files()?)?), 0))
}

/// A `.safetensors` file, or several whose samples follow one another: those of a folder in the order of
/// the bytes of their names, or those of a pattern. All must hold the same fields.
///
/// A tensor is either *stacked*, a field of all samples with the first axis for the sample, or *one
/// sample* of a field. Names tell: where all end in numbers, as `sample_0` and `sample_1` or
/// `input_0` and `label_0`, each tensor is one sample of the field that the rest of its name says
/// (`input` if nothing is left). Samples are then in the order of the numbers, in which none may be
/// missing, and axes in which tensors differ are ragged. [`stacked`](SafetensorsBuilder::stacked) takes
/// numbered names for those of fields.
///
/// Fields are ordered by name, or as [chosen](SafetensorsBuilder::fields). Only the headers are read
/// when the source is opened; a sample costs one read per field. The first 64 files stay open, others
/// are opened for each read. `U16` is delivered as `u32`, `BOOL` held as `u8`, `I8` as `i16`, `U64` as
/// `i64` where the values fit.
#[derive(Debug)]
pub struct Safetensors {
    schema: Schema,
    shards: Vec<Shard>,
    samples: Succession,
}

#[derive(Debug)]
struct Shard {
    file: SampleFile,
    samples: usize,
    fields: Vec<FieldTensors>,
}

/// How [`Safetensors`] are opened.
#[derive(Debug, Clone)]
#[must_use]
pub struct SafetensorsBuilder {
    place: PathBuf,
    fields: Vec<String>,
    reading: Reading,
    limits: Limits,
}

impl SafetensorsBuilder {
    /// Reads only these fields, in this order, whatever else a file holds. A name is that of a stacked
    /// tensor, or what comes before the numbers of tensors that are a sample each. By default all are
    /// read.
    pub fn fields<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// Takes every tensor for stacked samples, also where names end in numbers. By default names tell.
    pub fn stacked(mut self) -> Self {
        self.reading = Reading::Stacked;
        self
    }

    /// How much a file may claim to hold.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Opens the files.
    ///
    /// # Errors
    ///
    /// What is wrong with a file, its name included; [`ErrorKind::ShapeMismatch`] when tensors
    /// have no common first axis, when numbers are missing in names, or when files hold different
    /// fields; [`ErrorKind::Config`] for a field that is not there; [`ErrorKind::Empty`] for a
    /// folder without such files.
    pub fn open(self) -> Result<Safetensors> {
        let files = Shards::of(&self.place, &FORMAT)?.files()?;
        self.open_files(&files)
    }

    fn open_files(self, paths: &[PathBuf]) -> Result<Safetensors> {
        let mut shards: Vec<Shard> = Vec::new();
        let mut samples = Succession::default();
        let mut fields: Vec<Field> = Vec::new();
        let held = held_max();
        for (at, path) in paths.iter().enumerate() {
            let place = |error: Error| error.with_path(path);
            let shard = self.shard(path, at, held)?;
            let own: Vec<Field> = shard.fields.iter().map(FieldTensors::field).collect();
            fields = match (shards.first(), shards.last()) {
                (Some(first), Some(last)) => {
                    check_numbers(&shard, first, last).map_err(place)?;
                    let common = common(&fields, &own, &shard, first);
                    common.ok_or_else(|| place(other_fields(&own, &fields, &paths[0])))?
                }
                _ => own,
            };
            samples.push(shard.samples, "samples").map_err(place)?;
            shards.push(shard);
        }
        if shards.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "no .safetensors file"));
        }
        fields.iter().try_for_each(|field| self.limits.check_sample(field))?;
        let schema = Schema::new(fields)?;
        Ok(Safetensors { schema, shards, samples })
    }

    /// File number `at` of those of which `held` stay open.
    fn shard(&self, path: &Path, at: usize, held: usize) -> Result<Shard> {
        let (file, fields) = SampleFile::open(path, at, held, |file, bytes| {
            let (header, head) = Header::read(file, bytes, &self.limits)?;
            let tensors = header.tensors();
            let start = header.data_start;
            let fields = fields_of(&tensors, start, &self.fields, self.reading)?;
            let mut each = fields.iter();
            each.try_for_each(|field| field.check(&fields[0], &self.limits))?;
            Ok((fields, head))
        })?;
        let samples = fields.first().map_or(0, FieldTensors::len);
        Ok(Shard { file, samples, fields })
    }
}

/// Whether the numbers of a shard's tensors go on after those of the `last`, or begin as those of the
/// `first`.
fn check_numbers(shard: &Shard, first: &Shard, last: &Shard) -> Result<()> {
    let number = |shard: &Shard| shard.fields.first().and_then(FieldTensors::first_number);
    let (Some(found), Some(first), Some(before)) = (number(shard), number(first), number(last))
    else {
        return Ok(());
    };
    let next = before.saturating_add(last.samples as u64);
    if found == first || found == next {
        return Ok(());
    }
    let message = format!(
        "the numbers of its tensors begin with {found}, expected {next} after those of {:?}, or {first}",
        last.file.path()
    );
    Err(Error::new(ErrorKind::ShapeMismatch, message))
}

/// The fields that have the samples of two shards.
fn common(fields: &[Field], own: &[Field], shard: &Shard, first: &Shard) -> Option<Vec<Field>> {
    if fields.len() != own.len() {
        return None;
    }
    let kinds = shard.fields.iter().zip(&first.fields);
    let kinds = kinds.map(|(own, first)| [own, first].map(|it| it.first_number().is_some()));
    let pairs = fields.iter().zip(own).zip(kinds);
    pairs
        .map(|((field, own), [is_series, was_series])| match is_series == was_series {
            true => FieldTensors::common(field, own, is_series),
            false => None,
        })
        .collect()
}

#[cold]
fn other_fields(found: &[Field], expected: &[Field], first: &Path) -> Error {
    let told = |fields: &[Field]| {
        let fields: Vec<String> = fields.iter().map(Field::to_string).collect();
        shortened(fields.join("; "))
    };
    let (found, expected) = (told(found), told(expected));
    let message = format!("found fields {found}, expected {expected} as in {first:?}");
    Error::new(ErrorKind::ShapeMismatch, message)
}

impl Safetensors {
    /// Opens a file, those of a folder, or those of a pattern, with the default [`Limits`].
    ///
    /// # Errors
    ///
    /// As [`SafetensorsBuilder::open`].
    pub fn open(place: impl AsRef<Path>) -> Result<Self> {
        Self::builder(place).open()
    }

    /// Opens a file, those of a folder, or those of a pattern.
    ///
    /// # Errors
    ///
    /// As [`SafetensorsBuilder::open`].
    pub fn with_limits(place: impl AsRef<Path>, limits: Limits) -> Result<Self> {
        Self::builder(place).limits(limits).open()
    }

    /// To open `place` otherwise.
    ///
    /// ```no_run
    /// use tallow_core::{Safetensors, Source};
    ///
    /// // Of a file that holds scalars and other tensors, too.
    /// let source = Safetensors::builder("train.safetensors").fields(["image", "label"]).open()?;
    /// println!("{}", source.schema()); // image: u8[3, 32, 32]; label: i64[]
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn builder(place: impl AsRef<Path>) -> SafetensorsBuilder {
        SafetensorsBuilder {
            place: place.as_ref().to_owned(),
            fields: Vec::new(),
            reading: Reading::ByNames,
            limits: Limits::default(),
        }
    }

    /// Reads the fields at the positions `fields` into those of `row`, one after the other.
    fn read_some(
        &self,
        index: usize,
        fields: impl Iterator<Item = usize> + Clone,
        row: &mut Row<'_>,
    ) -> Result<()> {
        let (shard, own) = self.shard(index);
        let read = shard.file.read(row.unchecked(), &row.stop_flag(), |file| {
            let mut fields = fields.clone().enumerate();
            fields.try_for_each(|(i, at)| shard.fields[at].read(file, own, &mut row.field(i)))
        });
        read.map_err(|error| error.with_index(index))
    }

    /// The shard that has sample `index`, and the sample's number there.
    fn shard(&self, index: usize) -> (&Shard, usize) {
        let (at, own) = self.samples.find(index);
        (&self.shards[at], own)
    }
}

impl Source for Safetensors {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.samples.len()
    }

    /// The files are groups.
    fn population(&self) -> Population {
        Population::of(self.len()).in_groups(self.samples.clone())
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, 0..self.schema.fields().len(), row)
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        self.read_some(index, fields.iter().copied(), row)
    }

    /// The file with the sample's number in it, as the names of tensors have it.
    fn name(&self, index: usize) -> Cow<'_, str> {
        let (shard, own) = self.shard(index);
        let first = shard.fields.iter().find_map(FieldTensors::first_number).unwrap_or(0);
        Cow::Owned(format!("{}[{}]", shard.file.path().display(), first + own as u64))
    }

    fn location(&self, index: usize, field: FieldId) -> Option<Location> {
        self.schema.holds(field).then(|| self.shard(index).0.file.location().clone())
    }

    /// The headers and lengths of all shards represent their contents.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("safetensors").text(&self.schema.to_string());
        self.shards.iter().fold(start, |print, shard| shard.file.add_to(print)).finish()
    }

    fn extents(&self, index: usize, visit: &mut dyn FnMut(&Extent)) {
        let (shard, own) = self.shard(index);
        for field in &shard.fields {
            let (offset, bytes) = field.place(own);
            visit(&shard.file.extent(offset, bytes));
        }
    }
}
