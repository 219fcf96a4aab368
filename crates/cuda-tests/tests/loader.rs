//! Batches in CUDA memory are those of the CPU, whatever the driver does meanwhile.

use std::sync::OnceLock;

use tallow::candle::Device;
use tallow::{
    ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, RowDType, Schema, from_fn,
};
use tallow_cuda_sim::Simulation;
use tallow_cuda_tests::{
    DEVICES, Delivered, NewDevice, SAMPLES, builder, delivered, on_every_device,
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
