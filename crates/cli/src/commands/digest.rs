//! `digest`: one hash of everything that is delivered.

use std::{fmt, io};

use indicatif::ProgressBar;
use serde_json::{Value, json};
use tallow::candle;
use tallow::{Batch, Batches};
use xxhash_rust::xxh3::Xxh3;

use crate::args::{DigestArgs, StepsArg};
use crate::data::rows::Rows;
use crate::loading::{augment, plan};
use crate::measure::device;
use crate::measure::meter::{Tally, why_hopeless};
use crate::report::{self, human};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

pub(crate) fn run(args: &DigestArgs, console: &mut Console) -> Result {
    let device = device::open(args.load.device)?;
    let (found, opened) = plan::open_any(&args.source)?;
    let augment = augment::of(&args.augment, opened.source.schema())?;
    let chain = augment.map(|augment| augment.chain);
    let loader = plan::build(opened.source, &args.load, &device, chain)?;
    let (batches, count) = match args.steps {
        Some(_) if found.stream().is_some() => {
            return Err(Failure::usage(
                "--steps takes samples that can be counted, which a stream does not have; use --epochs",
            ));
        }
        Some(StepsArg { start, end }) => (loader.steps(start..end), end - start),
        None => {
            let epochs = plan::epochs(&args.load, args.epochs)?;
            (loader.epochs(epochs), (loader.len() as u64).saturating_mul(args.epochs))
        }
    };
    let wanted = Wanted { per_batch: args.per_batch, per_sample: args.per_sample };
    // Lines and a progress bar would overwrite each other, and of a stream it has no end.
    let progress = match wanted {
        Wanted { per_batch: false, per_sample: false } if loader.plan().is_bounded() => {
            console.progress("hashing", count)
        }
        _ => ProgressBar::hidden(),
    };
    let mut digester = Digester {
        stream: StreamHash::new(wanted),
        errors: Tally::default(),
        faults: Tally::default(),
        given_up: None,
        packed: opened.packed,
    };
    if args.json {
        console.print_list("lines", |print| {
            digester.take(batches, &progress, &mut |line| print(&line.to_json()))?;
            Ok::<_, Failure>(report::json::digest(&digester.report()))
        })?;
    } else {
        let out = console.out();
        digester.take(batches, &progress, &mut |line| writeln!(out, "{line}"))?;
        human::digest(console.out(), &digester.report())?;
    }
    progress.finish_and_clear();
    digester.tell(console)
}

/// Hashes batches, and records what failed.
struct Digester {
    stream: StreamHash,
    errors: Tally,
    faults: Tally,
    given_up: Option<String>,
    /// What documents were packed into.
    packed: Vec<report::Packed>,
}

impl Digester {
    /// Takes all batches, unless the remaining ones would never come.
    fn take(&mut self, batches: Batches<'_>, progress: &ProgressBar, print: Print<'_>) -> Result {
        for batch in batches {
            match &batch {
                Ok(batch) => {
                    self.faults.add_faults(batch);
                    self.stream.add(batch, print)?;
                }
                Err(error) => self.errors.add_error(error),
            }
            self.given_up = batch.as_ref().err().and_then(why_hopeless);
            progress.inc(1);
            if self.given_up.is_some() {
                break;
            }
        }
        Ok(())
    }

    fn report(&self) -> report::Digest {
        report::Digest {
            hash: self.stream.all.digest128(),
            batches: self.stream.batches,
            samples: self.stream.samples,
            errors: self.errors.total,
            faults: self.faults.total,
            given_up: self.given_up.clone(),
            packed: self.packed.clone(),
        }
    }

    fn tell(&self, console: &mut Console) -> Result {
        self.faults.tell("passed over", console);
        self.errors.tell("error", console);
        if let Some(why) = &self.given_up {
            console.tell_some("error", &[why], 1);
        }
        if self.errors.total > 0 { Err(Failure::Told) } else { Ok(()) }
    }
}

/// Which lines to print before the hash.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    per_batch: bool,
    per_sample: bool,
}

/// The hash of a batch or of a sample.
enum Line {
    Batch { epoch: u64, number: usize, hash: u128 },
    Sample { epoch: u64, position: usize, index: usize, hash: u128 },
}

impl Line {
    fn to_json(&self) -> Value {
        match self {
            Self::Batch { epoch, number, hash } => {
                json!({ "epoch": epoch, "batch": number, "digest": format!("{hash:032x}") })
            }
            Self::Sample { epoch, position, index, hash } => json!({
                "epoch": epoch,
                "position": position,
                "index": index,
                "digest": format!("{hash:032x}"),
            }),
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Batch { epoch, number, hash } => write!(f, "{epoch} {number} {hash:032x}"),
            Self::Sample { epoch, position, index, hash } => {
                write!(f, "{epoch} {position} {index} {hash:032x}")
            }
        }
    }
}

/// Prints one line after another.
type Print<'a> = &'a mut dyn FnMut(&Line) -> io::Result<()>;

/// XXH3-128 of the rows that hold a sample, in order: for each, its index as a little-endian `u64`,
/// and then the bytes of its fields in the order of the schema. Batches and epochs are not part of
/// it, so it is the same however the samples are split into them.
struct StreamHash {
    wanted: Wanted,
    all: Xxh3,
    batches: u64,
    samples: u64,
}

impl StreamHash {
    fn new(wanted: Wanted) -> Self {
        Self { wanted, all: Xxh3::new(), batches: 0, samples: 0 }
    }

    fn add(&mut self, batch: &Batch, print: Print<'_>) -> Result {
        let fields: candle::Result<Vec<Rows<'_>>> =
            batch.tensors().map(|(_, tensor)| Rows::of(tensor)).collect();
        let fields = fields.map_err(Failure::failed)?;
        self.add_rows(batch, &fields, print)?;
        Ok(())
    }

    fn add_rows(&mut self, batch: &Batch, fields: &[Rows<'_>], print: Print<'_>) -> io::Result<()> {
        let epoch = batch.epoch();
        let mut of_batch = Xxh3::new();
        for (row, (&index, position)) in batch.indices().iter().zip(batch.positions()).enumerate() {
            update(&mut self.all, index, fields, row);
            if self.wanted.per_batch {
                update(&mut of_batch, index, fields, row);
            }
            if self.wanted.per_sample {
                let mut of_sample = Xxh3::new();
                update(&mut of_sample, index, fields, row);
                print(&Line::Sample { epoch, position, index, hash: of_sample.digest128() })?;
            }
        }
        if self.wanted.per_batch {
            let (number, hash) = (batch.number(), of_batch.digest128());
            print(&Line::Batch { epoch, number, hash })?;
        }
        self.batches += 1;
        self.samples += batch.len() as u64;
        Ok(())
    }
}

fn update(hash: &mut Xxh3, index: usize, fields: &[Rows<'_>], row: usize) {
    hash.update(&(index as u64).to_le_bytes());
    fields.iter().for_each(|field| hash.update(field.row(row)));
}
