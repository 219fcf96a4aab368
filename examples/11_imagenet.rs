//! The standard recipe of ImageNet: what a network is trained on and what it is tested on, from two
//! folders of pictures with a folder per class.
//!
//!     cargo run --release --example 11_imagenet [TRAIN VALIDATION]
//!
//! Without folders, it writes a few pictures and reads those. For training, a random part of random
//! area becomes 224x224; its window of the JPEG is all that is decoded. For testing, the shorter side
//! becomes 256, and 224x224 are cut out of the middle. The means are those of ImageNet;
//! `bench-loader inspect DIR --means` tells those of your own pictures.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::{Path, PathBuf};

use tallow::candle::{Error, Result};
use tallow::{ImageFolder, prelude::*};

fn main() -> Result<()> {
    let written = tempfile::tempdir()?;
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [train, validation] = match folders.as_slice() {
        [train, validation] => [train.clone(), validation.clone()],
        _ => ["train", "val"].map(|name| written.path().join(name)),
    };
    if folders.len() != 2 {
        write_pictures(&train, 40)?;
        write_pictures(&validation, 12)?;
    }
    let train = ImageFolder::open(train)?;
    println!("{} pictures to train on, of {} classes", train.len(), train.classes().len());
    let validation = ImageFolder::open(validation)?;

    let image = || Augment::new().field("image");
    let for_training = image().random_resized_crop(224).random_hflip(0.5).normalize(IMAGENET);
    let for_testing = image().resize(256).center_crop(224).normalize(IMAGENET);
    let train = Loader::builder(train).transform(for_training).batch_size(16).shuffle();
    let train = train.last_batch(LastBatch::Drop).build()?;
    let validation = Loader::builder(validation).transform(for_testing).batch_size(16).build()?;
    for (what, loader) in [("train", &train), ("test", &validation)] {
        for batch in loader.epoch(0) {
            let (images, labels) = batch?.pair("image", "label")?;
            let mean = images.mean_all()?.to_scalar::<f32>()?;
            println!("{what}: {:?} {:?}, mean {mean:.2}", images.dims(), labels.dims());
        }
    }
    Ok(())
}

/// Writes pictures of two classes: light above dark, and dark above light.
fn write_pictures(folder: &Path, count: usize) -> Result<()> {
    let (height, width) = (300, 400);
    for index in 0..count {
        let class = folder.join(["falling", "rising"][index % 2]);
        std::fs::create_dir_all(&class)?;
        let level = |y: usize| if index % 2 == 0 { 240 - y * 3 / 4 } else { 15 + y * 3 / 4 };
        let pixels: Vec<u8> =
            (0..height * width).flat_map(|at| [level(at / width) as u8; 3]).collect();
        let file = class.join(format!("{index:03}.jpg"));
        let encoder = jpeg_encoder::Encoder::new_file(file, 85).map_err(Error::wrap)?;
        let colors = jpeg_encoder::ColorType::Rgb;
        encoder.encode(&pixels, width as u16, height as u16, colors).map_err(Error::wrap)?;
    }
    Ok(())
}
