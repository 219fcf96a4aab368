//! Attacks on Tallow: fuzzers, failing system calls, storage that hangs, and files that change
//! while they are read. `tallow-faults help` lists them.

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

/// Attack Tallow, and report what failed
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Try generated inputs, some of them damaged
    Fuzz(fuzz::FuzzArgs),
    /// Make system calls of bench-loader fail, one at a time; needs strace
    Inject(inject::InjectArgs),
    /// Make reads of some files hang; needs strace
    Mount(mount::MountArgs),
    /// Write rows in two halves while they are read, and count rows that mix old and new
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
