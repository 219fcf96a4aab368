//! `bench-loader`: tells whether training waits for its data, why, and what mends it.

use std::process::ExitCode;

// Tensors on the CPU own memory that candle gives back to the allocator. The system's returns large
// blocks to the kernel, which then clears the pages of every new batch: for batches of 32 MiB that
// costs more than reading them. This one keeps them for a while.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tallow_cli::main()
}
