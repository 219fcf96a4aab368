//! Parquet files: the values of a column, one page at a time.
//!
//! - [`Parquet::open`] reads the metadata at the end of a file; its schema is told as one of Arrow's.
//! - [`Parquet::column`] walks over the headers of a column's pages once, and finds which rows each has.
//! - [`Column::decode`] makes numbers and bytes of the unit that has a row: a page, or all pages of a row
//!   group where nothing says which rows a page of lists has. It also tells [`Places`] of long byte strings:
//!   [`Column::read_alone`] reads one of these without its page.
//!
//! Nothing is allocated from a number in a file before it was compared with the file's length, or with a
//! limit of the caller's. What the decoders panic at is an error.

#![forbid(unsafe_code)]

mod codec;
mod column;
mod levels;
mod page;
mod parquet;
mod places;
mod schema;
mod snappy;
mod stored;
mod thrift;
mod unit;
mod values;

pub use self::column::Column;
pub use self::parquet::Parquet;
pub use self::places::Places;
pub use self::values::Values;
