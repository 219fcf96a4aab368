//! The commands, one per file.

mod catalogue;
mod check;
mod compare;
mod completions;
mod contend;
mod demo;
mod digest;
mod doctor;
mod explain;
mod generate;
mod inspect;
mod list;
mod manual;
mod pack;
mod preview;
mod run;
mod stats;
mod tune;

use crate::args::{Args, Command};
use crate::terminal::console::Console;
use crate::terminal::exit::Result;

/// Runs the command that was asked for.
pub(crate) fn run(args: &Args, console: &mut Console) -> Result {
    match &args.command {
        None => demo::run(&args.demo, console),
        Some(Command::Demo(args)) => demo::run(args, console),
        Some(Command::Gen(args)) => generate::run(args, console),
        Some(Command::Doctor(args)) => doctor::run(args, console),
        Some(Command::Inspect(args)) => inspect::run(args, console),
        Some(Command::List(args)) => list::run(args, console),
        Some(Command::Check(args)) => check::run(args, console),
        Some(Command::Run(args)) => run::run(args, console),
        Some(Command::Stats(args)) => stats::run(args, console),
        Some(Command::Tune(args)) => tune::run(args, console),
        Some(Command::Compare(args)) => compare::run(args, console),
        Some(Command::Contend(args)) => contend::run(args, console),
        Some(Command::Digest(args)) => digest::run(args, console),
        Some(Command::Catalogue(args)) => catalogue::run(args, console),
        Some(Command::Explain(args)) => explain::run(args, console),
        Some(Command::Pack(args)) => pack::run(args, console),
        Some(Command::Preview(args)) => preview::run(args, console),
        Some(Command::Completions(args)) => completions::run(args, console),
        Some(Command::Man(args)) => manual::run(args, console),
    }
}
