//! Transforms of samples: the work between reading a sample and delivering it in a batch.
//!
//! [`Augment`] is a chain of augmentations. It does not run step by step over the pixels. For each
//! sample, all random parameters are drawn first and written as a *plan*: a few plain structs
//! ([`plan::StagePlan`]). An engine then executes the plan in one pass over the pixels: all
//! geometry is one map, pixel operations run in order on each row while it is in the cache, and the
//! result is stored once, in its final type and layout. A chain that does not fit into one pass is
//! cut into stages; [`Augment::explain`] shows where and why.
//!
//! `CATALOGUE.md`, in the folder `catalogue` of this crate, shows every step with its documentation
//! and a picture.
//!
//! For everything else there are closures per sample: [`map()`], and [`map_drawn()`] for one that draws
//! random numbers.
//!
//! The loader and this crate know each other only through the traits of `tallow_core`: nothing here
//! knows threads, files or batches.

#![cfg_attr(not(any(feature = "cuda", feature = "host-kernels")), forbid(unsafe_code))]
// Only files of `cuda` call kernels or hand addresses on.
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
mod second_image;
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
pub use layout::Layout;
pub use map::{Map, map};
pub use map_drawn::{MapDrawn, map_drawn};
pub use parameters::{Fill, Jitter, Size, Uniform};
pub use plan::{Border, Interpolation};
pub use second_image::SecondImage;
pub use spec::SpecError;
pub use steps::*;
pub use tallow_images::simd_level;
pub use targets::BoxFormat;
