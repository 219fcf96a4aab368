//! What the tests of Tallow on CUDA have in common: data, devices of both kinds, and the batches of
//! the CPU to hold those of a device against.

#![cfg(feature = "simulated")]

use std::ops::Range;

use tallow::candle::{DType, Device, Result, Tensor};
use tallow::{Batch, Loader, LoaderBuilder, Memory};

/// Makes a device.
pub type NewDevice = fn(usize) -> Result<Device>;

/// The two constructors of candle's devices: a stream a thread, and one stream for all.
pub const DEVICES: [NewDevice; 2] = [Device::new_cuda, Device::new_cuda_with_stream];

/// Samples of [`source`]: no multiple of the batch sizes that tests use.
pub const SAMPLES: usize = 11;

/// Small images of bytes, vectors of floats, and classes.
pub fn source() -> Memory {
    let bytes = |len: usize| -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
    };
    let images = Tensor::from_vec(bytes(SAMPLES * 27), (SAMPLES, 3, 3, 3), &Device::Cpu);
    let floats: Vec<f32> = bytes(SAMPLES * 5).into_iter().map(f32::from).collect();
    let floats = Tensor::from_vec(floats, (SAMPLES, 5), &Device::Cpu);
    let classes = Tensor::arange(0i64, SAMPLES as i64, &Device::Cpu);
    let fields = [("input", images), ("floats", floats), ("target", classes)];
    let fields = fields.map(|(name, tensor)| (name, tensor.expect("a tensor on the CPU")));
    Memory::new(fields).expect("fields of one length")
}

/// A loader over [`source`] in batches of 4, shuffled.
pub fn builder() -> LoaderBuilder {
    Loader::builder(source()).batch_size(4).seed(9).shuffle()
}

/// Everything that a batch says, as numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivered {
    /// Epoch and number.
    pub place: (u64, usize),
    /// The samples.
    pub indices: Vec<usize>,
    /// Every tensor: its name, shape, and values.
    pub tensors: Vec<(String, Vec<usize>, Vec<f64>)>,
}

impl Delivered {
    /// Copies a batch to the host.
    ///
    /// # Errors
    ///
    /// When the device refuses.
    pub fn of(batch: &Batch) -> Result<Self> {
        let tensor = |(name, tensor): (&str, &Tensor)| {
            let values = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
            Ok((name.to_owned(), tensor.dims().to_vec(), values.flatten_all()?.to_vec1()?))
        };
        Ok(Self {
            place: (batch.epoch(), batch.number()),
            indices: batch.indices().to_vec(),
            tensors: batch.tensors().map(tensor).collect::<Result<_>>()?,
        })
    }
}

/// All batches of some epochs.
///
/// # Errors
///
/// The first error of the loader or the device.
pub fn delivered(loader: &Loader, epochs: Range<u64>) -> Result<Vec<Delivered>> {
    loader.epochs(epochs).map(|batch| Delivered::of(&batch?)).collect()
}
