//! The engine that runs plans on a CUDA device.
//!
//! `engine.cu` and its headers are the kernels: they read the same plan bytes as the CPU engine and
//! do the same operations in the same order. [`Launches`] says which of them make a batch; it knows
//! nothing of CUDA's types.
//!
//! # The way of a pixel
//!
//! A block makes some tiles of 32 x 32 pixels of one row, and a thread four pixels side by side, from the
//! first read to the last store (`stage.cuh`):
//!
//! 1. the plan is copied into shared memory, and one thread works out what is the same for all pixels
//!    (`Source`): where the image lies, which way pixels come, the operations;
//! 2. for each tile, where its pixels come from goes into shared memory: rows and columns of a lattice
//!    (`lattice.cuh`), taps and rows of a resize (`resize_u8.cuh`, `separable.cuh`);
//! 3. four pixels are found, go through the operations in registers (`program.cuh`), and are rounded and
//!    stored together (`store.cuh`).
//!
//! A statistic of the whole image takes a pass of its own before the last, by few blocks, whose parts
//! `settle_statistic` joins. The first such pass of a resize of photos keeps the pixels before the
//! operations as `f32`, so that no later pass resamples them again.
//!
//! # Kernels
//!
//! Code is written once, for kinds of stages (`kind.cuh`). `stage_photo` is for bytes in three colours
//! that are only moved and resized, whatever operations follow; [`Launches`] takes it where the bound
//! chain can need no more. All others serve any stage of one type of elements.
//!
//! # The floor
//!
//! Stages are bound by instructions, not by memory: a crop of 224 x 224 reads 3 bytes and writes 6 for
//! a pixel of `f16`, of which an H100 moves 370 thousand million a second, and issues 132
//! multiprocessors x 4 x 32 lanes x 1.7 GHz = 28.7 million million instructions of threads a second:
//! as many pixels, if one took 78 instructions. `benchmarks/instructions.md` has what one takes.

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
