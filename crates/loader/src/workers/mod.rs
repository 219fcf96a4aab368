//! What runs on the loader's threads: a worker claims rows, and the pipeline fills each of them.
//!
//! `crew` starts and ends the threads; `worker` and `read_ahead` are what they do. A row goes through
//! the `chain` of the `pipeline`, of which the `finisher` is the part that runs on a device; what it
//! needs of a row is in `device_row`. `epoch` says which sample it is. `sample` makes a single one for
//! looking at it, and `rows` makes many that are no batches.

mod chain;
mod crew;
mod device_row;
mod epoch;
mod finisher;
mod in_turn;
mod pipeline;
mod read_ahead;
mod rows;
mod sample;
mod worker;

pub(crate) use self::crew::{Crew, STOP_BOUND};
pub(crate) use self::epoch::Epoch;
pub(crate) use self::pipeline::{Pipeline, Scratch};
pub(crate) use self::rows::RowMaker;
pub(crate) use self::worker::Filler;
