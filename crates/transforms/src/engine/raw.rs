//! The raw image of a row: all of it, or the part that the plans of the row reach.

use std::borrow::Cow;

use bytemuck::Pod;
use tallow_core::{FieldView, RowDType};

use super::reach::Reach;
use super::turn::Turn;
use super::view::Raster;
use crate::layout::Layout;
use crate::plan::{D, StagePlan};

/// How elements lie in an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elements {
    pub(crate) channels: usize,
    pub(crate) interleaved: bool,
}

/// A raw image.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    pub(crate) dtype: RowDType,
    pub(crate) elements: Elements,
    /// Depth, height and width of the whole image, upright.
    pub(crate) size: [i32; 3],
    /// How a picture has to be turned that is not upright.
    pub(crate) turn: Option<Turn>,
    /// The part of the stored image that is there; none of it where no stage reads any.
    pub(crate) part: Option<Reach>,
    /// The elements of that part.
    pub(crate) bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    /// The image of a field whose rows hold pixels.
    pub(crate) fn of(field: &FieldView<'a>, layout: Layout) -> Self {
        let (size, channels) = layout.split(field.shape(), 1);
        let size = size.map(|len| len as i32);
        Self {
            dtype: field.dtype(),
            elements: Elements { channels, interleaved: layout.is_interleaved() },
            size,
            turn: None,
            part: Some(Reach { start: [0; 3], end: size }),
            bytes: field.bytes(),
        }
    }

    /// Planes of an image that is made of it, between stages: one for each channel and slice.
    pub(crate) fn planes(&self) -> usize {
        self.elements.channels * self.size[D] as usize
    }

    /// The elements that are there, of a type of the image's size.
    pub(crate) fn pixels<T: Pod>(&self) -> &'a [T] {
        // Empty rows have no memory, and none that is aligned.
        if self.bytes.is_empty() { &[] } else { bytemuck::cast_slice(self.bytes) }
    }

    /// `pixels`, as many as are there, as an image.
    pub(crate) fn raster<'p, T>(&self, pixels: &'p [T]) -> Raster<'p, T> {
        let Elements { channels, interleaved } = self.elements;
        let Reach { start, end } = self.part.unwrap_or_default();
        let size = std::array::from_fn(|k| end[k] - start[k]);
        Raster { origin: start, ..Raster::new(pixels, size, channels, interleaved) }
    }

    /// The stage `plan`, whose source is the upright image, as one whose source is the stored one.
    pub(crate) fn stage<'p>(&self, plan: &'p StagePlan) -> Cow<'p, StagePlan> {
        self.turn.map_or(Cow::Borrowed(plan), |turn| Cow::Owned(turn.stage(plan)))
    }
}
