//! Trains a small convolutional network on real handwritten digits on a CUDA device. Batches are
//! copied to its memory ahead of time, while the network works on earlier ones.
//!
//!     cargo run --release --features cuda --example 09_train_cuda
//!
//! Without the feature, or without a GPU, it says so and ends.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use candle_nn::{AdamW, Conv2dConfig, Module, Optimizer, Sequential, VarBuilder, VarMap};
use candle_nn::{conv2d, linear, loss, seq};
use tallow::candle::{D, DType, Device, Result, Tensor, bail};
use tallow::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");

fn main() -> Result<()> {
    // One stream, whatever the thread; give every part of the program a clone of this device.
    let device = Device::new_cuda_with_stream(0);
    let Ok(device) = device.inspect_err(|e| println!("no CUDA device to train on: {e}")) else {
        return Ok(());
    };
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("target")?;
    let [train, test] = images.zip(labels)?.split([0.8, 0.2], 0)?;
    let train = Loader::builder(train).batch_size(32).shuffle().device(device.clone()).build()?;
    let test = Loader::builder(test).batch_size(256).device(device.clone()).build()?;
    println!("{}", train.plan());

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &device);
    let same = Conv2dConfig { padding: 1, ..Default::default() };
    let network = seq().add(conv2d(1, 16, 3, same, vb.pp("edges"))?).add_fn(|x| x.relu());
    let network = network.add(conv2d(16, 16, 3, same, vb.pp("parts"))?).add_fn(|x| x.relu());
    let network = network.add_fn(|x| x.flatten_from(1));
    let network = network.add(linear(16 * 8 * 8, 10, vb.pp("digit"))?);
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 1e-3)?;
    for batch in train.epochs(0..10) {
        let batch = batch?;
        let scores = scores(&network, &batch)?;
        optimizer.backward_step(&loss::cross_entropy(&scores, &batch["target"])?)?;
    }
    println!("{}", train.report());
    let mut right = 0.0;
    for batch in test.epoch(0) {
        let batch = batch?;
        let found = scores(&network, &batch)?.argmax(D::Minus1)?.to_dtype(DType::I64)?;
        right += found.eq(&batch["target"])?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
    }
    let accuracy = 100.0 * right / test.plan().samples() as f32;
    println!("{accuracy:.1}% of the test images are right");
    if accuracy < 95.0 { bail!("an accuracy of {accuracy:.1}%, expected 95%") } else { Ok(()) }
}

/// The network's scores of the ten digits: (rows, 10).
fn scores(network: &Sequential, batch: &Batch) -> Result<Tensor> {
    network.forward(&(batch["input"].unsqueeze(1)?.to_dtype(DType::F32)? / 16.0)?)
}
