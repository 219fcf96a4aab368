//! Launches on a CUDA device, by way of candle, and chains applied to tensors that lie there.

#![expect(
    unsafe_code,
    reason = "allocates device memory without clearing it, and launches kernels"
)]

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaStream, DevicePtr, DevicePtrMut, LaunchConfig, SyncOnDrop,
};
use candle_core::cuda_backend::{CudaDType, CudaStorageSlice, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{CudaDevice, CudaStorage, DType, Device, Storage, Tensor};
use half::{bf16, f16};
use tallow_core::device::{DeviceEngine, DeviceSlab, Made, Run};
use tallow_core::{Engine, Error, ErrorKind, Field, Result, RowBuffer, RowKey, Schema, Shapes};
use tallow_fatbin::{Fatbin, Function, fatbin};

use super::args::StageArgs;
use super::launches::{Launch, Launches};
use crate::augment::Augment;
use crate::fields::Fields;

/// The kernels in parts, because a driver without machine code for the device compiles for a second for
/// each of the stage kernels, of which a loader needs one.
static PARTS: [(&str, Fatbin); 6] = [
    ("stage_u8", fatbin!("stage_u8")),
    ("stage_photo", fatbin!("stage_photo")),
    ("stage_u16", fatbin!("stage_u16")),
    ("stage_f16", fatbin!("stage_f16")),
    ("stage_f32", fatbin!("stage_f32")),
    ("others", fatbin!("others")),
];

/// The part with `kernel`: its own, or that of the others.
fn part_of(kernel: &str) -> &'static (&'static str, Fatbin) {
    let others = &PARTS[PARTS.len() - 1];
    PARTS.iter().find(|(name, _)| *name == kernel).unwrap_or(others)
}

/// The kernels that a chain and its clones have loaded, of every device that they were used on: at most
/// as many as there are kernels and devices that live.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kernels(Arc<Mutex<Vec<Loaded>>>);

#[derive(Debug)]
struct Loaded {
    part: &'static str,
    kernel: &'static str,
    function: Function,
}

impl Kernels {
    /// A kernel in the context of a device, loaded if it is not there yet.
    fn function(&self, context: &Arc<CudaContext>, kernel: &'static str) -> Result<Function> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = |loaded: &&Loaded| loaded.function.module().is_in(context);
        if let Some(found) = all.iter().filter(here).find(|loaded| loaded.kernel == kernel) {
            return Ok(found.function.clone());
        }
        all.retain(|loaded| !loaded.function.module().is_stale());
        let (part, code) = part_of(kernel);
        let module = all.iter().filter(here).find(|loaded| loaded.part == *part);
        let module = match module.map(|loaded| loaded.function.module().clone()) {
            Some(module) => module,
            None => Arc::new(
                code.load(context)
                    .map_err(|refused| Error::new(ErrorKind::Config, refused.to_string()))?,
            ),
        };
        let function = module.function(kernel).w()?;
        all.push(Loaded { part, kernel, function: function.clone() });
        Ok(function)
    }
}

impl Launches {
    /// Loads the kernels of `launches` that `device` does not have yet.
    pub(super) fn load_kernels(&self, device: &CudaDevice, launches: &[Launch]) -> Result<()> {
        let stream = device.cuda_stream();
        let load = |launch: &Launch| self.kernels.function(stream.context(), launch.kernel);
        launches.iter().try_for_each(|launch| load(launch).map(drop))
    }

    /// Puts launches on `stream`, which is one of `device`, in their order, and returns without waiting
    /// for them.
    ///
    /// # Safety
    ///
    /// The bytes of [`Launch::uses`] are memory of `device`, whatever was put there before comes first
    /// on that stream, and it is neither freed nor otherwise written before the launches are done. The
    /// plans in it are those of the engine that the launches come from.
    ///
    /// # Errors
    ///
    /// When the driver refuses.
    pub unsafe fn enqueue(
        &self,
        device: &CudaDevice,
        stream: &Arc<CudaStream>,
        launches: &[Launch],
    ) -> Result<()> {
        let own = device.cuda_stream();
        for launch in launches {
            let kernel = self.kernels.function(own.context(), launch.kernel)?;
            let mut params = params(launch);
            let ([x, y, z], [threads, ..]) = (launch.grid, launch.block);
            let config = LaunchConfig {
                grid_dim: (x, y, z),
                block_dim: (threads, 1, 1),
                shared_mem_bytes: launch.shared_bytes,
            };
            let parameters = &mut [params.as_mut_ptr().cast::<c_void>()];
            // SAFETY: the kernel takes one struct, with which `params` begins; the memory behind its
            // addresses is the caller's to grant.
            unsafe { kernel.launch(stream, config, parameters) }.w()?;
        }
        Ok(())
    }
}

/// Words of the largest struct that a kernel takes. The driver reads as many as the kernel has.
const PARAM_WORDS: usize = size_of::<StageArgs>() / size_of::<u64>();

/// The struct of a launch, where a struct of addresses can lie.
fn params(launch: &Launch) -> [u64; PARAM_WORDS] {
    let mut params = [0; PARAM_WORDS];
    bytemuck::cast_slice_mut(&mut params)[..launch.args.len()].copy_from_slice(&launch.args);
    params
}

/// [`Augment::apply`] of fields that lie on `device`.
pub(crate) fn apply(
    augment: &Augment,
    schema: &Schema,
    fields: &Fields,
    keys: &[RowKey],
    device: &CudaDevice,
) -> Result<Fields> {
    let launches = Launches::bind(augment, schema)?;
    let plans = plans(launches.engine(), schema, keys)?;
    let mut made = on_device(&launches, fields, &plans, keys.len(), device)?.into_iter();
    let outputs = launches.engine().schema().fields().iter().enumerate();
    let tensors = outputs.zip(fields.iter()).map(|((i, field), (name, tensor))| {
        let made = match launches.made(i) {
            Made::OnHost => on_host(&launches, schema, fields, &plans, i),
            Made::AsRead => Ok(tensor.clone()),
            // The device makes it.
            _ => made.next().ok_or_else(|| refused(field)),
        };
        Ok((name.to_owned(), made?))
    });
    Ok(Fields::new(tensors.collect::<Result<Vec<_>>>()?))
}

fn refused(field: &Field) -> Error {
    Error::new(ErrorKind::Config, format!("found {field}, which no CUDA device holds"))
}

/// The plans of all rows, one after the other.
fn plans(engine: &dyn Engine, schema: &Schema, keys: &[RowKey]) -> Result<Vec<u64>> {
    let row = RowBuffer::new(schema)?;
    let words = engine.plan_bytes() / size_of::<u64>();
    let mut plans = vec![0; keys.len() * words];
    for (key, plan) in keys.iter().zip(plans.chunks_exact_mut(words)) {
        engine.plan(*key, Shapes::of(row.view()), bytemuck::cast_slice_mut(plan))?;
    }
    Ok(plans)
}

/// The fields that kernels make.
fn on_device(
    launches: &Launches,
    fields: &Fields,
    plans: &[u64],
    rows: usize,
    device: &CudaDevice,
) -> Result<Vec<Tensor>> {
    let stream = device.cuda_stream();
    let plans = device.clone_htod(plans)?;
    // SAFETY: no launch reads of the scratch what none before it wrote. Its memory, like that of
    // the plans, is freed on the stream that the launches are on, after them.
    let scratch = unsafe { device.alloc::<u8>(launches.scratch_bytes(rows).max(1)) }?;
    let storages: Vec<_> = fields.iter().map(|(_, tensor)| tensor.storage_and_layout()).collect();
    let mut outputs = launches
        .device_fields()
        .iter()
        .map(|&field| allocate(&launches.engine().schema().fields()[field], rows, device))
        .collect::<Result<Vec<_>>>()?;
    {
        let (plans, _plans) = plans.device_ptr(&stream);
        let (scratch, _scratch) = scratch.device_ptr(&stream);
        let mut held = Vec::new();
        let mut runs = Vec::new();
        for ((storage, layout), (_, tensor)) in storages.iter().zip(fields.iter()) {
            let Storage::Cuda(storage) = &**storage else { continue };
            let size = tensor.dtype().size_in_bytes();
            let (address, guard) = address(storage, &stream)?;
            held.push(guard);
            let offset = address as usize + layout.start_offset() * size;
            runs.push(Run { offset, stride: layout.dims()[1..].iter().product::<usize>() * size });
        }
        let mut addresses = Vec::new();
        for output in &mut outputs {
            let (address, guard) = address_mut(output, &stream)?;
            held.push(guard);
            addresses.push(address);
        }
        // Fields lie each in a tensor of its own: offsets are addresses, and the slab is all memory.
        let mut layout = DeviceSlab::new(rows);
        layout.plans = Run { offset: plans as usize, stride: launches.engine().plan_bytes() };
        (layout.fields, layout.scratch) = (runs, scratch as usize);
        let list = launches.list(0, &layout, &addresses, 0..rows, 0);
        // SAFETY: plans, fields, scratch and outputs are allocations of this device, as long as the
        // schema says for `rows` rows, which live until after this call; what is put on the stream
        // that they were allocated on, their release too, comes after the launches.
        unsafe { launches.enqueue(device, &stream, &list) }?;
    }
    let made = launches.device_fields().iter().zip(outputs).map(|(&field, storage)| {
        let field = &launches.engine().schema().fields()[field];
        let shape = [&[rows], field.max_shape().as_slice()].concat();
        Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
    });
    Ok(made.collect())
}

/// Memory for `rows` rows of a delivered field, all of which a kernel writes.
fn allocate(field: &Field, rows: usize, device: &CudaDevice) -> Result<CudaStorage> {
    fn of<T>(len: usize, device: &CudaDevice) -> Result<CudaStorage>
    where
        T: CudaDType + candle_core::cuda_backend::cudarc::driver::DeviceRepr,
    {
        // SAFETY: nothing reads the memory before the launches that write it, on one stream.
        let slice = unsafe { device.alloc::<T>(len) }?;
        Ok(CudaStorage::wrap_cuda_slice(slice, device.clone()))
    }
    let len = (rows * field.max_shape().iter().product::<usize>()).max(1);
    match field.dtype().delivered() {
        DType::U8 => of::<u8>(len, device),
        DType::U32 => of::<u32>(len, device),
        DType::I16 => of::<i16>(len, device),
        DType::I32 => of::<i32>(len, device),
        DType::I64 => of::<i64>(len, device),
        DType::BF16 => of::<bf16>(len, device),
        DType::F16 => of::<f16>(len, device),
        DType::F32 => of::<f32>(len, device),
        DType::F64 => of::<f64>(len, device),
        _ => Err(refused(field)),
    }
}

macro_rules! of_any_type {
    ($storage:expr, $slice:ident => $address:expr, $dtype:expr) => {
        match $storage {
            CudaStorageSlice::U8($slice) => Ok($address),
            CudaStorageSlice::U32($slice) => Ok($address),
            CudaStorageSlice::I16($slice) => Ok($address),
            CudaStorageSlice::I32($slice) => Ok($address),
            CudaStorageSlice::I64($slice) => Ok($address),
            CudaStorageSlice::BF16($slice) => Ok($address),
            CudaStorageSlice::F16($slice) => Ok($address),
            CudaStorageSlice::F32($slice) => Ok($address),
            CudaStorageSlice::F64($slice) => Ok($address),
            CudaStorageSlice::F8E4M3($slice) => Ok($address),
            _ => {
                let message = format!("found {:?}, which no row holds", $dtype);
                Err(Error::new(ErrorKind::Config, message))
            }
        }
    };
}

/// Where memory lies that is read on `stream` for as long as the guard lives.
fn address<'a>(storage: &'a CudaStorage, stream: &'a CudaStream) -> Result<(u64, SyncOnDrop<'a>)> {
    of_any_type!(&storage.slice, slice => slice.device_ptr(stream), storage.dtype())
}

/// The same of memory that is written.
fn address_mut<'a>(
    storage: &'a mut CudaStorage,
    stream: &'a CudaStream,
) -> Result<(u64, SyncOnDrop<'a>)> {
    let dtype = storage.dtype();
    of_any_type!(&mut storage.slice, slice => slice.device_ptr_mut(stream), dtype)
}

/// A field of a few numbers per row: fetched, made by the CPU, and sent back.
fn on_host(
    launches: &Launches,
    schema: &Schema,
    fields: &Fields,
    plans: &[u64],
    field: usize,
) -> Result<Tensor> {
    let engine = launches.engine();
    let made = &engine.schema().fields()[field];
    let (name, tensor) = fields.iter().nth(field).ok_or_else(|| refused(made))?;
    let fetched = Fields::new([(name, tensor.to_device(&Device::Cpu)?)]);
    let own = Schema::new(vec![schema.fields()[field].clone()])?;
    let (mut raw, mut row) = (RowBuffer::new(&own)?, RowBuffer::new(engine.schema())?);
    let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
    let mut bytes = Vec::new();
    for (at, plan) in plans.chunks_exact(engine.plan_bytes() / size_of::<u64>()).enumerate() {
        fetched.read(at, &mut raw)?;
        let from = raw.view().field(0);
        let plan = bytemuck::cast_slice(plan);
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        launches.make_on_host(field, plan, from, None, &mut row.row(None).field(field), scratch)?;
        bytes.extend_from_slice(row.view().field(field).bytes());
    }
    let shape = [tensor.dims()[..1].to_vec(), made.max_shape()].concat();
    Ok(Tensor::from_raw_buffer(&bytes, made.dtype().delivered(), &shape, tensor.device())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_core::Key;

    fn numbers(dtype: DType, shape: &[usize]) -> Tensor {
        let len = shape.iter().product::<usize>() as u32;
        let levels = (0..len).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as f32);
        let scale = if dtype == DType::U8 { 1.0 } else { 1.0 / 255.0 };
        let values: Vec<f32> = levels.map(|level| level * scale).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).unwrap().to_dtype(dtype).unwrap()
    }

    #[test]
    #[ignore = "needs a CUDA device"]
    fn a_device_makes_what_the_cpu_makes() {
        let device = Device::new_cuda(0).unwrap();
        let chains = [
            "random_resized_crop(40, 37) random_hflip color_jitter(0.4, 0, 0.4, 0.1) normalize(imagenet)",
            "random_crop(33, 31) hflip to_dtype(f16)",
            "rotate(20, interpolation=bilinear) gaussian_blur(5) gaussian_noise(0.1) to_dtype(bf16)",
            "elastic(30, sigma=2) random_gamma(0.5..2) adjust_sharpness(2)",
            "resize(9, 10, interpolation=bicubic) equalize autocontrast to_dtype(f32)",
        ];
        let keys: Vec<RowKey> = (0..6).map(|index| RowKey { key: Key::new(3, 0), index }).collect();
        for dtype in [DType::U8, DType::F16, DType::F32] {
            let host = [
                ("input", numbers(dtype, &[6, 3, 45, 52])),
                ("mask", numbers(DType::U8, &[6, 45, 52])),
                ("points", numbers(DType::F32, &[6, 4, 2])),
                ("other", numbers(DType::F32, &[6, 2])),
            ];
            let there = host.clone().map(|(name, t)| (name, t.to_device(&device).unwrap()));
            for chain in chains {
                let augment: Augment = chain.parse().unwrap();
                let augment = augment.mask("mask").keypoints("points");
                let cpu = augment.apply(&Fields::new(host.clone()), &keys).unwrap();
                let cuda = augment.apply(&Fields::new(there.clone()), &keys).unwrap();
                for ((name, wanted), (_, found)) in cpu.iter().zip(cuda.iter()) {
                    assert!(found.device().is_cuda() && found.dtype() == wanted.dtype());
                    let of = |t: &Tensor| -> Vec<f32> {
                        let t = t.to_device(&Device::Cpu).unwrap().to_dtype(DType::F32).unwrap();
                        t.flatten_all().unwrap().to_vec1().unwrap()
                    };
                    assert_eq!(of(found), of(wanted), "{name} of {chain} in {dtype:?}");
                }
            }
        }
    }
}
