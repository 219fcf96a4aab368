//! Measuring what loading costs, from the page cache or from storage, and the most that the machine
//! could do.

pub(crate) mod ceiling;
pub(crate) mod cold;
#[cfg(feature = "cuda")]
pub mod copies;
pub(crate) mod decoding;
pub(crate) mod device;
pub(crate) mod distribution;
pub(crate) mod epochs;
pub(crate) mod meter;
pub(crate) mod process;
pub(crate) mod rate;
pub(crate) mod timeline;
pub(crate) mod trace;
