//! Trains on all ranks at once: each takes its rows of every batch, and gradients are summed over all of
//! them, so that the weights are those of one process, but for the order of the sums. Rank 0 trains alone as
//! well and compares.
//!
//! On the CPU, through MPI:
//!
//!     apt-get install libopenmpi-dev openmpi-bin libclang-dev
//!     cargo build --release -p tallow-example-ranks --features mpi
//!     mpirun -n 3 target/release/tallow-example-ranks
//!
//! On CUDA, a GPU for each rank, through NCCL (of the CUDA toolkit, or Debian's libnccl-dev), with any launcher:
//!
//!     cargo build --release -p tallow-example-ranks --features nccl
//!     torchrun --standalone --nproc_per_node 4 --no_python target/release/tallow-example-ranks
//!
//! The ranks of NCCL meet at a port of rank 0, 127.0.0.1:29600. With several machines, name another that all
//! of them reach: `tallow-example-ranks node0:29600`.
//!
//! Nothing in here depends on the number of ranks.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

#[cfg(all(feature = "mpi", not(feature = "nccl")))]
mod by_mpi;
#[cfg(feature = "nccl")]
mod by_nccl;
#[cfg(any(feature = "nccl", test))]
mod meeting;
#[cfg(any(feature = "mpi", feature = "nccl"))]
mod sums;
#[cfg(any(feature = "mpi", feature = "nccl"))]
mod training;

#[cfg(feature = "nccl")]
fn main() -> tallow::candle::Result<()> {
    by_nccl::run()
}

#[cfg(all(feature = "mpi", not(feature = "nccl")))]
fn main() -> tallow::candle::Result<()> {
    by_mpi::run()
}

#[cfg(not(any(feature = "mpi", feature = "nccl")))]
fn main() -> std::process::ExitCode {
    println!(
        "built without MPI and NCCL. For the CPU install MPI with its headers, and libclang (Debian: \
         libopenmpi-dev, openmpi-bin, libclang-dev), and build with --features mpi; for GPUs install the CUDA \
         toolkit and NCCL (Debian: libnccl-dev), and build with --features nccl"
    );
    std::process::ExitCode::FAILURE
}
