//! How much of a batch is padding: shuffled samples, batches of similar length, and batches by a budget of
//! tokens. The lengths are log-normal, as those of documents often are.
//!
//!     cargo run --release --example 13_lengths

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tallow::prelude::*;
use tallow::{Buckets, LoaderBuilder, TokenBudget};

const LONGEST: usize = 2048;

/// Lengths around 200 whose logarithms have a standard deviation of 0.8.
fn lengths(samples: usize) -> Vec<u32> {
    let mut state = 1u64;
    let mut uniform = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut length = || {
        // The sum of 12 uniform numbers is nearly normal.
        let normal = (0..12).map(|_| uniform()).sum::<f64>() - 6.0;
        (200.0 * (0.8 * normal).exp()).clamp(1.0, LONGEST as f64) as u32
    };
    (0..samples).map(|_| length()).collect()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lengths = lengths(20_000);
    let dims = vec![Dim::Ragged { max: LONGEST }];
    let schema = Schema::new(vec![Field::with_dims("tokens", RowDType::U32, dims)])?;
    let of_samples = lengths.clone();
    let source = std::sync::Arc::new(from_fn(schema, lengths.len(), move |index, row| {
        let length = of_samples[index] as usize;
        row.field(0).set_shape(&[length])?;
        row.field(0).copy_from_slice(&vec![index as u32; length])
    }));

    let loader = || Loader::builder(source.clone()).pad_to_multiple("tokens", 0.0, 8);
    println!("batches of        batches  rows       elements at most  padding");
    show("any length", loader().shuffle().batch_size(64))?;
    let buckets = Buckets::new(Shuffle, lengths.clone(), 64)?;
    show("similar length", loader().sampler(buckets))?;
    show("16384 tokens", loader().sampler(TokenBudget::new(lengths, 16_384)?.multiple_of(8)))
}

fn show(what: &str, builder: LoaderBuilder) -> Result<(), Box<dyn std::error::Error>> {
    let loader = builder.build()?;
    let (mut tokens, mut elements, mut largest, mut rows) = (0, 0, 0, (usize::MAX, 0));
    for batch in loader.epoch(0) {
        let batch = batch?;
        let size = batch["tokens"].elem_count();
        tokens += batch["tokens_len"].to_vec1::<i64>()?.iter().sum::<i64>();
        (elements, largest) = (elements + size, size.max(largest));
        rows = (rows.0.min(batch.rows()), rows.1.max(batch.rows()));
    }
    let padding = 100.0 * (1.0 - tokens as f64 / elements as f64);
    let rows = format!("{} to {}", rows.0, rows.1);
    println!("{what:<17} {:<8} {rows:<10} {largest:<17} {padding:.1} %", loader.len());
    Ok(())
}
