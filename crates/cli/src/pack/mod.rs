//! Any source as few files, which others read as well.
//!
//! ```text
//! source -> rows -> blocks of encoded samples -> shards in order -> manifest
//!           workers, a few blocks ahead          one writer         after each shard
//! ```
//!
//! Where shards begin depends on the samples alone, and a shard takes its name when it is whole and on
//! the disk. The manifest is written after each of them, so that a run that was killed goes on with the
//! first shard that is not there, and ends with the same bytes.

pub(crate) mod blocks;
pub(crate) mod format;
pub(crate) mod manifest;
pub(crate) mod samples;
pub(crate) mod shards;
pub(crate) mod tar;
pub(crate) mod tokens;
pub(crate) mod verify;
