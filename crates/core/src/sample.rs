use std::fmt;

use candle_core::Tensor;

use crate::{
    Decode, Error, ErrorKind, FieldIndex, FieldView, Key, Result, RowBuffer, RowKey, RowRunner,
    Schema, Source, Transform,
};

/// One sample in memory, for looking at: what [`SourceExt::get`](crate::SourceExt::get) gives.
///
/// `Display` shows a line per field: name, dtype, shape and first values.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use tallow_core::{Memory, SourceExt};
///
/// let source = Memory::new([("label", Tensor::arange(0i64, 10, &Device::Cpu)?)])?;
/// let sample = source.get(7)?;
/// assert_eq!(sample.field("label").as_slice::<i64>()?, [7]);
/// assert_eq!(sample.tensor("label")?.to_scalar::<i64>()?, 7);
/// assert_eq!(sample.to_string(), "sample 7\n  label: i64[] = 7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sample {
    index: usize,
    buffer: RowBuffer,
}

impl Sample {
    pub(crate) fn read<S: Source + ?Sized>(source: &S, index: usize) -> Result<Self> {
        let mut buffer = RowBuffer::new(source.schema())?;
        source.read(index, &mut buffer.row(None))?;
        buffer.finish()?;
        Ok(Self { index, buffer })
    }

    /// Sample `index`, in the form of a row that was made of it.
    ///
    /// # Errors
    ///
    /// When the row is not whole.
    pub fn from_row(index: usize, row: RowBuffer) -> Result<Self> {
        row.finish()?;
        Ok(Self { index, buffer: row })
    }

    /// Which sample of its source it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The fields, as the source or what made the row declares them.
    pub fn schema(&self) -> &Schema {
        self.buffer.schema()
    }

    /// A field: its name, dtype, shape and elements.
    ///
    /// # Panics
    ///
    /// When there is no such field, naming those there are.
    #[track_caller]
    pub fn field(&self, field: impl FieldIndex) -> FieldView<'_> {
        self.buffer.view().field(field)
    }

    /// A field as a tensor on the CPU; see [`FieldView::tensor`].
    ///
    /// # Errors
    ///
    /// When candle cannot make the tensor.
    ///
    /// # Panics
    ///
    /// When there is no such field, naming those there are.
    #[track_caller]
    pub fn tensor(&self, field: impl FieldIndex) -> Result<Tensor> {
        self.field(field).tensor()
    }

    /// The sample with the pixels of its pictures instead of their files.
    ///
    /// # Errors
    ///
    /// When a picture cannot be decoded, or is none that its field admits.
    pub fn decoded(&self) -> Result<Self> {
        self.transformed(&Decode, 0, 0)
    }

    /// The sample as `transform` makes it in epoch `epoch` of a loader with that seed: bit for bit what
    /// the loader delivers, unless its order can repeat a sample. Several transforms follow each
    /// other as in a loader: `sample.transformed(&a, 0, 0)?.transformed(&b, 0, 0)?`. Pictures are
    /// [decoded](Self::decoded) first, unless the transform decodes what it needs.
    ///
    /// # Errors
    ///
    /// When the transform does not fit the fields or this sample, or mixes a second sample in, which
    /// only a loader can choose.
    pub fn transformed(&self, transform: &dyn Transform, seed: u64, epoch: u64) -> Result<Self> {
        if Decode::is_needed(self.schema()) && !transform.takes_encoded() {
            return self.decoded()?.transformed(transform, seed, epoch);
        }
        let engine = transform.bind(self.schema())?;
        if engine.mixer().is_some() {
            let message = "found a transform that mixes two samples, expected one that needs no other: \
                           leave out the mixing, or look at a batch of a loader";
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut buffer = RowBuffer::new(engine.schema())?;
        let key = RowKey { key: Key::new(seed, epoch), index: self.index as u64 };
        RowRunner::new(&*engine)?
            .run(key, self.buffer.view(), &mut buffer)
            .map_err(|error| error.with_index(self.index))?;
        Ok(Self { index: self.index, buffer })
    }

    fn fields(&self) -> impl Iterator<Item = FieldView<'_>> {
        (0..self.schema().fields().len()).map(|at| self.field(at))
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sample {}", self.index)?;
        self.fields().try_for_each(|field| write!(f, "\n  {field}"))
    }
}

impl fmt::Debug for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields().map(|field| field.to_string()).collect();
        f.debug_struct("Sample").field("index", &self.index).field("fields", &fields).finish()
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;
    use crate::{Dim, ErrorKind, Field, RowDType, SourceExt, from_fn};

    #[test]
    fn a_sample_has_its_own_shape_and_shows_its_first_values() {
        let dims = vec![Dim::Ragged { max: 100 }];
        let fields = vec![
            Field::with_dims("ids", RowDType::U16, dims),
            Field::new("half", RowDType::F16, &[1, 2]),
            Field::new("none", RowDType::F32, &[0]),
        ];
        let source = from_fn(Schema::new(fields).unwrap(), 3, |_, row| {
            let mut ids = row.field("ids");
            ids.set_shape(&[12])?;
            ids.copy_from_slice(&[513u16; 12])?;
            row.field("half").copy_from_slice(&[0.5, -1.0].map(half::f16::from_f32))?;
            row.field("none").as_mut_slice::<f32>().map(|_| ())
        });
        let sample = source.get(2).unwrap();
        let ids = sample.tensor("ids").unwrap();
        assert_eq!((ids.dtype(), ids.dims()), (DType::U32, &[12][..]));
        assert_eq!(ids.to_vec1::<u32>().unwrap(), [513; 12]);
        assert_eq!(sample.tensor("none").unwrap().dims(), [0]);
        assert_eq!(
            sample.to_string(),
            "sample 2\n  ids: u16[12] = 513, 513, 513, 513, 513, 513, 513, 513, .. 12 in all\n  \
             half: f16[1, 2] = 0.5, -1\n  none: f32[0] ="
        );
        assert!(format!("{sample:?}").contains("half: f16[1, 2] = 0.5, -1"), "{sample:?}");
    }

    #[test]
    fn a_sample_that_is_not_there_or_not_whole_is_an_error() {
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
        let source = from_fn(schema, 3, |_, _| Ok(()));
        let error = source.get(3).unwrap_err();
        assert_eq!(error.to_string(), "configuration: no sample 3, the source has 3");
        let error = source.get(1).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::Incomplete, Some(1)));
    }
}
