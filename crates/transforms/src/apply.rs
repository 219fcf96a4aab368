//! Augmentation without a loader.

use candle_core::{Device, Tensor};
use tallow_core::{
    Engine, Error, ErrorKind, Result, RowBuffer, RowKey, RowRunner, Schema, Transform,
};

use crate::augment::Augment;
use crate::fields::Fields;

impl Augment {
    /// Augments tensors in memory: row r of each field with the random numbers of `keys[r]`. The
    /// result is bit for bit what a loader delivers for the same sample, epoch and seed.
    ///
    /// Tensors on a CUDA device (feature `cuda`) are augmented there, on the stream of the device.
    /// Their values are not checked against the range, since they would have to be copied for that.
    ///
    /// # Errors
    ///
    /// When the chain does not fit the fields, when the tensors are not contiguous on the CPU or on
    /// one CUDA device, when there are not as many keys as rows, or when the chain mixes samples,
    /// for which a loader is needed to choose the partners.
    pub fn apply(&self, fields: &Fields, keys: &[RowKey]) -> Result<Fields> {
        let (schema, rows) = fields.schema()?;
        if keys.len() != rows {
            let message = format!("found {} keys for {rows} rows", keys.len());
            return Err(Error::new(ErrorKind::Config, message));
        }
        let engine = self.bind(&schema)?;
        if engine.mixer().is_some() {
            let message = "mixing takes a second sample of the epoch, which only a loader has";
            return Err(Error::new(ErrorKind::Config, message));
        }
        if let Some(field) = engine.schema().fields().iter().find(|field| field.is_ragged()) {
            let message = format!("delivers {field}, rows of one shape are needed");
            return Err(Error::new(ErrorKind::Config, message));
        }
        #[cfg(feature = "cuda")]
        if let Some(Device::Cuda(device)) = fields.device() {
            return crate::cuda::apply(self, &schema, fields, keys, device);
        }
        apply(engine.as_ref(), &schema, fields, keys)
    }
}

fn apply(engine: &dyn Engine, schema: &Schema, fields: &Fields, keys: &[RowKey]) -> Result<Fields> {
    let mut raw = RowBuffer::new(schema)?;
    let mut made = RowBuffer::new(engine.schema())?;
    let mut runner = RowRunner::new(engine)?;
    let outputs = engine.schema().fields();
    let mut bytes: Vec<Vec<u8>> =
        outputs.iter().map(|field| Vec::with_capacity(keys.len() * field.max_bytes())).collect();
    for (at, key) in keys.iter().enumerate() {
        fields.read(at, &mut raw)?;
        runner.run(*key, raw.view(), &mut made)?;
        for (i, bytes) in bytes.iter_mut().enumerate() {
            bytes.extend_from_slice(made.view().field(i).bytes());
        }
    }
    let tensors = outputs.iter().zip(bytes).map(|(field, bytes)| {
        let mut shape = vec![keys.len()];
        shape.extend(field.max_shape());
        let dtype = field.dtype().delivered();
        Ok((field.name(), Tensor::from_raw_buffer(&bytes, dtype, &shape, &Device::Cpu)?))
    });
    Ok(Fields::new(tensors.collect::<Result<Vec<_>>>()?))
}
