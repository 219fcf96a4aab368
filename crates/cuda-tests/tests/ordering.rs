//! Each wait of the loader is needed: without it the driver finds work that is not ordered.
//!
//! The consumer here never waits for the device, or it would order what the loader must.

use std::cell::RefCell;
use std::rc::Rc;

use tallow::candle::{DType, Device, Tensor};
use tallow::{Augment, Batch, Field, Loader, LoaderBuilder, RowDType, Schema, Source, from_fn};
use tallow_cuda_sim::{Call, Simulation};
use tallow_cuda_tests::{DEVICES, NewDevice, simulation};

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

/// How a batch is made of its slab.
#[derive(Clone, Copy)]
enum Making {
    /// By copies.
    Copies,
    /// By kernels, of parts of images.
    Kernels,
}

const MAKINGS: [Making; 2] = [Making::Copies, Making::Kernels];

impl Making {
    fn builder(self) -> LoaderBuilder {
        match self {
            Self::Copies => Loader::builder(rows()),
            Self::Kernels => {
                let chain: Augment = "random_crop(4) to_dtype(f32)".parse().unwrap();
                Loader::builder(images()).transform(chain)
            }
        }
    }

    /// What the CPU delivers.
    fn expected(self) -> Vec<Vec<f32>> {
        let loader = self.builder().batch_size(1).workers(0).build().unwrap();
        loader.epoch(0).map(|batch| values(&batch.unwrap()["input"])).collect()
    }
}

/// Rows that are written where they are copied from.
fn rows() -> impl Source {
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[LEN])]).unwrap();
    from_fn(schema, BATCHES, |index, row| {
        let mut field = row.field(0);
        let memory = field.as_mut_slice::<f32>()?;
        write(memory);
        memory.fill(index as f32);
        Ok(())
    })
}

/// Images of one level each.
fn images() -> impl Source {
    let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[12, 12, 3])]).unwrap();
    from_fn(schema, BATCHES, |index, row| row.field(0).copy_from_slice(&[index as u8; 432]))
}

fn values(tensor: &Tensor) -> Vec<f32> {
    let host = tensor.to_device(&Device::Cpu).unwrap();
    assert_eq!(host.dtype(), DType::F32);
    host.flatten_all().unwrap().to_vec1().unwrap()
}

/// Loads an epoch, taking `without` away once the loader is built; what the consumer's stream made of
/// the batches, read at the end.
fn load(
    simulation: &Rc<Simulation>,
    new: NewDevice,
    making: Making,
    without: impl Fn(&Simulation),
) -> Vec<Vec<f32>> {
    DRIVER.set(Some(simulation.clone()));
    let device: Device = new(0).unwrap();
    let loader = making.builder().batch_size(1).workers(0).device(device).build().unwrap();
    without(simulation);
    // Used at once, and dropped: the wait for a later batch would order what is used later.
    let step = |batch: tallow::Result<Batch>| batch.unwrap()["input"].copy().unwrap();
    let batches: Vec<Tensor> = loader.epoch(0).map(step).collect();
    drop(loader);
    DRIVER.set(None);
    batches.iter().map(values).collect()
}

/// Whether anything was out of order under `seed`.
fn is_noticed(seed: u64, new: NewDevice, making: Making, without: impl Fn(&Simulation)) -> bool {
    let simulation = Rc::new(simulation(seed, BATCHES));
    load(&simulation, new, making, without);
    !simulation.violations().is_empty()
}

/// Every device with every way to make a batch.
fn both() -> impl Iterator<Item = (NewDevice, Making)> {
    DEVICES.into_iter().flat_map(|new| MAKINGS.map(|making| (new, making)))
}

#[test]
fn with_all_its_waits_the_loader_is_in_order() {
    for seed in 0..200 {
        for (new, making) in both() {
            let simulation = Rc::new(simulation(seed, BATCHES));
            assert_eq!(load(&simulation, new, making, |_| {}), making.expected());
            assert_eq!(simulation.violations(), []);
        }
    }
}

/// How many calls of `call` there are whose absence is noticed, taken away one at a time.
fn needed(new: NewDevice, making: Making, call: Call) -> usize {
    let simulation = Rc::new(simulation(0, BATCHES));
    load(&simulation, new, making, |_| {});
    let calls = simulation.counts().calls_of(call.function()) as u32;
    drop(simulation);
    let without = |nth| move |simulation: &Simulation| simulation.ignore_nth(call, nth);
    (0..calls).filter(|&nth| is_noticed(u64::from(nth), new, making, without(nth))).count()
}

#[test]
fn without_any_one_wait_of_a_stream_it_is_not() {
    for (new, making) in both() {
        // What makes a batch waits for its copy, the consumer for what makes it, and each copy for
        // what made the batch before in its slot, but for the first use of a slot. cudarc and candle
        // make more, which order nothing.
        assert_eq!(needed(new, making, Call::StreamWaitEvent), 2 * BATCHES + (BATCHES - SLOTS));
    }
}

#[test]
fn without_any_one_event_it_is_not() {
    for (new, making) in both() {
        // One behind each copy and one behind what makes each batch. The ones before them tell the
        // time and order nothing.
        assert_eq!(needed(new, making, Call::EventRecord), 2 * BATCHES);
    }
}

#[test]
fn without_waiting_before_a_slot_is_written_again_it_is_not() {
    for new in DEVICES {
        // Only of rows that are written in place the driver is told when.
        let without = |simulation: &Simulation| simulation.ignore_all(Call::EventSynchronize);
        assert!(is_noticed(0, new, Making::Copies, without));
    }
}
