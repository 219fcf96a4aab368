//! Trains a small convolutional network of `candle-nn` on handwritten digits that are PNG files in a
//! folder per class, to at least 95% of test images right, in under a minute on the CPU.
//!
//!     cargo run --release --example 10_train_pictures
//!
//! The files are written first, from the digits of the other examples; a folder of your own pictures
//! is read in the same way. Only what a row needs of a picture is decoded.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use candle_nn::{AdamW, Conv2dConfig, Module, Optimizer, VarBuilder, VarMap, conv2d, linear, loss};
use tallow::candle::{D, DType, Device, Error, Result, Tensor, bail};
use tallow::{ImageFolder, Picture, prelude::*};

const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
const TRAIN: &str = "field(image) resize(16,16) random_affine(10, translate=[0.1,0.05], \
    scale=0.9..1.1, interpolation=bilinear) to_dtype(f32)";
const TEST: &str = "field(image) resize(16,16) to_dtype(f32)";

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_digits(folder.path())?;
    let source = ImageFolder::builder(folder.path()).picture(Picture::gray().sized(8, 8)).open()?;
    println!("{} pictures of {:?}", source.len(), source.classes());
    let [train, test] = source.split([0.8, 0.2], 0)?;
    let parse = |chain: &str| chain.parse::<tallow::Augment>().map_err(Error::wrap);
    let train = Loader::builder(train).batch_size(32).shuffle().transform(parse(TRAIN)?).build()?;
    let test = Loader::builder(test).batch_size(256).transform(parse(TEST)?).build()?;

    let variables = VarMap::new();
    let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
    let same = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
    let (first, second) =
        (conv2d(1, 8, 3, same, vb.pp("first"))?, conv2d(8, 16, 3, same, vb.pp("second"))?);
    let digit = linear(16 * 4 * 4, 10, vb.pp("digit"))?;
    let scores = |images: &Tensor| {
        let found = first.forward(images)?.relu()?.max_pool2d(2)?;
        let found = second.forward(&found)?.relu()?.max_pool2d(2)?;
        digit.forward(&found.flatten_from(1)?)
    };
    let mut optimizer = AdamW::new_lr(variables.all_vars(), 3e-3)?;
    let mut accuracy = 0.0;
    for epoch in 0..12 {
        optimizer.set_learning_rate(3e-3 * (1.0 - epoch as f64 / 12.0));
        for batch in train.epoch(epoch) {
            let batch = batch?;
            optimizer
                .backward_step(&loss::cross_entropy(&scores(&batch["image"])?, &batch["label"])?)?;
        }
        let mut right = 0.0;
        for batch in test.epoch(0) {
            let batch = batch?;
            let found = scores(&batch["image"])?.argmax(D::Minus1)?.to_dtype(DType::I64)?;
            let equal = found.eq(&batch["label"])?.to_dtype(DType::F32)?;
            right += equal.sum_all()?.to_scalar::<f32>()?;
        }
        accuracy = 100.0 * right / test.plan().samples() as f32;
        println!("epoch {epoch:2}: {accuracy:.1}% of the test pictures are right");
    }
    if accuracy < 95.0 { bail!("an accuracy of {accuracy:.1}%, expected 95%") } else { Ok(()) }
}

/// Writes 1,797 digits of 8x8 pixels as `0/0000.png` to `9/1796.png`.
fn write_digits(folder: &Path) -> Result<()> {
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("label")?;
    let source = NpyFile::open(format!("{DIGITS}/images.npy"))?.zip(labels)?;
    for index in 0..source.len() {
        let digit = source.get(index)?;
        let class = folder.join(digit.field("label").as_slice::<i64>()?[0].to_string());
        std::fs::create_dir_all(&class)?;
        let file = std::fs::File::create(class.join(format!("{index:04}.png")))?;
        let mut encoder = png::Encoder::new(file, 8, 8);
        encoder.set_color(png::ColorType::Grayscale);
        let mut writer = encoder.write_header().map_err(Error::wrap)?;
        let pixels: Vec<u8> =
            digit.field("input").as_slice::<u8>()?.iter().map(|v| v * 15).collect();
        writer.write_image_data(&pixels).map_err(Error::wrap)?;
    }
    Ok(())
}
