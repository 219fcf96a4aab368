//! The pixel kernels: loops over one row of `f32`, compiled once per SIMD level.
//!
//! Kernels are plain safe Rust that the compiler vectorises; [`Simd`] only chooses for which
//! instruction set. There is no fused multiply-add and no reassociation anywhere, so all levels
//! (and a CUDA kernel that repeats the same operations) agree bit for bit. Some also have
//! instructions that no compiler finds, in files named after their level: for integers, and for
//! moves between pixels and planes, around the operations that all levels share.

pub(crate) mod arithmetic;
pub(crate) mod blur_u8;
pub(crate) mod bytes;
pub(crate) mod color;
pub(crate) mod convert;
pub(crate) mod filter;
pub(crate) mod math;
pub(crate) mod nearest;
pub(crate) mod noise;
pub(crate) mod recolor;
pub(crate) mod resize_u8;
pub(crate) mod stats;
pub(crate) mod taps;
pub(crate) mod warp;
pub(crate) mod warp_u8;

pub(crate) use tallow_images::Simd;
