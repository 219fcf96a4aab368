//! What the members of a sample mean, and how each becomes a field.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::super::column::{PICTURES, check_picture, suggested};
use super::index::Place;
use crate::codecs::{Header as ArrayHeader, NpyReader};
use crate::error::{list_names, quoted};
use crate::files::tar::{BLOCK_BYTES, Header};
use crate::files::{File, Limits, Section, read_stored};
use crate::{Dim, Error, ErrorKind, Field, FieldMut, Picture, Result, RowDType};

/// What a member of a [`Tar`](crate::Tar) is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarContent {
    /// A picture (JPEG, PNG or WebP), which stays encoded until it is used.
    Picture(Picture),
    /// The array of a `.npy` file, of the same shape and type in all samples.
    Array,
    /// A whole number in digits: `i64[]`.
    Integer,
    /// Bytes as they are, text for example: `u8[..=N]`, where N is the longest of all.
    Bytes,
    /// A number in a JSON text: that of `key`, in which dots lead into objects and lists
    /// (`label.id`, `box.0`). Of the type `i64` (which true and false are, too), `f32` or `f64`.
    JsonNumber {
        /// Where the number is.
        key: String,
        /// What it becomes.
        dtype: RowDType,
    },
}

/// A field, and the endings of the members that it may come from.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    pub(crate) name: String,
    pub(crate) extensions: Vec<String>,
    pub(crate) content: TarContent,
}

/// Endings of numbers in digits. The first is called label.
const INTEGERS: [&str; 7] = ["cls", "cls2", "class", "count", "index", "inx", "id"];

/// The endings of a picture that may be encoded otherwise in other samples.
fn encodings(member: &str, before: &str, members: &[&str]) -> Vec<String> {
    let own = std::iter::once(member.to_owned());
    let others = PICTURES.map(|other| format!("{before}.{other}"));
    let others = others.into_iter().filter(|other| !members.contains(&other.as_str()));
    own.chain(others.filter(|_| !before.is_empty())).collect()
}

impl Declared {
    /// The fields of samples with these members, by what their names usually mean.
    pub(crate) fn guess(members: &[&str]) -> Vec<Self> {
        let plain_pictures = members.iter().filter(|it| PICTURES.contains(it)).count();
        let mut all: Vec<Self> = Vec::new();
        for member in members {
            let (before, last) = member.rsplit_once('.').unwrap_or(("", member));
            let is_alone = before.is_empty() && plain_pictures == 1;
            let (name, extensions, content) = match last {
                _ if PICTURES.contains(&last) && is_alone => (
                    "image",
                    PICTURES.map(str::to_owned).to_vec(),
                    TarContent::Picture(Picture::rgb()),
                ),
                _ if PICTURES.contains(&last) => {
                    let name = if before.is_empty() { last } else { before };
                    (name, encodings(member, before, members), TarContent::Picture(Picture::rgb()))
                }
                "npy" => {
                    let name = if before.is_empty() { "input" } else { before };
                    (name, vec![(*member).to_owned()], TarContent::Array)
                }
                "cls" if before.is_empty() => {
                    ("label", vec!["cls".to_owned()], TarContent::Integer)
                }
                _ if INTEGERS.contains(member) => {
                    (*member, vec![(*member).to_owned()], TarContent::Integer)
                }
                _ => (*member, vec![(*member).to_owned()], TarContent::Bytes),
            };
            // A field may be called like another one's ending.
            let is_taken = all.iter().any(|other| other.name == name);
            let name = if is_taken { (*member).to_owned() } else { name.to_owned() };
            all.push(Self { name, extensions, content });
        }
        all
    }
}

/// A field, and how it is read.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) extensions: Vec<String>,
    pub(super) field: Field,
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Picture,
    Bytes,
    Array(NpyReader),
    Integer,
    Json { keys: Vec<String>, dtype: RowDType },
}

/// The first sample's member of a field.
pub(super) struct First<'a> {
    pub(super) file: &'a File,
    pub(super) path: &'a Path,
    pub(super) place: Place,
}

impl Column {
    /// The most bytes of a number, and of a JSON text of which one is taken.
    const INTEGER_BYTES_MAX: usize = 64;
    const JSON_BYTES_MAX: u64 = 16 << 20;

    /// What a field is of whose members have at most `longest` bytes, as the first of them shows.
    /// `is_guess` says that nobody has declared what pictures are.
    pub(super) fn new(
        declared: &Declared,
        first: &First<'_>,
        longest: u64,
        ragged: &[(String, usize, usize)],
        limits: &Limits,
        is_guess: bool,
    ) -> Result<Self> {
        let name = &declared.name;
        let ragged = || ragged.iter().filter(|(field, ..)| field == name);
        let longest_bytes = usize::try_from(longest).unwrap_or(usize::MAX);
        let (field, reader) = match &declared.content {
            TarContent::Picture(picture) => {
                let mut picture = picture.clone();
                if is_guess {
                    let bytes = payload(first, limits)?;
                    picture = suggested(&bytes, &|picture| Ok(picture))?;
                }
                for &(_, axis, max) in ragged() {
                    picture = super::super::folders::with_side(picture, name, axis, max)?;
                }
                let most = longest_bytes.max(1).min(picture.payload_bytes_max());
                (Field::pictures(name, picture.payload_bytes(most)), Reader::Picture)
            }
            TarContent::Bytes => {
                let dims = vec![Dim::Ragged { max: longest_bytes }];
                (Field::with_dims(name, RowDType::U8, dims), Reader::Bytes)
            }
            TarContent::Integer => (Field::new(name, RowDType::I64, &[]), Reader::Integer),
            TarContent::JsonNumber { key, dtype } => {
                if !matches!(dtype, RowDType::I64 | RowDType::F32 | RowDType::F64) {
                    let message = format!("a number in JSON as {dtype}, expected i64, f32 or f64");
                    return Err(Error::new(ErrorKind::Config, message).with_field(name));
                }
                let keys = key.split('.').map(str::to_owned).collect();
                (Field::new(name, *dtype, &[]), Reader::Json { keys, dtype: *dtype })
            }
            TarContent::Array => {
                let (header, dims) = array(first, name, ragged(), limits)?;
                let field = Field::with_dims(name, header.dtype, dims);
                let reader = NpyReader::new(Arc::new(header), first.path.to_owned(), *limits);
                (field, Reader::Array(reader))
            }
        };
        limits.check_sample(&field)?;
        Ok(Self { extensions: declared.extensions.clone(), field, reader })
    }

    /// Reads a member into its field: its header with what follows, in one system call where the
    /// member is of the usual kind.
    pub(super) fn read(&self, file: &File, place: Place, field: &mut FieldMut<'_>) -> Result<()> {
        field.restart();
        let mut head = [0; BLOCK_BYTES];
        let begins = place.start - BLOCK_BYTES as u64;
        match &self.reader {
            Reader::Array(reader) => {
                reader.read_part(file, place.start, place.bytes, &mut head, field)?;
            }
            Reader::Picture | Reader::Bytes => {
                field.set_shape(&[usize::try_from(place.bytes).unwrap_or(usize::MAX)])?;
                field.read_after_head(file, begins, &mut head)?;
                field.read_rest(file, place.start)?;
            }
            Reader::Integer => {
                let number = integer(file, place, &mut head)?;
                field.copy_from_slice(&[number])?;
            }
            Reader::Json { keys, dtype } => json(file, place, &mut head, (keys, *dtype), field)?,
        }
        check(&head, place)?;
        match self.reader {
            Reader::Picture => check_picture(field.as_mut_bytes()?),
            _ => Ok(()),
        }
    }
}

/// Whether the member's header is where the index says and of what it says: an index may be of another
/// archive that was as long.
fn check(head: &[u8; BLOCK_BYTES], place: Place) -> Result<()> {
    let fits = |header: Header<'_>| {
        header.is_file() && (!place.is_plain || header.size().is_ok_and(|it| it == place.bytes))
    };
    if Header::of(head).is_some_and(fits) {
        return Ok(());
    }
    let message = "the archive is not the one that its index was made of; open it again";
    Err(Error::new(ErrorKind::Changed, message))
}

fn payload(first: &First<'_>, limits: &Limits) -> Result<Vec<u8>> {
    let Place { start, bytes, .. } = first.place;
    match usize::try_from(bytes).ok().filter(|&bytes| bytes <= limits.sample_bytes) {
        Some(bytes) => read_stored(first.file, start, bytes, || false),
        None => {
            let message = format!("{bytes} bytes, at most {}", limits.sample_bytes);
            Err(Error::new(ErrorKind::TooLarge, message))
        }
    }
}

fn array<'a>(
    first: &First<'_>,
    name: &str,
    ragged: impl Iterator<Item = &'a (String, usize, usize)>,
    limits: &Limits,
) -> Result<(ArrayHeader, Vec<Dim>)> {
    let Place { start, bytes, .. } = first.place;
    let section = Section::of_file(first.file, start + bytes).part(start, bytes);
    let header = ArrayHeader::read(section, limits);
    let header = header.map_err(|error| error.with_offset_from(start))?;
    let mut dims: Vec<Dim> = header.shape.iter().map(|&len| Dim::Fixed(len)).collect();
    for &(_, axis, max) in ragged {
        let Some(dim) = dims.get_mut(axis) else {
            let message = format!("axis {axis} as ragged, the arrays have {} axes", dims.len());
            return Err(Error::new(ErrorKind::Config, message).with_field(name));
        };
        *dim = Dim::Ragged { max };
    }
    Ok((header, dims))
}

/// The number that a member is, and the header before it.
fn integer(file: &File, place: Place, head: &mut [u8; BLOCK_BYTES]) -> Result<i64> {
    let mut buffer = [0; BLOCK_BYTES + Column::INTEGER_BYTES_MAX];
    let len = usize::try_from(place.bytes).unwrap_or(usize::MAX);
    if len > Column::INTEGER_BYTES_MAX {
        let message = format!("found {len} bytes, expected a whole number in digits");
        return Err(Error::new(ErrorKind::DtypeMismatch, message));
    }
    let buffer = &mut buffer[..BLOCK_BYTES + len];
    let read = file.read_exact_at(buffer, place.start - BLOCK_BYTES as u64);
    read.map_err(|error| Error::io("read", error))?;
    let (own, digits) = buffer.split_at(BLOCK_BYTES);
    head.copy_from_slice(own);
    digits_of(digits)
}

/// The whole number that a text is.
pub(crate) fn digits_of(digits: &[u8]) -> Result<i64> {
    let text = String::from_utf8_lossy(digits);
    text.trim().parse().map_err(|_| {
        let message = format!("found {}, expected a whole number in digits", quoted(&text));
        Error::new(ErrorKind::DtypeMismatch, message)
    })
}

fn json(
    file: &File,
    place: Place,
    head: &mut [u8; BLOCK_BYTES],
    (keys, dtype): (&[String], RowDType),
    field: &mut FieldMut<'_>,
) -> Result<()> {
    if place.bytes > Column::JSON_BYTES_MAX {
        let message =
            format!("a JSON text of {} bytes, at most {}", place.bytes, Column::JSON_BYTES_MAX);
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    let begins = place.start - BLOCK_BYTES as u64;
    let bytes = read_stored(file, begins, BLOCK_BYTES + place.bytes as usize, field.stop_flag())?;
    let (own, text) = bytes.split_at(BLOCK_BYTES);
    head.copy_from_slice(own);
    let whole: Value = serde_json::from_slice(text).map_err(|error| {
        let message = format!("is no JSON: {error}");
        Error::new(ErrorKind::Header, message).with_source(error)
    })?;
    let mut value = &whole;
    for key in keys {
        let below = match value {
            Value::Object(map) => map.get(key),
            Value::Array(list) => key.parse().ok().and_then(|at: usize| list.get(at)),
            _ => None,
        };
        value = below.ok_or_else(|| no_key(key, value))?;
    }
    let whole_number = || value.as_i64().or_else(|| value.as_bool().map(i64::from));
    let other = || {
        let expected = if dtype == RowDType::I64 { "a whole number" } else { "a number" };
        let message = format!("found {}, expected {expected}", quoted(&value.to_string()));
        Error::new(ErrorKind::DtypeMismatch, message)
    };
    match dtype {
        RowDType::I64 => field.copy_from_slice(&[whole_number().ok_or_else(other)?]),
        RowDType::F32 => field.copy_from_slice(&[value.as_f64().ok_or_else(other)? as f32]),
        _ => field.copy_from_slice(&[value.as_f64().ok_or_else(other)?]),
    }
}

#[cold]
fn no_key(key: &str, value: &Value) -> Error {
    let held = match value {
        Value::Object(map) => {
            list_names(map.keys().map(|key| quoted(key)).collect::<Vec<_>>().into_iter())
        }
        Value::Array(list) => format!("a list of {}", list.len()),
        other => quoted(&other.to_string()),
    };
    let message = format!("no key {} in the JSON text, which holds {held}", quoted(key));
    Error::new(ErrorKind::Header, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_taken_for_what_their_names_usually_mean() {
        let guess = |members: &[&str]| -> Vec<(String, TarContent)> {
            Declared::guess(members).into_iter().map(|it| (it.name, it.content)).collect()
        };
        let picture = || TarContent::Picture(Picture::rgb());
        for (members, expected) in [
            (&["jpg", "cls"][..], vec![("image", picture()), ("label", TarContent::Integer)]),
            (
                &["jpg", "seg.png", "json"],
                vec![("image", picture()), ("seg", picture()), ("json", TarContent::Bytes)],
            ),
            (&["jpg", "png"], vec![("jpg", picture()), ("png", picture())]),
            (
                &["npy", "y.npy", "id"],
                vec![
                    ("input", TarContent::Array),
                    ("y", TarContent::Array),
                    ("id", TarContent::Integer),
                ],
            ),
            (&["image.png", "jpg"], vec![("image", picture()), ("jpg", picture())]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(name, content)| (name.to_owned(), content)).collect();
            assert_eq!(guess(members), expected);
        }
    }
}
