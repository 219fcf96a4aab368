//! Statistics of a source, with the channels of its images.

use tallow_core::{Field, Source};
use tallow_loader::StatisticsBuilder;
use tallow_transforms::Layout;

/// Finds range, mean and deviation of every field of `source`, for each channel of images on its own,
/// how many samples each class has, and how long samples are that differ: in one pass by all cores, and
/// the same to the last bit with any number of them.
///
/// The channels are those of [`Layout::of`]: the first or the last axis of an image, whichever is at
/// most 4 long. For others see [`StatisticsBuilder::channels`].
///
/// ```no_run
/// use tallow::prelude::*;
/// use tallow::Normalization;
/// use std::sync::Arc;
///
/// # fn main() -> tallow::Result<()> {
/// let source = Arc::new(ImageFolder::open("train")?);
/// let found = tallow::stats(source.clone()).transform(Augment::new().resize(256)).run()?;
/// let image = found.field("image").expect("the field of an ImageFolder");
/// let (mean, deviation) = image.normalization().expect("pixels");
/// let augment = Augment::new().resize(256).normalize(Normalization::new(&mean, &deviation));
/// let loader = Loader::builder(source).transform(augment.center_crop(224)).build()?;
/// # Ok(())
/// # }
/// ```
pub fn stats(source: impl Source + 'static) -> StatisticsBuilder {
    StatisticsBuilder::new(source).channels(channel_axis)
}

fn channel_axis(field: &Field) -> Option<usize> {
    let layout = Layout::of(field).ok().filter(|layout| layout.rank() > 1)?;
    layout.channel_axis()
}
