//! Batches in CUDA memory are those of the CPU, whatever the driver does meanwhile.

use std::sync::OnceLock;

use tallow::candle::Device;
use tallow::{Augment, LastBatch, LoaderBuilder, OnError};
use tallow_cuda_sim::{Call, Simulation};
use tallow_cuda_tests::{DEVICES, Delivered, builder, delivered};

/// What the CPU delivers in two epochs.
fn expected() -> &'static [Delivered] {
    static EXPECTED: OnceLock<Vec<Delivered>> = OnceLock::new();
    EXPECTED.get_or_init(|| delivered(&builder().build().unwrap(), 0..2).unwrap())
}

fn check(seed: u64, new: fn(usize) -> tallow::candle::Result<Device>, with: LoaderBuilder) {
    let simulation = Simulation::begin(seed);
    {
        let device = new(0).unwrap();
        let loader = with.device(device).build().unwrap();
        assert_eq!(delivered(&loader, 0..2).unwrap(), expected(), "seed {seed}");
    }
    simulation.drain();
    assert_eq!(simulation.violations(), [], "seed {seed}");
    assert_eq!(simulation.live_allocations(), [], "seed {seed}");
}

#[test]
fn batches_are_those_of_the_cpu_under_every_schedule() {
    for seed in 0..300 {
        for new in DEVICES {
            check(seed, new, builder().workers(seed as usize % 3).prefetch(1 + seed as usize % 4));
        }
    }
}

#[test]
fn batches_that_are_kept_hold_what_they_were_delivered_with() {
    for seed in 0..40 {
        for new in DEVICES {
            let simulation = Simulation::begin(seed);
            {
                let loader = builder().workers(2).device(new(0).unwrap()).build().unwrap();
                let batches: Vec<_> = loader.epochs(0..2).map(Result::unwrap).collect();
                let all: Vec<_> = batches.iter().map(|b| Delivered::of(b).unwrap()).collect();
                assert_eq!(all, expected());
            }
            simulation.drain();
            assert_eq!(simulation.violations(), []);
        }
    }
}

#[test]
fn stopping_at_any_batch_leaves_nothing_behind() {
    for stop in 0..6 {
        for new in DEVICES {
            let simulation = Simulation::begin(stop as u64);
            {
                let loader = builder().workers(2).device(new(0).unwrap()).build().unwrap();
                for batch in loader.epochs(0..2).take(stop) {
                    batch.unwrap();
                }
                // And goes on from the beginning.
                assert_eq!(delivered(&loader, 0..2).unwrap(), expected());
                drop(loader.epoch(5).next());
            }
            simulation.drain();
            assert_eq!(simulation.violations(), []);
            assert_eq!(simulation.live_allocations(), []);
        }
    }
}
