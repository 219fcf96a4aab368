//! Transforms of samples: what stands between a source's raw rows and the rows that are delivered.
//!
//! [`Augment`] is a chain of augmentations. It is not run as a chain: for each sample all random
//! parameters are drawn and written as a *plan*, a few plain structs ([`StagePlan`]), which an
//! engine executes in one pass over the pixels: geometry is composed into one map, pixel
//! operations run in order on the row in flight, and the result is stored once, in its final type
//! and layout. Where a chain cannot be one pass it is cut into stages, and
//! [`Augment::explain`] says where and why.
//!
//! `CATALOGUE.md`, in the folder `catalogue` of this crate, has a picture of every step beside its
//! documentation.
//!
//! [`map()`] is a closure a sample, for everything else.
//!
//! A transform meets the loader only in the traits of `tallow_core`; nothing here knows threads,
//! files or batches.

#![cfg_attr(not(any(feature = "cuda", feature = "host-kernels")), forbid(unsafe_code))]
// Kernels are called by two files of `cuda`, and by nothing else.
#![deny(unsafe_code)]

mod augment;
mod beta;
mod bound;
mod catalogue;
mod compose;
pub mod cuda;
mod cut;
mod draw;
mod engine;
mod fields;
mod fill;
mod kernels;
mod layout;
mod map;
mod matrix;
mod names;
mod plan;
mod points;
mod size;
mod sketch;
mod spec;
mod step;
mod steps;
mod targets;
mod values;

pub use augment::Augment;
pub use catalogue::{Described, catalogue, describe};
pub use draw::Uniform;
pub use fields::Fields;
pub use fill::Fill;
pub use kernels::simd::simd_level;
pub use layout::Layout;
pub use map::{Map, map};
pub use plan::{
    BLUR_WEIGHTS_MAX, Border, CHANNELS_MAX, Head, IntegerMap, Interpolation, NoiseKey, OPS_MAX, Op,
    OpCode, PLAN_VERSION, StagePlan,
};
pub use size::Size;
pub use spec::SpecError;
pub use steps::*;
pub use targets::BoxFormat;
