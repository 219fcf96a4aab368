//! Objects of HTTP servers, S3 and what speaks it, Google Cloud Storage and Azure, as bytes at offsets.
//!
//! Nobody who reads waits on a runtime: requests run on one thread of this crate's own, which the first
//! URL starts, and a reader sleeps until its bytes are there. What is a sample, a shard or a row is not
//! known here.
//!
//! ```no_run
//! use tallow_store::Object;
//! let object = Object::open("https://example.com/train-00.tar", 64 << 10)?;
//! let mut block = Vec::new();
//! let read = object.read_at(512, 512, &|| false, &mut |piece| block.extend_from_slice(piece))?;
//! assert_eq!(read, block.len());
//! # Ok::<(), tallow_store::Error>(())
//! ```
//!
//! Credentials come from the environment, as each provider's own tools read it (`AWS_*`, `GOOGLE_*`,
//! `AZURE_*`), or from the machine that the program runs on. A URL that holds any is refused, and no
//! error, log or `Debug` shows one.

#![forbid(unsafe_code)]

mod budget;
mod cache;
mod clients;
mod counters;
mod error;
mod hedge;
mod listing;
mod object;
mod persist;
mod place;
mod request;
mod runtime;
mod scheduler;
mod transport;
mod window;

pub use self::budget::Budget;
pub use self::cache::{Cache, cache, set_cache};
pub use self::counters::{Counters, counters};
pub use self::error::{Error, ErrorKind, Result};
pub use self::listing::{Entry, Kind, entries, kind};
pub use self::object::{Object, will_open};
pub use self::place::{is_url, without_secrets};
pub use self::scheduler::{budget, set_budget};
