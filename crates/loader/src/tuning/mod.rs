//! Settings that a loader, or a program around it, finds by trying.
//!
//! `search` compares settings by their rates; the `governor` feeds it with parts of a running
//! iteration, within the bounds of `auto`.

mod auto;
mod governor;
mod search;

pub use self::auto::{Auto, Workers};
pub(crate) use self::governor::Governor;
pub use self::search::{Search, Settings, Step};
