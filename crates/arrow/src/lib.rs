//! Arrow files: which bytes are the value of a row and a column.
//!
//! - [`Arrow::open`] reads the schema of a file in Arrow's stream or file format.
//! - [`Arrow::columns`] walks over its record batches once, and finds where the values of columns lie.
//! - [`Column::place`] says where the value of a row lies, by arithmetic; reading it is the caller's.
//!
//! Nothing is allocated from a number in a file before it was compared with the file's length.

#![forbid(unsafe_code)]

mod arrow;
mod column;
mod error;
mod features;
mod flat;
mod kind;
mod read_at;
mod schema;
mod validity;

pub use self::arrow::Arrow;
pub use self::column::{Column, Length, Place};
pub use self::error::{Error, ErrorKind, Result};
pub use self::features::Features;
pub use self::kind::{Kind, Scalar};
pub use self::read_at::ReadAt;
pub use self::schema::{ArrowField, ArrowSchema};
