//! The way of a batch into the memory of a CUDA device, and the samples that stay there.

mod resident_rows;
mod staging;

pub(crate) use self::staging::{StagedLayout, Staging};
