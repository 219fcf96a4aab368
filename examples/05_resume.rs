//! Stops in the middle of an epoch and continues in another loader with another number of workers:
//! the batches are those of a run that was never interrupted.
//!
//!     cargo run --release --example 05_resume
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::fs;

use tallow::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
const EPOCHS: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let whole: Vec<Batch> = loader(0)?.epochs(0..EPOCHS).collect::<Result<_, _>>()?;
    println!("{} batches without interruption", whole.len());

    // Eleven batches into the second epoch, training is killed. With every checkpoint it has saved
    // the state that comes with the last batch it trained on.
    let folder = tempfile::tempdir()?;
    let checkpoint = folder.path().join("loader.json");
    let mut before = 0;
    for batch in loader(2)?.epochs(0..EPOCHS) {
        let batch = batch?;
        before += 1;
        fs::write(&checkpoint, serde_json::to_string(batch.state())?)?;
        if (batch.epoch(), batch.number()) == (1, 10) {
            break;
        }
    }

    // Another day, another number of workers. A state of other data, seed, sampler or transform
    // would be refused.
    let json = fs::read_to_string(&checkpoint)?;
    let state: State = serde_json::from_str(&json)?;
    println!("stopped after {before}, at {json}");
    let loader = loader(3)?;
    loader.resume(&state)?;
    let mut after = 0;
    for batch in loader.epochs(state.epoch()..EPOCHS) {
        let (batch, expected) = (batch?, &whole[before + after]);
        assert_eq!((batch.id(), batch.indices()), (expected.id(), expected.indices()));
        let bytes = |batch: &Batch| batch["input"].flatten_all()?.to_vec1::<u8>();
        assert_eq!(bytes(&batch)?, bytes(expected)?);
        after += 1;
    }
    assert_eq!(before + after, whole.len());
    println!("resumed for {after}: every one equal, sample by sample and byte by byte");
    Ok(())
}

/// The digits in batches of 64, in a new order every epoch.
fn loader(workers: usize) -> Result<Loader, Box<dyn Error>> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    Ok(Loader::builder(images).batch_size(64).shuffle().seed(7).workers(workers).build()?)
}
