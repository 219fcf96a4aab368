//! One folder of `.npy` files, one sample per file: the shortest way from files to batches.
//!
//!     cargo run --release --example 01_folder
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use tallow::candle::{DType, Device, Result, Tensor};
use tallow::prelude::*;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_images(folder.path())?;

    // Every file of the folder is a sample. Their dtype and shape come from the first one's header.
    let source = NpyFolders::open(folder.path())?;
    println!("{} samples of {}\n", source.len(), source.schema());

    // Everything is checked here. The plan says what will happen, and how much memory it takes.
    let loader = Loader::builder(source).batch_size(32).shuffle().seed(1).build()?;
    println!("{}\n", loader.plan());

    for batch in loader.epoch(0) {
        let batch = batch?;
        let images = &batch["input"]; // a candle tensor, whose first axis is the rows
        let first = &batch.indices()[..3];
        println!("batch {}: {:?}, samples {first:?}, ...", batch.number(), images.dims());
    }
    Ok(())
}

/// 100 images of 3x32x32 bytes; all pixels of an image are its number.
fn write_images(folder: &Path) -> Result<()> {
    for index in 0..100u8 {
        let image = Tensor::full(index, (3, 32, 32), &Device::Cpu)?;
        assert_eq!(image.dtype(), DType::U8);
        image.write_npy(folder.join(format!("{index:03}.npy")))?;
    }
    Ok(())
}
