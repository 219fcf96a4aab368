//! Pixels of three bytes from anywhere in a row.

use tallow_core::Run;

/// Pixels that are put together.
const TOGETHER: usize = 4;

/// Writes the pixels of three bytes that begin at `columns`, of which none is greater than `last`.
///
/// Four of them are put together in registers: a processor loads two and more of them at a time, but
/// takes three cycles for a store that the next one overlaps.
pub(crate) fn gather(from: &[u8], columns: &[u32], last: usize, to: &mut Run<'_, u8>) {
    // A load of four bytes must not pass the end, nor a store of 16.
    let is_inside = last + TOGETHER <= from.len();
    let most =
        if is_inside { columns.len().min(to.left().saturating_sub(TOGETHER) / 3) } else { 0 };
    let (most, rest) = columns.split_at(most / TOGETHER * TOGETHER);
    to.extend_overlapping::<16, 12>(most.as_chunks::<TOGETHER>().0.iter().map(
        #[inline(always)]
        |[a, b, c, d]| {
            let (a, b) = (three_bytes(from, *a), three_bytes(from, *b));
            let (c, d) = (three_bytes(from, *c), three_bytes(from, *d));
            let (low, high) = (a | b << 24 | c << 48, c >> 16 | d << 8);
            (u128::from(low) | u128::from(high) << 64).to_le_bytes()
        },
    ));
    let pixel = |column: &u32| *from[*column as usize..].first_chunk::<3>().expect("a pixel");
    to.extend(rest.iter().map(pixel));
}

/// The pixel at `column`, which another byte follows.
#[inline(always)]
fn three_bytes(from: &[u8], column: u32) -> u64 {
    let column = column as usize;
    // One comparison, where a slice to the end and its beginning are two.
    let four: &[u8; 4] = from[column..column + 4].try_into().expect("four bytes");
    u64::from(u32::from_le_bytes(*four)) & 0xff_ffff
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    #[test]
    fn pixels_come_from_their_columns() {
        let from = bytes(300);
        for n in [0, 1, 3, 4, 5, 8, 13, 64] {
            // Up to the last pixel, and up to the one before it.
            for most in [297, 294] {
                for columns in [1, 7, 13].map(|step| (0..n).map(move |i| i * step * 3 % (most + 3)))
                {
                    let columns: Vec<u32> = columns.map(|at| at.min(most)).collect();
                    let expected: Vec<u8> =
                        columns.iter().flat_map(|at| from[*at as usize..][..3].to_vec()).collect();
                    for room in [0, 3, 100] {
                        let mut to = vec![0; expected.len() + room];
                        let mut run = Run::over(&mut to);
                        gather(&from, &columns, most as usize, &mut run);
                        assert_eq!(run.written(), expected, "{columns:?}");
                    }
                }
            }
        }
    }
}
