//! Transforms of samples: what stands between a source's raw rows and the rows that are delivered.
//!
//! A transform meets the loader only in the traits of `tallow_core`; nothing here knows threads,
//! files or batches.

#![forbid(unsafe_code)]

mod map;

pub use map::{Map, map};
