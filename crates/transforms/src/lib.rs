//! Transforms of samples: what stands between a source's raw rows and the rows that are delivered.
//!
//! [`Augment`] is a chain of augmentations. It is not run as a chain: for each sample all random
//! parameters are drawn and written as a *plan*, a few plain structs ([`plan::StagePlan`]), which an
//! engine executes in one pass over the pixels: geometry is composed into one map, pixel
//! operations run in order on the row in flight, and the result is stored once, in its final type
//! and layout. Where a chain cannot be one pass it is cut into stages, and
//! [`Augment::explain`] says where and why.
//!
//! `CATALOGUE.md`, in the folder `catalogue` of this crate, has a picture of every step beside its
//! documentation.
//!
//! For everything else there are closures per sample: [`map()`], and [`map_drawn()`] for one that draws
//! random numbers.
//!
//! A transform meets the loader only in the traits of `tallow_core`; nothing here knows threads,
//! files or batches.

#![cfg_attr(not(any(feature = "cuda", feature = "host-kernels")), forbid(unsafe_code))]
// Kernels are called by two files of `cuda`, and by nothing else.
#![deny(unsafe_code)]

mod apply;
mod augment;
mod bind;
mod catalogue;
mod compose;
pub mod cuda;
mod engine;
mod fields;
mod kernels;
mod layout;
mod map;
mod map_drawn;
mod parameters;
pub mod plan;
mod spec;
mod step;
mod steps;
mod targets;
mod text;
mod transform;
mod values;

pub use augment::Augment;
pub use catalogue::{Described, catalogue, describe};
pub use fields::Fields;
pub use kernels::simd::simd_level;
pub use layout::Layout;
pub use map::{Map, map};
pub use map_drawn::{MapDrawn, map_drawn};
pub use parameters::{Fill, Jitter, Size, Uniform};
pub use plan::{Border, Interpolation};
pub use spec::SpecError;
pub use steps::*;
pub use targets::BoxFormat;
