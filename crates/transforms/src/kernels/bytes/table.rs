//! Bytes as a table of their 256 levels has them.

use tallow_core::Run;

#[cfg(target_arch = "x86_64")]
use super::{v3, vbmi};
use crate::kernels::Simd;

/// A new value for each of the 256 values of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    pub(super) levels: [u8; 256],
    /// The same as `(x & and) ^ xor`, where it is that: nothing, an inversion, the upper bits.
    bits: Option<[u8; 2]>,
}

impl Table {
    pub(crate) fn new(levels: [u8; 256]) -> Self {
        let (xor, and) = (levels[0], levels[0] ^ levels[255]);
        // All of them in vectors, instead of one by one up to the first that differs.
        let differing = |x: usize| (x as u8 & and) ^ xor ^ levels[x];
        let is_bits = (0..256).fold(0, |all, x| all | differing(x)) == 0;
        Self { levels, bits: is_bits.then_some([and, xor]) }
    }

    /// Every level to itself.
    pub(crate) const IDENTITY: Self = {
        let (mut levels, mut x) = ([0; 256], 0);
        while x < 256 {
            levels[x] = x as u8;
            x += 1;
        }
        Self { levels, bits: Some([255, 0]) }
    };

    pub(crate) fn is_identity(&self) -> bool {
        self.bits == Some([255, 0])
    }
}

/// Writes every byte of `from` as `table` has it.
pub(crate) fn look_up(simd: Simd, from: &[u8], table: &Table, to: &mut Run<'_, u8>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return match (table.bits, simd.vbmi()) {
            (Some(bits), _) => v3::change_bits(v3, from, bits, to),
            (None, Some(proof)) => vbmi::look_up(proof, from, [table], to),
            (None, None) => v3::look_up(v3, from, &table.levels, to),
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    look_up_each(from, [table], to);
}

/// Writes pixels of two to four channels, each channel as its own table has it.
pub(crate) fn look_up_pixels(simd: Simd, from: &[u8], tables: &[Table], to: &mut Run<'_, u8>) {
    match tables {
        [a, b] => channels(simd, from, [a, b], to),
        [a, b, c] => channels(simd, from, [a, b, c], to),
        [a, b, c, d] => channels(simd, from, [a, b, c, d], to),
        _ => unreachable!("found {} tables, expected 2 to 4", tables.len()),
    }
}

/// AVX2 looks one table up as fast as a processor loads bytes one by one: three would take three
/// times as long.
fn channels<const N: usize>(simd: Simd, from: &[u8], tables: [&Table; N], to: &mut Run<'_, u8>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(proof) = simd.vbmi() {
        return vbmi::look_up(proof, from, tables, to);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    look_up_each(from, tables, to);
}

/// One pixel after the other.
fn look_up_each<const N: usize>(from: &[u8], tables: [&Table; N], to: &mut Run<'_, u8>) {
    let pixels = from.as_chunks::<N>().0.iter();
    to.extend(pixels.map(|pixel| -> [u8; N] {
        std::array::from_fn(|c| tables[c].levels[usize::from(pixel[c])])
    }));
}

/// Writes `from` in blocks as `of` makes them, the last one of what is left.
#[inline(always)]
pub(super) fn in_blocks<const B: usize>(
    from: &[u8],
    to: &mut Run<'_, u8>,
    mut of: impl FnMut([u8; B]) -> [u8; B],
) {
    let (blocks, rest) = from.as_chunks::<B>();
    to.extend(blocks.iter().map(
        #[inline(always)]
        |block| of(*block),
    ));
    part(rest, to, of);
}

/// The same from where blocks lie on a line of the cache each, which long rows take a tenth less time
/// to write.
#[inline(always)]
pub(super) fn in_aligned_blocks<const B: usize>(
    from: &[u8],
    to: &mut Run<'_, u8>,
    of: impl Fn([u8; B]) -> [u8; B],
) {
    let (first, from) = from.split_at(to.until_aligned(B).min(from.len()));
    part(first, to, &of);
    in_blocks::<B>(from, to, of);
}

/// Writes less than a block.
#[inline(always)]
fn part<const B: usize>(from: &[u8], to: &mut Run<'_, u8>, mut of: impl FnMut([u8; B]) -> [u8; B]) {
    if !from.is_empty() {
        let mut block = [0; B];
        block[..from.len()].copy_from_slice(from);
        to.copy(&of(block)[..from.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    const LENGTHS: [usize; 10] = [0, 1, 31, 32, 63, 64, 65, 128, 191, 1000];

    /// What `write` writes of so many bytes.
    fn written(n: usize, write: impl FnOnce(&mut Run<'_, u8>)) -> Vec<u8> {
        let mut to = vec![7; n];
        let mut run = Run::over(&mut to);
        write(&mut run);
        assert_eq!(run.left(), 0);
        drop(run);
        to
    }

    #[test]
    fn tables_are_looked_up_at_every_level_and_length() {
        let any: [u8; 256] = std::array::from_fn(|x| (x * x / 7 + 3) as u8);
        let inverted = std::array::from_fn(|x| 255 - x as u8);
        let upper = std::array::from_fn(|x| x as u8 & 0xf0);
        let one = [9; 256];
        for levels in [any, inverted, upper, one] {
            let table = Table::new(levels);
            assert_eq!(table.bits.is_none(), levels == any);
            for n in LENGTHS {
                let from = bytes(n);
                let expected: Vec<u8> = from.iter().map(|x| levels[usize::from(*x)]).collect();
                for simd in Simd::levels() {
                    assert_eq!(written(n, |to| look_up(simd, &from, &table, to)), expected);
                }
                assert_eq!(written(n, |to| look_up_each(&from, [&table], to)), expected);
            }
        }
        assert_eq!(Table::new(std::array::from_fn(|x| x as u8)), Table::IDENTITY);
    }

    #[test]
    fn channels_have_tables_of_their_own() {
        let tables = [31u8, 2, 77, 143]
            .map(|k| Table::new(std::array::from_fn(|x| (x as u8).wrapping_mul(k) ^ k)));
        for channels in 2..=4 {
            for pixels in LENGTHS {
                let from = bytes(pixels * channels);
                let level = |(i, x): (usize, &u8)| tables[i % channels].levels[usize::from(*x)];
                let expected: Vec<u8> = from.iter().enumerate().map(level).collect();
                for simd in Simd::levels() {
                    let found = written(from.len(), |to| {
                        look_up_pixels(simd, &from, &tables[..channels], to);
                    });
                    assert_eq!(found, expected, "{pixels} pixels of {channels}, {simd:?}");
                }
            }
        }
    }
}
