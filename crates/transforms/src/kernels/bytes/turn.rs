//! Rows whose pixels are mirrored, or whose channels change places.

use std::ops::Range;

use tallow_core::Run;

#[cfg(target_arch = "x86_64")]
use super::{v3, vbmi};
use crate::kernels::Simd;

/// How the pixels of a row are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn<const N: usize> {
    /// Whether the last pixel comes first.
    pub(crate) mirrored: bool,
    /// The channel that each channel takes.
    pub(crate) channels: [u8; N],
}

/// A row, and what lies around it, which may be read to no end.
#[derive(Debug, Clone)]
pub(crate) struct Lies<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the row lies in them.
    pub(crate) range: Range<usize>,
}

impl<'a> Lies<'a> {
    /// A row with nothing around it.
    pub(crate) fn alone(bytes: &'a [u8]) -> Self {
        Self { bytes, range: 0..bytes.len() }
    }

    /// The row.
    pub(crate) fn row(&self) -> &'a [u8] {
        &self.bytes[self.range.clone()]
    }
}

/// Writes pixels of `N` bytes, up to 4.
pub(crate) fn turn<const N: usize>(
    simd: Simd,
    from: Lies<'_>,
    turn: Turn<N>,
    to: &mut Run<'_, u8>,
) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return match simd.vbmi() {
            Some(proof) => vbmi::turn(proof, from, turn, to),
            None => v3::turn(v3, from, turn, to),
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    turn_each(from.row(), turn, to);
}

/// One pixel after the other.
fn turn_each<const N: usize>(from: &[u8], turn: Turn<N>, to: &mut Run<'_, u8>) {
    let taken = |pixel: &[u8; N]| turn.channels.map(|channel| pixel[usize::from(channel)]);
    let from = from.as_chunks::<N>().0.iter();
    match turn.mirrored {
        false => to.extend(from.map(taken)),
        true => to.extend(from.rev().map(taken)),
    }
}

impl<const N: usize> Turn<N> {
    /// The byte that each byte of a block takes, of which `kept` are whole pixels: the first, or
    /// where it is mirrored the last of what is read.
    pub(super) fn order<const B: usize>(&self, kept: usize) -> [u8; B] {
        std::array::from_fn(|i| {
            let (pixel, channel) = (i / N, i % N);
            match self.mirrored {
                _ if i >= kept => 0,
                false => (pixel * N) as u8 + self.channels[channel],
                true => (B - (pixel + 1) * N) as u8 + self.channels[channel],
            }
        })
    }
}

/// Writes a row in blocks of `B` bytes as `of` shuffles them, of each of which `KEPT` are whole pixels.
///
/// What is read of a block beside those, and what is written, lies in the rows around: three channels
/// do not fill a vector. Only at the ends of an image bytes are copied to make a block.
#[inline(always)]
pub(super) fn in_blocks<const B: usize, const KEPT: usize>(
    from: &Lies<'_>,
    mirrored: bool,
    to: &mut Run<'_, u8>,
    of: impl Fn([u8; B]) -> [u8; B],
) {
    let Lies { bytes, range: Range { start, end } } = from.clone();
    let bytes = &bytes[..if mirrored { end } else { bytes.len() }];
    let fitting = |room: usize| room.checked_sub(B).map_or(0, |room| room / KEPT + 1);
    let read = if mirrored { end } else { bytes.len() - start };
    let blocks = ((end - start) / KEPT).min(fitting(read)).min(fitting(to.left()));
    let load = |first: usize| -> [u8; B] { *bytes[first..].first_chunk().expect("a block") };
    to.extend_overlapping::<B, KEPT>((0..blocks).map(
        #[inline(always)]
        |block| of(load(if mirrored { end - block * KEPT - B } else { start + block * KEPT })),
    ));
    let (mut start, mut end) = match mirrored {
        false => (start + blocks * KEPT, end),
        true => (start, end - blocks * KEPT),
    };
    while start < end {
        let len = KEPT.min(end - start);
        let lies = if mirrored { end.checked_sub(B) } else { Some(start) };
        let block = match lies.filter(|first| first + B <= bytes.len()) {
            Some(first) => load(first),
            None => {
                let mut block = [0; B];
                let part = if mirrored { B - len..B } else { 0..len };
                let first = if mirrored { end - len } else { start };
                block[part].copy_from_slice(&bytes[first..][..len]);
                block
            }
        };
        match to.left() >= B {
            true => to.put(of(block), len),
            false => to.copy(&of(block)[..len]),
        }
        (start, end) = if mirrored { (start, end - len) } else { (start + len, end) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    fn turns<const N: usize>() {
        let swapped = std::array::from_fn(|c| (N - 1 - c) as u8);
        let kept = std::array::from_fn(|c| c as u8);
        for channels in [kept, swapped, [0; N]] {
            for mirrored in [false, true] {
                for n in [0, 1, 5, 6, 10, 11, 16, 17, 20, 21, 22, 42, 64, 100] {
                    turns_everywhere(n, Turn { mirrored, channels });
                }
            }
        }
    }

    /// Of `n` pixels, with more and less around what is read, and behind what is written.
    fn turns_everywhere<const N: usize>(n: usize, turning: Turn<N>) {
        for around in [[0, 0, 0], [3, 2, 1], [100, 0, 100], [0, 100, 100], [100, 100, 0]] {
            let [before, behind, room] = around;
            let all = bytes(before + N * n + behind);
            let lies = Lies { bytes: &all, range: before..before + N * n };
            let from = lies.row();
            let pixel = |i: usize| &from[N * if turning.mirrored { n - 1 - i } else { i }..];
            let taken = |i| turning.channels.map(|c| pixel(i)[usize::from(c)]);
            let expected: Vec<u8> = (0..n).flat_map(taken).collect();
            let mut to = vec![0; N * n + room];
            let mut check = |turn: &dyn Fn(&mut Run<'_, u8>)| {
                let mut run = Run::over(&mut to);
                turn(&mut run);
                assert_eq!(run.written(), expected, "{n} of {N} in {around:?}, {turning:?}");
            };
            for simd in Simd::levels() {
                check(&|to| turn(simd, lies.clone(), turning, to));
            }
        }
    }

    #[test]
    fn pixels_are_turned_at_every_level() {
        turns::<1>();
        turns::<2>();
        turns::<3>();
        turns::<4>();
    }
}
