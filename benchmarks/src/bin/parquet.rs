//! Parquet files beside Hugging Face's `datasets` with torch's DataLoader and `pyarrow`, by turns:
//! `cargo run --release -p tallow-benchmarks --bin parquet -- FOLDER [--python PYTHON] [--seconds S] [--rounds N] [--only NAME]`.
//!
//! `peers/parquet_peer.py` writes the files to FOLDER, 360 MB, and says what they hold and what its forms do.
//! Samples come in random order, in random order of a few row groups at a time, and one after the other. Of numbers
//! Tallow makes batches with a loader; of images, which differ in length, threads read the bytes, as the peers
//! leave them undecoded. Prints samples per second, medians of the rounds, and the ratios to the fastest form of
//! `datasets` in the same round. Both use two threads or processes. Without a Python the files must be there, and
//! Tallow is alone.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::hint::black_box;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tallow::prelude::*;
use tallow::{ParquetShards, RowBuffer, Shuffle};
use tallow_benchmarks::{Python, median};

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const BATCH: usize = 64;
const THREADS: usize = 2;
/// Row groups of which samples are taken at a time, where they are.
const BLOCKS: usize = 8;

struct Options {
    folder: String,
    python: Option<String>,
    seconds: f64,
    rounds: usize,
    only: Option<String>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let none = || {
            "usage: parquet FOLDER [--python PYTHON] [--seconds S] [--rounds N] [--only NAME]"
                .to_owned()
        };
        let folder = args.next().ok_or_else(none)?;
        let mut options = Self { folder, python: None, seconds: 3.0, rounds: 5, only: None };
        while let Some(arg) = args.next() {
            let value = args.next().ok_or_else(none)?;
            match &arg[..] {
                "--python" => options.python = Some(value),
                "--seconds" => options.seconds = value.parse()?,
                "--rounds" => options.rounds = value.parse::<usize>()?.max(1),
                "--only" => options.only = Some(value),
                _ => return Err(none().into()),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let folder = std::path::absolute(&options.folder)?;
    let place = folder.to_str().ok_or("a folder whose name is no text")?;
    let start = |python: &String| Python::start(python, &["parquet_peer.py", place]);
    let (mut python, ready) = options.python.as_ref().map(start).transpose()?.unzip();
    if let Some(ready) = &ready {
        println!("{}", ready["ready"]);
    }
    for set in ["numbers", "images"] {
        let source = ParquetShards::open(folder.join(format!("{set}.parquet")))?;
        let source: Arc<dyn Source> = Arc::new(source);
        for (order, blocks) in [("random", None), ("random", Some(BLOCKS)), ("sequential", None)] {
            let title = match blocks {
                Some(blocks) => format!("{set}, {order}, {blocks} row groups at a time"),
                None => format!("{set}, {order}"),
            };
            if options.only.as_ref().is_some_and(|only| *only != title) {
                continue;
            }
            let forms = ready.as_ref().and_then(|ready| ready["forms"][set][order].as_array());
            let forms = forms.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>();
            println!("\n{title}:");
            let mut turns = Turns::new(&source, order, blocks)?;
            compare(&options, python.as_mut(), (set, order, &forms), &mut turns)?;
        }
    }
    Ok(())
}

/// Prints the rates of Tallow and of all forms, which take turns.
fn compare(
    options: &Options,
    mut python: Option<&mut Python>,
    (set, order, forms): (&str, &str, &[&str]),
    turns: &mut Turns,
) -> Result<()> {
    let mut rates: Vec<Vec<f64>> = vec![Vec::new(); forms.len() + 1];
    let mut ratios = Vec::new();
    for round in 0..=options.rounds {
        let mut own = vec![turns.rate(options.seconds)?];
        for form in forms {
            let Some(python) = python.as_mut() else { continue };
            let answer = python.ask(&json!([set, order, form, options.seconds]).to_string())?;
            let number = |key: &str| answer[key].as_f64().ok_or("no such number");
            own.push(number("samples")? / number("seconds")?);
        }
        // The first round warms caches and starts workers.
        if round == 0 {
            continue;
        }
        let peers = own[1..].iter().zip(forms).filter(|(_, form)| form.starts_with("datasets"));
        ratios.push(own[0] / peers.map(|(&rate, _)| rate).fold(0.0, f64::max));
        rates.iter_mut().zip(own).for_each(|(rates, rate)| rates.push(rate));
    }
    for (name, rates) in ["tallow"].iter().chain(forms).zip(&mut rates) {
        println!("  {name:<32} {:>12.0} samples/s", median(rates));
    }
    if forms.is_empty() {
        return Ok(());
    }
    let ratio = median(&mut ratios);
    let last = ratios[ratios.len() - 1];
    println!("  {ratio:.1} times the fastest of datasets, {:.1} to {last:.1}", ratios[0]);
    Ok(())
}

/// Tallow's turns.
enum Turns {
    Loader { loader: Box<Loader>, epoch: u64 },
    Threads { source: Arc<dyn Source>, sampler: Box<dyn Sampler>, epoch: u64 },
}

impl Turns {
    fn new(source: &Arc<dyn Source>, order: &str, blocks: Option<usize>) -> Result<Self> {
        let sampler: Box<dyn Sampler> = match (order, blocks) {
            ("random", Some(blocks)) => Box::new(Shuffle::blocks(blocks)),
            ("random", None) => Box::new(Shuffle),
            _ => Box::new(Sequential),
        };
        if source.schema().fields().iter().any(Field::is_ragged) {
            return Ok(Self::Threads { source: source.clone(), sampler, epoch: 0 });
        }
        let builder = Loader::builder(source.clone()).sampler(sampler);
        let loader = builder.batch_size(BATCH).workers(THREADS).build()?;
        Ok(Self::Loader { loader: Box::new(loader), epoch: 0 })
    }

    /// Samples per second of an epoch, or of the part of it that takes `seconds`.
    fn rate(&mut self, seconds: f64) -> Result<f64> {
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(seconds);
        let samples = match self {
            Self::Loader { loader, epoch } => {
                *epoch += 1;
                loaded(loader, *epoch, end)?
            }
            Self::Threads { source, sampler, epoch } => {
                *epoch += 1;
                let order = sampler.order(&source.population(), 7, *epoch)?;
                read(&**source, &*order, end)?
            }
        };
        Ok(samples as f64 / start.elapsed().as_secs_f64())
    }
}

fn loaded(loader: &Loader, epoch: u64, end: Instant) -> Result<usize> {
    let mut samples = 0;
    for batch in loader.epoch(epoch) {
        samples += black_box(batch?).len();
        if Instant::now() > end {
            break;
        }
    }
    Ok(samples)
}

/// Reads samples with all threads, each the next position that no other has taken.
fn read(source: &dyn Source, order: &dyn tallow::Order, end: Instant) -> Result<usize> {
    let next = AtomicUsize::new(0);
    let work = || -> tallow::SourceResult<usize> {
        let mut buffer = RowBuffer::new(source.schema())?;
        let mut done = 0;
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            if position >= order.len() || Instant::now() > end {
                return Ok(done);
            }
            source.read(order.index(position), &mut buffer.row(None))?;
            black_box(buffer.view());
            done += 1;
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        let mut samples = 0;
        for thread in threads {
            samples += thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(samples)
    })
}
