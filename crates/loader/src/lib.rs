//! From a source to batches of tensors: slabs, workers, delivery in order, state and report.
//!
//! A *slab* is the memory of one batch. Workers claim its rows, and the source reads into them; when
//! the last row is written, the buffers of the slab become the tensors, without a copy. Slabs are
//! admitted whole and delivered in order, so memory is bounded, and nothing that the consumer sees
//! depends on timing.
//!
//! The rejected alternative is workers that each make whole batches. It needs one slab per worker
//! before the first batch is there, and one slow sample holds up a whole batch.
//!
//! # Spans
//!
//! Spans of `tracing`, which cost next to nothing without a subscriber. Of level debug, one per epoch
//! or batch: `tallow::order`, `tallow::hand_over`, `tallow::map_batch`. Of level trace: `tallow::next`,
//! with `tallow::wait` inside if no batch is ready; and in the workers `tallow::fill`, with a
//! `tallow::read`, `tallow::decode` and `tallow::transform` for each of its rows.

mod allocator;
mod batch;
mod batch_maps;
mod batches;
mod builder;
mod consumer;
mod cores;
#[cfg(feature = "cuda")]
mod cuda;
mod delivery;
mod engines;
mod error;
mod freed_memory;
mod loader;
mod lock;
mod part_report;
mod plan;
mod policy;
mod report;
mod resident;
mod row_chain;
mod slabs;
mod stages;
mod state;
mod statistics;
mod stats;
mod tuning;
mod user_code;
mod visit;
mod workers;

/// Whether anything is counted and timed: always, except where benchmarks/counting.sh measures what
/// that costs. Without it reports are empty, no stall is noticed, and `Auto` chooses nothing.
const COUNTS: bool = !cfg!(tallow_uncounted);

pub use allocator::keep_freed_memory;
pub use batch::Batch;
pub use batches::Batches;
pub use builder::LoaderBuilder;
pub use error::{BatchId, Error, ErrorKind, Result};
pub use freed_memory::FreedMemory;
pub use loader::Loader;
pub use part_report::PartReport;
pub use plan::Plan;
pub use policy::{Fault, OnError};
pub use report::{DeviceWork, Report, Waits};
pub use row_chain::{RowChain, RowReader};
pub use stages::Stage;
pub use state::State;
pub use statistics::{
    Bin, ChannelStatistics, ClassCount, FieldStatistics, Lengths, Statistics, StatisticsBuilder,
};
pub use tuning::{Auto, Search, Settings, Step, Workers};
