//! The program `bench-loader`: arguments become a plan, the plan is run, and the run becomes a
//! report.
//!
//! Everything it knows about data loading comes from [`tallow`], so a user's own program can do
//! whatever it shows. Each command is a file in `commands`; it gathers typed data, which `report`
//! turns into text, JSON or a page.
//!
//! Exit codes: 0 for success, 1 if the data or the run failed, 2 for an invalid command line, and
//! 128 plus the number of the signal that ended the program. A reader that closes the pipe early is
//! no error.

// With CUDA, a function of `copies` and one of `doctor` have unsafe code, and say so.
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
mod pack;
mod pictures;
mod report;
mod terminal;
mod tune;

use std::process::ExitCode;

#[cfg(feature = "cuda")]
pub use measure::copies;
use terminal::{console, exit, style};

/// Parses the command line, runs the command, and returns its exit code.
pub fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    // Before the parser, which uses colour too.
    style::choose(style::Color::among(&words));
    let (args, given) = match args::Args::of(words) {
        Ok(parsed) => parsed,
        Err(error) => return exit::of_parser(&error),
    };
    let mut console = console::Console::new(given);
    let result = commands::run(&args, &mut console);
    console.print_failure(&result);
    // Always flushed first, so that the report comes before the error about it.
    let flushed = console.finish();
    exit::of(exit::both(result, flushed))
}
