//! Channels of pixels, apart.

use crate::kernels::Simd;

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
    use super::super::bytes;
    use super::*;

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
