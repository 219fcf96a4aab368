//! Pixels of bytes that stay bytes: moved, looked up in tables, counted.
//!
//! An image of 224x224 colours is 150 KB in and as much out, which takes a core 4 us from and to its
//! second cache. What is here costs less than that where vectors have instructions for it, so that
//! the memory is the floor: 64 bytes are looked up or shuffled in two to four instructions where
//! AVX-512 VBMI is there.

mod count;
mod gather;
mod plane;
mod table;
mod transpose;
mod turn;
#[cfg(target_arch = "x86_64")]
mod v3;
#[cfg(target_arch = "x86_64")]
mod vbmi;

pub(crate) use self::count::count;
pub(crate) use self::gather::gather;
pub(crate) use self::plane::plane;
pub(crate) use self::table::{Table, look_up, look_up_pixels};
pub(crate) use self::transpose::{Columns, ROWS, transpose};
pub(crate) use self::turn::{Lies, Turn, copy, copy_row, turn};

/// Bytes that look like noise, for tests.
#[cfg(test)]
fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 167 + i / 256 * 13) as u8).collect()
}
