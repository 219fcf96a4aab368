//! Loads epochs and nothing else, for a tool that counts instructions: `counting DIR BATCH WORKERS
//! EPOCHS`. `benchmarks/counting.sh` runs it with and without counters and spans.

#![expect(clippy::print_stdout, reason = "a program that prints what it loaded")]

use std::error::Error;

use tallow::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, numbers @ ..] = words.as_slice() else { return Err("expected DIR".into()) };
    let numbers = numbers.iter().map(|word| word.parse()).collect::<Result<Vec<usize>, _>>()?;
    let &[batch, workers, epochs] = numbers.as_slice() else {
        return Err("expected DIR BATCH WORKERS EPOCHS".into());
    };
    let source = NpyFolders::pairs(dir)?;
    let loader = Loader::builder(source).batch_size(batch).shuffle().workers(workers).build()?;
    let mut samples = 0;
    for delivered in loader.epochs(0..epochs as u64) {
        samples += delivered?.len();
    }
    println!("{samples} samples");
    Ok(())
}
