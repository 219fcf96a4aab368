//! Rows of bytes while the taps along the height need them.

use std::ops::Range;

use super::view::View;
use crate::kernels::resize_u8::Rows;

/// No row of any image.
const NO_ROW: i32 = i32::MIN;

/// Rows of the middle image: those that lie in the image as they are, forwards or backwards, are read
/// there; others are copied.
#[derive(Debug)]
pub(super) struct Band<'a> {
    /// Row r of slice `slice` lies at r modulo the rows that are held; without, rows are straight.
    ring: Option<&'a mut [u8]>,
    held: &'a mut [i32],
    slice: i32,
    /// Of a copied row, from one plane to the next.
    stride: usize,
}

impl<'a> Band<'a> {
    /// Room for as many rows as `held`.
    pub(super) fn new(ring: Option<&'a mut [u8]>, held: &'a mut [i32], stride: usize) -> Self {
        held.fill(NO_ROW);
        Self { ring, held, slice: NO_ROW, stride }
    }

    /// The rows `rows` of slice `z`, at most as many as are held, and the bytes from one of their
    /// planes to the next.
    pub(super) fn rows<'b>(
        &'b mut self,
        view: &View<'b, u8>,
        z: i32,
        rows: Range<usize>,
    ) -> (Rows<'b>, usize) {
        let Some(ring) = &mut self.ring else {
            return (view.straight(z, rows.start as i32), view.raster.channel_stride);
        };
        if self.slice != z {
            self.held.fill(NO_ROW);
            self.slice = z;
        }
        let (first, count) = (rows.start, self.held.len());
        let len = view.channels() * self.stride;
        for r in rows {
            let slot = r % count;
            if self.held[slot] != r as i32 {
                view.copy(z, r as i32, &mut ring[slot * len..][..len], self.stride);
                self.held[slot] = r as i32;
            }
        }
        let slot = first % count;
        let (step, wrap, back) = (len as isize, count - slot, count * len);
        (Rows { bytes: ring, first: slot * len, step, wrap, back }, self.stride)
    }
}
