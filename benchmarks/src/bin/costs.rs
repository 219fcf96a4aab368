//! What the loader itself costs, apart from reading: `cargo run --release -p tallow-benchmarks
//! --bin costs`.
//!
//! It measures CPU time of the calling thread. Batches are ready before `next` is called, and
//! tensors are freed outside the clock. The mean includes calls that wake a sleeping worker, one
//! for each half of the batches ahead, and calls after a pause, which find nothing in the cache.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tallow::prelude::*;
use tallow::{Population, Shuffle, from_fn};
use tallow_benchmarks::median;

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn two_fields(samples: usize) -> impl Source + 'static {
    let fields = vec![
        Field::new("input", RowDType::F32, &[3, 32, 32]),
        Field::new("target", RowDType::I64, &[]),
    ];
    let schema = Schema::new(fields).expect("a valid schema");
    from_fn(schema, samples, |index, row| {
        row.field(0).as_mut_slice::<f32>()?[0] = index as f32;
        row.field(1).copy_from_slice(&[index as i64])
    })
}

fn next_with_a_ready_batch(batch_size: usize) -> Result<(), Box<dyn std::error::Error>> {
    const READY: usize = 16;
    const GROUPS: usize = 25;
    let samples = batch_size * READY * GROUPS;
    let loader = Loader::builder(two_fields(samples)).batch_size(batch_size).shuffle();
    let loader = loader.workers(1).prefetch(READY).build()?;
    let mut batches = loader.epoch(0);
    let mut clock: Vec<Duration> = (0..99).map(|_| timed(|| ()).0).collect();
    let clock = median(&mut clock);
    let mut times = Vec::new();
    for _ in 0..GROUPS {
        // Long enough for the worker to fill the window again and fall asleep.
        std::thread::sleep(Duration::from_millis(50));
        let mut taken = Vec::with_capacity(READY);
        for _ in 0..READY {
            let (time, batch) = timed(|| batches.next());
            times.push(time.saturating_sub(clock));
            taken.extend(batch.transpose()?);
        }
        assert_eq!(taken.len(), READY);
    }
    let mean = times.iter().sum::<Duration>() / times.len() as u32;
    let median = median(&mut times);
    println!(
        "next() with a ready batch of two fields, {batch_size} rows: {median:?}, mean {mean:?}"
    );
    Ok(())
}

fn timed<R>(run: impl FnOnce() -> R) -> (Duration, R) {
    let started = thread_cpu();
    let result = run();
    (thread_cpu() - started, result)
}

fn start_of_an_epoch(samples: usize) -> Result<(), Box<dyn std::error::Error>> {
    let population = Population::of(samples);
    let times = (0..9).map(|epoch| {
        let started = Instant::now();
        let order = Shuffle.order(&population, 1, epoch).expect("an order");
        std::hint::black_box(order.index(samples / 2));
        started.elapsed()
    });
    let mut times: Vec<Duration> = times.collect();
    let bytes = Shuffle.order_bytes(&population);
    println!("order of a shuffled epoch of {samples}: {:?}, {bytes} bytes", median(&mut times));
    let loader =
        Loader::builder(two_fields(samples)).batch_size(64).shuffle().workers(1).build()?;
    let mut state = loader.state();
    let saving = (0..99).map(|epoch| {
        let started = Instant::now();
        let at = loader.state_at(epoch, samples / 640).expect("a state");
        loader.resume(&at).expect("its own state");
        state = loader.state();
        started.elapsed()
    });
    let mut saving: Vec<Duration> = saving.collect();
    println!("  state saved and resumed: {:?}", median(&mut saving));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for batch_size in [4, 64, 256] {
        next_with_a_ready_batch(batch_size)?;
    }
    for samples in [20_000, 1 << 22, 1_000_000_000] {
        start_of_an_epoch(samples)?;
    }
    Ok(())
}
