//! Two devices in one process: what belongs to one is of no use to the other.

mod client;

use std::sync::Arc;

use candle_core::cuda_backend::cudarc::driver::{CudaContext, CudaStream, LaunchConfig, result};
use client::{SEEDS, address, alloc, free_in, kinds, page_locked};
use tallow_cuda_sim::{Simulation, ViolationKind};

const BYTES: usize = 256;

/// A context of each device and a stream in it, without cudarc's event tracking.
fn devices() -> [(Arc<CudaContext>, Arc<CudaStream>); 2] {
    assert_eq!(CudaContext::device_count(), Ok(2));
    [0, 1].map(|ordinal| {
        let context = CudaContext::new(ordinal).unwrap();
        // SAFETY: the simulator keeps all memory mapped.
        unsafe { context.disable_event_tracking() };
        let stream = context.new_stream().unwrap();
        (context, stream)
    })
}

#[test]
fn each_has_its_name_its_context_and_its_memory() {
    let simulation = Simulation::begin(0);
    let [(one, one_stream), (other, other_stream)] = devices();
    assert_ne!(one.name(), other.name());
    assert_ne!(one.cu_ctx(), other.cu_ctx());
    simulation.fail_allocations_after(BYTES as u64);
    let held = (alloc(&one_stream, BYTES), alloc(&other_stream, BYTES));
    for (context, stream) in [(&one, &one_stream), (&other, &other_stream)] {
        assert_eq!(context.mem_get_info().unwrap().0, 0);
        // SAFETY: any bytes are a `u8`.
        assert!(unsafe { stream.alloc::<u8>(1) }.is_err());
    }
    drop(held);
    assert_eq!(simulation.violations(), []);
    assert_eq!(simulation.live_allocations(), []);
}

#[test]
fn work_on_both_is_what_was_asked_for_under_every_seed() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let streams = devices().map(|(context, _)| context.per_thread_stream());
        let there: Vec<_> = (0..8u8)
            .map(|i| (i, streams[usize::from(i % 2)].clone_htod(&[i; BYTES]).unwrap()))
            .collect();
        for (i, memory) in &there {
            assert_eq!(memory.stream().clone_dtoh(memory).unwrap(), [*i; BYTES]);
        }
        // A handle of 2 is a stream of the current context, so cudarc frees with the wrong one.
        let (even, odd): (Vec<_>, Vec<_>) = there.into_iter().partition(|(i, _)| i % 2 == 0);
        for (memory, stream) in [(even, &streams[0]), (odd, &streams[1])] {
            stream.context().bind_to_thread().unwrap();
            drop(memory);
        }
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn memory_of_the_other_is_no_memory() {
    let simulation = Simulation::begin(0);
    let [(_one, stream), (_other, other_stream)] = devices();
    let memory = alloc(&other_stream, BYTES);
    other_stream.synchronize().unwrap();
    // SAFETY: the memory is as long.
    unsafe { result::memset_d8_async(address(&memory), 0, BYTES, stream.cu_stream()) }.unwrap();
    stream.synchronize().unwrap();
    free_in(&stream, memory).unwrap();
    assert_eq!(kinds(&simulation), [ViolationKind::WrongDevice; 2]);
    assert!(simulation.violations()[0].message.contains("created stream"), "which stream");
}

#[test]
fn an_event_is_recorded_on_its_own_device_and_waited_for_on_any() {
    let simulation = Simulation::begin(0);
    let [(one, stream), (_other, other_stream)] = devices();
    let event = one.new_event(None).unwrap();
    let record = |stream: &CudaStream| {
        // SAFETY: both are alive.
        unsafe { result::event::record(event.cu_event(), stream.cu_stream()) }
    };
    assert!(record(&other_stream).is_err());
    assert_eq!(kinds(&simulation), [ViolationKind::WrongDevice]);
    record(&stream).unwrap();
    other_stream.wait(&event).unwrap();
    assert_eq!(kinds(&simulation).len(), 1);
}

#[test]
fn a_kernel_is_launched_where_it_was_loaded() {
    let simulation = Simulation::begin(0);
    let [(one, stream), (_other, other_stream)] = devices();
    let function = client::function(&one, ".visible .entry nothing()\n{ ret; }", "nothing");
    let launch = |stream: &Arc<CudaStream>| {
        let shape = LaunchConfig::for_num_elems(1);
        // SAFETY: the kernel has no parameters.
        unsafe { stream.launch_builder(&function).launch(shape) }
    };
    launch(&stream).unwrap();
    assert!(launch(&other_stream).is_err());
    assert_eq!(kinds(&simulation), [ViolationKind::WrongDevice]);
}

#[test]
fn to_wait_for_one_is_not_to_wait_for_the_other() {
    let simulation = Simulation::begin(0);
    let [(one, _stream), (other, other_stream)] = devices();
    let source = page_locked(&other, BYTES);
    let mut memory = alloc(&other_stream, BYTES);
    other_stream.memcpy_htod(source.as_slice().unwrap(), &mut memory).unwrap();
    one.synchronize().unwrap();
    assert!(!simulation.host_write(source.as_slice().unwrap().as_ptr(), BYTES));
    assert_eq!(kinds(&simulation), [ViolationKind::HostAccessInFlight]);
    other.synchronize().unwrap();
    assert!(simulation.host_write(source.as_slice().unwrap().as_ptr(), BYTES));
}
