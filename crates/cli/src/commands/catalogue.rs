//! `catalogue`: lists the steps that a chain can have, or describes one of them.

use tallow::Described;

use crate::args::CatalogueArgs;
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};

/// The beginnings of the steps that mix samples.
const MIXING: [&str; 2] = ["mixup", "cutmix"];

pub(crate) fn run(args: &CatalogueArgs, console: &mut Console) -> Result {
    let Some(step) = &args.step else { return list(console) };
    let described = tallow::describe(step).map_err(|error| Failure::usage(error.message()))?;
    let Described { usage, words, example, .. } = described;
    // What mixes samples mixes their labels too, and fails without them.
    let mixes = MIXING.iter().any(|name| example.contains(name));
    let labels = if mixes { " --one-hot target:10" } else { "" };
    writeln!(console.out(), "{usage}\n\n{words}\n\nExample:\n  --augment '{example}'{labels}")?;
    Ok(())
}

fn list(console: &mut Console) -> Result {
    let out = console.out();
    for (name, arguments) in tallow::catalogue() {
        match arguments {
            "" => writeln!(out, "{name}")?,
            _ => writeln!(out, "{name}({arguments})")?,
        }
    }
    Ok(())
}
