//! `bench-loader`: find out whether training waits for its data, why, and how to fix it.

use std::process::ExitCode;

fn main() -> ExitCode {
    tallow_cli::main()
}
