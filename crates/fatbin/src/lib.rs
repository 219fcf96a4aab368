//! How the CUDA kernels of Tallow become part of a program.
//!
//! A *fat binary* holds machine code for several architectures of GPUs, and PTX, which the driver
//! compiles for any later one. The driver takes what fits the device at hand. PTX alone would do, and
//! is what candle has; but compiling it takes a driver up to three seconds, a driver that is older than
//! the compiler refuses it, and it fits no device older than what it names.
//!
//! | side | feature | what |
//! |---|---|---|
//! | a build script | `compile` | `compile` calls nvcc and writes one file per part of a source |
//! | the program | `load` | `fatbin!` embeds such a file, and `Fatbin::load` gives it to the driver |
//!
//! The environment variable `TALLOW_CUDA_ARCHS` names the architectures when a program is built, as
//! compute capabilities without the point: `80,90`, or `all`. Default: all in builds with the profile
//! `release`, or one that inherits from it; in others, which are built often, the one that
//! `CUDA_COMPUTE_CAP` names, as for candle's own kernels, or 80. There is machine code for each
//! architecture named, and PTX of the lowest. Machine code also runs on devices of the same major and a
//! later minor version, for example that for 8.0 on 8.7, except between discrete and embedded GPUs.
//!
//! All machine code is made of one PTX text, so that devices differ in nothing else, and so that the
//! longer half of the work is done once. The price is that kernels cannot use what only later
//! architectures have.

#[cfg(any(feature = "compile", test))]
mod compile;
#[cfg(feature = "load")]
mod load;

#[cfg(any(feature = "compile", test))]
pub use compile::compile;
#[cfg(feature = "load")]
pub use load::{Aligned, Fatbin, Function, Module, Refused};
