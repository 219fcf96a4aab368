//! Two devices in one process, with a loader each.

use std::cell::RefCell;
use std::rc::Rc;

use tallow::candle::{Device, Tensor};
use tallow::{Augment, Batch, Field, Loader, LoaderBuilder, RowDType, Schema, from_fn};
use tallow_cuda_sim::{Call, Simulation};
use tallow_cuda_tests::{DEVICES, Delivered, NewDevice, SAMPLES, builder, delivered, simulation};

/// What a loader does besides copying.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Streaming,
    Augmented,
    Resident,
}

const WAYS: [Way; 3] = [Way::Streaming, Way::Augmented, Way::Resident];

fn configured(way: Way) -> LoaderBuilder {
    let augment = || "layout(hwc) random_crop(2) random_hflip".parse::<Augment>().unwrap();
    match way {
        Way::Streaming => builder(),
        _ => builder().transform(augment()),
    }
}

fn loader(way: Way, seed: u64, device: Device) -> Loader {
    let loader = configured(way).workers(seed as usize % 3).device(device);
    match way {
        Way::Resident => loader.resident(1 << 20).build().unwrap(),
        _ => loader.build().unwrap(),
    }
}

fn on_both_devices(seeds: std::ops::Range<u64>, test: impl Fn(u64, [Device; 2])) {
    for seed in seeds {
        for new in DEVICES {
            let simulation = simulation(seed, SAMPLES);
            test(seed, [0, 1].map(|ordinal| new(ordinal).unwrap()));
            simulation.drain();
            assert_eq!(simulation.violations(), [], "seed {seed}");
            assert_eq!(simulation.live_allocations(), [], "seed {seed}");
        }
    }
}

#[test]
fn one_thread_takes_batches_of_both_in_turns() {
    for way in WAYS {
        let cpu = delivered(&configured(way).build().unwrap(), 0..3).unwrap();
        on_both_devices(0..40, |seed, devices| {
            let loaders = devices.map(|device| loader(way, seed, device));
            let [one, other] = &loaders;
            let mut found = [Vec::new(), Vec::new()];
            for (a, b) in one.epochs(0..3).zip(other.epochs(0..3)) {
                // In the order in which they came, and not by device.
                found[0].push(Delivered::of(&a.unwrap()).unwrap());
                found[1].push(Delivered::of(&b.unwrap()).unwrap());
            }
            assert_eq!(found, [cpu.clone(), cpu.clone()], "{way:?}, seed {seed}");
        });
    }
}

#[test]
fn a_thread_for_each_trains_on_its_own() {
    for way in WAYS {
        let cpu = delivered(&configured(way).build().unwrap(), 0..3).unwrap();
        on_both_devices(0..40, |seed, devices| {
            std::thread::scope(|scope| {
                let train = |device: Device| {
                    let loader = loader(way, seed, device);
                    delivered(&loader, 0..3).unwrap()
                };
                let threads = devices.map(|device| scope.spawn(move || train(device)));
                for thread in threads {
                    assert_eq!(thread.join().unwrap(), cpu, "{way:?}, seed {seed}");
                }
            });
        });
    }
}

// ---- each wait is needed, of both

/// Batches of an epoch, each of one row.
const BATCHES: usize = 5;

/// Elements of a row.
const LEN: usize = 32;

/// Slots of a loader without workers.
const SLOTS: usize = 2;

thread_local! {
    /// The driver of the test under way, for the sources.
    static DRIVER: RefCell<Option<Rc<Simulation>>> = const { RefCell::new(None) };
}

fn one_of_two(device: Device) -> Loader {
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[LEN])]).unwrap();
    let source = from_fn(schema, BATCHES, |index, row| {
        let mut field = row.field(0);
        let memory = field.as_mut_slice::<f32>()?;
        DRIVER.with_borrow(|driver| {
            let driver = driver.as_ref().expect("a test is under way");
            driver.host_write(memory.as_ptr(), size_of_val(memory));
        });
        memory.fill(index as f32);
        Ok(())
    });
    Loader::builder(source).batch_size(1).workers(0).device(device).build().unwrap()
}

/// Loads an epoch on both devices in turns, without waiting for either, and reads it at the end.
fn load(simulation: &Rc<Simulation>, new: NewDevice, without: impl Fn(&Simulation)) {
    DRIVER.set(Some(simulation.clone()));
    let loaders = [0, 1].map(|ordinal| one_of_two(new(ordinal).unwrap()));
    without(simulation);
    let [one, other] = &loaders;
    // What the program does with a batch, after which its memory is freed on the stream of the current
    // context.
    let used = |batch: tallow::Result<Batch>| batch.unwrap()["input"].copy().unwrap();
    let pairs: Vec<[Tensor; 2]> =
        one.epoch(0).zip(other.epoch(0)).map(|(a, b)| [used(a), used(b)]).collect();
    drop(loaders);
    DRIVER.set(None);
    for tensor in pairs.into_iter().flatten() {
        tensor.to_device(&Device::Cpu).unwrap();
    }
}

/// How many calls of `call` there are whose absence is noticed, taken away one at a time.
fn needed(new: NewDevice, call: Call) -> usize {
    let simulation = Rc::new(Simulation::begin(0));
    load(&simulation, new, |_| {});
    assert_eq!(simulation.violations(), []);
    let calls = simulation.counts().calls_of(call.function()) as u32;
    drop(simulation);
    let is_noticed = |nth: &u32| {
        let simulation = Rc::new(Simulation::begin(u64::from(*nth)));
        load(&simulation, new, |simulation| simulation.ignore_nth(call, *nth));
        !simulation.violations().is_empty()
    };
    (0..calls).filter(is_noticed).count()
}

#[test]
fn without_any_one_wait_or_event_of_either_something_is_out_of_order() {
    for new in DEVICES {
        assert_eq!(needed(new, Call::StreamWaitEvent), 2 * (2 * BATCHES + (BATCHES - SLOTS)));
        assert_eq!(needed(new, Call::EventRecord), 2 * 2 * BATCHES);
    }
}
