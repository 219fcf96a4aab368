//! What the tests of Tallow on CUDA have in common: data, devices of both kinds, and the batches of
//! the CPU to hold those of a device against.

#![cfg(feature = "simulated")]

mod move_rows;

use std::ops::Range;

use tallow::candle::{DType, Device, Result, Tensor};
use tallow::{Batch, Loader, LoaderBuilder, Memory};
use tallow_cuda_sim::{Kernel, KernelMemory, Simulation, Use};
use tallow_transforms::cuda::{Launch, host};

pub use move_rows::MoveRows;

/// Makes a device.
pub type NewDevice = fn(usize) -> Result<Device>;

/// The two constructors of candle's devices: a stream a thread, and one stream for all.
pub const DEVICES: [NewDevice; 2] = [Device::new_cuda, Device::new_cuda_with_stream];

/// A simulation whose device runs Tallow's kernels, for loaders of `samples` samples.
pub fn simulation(seed: u64, samples: usize) -> Simulation {
    let simulation = Simulation::begin(seed);
    for kernel in host::kernels() {
        let of = move |launch: &tallow_cuda_sim::Launch<'_>| Launch {
            kernel: kernel.name,
            grid: launch.grid,
            block: launch.block,
            shared_bytes: launch.shared_bytes,
            args: launch.bytes(0).to_vec(),
        };
        let uses = move |launch: &tallow_cuda_sim::Launch<'_>| {
            let uses = of(launch).uses().into_iter().map(|used| match used.is_write {
                true => Use::write(used.address, used.bytes as usize),
                false => Use::read(used.address, used.bytes as usize),
            });
            uses.collect()
        };
        let run = move |launch: &tallow_cuda_sim::Launch<'_>, _: &mut KernelMemory<'_>| {
            // SAFETY: the simulator has granted the uses of the launch, which are memory of its
            // device, that is of the host, for as long as this runs; the plans in it come from the
            // loader under test.
            unsafe { host::run(&of(launch), 1) };
            Ok(())
        };
        simulation.register(Kernel::new(kernel.name, [kernel.param_bytes]).uses(uses).runs(run));
    }
    simulation.register(move_rows::kernel(samples));
    simulation
}

/// Runs `test` with a device of each kind under the schedules of `seeds`, for loaders of `samples`
/// samples.
///
/// # Panics
///
/// If it leaves violations or memory behind.
pub fn on_every_device(samples: usize, seeds: Range<u64>, test: impl Fn(u64, Device)) {
    for seed in seeds {
        for new in DEVICES {
            let simulation = simulation(seed, samples);
            test(seed, new(0).expect("a device of the simulation"));
            simulation.drain();
            assert_eq!(simulation.violations(), [], "seed {seed}");
            assert_eq!(simulation.live_allocations(), [], "seed {seed}");
        }
    }
}

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
