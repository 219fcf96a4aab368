//! A simulated CUDA driver, for tests on machines without a GPU.
//!
//! What cargo runs with this crate among its dependencies (the tests and examples of a package that
//! names it as a development dependency) starts against a `libcuda.so.1` of its own: device memory is host memory, copies and memsets really happen, and
//! kernels that a test [registers](Simulation::register) are played by closures. It is a harsh
//! driver. A seed decides how late every operation runs, as late as the real driver may; memory is
//! poisoned when it is allocated and freed and handed out again at once; and every use of memory is
//! checked against the order that streams, events and synchronisations give. What breaks a rule
//! becomes a [`Violation`], whatever the seed.
//!
//! ```
//! use tallow_cuda_sim::Simulation;
//!
//! let simulation = Simulation::begin(7);
//! // ... use candle, cudarc or the driver itself here ...
//! simulation.drain();
//! assert_eq!(simulation.violations(), []);
//! assert_eq!(simulation.live_allocations(), []);
//! ```
//!
//! # Running it
//!
//! A package names this one as a dependency, with the feature `driver`, beside `candle-core` with
//! `cuda`; cargo puts the simulator's folder into the library path of what it runs, for all
//! packages that one command tests. Compiling candle takes the CUDA toolkit (13.0), though no GPU;
//! building the simulator takes Linux and `$CXX`, `g++` by default. On a machine with a GPU, test
//! against it by a command that does not build this package.
//!
//! Every test that reaches the driver begins a [`Simulation`], which holds up those of other
//! threads, and drops its devices and tensors before it.
//!
//! # What is checked
//!
//! All host threads share one clock: how they hand work to each other (locks, channels) cannot be
//! seen here and is taken to be ordered. Work on the device is ordered by its stream, by waits for
//! events, by the rules of the legacy stream, and by synchronisations of the host, and by nothing
//! else. All of these are known when an operation is issued, so the check is made then and finds
//! the same under every seed; the seed decides what the *data* look like.
//!
//! # What is simplified
//!
//! - Two devices, each with its primary context, memory, streams and default pool. There is no peer
//!   access: what belongs to one and is used with the other is a violation.
//! - Captures begin and end, and calls that they forbid break them and are violations; but what is
//!   issued to a stream that is captured from is forgotten, and the graph is null.
//! - No managed memory, no two-dimensional copies. A function outside the simulated set fails with
//!   `CUDA_ERROR_NOT_SUPPORTED` and is a violation.
//! - A kernel nobody registered does nothing when it runs. If its module is PTX text, it is taken
//!   to read and write the whole of every allocation whose address is a parameter; in a binary
//!   module parameters are unknown and it is only counted.
//! - The functions of cuBLAS, cuRAND and the CUDA runtime succeed, do nothing and are not checked:
//!   the result of a matrix product is poison.
//! - What a kernel uses must follow from its parameters, not from what they point to.
//! - An operation is one step: two operations never run at the same time, they only change order.
//! - A read of memory that nothing wrote is not a violation; it yields [`POISON_FRESH`].
//! - A host function (`cuLaunchHostFunc`) runs inside whichever call the seed chooses, with the
//!   driver's lock held.
//! - Waiting for the legacy stream waits for its own work only; the real driver is known to wait
//!   for the blocking streams as well, and does not say so.

#![cfg(feature = "driver")]

mod ffi;
mod kernel;
mod report;
mod simulation;

pub use kernel::{Kernel, KernelMemory, Launch, Number, Undeclared, Use};
pub use report::{Allocation, Counts, Violation, ViolationKind};
pub use simulation::{Call, HostWindow, ModuleFault, Simulation};

/// The bytes that memory holds before anything is written to it.
pub const POISON_FRESH: u8 = 0xac;

/// The bytes that memory holds after it was freed.
pub const POISON_FREED: u8 = 0xde;
