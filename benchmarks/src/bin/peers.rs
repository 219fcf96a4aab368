//! Tallow compared with what candle users write today, on the same files, interleaved in one run:
//! `cargo run --release -p tallow-benchmarks --bin peers -- FOLDER BATCH_SIZE [ROUNDS]`, where
//! FOLDER holds `input/` and `output/`, for instance as `bench-loader gen` writes them.
//!
//! The peer reads each batch with rayon, `Tensor::read_npy` and `Tensor::stack`. It does not
//! shuffle, while Tallow does. Both use two threads. Prints samples per second, as medians.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use tallow::candle::{Result, Tensor};
use tallow::prelude::*;
use tallow_benchmarks::median;

const THREADS: usize = 2;

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<_>>()?;
    files.sort();
    Ok(files)
}

fn stacked(files: &[PathBuf]) -> Result<Tensor> {
    let tensors: Vec<Tensor> = files.par_iter().map(Tensor::read_npy).collect::<Result<_>>()?;
    Tensor::stack(&tensors, 0)
}

fn peer(inputs: &[PathBuf], targets: &[PathBuf], batch_size: usize) -> Result<usize> {
    let mut samples = 0;
    for (inputs, targets) in inputs.chunks(batch_size).zip(targets.chunks(batch_size)) {
        samples += stacked(inputs)?.dim(0)?.min(stacked(targets)?.dim(0)?);
    }
    Ok(samples)
}

fn tallow(loader: &Loader, epoch: u64) -> Result<usize> {
    let mut samples = 0;
    for batch in loader.epoch(epoch) {
        samples += batch?.len();
    }
    Ok(samples)
}

fn rate(run: impl FnOnce() -> Result<usize>) -> Result<f64> {
    let started = Instant::now();
    Ok(run()? as f64 / started.elapsed().as_secs_f64())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, batch_size, rounds @ ..] = &args[..] else {
        return Err("usage: peers FOLDER BATCH_SIZE [ROUNDS]".into());
    };
    let batch_size = batch_size.parse()?;
    let rounds: u64 = rounds.first().map_or(Ok(5), |rounds| rounds.parse())?;
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global()?;
    let folder = Path::new(folder);
    let (inputs, targets) = (files(&folder.join("input"))?, files(&folder.join("output"))?);
    let builder = Loader::builder(NpyFolders::pairs(folder)?).batch_size(batch_size);
    let loader = builder.shuffle().workers(THREADS).build()?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    tallow(&loader, 0)?;
    for epoch in 0..rounds {
        theirs.push(rate(|| peer(&inputs, &targets, batch_size))?);
        ours.push(rate(|| tallow(&loader, epoch))?);
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    println!("tallow {ours:.0}/s, rayon and read_npy {theirs:.0}/s: {:.1} times", ours / theirs);
    Ok(())
}
