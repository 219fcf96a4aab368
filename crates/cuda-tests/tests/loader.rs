//! Batches in CUDA memory are those of the CPU, whatever the driver does meanwhile.

use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tallow::candle::Device;
use tallow::{
    Augment, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, RowDType, Schema, Source,
    from_fn,
};
use tallow_cuda_sim::Simulation;
use tallow_cuda_tests::{
    DEVICES, Delivered, NewDevice, SAMPLES, builder, delivered, on_every_device, simulation,
};

/// What the CPU delivers in two epochs.
fn expected() -> &'static [Delivered] {
    static EXPECTED: OnceLock<Vec<Delivered>> = OnceLock::new();
    EXPECTED.get_or_init(|| delivered(&builder().build().unwrap(), 0..2).unwrap())
}

#[test]
fn batches_are_those_of_the_cpu_under_every_schedule() {
    on_every_device(SAMPLES, 0..1000, |seed, device| {
        let loader = builder().workers(seed as usize % 3).prefetch(1 + seed as usize % 4);
        let loader = loader.device(device).build().unwrap();
        assert_eq!(delivered(&loader, 0..2).unwrap(), expected(), "seed {seed}");
    });
}

#[test]
fn batches_that_are_kept_hold_what_they_were_delivered_with() {
    on_every_device(SAMPLES, 0..60, |_, device| {
        let loader = builder().workers(2).device(device).build().unwrap();
        let batches: Vec<_> = loader.epochs(0..2).map(Result::unwrap).collect();
        drop(loader);
        let all: Vec<_> = batches.iter().map(|b| Delivered::of(b).unwrap()).collect();
        assert_eq!(all, expected());
    });
}

#[test]
fn stopping_at_any_batch_leaves_nothing_behind() {
    on_every_device(SAMPLES, 0..6, |stop, device| {
        let loader = builder().workers(2).device(device).build().unwrap();
        for batch in loader.epochs(0..2).take(stop as usize) {
            batch.unwrap();
        }
        // And goes on from the beginning.
        assert_eq!(delivered(&loader, 0..2).unwrap(), expected());
        drop(loader.epoch(5).next());
    });
}

#[test]
fn last_batches_and_ranks_are_those_of_the_cpu() {
    let with = |last, rank, new: Option<Device>| -> LoaderBuilder {
        let builder = builder().last_batch(last).rank(rank, 2);
        match new {
            Some(device) => builder.device(device),
            None => builder,
        }
    };
    for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
        for rank in 0..2 {
            let cpu = delivered(&with(last, rank, None).build().unwrap(), 0..2).unwrap();
            on_every_device(SAMPLES, 0..8, |_, device| {
                let loader = with(last, rank, Some(device)).build().unwrap();
                assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "{last:?} {rank}");
            });
        }
    }
}

/// Samples of one number, of which every third cannot be read.
fn failing() -> LoaderBuilder {
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[3])]).unwrap();
    let source = from_fn(schema, 20, |index, row| {
        if index % 3 == 1 {
            let message = format!("sample {index} is bad");
            return Err(tallow::SourceError::new(tallow::SourceErrorKind::Io, message));
        }
        row.field(0).copy_from_slice(&[index as f32; 3])
    });
    Loader::builder(source).batch_size(6).shuffle()
}

#[test]
fn skipped_rows_are_left_out() {
    let skip = || failing().on_error(OnError::Skip { budget: 20 });
    for last in [LastBatch::Keep, LastBatch::Pad] {
        let cpu = delivered(&skip().last_batch(last).build().unwrap(), 0..1).unwrap();
        assert!(cpu.iter().any(|batch| batch.indices.len() < 6));
        on_every_device(SAMPLES, 0..8, |_, device| {
            let loader = skip().last_batch(last).device(device).build().unwrap();
            assert_eq!(delivered(&loader, 0..1).unwrap(), cpu);
        });
    }
}

#[test]
fn an_error_comes_in_the_place_of_its_batch() {
    on_every_device(SAMPLES, 0..8, |_, device| {
        let loader = failing().device(device).build().unwrap();
        let failed = loader.epoch(0).filter(Result::is_err).count();
        assert!(
            failed > 0
                && failed == failing().build().unwrap().epoch(0).filter(Result::is_err).count()
        );
    });
}

#[test]
fn without_memory_the_error_says_how_much_and_the_loader_goes_on() {
    for new in DEVICES {
        let simulation = Simulation::begin(1);
        {
            let loader = builder().workers(0).device(new(0).unwrap()).build().unwrap();
            let held = simulation.counts().device_bytes;
            simulation.fail_allocations_after(held);
            let error = loader.epoch(0).next().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory);
            assert!(
                error.to_string().contains("108 bytes of device memory for \"input\""),
                "{error}"
            );
            simulation.fail_allocations_after(1 << 30);
            assert_eq!(delivered(&loader, 0..2).unwrap(), expected());
        }
        simulation.drain();
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn tensors_that_found_no_memory_ahead_are_made_when_they_are_asked_for() {
    for new in DEVICES {
        let simulation = simulation(1, SAMPLES);
        {
            let gate = Gate::default();
            let loader = Loader::builder(gated(&gate)).batch_size(4).workers(1).prefetch(2);
            let loader = loader.device(new(0).unwrap()).build().unwrap();
            simulation.fail_allocations_after(simulation.counts().device_bytes);
            let records = || simulation.counts().calls_of("cuEventRecord");
            let (begun, mut epoch) = (records(), loader.epoch(0));
            gate.open(8);
            // Two around each copy; there are no tensors to be written.
            wait_until(|| records() == begun + 4);
            simulation.fail_allocations_after(1 << 30);
            gate.open(1000);
            for number in 0..5 {
                let batch = Delivered::of(&epoch.next().unwrap().unwrap()).unwrap();
                let classes: Vec<f64> = (4 * number..4 * number + 4).map(f64::from).collect();
                assert_eq!(batch.tensors[1].2, classes);
            }
            assert!(epoch.next().is_none());
        }
        simulation.drain();
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn a_loader_that_does_not_fit_is_refused_when_it_is_built() {
    for new in DEVICES {
        let simulation = Simulation::begin(0);
        {
            let device = new(0).unwrap();
            simulation.fail_page_locked_after(1 << 10);
            let error = builder().device(device).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory);
            assert!(error.to_string().contains("page-locked"), "{error}");
        }
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn nothing_is_allocated_but_the_tensors() {
    on_every_device(SAMPLES, 0..4, |_, device| {
        let loader = builder().workers(1).device(device).build().unwrap();
        assert!(loader.plan().device_bytes() > 0);
        for batch in loader.epochs(0..20) {
            assert_eq!(batch.unwrap().tensors().len(), 3);
        }
    });
    let allocated = |epochs: u64| {
        let simulation = Simulation::begin(1);
        let loader = builder().workers(1).device(Device::new_cuda(0).unwrap()).build().unwrap();
        loader.epochs(0..epochs).for_each(|batch| drop(batch.unwrap()));
        let calls = simulation.counts();
        ["cuMemAllocAsync", "cuMemHostAlloc", "cuMemHostAlloc_v2"].map(|name| calls.calls_of(name))
    };
    let (few, many) = (allocated(2), allocated(12));
    // Three tensors a batch, three batches an epoch.
    assert_eq!(many[0] - few[0], 10 * 3 * 3);
    assert_eq!(many[1..], few[1..]);
}

#[test]
fn every_copy_is_counted_and_timed() {
    on_every_device(SAMPLES, 0..20, |_, device| {
        let loader = builder().workers(2).device(device.clone()).build().unwrap();
        assert_eq!(loader.report().copies, tallow::DeviceWork::default());
        loader.epochs(0..2).for_each(|batch| drop(batch.unwrap()));
        device.synchronize().unwrap();
        let copies = loader.report().copies;
        assert_eq!((copies.count, copies.bytes), (6, 6 * loader.plan().slab_bytes() as u64));
        assert!(copies.time > std::time::Duration::ZERO);
        assert_eq!(loader.report().copies, copies, "none is counted twice");
    });
}

/// How often work was put on any stream, waits and events left out.
fn enqueued(simulation: &Simulation) -> u64 {
    let counts = simulation.counts();
    let calls =
        ["cuMemAllocAsync", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoDAsync_v2", "cuMemsetD8Async"];
    let calls: u64 = calls.map(|name| counts.calls_of(name)).iter().sum();
    calls + counts.launches.values().sum::<u64>()
}

/// Lets a source read so many samples, and then no more.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<usize>, Condvar)>);

impl Gate {
    fn open(&self, samples: usize) {
        *self.0.0.lock().unwrap() += samples;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let left = self.0.0.lock().unwrap();
        *self.0.1.wait_while(left, |left| *left == 0).unwrap() -= 1;
    }
}

/// Waits until `is_so`, which takes no longer than a few batches.
fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "workers do not get on");
        std::thread::yield_now();
    }
}

/// Images, of which no more are read than `gate` lets through.
fn gated(gate: &Gate) -> impl Source + use<> {
    let fields = vec![
        Field::new("input", RowDType::U8, &[20, 20, 3]),
        Field::new("target", RowDType::I64, &[]),
    ];
    let gate = gate.clone();
    from_fn(Schema::new(fields).unwrap(), 20, move |index, row| {
        gate.pass();
        row.field(0).copy_from_slice(&[index as u8; 1200])?;
        row.field(1).copy_from_slice(&[index as i64])
    })
}

#[test]
fn next_puts_no_work_on_any_stream() {
    const AHEAD: usize = 2;
    let chains =
        ["", "random_crop(13, 11) gaussian_blur(3) to_dtype(f16)", "autocontrast random_hflip"];
    for (new, chain) in DEVICES.into_iter().flat_map(|new| chains.map(|chain| (new, chain))) {
        let simulation = simulation(1, SAMPLES);
        {
            let gate = Gate::default();
            let loader = Loader::builder(gated(&gate)).batch_size(4).workers(1).prefetch(AHEAD);
            let loader = match chain {
                "" => loader,
                _ => loader.transform(chain.parse::<Augment>().unwrap().one_hot("target", 20, 0.1)),
            };
            let loader = loader.device(new(0).unwrap()).build().unwrap();
            // Whether `batches` batches were made: two events around a copy, and two around kernels.
            let records = || simulation.counts().calls_of("cuEventRecord");
            let begun = records();
            let are_made = |batches: u64| records() == begun + 4 * batches;
            let mut epoch = loader.epoch(0);
            gate.open(AHEAD * 4);
            for batch in 0..5 {
                if batch >= AHEAD {
                    gate.open(4);
                }
                wait_until(|| are_made((batch + 1).max(AHEAD) as u64));
                let before = enqueued(&simulation);
                let tensors = epoch.next().unwrap().unwrap();
                assert_eq!(enqueued(&simulation), before, "{chain}, batch {batch}");
                drop(tensors);
            }
            gate.open(1000);
            assert!(epoch.next().is_none());
            assert!(enqueued(&simulation) > 0);
        }
        simulation.drain();
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn batches_that_are_made_and_never_asked_for_leave_nothing_behind() {
    on_every_device(SAMPLES, 0..40, |_, device| {
        let gate = Gate::default();
        gate.open(1000);
        let chain: Augment = "random_crop(13, 11) to_dtype(f16)".parse().unwrap();
        let loader = Loader::builder(gated(&gate)).batch_size(4).transform(chain).workers(2);
        let loader = loader.prefetch(3).device(device).build().unwrap();
        assert!(loader.plan().on_device());
        for epoch in 0..3 {
            let mut batches = loader.epoch(epoch);
            drop(batches.next().unwrap().unwrap());
        }
    });
}

/// A device of each kind, and whether its tensors may be used and dropped on any thread.
fn kinds() -> [(NewDevice, bool); 2] {
    [(DEVICES[0], false), (DEVICES[1], true)]
}

#[test]
fn tensors_of_a_device_with_one_stream_may_be_dropped_anywhere() {
    for (new, anywhere) in kinds() {
        let simulation = Simulation::begin(0);
        {
            let loader = builder().workers(1).device(new(0).unwrap()).build().unwrap();
            let batches: Vec<_> = loader.epoch(0).map(Result::unwrap).collect();
            // The hazard that `LoaderBuilder::device` warns of: a stream a thread frees there.
            std::thread::spawn(move || drop(batches)).join().unwrap();
        }
        simulation.drain();
        assert_eq!(simulation.violations().is_empty(), anywhere);
    }
}

#[test]
fn a_loader_is_built_on_one_thread_and_consumed_on_another() {
    on_every_device(SAMPLES, 0..20, |_, device| {
        let loader = builder().workers(2).device(device).build().unwrap();
        let batches = std::thread::spawn(move || delivered(&loader, 0..2).unwrap());
        assert_eq!(batches.join().unwrap(), expected());
    });
    assert_eq!(expected()[0].indices.len(), 4.min(SAMPLES));
}
