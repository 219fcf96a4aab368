//! Bytes that are moved.

use super::Simd;

/// `to` is the pixels of `from` in reverse.
pub(crate) fn reverse(simd: Simd, from: &[u8], channels: usize, to: &mut [u8]) {
    match channels {
        #[cfg(target_arch = "x86_64")]
        3 if simd.v3().is_some() => v3::reverse_rgb(simd, from, to),
        1 => reverse_of::<1>(simd, from, to),
        3 => reverse_of::<3>(simd, from, to),
        4 => reverse_of::<4>(simd, from, to),
        _ => {
            let pixels = from.chunks_exact(channels).rev();
            to.chunks_exact_mut(channels)
                .zip(pixels)
                .for_each(|(to, from)| to.copy_from_slice(from));
        }
    }
}

/// Pixels of `C` channels.
fn reverse_of<const C: usize>(simd: Simd, from: &[u8], to: &mut [u8]) {
    let (from, to) = (from.as_chunks::<C>().0, to.as_chunks_mut::<C>().0);
    simd.run(
        #[inline(always)]
        move || to.iter_mut().zip(from.iter().rev()).for_each(|(to, from)| *to = *from),
    );
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

#[cfg(target_arch = "x86_64")]
mod v3 {
    use std::arch::x86_64::__m128i;

    use pulp::cast;
    use pulp::x86::V3;

    use super::Simd;

    /// Five pixels in reverse, and a byte that does not count.
    const ORDER: [u8; 16] = [12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2, 15];

    const FIVE: usize = 15;

    pub(super) fn reverse_rgb(simd: Simd, from: &[u8], to: &mut [u8]) {
        let Some(v3) = simd.v3() else { return };
        let blocks = from.len().saturating_sub(1) / FIVE;
        let (rest, last) = to.split_at_mut(from.len() - blocks * FIVE);
        simd.run(
            #[inline(always)]
            || blocks_of_five(v3, from, last),
        );
        let pixels = from[blocks * FIVE..].as_chunks::<3>().0.iter().rev();
        rest.as_chunks_mut::<3>().0.iter_mut().zip(pixels).for_each(|(to, from)| *to = *from);
    }

    #[inline(always)]
    fn blocks_of_five(v3: V3, from: &[u8], to: &mut [u8]) {
        for (block, to) in to.as_chunks_mut::<FIVE>().0.iter_mut().rev().enumerate() {
            let five: [u8; 16] = *from[block * FIVE..][..16].first_chunk().expect("sixteen");
            let order: __m128i = cast(ORDER);
            let turned: [u8; 16] = cast(v3.ssse3._mm_shuffle_epi8(cast(five), order));
            to.copy_from_slice(&turned[..FIVE]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_turned_round_and_split() {
        for channels in 1..=5 {
            for n in [0, 1, 2, 4, 5, 6, 10, 11, 16, 17, 224] {
                let from: Vec<u8> = (0..n * channels).map(|i| (i * 31 % 251) as u8).collect();
                let turned: Vec<u8> = from.chunks(channels).rev().flatten().copied().collect();
                for simd in Simd::levels() {
                    let mut to = vec![9; n * channels];
                    reverse(simd, &from, channels, &mut to);
                    assert_eq!(to, turned, "{n} pixels of {channels}, {simd:?}");
                    for c in 0..channels {
                        let mut found = vec![9; n];
                        plane(simd, &from, channels, c, &mut found);
                        let expected: Vec<u8> = from.chunks(channels).map(|p| p[c]).collect();
                        assert_eq!(found, expected, "channel {c} of {channels}, {simd:?}");
                    }
                }
            }
        }
    }
}
