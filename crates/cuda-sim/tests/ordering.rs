//! The rules of ordering between streams, events and the host.

mod client;

use client::{SEEDS, alloc, context, free_in, kinds, page_locked};
use tallow_cuda_sim::{POISON_FRESH, Simulation, ViolationKind};

const BYTES: usize = 256;

#[test]
fn a_read_in_another_stream_that_waits_for_the_write_is_fine() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let (writer, reader) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let memory = writer.alloc_zeros::<u8>(BYTES).unwrap();
        reader.wait(&writer.record_event(None).unwrap()).unwrap();
        assert_eq!(reader.clone_dtoh(&memory).unwrap(), vec![0; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn a_read_in_another_stream_that_does_not_wait_is_caught_under_every_seed() {
    let mut saw_poison = false;
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let (writer, reader) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let memory = writer.alloc_zeros::<u8>(BYTES).unwrap();
        let read = reader.clone_dtoh(&memory).unwrap();
        saw_poison |= read != vec![0; BYTES];
        let found = simulation.violations();
        assert_eq!(found[0].kind, ViolationKind::UnorderedRead, "{found:?}");
        let place = "cuMemsetD8Async (operation 2 of created stream 2 of device 0)";
        assert!(found[0].message.contains(place));
    }
    assert!(saw_poison, "some seed shows it in the data");
}

#[test]
fn the_same_seed_shows_the_same_data_and_some_seeds_differ() {
    let race = |seed| {
        let _simulation = Simulation::begin(seed);
        let context = context();
        let (one, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let mut memory = one.alloc_zeros::<u8>(BYTES).unwrap();
        let source = page_locked(&context, BYTES);
        for _ in 0..4 {
            other.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
            one.memset_zeros(&mut memory).unwrap();
        }
        let read = context.new_stream().unwrap().clone_dtoh(&memory).unwrap();
        context.synchronize().unwrap();
        read
    };
    let first: Vec<_> = (0..SEEDS).map(race).collect();
    let second: Vec<_> = (0..SEEDS).map(race).collect();
    assert_eq!(first, second);
    assert!(first.iter().any(|read| *read != first[0]));
}

#[test]
fn a_use_that_does_not_wait_for_the_allocation_is_caught() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (allocating, using) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let mut memory = alloc(&allocating, BYTES);
    using.memset_zeros(&mut memory).unwrap();
    assert_eq!(kinds(&simulation), [ViolationKind::UseBeforeAllocation]);
}

#[test]
fn a_write_that_does_not_wait_for_the_readers_is_caught() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (writer, reader) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let mut from = writer.alloc_zeros::<u8>(BYTES).unwrap();
    reader.wait(&writer.record_event(None).unwrap()).unwrap();
    let to = reader.clone_dtod(&from).unwrap();
    writer.memset_zeros(&mut from).unwrap();
    assert_eq!(kinds(&simulation), [ViolationKind::UnorderedWrite]);
    drop(to);
}

#[test]
fn uses_of_different_bytes_need_no_order() {
    let simulation = Simulation::begin(3);
    let context = context();
    let (one, other) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let mut memory = alloc(&one, 2 * BYTES);
    one.synchronize().unwrap();
    one.memset_zeros(&mut memory.slice_mut(..BYTES)).unwrap();
    other.memset_zeros(&mut memory.slice_mut(BYTES..)).unwrap();
    assert_eq!(simulation.violations(), []);
}

#[test]
fn a_wait_takes_the_record_that_was_the_latest_when_it_was_issued() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (writer, reader) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let event = writer.record_event(None).unwrap();
    reader.wait(&event).unwrap();
    let memory = writer.alloc_zeros::<u8>(BYTES).unwrap();
    event.record(&writer).unwrap();
    reader.clone_dtoh(&memory).unwrap();
    assert!(kinds(&simulation).contains(&ViolationKind::UnorderedRead));
}

#[test]
fn a_free_in_another_stream_that_does_not_wait_is_caught() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let (using, freeing) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let memory = using.alloc_zeros::<u8>(BYTES).unwrap();
        free_in(&freeing, memory).unwrap();
        assert!(kinds(&simulation).contains(&ViolationKind::UnorderedFree));
    }
}

#[test]
fn a_free_after_the_host_waited_is_fine_in_any_stream() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let (using, freeing) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let memory = using.alloc_zeros::<u8>(BYTES).unwrap();
        using.synchronize().unwrap();
        free_in(&freeing, memory).unwrap();
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn the_legacy_stream_waits_for_per_thread_streams_and_not_for_non_blocking_ones() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let legacy = context.default_stream();
        let ordered = context.per_thread_stream().alloc_zeros::<u8>(BYTES).unwrap();
        assert_eq!(legacy.clone_dtoh(&ordered).unwrap(), vec![0; BYTES]);
        assert_eq!(simulation.violations(), []);
        let unordered = context.new_stream().unwrap().alloc_zeros::<u8>(BYTES).unwrap();
        legacy.clone_dtoh(&unordered).unwrap();
        assert!(kinds(&simulation).contains(&ViolationKind::UnorderedRead));
    }
}

#[test]
fn a_pageable_source_may_change_as_soon_as_the_copy_was_issued() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let mut source = vec![1u8; BYTES];
        let memory = stream.clone_htod(&source).unwrap();
        source.fill(2);
        assert_eq!(stream.clone_dtoh(&memory).unwrap(), vec![1; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn a_page_locked_source_is_read_late_and_a_host_write_meanwhile_is_caught() {
    let mut torn = false;
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let mut source = page_locked(&context, BYTES);
        source.as_mut_slice().unwrap().fill(1);
        let mut memory = alloc(&stream, BYTES);
        // A plain slice of it: safe, asynchronous, and followed by no event.
        stream.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
        let bytes = source.as_mut_slice().unwrap();
        assert!(!simulation.host_write(bytes.as_ptr(), BYTES));
        bytes.fill(2);
        torn |= stream.clone_dtoh(&memory).unwrap() != vec![1; BYTES];
        assert_eq!(kinds(&simulation), [ViolationKind::HostAccessInFlight]);
    }
    assert!(torn, "some seed reads the source after the write");
}

#[test]
fn a_host_write_to_page_locked_memory_after_an_event_wait_is_fine() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let mut source = page_locked(&context, BYTES);
        source.as_mut_slice().unwrap().fill(1);
        let mut memory = alloc(&stream, BYTES);
        stream.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
        stream.record_event(None).unwrap().synchronize().unwrap();
        let bytes = source.as_mut_slice().unwrap();
        assert!(simulation.host_write(bytes.as_ptr(), BYTES));
        bytes.fill(2);
        assert_eq!(stream.clone_dtoh(&memory).unwrap(), vec![1; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn a_copy_issued_while_the_host_writes_its_source_is_caught() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let source = page_locked(&context, BYTES);
        let mut memory = alloc(&stream, BYTES);
        let bytes = source.as_slice().unwrap();
        let reading = simulation.host_reading(bytes.as_ptr(), BYTES);
        let writing = simulation.host_writing(bytes[BYTES / 2..].as_ptr(), BYTES / 2);
        stream.memcpy_htod(&bytes[..BYTES / 2], &mut memory).unwrap();
        assert_eq!(simulation.violations(), []);
        stream.memcpy_htod(bytes, &mut memory).unwrap();
        assert_eq!(kinds(&simulation), [ViolationKind::HostAccessInFlight]);
        drop((reading, writing));
        stream.memcpy_htod(bytes, &mut memory).unwrap();
        assert_eq!(simulation.violations().len(), 1);
        stream.synchronize().unwrap();
    }
}

#[test]
fn a_copy_to_page_locked_memory_is_not_there_when_the_call_returns() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let memory = stream.alloc_zeros::<u8>(BYTES).unwrap();
    let mut target = page_locked(&context, BYTES);
    stream.memcpy_dtoh(&memory, target.as_mut_slice().unwrap()).unwrap();
    let early = target.as_slice().unwrap();
    assert!(!simulation.host_read(early.as_ptr(), BYTES));
    assert_eq!(early, [POISON_FRESH; BYTES]);
    stream.synchronize().unwrap();
    let late = target.as_slice().unwrap();
    assert!(simulation.host_read(late.as_ptr(), BYTES));
    assert_eq!(late, [0; BYTES]);
}

#[test]
fn polling_an_event_ends_under_every_seed_and_orders_the_host() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let mut source = page_locked(&context, BYTES);
        let mut memory = alloc(&stream, BYTES);
        stream.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
        let event = stream.record_event(None).unwrap();
        while !event.is_complete() {}
        assert!(simulation.host_write(source.as_mut_slice().unwrap().as_ptr(), BYTES));
        assert_eq!(simulation.violations(), []);
    }
}
