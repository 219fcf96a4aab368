//! The pixels of pictures that a row holds as files.

use tallow::plan::{Decoders, PictureHead, Shapes};
use tallow::{Field, RowDType, RowView, Sample, Schema, Source, SourceExt as _};

/// Decoders for whole pictures, which threads may share.
#[derive(Debug, Default)]
pub(crate) struct Pixels(Decoders);

/// A decoded picture, as it is stored: not turned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decoded<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) dtype: RowDType,
}

impl Pixels {
    /// Decodes field `at` of a row wholly, if it is the file of a picture, and hands the pixels to
    /// `then`.
    ///
    /// # Errors
    ///
    /// That of the picture, with the name of its field.
    pub(crate) fn decode<R>(
        &self,
        row: RowView<'_>,
        at: usize,
        then: impl FnOnce(&PictureHead, Decoded<'_>) -> R,
    ) -> tallow::SourceResult<Option<R>> {
        let Some(head) = Shapes::of(row).picture(at)? else { return Ok(None) };
        let field = row.field(at);
        let Some(picture) = field.declared().as_picture() else { return Ok(None) };
        let window = head.stored().whole();
        let dtype = picture.dtype();
        let then = |bytes: &[u8]| Ok(then(&head, Decoded { bytes, dtype }));
        self.0.decode(&field, picture, &head, &window, None, then).map(Some)
    }

    /// Decodes all pictures of a row, to see whether they are whole.
    ///
    /// # Errors
    ///
    /// That of the first picture that is not.
    pub(crate) fn check(&self, row: RowView<'_>) -> tallow::SourceResult<()> {
        (0..row.field_count()).try_for_each(|at| self.decode(row, at, |_, _| ()).map(|_| ()))
    }
}

/// Sample `index` as it is shown: with pixels, turned if its field says so.
///
/// # Errors
///
/// If the sample cannot be read or decoded.
pub(crate) fn sample(source: &dyn Source, index: usize) -> tallow::SourceResult<Sample> {
    let sample = source.get(index)?;
    if pictures(source.schema()).next().is_none() {
        return Ok(sample);
    }
    let located = |error: tallow::SourceError| locate(error, source, index);
    sample.decoded().map_err(located)
}

/// The fields of pictures, and their places in the schema.
pub(crate) fn pictures(schema: &Schema) -> impl Iterator<Item = (usize, &Field)> {
    schema.fields().iter().enumerate().filter(|(_, field)| field.as_picture().is_some())
}

/// Names the sample and the file in an error of decoding, which knows the field alone.
pub(crate) fn locate(
    error: tallow::SourceError,
    source: &dyn Source,
    index: usize,
) -> tallow::SourceError {
    let field = error.field().and_then(|name| {
        source.schema().fields().iter().find(|field| field.name() == name).map(Field::id)
    });
    let place = field.and_then(|field| source.location(index, field));
    match (error.path().is_none(), place.as_ref().and_then(|place| place.path())) {
        (true, Some(path)) => error.with_path(path).with_index(index),
        _ => error.with_index(index),
    }
}
