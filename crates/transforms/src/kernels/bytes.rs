//! Pixels of bytes that stay bytes: moved, looked up in tables, counted.

use super::Simd;

#[cfg(target_arch = "x86_64")]
mod v3;

/// A new value for each of the 256 values of a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    levels: [u8; 256],
    /// The same as `(x & and) ^ xor`, where it is that: nothing, an inversion, the upper bits.
    bits: Option<[u8; 2]>,
}

impl Table {
    pub(crate) fn new(levels: [u8; 256]) -> Self {
        let (xor, and) = (levels[0], levels[0] ^ levels[255]);
        let is_bits = (0..=255u8).zip(levels).all(|(x, level)| (x & and) ^ xor == level);
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

/// Looks every byte of `from` up.
pub(crate) fn look_up(simd: Simd, from: &[u8], table: &Table, to: &mut [u8]) {
    if let Some([and, xor]) = table.bits {
        return simd.run(
            #[inline(always)]
            move || to.iter_mut().zip(from).for_each(|(to, x)| *to = (*x & and) ^ xor),
        );
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::look_up(v3, from, &table.levels, to);
    }
    to.iter_mut().zip(from).for_each(|(to, x)| *to = table.levels[usize::from(*x)]);
}

/// Looks pixels of two to four channels up, each channel in its own table.
pub(crate) fn look_up_pixels(from: &[u8], tables: &[Table], to: &mut [u8]) {
    match tables {
        [a, b] => channels(from, [a, b], to),
        [a, b, c] => channels(from, [a, b, c], to),
        [a, b, c, d] => channels(from, [a, b, c, d], to),
        _ => unreachable!("found {} tables, expected 2 to 4", tables.len()),
    }
}

fn channels<const N: usize>(from: &[u8], tables: [&Table; N], to: &mut [u8]) {
    for (to, from) in to.as_chunks_mut::<N>().0.iter_mut().zip(from.as_chunks::<N>().0) {
        *to = std::array::from_fn(|c| tables[c].levels[usize::from(from[c])]);
    }
}

/// Counts how often each level occurs in each channel of pixels, one to four.
pub(crate) fn count(pixels: &[u8], counts: &mut [[u32; 256]]) {
    match counts {
        [a] => count_channels(pixels, [a]),
        [a, b] => count_channels(pixels, [a, b]),
        [a, b, c] => count_channels(pixels, [a, b, c]),
        [a, b, c, d] => count_channels(pixels, [a, b, c, d]),
        _ => unreachable!("found {} channels, expected 1 to 4", counts.len()),
    }
}

fn count_channels<const N: usize>(pixels: &[u8], mut counts: [&mut [u32; 256]; N]) {
    for pixel in pixels.as_chunks::<N>().0 {
        for (counts, x) in counts.iter_mut().zip(pixel) {
            counts[usize::from(*x)] += 1;
        }
    }
}

/// How the pixels of a row are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn<const N: usize> {
    /// Whether the last pixel comes first.
    pub(crate) mirrored: bool,
    /// The channel that each channel takes.
    pub(crate) channels: [u8; N],
}

/// Copies pixels of `N` bytes, up to 4.
pub(crate) fn turn<const N: usize>(simd: Simd, from: &[u8], turn: Turn<N>, to: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = simd.v3() {
        return v3::turn(v3, from, turn, to);
    }
    turn_each(from, turn, to);
}

/// One pixel after the other.
#[inline(always)]
fn turn_each<const N: usize>(from: &[u8], turn: Turn<N>, to: &mut [u8]) {
    let taken = |pixel: &[u8; N]| turn.channels.map(|channel| pixel[usize::from(channel)]);
    let (from, to) = (from.as_chunks::<N>().0.iter(), to.as_chunks_mut::<N>().0.iter_mut());
    match turn.mirrored {
        false => to.zip(from).for_each(|(to, from)| *to = taken(from)),
        true => to.zip(from.rev()).for_each(|(to, from)| *to = taken(from)),
    }
}

/// `to` is channel `channel` of the pixels of `from`.
pub(crate) fn plane(simd: Simd, from: &[u8], channels: usize, channel: usize, to: &mut [u8]) {
    match channels {
        3 => plane_of::<3>(simd, from, channel, to),
        4 => plane_of::<4>(simd, from, channel, to),
        _ => {
            let pixels = from.chunks_exact(channels);
            to.iter_mut().zip(pixels).for_each(|(to, from)| *to = from[channel]);
        }
    }
}

/// Of pixels of `C` channels.
fn plane_of<const C: usize>(simd: Simd, from: &[u8], channel: usize, to: &mut [u8]) {
    let from = from.as_chunks::<C>().0;
    // Known to the compiler, which shuffles vectors then.
    match channel {
        0 => each::<C>(
            simd,
            from,
            to,
            #[inline(always)]
            |pixel| pixel[0],
        ),
        1 => each::<C>(
            simd,
            from,
            to,
            #[inline(always)]
            |pixel| pixel[1],
        ),
        2 => each::<C>(
            simd,
            from,
            to,
            #[inline(always)]
            |pixel| pixel[2],
        ),
        _ => each::<C>(
            simd,
            from,
            to,
            #[inline(always)]
            |pixel| pixel[C - 1],
        ),
    }
}

fn each<const C: usize>(simd: Simd, from: &[[u8; C]], to: &mut [u8], of: impl Fn(&[u8; C]) -> u8) {
    simd.run(
        #[inline(always)]
        move || to.iter_mut().zip(from).for_each(|(to, from)| *to = of(from)),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(n: usize) -> Vec<u8> {
        (0..n).map(|i| (i * 167 + i / 256 * 13) as u8).collect()
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
            for n in [0, 1, 31, 32, 64, 65, 1000] {
                let from = bytes(n);
                let expected: Vec<u8> = from.iter().map(|x| levels[usize::from(*x)]).collect();
                for simd in Simd::levels() {
                    let mut to = vec![7; n];
                    look_up(simd, &from, &table, &mut to);
                    assert_eq!(to, expected);
                }
            }
        }
        assert_eq!(Table::new(std::array::from_fn(|x| x as u8)), Table::IDENTITY);
    }

    #[test]
    fn channels_have_tables_of_their_own() {
        let tables = [1u8, 2, 3].map(|k| Table::new(std::array::from_fn(|x| x as u8 ^ k)));
        let mut row = [0; 6];
        look_up_pixels(&[10, 20, 30, 40, 50, 60], &tables, &mut row);
        assert_eq!(row, [11, 22, 29, 41, 48, 63]);
    }

    #[test]
    fn levels_are_counted_by_channel() {
        let mut counts = [[0; 256]; 3];
        count(&[1, 2, 3, 1, 5, 3], &mut counts);
        assert_eq!([counts[0][1], counts[1][2], counts[1][5], counts[2][3]], [2, 1, 1, 2]);
        assert!(counts.iter().all(|counts| counts.iter().sum::<u32>() == 2));
    }

    fn turns<const N: usize>() {
        let swapped = std::array::from_fn(|c| (N - 1 - c) as u8);
        let kept = std::array::from_fn(|c| c as u8);
        for channels in [kept, swapped, [0; N]] {
            for mirrored in [false, true] {
                for n in [0, 1, 5, 6, 10, 11, 16, 17, 100] {
                    let (from, turning) = (bytes(N * n), Turn { mirrored, channels });
                    let pixel = |i: usize| &from[N * if mirrored { n - 1 - i } else { i }..];
                    let taken = |i| channels.map(|c| pixel(i)[usize::from(c)]);
                    let expected: Vec<u8> = (0..n).flat_map(taken).collect();
                    for simd in Simd::levels() {
                        let mut to = vec![0; N * n];
                        turn(simd, &from, turning, &mut to);
                        assert_eq!(to, expected, "{n} of {N}, {turning:?}");
                    }
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

    #[test]
    fn pixels_are_split() {
        for channels in 1..=5 {
            let from = bytes(17 * channels);
            for (simd, c) in
                Simd::levels().into_iter().flat_map(|s| (0..channels).map(move |c| (s, c)))
            {
                let mut found = [9; 17];
                plane(simd, &from, channels, c, &mut found);
                let expected: Vec<u8> = from.chunks(channels).map(|pixel| pixel[c]).collect();
                assert_eq!(found[..], expected, "channel {c} of {channels}, {simd:?}");
            }
        }
    }
}
