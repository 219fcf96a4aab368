//! `contend`: the contenders of `compare` that are built in, Tallow and a plain loop with candle.
//! They speak the protocol of `benchmarks/peers/loader.py`, so that all contenders are measured in
//! the same way.

use std::io::{self, BufRead as _};
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;
use serde_json::{Value, json};
use tallow::candle::{self, Tensor};
use tallow::{Augment, Layout, Loader, Population, Sampler as _, Shuffle};

use crate::args::{BuiltIn, ContendArgs};
use crate::compare::work::Work;
use crate::data::rows::Rows;
use crate::measure::process;
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

/// The epoch whose delivered bytes are summed up.
const VERIFIED: u64 = 1;

pub(crate) fn run(args: &ContendArgs, console: &mut Console) -> Result {
    // Before any other thread allocates; for both, because it does not belong to the loader.
    tallow::keep_freed_memory();
    let work = Work::read(&args.work)?;
    let contender: Box<dyn Epochs> = match args.who {
        BuiltIn::Tallow => Box::new(Tallow::new(&work)?),
        BuiltIn::Candle => Box::new(PlainLoop::new(work)?),
    };
    tell(console, &json!({ "ready": {}, "notes": contender.notes() }))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "quit" {
            break;
        }
        let answered = answer(&line, contender.as_ref());
        tell(console, &answered.unwrap_or_else(|error| json!({ "error": error })))?;
    }
    Ok(())
}

fn tell(console: &mut Console, value: &Value) -> Result {
    writeln!(console.out(), "{value}")?;
    console.finish()
}

fn answer(line: &str, contender: &dyn Epochs) -> Result<Value, String> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("warm", "") => timed(contender, 0).map(|_| json!({})),
        ("verify", "") => verified(contender),
        ("epoch", number) => timed(contender, number.parse().map_err(|_| "no epoch".to_owned())?),
        _ => Err(format!("expected warm, epoch E, verify or quit, found {line:?}")),
    }
}

/// Takes one batch, as one tensor per field.
type Take<'a> = &'a mut dyn FnMut(&[&Tensor]) -> candle::Result<()>;

/// Something that loads epochs.
trait Epochs {
    /// Where it differs from the others.
    fn notes(&self) -> &'static [&'static str];

    /// Loads an epoch, and drops each batch once it was taken.
    fn epoch(&self, number: u64, take: Take<'_>) -> candle::Result<()>;
}

struct Tallow(Loader);

impl Tallow {
    fn new(work: &Work) -> Result<Self> {
        let source = work.place().open()?.source;
        let mut builder = Loader::builder(source).batch_size(work.batch_size).seed(work.seed);
        if let Some(augment) = &work.augment {
            let chain: Augment = augment.chain.parse().map_err(Failure::failed)?;
            let layout: Layout = augment.layout.parse().map_err(Failure::failed)?;
            builder = builder.transform(chain.field(&augment.field).layout(layout));
        }
        Ok(Self(builder.shuffle().workers(work.workers).build()?))
    }
}

impl Epochs for Tallow {
    fn notes(&self) -> &'static [&'static str] {
        &["calls keep_freed_memory, like `bench-loader run`"]
    }

    fn epoch(&self, number: u64, take: Take<'_>) -> candle::Result<()> {
        for batch in self.0.epoch(number) {
            let batch = batch?;
            let tensors: Vec<&Tensor> = batch.tensors().map(|(_, tensor)| tensor).collect();
            take(&tensors)?;
        }
        Ok(())
    }
}

/// Reads the samples of a batch in parallel when it is asked for, then stacks them.
struct PlainLoop {
    work: Work,
    threads: Arc<ThreadPool>,
}

impl PlainLoop {
    fn new(work: Work) -> Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(work.workers);
        let threads = Arc::new(builder.build().map_err(Failure::failed)?);
        Ok(Self { work, threads })
    }

    fn batch(&self, indices: &[usize]) -> candle::Result<Vec<Tensor>> {
        let fields = self.work.fields.iter();
        let stacked = fields.map(|field| {
            let rows = indices.par_iter().map(|&index| Tensor::read_npy(&field.files[index]));
            let rows: Vec<Tensor> = rows.collect::<candle::Result<_>>()?;
            Tensor::stack(&rows, 0)
        });
        stacked.collect()
    }
}

impl Epochs for PlainLoop {
    fn notes(&self) -> &'static [&'static str] {
        &["reads nothing ahead; calls tallow::keep_freed_memory, like Tallow"]
    }

    fn epoch(&self, number: u64, take: Take<'_>) -> candle::Result<()> {
        let population = Population::of(self.work.samples());
        let order = Shuffle.order(&population, self.work.seed, number)?;
        let order: Vec<usize> = (0..order.len()).map(|position| order.index(position)).collect();
        for indices in order.chunks(self.work.batch_size) {
            let batch = self.threads.install(|| self.batch(indices))?;
            take(&batch.iter().collect::<Vec<_>>())?;
        }
        Ok(())
    }
}

/// Loads an epoch and measures it.
fn timed(contender: &dyn Epochs, number: u64) -> Result<Value, String> {
    let (mut samples, mut bytes, mut first) = (0, 0, None);
    let cpu = process::cpu_time();
    let started = Instant::now();
    contender
        .epoch(number, &mut |batch| {
            first.get_or_insert_with(|| started.elapsed());
            samples += batch.first().map_or(Ok(0), |tensor| tensor.dim(0))?;
            let size = |tensor: &&Tensor| tensor.elem_count() * tensor.dtype().size_in_bytes();
            bytes += batch.iter().map(size).sum::<usize>();
            Ok(())
        })
        .map_err(in_a_line)?;
    let wall = started.elapsed();
    let cpu = process::cpu_time().saturating_sub(cpu);
    Ok(json!({
        "seconds": wall.as_secs_f64(),
        "first_batch_seconds": first.unwrap_or(wall).as_secs_f64(),
        "samples": samples,
        "bytes": bytes,
        "cpu_seconds": cpu.as_secs_f64(),
        "peak_bytes": process::peak_rss_bytes(),
    }))
}

/// An error without the backtrace that candle may append.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` has it")]
fn in_a_line(error: candle::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// The same sum as `verify` in `loader.py`. It does not depend on the order of the samples, but on
/// which row of one field comes with which of another.
fn verified(contender: &dyn Epochs) -> Result<Value, String> {
    let (mut samples, mut sum) = (0, 0u64);
    contender
        .epoch(VERIFIED, &mut |batch| {
            let rows = batch.first().map_or(Ok(0), |tensor| tensor.dim(0))?;
            let fields: Vec<Rows<'_>> =
                batch.iter().map(|tensor| Rows::of(tensor)).collect::<candle::Result<_>>()?;
            sum = (0..rows).fold(sum, |sum, row| sum.wrapping_add(hash(&fields, row)));
            samples += rows;
            Ok(())
        })
        .map_err(in_a_line)?;
    Ok(json!({ "samples": samples, "checksum": format!("{sum:016x}") }))
}

/// The hash of all fields of a row.
fn hash(fields: &[Rows<'_>], row: usize) -> u64 {
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let hash = fields.iter().fold(0u64, |hash, field| {
        (hash ^ (hash >> 29)).wrapping_mul(MULTIPLIER).wrapping_add(words(field.row(row)))
    });
    hash ^ (hash >> 32)
}

/// The sum of the bytes as 64-bit words, the last one padded with zeros.
fn words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let words = words.iter().map(|&word| u64::from_le_bytes(word));
    words.fold(u64::from_le_bytes(last), u64::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_filled_up_with_zeros() {
        assert_eq!(words(&[]), 0);
        assert_eq!(words(&[1, 0, 0, 0, 0, 0, 0, 0, 2, 1]), 1 + 0x102);
    }
}
