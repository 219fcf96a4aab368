//! What memory holds, who gets it, and its bounds.

mod client;

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use client::{SEEDS, address, alloc, bare_launch, context, free_in, kinds, page_locked};
use tallow_cuda_sim::{POISON_FRESH, Simulation, ViolationKind};

const BYTES: usize = 256;

#[test]
fn fresh_memory_and_reused_memory_hold_poison() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        for _ in 0..3 {
            let mut memory = alloc(&stream, BYTES);
            assert_eq!(stream.clone_dtoh(&memory).unwrap(), [POISON_FRESH; BYTES]);
            stream.memset_zeros(&mut memory).unwrap();
        }
        assert_eq!(page_locked(&context, BYTES).as_slice().unwrap(), [POISON_FRESH; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn a_freed_block_goes_at_once_to_its_stream_and_to_others_when_it_is_free_for_them() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (one, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let first = alloc(&one, BYTES);
    let block = address(&first);
    drop(first);
    let elsewhere = alloc(&other, BYTES);
    assert_ne!(address(&elsewhere), block, "the free is pending");
    let again = alloc(&one, BYTES);
    assert_eq!(address(&again), block, "the stream's own order suffices");
    drop(again);
    other.wait(&one.record_event(None).unwrap()).unwrap();
    let after_wait = alloc(&other, BYTES);
    assert_eq!(address(&after_wait), block, "ordered after the free by an event");
    assert_eq!(simulation.violations(), []);
}

#[test]
fn a_second_free_is_refused() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let stale = client::slice_at(&stream, address(&alloc(&stream, BYTES)), BYTES);
    assert!(free_in(&stream, stale).is_err());
    assert_eq!(kinds(&simulation), [ViolationKind::InvalidFree]);
}

#[test]
fn a_copy_from_freed_memory_is_caught() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let stale = client::slice_at(&stream, address(&alloc(&stream, BYTES)), BYTES);
    stream.clone_dtoh(&stale).unwrap();
    assert_eq!(kinds(&simulation), [ViolationKind::UseAfterFree]);
    stale.leak();
}

#[test]
fn a_copy_beyond_the_end_is_refused() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let memory = alloc(&stream, BYTES);
    let longer = client::slice_at(&stream, address(&memory), BYTES + 1);
    assert!(stream.clone_dtoh(&longer).is_err());
    assert_eq!(kinds(&simulation), [ViolationKind::OutOfBounds]);
    longer.leak();
}

#[test]
fn page_locked_memory_has_a_limit_of_its_own() {
    let simulation = Simulation::begin(0);
    let context = context();
    simulation.fail_page_locked_after(BYTES as u64);
    let held = page_locked(&context, BYTES);
    assert!(client::try_page_locked(&context, 1).is_err());
    drop(held);
    assert!(client::try_page_locked(&context, 1).is_ok());
    assert_eq!(simulation.violations(), []);
}

#[test]
fn freeing_page_locked_memory_in_use_is_caught() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let source = page_locked(&context, BYTES);
    let mut memory = alloc(&stream, BYTES);
    stream.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
    drop(source);
    assert_eq!(kinds(&simulation), [ViolationKind::UnorderedFree]);
}

#[test]
fn a_launch_without_a_current_context_is_refused() {
    let simulation = Simulation::begin(0);
    let _context = context();
    let launch = bare_launch("", "anything");
    launch().unwrap();
    let error = std::thread::scope(|scope| scope.spawn(&launch).join().unwrap()).unwrap_err();
    assert!(format!("{error:?}").contains("CUDA_ERROR_INVALID_CONTEXT"), "{error:?}");
    assert_eq!(kinds(&simulation), [ViolationKind::NoContext]);
    assert_eq!(simulation.counts().launches_of("anything"), 1);
}

#[test]
fn what_outlives_its_simulation_harms_no_later_one() {
    let earlier = Simulation::begin(0);
    let context = client::context();
    let source = page_locked(&context, BYTES);
    let stream = context.new_stream().unwrap();
    let memory = alloc(&stream, BYTES);
    drop(earlier);
    let later = Simulation::begin(0);
    assert_eq!(source.len(), BYTES);
    drop((source, memory, stream, context));
    assert_eq!(later.live_allocations(), []);
}

/// Allocates, frees and waits some times; what the pool took and gave back.
fn pool_traffic(simulation: &Simulation, threshold: Option<u64>) -> [u64; 2] {
    let context = context();
    if let Some(mut threshold) = threshold {
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the device is there, the pool is its own, and the attribute is a number of 64 bits.
        unsafe {
            let pool = result::device::get_mem_pool(context.cu_device()).unwrap();
            result::mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast()).unwrap();
        }
    }
    let stream = context.new_stream().unwrap();
    for _ in 0..4 {
        let held = (alloc(&stream, 2 * BYTES), alloc(&stream, 2 * BYTES));
        drop(held);
        stream.synchronize().unwrap();
    }
    let counts = simulation.counts();
    [counts.pool_taken_bytes, counts.pool_released_bytes]
}

#[test]
fn a_pool_keeps_nothing_beyond_its_threshold_when_something_is_waited_for() {
    let round = 2 * 2 * BYTES as u64;
    for (threshold, expected) in [
        (None, [4 * round, 4 * round]),
        (Some(round / 2), [5 * round / 2, 4 * round / 2]),
        (Some(u64::MAX), [round, 0]),
    ] {
        let simulation = Simulation::begin(0);
        assert_eq!(pool_traffic(&simulation, threshold), expected, "{threshold:?}");
        assert_eq!(simulation.violations(), []);
    }
}
