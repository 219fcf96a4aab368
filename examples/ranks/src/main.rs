//! Trains on all ranks of MPI at once: each takes its rows of every batch, and gradients are summed
//! over all of them, so that the weights are those of one process, but for the order of the sums. Rank
//! 0 trains alone as well and compares.
//!
//!     apt-get install libopenmpi-dev openmpi-bin libclang-dev
//!     cargo build --release -p tallow-example-mpi --features mpi
//!     mpirun -n 3 target/release/tallow-example-mpi
//!
//! On a cluster the same program is started by `mpirun` or `srun --mpi=pmix`. Nothing in here depends on the
//! number of ranks.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

#[cfg(feature = "mpi")]
mod sums;
#[cfg(feature = "mpi")]
mod training;

#[cfg(feature = "mpi")]
fn main() -> tallow::candle::Result<()> {
    training::run()
}

#[cfg(not(feature = "mpi"))]
fn main() -> std::process::ExitCode {
    println!(
        "built without MPI: install it with its headers, and libclang (Debian: libopenmpi-dev, openmpi-bin, \
         libclang-dev), and build with --features mpi"
    );
    std::process::ExitCode::FAILURE
}
