//! Rows: where a source writes one sample, and the only unsafe code between a file and a batch.
//!
//! A row's memory is not initialised: zeroing it first would cost a third of the throughput of a
//! page-cache-hot epoch, and a batch of large samples would be touched twice. Each field therefore
//! keeps count of the bytes written from its beginning (`filled`), everything that hands out a
//! reference zeroes what is missing first, and a field that is not completely written when
//! [`crate::Source::read`] returns is an error. A field written out of order ([`Pieces`]) keeps a bit
//! per piece instead, and counts as written from its beginning once no bit is missing; runs of pieces
//! are written in place, by way of a [`Run`] that counts what it has.

mod buffer;
mod field_mut;
mod mark;
mod pieces;
mod row;
mod run;
mod slot;
mod slots;
#[cfg(feature = "remote")]
mod stored;
mod view;

pub use self::buffer::RowBuffer;
pub use self::field_mut::FieldMut;
pub(crate) use self::field_mut::PIECE_BYTES_MAX;
pub use self::mark::RowMark;
pub use self::pieces::Pieces;
pub use self::row::Row;
pub use self::run::{Blocks, Rows, Run};
pub use self::slots::RowSlots;
pub use self::view::{FieldView, RowView};
