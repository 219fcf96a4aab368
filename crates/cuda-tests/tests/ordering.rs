//! Each wait of the loader is needed: without it the driver finds work that is not ordered.
//!
//! The consumer here never waits for the device, or it would order what the loader must.

use std::sync::Arc;

use tallow::candle::{DType, Device};
use tallow::{Batch, Field, Loader, RowDType, Schema, from_fn};
use tallow_cuda_sim::{Call, Simulation};
use tallow_cuda_tests::{DEVICES, NewDevice};

/// Batches of an epoch, each of one row.
const BATCHES: usize = 6;

/// Elements of a row.
const LEN: usize = 64;

/// Slots without workers: the batch that is made, and the one in the hands of the consumer.
const SLOTS: usize = 2;

/// Loads an epoch, taking `without` away once the loader is built; the batches as they were
/// delivered, read at the end.
fn load(
    simulation: &Arc<Simulation>,
    new: NewDevice,
    without: impl Fn(&Simulation),
) -> Vec<Vec<f32>> {
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[LEN])]).unwrap();
    let driver = simulation.clone();
    let source = from_fn(schema, BATCHES, move |index, row| {
        let mut field = row.field(0);
        let memory = field.as_mut_slice::<f32>()?;
        // Tells the driver, which sees no writes of the host.
        driver.host_write(memory.as_ptr(), size_of_val(memory));
        memory.fill(index as f32);
        Ok(())
    });
    let device: Device = new(0).unwrap();
    let loader = Loader::builder(source).batch_size(1).workers(0).device(device).build().unwrap();
    without(simulation);
    let batches: Vec<Batch> = loader.epoch(0).map(Result::unwrap).collect();
    drop(loader);
    let values = |batch: &Batch| {
        let host = batch["input"].to_device(&Device::Cpu).unwrap();
        assert_eq!(host.dtype(), DType::F32);
        host.flatten_all().unwrap().to_vec1().unwrap()
    };
    batches.iter().map(values).collect()
}

/// Whether anything was out of order under `seed`.
fn is_noticed(seed: u64, new: NewDevice, without: impl Fn(&Simulation)) -> bool {
    let simulation = Arc::new(Simulation::begin(seed));
    load(&simulation, new, without);
    !simulation.violations().is_empty()
}

#[test]
fn with_all_its_waits_the_loader_is_in_order() {
    for seed in 0..200 {
        for new in DEVICES {
            let simulation = Arc::new(Simulation::begin(seed));
            let expected: Vec<_> = (0..BATCHES).map(|index| vec![index as f32; LEN]).collect();
            assert_eq!(load(&simulation, new, |_| {}), expected);
            assert_eq!(simulation.violations(), []);
        }
    }
}

/// Calls of the loader for each batch, in their order: those that order something, and one that
/// cudarc makes for page-locked memory, whose event is never recorded.
const WAITS: [&str; 3] = ["the copy for the last read", "cudarc's", "the consumer for the copy"];
const RECORDS: [&str; 2] = ["copied", "read"];

#[test]
fn without_any_one_wait_of_a_stream_it_is_not() {
    for (batch, wait) in (0..BATCHES).flat_map(|batch| (0..3).map(move |wait| (batch, wait))) {
        let nth = (WAITS.len() * batch + wait) as u32;
        for new in DEVICES {
            let noticed = is_noticed(batch as u64, new, |simulation| {
                simulation.ignore_nth(Call::StreamWaitEvent, nth);
            });
            // A slot that was never read from need not be waited for.
            let needed = match wait {
                0 => batch >= SLOTS,
                1 => false,
                _ => true,
            };
            assert_eq!(noticed, needed, "batch {batch}: {}", WAITS[wait]);
        }
    }
}

#[test]
fn without_any_one_event_it_is_not() {
    for (batch, record) in (0..BATCHES).flat_map(|batch| (0..2).map(move |record| (batch, record)))
    {
        let nth = (RECORDS.len() * batch + record) as u32;
        for new in DEVICES {
            let noticed = is_noticed(batch as u64, new, |simulation| {
                simulation.ignore_nth(Call::EventRecord, nth);
            });
            // The last reads of the slots are waited for when they are freed, by the host.
            assert!(noticed, "batch {batch}: {}", RECORDS[record]);
        }
    }
}

#[test]
fn without_waiting_before_a_slot_is_written_again_it_is_not() {
    for new in DEVICES {
        assert!(is_noticed(0, new, |simulation| simulation.ignore_all(Call::EventSynchronize)));
    }
}
