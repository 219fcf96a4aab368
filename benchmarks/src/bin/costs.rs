//! What the loader itself costs, apart from reading: `cargo run --release -p tallow-benchmarks
//! --bin costs`.
//!
//! CPU time of the calling thread, medians; a batch is ready before `next` is called and its
//! tensors are freed outside the clock.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tallow::prelude::*;
use tallow::{Field, RowDType, Schema, Shuffle, from_fn};

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
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
    let loader = Loader::builder(two_fields(batch_size * 400)).batch_size(batch_size).shuffle();
    let loader = loader.prefetch(8).build()?;
    let mut batches = loader.epoch(0);
    let mut times = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..400 {
        std::thread::sleep(Duration::from_millis(2));
        let started = thread_cpu();
        let batch = batches.next();
        times.push(thread_cpu() - started);
        kept.extend(batch);
        kept.truncate(1);
    }
    println!(
        "next() with a ready batch of two fields, {batch_size} rows: {:?} of CPU",
        median(times)
    );
    Ok(())
}

fn start_of_an_epoch(samples: usize) -> Result<(), Box<dyn std::error::Error>> {
    let times = (0..9).map(|epoch| {
        let started = Instant::now();
        let order = Shuffle.order(samples, 1, epoch).expect("an order");
        std::hint::black_box(order.index(samples / 2));
        started.elapsed()
    });
    let bytes = Shuffle.order_bytes(samples);
    println!(
        "order of a shuffled epoch of {samples}: {:?}, {bytes} bytes",
        median(times.collect())
    );
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
    println!("  state saved and resumed: {:?}", median(saving.collect()));
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
