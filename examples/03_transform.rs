//! A transform of your own: a closure that reads the raw row of a sample and writes the row that is
//! delivered. Workers run it, so it costs the training loop nothing as long as they keep up.
//!
//!     cargo run --release --example 03_transform
//!
//! Photographs come as bytes, height x width x colour; a network wants floats around zero, colour
//! first. The closure writes straight into the memory of the batch.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tallow::candle::{DType, Device, Result, Tensor};
use tallow::prelude::*;

const SIDE: usize = 32;
const MEAN: f32 = 0.5;
const DEVIATION: f32 = 0.25;

fn main() -> Result<()> {
    // Data in memory is a source too: the first axis counts the samples.
    let photos = Tensor::rand(0f32, 255.0, (200, SIDE, SIDE, 3), &Device::Cpu)?;
    let photos = photos.to_dtype(DType::U8)?;
    let labels = Tensor::arange(0i64, 200, &Device::Cpu)?;
    let source = Memory::new([("input", photos.clone()), ("target", labels)])?;

    // The fields that the closure writes; the label goes through as it is.
    let output = Schema::new(vec![
        Field::new("input", RowDType::F32, &[3, SIDE, SIDE]),
        Field::new("target", RowDType::I64, &[]),
    ])?;
    let colour_first = map(output, |raw, out| {
        let pixels = raw.field("input").as_slice::<u8>()?;
        let mut image = out.field("input");
        let image = image.as_mut_slice::<f32>()?;
        for (at, colours) in pixels.chunks_exact(3).enumerate() {
            for (plane, &value) in colours.iter().enumerate() {
                image[plane * SIDE * SIDE + at] = (f32::from(value) / 255.0 - MEAN) / DEVIATION;
            }
        }
        out.field("target").copy_from_view(&raw.field("target"))
    });

    let builder = Loader::builder(source).batch_size(64).shuffle().transform(colour_first);
    let loader = builder.build()?;
    println!("delivered: {}", loader.schema());
    for batch in loader.epoch(0) {
        let batch = batch?;
        // The same with candle, on the whole batch, to show that the result is equal.
        let raw = photos.index_select(&batch["target"], 0)?.permute((0, 3, 1, 2))?;
        let expected = ((raw.to_dtype(DType::F32)? / 255.0)? - f64::from(MEAN))?;
        let expected = (expected / f64::from(DEVIATION))?;
        let apart = (&batch["input"] - expected)?.abs()?.max_all()?.to_scalar::<f32>()?;
        println!("batch {}: {:?}, {apart:.0e} apart", batch.number(), batch["input"].dims());
        assert!(apart < 1e-5);
    }
    Ok(())
}
