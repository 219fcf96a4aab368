//! Rows whose pixels are mirrored, or whose channels change places.

use std::ops::Range;

use tallow_core::Run;

#[cfg(target_arch = "x86_64")]
use super::{v3, vbmi};
use crate::kernels::Simd;

/// The most bytes of a pixel that is turned.
const BYTES_MAX: usize = 4;

/// How the pixels of rows are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    mirrored: bool,
    /// The channel that each channel takes.
    channels: [u8; BYTES_MAX],
    len: usize,
}

impl Turn {
    /// Of pixels of as many channels as `channels`, each of which takes the one that is there;
    /// `mirrored` ones from the last to the first.
    pub(crate) fn new(mirrored: bool, channels: &[u8]) -> Self {
        let mut all = [0; BYTES_MAX];
        all[..channels.len()].copy_from_slice(channels);
        Self { mirrored, channels: all, len: channels.len() }
    }

    pub(super) fn is_mirrored(&self) -> bool {
        self.mirrored
    }

    /// The byte that each byte of a block of pixels of `N` channels takes, inside of what is compiled
    /// for a level: sums that vectors make, where a byte at a time would take as long as a row.
    #[inline(always)]
    pub(super) fn order<const N: usize, const B: usize>(&self, places: &Places<B>) -> [u8; B] {
        std::array::from_fn(
            #[inline(always)]
            |i| {
                let taken = |c: usize| places.of_channel[c][i] & self.channels[c];
                places.pixel[i] + (0..N).map(taken).sum::<u8>()
            },
        )
    }
}

/// Where the pixels of a block lie whose bytes are written, and of which channel each byte is.
pub(super) struct Places<const B: usize> {
    /// Where the pixel of each byte begins.
    pixel: [u8; B],
    /// All bits of the bytes that are of each channel.
    of_channel: [[u8; B]; BYTES_MAX],
}

impl<const B: usize> Places<B> {
    /// Of a block whose pixels of `N` channels are whole, the first or, where it is mirrored, the last
    /// of what is read.
    pub(super) const fn of<const N: usize>(mirrored: bool) -> Self {
        let mut made = Self::behind::<N>(0, 0);
        let mut i = 0;
        while i < B {
            let pixel = i / N;
            made.pixel[i] = match (mirrored, pixel < B / N) {
                (true, true) => (B - (pixel + 1) * N) as u8,
                (true, false) => 0,
                (false, _) => (pixel * N) as u8,
            };
            i += 1;
        }
        made
    }

    /// Of a block that begins with byte `first` of those that are written, and reads from byte `from`
    /// of those that they are of.
    pub(super) const fn behind<const N: usize>(first: usize, from: usize) -> Self {
        let mut made = Self { pixel: [0; B], of_channel: [[0; B]; BYTES_MAX] };
        let mut i = 0;
        while i < B {
            made.pixel[i] = ((first + i) / N * N).wrapping_sub(from) as u8;
            made.of_channel[(first + i) % N][i] = 0xff;
            i += 1;
        }
        made
    }
}

/// Rows that lie alike, and what lies around them, which may be read to no end.
#[derive(Debug, Clone)]
pub(crate) struct Lies<'a> {
    pub(crate) bytes: &'a [u8],
    /// Where the first row lies in them.
    pub(crate) first: Range<usize>,
    /// Bytes from a row to the next.
    pub(crate) step: isize,
    /// How many rows there are.
    pub(crate) count: usize,
}

impl<'a> Lies<'a> {
    /// A row with nothing around it.
    pub(crate) fn alone(bytes: &'a [u8]) -> Self {
        Self::one(bytes, 0..bytes.len())
    }

    /// A row.
    pub(crate) fn one(bytes: &'a [u8], first: Range<usize>) -> Self {
        Self { bytes, first, step: 0, count: 1 }
    }

    /// Where a row lies.
    #[inline(always)]
    pub(crate) fn range(&self, row: usize) -> Range<usize> {
        let start = (self.first.start as isize + row as isize * self.step) as usize;
        start..start + self.first.len()
    }

    /// One of the rows.
    pub(crate) fn only(&self, row: usize) -> Self {
        Self::one(self.bytes, self.range(row))
    }

    /// The rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        (0..self.count).map(|row| &self.bytes[self.range(row)])
    }
}

/// Writes rows of whole pixels.
pub(crate) fn turn(simd: Simd, from: &Lies<'_>, turn: &Turn, to: &mut Run<'_, u8>) {
    match turn.len {
        1 => turn_pixels::<1>(simd, from, turn, to),
        2 => turn_pixels::<2>(simd, from, turn, to),
        3 => turn_pixels::<3>(simd, from, turn, to),
        4 => turn_pixels::<4>(simd, from, turn, to),
        len => unreachable!("found pixels of {len} bytes, expected 1 to 4"),
    }
}

fn turn_pixels<const N: usize>(simd: Simd, from: &Lies<'_>, turn: &Turn, to: &mut Run<'_, u8>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return match simd.vbmi() {
            Some(proof) => vbmi::turn::<N>(proof, from, turn, to),
            None => v3::turn::<N>(v3, from, turn, to),
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = simd;
    from.rows().for_each(|row| turn_each::<N>(row, turn, to));
}

/// One pixel after the other.
fn turn_each<const N: usize>(from: &[u8], turn: &Turn, to: &mut Run<'_, u8>) {
    let taken = |pixel: &[u8; N]| std::array::from_fn(|c| pixel[usize::from(turn.channels[c])]);
    let from = from.as_chunks::<N>().0.iter();
    match turn.mirrored {
        false => to.extend::<N>(from.map(taken)),
        true => to.extend::<N>(from.rev().map(taken)),
    }
}

/// Bytes from which on a row is copied by the call of the platform, which aligns its stores; a call
/// for fewer takes as long as their copy.
const LONG: usize = 256;

/// Copies rows.
pub(crate) fn copy(simd: Simd, from: &Lies<'_>, to: &mut Run<'_, u8>) {
    if from.first.len() >= LONG || from.count == 1 {
        return from.rows().for_each(|row| to.copy(row));
    }
    simd.run(
        #[inline(always)]
        || {
            in_blocks::<64, 64>(
                from,
                false,
                to,
                #[inline(always)]
                |block| block,
            );
        },
    );
}

/// Copies one row in such a way, inside of what is compiled for a level.
#[inline(always)]
pub(crate) fn copy_row(from: &Lies<'_>, to: &mut Run<'_, u8>) {
    match from.first.len() >= LONG {
        true => to.copy(&from.bytes[from.first.clone()]),
        false => row_in_blocks::<64, 64>(
            from.bytes,
            from.first.clone(),
            false,
            to,
            #[inline(always)]
            |block| block,
        ),
    }
}

/// Writes rows in blocks of `B` bytes as `of` makes them; see [`row_in_blocks`].
///
/// A row of 224 pixels is eleven blocks: what each row asks before them is asked once for all those
/// around which there is enough to be read and written. A mirrored image takes 3.9 us so instead of
/// 5.3, where its bytes alone take 3.
#[inline(always)]
pub(super) fn in_blocks<const B: usize, const KEPT: usize>(
    from: &Lies<'_>,
    mirrored: bool,
    to: &mut Run<'_, u8>,
    of: impl Fn([u8; B]) -> [u8; B],
) {
    // In variables of its own, since what is written could be of `from` as far as a compiler knows.
    let from = from.clone();
    let Range { start: first, end } = whole_rows::<B, KEPT>(&from, mirrored, to.left());
    for row in 0..first {
        row_in_blocks::<B, KEPT>(from.bytes, from.range(row), mirrored, to, &of);
    }
    let blocks = from.first.len().saturating_sub(1) / KEPT;
    let last = from.first.len() - blocks * KEPT;
    let step = if mirrored { KEPT.wrapping_neg() } else { KEPT };
    let mut put = to.blocks();
    for row in first..end {
        let range = from.range(row);
        let mut at = if mirrored { range.end - B } else { range.start };
        for _ in 0..blocks {
            put.put(of(block(from.bytes, at)), KEPT);
            at = at.wrapping_add(step);
        }
        put.put(of(block(from.bytes, at)), last);
    }
    drop(put);
    for row in end..from.count {
        row_in_blocks::<B, KEPT>(from.bytes, from.range(row), mirrored, to, &of);
    }
}

/// The rows that [`in_blocks`] can make of nothing but blocks, if so many bytes can be written: those
/// at an end of the image may lack what the first or the last block of a row reads or writes beside
/// it.
fn whole_rows<const B: usize, const KEPT: usize>(
    from: &Lies<'_>,
    mirrored: bool,
    left: usize,
) -> Range<usize> {
    let len = from.first.len();
    if len == 0 {
        return 0..0;
    }
    // What the blocks of a row cover.
    let span = (len - 1) / KEPT * KEPT + B;
    let reads = |row: usize| match mirrored {
        true => from.range(row).end >= span,
        false => from.range(row).start + span <= from.bytes.len(),
    };
    let written = left.checked_sub(span).map_or(0, |left| left / len + 1);
    let (mut first, mut end) = (0, from.count.min(written));
    while first < end && !reads(first) {
        first += 1;
    }
    while first < end && !reads(end - 1) {
        end -= 1;
    }
    first..end
}

#[inline(always)]
fn block<const B: usize>(bytes: &[u8], first: usize) -> [u8; B] {
    *bytes[first..].first_chunk().expect("a block")
}

/// Writes a row in blocks of `B` bytes as `of` shuffles them, of each of which `KEPT` are whole pixels.
///
/// What is read of a block beside those, and what is written, lies in the rows around: three channels
/// do not fill a vector. Only at the ends of an image bytes are copied to make a block.
#[inline(always)]
pub(super) fn row_in_blocks<const B: usize, const KEPT: usize>(
    bytes: &[u8],
    Range { start, end }: Range<usize>,
    mirrored: bool,
    to: &mut Run<'_, u8>,
    of: impl Fn([u8; B]) -> [u8; B],
) {
    let bytes = &bytes[..if mirrored { end } else { bytes.len() }];
    let fitting = |room: usize| room.checked_sub(B).map_or(0, |room| room / KEPT + 1);
    let read = if mirrored { end } else { bytes.len() - start };
    let blocks = ((end - start) / KEPT).min(fitting(read)).min(fitting(to.left()));
    to.extend_overlapping::<B, KEPT>((0..blocks).map(
        #[inline(always)]
        |at| of(block(bytes, if mirrored { end - at * KEPT - B } else { start + at * KEPT })),
    ));
    let (mut start, mut end) = match mirrored {
        false => (start + blocks * KEPT, end),
        true => (start, end - blocks * KEPT),
    };
    while start < end {
        let len = KEPT.min(end - start);
        let lies = if mirrored { end.checked_sub(B) } else { Some(start) };
        let made = of(match lies.filter(|first| first + B <= bytes.len()) {
            Some(first) => block(bytes, first),
            None => {
                let mut block = [0; B];
                let part = if mirrored { B - len..B } else { 0..len };
                let first = if mirrored { end - len } else { start };
                block[part].copy_from_slice(&bytes[first..][..len]);
                block
            }
        });
        match to.left() >= B {
            true => to.put(made, len),
            false => to.copy(&made[..len]),
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
                for n in [0, 1, 5, 6, 10, 11, 16, 17, 20, 21, 22, 42, 64, 100, 1100] {
                    turns_everywhere(n, mirrored, channels);
                }
            }
        }
    }

    /// Rows of `n` pixels, with more and less around what is read, and behind what is written.
    fn turns_everywhere<const N: usize>(n: usize, mirrored: bool, channels: [u8; N]) {
        for around in [[0, 0, 0], [3, 2, 1], [100, 0, 100], [0, 100, 100], [100, 100, 0]] {
            let [before, behind, room] = around;
            let (len, apart) = (N * n, N * n + 5);
            let all = bytes(before + 2 * apart + len + behind);
            let turning = Turn::new(mirrored, &channels);
            for (first, step) in [(before, apart as isize), (before + 2 * apart, -(apart as isize))]
            {
                let lies = Lies { bytes: &all, first: first..first + len, step, count: 3 };
                let mut expected = Vec::new();
                for from in lies.rows() {
                    let pixel = |i: usize| &from[N * if mirrored { n - 1 - i } else { i }..];
                    let taken = |i| channels.map(|c| pixel(i)[usize::from(c)]);
                    expected.extend((0..n).flat_map(taken));
                }
                for simd in Simd::levels() {
                    let written = |write: &dyn Fn(&mut Run<'_, u8>)| {
                        let mut to = vec![0; expected.len() + room];
                        let mut run = Run::over(&mut to);
                        write(&mut run);
                        run.written().to_vec()
                    };
                    let turned = written(&|to| turn(simd, &lies, &turning, to));
                    assert_eq!(turned, expected, "{n} of {N} in {around:?}, {turning:?}");
                    let copied = lies.rows().flatten().copied().collect::<Vec<_>>();
                    assert_eq!(written(&|to| copy(simd, &lies, to)), copied);
                    let first = lies.only(0);
                    let row = first.rows().flatten().copied().collect::<Vec<_>>();
                    assert_eq!(written(&|to| copy_row(&first, to)), row);
                }
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
