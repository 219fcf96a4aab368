//! What augmentation is for: a network that sees each of few images in many forms learns more from
//! them. Trains a network on 90 handwritten digits, without and with augmentation, three times each,
//! and tests both on the 1,707 others; images, order and augmentations are the same in every run.
//!
//!     cargo run --release --example 08_augment_digits
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use candle_nn::{AdamW, Module, Optimizer, Sequential, VarBuilder, VarMap, linear, loss, seq};
use tallow::candle::{D, DType, Device, Error, Result, Tensor, bail};
use tallow::prelude::*;

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
/// Digits of 8x8 pixels, from 0 to 16 of 255, are enlarged so that a map moves them by less than one.
const PLAIN: &str = "resize(16) to_dtype(f32)";
const AUGMENTED: &str = "resize(16) random_affine(12, translate=[0.1,0.05], scale=0.8..1.15, \
    shear=[-15,15], interpolation=bilinear) elastic(12, sigma=2) to_dtype(f32)";

fn main() -> Result<()> {
    let mut right = [0.0; 2];
    for run in 0..3 {
        for (right, chain) in right.iter_mut().zip([PLAIN, AUGMENTED]) {
            *right += accuracy(chain, run)? / 3.0;
        }
    }
    println!("{:.1}% right without augmentation, {:.1}% with it", right[0], right[1]);
    if right[1] > right[0] { Ok(()) } else { bail!("augmentation did not help") }
}

/// Trains on what `chain` makes of the digits, and returns how many of the others it gets right, in
/// percent.
fn accuracy(chain: &str, seed: u64) -> Result<f32> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("target")?;
    let [train, test] = images.zip(labels)?.split([0.05, 0.95], 0)?;
    let parse = |chain: &str| chain.parse::<Augment>().map_err(Error::wrap);
    let train = Loader::builder(train).batch_size(32).shuffle().seed(seed);
    let train = train.transform(parse(chain)?).build()?;
    let test = Loader::builder(test).batch_size(256).transform(parse(PLAIN)?).build()?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let network = seq().add(linear(256, 128, vb.pp("hidden"))?).add_fn(|x| x.relu());
    let network = network.add(linear(128, 10, vb.pp("digit"))?);
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 2e-3)?;
    for batch in train.epochs(0..300) {
        let batch = batch?;
        optimizer
            .backward_step(&loss::cross_entropy(&scores(&network, &batch)?, &batch["target"])?)?;
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
