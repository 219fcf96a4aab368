//! The header of a `.safetensors` file.

use std::collections::BTreeMap;

use serde_json::json;

use crate::data::npy::NpyDtype;

/// A tensor of a file to be written.
#[derive(Debug)]
pub(crate) struct Tensor<'a> {
    pub(crate) name: &'a str,
    pub(crate) dtype: NpyDtype,
    pub(crate) shape: Vec<usize>,
}

impl Tensor<'_> {
    fn bytes(&self) -> u64 {
        self.shape.iter().map(|&len| len as u64).product::<u64>() * self.dtype.size() as u64
    }
}

/// The bytes of a file before its tensors, and where each tensor begins in the file. The tensors
/// follow each other without gaps.
pub(crate) fn header(tensors: &[Tensor<'_>]) -> (Vec<u8>, Vec<u64>) {
    /// The format asks for it, so that the elements of a file in memory are aligned.
    const ALIGNMENT: usize = 8;
    let mut end = 0;
    let mut starts = Vec::new();
    let mut described = BTreeMap::new();
    for tensor in tensors {
        let start = end;
        end += tensor.bytes();
        starts.push(start);
        let dtype = tensor.dtype.as_str().to_ascii_uppercase();
        let entry = json!({ "dtype": dtype, "shape": tensor.shape, "data_offsets": [start, end] });
        described.insert(tensor.name, entry);
    }
    let mut text = json!(described).to_string();
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(ALIGNMENT) - text.len()));
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    let first = bytes.len() as u64;
    (bytes, starts.into_iter().map(|start| first + start).collect())
}

#[cfg(test)]
mod tests {
    use tallow::{Safetensors, Source as _};

    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        for dtype in NpyDtype::ALL {
            let tensor = |name, shape: &[usize]| Tensor { name, dtype, shape: shape.to_vec() };
            let tensors = [tensor("input", &[5, 3, 1]), tensor("target", &[5])];
            let (mut bytes, starts) = header(&tensors);
            assert_eq!((bytes.len() % 8, starts[0]), (0, bytes.len() as u64));
            assert_eq!(starts[1] - starts[0], tensors[0].bytes());
            bytes.resize(bytes.len() + (tensors[0].bytes() + tensors[1].bytes()) as usize, 0);
            std::fs::write(&path, bytes).unwrap();
            let source = Safetensors::open(&path).unwrap();
            assert_eq!(source.len(), 5);
            assert_eq!(source.schema().fields()[0].max_shape(), [3, 1]);
        }
    }
}
