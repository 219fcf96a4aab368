//! What the head of a frame says (SOF, ITU-T T.81 B.2.2): sizes, components, and how they are sampled.

use crate::{Error, Result};

/// Side of a block, in samples.
pub(crate) const BLOCK: usize = 8;

/// The most components of a frame that is decoded.
pub(crate) const MAX_COMPONENTS: usize = 4;

/// What the components of a frame stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColorModel {
    /// One component.
    Gray,
    /// Three components: luma, then blue and red differences.
    YCbCr,
    /// Three components as they are shown.
    Rgb,
    /// Four components of ink, stored inverted: 255 is no ink. PIL takes every file so.
    Cmyk,
    /// CMYK whose first three components were turned into luma and differences.
    Ycck,
}

/// How the coefficients are spread over scans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Process {
    /// SOF0 and SOF1: a block is coded in one scan.
    Sequential,
    /// SOF2: a block is coded in several scans.
    Progressive,
}

/// One component of a frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Component {
    /// The name by which scans call it.
    pub(crate) id: u8,
    /// Blocks of a minimum coded unit, from left to right: 1 to 4.
    pub(crate) h: usize,
    /// Blocks of a minimum coded unit, from top to bottom: 1 to 4.
    pub(crate) v: usize,
    /// Columns of samples that belong to the picture: `ceil(frame.width * h / h_max)`.
    pub(crate) width: usize,
    /// Rows of samples that belong to the picture: `ceil(frame.height * v / v_max)`.
    pub(crate) height: usize,
    /// Blocks from left to right, those included that only fill up the last unit.
    pub(crate) blocks_wide: usize,
    /// Blocks from top to bottom, those included that only fill up the last unit.
    pub(crate) blocks_high: usize,
    /// Which quantisation table it uses: 0 to 3.
    pub(crate) quant_index: usize,
    /// That table in natural order, row by row, as it stood when the component's first scan began.
    pub(crate) quant: [u16; 64],
}

/// The frame of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Rows of the picture.
    pub(crate) height: usize,
    /// Columns of the picture.
    pub(crate) width: usize,
    /// The largest `h` of a component.
    pub(crate) h_max: usize,
    /// The largest `v` of a component.
    pub(crate) v_max: usize,
    /// Minimum coded units from top to bottom.
    pub(crate) mcu_rows: usize,
    /// Minimum coded units from left to right.
    pub(crate) mcu_columns: usize,
    /// What the components stand for.
    pub(crate) color: ColorModel,
    /// How the coefficients are spread over scans.
    pub(crate) process: Process,
    components: [Component; MAX_COMPONENTS],
    count: usize,
}

impl Frame {
    /// Reads the segment of a SOF marker, without its length. `at` is where the segment begins.
    ///
    /// What the components stand for depends on other segments too: [`Frame::color`] is what their
    /// number says until it is known better.
    pub(crate) fn read(segment: &[u8], process: Process, at: usize) -> Result<Self> {
        let &[precision, h0, h1, w0, w1, count, ref components @ ..] = segment else {
            return Err(Error::damaged(format!("a frame head that is too short at byte {at}")));
        };
        if precision != 8 {
            let found = format!("samples of {precision} bits at byte {at}, expected 8");
            return Err(Error::unsupported(found));
        }
        let height = usize::from(u16::from_be_bytes([h0, h1]));
        let width = usize::from(u16::from_be_bytes([w0, w1]));
        if height == 0 {
            let found = "a height that only follows the pixels (DNL)";
            return Err(Error::unsupported(format!("{found} at byte {at}")));
        }
        if width == 0 {
            return Err(Error::damaged(format!("a width of 0 at byte {at}")));
        }
        let color = match count {
            1 => ColorModel::Gray,
            3 => ColorModel::YCbCr,
            4 => ColorModel::Cmyk,
            _ => {
                let found = format!("{count} components at byte {at}, expected 1, 3 or 4");
                return Err(Error::unsupported(found));
            }
        };
        let count = usize::from(count);
        if components.len() != 3 * count {
            let found = format!("a frame head of the wrong length at byte {at}");
            return Err(Error::damaged(found));
        }
        let mut frame = Self {
            height,
            width,
            h_max: 1,
            v_max: 1,
            mcu_rows: 0,
            mcu_columns: 0,
            color,
            process,
            components: [Component::default(); MAX_COMPONENTS],
            count,
        };
        for (component, bytes) in frame.components.iter_mut().zip(components.chunks_exact(3)) {
            *component = Component::read(bytes, at)?;
        }
        frame.measure();
        Ok(frame)
    }

    /// Fills in what follows from the sizes and the sampling.
    fn measure(&mut self) {
        let components = &mut self.components[..self.count];
        if let [only] = components {
            // A lone component is never interleaved: its unit is one block, whatever its sampling.
            (only.h, only.v) = (1, 1);
        }
        self.h_max = components.iter().map(|c| c.h).max().unwrap_or(1);
        self.v_max = components.iter().map(|c| c.v).max().unwrap_or(1);
        self.mcu_columns = self.width.div_ceil(self.h_max * BLOCK);
        self.mcu_rows = self.height.div_ceil(self.v_max * BLOCK);
        for component in components {
            component.width = (self.width * component.h).div_ceil(self.h_max);
            component.height = (self.height * component.v).div_ceil(self.v_max);
            component.blocks_wide = self.mcu_columns * component.h;
            component.blocks_high = self.mcu_rows * component.v;
        }
    }

    /// The components, in the order of the frame's head.
    pub(crate) fn components(&self) -> &[Component] {
        &self.components[..self.count]
    }

    /// The same, to fill in the quantisation tables.
    pub(crate) fn components_mut(&mut self) -> &mut [Component] {
        &mut self.components[..self.count]
    }
}

impl Component {
    fn read(bytes: &[u8], at: usize) -> Result<Self> {
        let (h, v) = (usize::from(bytes[1] >> 4), usize::from(bytes[1] & 15));
        if !(1..=4).contains(&h) || !(1..=4).contains(&v) {
            let found = format!("a sampling of {h}x{v} at byte {at}, expected 1x1 to 4x4");
            return Err(Error::damaged(found));
        }
        Ok(Self { id: bytes[0], h, v, quant_index: usize::from(bytes[2]), ..Self::default() })
    }
}

impl Default for Component {
    fn default() -> Self {
        Self {
            id: 0,
            h: 1,
            v: 1,
            width: 0,
            height: 0,
            blocks_wide: 0,
            blocks_high: 0,
            quant_index: 0,
            quant: [0; 64],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(height: u16, width: u16, samplings: &[u8]) -> Vec<u8> {
        let mut bytes = vec![8];
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.push(samplings.len() as u8);
        for (id, &sampling) in (1..).zip(samplings) {
            bytes.extend([id, sampling, 0]);
        }
        bytes
    }

    #[test]
    fn halved_components_round_up_and_blocks_fill_the_last_unit() {
        let frame =
            Frame::read(&head(17, 35, &[0x22, 0x11, 0x21]), Process::Sequential, 0).unwrap();
        assert_eq!((frame.mcu_rows, frame.mcu_columns), (2, 3));
        let sizes: Vec<_> = frame
            .components()
            .iter()
            .map(|c| [c.height, c.width, c.blocks_high, c.blocks_wide])
            .collect();
        assert_eq!(sizes, [[17, 35, 4, 6], [9, 18, 2, 3], [9, 35, 2, 6]]);
    }

    #[test]
    fn a_lone_component_is_not_sampled() {
        let frame = Frame::read(&head(9, 9, &[0x42]), Process::Sequential, 0).unwrap();
        let [only] = frame.components() else { panic!("one component") };
        assert_eq!([only.height, only.width, only.blocks_high, only.blocks_wide], [9, 9, 2, 2]);
    }

    #[test]
    fn heads_that_cannot_be_are_refused() {
        let good = head(9, 9, &[0x22, 0x11, 0x11]);
        let refused = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            Frame::read(&bytes, Process::Sequential, 7).unwrap_err().to_string()
        };
        assert!(refused(&|b| b[0] = 12).contains("12 bits"));
        assert!(refused(&|b| b[2] = 0).contains("DNL"));
        assert!(refused(&|b| b[4] = 0).contains("width of 0"));
        assert!(refused(&|b| b[5] = 2).contains("2 components"));
        assert!(refused(&|b| b[7] = 0x52).contains("5x2"));
        assert!(refused(&|b| b[7] = 0x20).contains("2x0"));
        assert!(refused(&|b| b.truncate(14)).contains("wrong length"));
        assert!(refused(&|b| b.truncate(5)).contains("too short"));
    }
}
