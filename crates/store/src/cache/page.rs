//! A page as a file: a head with sums, and bytes.

use std::ops::Range;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// How many bytes of an object a page has, but for its last.
pub(crate) const PAGE_BYTES: u64 = 1 << 20;

/// What has a sum of its own: a reader of a part of a page checks no more than it must.
const BLOCK_BYTES: usize = 64 << 10;

const BLOCKS: usize = PAGE_BYTES as usize / BLOCK_BYTES;

const MAGIC: &[u8; 8] = b"TALLOWP1";

/// Magic, name, length, sums of blocks, sum of these.
pub(super) const HEAD_BYTES: usize = 8 + 16 + 8 + 8 * BLOCKS + 8;

/// The head of a page.
pub(super) fn head(name: u128, bytes: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    let mut at = 0;
    let mut put = |value: &[u8]| {
        head[at..][..value.len()].copy_from_slice(value);
        at += value.len();
    };
    put(MAGIC);
    put(&name.to_le_bytes());
    put(&(bytes.len() as u64).to_le_bytes());
    for (i, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
        put(&sum(name, i, block).to_le_bytes());
    }
    let own = xxh3_64(&head[..HEAD_BYTES - 8]);
    head[HEAD_BYTES - 8..].copy_from_slice(&own.to_le_bytes());
    head
}

/// Whether a head is one, and of this page.
pub(super) fn is_head(head: &[u8; HEAD_BYTES], name: u128, bytes: usize) -> bool {
    let (rest, own) = head.split_at(HEAD_BYTES - 8);
    own == xxh3_64(rest).to_le_bytes()
        && &rest[..8] == MAGIC
        && rest[8..24] == name.to_le_bytes()
        && rest[24..32] == (bytes as u64).to_le_bytes()
}

/// The whole blocks of a page with so many bytes that `range` touches.
pub(super) fn blocks_around(range: &Range<usize>, bytes: usize) -> Range<usize> {
    let start = range.start / BLOCK_BYTES * BLOCK_BYTES;
    start..range.end.next_multiple_of(BLOCK_BYTES).min(bytes)
}

/// Whether `blocks`, which begin at `start` in their page, have the sums that its head says.
pub(super) fn are_right(head: &[u8; HEAD_BYTES], name: u128, start: usize, blocks: &[u8]) -> bool {
    let first = start / BLOCK_BYTES;
    blocks.chunks(BLOCK_BYTES).enumerate().all(|(i, block)| {
        let at = 32 + 8 * (first + i);
        head[at..at + 8] == sum(name, first + i, block).to_le_bytes()
    })
}

/// Blocks that change places have other sums.
fn sum(name: u128, block: usize, bytes: &[u8]) -> u64 {
    xxh3_64_with_seed(bytes, name as u64 ^ block as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bit_of_a_page_is_seen() {
        for len in [1, BLOCK_BYTES, 2 * BLOCK_BYTES + 5, PAGE_BYTES as usize] {
            let bytes: Vec<u8> = (0..len).map(|i| ((i * i) >> 3) as u8).collect();
            let right = head(7, &bytes);
            assert!(is_head(&right, 7, len) && are_right(&right, 7, 0, &bytes));
            assert!(!is_head(&right, 8, len) && !is_head(&right, 7, len + 1));
            for bit in 0..HEAD_BYTES * 8 {
                let mut wrong = right;
                wrong[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_head(&wrong, 7, len), "bit {bit}");
            }
            for bit in (0..len * 8).step_by(len * 8 / 50 + 1) {
                let mut wrong = bytes.clone();
                wrong[bit / 8] ^= 1 << (bit % 8);
                let block = blocks_around(&(bit / 8..bit / 8 + 1), len);
                assert!(!are_right(&right, 7, block.start, &wrong[block.clone()]), "bit {bit}");
                assert!(are_right(&right, 7, block.start, &bytes[block]));
            }
        }
    }
}
