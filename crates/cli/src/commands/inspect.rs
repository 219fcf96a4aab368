//! `inspect`: what there is, without reading it.

use tallow::Source;

use crate::args::InspectArgs;
use crate::console::Console;
use crate::contact;
use crate::exit::{Failure, Result};
use crate::report::{self, SampleSize, human, json};
use crate::{place, plan};

pub(crate) fn run(args: &InspectArgs, console: &mut Console) -> Result {
    let (place, opened) = plan::open(&args.source)?;
    let source = &*opened.source;
    if let Some(path) = &args.png {
        let picture = contact::sheet(source, args.samples.into())?.draw();
        picture.and_then(|picture| picture.save(path)).map_err(Failure::Failed)?;
        console.tell_written(path);
    }
    let sizes = Sizes::of(source)?;
    let name = |size: Option<(u64, usize)>| {
        size.map(|(bytes, index)| SampleSize { bytes, index, name: source.name(index).into() })
    };
    let report = report::Inspect {
        source: place.to_string(),
        schema: source.schema().clone(),
        samples: source.len(),
        bytes: sizes.total,
        smallest: name(sizes.smallest),
        largest: name(sizes.largest),
        ignored: opened.ignored,
    };
    if args.json {
        console.print(json::inspect(&report))?
    } else {
        human::inspect(console.out(), &report)?;
        if let Some(path) = &args.png {
            writeln!(console.out(), "picture   {}", human::one_line(&path.display().to_string()))?;
        }
    }
    Ok(())
}

/// Bytes in files, and the samples that take the fewest and the most.
#[derive(Debug, Default)]
struct Sizes {
    total: u64,
    smallest: Option<(u64, usize)>,
    largest: Option<(u64, usize)>,
}

impl Sizes {
    fn of(source: &dyn Source) -> tallow::Result<Self> {
        let mut this = Self::default();
        for index in 0..source.len() {
            let bytes = sample_bytes(source, index)?;
            this.total += bytes;
            // Of equals the first is named.
            if this.smallest.is_none_or(|(smallest, _)| bytes < smallest) {
                this.smallest = Some((bytes, index));
            }
            if this.largest.is_none_or(|(largest, _)| bytes > largest) {
                this.largest = Some((bytes, index));
            }
        }
        Ok(this)
    }
}

/// The bytes of one sample in files.
fn sample_bytes(source: &dyn Source, index: usize) -> tallow::Result<u64> {
    let bytes: tallow::Result<u64> = source.extents(index).iter().map(place::bytes_of).sum();
    bytes.map_err(|error| error.with_index(index))
}
