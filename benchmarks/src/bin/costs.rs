//! What the loader itself costs, apart from reading: `cargo run --release -p tallow-benchmarks
//! --bin costs`.
//!
//! It measures CPU time of the calling thread. Batches are ready before `next` is called, and
//! tensors are freed outside the clock. The mean includes calls that wake a sleeping worker, one
//! for each half of the batches ahead, and calls after a pause, which find nothing in the cache.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tallow::prelude::*;
use tallow::{Buckets, Population, Shuffle, TokenBudget, from_fn};
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

/// A mixture of a billion samples in 50 parts: where an epoch begins, and what one index costs, beside
/// the permutation alone.
fn mixture() -> Result<(), Box<dyn std::error::Error>> {
    const INDICES: usize = 1_000_000;
    let lens: Vec<usize> = (0..50).map(|part| 20_000_000 + part).collect();
    let weights: Vec<f64> = (0..50).map(|part| 1.0 + f64::from(part) * 0.37).collect();
    let (mix, population) = (Mix::new(&weights)?, Population::of_parts(lens)?);
    // The first one makes the table of the period, which all epochs share.
    mix.len(&population)?;
    let begin = |epoch| {
        let started = Instant::now();
        let order = mix.order(&population, 1, epoch).expect("an order");
        std::hint::black_box(order.index(order.len() / 2));
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..99).map(begin).collect();
    let bytes = mix.order_bytes(&population);
    println!(
        "order of an epoch of a mixture of 10^9 in 50 parts: {:?}, {bytes} bytes",
        median(&mut times)
    );
    let alone = Population::of(20_000_000);
    let orders = [mix.order(&population, 1, 0)?, Shuffle.order(&alone, 1, 0)?];
    let mut times = [const { Vec::new() }; 2];
    for round in 0..11 {
        for (order, times) in orders.iter().zip(&mut times) {
            let first = round * INDICES;
            let sum =
                || (first..first + INDICES).map(|at| order.index(at)).fold(0, usize::wrapping_add);
            let (time, sum) = timed(sum);
            std::hint::black_box(sum);
            times.push(time / (INDICES as u32 / 1000));
        }
    }
    let [mixed, shuffled] = times.map(|mut times| median(&mut times));
    println!("  1000 indices: {mixed:?}, of a shuffle of one part {shuffled:?}");
    Ok(())
}

/// Batches by lengths over `samples` samples: what is done once, what the beginning of an epoch takes, and an
/// index.
fn batches_by_lengths(samples: usize) -> Result<(), Box<dyn std::error::Error>> {
    let length = |index: u32| 1 + index.wrapping_mul(2_654_435_761) % 1000;
    let lengths: Arc<[u32]> = (0..samples as u32).map(length).collect();
    let population = Population::of(samples);
    let started = Instant::now();
    let budget = TokenBudget::new(lengths.clone(), 16_384)?.multiple_of(8);
    budget.len(&population)?;
    let once = started.elapsed();
    println!("budget of tokens over {samples} samples: {once:?} once");
    let started = Instant::now();
    let buckets = Buckets::new(Shuffle, lengths, 32)?;
    println!("buckets over {samples} samples: {:?} once", started.elapsed());
    for (name, sampler) in [("budget", &budget as &dyn Sampler), ("buckets", &buckets)] {
        let mut begun: Vec<Duration> = Vec::new();
        let mut indices: Vec<Duration> = Vec::new();
        for epoch in 0..9 {
            let started = Instant::now();
            let order = sampler.order(&population, 1, epoch)?;
            std::hint::black_box(order.index(samples / 2));
            begun.push(started.elapsed());
            let started = Instant::now();
            (0..100_000).for_each(|at| {
                std::hint::black_box(order.index(at));
            });
            indices.push(started.elapsed() / 100_000);
        }
        let (begun, index) = (median(&mut begun), median(&mut indices));
        let bytes = sampler.order_bytes(&population);
        println!("  {name}: an epoch and one index {begun:?}, an index {index:?}, {bytes} bytes");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for batch_size in [4, 64, 256] {
        next_with_a_ready_batch(batch_size)?;
    }
    for samples in [20_000, 1 << 22, 1_000_000_000] {
        start_of_an_epoch(samples)?;
    }
    mixture()?;
    batches_by_lengths(10_000_000)?;
    Ok(())
}
