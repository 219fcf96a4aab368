//! Single functions of the driver, called as it is.

mod client;

use candle_core::cuda_backend::cudarc::driver::{result, sys};
use client::{SEEDS, alloc, context, page_locked};
use tallow_cuda_sim::{Simulation, ViolationKind};

const BYTES: usize = 128;

#[test]
fn a_function_that_is_not_simulated_fails_and_says_so() {
    let simulation = Simulation::begin(0);
    let _context = context();
    // SAFETY: nothing is allocated.
    let outcome =
        unsafe { result::malloc_managed(BYTES, sys::CUmemAttach_flags::CU_MEM_ATTACH_GLOBAL) };
    assert!(format!("{:?}", outcome.unwrap_err()).contains("CUDA_ERROR_NOT_SUPPORTED"));
    let found = simulation.violations();
    assert_eq!(found[0].kind, ViolationKind::Unsupported);
    assert!(found[0].message.contains("cuMemAllocManaged"), "{}", found[0]);
}

#[test]
fn synchronous_copies_come_after_the_blocking_streams() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let memory = context.per_thread_stream().clone_htod(&[5u8; BYTES]).unwrap();
        let mut there = [0u8; BYTES];
        // SAFETY: the memory is as long as the array.
        unsafe { result::memcpy_dtoh_sync(&mut there, client::address(&memory)) }.unwrap();
        assert_eq!(there, [5; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

#[test]
fn a_synchronous_upload_from_page_locked_memory_is_over_when_it_returns() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let memory = alloc(&context.per_thread_stream(), BYTES);
        let mut source = page_locked(&context, BYTES);
        // SAFETY: the memory is as long as the source.
        unsafe { result::memcpy_htod_sync(client::address(&memory), source.as_slice().unwrap()) }
            .unwrap();
        assert!(simulation.host_write(source.as_mut_slice().unwrap().as_ptr(), BYTES));
    }
}

#[test]
fn memory_of_the_client_is_page_locked_while_it_is_registered() {
    let simulation = Simulation::begin(0);
    let context = context();
    let stream = context.new_stream().unwrap();
    let mut source = vec![1u8; BYTES];
    let mut memory = alloc(&stream, BYTES);
    // SAFETY: the vector is alive and keeps its address until it is no longer registered.
    unsafe { sys::cuMemHostRegister_v2(source.as_mut_ptr().cast(), BYTES, 0).result() }.unwrap();
    stream.memcpy_htod(&source, &mut memory).unwrap();
    source.fill(2);
    assert_eq!(stream.clone_dtoh(&memory).unwrap(), [2; BYTES], "read late");
    // SAFETY: it was registered above.
    unsafe { sys::cuMemHostUnregister(source.as_mut_ptr().cast()).result() }.unwrap();
    assert_eq!(simulation.violations(), []);
    stream.memcpy_htod(&source, &mut memory).unwrap();
    source.fill(3);
    assert_eq!(stream.clone_dtoh(&memory).unwrap(), [2; BYTES], "staged at the call");
}

#[test]
fn time_passes_between_two_timed_events_around_work() {
    let _simulation = Simulation::begin(2);
    let context = context();
    let stream = context.new_stream().unwrap();
    let timed = Some(sys::CUevent_flags::CU_EVENT_DEFAULT);
    let begin = stream.record_event(timed).unwrap();
    let memory = stream.alloc_zeros::<u8>(BYTES).unwrap();
    let end = stream.record_event(timed).unwrap();
    assert!(begin.elapsed_ms(&end).unwrap() > 0.0);
    drop(memory);
}

#[test]
fn a_destroyed_stream_still_does_its_work() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        let context = context();
        let stream = context.new_stream().unwrap();
        let address = stream.alloc_zeros::<u8>(BYTES).unwrap().leak();
        drop(stream);
        context.synchronize().unwrap();
        let memory = client::slice_at(&context.per_thread_stream(), address, BYTES);
        assert_eq!(context.per_thread_stream().clone_dtoh(&memory).unwrap(), [0; BYTES]);
        assert_eq!(simulation.violations(), []);
    }
}

/// Begins to capture from a stream on another thread, in that thread's and this thread's mode, calls what
/// may not be called then, and ends the capture: whether the capture and the call succeed.
fn capture_beside(
    mode: sys::CUstreamCaptureMode,
    mut own: sys::CUstreamCaptureMode,
) -> (bool, bool) {
    let context = context();
    let stream = context.new_stream().unwrap();
    let turn = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        let capturing = scope.spawn(|| {
            stream.begin_capture(mode).unwrap();
            turn.wait();
            turn.wait();
            // SAFETY: the stream is alive.
            unsafe { result::stream::end_capture(stream.cu_stream()) }.is_ok()
        });
        turn.wait();
        // SAFETY: the driver swaps two modes.
        unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut own).result() }.unwrap();
        let called = client::try_page_locked(&context, BYTES).is_ok();
        // SAFETY: as above.
        unsafe { sys::cuThreadExchangeStreamCaptureMode(&mut own).result() }.unwrap();
        turn.wait();
        (capturing.join().unwrap(), called)
    })
}

#[test]
fn what_a_capture_forbids_breaks_it_unless_the_thread_says_that_it_knows() {
    use sys::CUstreamCaptureMode::{
        CU_STREAM_CAPTURE_MODE_GLOBAL as GLOBAL, CU_STREAM_CAPTURE_MODE_RELAXED as RELAXED,
        CU_STREAM_CAPTURE_MODE_THREAD_LOCAL as THREAD_LOCAL,
    };
    for mode in [GLOBAL, THREAD_LOCAL, RELAXED] {
        for own in [GLOBAL, THREAD_LOCAL, RELAXED] {
            let simulation = Simulation::begin(0);
            let fine = mode != GLOBAL || own != GLOBAL;
            assert_eq!(capture_beside(mode, own), (fine, fine), "{mode:?} beside {own:?}");
            let broken = vec![ViolationKind::CaptureBroken; usize::from(!fine)];
            assert_eq!(client::kinds(&simulation), broken);
        }
    }
}

#[test]
fn a_captured_stream_cannot_wait_for_what_is_outside() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (inside, outside) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let event = outside.record_event(None).unwrap();
    inside.begin_capture(sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED).unwrap();
    assert!(inside.wait(&event).is_err());
    let instantiated =
        sys::CUgraphInstantiate_flags::CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH;
    assert!(inside.end_capture(instantiated).is_err());
    inside.wait(&event).unwrap();
    assert_eq!(simulation.violations(), []);
}
