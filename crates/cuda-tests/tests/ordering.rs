//! Each wait of the loader is needed: without it the driver finds work that is not ordered.
//!
//! The consumer here never waits for the device, or it would order what the loader must.

use std::cell::RefCell;
use std::rc::Rc;

use tallow::candle::{DType, Device, Tensor};
use tallow::{Batch, Field, Loader, RowDType, Schema, from_fn};
use tallow_cuda_sim::{Call, Simulation};
use tallow_cuda_tests::{DEVICES, NewDevice};

/// Batches of an epoch, each of one row.
const BATCHES: usize = 6;

/// Elements of a row.
const LEN: usize = 64;

/// Slots without workers: the batch that is made, and the one in the hands of the consumer.
const SLOTS: usize = 2;

thread_local! {
    /// The driver of the test under way, for the source: without workers it runs on this thread.
    static DRIVER: RefCell<Option<Rc<Simulation>>> = const { RefCell::new(None) };
}

/// Says that the host writes `memory` now, which the driver does not see.
fn write(memory: &[f32]) {
    DRIVER.with_borrow(|driver| {
        if let Some(driver) = driver {
            driver.host_write(memory.as_ptr(), size_of_val(memory));
        }
    });
}

/// Loads an epoch, taking `without` away once the loader is built; what the consumer's stream made of
/// the batches, read at the end.
fn load(
    simulation: &Rc<Simulation>,
    new: NewDevice,
    without: impl Fn(&Simulation),
) -> Vec<Vec<f32>> {
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[LEN])]).unwrap();
    DRIVER.set(Some(simulation.clone()));
    let source = from_fn(schema, BATCHES, |index, row| {
        let mut field = row.field(0);
        let memory = field.as_mut_slice::<f32>()?;
        write(memory);
        memory.fill(index as f32);
        Ok(())
    });
    let device: Device = new(0).unwrap();
    let loader = Loader::builder(source).batch_size(1).workers(0).device(device).build().unwrap();
    without(simulation);
    // Used at once, and dropped: the wait for a later batch would order what is used later.
    let step = |batch: tallow::Result<Batch>| batch.unwrap()["input"].copy().unwrap();
    let batches: Vec<Tensor> = loader.epoch(0).map(step).collect();
    drop(loader);
    DRIVER.set(None);
    let values = |batch: &Tensor| {
        let host = batch.to_device(&Device::Cpu).unwrap();
        assert_eq!(host.dtype(), DType::F32);
        host.flatten_all().unwrap().to_vec1().unwrap()
    };
    batches.iter().map(values).collect()
}

/// Whether anything was out of order under `seed`.
fn is_noticed(seed: u64, new: NewDevice, without: impl Fn(&Simulation)) -> bool {
    let simulation = Rc::new(Simulation::begin(seed));
    load(&simulation, new, without);
    !simulation.violations().is_empty()
}

#[test]
fn with_all_its_waits_the_loader_is_in_order() {
    for seed in 0..200 {
        for new in DEVICES {
            let simulation = Rc::new(Simulation::begin(seed));
            let expected: Vec<_> = (0..BATCHES).map(|index| vec![index as f32; LEN]).collect();
            assert_eq!(load(&simulation, new, |_| {}), expected);
            assert_eq!(simulation.violations(), []);
        }
    }
}

/// How many calls of `call` there are whose absence is noticed, taken away one at a time.
fn needed(new: NewDevice, call: Call) -> usize {
    let simulation = Rc::new(Simulation::begin(0));
    load(&simulation, new, |_| {});
    let calls = simulation.counts().calls_of(call.function()) as u32;
    drop(simulation);
    let without = |nth| move |simulation: &Simulation| simulation.ignore_nth(call, nth);
    (0..calls).filter(|&nth| is_noticed(u64::from(nth), new, without(nth))).count()
}

#[test]
fn without_any_one_wait_of_a_stream_it_is_not() {
    for new in DEVICES {
        // What makes a batch waits for its copy, the consumer for what makes it, and each copy for
        // what made the batch before in its slot, but for the first use of a slot. cudarc and candle
        // make more, which order nothing.
        assert_eq!(needed(new, Call::StreamWaitEvent), 2 * BATCHES + (BATCHES - SLOTS));
    }
}

#[test]
fn without_any_one_event_it_is_not() {
    for new in DEVICES {
        // One behind each copy and one behind what makes each batch. The ones before them tell the
        // time and order nothing.
        assert_eq!(needed(new, Call::EventRecord), 2 * BATCHES);
    }
}

#[test]
fn without_waiting_before_a_slot_is_written_again_it_is_not() {
    for new in DEVICES {
        assert!(is_noticed(0, new, |simulation| simulation.ignore_all(Call::EventSynchronize)));
    }
}
