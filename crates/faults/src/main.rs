//! What attacks Tallow: fuzzers, system calls that fail, storage that hangs, and files that are
//! written to while they are read. `tallow-faults help` lists them.

mod bench_loader;
mod dice;
mod fuzz;
mod inject;
mod mount;
mod torn;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: fuzz::memory::Counted = fuzz::memory::Counted;

/// Attacks Tallow, and says what fell.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try inputs that a grammar writes and accidents change
    Fuzz(fuzz::FuzzArgs),
    /// Let system calls of bench-loader fail, one at a time; takes strace
    Inject(inject::InjectArgs),
    /// Let reads of some files hang; takes strace
    Mount(mount::MountArgs),
    /// Write rows in halves while they are read, and count those that come as half of each
    Torn(torn::TornArgs),
}

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Inject(args) => inject::run(&args),
        Command::Mount(args) => mount::run(&args),
        Command::Torn(args) => torn::run(&args),
    }
}
