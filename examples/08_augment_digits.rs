//! What augmentation is for: a network that sees each of few images in many forms learns more of
//! them. Trains the same small network twice on 180 handwritten digits, without and with
//! augmentation, and tests both on the 1,617 others.
//!
//!     cargo run --release --example 08_augment_digits
//!
//! Images, splits and augmentations are the same in every run; the network begins with candle's
//! random weights, whose generator has no seed on the CPU.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Arc;

use candle_nn::{AdamW, Module, Optimizer, Sequential, VarBuilder, VarMap, linear, loss, seq};
use tallow::candle::{D, DType, Device, Result, Tensor, bail};
use tallow::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/cli/data/digits");
const EPOCHS: u64 = 60;
const RUNS: u64 = 3;

/// Digits are 8x8 pixels from 0 to 16, of 255 that a byte holds.
const PLAIN: &str = "to_dtype(f32)";
const AUGMENTED: &str = "random_affine(12, translate=[0.1,0.1], scale=0.9..1.1, \
                         shear=[-8,8], interpolation=bilinear) to_dtype(f32)";

fn main() -> Result<()> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("target")?;
    let [train, test] = Arc::new(images.zip(labels)?).split([0.1, 0.9], 0)?;
    let (train, test) = (Arc::new(train), Arc::new(test));
    println!("{} images to train on, {} to test on", train.len(), test.len());
    let mut right = [0.0; 2];
    for run in 0..RUNS {
        for (right, chain) in right.iter_mut().zip([PLAIN, AUGMENTED]) {
            let share = accuracy(&train, &test, chain, run)?;
            println!("run {run}: {share:.1}% right with {chain}");
            *right += share / RUNS as f32;
        }
    }
    let [plain, augmented] = right;
    println!("{plain:.1}% without, {augmented:.1}% with augmentation, means of {RUNS} runs");
    if augmented > plain { Ok(()) } else { bail!("augmentation did not help") }
}

/// Trains on `train` through `chain`; the share of `test` that is right, in percent.
fn accuracy<S>(train: &Arc<S>, test: &Arc<S>, chain: &str, seed: u64) -> Result<f32>
where
    S: Source + 'static,
{
    let chain: Augment = chain.parse().map_err(tallow::candle::Error::wrap)?;
    let builder = Loader::builder(train.clone()).batch_size(32).shuffle().seed(seed);
    let train = builder.transform(chain).build()?;
    let plain: Augment = PLAIN.parse().map_err(tallow::candle::Error::wrap)?;
    let test = Loader::builder(test.clone()).batch_size(256).transform(plain).build()?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = seq().add(linear(64, 128, vb.pp("hidden"))?).add_fn(|x| x.relu());
    let network = network.add(linear(128, 10, vb.pp("digit"))?);
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 2e-3)?;
    for batch in train.epochs(0..EPOCHS) {
        let batch = batch?;
        let loss = loss::cross_entropy(&scores(&network, &batch)?, &batch["target"])?;
        optimizer.backward_step(&loss)?;
    }
    let mut right = 0.0;
    for batch in test.epoch(0) {
        let batch = batch?;
        let found = scores(&network, &batch)?.argmax(D::Minus1)?.to_dtype(DType::I64)?;
        right += found.eq(&batch["target"])?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
    }
    Ok(100.0 * right / test.plan().samples() as f32)
}

/// The network's scores of the ten digits: (rows, 10).
fn scores(network: &Sequential, batch: &Batch) -> Result<Tensor> {
    network.forward(&(batch["input"].flatten_from(1)? * (255.0 / 16.0))?)
}
