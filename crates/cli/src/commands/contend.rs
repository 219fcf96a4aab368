//! `contend`: the contenders of `compare` that are built in, Tallow and a plain loop with candle.
//! They speak the protocol of `benchmarks/peers/loader.py`, so that all contenders are measured in
//! the same way.

use std::io::{self, BufRead as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rayon::ThreadPool;
use rayon::prelude::*;
use serde_json::{Value, json};
use tallow::candle::{self, DType, Device, Tensor};
use tallow::{Augment, Key, Layout, Loader, Population, Purpose, Sampler as _, Shuffle, Stream};

use crate::args::{BuiltIn, ContendArgs};
use crate::compare::plain_chain::PlainChain;
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
        BuiltIn::Candle => {
            let chain = work.augment.as_ref().map(|augment| PlainChain::parse(&augment.chain));
            match chain.transpose() {
                Ok(chain) => Box::new(PlainLoop::new(&work, chain)?),
                Err(why) => return tell(console, &json!({ "left_out": why })),
            }
        }
    };
    tell(console, &json!({ "ready": {}, "notes": contender.notes() }))?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        if line == "quit" {
            break;
        }
        let answered = answer(&line, &work, contender.as_ref());
        tell(console, &answered.unwrap_or_else(|error| json!({ "error": error })))?;
    }
    Ok(())
}

fn tell(console: &mut Console, value: &Value) -> Result {
    writeln!(console.out(), "{value}")?;
    console.finish()
}

fn answer(line: &str, work: &Work, contender: &dyn Epochs) -> Result<Value, String> {
    match line.split_once(' ').unwrap_or((line, "")) {
        ("warm", "") => timed(contender, 0).map(|_| json!({})),
        ("verify", "") => verified(contender, work),
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
        let source = work.open()?;
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

/// Reads the samples of a batch in parallel when it is asked for, then stacks them. Pictures are
/// decoded and augmented with the crate `image`.
struct PlainLoop {
    work: Work,
    threads: Arc<ThreadPool>,
    /// Of pictures.
    chain: Option<PlainChain>,
}

impl PlainLoop {
    fn new(work: &Work, chain: Option<PlainChain>) -> Result<Self> {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(work.workers);
        let threads = Arc::new(builder.build().map_err(Failure::failed)?);
        Ok(Self { work: work.clone(), threads, chain })
    }

    fn batch(&self, epoch: u64, indices: &[usize]) -> candle::Result<Vec<Tensor>> {
        let fields = self.work.fields.iter();
        let stacked = fields.map(|field| {
            let row = |&index: &usize| match &self.chain {
                Some(chain) => self.picture(chain, epoch, index, &field.files[index]),
                None => Tensor::read_npy(&field.files[index]),
            };
            let rows: Vec<Tensor> = indices.par_iter().map(row).collect::<candle::Result<_>>()?;
            Tensor::stack(&rows, 0)
        });
        let mut batch: Vec<Tensor> = stacked.collect::<candle::Result<_>>()?;
        if !self.work.labels.is_empty() {
            let labels: Vec<i64> = indices.iter().map(|&index| self.work.labels[index]).collect();
            batch.push(Tensor::new(labels, &Device::Cpu)?);
        }
        Ok(batch)
    }

    fn picture(
        &self,
        chain: &PlainChain,
        epoch: u64,
        index: usize,
        file: &Path,
    ) -> candle::Result<Tensor> {
        let image = image::load_from_memory(&std::fs::read(file)?).map_err(candle::Error::wrap)?;
        let stream = Stream::new("plain loop", 0, Purpose::Transform);
        let mut draws = Key::new(self.work.seed, epoch).draws(stream, index as u64);
        let image = chain.apply(image.into_rgb8(), &mut draws);
        let [height, width] = [image.height(), image.width()].map(|len| len as usize);
        let delivers = self.work.augment.as_ref().map(|augment| &augment.delivers);
        let (dtype, planes) = delivers.map_or(("f32", true), |it| (&it.dtype, it.planes));
        if dtype == "u8" {
            let image = Tensor::from_vec(image.into_raw(), (height, width, 3), &Device::Cpu)?;
            return if planes { image.permute((2, 0, 1))?.contiguous() } else { Ok(image) };
        }
        let image = Tensor::from_vec(chain.planes(&image), (3, height, width), &Device::Cpu)?;
        let image = if planes { image } else { image.permute((1, 2, 0))?.contiguous()? };
        image.to_dtype(if dtype == "f16" { DType::F16 } else { DType::F32 })
    }
}

impl Epochs for PlainLoop {
    fn notes(&self) -> &'static [&'static str] {
        match self.chain {
            Some(_) => &["decodes and resizes with the crate image; reads nothing ahead"],
            None => &["reads nothing ahead; calls tallow::keep_freed_memory, like Tallow"],
        }
    }

    fn epoch(&self, number: u64, take: Take<'_>) -> candle::Result<()> {
        let population = Population::of(self.work.samples());
        let order = Shuffle.order(&population, self.work.seed, number)?;
        let order: Vec<usize> = (0..order.len()).map(|position| order.index(position)).collect();
        for indices in order.chunks(self.work.batch_size) {
            let batch = self.threads.install(|| self.batch(number, indices))?;
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

/// The same as `verify` in `loader.py`: a sum that does not depend on the order of the samples, but on
/// which row of one field comes with which of another, and what the augmented field is like.
fn verified(contender: &dyn Epochs, work: &Work) -> Result<Value, String> {
    let (mut samples, mut sum, mut augmented) = (0, 0u64, json!({}));
    let mut sums: Vec<f64> = Vec::new();
    let at = work.augmented();
    contender
        .epoch(VERIFIED, &mut |batch| {
            let rows = batch.first().map_or(Ok(0), |tensor| tensor.dim(0))?;
            let fields = batch.iter().enumerate().filter(|(field, _)| Some(*field) != at);
            let fields: Vec<Rows<'_>> =
                fields.map(|(_, tensor)| Rows::of(tensor)).collect::<candle::Result<_>>()?;
            sum = (0..rows).fold(sum, |sum, row| sum.wrapping_add(hash(&fields, row)));
            samples += rows;
            if let (Some(at), Some(augment)) = (at, &work.augment) {
                let image = batch[at];
                augmented = json!({ "dtype": image.dtype().as_str(), "shape": image.dims()[1..] });
                let of_batch = channel_sums(image, augment.delivers.planes)?;
                sums.resize(of_batch.len(), 0.0);
                sums.iter_mut().zip(of_batch).for_each(|(sum, of)| *sum += of);
            }
            Ok(())
        })
        .map_err(in_a_line)?;
    augmented["samples"] = samples.into();
    augmented["checksum"] = format!("{sum:016x}").into();
    augmented["means"] = sums.iter().map(|sum| sum / samples.max(1) as f64).collect();
    Ok(augmented)
}

/// For each channel, the sum over the images of a batch of their means.
fn channel_sums(images: &Tensor, planes: bool) -> candle::Result<Vec<f64>> {
    let images = if planes { images.clone() } else { images.permute((0, 3, 1, 2))? };
    let (_, _, height, width) = images.dims4()?;
    let sums = images.to_dtype(DType::F64)?.sum((2, 3))?.sum(0)?.to_vec1::<f64>()?;
    Ok(sums.into_iter().map(|sum| sum / (height * width) as f64).collect())
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
