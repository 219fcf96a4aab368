//! Fields of the members of archives, as the first sample shows them.

use std::path::{Path, PathBuf};

use super::tar::{Samples, TarSample};
use super::{Streamed, text};
use crate::codecs::Header;
use crate::files::{Limits, Section};
use crate::sources::{Declared, check_picture, digits_of, suggested};
use crate::{Dim, Error, ErrorKind, Field, FieldMut, Result, RowDType, Schema, TarContent};

impl Streamed<TarSample> {
    /// As [`tar`](Self::tar), with the fields that the first sample has by what the names of its members
    /// usually mean, as a [`Tar`](crate::Tar) has them: pictures, arrays of `.npy` files, whole numbers in
    /// digits, and bytes. No member of a picture or of bytes may have more than `bytes` bytes, which is
    /// as much as a row has room for: nobody knows how long the longest will be.
    ///
    /// # Errors
    ///
    /// As [`tar`](Self::tar); [`ErrorKind::Empty`] when the first archive has no sample, and those of its
    /// members.
    pub fn tar_fields<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        bytes: usize,
    ) -> Result<Self> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let Some(path) = paths.first() else {
            return Err(Error::new(ErrorKind::Config, "no archive, expected at least one"));
        };
        let located = |error: Error| match error.path() {
            None => error.with_path(path),
            Some(_) => error,
        };
        let first = Samples::new(text::open(path)?, path.clone()).next().unwrap_or_else(|| {
            Err(Error::new(ErrorKind::Empty, "no sample in the archive, expected at least one"))
        });
        let first = first.map_err(located)?;
        let members = Member::all_of(&first, path, bytes).map_err(located)?;
        let schema = Schema::new(members.iter().map(|member| member.field.clone()).collect())?;
        Self::tar(schema, &paths, move |sample, row| {
            members.iter().enumerate().try_for_each(|(at, member)| {
                let written = member.write(&sample, &mut row.field(at));
                written.map_err(|error| error.with_field(member.field.name()))
            })
        })
    }
}

/// A field, and the members that it is read from.
struct Member {
    field: Field,
    /// What the names of its members end in: one of these.
    endings: Vec<String>,
    content: TarContent,
    /// The archive whose first sample showed what the field is.
    first: PathBuf,
    bytes_max: usize,
}

impl Member {
    fn all_of(first: &TarSample, path: &Path, bytes_max: usize) -> Result<Vec<Self>> {
        let endings: Vec<&str> = first.endings().collect();
        let member = |declared: Declared| {
            let Declared { name, extensions: endings, content } = declared;
            let payload = found(first, &endings)?;
            let field = field(&name, &content, payload, bytes_max);
            let field = field.map_err(|error| error.with_field(&name))?;
            Ok(Self { field, endings, content, first: path.to_owned(), bytes_max })
        };
        Declared::guess(&endings).into_iter().map(member).collect()
    }

    fn write(&self, sample: &TarSample, field: &mut FieldMut<'_>) -> Result<()> {
        let payload = found(sample, &self.endings)?;
        match &self.content {
            TarContent::Array => self.write_array(payload, field),
            TarContent::Integer => field.copy_from_slice(&[digits_of(payload)?]),
            _ => {
                let most = self.bytes_max;
                if payload.len() > most {
                    let bytes = payload.len();
                    let message = format!(
                        "a member of {bytes} bytes, at most {most}; open the stream with more"
                    );
                    return Err(Error::new(ErrorKind::TooLarge, message));
                }
                if self.field.as_picture().is_some() {
                    check_picture(payload)?;
                }
                field.set_shape(&[payload.len()])?;
                field.copy_from_slice(payload)
            }
        }
    }

    fn write_array(&self, payload: &[u8], field: &mut FieldMut<'_>) -> Result<()> {
        let header = Header::read(Section::of_memory(payload), &Limits::default())?;
        header.check_like(&self.field, &self.first)?;
        header.check_sizes(payload.len() as u64)?;
        field.set_shape(&header.shape)?;
        let elements = &payload[header.text.len()..][..header.stored_bytes(&header.shape)];
        match header.is_plain() {
            true => field.copy_from_bytes(elements),
            false => header.widening.write(&header.straightened(elements.to_vec())?, field),
        }
    }
}

/// The member of a sample that has one of these endings.
fn found<'a>(sample: &'a TarSample, endings: &[String]) -> Result<&'a [u8]> {
    let own = endings.iter().find(|&ending| sample.endings().any(|it| it == ending));
    sample.member(own.or(endings.first()).map_or("", String::as_str))
}

/// What a field is, by the first of its members.
fn field(name: &str, content: &TarContent, payload: &[u8], bytes_max: usize) -> Result<Field> {
    let limits = Limits::default();
    let field = match content {
        TarContent::Picture(_) => {
            let picture = suggested(payload, &|picture| Ok(picture))?;
            let most = bytes_max.min(picture.payload_bytes_max());
            Field::pictures(name, picture.payload_bytes(most))
        }
        TarContent::Array => {
            let header = Header::read(Section::of_memory(payload), &limits)?;
            Field::new(name, header.dtype, &header.shape)
        }
        TarContent::Integer => Field::new(name, RowDType::I64, &[]),
        _ => Field::with_dims(name, RowDType::U8, vec![Dim::Ragged { max: bytes_max }]),
    };
    limits.check_sample(&field)?;
    Ok(field)
}
