//! `digest`: one hash of everything that is delivered.

use std::io::{self, Write};

use indicatif::ProgressBar;
use tallow::Batch;
use tallow::candle;
use xxhash_rust::xxh3::Xxh3;

use crate::args::DigestArgs;
use crate::console::Console;
use crate::exit::{Failure, Result};
use crate::measure::Tally;
use crate::report::{self, human, json};
use crate::rows::Rows;
use crate::{augment, device, plan};

pub(crate) fn run(args: &DigestArgs, console: &mut Console) -> Result {
    let device = device::open(args.load.device)?;
    let (_, opened) = plan::open(&args.source)?;
    let augment = augment::of(args.augment.as_ref(), &args.fields, opened.source.schema())?;
    let chain = augment.map(|augment| augment.chain);
    let loader = plan::build(opened.source, &args.load, &device, chain)?;
    let epochs = plan::epochs(&args.load, args.epochs)?;
    let lines = Lines { per_batch: args.per_batch, per_sample: args.per_sample };
    let batches = (loader.batches_per_epoch() as u64).saturating_mul(args.epochs);
    // Lines and a bar would be written over each other.
    let progress = match lines {
        Lines { per_batch: false, per_sample: false } => console.progress("hashing", batches),
        _ => ProgressBar::hidden(),
    };
    let mut stream = StreamHash::new(lines);
    let (mut errors, mut faults) = (Tally::default(), Tally::default());
    for batch in loader.epochs(epochs) {
        match batch {
            Ok(batch) => {
                faults.add_faults(&batch);
                stream.add(&batch, console.out())?;
            }
            Err(error) => errors.add(error),
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let report = stream.report(errors.total, faults.total);
    let out = console.out();
    if args.json {
        json::print(out, &json::digest(&report))?
    } else {
        human::digest(out, &report)?
    }
    console.tell_some("passed over", &faults.first, faults.total);
    console.tell_some("error", &errors.first, errors.total);
    if errors.total > 0 { Err(Failure::Told) } else { Ok(()) }
}

/// Which lines come before the hash.
#[derive(Debug, Clone, Copy)]
struct Lines {
    per_batch: bool,
    per_sample: bool,
}

/// XXH3-128 of the rows that hold a sample, in order: for each its index as a little-endian `u64`
/// and then, in the order of the schema, the bytes of its fields. Neither batches nor epochs are
/// in it, so that it is the same however the samples were cut into them.
struct StreamHash {
    lines: Lines,
    all: Xxh3,
    batches: u64,
    samples: u64,
}

impl StreamHash {
    fn new(lines: Lines) -> Self {
        Self { lines, all: Xxh3::new(), batches: 0, samples: 0 }
    }

    fn add(&mut self, batch: &Batch, out: &mut dyn Write) -> Result {
        let fields: candle::Result<Vec<Rows<'_>>> =
            batch.tensors().map(|(_, tensor)| Rows::of(tensor)).collect();
        let fields = fields.map_err(Failure::failed)?;
        self.add_rows(batch, &fields, out)?;
        Ok(())
    }

    fn add_rows(
        &mut self,
        batch: &Batch,
        fields: &[Rows<'_>],
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let epoch = batch.epoch();
        let mut of_batch = Xxh3::new();
        for (row, (&index, position)) in batch.indices().iter().zip(batch.positions()).enumerate() {
            update(&mut self.all, index, fields, row);
            if self.lines.per_batch {
                update(&mut of_batch, index, fields, row);
            }
            if self.lines.per_sample {
                let mut of_sample = Xxh3::new();
                update(&mut of_sample, index, fields, row);
                writeln!(out, "{epoch} {position} {index} {:032x}", of_sample.digest128())?;
            }
        }
        if self.lines.per_batch {
            writeln!(out, "{epoch} {} {:032x}", batch.number(), of_batch.digest128())?;
        }
        self.batches += 1;
        self.samples += batch.len() as u64;
        Ok(())
    }

    fn report(&self, errors: usize, faults: usize) -> report::Digest {
        let (batches, samples) = (self.batches, self.samples);
        report::Digest { hash: self.all.digest128(), batches, samples, errors, faults }
    }
}

fn update(hash: &mut Xxh3, index: usize, fields: &[Rows<'_>], row: usize) {
    hash.update(&(index as u64).to_le_bytes());
    fields.iter().for_each(|field| hash.update(field.row(row)));
}
