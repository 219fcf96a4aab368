//! What a stream costs: `cargo run -p tallow-benchmarks --bin streams -- rate` compares a loader with its
//! reader alone, and `-- memory SECONDS` prints the resident memory of an endless epoch.
//!
//! An item takes `READ` of computing on the one thread that reads, and what comes after it another 0.2 to
//! 1.2 times as long, which two workers share. Both are by turns, and the ratio is the median.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::time::{Duration, Instant};

use tallow::prelude::*;
use tallow::{ShuffleWindows, Streamed};
use tallow_benchmarks::median;

type Done = Result<(), Box<dyn std::error::Error>>;

/// Computing per item before it is read.
const READ: Duration = Duration::from_micros(50);

/// Elements of a row.
const ROW: usize = 4096;

fn compute(time: Duration) {
    let started = Instant::now();
    while started.elapsed() < time {
        std::hint::spin_loop();
    }
}

fn items() -> impl Iterator<Item = f32> + Send {
    (0u32..).map(|number| {
        compute(READ);
        number as f32
    })
}

fn stream(after: Duration) -> Result<Streamed<f32>, Box<dyn std::error::Error>> {
    let schema = Schema::new(vec![Field::new("x", RowDType::F32, &[ROW])])?;
    let open = |_| Ok(items().map(Ok));
    Ok(Streamed::from_iter(schema, open, move |item, row| {
        compute(after);
        row.field(0).as_mut_slice::<f32>()?.fill(item);
        Ok(())
    }))
}

/// Items per second of the reader alone.
fn alone(samples: usize) -> f64 {
    let started = Instant::now();
    let sum: f32 = items().take(samples).sum();
    assert!(sum > 0.0);
    samples as f64 / started.elapsed().as_secs_f64()
}

/// Samples per second of a loader with two workers.
fn loaded(
    samples: usize,
    after: Duration,
    window: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let loader = Loader::builder(stream(after)?).sampler(ShuffleWindows::new(window)?);
    let loader = loader.batch_size(64).workers(2).prefetch(4).build()?;
    let mut batches = loader.epoch(0);
    // The first one waits for its window.
    batches.next().ok_or("no batch")??;
    let started = Instant::now();
    let mut found = 0;
    for batch in batches.take(samples / 64) {
        found += batch?.len();
    }
    Ok(found as f64 / started.elapsed().as_secs_f64())
}

fn rate() -> Done {
    const TURNS: usize = 9;
    const SAMPLES: usize = 6400;
    for (window, share) in [(1, 0.2), (1, 0.8), (1, 1.2), (1024, 0.8)] {
        let mut ratios = Vec::new();
        for _ in 0..TURNS {
            let reader = alone(SAMPLES);
            ratios.push(loaded(SAMPLES, READ.mul_f64(share), window)? / reader);
        }
        let (least, most) = (
            ratios.iter().copied().fold(f64::MAX, f64::min),
            ratios.iter().copied().fold(0.0, f64::max),
        );
        let ratio = median(&mut ratios);
        println!(
            "window {window:4}, {share} of a read after it: {ratio:.2} of the reader's rate ({least:.2} to {most:.2})"
        );
    }
    Ok(())
}

/// Resident memory of this process in KiB.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}

fn memory(seconds: u64) -> Done {
    let schema = Schema::new(vec![Field::new("x", RowDType::F32, &[ROW])])?;
    let open = |_| Ok((0u32..).map(|number| Ok(vec![number as f32; ROW])));
    let source = Streamed::from_iter(schema, open, |item, row| row.field(0).copy_from_slice(&item));
    let loader = Loader::builder(source).sampler(ShuffleWindows::new(1000)?);
    let loader = loader.batch_size(64).workers(2).build()?;
    println!("{}", loader.plan());
    let (started, mut told) = (Instant::now(), 0);
    let mut samples = 0;
    for batch in loader.epoch(0) {
        samples += batch?.len();
        let passed = started.elapsed().as_secs();
        if passed / 10 > told {
            told = passed / 10;
            println!("{passed:4} s, {samples:10} samples, {} KiB", resident()?);
        }
        if passed >= seconds {
            break;
        }
    }
    Ok(())
}

fn main() -> Done {
    let mut args = std::env::args().skip(1);
    match args.next().as_deref() {
        Some("memory") => memory(args.next().map_or(Ok(60), |it| it.parse())?),
        _ => rate(),
    }
}
