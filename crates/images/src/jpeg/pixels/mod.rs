//! The pixel side of a JPEG: coefficients of blocks in, pixels of a window out.
//!
//! [`Pixels`] follows entropy decoding one row of units behind. A block becomes samples as soon as it is
//! there (`idct`), in rows that stay in the cache (`plane`); as soon as a row of units is whole, its
//! samples become one for every pixel (`upsample`) and then colours (`convert`), which are written
//! where the caller wants them. Only what the window depends on is computed: what entropy decoding
//! has to supply is the [`Reach`] of each component. "Unit" is short for minimum coded unit.

mod convert;
mod idct;
mod plane;
mod sampling;
mod upsample;

use self::convert::Conversion;
pub(crate) use self::idct::{Block, PLACES};
use self::plane::Plane;
use self::sampling::{Sampling, block_side};
use super::blocks::{Blocks, Reach, unit_rows};
use super::frame::{Frame, MAX_COMPONENTS};
use crate::{Color, Error, Result, Scale, Simd, Window};

/// How many samples or pixels the kernels take at a time: rows are read up to a multiple of it.
const STEP: usize = 32;

/// What is to be seen of a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) color: Color,
    pub(crate) scale: Scale,
    /// A part of the picture at that scale.
    pub(crate) window: &'a Window,
}

/// What stays from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    planes: [Plane; MAX_COMPONENTS],
    sums: Vec<u16>,
}

/// Turns the blocks of a picture into the pixels of a window.
#[derive(Debug)]
pub(crate) struct Pixels<'a> {
    simd: Simd,
    conversion: Conversion,
    window: Window,
    /// One for each component that is looked at.
    planes: &'a mut [Plane],
    sums: &'a mut Vec<u16>,
    /// Rows of pixels of a unit at the scale, and rows of units of the picture.
    unit_height: usize,
    unit_rows: usize,
    /// How many rows of pixels of a unit wait for the next row of units.
    late: usize,
    /// The next row of pixels to be written.
    next: usize,
    pixels: &'a mut [u8],
}

impl<'a> Pixels<'a> {
    /// A view of the picture, to be written into `pixels`.
    ///
    /// # Errors
    ///
    /// When a component's sampling is not a whole fraction of the frame's.
    pub(crate) fn new(
        memory: &'a mut Memory,
        frame: &Frame,
        view: View<'_>,
        pixels: &'a mut [u8],
    ) -> Result<Self> {
        Self::at(Simd::detect(), memory, frame, view, pixels)
    }

    fn at(
        simd: Simd,
        memory: &'a mut Memory,
        frame: &Frame,
        View { color, scale, window }: View<'_>,
        pixels: &'a mut [u8],
    ) -> Result<Self> {
        let conversion = Conversion::new(frame.color, color);
        let components = &frame.components()[..conversion.components()];
        for (plane, component) in memory.planes.iter_mut().zip(components) {
            let sampling = Sampling::of(component, frame, scale).ok_or_else(|| {
                let ((h, v), (h_max, v_max)) =
                    ((component.h, component.v), (frame.h_max, frame.v_max));
                let found = format!("a component sampled {h}x{v} in a frame of {h_max}x{v_max}");
                Error::unsupported(format!("{found}, expected whole fractions"))
            })?;
            plane.start(component, &sampling, window);
        }
        let planes = &mut memory.planes[..components.len()];
        let first = unit_rows(frame, planes.iter().map(|plane| plane.reach())).start;
        for plane in &mut *planes {
            plane.go_to(first);
        }
        Ok(Self {
            simd,
            conversion,
            window: window.clone(),
            late: usize::from(planes.iter().any(Plane::filters_columns)),
            planes,
            sums: &mut memory.sums,
            unit_height: frame.v_max * block_side(scale),
            unit_rows: frame.mcu_rows,
            next: window.rows.start,
            pixels,
        })
    }

    /// The blocks that a component has to supply: none if nothing depends on it.
    pub(crate) fn reach(&self, component: usize) -> Reach {
        self.planes.get(component).map(|plane| plane.reach().clone()).unwrap_or_default()
    }

    /// Whether every row of the window was written.
    pub(crate) fn is_complete(&self) -> bool {
        self.next == self.window.rows.end
    }

    fn write(&mut self, row: usize) {
        let mut components = [&[][..]; MAX_COMPONENTS];
        for (plane, component) in self.planes.iter_mut().zip(&mut components) {
            plane.upsample(self.simd, row, self.sums);
            *component = plane.pixels(row);
        }
        let bytes = self.window.width() * self.conversion.pixel_bytes();
        let at = (row - self.window.rows.start) * bytes;
        self.conversion.row(self.simd, components, &mut self.pixels[at..at + bytes]);
    }
}

impl Blocks for Pixels<'_> {
    #[inline]
    fn block(&mut self, component: usize, by: usize, bx: usize, coefficients: &Block, last: usize) {
        if let Some(plane) = self.planes.get_mut(component) {
            plane.block(self.simd, by, bx, coefficients, last);
        }
    }

    /// Writes the rows of pixels for which all is there now.
    fn unit_row_done(&mut self, row: usize) {
        for plane in &mut *self.planes {
            plane.extend();
        }
        let done = match row + 1 {
            rows if rows == self.unit_rows => self.window.rows.end,
            rows => (rows * self.unit_height - self.late).min(self.window.rows.end),
        };
        for pixel_row in self.next..done {
            self.write(pixel_row);
        }
        self.next = self.next.max(done);
        for plane in &mut *self.planes {
            plane.go_to(row + 1);
        }
    }
}

#[cfg(test)]
mod tests;
