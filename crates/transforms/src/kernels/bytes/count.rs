//! How often levels occur.

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

/// Pixels that are counted apart from each other. Where neighbours are alike, each count would
/// wait for the one before it to be stored.
const APART: usize = 4;

/// Pixels that are too few to add counts up for.
const FEW: usize = 4096;

fn count_channels<const N: usize>(pixels: &[u8], mut counts: [&mut [u32; 256]; N]) {
    let (pixels, _) = pixels.as_chunks::<N>();
    let (blocks, rest) = pixels.as_chunks::<APART>();
    if pixels.len() < FEW {
        return pixels.iter().for_each(|pixel| count_pixel(pixel, &mut counts));
    }
    let mut apart = [[[0u32; 256]; N]; APART];
    for block in blocks {
        for (pixel, counts) in block.iter().zip(&mut apart) {
            count_pixel(pixel, &mut counts.each_mut());
        }
    }
    rest.iter().for_each(|pixel| count_pixel(pixel, &mut counts));
    for (c, counts) in counts.into_iter().enumerate() {
        for (level, count) in counts.iter_mut().enumerate() {
            *count += apart.iter().map(|counts| counts[c][level]).sum::<u32>();
        }
    }
}

#[inline(always)]
fn count_pixel<const N: usize>(pixel: &[u8; N], counts: &mut [&mut [u32; 256]; N]) {
    for (counts, x) in counts.iter_mut().zip(pixel) {
        counts[usize::from(*x)] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes;
    use super::*;

    #[test]
    fn levels_are_counted_by_channel() {
        let mut counts = [[0; 256]; 3];
        count(&[1, 2, 3, 1, 5, 3], &mut counts);
        assert_eq!([counts[0][1], counts[1][2], counts[1][5], counts[2][3]], [2, 1, 1, 2]);
        assert!(counts.iter().all(|counts| counts.iter().sum::<u32>() == 2));
    }

    #[test]
    fn many_pixels_are_counted_as_one_after_the_other() {
        for channels in 1..=4 {
            for pixels in [FEW - 1, FEW, FEW + 3] {
                let from = bytes(pixels * channels);
                let mut counts = vec![[1; 256]; channels];
                count(&from, &mut counts);
                let mut expected = vec![[1; 256]; channels];
                for (i, x) in from.iter().enumerate() {
                    expected[i % channels][usize::from(*x)] += 1;
                }
                assert_eq!(counts, expected, "{pixels} pixels of {channels}");
            }
        }
    }
}
