//! Where the numbers of a channel lie in a row.

use super::moments::BLOCK;

/// A row as its channels see it: `outer` times `channels` runs of `inner` numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Channels {
    outer: usize,
    channels: usize,
    inner: usize,
}

impl Channels {
    /// Of a row of `shape`, whose channels are axis `axis`, or which is one.
    pub(super) fn of(shape: &[usize], axis: Option<usize>) -> Self {
        match axis {
            None => Self { outer: 1, channels: 1, inner: shape.iter().product() },
            Some(axis) => Self {
                outer: shape[..axis].iter().product(),
                channels: shape[axis],
                inner: shape[axis + 1..].iter().product(),
            },
        }
    }

    /// Calls `each` with the number of a channel and a block of its numbers, until all were there.
    /// Long runs are handed over where they lie; short ones are gathered.
    pub(super) fn blocks<T: Copy + Default>(self, values: &[T], mut each: impl FnMut(usize, &[T])) {
        let Self { channels, inner, .. } = self;
        if values.is_empty() {
            return;
        }
        if inner >= BLOCK || channels == 1 {
            let runs = values.chunks(inner * if channels == 1 { self.outer } else { 1 });
            runs.enumerate().for_each(|(run, values)| each(run % channels, values));
            return;
        }
        let mut gathered = [T::default(); BLOCK];
        // A tile of pixels at a time, so that each number is fetched from memory once.
        let pixels = BLOCK / inner;
        for tile in values.chunks(pixels * channels * inner) {
            let pixels = tile.len() / (channels * inner);
            for channel in 0..channels {
                let to = &mut gathered[..pixels * inner];
                let pixels = tile.chunks_exact(channels * inner);
                match (inner, channels) {
                    (1, 2) => gather::<T, 2>(tile, channel, to),
                    (1, 3) => gather::<T, 3>(tile, channel, to),
                    (1, 4) => gather::<T, 4>(tile, channel, to),
                    _ => {
                        for (to, from) in to.chunks_exact_mut(inner).zip(pixels) {
                            to.copy_from_slice(&from[channel * inner..][..inner]);
                        }
                    }
                }
                each(channel, to);
            }
        }
    }
}

/// One of `N` numbers of each pixel.
fn gather<T: Copy, const N: usize>(tile: &[T], channel: usize, to: &mut [T]) {
    assert!(channel < N, "a channel of the pixels");
    let (pixels, _) = tile.as_chunks::<N>();
    to.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = pixel[channel]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_its_channel_once() {
        let shapes: [(&[usize], Option<usize>); 8] = [
            (&[3, 5000], Some(0)),
            (&[3, 70, 50], Some(0)),
            (&[2, 3, 4], Some(1)),
            (&[5000, 3], Some(1)),
            (&[70, 70, 4], Some(2)),
            (&[9, 9], None),
            (&[], None),
            (&[0, 3], Some(1)),
        ];
        for (shape, axis) in shapes {
            let len: usize = shape.iter().product();
            let values: Vec<u32> = (0..len as u32).collect();
            let inner: usize = axis.map_or(len, |axis| shape[axis + 1..].iter().product());
            let channels = axis.map_or(1, |axis| shape[axis]);
            let mut seen = vec![0; len];
            Channels::of(shape, axis).blocks(&values, |channel, block| {
                for &value in block {
                    assert_eq!(value as usize / inner.max(1) % channels, channel, "{shape:?}");
                    seen[value as usize] += 1;
                }
            });
            assert!(seen.iter().all(|&times| times == 1), "{shape:?}");
        }
    }
}
