//! A source of your own takes three methods. This one reads a file of records of a fixed size, laid
//! out as those of CIFAR-10: a byte for the label, then 3x32x32 bytes of pixels.
//!
//!     cargo run --release --example 06_own_source
//!
//! Shuffling, workers, ranks and resuming work without more code.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::fs::File;
use std::io::Write;

use tallow::prelude::*;
use tallow::{candle, testing};

const PIXELS: usize = 3 * 32 * 32;
const RECORD: usize = 1 + PIXELS;

struct Records {
    schema: Schema,
    file: File,
    len: usize,
}

impl Source for Records {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn len(&self) -> usize {
        self.len
    }

    /// Reads from the file straight into the batch. Many threads do this at once, hence `&self`.
    fn read(&self, index: usize, row: &mut Row<'_>) -> SourceResult<()> {
        let record = (index * RECORD) as u64;
        row.field("input").read_at(&self.file, record + 1)?;
        row.field("target").read_at(&self.file, record)
    }
}

fn main() -> candle::Result<()> {
    let mut file = tempfile::tempfile()?;
    let record = |index: u8| std::iter::once(index % 10).chain([index; PIXELS]);
    file.write_all(&(0..200).flat_map(record).collect::<Vec<u8>>())?;

    let image = Field::new("input", RowDType::U8, &[3, 32, 32]);
    let schema = Schema::new(vec![image, Field::new("target", RowDType::U8, &[])])?;
    let source = Records { schema, file, len: 200 };

    // Best done in a test: this checks the contract of `Source`, from several threads.
    testing::check_source(&source);
    println!("the source keeps its contract");

    // A sample to look at.
    println!("{}", source.get(7)?);
    for batch in Loader::builder(source).batch_size(64).shuffle().build()?.epoch(0) {
        println!("{:?}", batch?);
    }
    Ok(())
}
