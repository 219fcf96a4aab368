//! The `.npy` format: an admission scan that trusts nothing, the header, and reading into a row.

mod admission;
mod header;
mod reader;

pub(crate) use self::header::Header;
pub(crate) use self::reader::NpyReader;
