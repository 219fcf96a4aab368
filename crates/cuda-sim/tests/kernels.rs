//! Kernels that the host plays, and those that nobody does.

mod client;

use client::{SEEDS, alloc, context, function, kinds, launch};
use tallow_cuda_sim::{Kernel, Simulation, Use, ViolationKind};

const BYTES: usize = 64;

/// `invert(const u8 *from, u8 *to, size_t count)`.
fn invert() -> Kernel {
    Kernel::new("invert", [8, 8, 8])
        .uses(|launch| {
            let bytes = launch.param(2);
            vec![Use::read(launch.param(0), bytes), Use::write(launch.param(1), bytes)]
        })
        .runs(|launch, memory| {
            let from = memory.read::<u8>(launch.param(0), launch.param(2))?;
            let to: Vec<u8> = from.iter().map(|byte| !byte).collect();
            memory.write(launch.param(1), &to)
        })
}

const PTX: &str = "
.version 9.0
.target sm_80
.address_size 64
.visible .entry mystery(
    .param .u64 .ptr .align 1 mystery_param_0,
    .param .u64 mystery_param_1,
    .param .align 8 .b8 mystery_param_2[8]
)
{ ret; }
";

#[test]
fn a_registered_kernel_computes_from_what_its_stream_did_before() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        simulation.register(invert());
        let context = context();
        let stream = context.new_stream().unwrap();
        let kernel = function(&context, "", "invert");
        let from = stream.clone_htod(&[1u8; BYTES]).unwrap();
        let mut to = alloc(&stream, BYTES);
        launch(&stream, &kernel, &from, &mut to, BYTES);
        assert_eq!(stream.clone_dtoh(&to).unwrap(), [254; BYTES]);
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.counts().runs_of("invert"), 1);
    }
}

#[test]
fn a_kernel_runs_late_with_the_parameters_it_was_launched_with() {
    let simulation = Simulation::begin(0);
    simulation.register(invert());
    let context = context();
    let stream = context.new_stream().unwrap();
    let kernel = function(&context, "", "invert");
    let from = stream.clone_htod(&[1u8; BYTES]).unwrap();
    let mut to = alloc(&stream, BYTES);
    stream.memset_zeros(&mut to).unwrap();
    // The parameters are locals of `launch`, gone when the kernel runs.
    launch(&stream, &kernel, &from, &mut to, BYTES / 2);
    assert_eq!(simulation.counts().launches_of("invert"), 1);
    assert_eq!(simulation.counts().runs_of("invert"), 0);
    simulation.drain();
    assert_eq!(simulation.counts().runs_of("invert"), 1);
    let result = stream.clone_dtoh(&to).unwrap();
    assert_eq!(result, [[254; BYTES / 2], [0; BYTES / 2]].concat());
    assert_eq!(simulation.violations(), []);
}

#[test]
fn a_kernel_that_reads_what_another_stream_writes_is_caught() {
    for seed in 0..SEEDS {
        let simulation = Simulation::begin(seed);
        simulation.register(invert());
        let context = context();
        let (copying, computing) = (context.new_stream().unwrap(), context.new_stream().unwrap());
        let kernel = function(&context, "", "invert");
        let from = copying.clone_htod(&[1u8; BYTES]).unwrap();
        let mut to = alloc(&computing, BYTES);
        launch(&computing, &kernel, &from, &mut to, BYTES);
        assert_eq!(kinds(&simulation)[0], ViolationKind::UnorderedRead);
        copying.synchronize().unwrap();
        computing.synchronize().unwrap();
    }
}

#[test]
fn a_kernel_that_touches_what_it_did_not_declare_is_caught() {
    let simulation = Simulation::begin(0);
    simulation.register(
        Kernel::new("liar", [8, 8, 8])
            .uses(|launch| vec![Use::read(launch.param(0), BYTES)])
            .runs(|launch, memory| memory.write(launch.param(1), &[0u8])),
    );
    let context = context();
    let stream = context.new_stream().unwrap();
    let kernel = function(&context, "", "liar");
    let (from, mut to) = (alloc(&stream, BYTES), alloc(&stream, BYTES));
    launch(&stream, &kernel, &from, &mut to, BYTES);
    simulation.drain();
    assert_eq!(kinds(&simulation), [ViolationKind::UndeclaredAccess]);
}

#[test]
fn a_kernel_that_would_leave_its_memory_is_caught_and_does_not_run() {
    let simulation = Simulation::begin(0);
    simulation.register(invert());
    let context = context();
    let stream = context.new_stream().unwrap();
    let kernel = function(&context, "", "invert");
    let (from, mut to) = (alloc(&stream, BYTES), alloc(&stream, BYTES / 2));
    launch(&stream, &kernel, &from, &mut to, BYTES);
    simulation.drain();
    assert!(kinds(&simulation).contains(&ViolationKind::OutOfBounds));
    assert_eq!(simulation.counts().runs_of("invert"), 0);
}

#[test]
fn a_kernel_that_panics_is_a_violation() {
    let simulation = Simulation::begin(1);
    simulation.register(Kernel::new("broken", [8, 8, 8]).runs(|_, _| panic!("on purpose")));
    let context = context();
    let stream = context.new_stream().unwrap();
    let kernel = function(&context, "", "broken");
    let (from, mut to) = (alloc(&stream, BYTES), alloc(&stream, BYTES));
    launch(&stream, &kernel, &from, &mut to, BYTES);
    stream.synchronize().unwrap();
    assert_eq!(kinds(&simulation), [ViolationKind::KernelFailed]);
}

#[test]
fn a_kernel_nobody_registered_is_taken_to_use_every_allocation_among_its_parameters() {
    let simulation = Simulation::begin(0);
    let context = context();
    let (writing, computing) = (context.new_stream().unwrap(), context.new_stream().unwrap());
    let kernel = function(&context, PTX, "mystery");
    let from = writing.alloc_zeros::<u8>(BYTES).unwrap();
    let mut to = alloc(&computing, BYTES);
    launch(&computing, &kernel, &from, &mut to, BYTES);
    assert!(kinds(&simulation).contains(&ViolationKind::UnorderedWrite));
    assert_eq!(simulation.counts().launches_of("mystery"), 1);
    writing.synchronize().unwrap();
    computing.synchronize().unwrap();
}

#[test]
fn a_kernel_that_ptx_does_not_declare_is_not_found() {
    let _simulation = Simulation::begin(0);
    let context = context();
    let module =
        context.load_module(candle_core::cuda_backend::cudarc::nvrtc::Ptx::from_src(PTX)).unwrap();
    assert!(module.load_function("mysterious").is_err());
    assert!(module.load_function("mystery").is_ok());
}
