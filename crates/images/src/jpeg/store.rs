//! The coefficients of a picture whose blocks are spread over several scans.

use super::blocks::{Blocks, Reach};
use super::frame::Frame;
use super::pixels::Block;
use crate::{Error, Result};

/// The blocks of the components that are needed, in memory that is kept.
#[derive(Debug, Default)]
pub(crate) struct Store {
    planes: Vec<Plane>,
}

/// The blocks of a component.
#[derive(Debug, Default)]
pub(crate) struct Plane {
    reach: Reach,
    /// Blocks of the component from left to right.
    wide: usize,
    /// Those of the reach, row by row, and as `Blocks` takes them; or their DC coefficients, if these are
    /// all that is needed.
    blocks: Vec<Block>,
    dcs: Vec<i16>,
    /// For each block of the component down to the reach's last row, which coefficients are not 0: bit
    /// k for number k in zigzag order. Scans that refine coefficients cannot be read without it, those
    /// blocks included that lie outside the reach. None where DC coefficients are all that is needed.
    coded: Vec<u64>,
}

impl Store {
    /// Makes room for the blocks of these reaches, all 0.
    pub(crate) fn clear(&mut self, frame: &Frame, reaches: &[Reach]) -> Result<()> {
        self.planes.resize_with(frame.components().len(), Plane::default);
        for ((plane, component), reach) in
            self.planes.iter_mut().zip(frame.components()).zip(reaches)
        {
            plane.reach = reach.clone();
            plane.wide = component.blocks_wide;
            let count = reach.rows.len() * reach.columns.len();
            let all = reach.rows.end * component.blocks_wide;
            let [dcs, blocks, coded] = if reach.dc_only { [count, 0, 0] } else { [0, count, all] };
            zeros(&mut plane.dcs, dcs, 0)?;
            zeros(&mut plane.blocks, blocks, [0; 64])?;
            zeros(&mut plane.coded, coded, 0)?;
        }
        Ok(())
    }

    /// The blocks of component number `component`.
    pub(crate) fn plane(&mut self, component: usize) -> &mut Plane {
        &mut self.planes[component]
    }

    /// Gives all blocks to `to`, in the order of a scan of all components.
    pub(crate) fn replay(&self, frame: &Frame, to: &mut impl Blocks) {
        for row in super::blocks::unit_rows(frame, self.planes.iter().map(|plane| &plane.reach)) {
            for (index, (plane, component)) in
                self.planes.iter().zip(frame.components()).enumerate()
            {
                for by in row * component.v..(row + 1) * component.v {
                    plane.replay_row(by, |bx, block, last| to.block(index, by, bx, block, last));
                }
            }
            to.unit_row_done(row);
        }
    }
}

impl Plane {
    /// Block `[by, bx]`, if all of it is needed.
    #[inline(always)]
    pub(crate) fn block(&mut self, by: usize, bx: usize) -> Option<&mut Block> {
        let at = self.place(by, bx)?;
        self.blocks.get_mut(at)
    }

    /// The DC coefficient of block `[by, bx]`, if it is needed.
    #[inline(always)]
    pub(crate) fn dc(&mut self, by: usize, bx: usize) -> Option<&mut i16> {
        let at = self.place(by, bx)?;
        match self.reach.dc_only {
            true => self.dcs.get_mut(at),
            false => self.blocks.get_mut(at).map(|block| &mut block[0]),
        }
    }

    /// Which block of the reach it is; any number too large below it.
    #[inline(always)]
    fn place(&self, by: usize, bx: usize) -> Option<usize> {
        let Reach { rows, columns, .. } = &self.reach;
        let (y, x) = (by.wrapping_sub(rows.start), bx.wrapping_sub(columns.start));
        if x >= columns.len() {
            return None;
        }
        Some(y.checked_mul(columns.len())? + x)
    }

    /// Which coefficients of block `[by, bx]` are not 0.
    #[inline(always)]
    pub(crate) fn coded(&mut self, by: usize, bx: usize) -> &mut u64 {
        &mut self.coded[by * self.wide + bx]
    }

    /// The same of the first `most` blocks from `[by, bx]` on.
    #[inline(always)]
    pub(crate) fn coded_row(&self, by: usize, bx: usize, most: usize) -> &[u64] {
        &self.coded[by * self.wide + bx..][..most]
    }

    fn replay_row(&self, by: usize, mut give: impl FnMut(usize, &Block, usize)) {
        if !self.reach.rows.contains(&by) {
            return;
        }
        let columns = &self.reach.columns;
        let first = (by - self.reach.rows.start) * columns.len();
        if self.reach.dc_only {
            let mut block = [0; 64];
            for (bx, &dc) in columns.clone().zip(&self.dcs[first..]) {
                block[0] = dc;
                give(bx, &block, 0);
            }
            return;
        }
        let blocks = &self.blocks[first..][..columns.len()];
        let coded = &self.coded[by * self.wide..][columns.clone()];
        for ((bx, block), coded) in columns.clone().zip(blocks).zip(coded) {
            give(bx, block, 63 - (coded | 1).leading_zeros() as usize);
        }
    }
}

fn zeros<T: Clone>(memory: &mut Vec<T>, length: usize, zero: T) -> Result<()> {
    memory.clear();
    let no_room = |_| Error::too_large(format!("no memory for {length} blocks of coefficients"));
    memory.try_reserve_exact(length).map_err(no_room)?;
    memory.resize(length, zero);
    Ok(())
}
