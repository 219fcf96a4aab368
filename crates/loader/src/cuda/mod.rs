//! How batches get into the memory of a CUDA device, and the samples that remain there.

mod resident_rows;
mod staging;

pub(crate) use self::staging::{StagedLayout, Staging};
