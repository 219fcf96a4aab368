//! `catalogue`: the steps that a chain can have.

use crate::console::Console;
use crate::exit::Result;

pub(crate) fn run(console: &mut Console) -> Result {
    let out = console.out();
    for (name, arguments) in tallow::catalogue() {
        match arguments {
            "" => writeln!(out, "{name}")?,
            _ => writeln!(out, "{name}({arguments})")?,
        }
    }
    Ok(())
}
