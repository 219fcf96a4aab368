//! `list`: keeps what a store lists, so that nobody asks it again.

use std::time::Instant;

use tallow::StoreListing;

use crate::args::ListArgs;
use crate::terminal::console::Console;
use crate::terminal::exit::Result;
use crate::terminal::{shell, words};

pub(crate) fn run(args: &ListArgs, console: &mut Console) -> Result {
    let started = Instant::now();
    let listing = StoreListing::of(&args.url)?;
    listing.save(&args.to)?;
    let out = console.out();
    writeln!(
        out,
        "wrote {} of {} to {} in {}",
        words::counted(listing.len() as u64, "object"),
        words::one_line(listing.url()),
        words::one_line(&args.to.display().to_string()),
        words::duration(started.elapsed()),
    )?;
    writeln!(out, "try next: {} inspect {}", shell::program(), shell::path(&args.to))?;
    Ok(())
}
