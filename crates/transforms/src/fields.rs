//! Named tensors in memory whose rows are samples.

use std::ops::Index;

use candle_core::{Device, Storage, Tensor};
use tallow_core::{Error, ErrorKind, Field, Result, RowBuffer, RowDType, Schema};

/// Named tensors whose first axis is the sample, like those of a batch.
#[derive(Debug, Clone)]
pub struct Fields(Vec<(String, Tensor)>);

impl Fields {
    /// The fields `tensors`, in their order.
    pub fn new<N: Into<String>>(tensors: impl IntoIterator<Item = (N, Tensor)>) -> Self {
        Self(tensors.into_iter().map(|(name, tensor)| (name.into(), tensor)).collect())
    }

    /// The tensor of a field, if there is one of that name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, tensor)| tensor)
    }

    /// Where the tensors are.
    pub(crate) fn device(&self) -> Option<&Device> {
        self.0.first().map(|(_, tensor)| tensor.device())
    }

    /// Every field's name and tensor.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (&**name, tensor))
    }

    /// The rows' schema, and how many there are.
    pub(crate) fn schema(&self) -> Result<(Schema, usize)> {
        let mut fields = Vec::with_capacity(self.0.len());
        let mut rows = None;
        let device = self.device();
        for (name, tensor) in &self.0 {
            let refuse = |what: String| Error::new(ErrorKind::Config, what).with_field(name);
            let dtype = RowDType::of(tensor.dtype())
                .ok_or_else(|| refuse(format!("found {:?}, which no row holds", tensor.dtype())))?;
            let Some((&len, shape)) = tensor.dims().split_first() else {
                return Err(refuse("found a scalar, expected rows".to_owned()));
            };
            if *rows.get_or_insert(len) != len {
                return Err(refuse(format!("found {len} rows, {} before", rows.unwrap_or(0))));
            }
            if !tensor.is_contiguous() || !is_known(tensor.device()) {
                return Err(refuse(format!("found a tensor that is not contiguous on {DEVICES}")));
            }
            if device.is_some_and(|device| !device.same_device(tensor.device())) {
                return Err(refuse("found a tensor on another device than before".to_owned()));
            }
            fields.push(Field::new(name, dtype, shape));
        }
        Ok((Schema::new(fields)?, rows.unwrap_or(0)))
    }

    /// Writes row `at` into `buffer`.
    pub(crate) fn read(&self, at: usize, buffer: &mut RowBuffer) -> Result<()> {
        let mut row = buffer.row(None);
        for (i, (_, tensor)) in self.0.iter().enumerate() {
            let (storage, layout) = tensor.storage_and_layout();
            let Storage::Cpu(storage) = &*storage else { continue };
            // `RowDType::of` admits no other types but 8-bit floats, which no chain computes with.
            let bytes = RowDType::bytes_of(storage).unwrap_or_default();
            let row_bytes: usize =
                layout.dims()[1..].iter().product::<usize>() * tensor.dtype().size_in_bytes();
            let start = layout.start_offset() * tensor.dtype().size_in_bytes() + at * row_bytes;
            row.field(i).copy_from_bytes(&bytes[start..start + row_bytes])?;
        }
        Ok(())
    }
}

/// Where tensors are augmented.
const DEVICES: &str = if cfg!(feature = "cuda") { "the CPU or a CUDA device" } else { "the CPU" };

fn is_known(device: &Device) -> bool {
    device.is_cpu() || cfg!(feature = "cuda") && device.is_cuda()
}

/// The tensor of a field.
///
/// # Panics
///
/// When there is no such field; [`Fields::tensor`] does not.
impl Index<&str> for Fields {
    type Output = Tensor;

    fn index(&self, name: &str) -> &Tensor {
        match self.tensor(name) {
            Some(tensor) => tensor,
            None => panic!("no field {name:?}"),
        }
    }
}
