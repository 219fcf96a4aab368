//! The rows of a delivered tensor as bytes.

use tallow::RowDType;
use tallow::candle::{self, Storage, StorageRef, Tensor};

/// A tensor as rows of bytes: row-major elements, little-endian.
///
/// They are read in place if the tensor is in the memory of this machine in that form; otherwise it
/// is copied.
pub(crate) struct Rows<'a> {
    held: Held<'a>,
    row_bytes: usize,
}

enum Held<'a> {
    /// The tensor's own memory, and the byte at which it begins there.
    InPlace(StorageRef<'a>, usize),
    Copied(Vec<u8>),
}

impl<'a> Rows<'a> {
    /// The rows along the first axis.
    ///
    /// # Errors
    ///
    /// If the tensor must be copied and cannot be.
    pub(crate) fn of(tensor: &'a Tensor) -> candle::Result<Self> {
        let size = tensor.dtype().size_in_bytes();
        let rows = tensor.dim(0)?;
        let row_bytes = (tensor.elem_count() * size).checked_div(rows).unwrap_or(0);
        {
            let (storage, layout) = tensor.storage_and_layout();
            if let Some((start, _)) = layout.contiguous_offsets()
                && in_place(&storage).is_some()
            {
                return Ok(Self { held: Held::InPlace(storage, start * size), row_bytes });
            }
        }
        let mut bytes = Vec::new();
        tensor.write_bytes(&mut bytes)?;
        Ok(Self { held: Held::Copied(bytes), row_bytes })
    }

    /// The bytes of row `row`.
    pub(crate) fn row(&self, row: usize) -> &[u8] {
        let (bytes, start) = match &self.held {
            Held::InPlace(storage, start) => (in_place(storage).unwrap_or_default(), *start),
            Held::Copied(bytes) => (bytes.as_slice(), 0),
        };
        &bytes[start + row * self.row_bytes..][..self.row_bytes]
    }
}

fn in_place(storage: &Storage) -> Option<&[u8]> {
    let Storage::Cpu(storage) = storage else { return None };
    if cfg!(target_endian = "big") {
        return None;
    }
    RowDType::bytes_of(storage)
}

#[cfg(test)]
mod tests {
    use tallow::candle::{DType, Device};

    use super::*;

    #[test]
    fn rows_in_place_are_those_of_the_copy() {
        let base = Tensor::arange(0f32, 24., &Device::Cpu).unwrap().reshape((4, 6)).unwrap();
        for dtype in [DType::U8, DType::U32, DType::I64, DType::BF16, DType::F16, DType::F64] {
            let tensor = base.to_dtype(dtype).unwrap();
            for tensor in [tensor.narrow(0, 1, 2).unwrap(), tensor.t().unwrap(), tensor] {
                let mut copy = Vec::new();
                tensor.write_bytes(&mut copy).unwrap();
                let rows = Rows::of(&tensor).unwrap();
                let joined: Vec<u8> =
                    (0..tensor.dim(0).unwrap()).flat_map(|row| rows.row(row).to_vec()).collect();
                assert_eq!(joined, copy);
            }
        }
    }
}
