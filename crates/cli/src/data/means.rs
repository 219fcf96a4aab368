//! The mean and the standard deviation of each channel of images, which `normalize` takes.

use std::sync::Arc;

use indicatif::ProgressBar;
use tallow::{
    FieldStatistics, Layout, RowDType, Source, SourceError, SourceErrorKind, SourceExt as _,
};

use crate::terminal::exit::Result;

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

/// The means of all fields of images in `samples` samples, evenly spread over the source.
///
/// # Errors
///
/// That of the first sample that cannot be read or decoded, or if no field is an image of whole
/// numbers.
pub(crate) fn means(
    source: Arc<dyn Source>,
    samples: usize,
    progress: &ProgressBar,
) -> Result<Vec<Means>> {
    let schema = source.schema().decoded()?;
    let is_image = |field: &tallow::Field| {
        let is_whole = matches!(field.dtype(), RowDType::U8 | RowDType::U16);
        is_whole && Layout::of(field).is_ok_and(|layout| layout.rank() > 1)
    };
    let images: Vec<usize> =
        (0..schema.fields().len()).filter(|&at| is_image(&schema.fields()[at])).collect();
    if images.is_empty() {
        let message = format!("found {schema}, expected images of u8 or u16");
        return Err(SourceError::new(SourceErrorKind::Config, message).into());
    }
    let (samples, len) = (samples.min(source.len()), source.len());
    // In `u128`, so that the product cannot overflow.
    let spread = |at: usize| (at as u128 * len as u128 / samples as u128) as usize;
    let source: Box<dyn Source> = match samples == len {
        true => Box::new(source.select(images)?),
        false => Box::new(source.subset((0..samples).map(spread))?.select(images)?),
    };
    let bar = progress.clone();
    let found = tallow::stats(source).progress(move |samples| bar.inc(samples as u64)).run()?;
    Ok(found.fields().iter().filter_map(|of| Means::of(of, samples)).collect())
}

impl Means {
    fn of(of: &FieldStatistics, samples: usize) -> Option<Self> {
        let (mean, deviation) = of.normalization()?;
        Some(Self { field: of.field().name().to_owned(), mean, deviation, samples })
    }
}

#[cfg(test)]
mod tests {
    use tallow::Memory;
    use tallow::candle::{Device, Tensor};

    use super::*;

    #[test]
    fn planes_and_pixels_have_the_same_means() {
        let image: Vec<u8> = (0..2 * 3 * 6 * 5).map(|at| (at * 37 % 256) as u8).collect();
        let planes = Tensor::from_vec(image.clone(), (2, 3, 6, 5), &Device::Cpu).unwrap();
        let pixels = planes.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
        let source = Memory::new([("planes", planes), ("pixels", pixels)]).unwrap();
        let found = means(Arc::new(source), usize::MAX, &ProgressBar::hidden()).unwrap();
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
        let error = means(Arc::new(source), 3, &ProgressBar::hidden()).unwrap_err();
        let said = error.as_json().unwrap().to_string();
        assert!(said.contains("expected images"), "{said}");
    }
}
