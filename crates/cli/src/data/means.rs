//! The mean and the standard deviation of each channel of images, which `normalize` takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;
use tallow::{Field, Layout, RowBuffer, RowDType, Source, SourceError, SourceErrorKind};

use crate::data::pixels::{Pixels, locate};
use crate::machine::threads;

/// Samples that a thread claims at once.
const CLAIM: usize = 4;

/// Exact sums of the values of one channel: of bytes, or of `u16`.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    count: u64,
    sum: u128,
    squares: u128,
}

/// Of one field of images.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Means {
    pub(crate) field: String,
    /// Of each channel, in 0 to 1.
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
    /// Samples that were read.
    pub(crate) samples: usize,
}

/// A field of images whose values are whole numbers.
#[derive(Debug, Clone, Copy)]
struct Image {
    at: usize,
    channels: usize,
    /// Whether the channels of a pixel are next to each other.
    interleaved: bool,
    dtype: RowDType,
}

impl Image {
    fn of(at: usize, field: &Field) -> Option<Self> {
        let decoded = field.decoded();
        let layout = Layout::of(&decoded).ok().filter(|layout| layout.rank() > 1)?;
        let dtype = decoded.dtype();
        let whole = matches!(dtype, RowDType::U8 | RowDType::U16);
        let channels = layout.channel_axis().map_or(1, |axis| decoded.dims()[axis].max());
        whole.then_some(Self { at, channels, interleaved: layout.is_interleaved(), dtype })
    }

    fn white(self) -> f64 {
        if self.dtype == RowDType::U8 { 255.0 } else { 65535.0 }
    }

    fn add(self, bytes: &[u8], sums: &mut [Sums]) {
        match self.dtype {
            RowDType::U8 => self.add_all(bytes.len(), |at| bytes[at].into(), sums),
            _ => {
                let (values, _) = bytes.as_chunks::<2>();
                self.add_all(values.len(), |at| u16::from_ne_bytes(values[at]).into(), sums);
            }
        }
    }

    /// Adds `len` values. A row of `u64` cannot overflow: 2^32 squares of `u16` fit.
    fn add_all(self, len: usize, value: impl Fn(usize) -> u64, sums: &mut [Sums]) {
        let pixels = len / self.channels;
        let (step, start) = if self.interleaved { (self.channels, 1) } else { (1, pixels) };
        for (channel, sums) in sums.iter_mut().enumerate() {
            let (mut sum, mut squares) = (0u64, 0u64);
            for pixel in 0..pixels {
                let value = value(channel * start + pixel * step);
                sum += value;
                squares += value * value;
            }
            sums.count += pixels as u64;
            sums.sum += u128::from(sum);
            sums.squares += u128::from(squares);
        }
    }
}

/// The means of all fields of images in `samples` samples, evenly spread over the source.
///
/// # Errors
///
/// That of the first sample that cannot be read or decoded, or if no field is an image of whole
/// numbers.
pub(crate) fn means(
    source: &dyn Source,
    samples: usize,
    progress: &ProgressBar,
) -> tallow::SourceResult<Vec<Means>> {
    let fields = source.schema().fields();
    let images: Vec<Image> =
        fields.iter().enumerate().filter_map(|(at, field)| Image::of(at, field)).collect();
    if images.is_empty() {
        let message = format!("found {}, expected images of u8 or u16", source.schema());
        return Err(SourceError::new(SourceErrorKind::Config, message));
    }
    let samples = samples.min(source.len());
    let work = Work { source, images: &images, samples, pixels: Pixels::default(), progress };
    let next = AtomicUsize::new(0);
    let mut all: Vec<Vec<Sums>> = work.zeros();
    for of_thread in threads::share(threads::cores(), || work.claimed(&next)) {
        let panicked = || SourceError::new(SourceErrorKind::User, "a reading thread panicked");
        let of_thread = of_thread.ok_or_else(panicked)??;
        for (all, of_thread) in all.iter_mut().flatten().zip(of_thread.iter().flatten()) {
            all.count += of_thread.count;
            all.sum += of_thread.sum;
            all.squares += of_thread.squares;
        }
    }
    let of = |(image, sums): (&Image, &Vec<Sums>)| {
        let (mean, deviation) = sums.iter().map(|sums| sums.scaled(image.white())).unzip();
        Means { field: fields[image.at].name().to_owned(), mean, deviation, samples }
    };
    Ok(images.iter().zip(&all).map(of).collect())
}

struct Work<'a> {
    source: &'a dyn Source,
    images: &'a [Image],
    samples: usize,
    pixels: Pixels,
    progress: &'a ProgressBar,
}

impl Work<'_> {
    fn zeros(&self) -> Vec<Vec<Sums>> {
        self.images.iter().map(|image| vec![Sums::default(); image.channels]).collect()
    }

    /// Sums up samples until all are claimed.
    fn claimed(&self, next: &AtomicUsize) -> tallow::SourceResult<Vec<Vec<Sums>>> {
        let mut sums = self.zeros();
        let mut buffer = RowBuffer::new(self.source.schema())?;
        loop {
            let start = next.fetch_add(CLAIM, Ordering::Relaxed);
            let claimed = start..self.samples.min(start.saturating_add(CLAIM));
            if claimed.is_empty() {
                return Ok(sums);
            }
            self.progress.inc(claimed.len() as u64);
            for at in claimed {
                // In `u128`, so that the product cannot overflow.
                let index =
                    (at as u128 * self.source.len() as u128 / self.samples as u128) as usize;
                self.sample(index, &mut buffer, &mut sums).map_err(|error| {
                    // The others find nothing to do.
                    next.store(self.samples, Ordering::Relaxed);
                    locate(error, self.source, index)
                })?;
            }
        }
    }

    fn sample(
        &self,
        index: usize,
        buffer: &mut RowBuffer,
        sums: &mut [Vec<Sums>],
    ) -> tallow::SourceResult<()> {
        self.source.read(index, &mut buffer.row(None))?;
        buffer.finish()?;
        for (image, sums) in self.images.iter().zip(sums) {
            let row = buffer.view();
            let decoded = self.pixels.decode(row, image.at, |_, of| image.add(of.bytes, sums))?;
            if decoded.is_none() {
                image.add(row.field(image.at).bytes(), sums);
            }
        }
        Ok(())
    }
}

impl Sums {
    /// The mean and the standard deviation, of all pixels alike, with `white` as 1. The variance is a
    /// difference of whole numbers, which is exact, and rounded once.
    fn scaled(&self, white: f64) -> (f64, f64) {
        let count = u128::from(self.count.max(1));
        let spread = count.saturating_mul(self.squares).saturating_sub(self.sum * self.sum);
        let count = count as f64;
        (self.sum as f64 / count / white, (spread as f64).sqrt() / count / white)
    }
}

#[cfg(test)]
mod tests {
    use tallow::Memory;
    use tallow::candle::{Device, Tensor};

    use super::*;

    #[test]
    fn planes_and_pixels_have_the_same_means_whatever_the_threads() {
        let image: Vec<u8> = (0..2 * 3 * 6 * 5).map(|at| (at * 37 % 256) as u8).collect();
        let planes = Tensor::from_vec(image.clone(), (2, 3, 6, 5), &Device::Cpu).unwrap();
        let pixels = planes.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
        let source = Memory::new([("planes", planes), ("pixels", pixels)]).unwrap();
        let found = means(&source, usize::MAX, &ProgressBar::hidden()).unwrap();
        assert_eq!((found[0].mean.len(), found[0].samples), (3, 2));
        assert_eq!((&found[0].mean, &found[0].deviation), (&found[1].mean, &found[1].deviation));
        let first: Vec<f64> = (0..2)
            .flat_map(|sample| image[sample * 90..][..30].iter().map(|&v| v.into()))
            .collect();
        let mean = first.iter().sum::<f64>() / 60.0;
        let variance = first.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 60.0;
        assert!((found[0].mean[0] - mean / 255.0).abs() < 1e-12);
        assert!((found[0].deviation[0] - variance.sqrt() / 255.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let labels = Tensor::arange(0i64, 3, &Device::Cpu).unwrap();
        let source = Memory::new([("label", labels)]).unwrap();
        let error = means(&source, 3, &ProgressBar::hidden()).unwrap_err();
        assert!(error.message().contains("expected images"), "{error}");
    }
}
