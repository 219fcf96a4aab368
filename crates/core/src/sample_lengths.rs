use std::sync::Arc;

use crate::field_index;
use crate::threads::in_parts;
use crate::{Dim, Error, ErrorKind, Field, FieldIndex, Result, RowBuffer, Schema, Source};

/// How long the first ragged axis of one field is in each sample of a source: 4 bytes a sample.
///
/// This is what packing and buckets need before anything is read.
///
/// ```
/// use tallow_core::{Dim, Field, SampleLengths, RowDType, Schema, from_fn};
///
/// let field = Field::with_dims("input", RowDType::U8, vec![Dim::Ragged { max: 9 }]);
/// let source = from_fn(Schema::new(vec![field])?, 4, |index, row| {
///     row.field(0).set_shape(&[index + 2])?;
///     row.field(0).copy_from_slice(&vec![7u8; index + 2])
/// });
/// let lengths = SampleLengths::of(&source, "input")?;
/// assert_eq!(lengths.as_slice(), [2, 3, 4, 5]);
/// assert_eq!((lengths.total(), lengths.longest()), (14, 5));
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleLengths {
    lengths: Vec<u32>,
    are_known: bool,
}

/// Samples that are measured as one part.
const TOGETHER: usize = 256;

impl SampleLengths {
    /// Those of `field` of all samples of `source`, which is asked for them by
    /// [`Source::length`]. From the first sample on of which it does not know, samples are read to
    /// be measured, this field alone, by as many threads as there are cores.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such field, [`ErrorKind::ShapeMismatch`] when it has no
    /// ragged axis, [`ErrorKind::TooLarge`] for a length above 2^32 - 1 or when there is no memory, and
    /// the first sample that cannot be read.
    pub fn of<S: Source + ?Sized>(source: &S, field: impl FieldIndex) -> Result<Self> {
        let fields = source.schema().fields();
        let Some(at) = field.position_in(fields) else {
            return Err(Error::new(ErrorKind::Config, field_index::missing(&field, fields)));
        };
        let axis = ragged_axis(&fields[at])?;
        let mut lengths = reserve(source.len())?;
        for index in 0..source.len() {
            let Some(length) = source.length(index, at) else { break };
            lengths.push(stored(length, index)?);
        }
        let are_known = lengths.len() == source.len();
        if !are_known {
            Measure { source, at, axis }.rest(&mut lengths)?;
        }
        Ok(Self { lengths, are_known })
    }

    /// The number of samples.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Whether there is no sample.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// That of every sample, in elements.
    pub fn as_slice(&self) -> &[u32] {
        &self.lengths
    }

    /// The sum of all.
    pub fn total(&self) -> u64 {
        self.lengths.iter().map(|&length| u64::from(length)).sum()
    }

    /// The greatest, and 0 if there is no sample.
    pub fn longest(&self) -> usize {
        self.lengths.iter().max().map_or(0, |&length| length as usize)
    }

    /// Whether the source knew all of them, so that nothing was read and nobody needs to keep them.
    pub fn are_known(&self) -> bool {
        self.are_known
    }
}

/// What a sampler holds.
impl From<SampleLengths> for Arc<[u32]> {
    fn from(lengths: SampleLengths) -> Self {
        lengths.lengths.into()
    }
}

/// The first axis of `field` that is ragged.
fn ragged_axis(field: &Field) -> Result<usize> {
    let axis = field.dims().iter().position(|dim| matches!(dim, Dim::Ragged { .. }));
    axis.ok_or_else(|| {
        let message = format!("found {field}, expected a field whose samples differ in length");
        Error::new(ErrorKind::ShapeMismatch, message).with_field(field.name())
    })
}

fn stored(length: usize, index: usize) -> Result<u32> {
    u32::try_from(length).map_err(|_| {
        let message = format!("{length} elements, expected at most {}", u32::MAX);
        Error::new(ErrorKind::TooLarge, message).with_index(index)
    })
}

/// Memory for as many lengths.
fn reserve(samples: usize) -> Result<Vec<u32>> {
    let mut lengths = Vec::new();
    lengths.try_reserve_exact(samples).map_err(|_| {
        let message = format!("no memory for the lengths of {samples} samples");
        Error::new(ErrorKind::TooLarge, message)
    })?;
    Ok(lengths)
}

/// Reads samples of which nothing is known.
struct Measure<'a, S: ?Sized> {
    source: &'a S,
    /// The field's position.
    at: usize,
    axis: usize,
}

impl<S: Source + ?Sized> Measure<'_, S> {
    /// Appends to `lengths` those of the samples that it does not have.
    fn rest(&self, lengths: &mut Vec<u32>) -> Result<()> {
        let (first, end) = (lengths.len(), self.source.len());
        let parts = (end - first).div_ceil(TOGETHER);
        let measured = in_parts(
            parts,
            || self.buffer(),
            |buffer, part| {
                let start = first + part * TOGETHER;
                let one = |index| self.one(index, buffer).map_err(|error| error.with_index(index));
                (start..end.min(start + TOGETHER)).map(one).collect::<Result<Vec<u32>>>()
            },
        )?;
        measured.iter().for_each(|part| lengths.extend(part));
        Ok(())
    }

    /// Memory for this field of the longest sample.
    fn buffer(&self) -> Result<RowBuffer> {
        RowBuffer::new(&Schema::new(vec![self.source.schema().fields()[self.at].clone()])?)
    }

    fn one(&self, index: usize, buffer: &mut RowBuffer) -> Result<u32> {
        if let Some(length) = self.source.length(index, self.at) {
            return stored(length, index);
        }
        self.source.read_fields(index, &[self.at], &mut buffer.row(None))?;
        buffer.finish()?;
        stored(buffer.view().field(0).shape()[self.axis], index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RowDType, SourceExt, from_fn};

    /// Samples of `len(index)` elements, of which nothing is known before they are read.
    fn ragged(samples: usize, len: fn(usize) -> usize) -> impl Source {
        let dims = vec![Dim::Fixed(2), Dim::Ragged { max: 40 }];
        let fields = vec![
            Field::new("label", RowDType::U8, &[]),
            Field::with_dims("x", RowDType::U16, dims),
        ];
        let source = from_fn(Schema::new(fields).unwrap(), samples, move |index, row| {
            if matches!(index, 700 | 1400) {
                return Err(Error::user("gone"));
            }
            row.field(0).copy_from_slice(&[0u8])?;
            row.field(1).set_shape(&[2, len(index)])?;
            row.field(1).copy_from_slice(&vec![1u16; 2 * len(index)])
        });
        source.select(["x", "label"]).unwrap()
    }

    #[test]
    fn what_is_not_known_is_measured() {
        let lengths = SampleLengths::of(&ragged(700, |index| index % 41), "x").unwrap();
        let expected: Vec<u32> = (0..700).map(|index| index % 41).collect();
        assert_eq!(lengths.as_slice(), expected);
        assert_eq!(lengths.total(), expected.iter().map(|&length| u64::from(length)).sum::<u64>());
        assert_eq!((lengths.len(), lengths.longest(), lengths.are_known()), (700, 40, false));
        let none = SampleLengths::of(&ragged(0, |_| 0), 0).unwrap();
        assert!(none.is_empty() && none.are_known() && none.longest() == 0);
    }

    #[test]
    fn the_first_sample_that_cannot_be_read_is_told() {
        let error = SampleLengths::of(&ragged(2000, |_| 1), "x").unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::User, Some(700)));
    }

    #[test]
    fn fields_without_a_ragged_axis_are_refused() {
        let source = ragged(3, |_| 1);
        let error = SampleLengths::of(&source, "label").unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::ShapeMismatch, Some("label")));
        let error = SampleLengths::of(&source, "y").unwrap_err();
        assert_eq!(error.message(), "no field \"y\", the fields are \"x\", \"label\"");
    }
}
