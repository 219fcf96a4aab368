//! Taking an ordering call away from a correct client makes violations: what a client's own test
//! does to show that each of its waits is needed.

mod client;

use client::{SEEDS, alloc, context, page_locked};
use tallow_cuda_sim::{Call, Simulation};

const BYTES: usize = 256;
const ROUNDS: u8 = 3;

/// A loader in small: the host fills one page-locked buffer after the other's copy is done, one
/// stream uploads to one slot, another reads it; events hand the slot over and back. Returns the
/// batches as the reader saw them.
fn load(simulation: &Simulation) -> Vec<Vec<u8>> {
    let context = context();
    let (copying, reading) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let mut source = page_locked(&context, BYTES);
    let mut slot = alloc(&copying, BYTES);
    let (ready, free) = (context.new_event(None).unwrap(), context.new_event(None).unwrap());
    let mut batches = Vec::new();
    for round in 0..ROUNDS {
        ready.synchronize().unwrap();
        let bytes = source.as_mut_slice().unwrap();
        simulation.host_write(bytes.as_ptr(), BYTES);
        bytes.fill(round);
        copying.wait(&free).unwrap();
        copying.memcpy_htod(source.as_slice().unwrap(), &mut slot).unwrap();
        ready.record(&copying).unwrap();
        reading.wait(&ready).unwrap();
        let batch = reading.clone_dtod(&slot).unwrap();
        free.record(&reading).unwrap();
        batches.push(batch);
    }
    let batches = batches.iter().map(|batch| reading.clone_dtoh(batch).unwrap()).collect();
    copying.synchronize().unwrap();
    batches
}

#[test]
fn the_client_is_correct_under_every_seed() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let expected: Vec<_> = (0..ROUNDS).map(|round| vec![round; BYTES]).collect();
        assert_eq!(load(&simulation), expected);
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn without_any_one_wait_it_is_not() {
    // The first round waits for events that nothing recorded yet, and the last record of `free` is
    // waited for by nobody. cudarc makes two waits of the host a round itself, for an event that is
    // never recorded, before it shows page-locked memory.
    let needed = [
        (Call::StreamWaitEvent, vec![1, 2, 3, 4, 5]),
        (Call::EventRecord, vec![0, 1, 2, 3, 4]),
        (Call::EventSynchronize, vec![3, 6]),
    ];
    for (call, numbers) in needed {
        for nth in numbers {
            for seed in 0..4 {
                let simulation = Simulation::begin(seed);
                simulation.ignore_nth(call, nth);
                load(&simulation);
                assert_ne!(simulation.violations(), [], "{call:?} number {nth} is needed");
            }
        }
    }
}

#[test]
fn without_all_calls_of_a_kind_it_is_not() {
    for call in [Call::StreamWaitEvent, Call::EventRecord, Call::EventSynchronize] {
        let simulation = Simulation::begin(0);
        simulation.ignore_all(call);
        load(&simulation);
        assert_ne!(simulation.violations(), [], "{call:?}");
        assert!(simulation.counts().calls_of(call.function()) > 0);
    }
}
