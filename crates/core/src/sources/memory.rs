use std::fmt;
use std::ops::Range;

use candle_core::{CpuStorage, Device, Storage, Tensor};

use crate::{
    Error, ErrorKind, Field, FieldMut, Fingerprint, FingerprintBuilder, Result, Row, RowDType,
    Schema, Source,
};

/// Tensors in memory: each is a field, and the first axis of each is the sample axis.
///
/// Tensors that are contiguous and on the CPU are held, not copied; others are copied there once.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use tallow_core::{Memory, Source};
///
/// let images = Tensor::zeros((10, 3, 8, 8), candle_core::DType::F32, &Device::Cpu)?;
/// let labels = Tensor::arange(0i64, 10, &Device::Cpu)?;
/// let source = Memory::new([("input", images), ("target", labels)])?;
/// assert_eq!(source.schema().to_string(), "input: f32[3, 8, 8]; target: i64[]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Memory {
    schema: Schema,
    tensors: Vec<Tensor>,
    len: usize,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Memory");
        debug.field("schema", &self.schema).field("len", &self.len).finish_non_exhaustive()
    }
}

impl Memory {
    /// The tensors as fields, in this order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShapeMismatch`] when a tensor has no axis or the first axes differ,
    /// [`ErrorKind::UnsupportedDtype`] for candle's sub-byte types.
    pub fn new<N: Into<String>>(tensors: impl IntoIterator<Item = (N, Tensor)>) -> Result<Self> {
        let (mut fields, mut held) = (Vec::new(), Vec::new());
        let mut len = None;
        for (name, tensor) in tensors {
            let name = name.into();
            let (field, samples) = field_of(&name, &tensor)?;
            let expected = *len.get_or_insert(samples);
            if samples != expected {
                let message = format!("found {samples} samples, expected {expected}");
                return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(name));
            }
            fields.push(field);
            held.push(tensor.to_device(&Device::Cpu)?.contiguous()?);
        }
        Ok(Self { schema: Schema::new(fields)?, tensors: held, len: len.unwrap_or(0) })
    }

    fn read_field(&self, tensor: &Tensor, index: usize, field: &mut FieldMut<'_>) -> Result<()> {
        assert!(index < self.len, "sample {index} of {}", self.len);
        let len = field.declared().max_elements();
        with_bytes(tensor, index * len..(index + 1) * len, |row| field.copy_from_bytes(row))
    }
}

fn field_of(name: &str, tensor: &Tensor) -> Result<(Field, usize)> {
    let Some((&samples, shape)) = tensor.dims().split_first() else {
        let message = "found a scalar, expected a first axis of samples";
        return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(name));
    };
    let Some(dtype) = RowDType::of(tensor.dtype()) else {
        let message = format!("{:?} has no whole bytes", tensor.dtype());
        return Err(Error::new(ErrorKind::UnsupportedDtype, message).with_field(name));
    };
    Ok((Field::new(name, dtype, shape), samples))
}

impl Source for Memory {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()> {
        let mut tensors = self.tensors.iter().enumerate();
        tensors.try_for_each(|(i, tensor)| self.read_field(tensor, index, &mut row.field(i)))
    }

    fn read_fields(&self, index: usize, fields: &[usize], row: &mut Row<'_>) -> Result<()> {
        let mut fields = fields.iter().enumerate();
        fields.try_for_each(|(i, &at)| self.read_field(&self.tensors[at], index, &mut row.field(i)))
    }

    /// Schema, length and contents: that takes one pass over memory.
    fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("memory").text(&self.schema.to_string());
        let add = |print: FingerprintBuilder, tensor: &Tensor| {
            let all = 0..tensor.elem_count();
            // Only tensors whose bytes can be had are accepted by `new`.
            with_bytes(tensor, all, |bytes| Ok(print.clone().bytes(bytes))).unwrap_or(print)
        };
        self.tensors.iter().fold(start.number(self.len as u64), add).finish()
    }
}

/// The bytes of some elements of a contiguous CPU tensor.
fn with_bytes<R>(
    tensor: &Tensor,
    elements: Range<usize>,
    run: impl FnOnce(&[u8]) -> Result<R>,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Error::new(ErrorKind::Config, "a tensor outside the CPU's memory"));
    };
    let start = layout.start_offset();
    let range = start + elements.start..start + elements.end;
    match (RowDType::bytes_of(storage), storage) {
        (Some(bytes), _) => {
            let size = tensor.dtype().size_in_bytes();
            run(&bytes[range.start * size..range.end * size])
        }
        (None, CpuStorage::F8E4M3(all)) => {
            let bytes: Vec<u8> = all[range].iter().map(|value| value.to_bits()).collect();
            run(&bytes)
        }
        _ => Err(Error::new(ErrorKind::UnsupportedDtype, "a sub-byte type")),
    }
}

#[cfg(test)]
mod tests {
    use candle_core::DType;

    use super::*;

    #[test]
    fn it_conforms_for_every_dtype() {
        for dtype in [DType::U8, DType::U32, DType::I16, DType::I32, DType::I64]
            .into_iter()
            .chain([DType::BF16, DType::F16, DType::F32, DType::F64])
        {
            let input = Tensor::arange(0u32, 24, &Device::Cpu).unwrap();
            let input = input.reshape((4, 2, 3)).unwrap().to_dtype(dtype).unwrap();
            let source = Memory::new([("input", input.clone()), ("twin", input)]).unwrap();
            crate::testing::check_source(&source);
        }
    }

    #[test]
    fn views_are_read_as_their_own_samples() {
        let all = Tensor::arange(0u8, 20, &Device::Cpu).unwrap().reshape((10, 2)).unwrap();
        let source = Memory::new([("x", all.narrow(0, 3, 4).unwrap())]).unwrap();
        let mut buffer = crate::RowBuffer::new(source.schema()).unwrap();
        source.read(1, &mut buffer.row(None)).unwrap();
        assert_eq!(buffer.view().field(0).bytes(), [8, 9]);
    }

    #[test]
    fn tensors_of_different_lengths_are_refused() {
        let of = |len: usize| Tensor::zeros(len, DType::F32, &Device::Cpu).unwrap();
        let error = Memory::new([("a", of(3)), ("b", of(4))]).unwrap_err();
        assert_eq!((error.kind(), error.field()), (ErrorKind::ShapeMismatch, Some("b")));
    }
}
