//! The program `bench-loader`: arguments become a plan, the plan is run, the run becomes a report.
//!
//! Everything that it knows of data loading comes through [`tallow`], so that what it shows is
//! what a program of one's own can do. The commands are one file each; each gathers typed data,
//! which `report` shows to people or to machines.
//!
//! Exit codes: 0, or 1 when the data or the run failed, or 2 when the command line cannot be
//! obeyed, or 128 and the number of the signal that ended it. A reader that closes the pipe early is
//! no error.

// With CUDA one function of `copies` has unsafe code, which says so.
#![cfg_attr(not(feature = "cuda"), forbid(unsafe_code))]
#![deny(unsafe_code)]

mod args;
mod commands;
mod compare;
mod data;
mod html;
mod loading;
mod machine;
mod measure;
mod pictures;
mod report;
mod terminal;
mod tune;

use std::process::ExitCode;

#[cfg(feature = "cuda")]
pub use measure::copies;
use terminal::{console, exit, style};

/// Parses the command line, runs the command, and says how it went.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    // Before the parser, which colours what it says too.
    style::choose(style::Color::among(&words));
    let (args, given) = match args::Args::of(words) {
        Ok(parsed) => parsed,
        Err(error) => return exit::of_parser(&error),
    };
    let mut console = console::Console::new(given);
    let result = commands::run(&args, &mut console);
    console.print_failure(&result);
    // Flushed in any case, so that what was found comes before what is said of it.
    let flushed = console.finish();
    exit::of(exit::both(result, flushed))
}
