//! Two folders, `input` and `output`, paired by file name: what most training needs.
//!
//!     cargo run --release --example 02_input_and_output
//!
//! Files are paired before the first is read: if one is missing, `pairs` says which.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::fs;
use std::path::Path;

use tallow::candle::{Device, Result, Tensor};
use tallow::prelude::*;

fn main() -> Result<()> {
    let data = tempfile::tempdir()?;
    write_pairs(data.path())?;

    let loader =
        Loader::builder(NpyFolders::pairs(data.path())?).batch_size(16).shuffle().build()?;
    for epoch in 0..3 {
        let mut loss = 0.0;
        for batch in loader.epoch(epoch) {
            let batch = batch?;
            let (noisy, clean) = (&batch["input"], &batch["target"]);
            // Here you would train a model. This only measures how far it would have to go.
            loss += noisy.sub(clean)?.sqr()?.mean_all()?.to_scalar::<f32>()?;
        }
        let mean = loss / loader.len() as f32;
        println!("epoch {epoch}: mean squared error {mean:.4}");
    }
    println!("\n{}", loader.report());

    fs::remove_file(data.path().join("output/042.npy"))?;
    if let Err(error) = NpyFolders::pairs(data.path()) {
        println!("\nWithout one of the files: {error}");
    }
    Ok(())
}

/// 96 pairs: `input` holds the image of the same name in `output`, with noise of deviation 0.1.
fn write_pairs(data: &Path) -> Result<()> {
    fs::create_dir(data.join("input"))?;
    fs::create_dir(data.join("output"))?;
    for index in 0..96 {
        let clean = Tensor::full(index as f32 / 96.0, (1, 24, 24), &Device::Cpu)?;
        let noisy = (&clean + clean.randn_like(0.0, 0.1)?)?;
        noisy.write_npy(data.join(format!("input/{index:03}.npy")))?;
        clean.write_npy(data.join(format!("output/{index:03}.npy")))?;
    }
    Ok(())
}
