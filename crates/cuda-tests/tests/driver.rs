//! The habits of a real driver: pools that shrink, graphs that are captured, threads without a context,
//! and devices that no kernel was compiled for.

use tallow::candle::cuda_backend::cudarc::driver::sys::{CUstreamCaptureMode, cuCtxSetCurrent};
use tallow::candle::cuda_backend::cudarc::driver::{CudaContext, CudaStream, DriverError, result};
use tallow::candle::{Device, Tensor};
use tallow::plan::RowKey;
use tallow::{Augment, Batch, ErrorKind, Fields, FreedMemory, Key, Loader};
use tallow_cuda_sim::{Call, ModuleFault, Simulation, ViolationKind};
use tallow_cuda_tests::{
    DEVICES, Delivered, NewDevice, SAMPLES, builder, delivered, on_every_device, simulation,
};

/// What the pool took from the system and gave back to it, in later epochs of a loader.
fn pool_traffic(seed: u64, new: NewDevice, freed: FreedMemory) -> [u64; 2] {
    let simulation = Simulation::begin(seed);
    let loader = builder().workers(0).device(new(0).unwrap()).freed_memory(freed).build().unwrap();
    let epochs = |epochs: std::ops::Range<u64>| {
        loader.epochs(epochs).for_each(|batch| drop(batch.unwrap()));
        let counts = simulation.counts();
        [counts.pool_taken_bytes, counts.pool_released_bytes]
    };
    let (warm, then) = (epochs(0..2), epochs(2..6));
    [then[0] - warm[0], then[1] - warm[1]]
}

#[test]
fn what_batches_give_back_is_kept_for_the_next_unless_the_program_says_otherwise() {
    for seed in 0..8 {
        for new in DEVICES {
            let [taken, released] = pool_traffic(seed, new, FreedMemory::Keep);
            assert_eq!(released, 0, "seed {seed}");
            // Unless the device lags behind, what was freed is there for the next batch.
            assert!(taken == 0 || seed % 4 != 1, "seed {seed}: {taken} bytes");
        }
    }
    // Workers wait for copies, and each wait gives back what is free.
    for new in DEVICES {
        let [taken, released] = pool_traffic(1, new, FreedMemory::AsSet);
        assert!(taken > 0 && released > 0, "{taken} taken, {released} released");
    }
}

/// A stream of the program beside that of its device.
fn beside() -> std::sync::Arc<CudaStream> {
    CudaContext::new(0).unwrap().new_stream().unwrap()
}

fn begin(stream: &CudaStream) {
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL).unwrap();
}

fn end(stream: &CudaStream) -> Result<(), DriverError> {
    stream.context().bind_to_thread()?;
    // SAFETY: the stream is alive.
    unsafe { result::stream::end_capture(stream.cu_stream()) }.map(drop)
}

/// Builds a loader of augmented batches, resident or not, takes all of them and drops it, while a graph is
/// captured on this thread; whether the capture succeeds, and the batches.
fn load_while_capturing(resident: bool, device: Device) -> (bool, Vec<Batch>) {
    let stream = beside();
    begin(&stream);
    let augment: Augment = "layout(hwc) random_crop(2) random_hflip".parse().unwrap();
    let loader = builder().transform(augment).workers(2).prefetch(2).device(device);
    let loader = if resident { loader.resident(1 << 20) } else { loader };
    let loader = loader.build();
    let batches = loader.map_or(Vec::new(), |loader| {
        let batches = loader.epochs(0..2).flatten().collect();
        loader.report();
        batches
    });
    (end(&stream).is_ok(), batches)
}

#[test]
fn a_loader_breaks_no_capture() {
    let augment: Augment = "layout(hwc) random_crop(2) random_hflip".parse().unwrap();
    let cpu = delivered(&builder().transform(augment).build().unwrap(), 0..2).unwrap();
    for resident in [false, true] {
        on_every_device(SAMPLES, 0..12, |seed, device| {
            let (whole, batches) = load_while_capturing(resident, device);
            assert!(whole, "seed {seed}");
            let found: Vec<_> = batches.iter().map(|b| Delivered::of(b).unwrap()).collect();
            assert_eq!(found, cpu, "seed {seed}");
        });
    }
}

#[test]
fn it_would_if_it_did_not_say_that_its_calls_are_safe() {
    for new in DEVICES {
        let simulation = simulation(1, SAMPLES);
        simulation.ignore_all(Call::ExchangeCaptureMode);
        let (whole, _) = load_while_capturing(false, new(0).unwrap());
        assert!(!whole);
        let found = simulation.violations();
        assert!(found.iter().any(|v| v.kind == ViolationKind::CaptureBroken), "{found:?}");
    }
}

#[test]
fn workers_break_no_capture_of_the_thread_that_trains() {
    // The capture begins once the loader runs, and waits of workers for copies fall into it.
    let run = |simulation: &Simulation, new: NewDevice| {
        let loader = builder().workers(2).prefetch(1).device(new(0).unwrap()).build().unwrap();
        let stream = beside();
        let mut whole = true;
        for batch in loader.epochs(0..3) {
            begin(&stream);
            drop(batch);
            // Until the workers are at the next batches.
            for _ in 0..100 {
                std::thread::yield_now();
            }
            whole &= end(&stream).is_ok();
        }
        drop(loader);
        simulation.drain();
        whole
    };
    for seed in 0..8 {
        for new in DEVICES {
            let simulation = Simulation::begin(seed);
            assert!(run(&simulation, new), "seed {seed}");
            assert_eq!(simulation.violations(), [], "seed {seed}");
        }
    }
}

#[test]
fn no_batch_becomes_part_of_a_graph() {
    let cpu = delivered(&builder().build().unwrap(), 0..2).unwrap();
    on_every_device(SAMPLES, 0..8, |seed, device| {
        let loader = builder().workers(seed as usize % 3).device(device.clone()).build().unwrap();
        let Device::Cuda(cuda) = &device else { panic!("{device:?}") };
        let mut batches = loader.epochs(0..2);
        begin(&cuda.cuda_stream());
        let error = batches.next().unwrap().unwrap_err();
        end(&cuda.cuda_stream()).unwrap();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert!(error.to_string().contains("call next before the capture begins"), "{error}");
        let rest: Vec<_> = batches.map(|batch| Delivered::of(&batch.unwrap()).unwrap()).collect();
        assert_eq!(rest, cpu[1..]);
    });
}

#[test]
fn a_report_may_be_asked_for_on_any_thread() {
    on_every_device(SAMPLES, 0..8, |_, device| {
        let loader = builder().workers(1).device(device.clone()).build().unwrap();
        loader.epochs(0..2).for_each(|batch| drop(batch.unwrap()));
        device.synchronize().unwrap();
        let copies = std::thread::scope(|scope| {
            let report = || {
                // SAFETY: no context is a context.
                unsafe { cuCtxSetCurrent(std::ptr::null_mut()) }.result().unwrap();
                loader.report().copies
            };
            scope.spawn(report).join().unwrap()
        });
        assert_eq!(copies.count, 6);
    });
}

#[test]
fn a_device_without_code_is_told_what_to_build() {
    let build = |resident: bool, device: Device| -> tallow::Result<Loader> {
        let augment: Augment = "layout(hwc) random_hflip".parse().unwrap();
        let loader = builder().transform(augment).device(device);
        if resident { loader.resident(1 << 20) } else { loader }.build()
    };
    let said = [
        (
            ModuleFault::NoBinaryForGpu,
            ["found a GPU of compute capability 9.0", "TALLOW_CUDA_ARCHS=90"],
        ),
        (
            ModuleFault::UnsupportedPtxVersion,
            ["found a driver for CUDA 13.0", "update the driver, or build the program with"],
        ),
    ];
    for (fault, words) in said {
        for resident in [false, true] {
            let simulation = simulation(0, SAMPLES);
            simulation.fail_module(fault);
            let error = build(resident, Device::new_cuda(0).unwrap()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Device, "{error}");
            assert!(words.iter().all(|words| error.to_string().contains(words)), "{error}");
            simulation.drain();
            assert_eq!(simulation.live_allocations(), []);
        }
    }
}

#[test]
fn a_chain_loads_its_kernels_once_for_a_device_and_keeps_no_context() {
    let augment: Augment = "random_hflip normalize(imagenet)".parse().unwrap();
    let images = Tensor::from_vec((0..120u8).collect::<Vec<_>>(), (2, 3, 4, 5), &Device::Cpu);
    let images = images.unwrap();
    let keys: Vec<RowKey> = (0..2).map(|index| RowKey { key: Key::new(1, 0), index }).collect();
    let values = |fields: &Fields| -> Vec<f32> {
        let tensor = fields.iter().next().unwrap().1.to_device(&Device::Cpu).unwrap();
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    };
    let cpu = values(&augment.apply(&Fields::new([("input", images.clone())]), &keys).unwrap());
    for new in DEVICES {
        // The same chain in one simulation after the other: contexts of the former are gone.
        let simulation = simulation(3, SAMPLES);
        for ordinal in [0, 1] {
            let device = new(ordinal).unwrap();
            let before = simulation.counts().calls_of("cuModuleLoadData");
            for _ in 0..3 {
                let there = Fields::new([("input", images.to_device(&device).unwrap())]);
                assert_eq!(values(&augment.clone().apply(&there, &keys).unwrap()), cpu);
            }
            assert_eq!(simulation.counts().calls_of("cuModuleLoadData") - before, 1);
        }
        let calls = |name| simulation.counts().calls_of(name);
        let released = calls("cuDevicePrimaryCtxRelease_v2");
        assert_eq!(released, calls("cuDevicePrimaryCtxRetain"));
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}
