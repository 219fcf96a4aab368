//! Tar archives: where the files in one lie. Headers are of ustar, GNU tar or pax, archives may follow one
//! another, and nothing is believed before it was compared with the length of the file.

mod header;
mod pax;
mod scan;
mod sequence;

pub(crate) use self::header::{BLOCK_BYTES, Header};
pub(crate) use self::scan::{Member, PassedOver, scan};
pub(crate) use self::sequence::Sequence;
