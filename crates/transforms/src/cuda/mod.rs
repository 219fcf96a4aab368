//! The engine that runs plans on a CUDA device.
//!
//! `engine.cu` and its headers are the kernels: they read the same plan bytes as the CPU engine and
//! do the same operations in the same order. [`Launches`] says which of them make a batch; it knows
//! nothing of CUDA's types.

mod args;
#[cfg(feature = "cuda")]
mod device;
mod engine;
#[cfg(feature = "host-kernels")]
pub mod host;
mod launches;
#[cfg(all(test, feature = "host-kernels"))]
mod tests;
#[cfg(feature = "host-kernels")]
pub mod whole_blocks;

#[cfg(feature = "cuda")]
pub(crate) use device::{Kernels, apply};
pub use launches::{Launch, Launches, Use, uses};
