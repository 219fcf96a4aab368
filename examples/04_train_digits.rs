//! Trains a small network of `candle-nn` on real handwritten digits, to at least 95% of test
//! images right, in seconds on the CPU.
//!
//!     cargo run --release --example 04_train_digits
//!
//! Order and split are the same in every run. The last digits of the accuracy are not: the network
//! begins with candle's random weights, whose generator has no seed on the CPU.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use candle_nn::{AdamW, Module, Optimizer, Sequential, VarBuilder, VarMap, linear, loss, seq};
use tallow::candle::{D, DType, Device, Result, bail};
use tallow::prelude::*;

/// 1,797 images of 8x8 pixels from 0 to 16 in one file, their labels in another.
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");

fn main() -> Result<()> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("target")?;
    let [train, test] = images.zip(labels)?.split([0.8, 0.2], 0)?;
    println!("{} images to train on, {} to test on", train.len(), test.len());
    let train = Loader::builder(train).batch_size(32).shuffle().build()?;
    let test = Loader::builder(test).batch_size(256).build()?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = seq().add(linear(64, 128, vb.pp("hidden"))?).add_fn(|x| x.relu());
    let network = network.add(linear(128, 10, vb.pp("digit"))?);
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 2e-3)?;

    let mut accuracy = 0.0;
    for epoch in 0..20 {
        for batch in train.epoch(epoch) {
            let batch = batch?;
            let loss = loss::cross_entropy(&digits(&network, &batch)?, &batch["target"])?;
            optimizer.backward_step(&loss)?;
        }
        let mut right = 0.0;
        for batch in test.epoch(0) {
            let batch = batch?;
            let found = digits(&network, &batch)?.argmax(D::Minus1)?.to_dtype(DType::I64)?;
            let equal = found.eq(&batch["target"])?.to_dtype(DType::F32)?;
            right += equal.sum_all()?.to_scalar::<f32>()?;
        }
        accuracy = 100.0 * right / test.plan().samples() as f32;
        println!("epoch {epoch:2}: {accuracy:.1}% of the test images are right");
    }
    if accuracy < 95.0 { bail!("an accuracy of {accuracy:.1}%, expected 95%") } else { Ok(()) }
}

/// The network's scores of the ten digits: (rows, 10).
fn digits(network: &Sequential, batch: &Batch) -> Result<tallow::candle::Tensor> {
    let pixels = batch["input"].flatten_from(1)?.to_dtype(DType::F32)?;
    network.forward(&(pixels / 16.0)?)
}
