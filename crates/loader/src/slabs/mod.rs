//! The memory of a batch: what it looks like, where its rows are, and how it turns into tensors.
//!
//! `layout` is fixed at `build`; a `store` makes the memory of one `slab` after another, on the CPU a
//! `column` per field.

mod column;
mod layout;
mod slab;
mod store;

#[cfg(feature = "cuda")]
pub(crate) use self::layout::{BatchSize, FieldLayout};
pub(crate) use self::layout::{Cut, SlabLayout};
pub(crate) use self::slab::{Beside, RowFault, RowOutcome, RowSamples, Slab};
pub(crate) use self::store::{Columns, SlabStore};
#[cfg(feature = "cuda")]
pub(crate) use self::store::{Finished, Lent, RowRun, SlabMemory};
