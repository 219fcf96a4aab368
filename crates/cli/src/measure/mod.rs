//! Measuring what loading costs: batches are taken and timed, from the page cache or from the storage,
//! beside what the machine could do at most.

pub(crate) mod ceiling;
pub(crate) mod cold;
#[cfg(feature = "cuda")]
pub mod copies;
pub(crate) mod device;
pub(crate) mod distribution;
pub(crate) mod epochs;
pub(crate) mod meter;
pub(crate) mod process;
pub(crate) mod rate;
pub(crate) mod timeline;
pub(crate) mod trace;
