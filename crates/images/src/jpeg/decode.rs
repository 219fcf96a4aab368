//! From the segments of a file to the blocks of a window.

use super::blocks::{Blocks, Reach, unit_rows};
use super::frame::{Frame, MAX_COMPONENTS, Process};
use super::huffman::Huffman;
use super::picture::Picture;
use super::progress::Progress;
use super::progressive;
use super::scan::Scan;
use super::sequential::Sequential;
use super::store::Store;
use crate::{Error, Limits, Result};

/// What stays of entropy decoding from one picture to the next.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    huffman: Huffman,
    store: Store,
}

/// Whether the one scan of a frame holds all of every block: the blocks of a unit then come together,
/// and none has to be kept.
pub(crate) fn is_one_scan(frame: &Frame, scan: &Scan) -> bool {
    frame.process == Process::Sequential && scan.parts().len() == frame.components().len()
}

impl Memory {
    /// Decodes the one scan of a frame, whose head was read last, and gives the blocks of the reaches
    /// to `blocks`. What lies below them is not looked at.
    pub(crate) fn stream(
        &mut self,
        picture: &mut Picture<'_>,
        frame: &Frame,
        scan: &Scan,
        reaches: &[Reach; MAX_COMPONENTS],
        blocks: &mut impl Blocks,
    ) -> Result<()> {
        let rows = unit_rows(frame, reaches);
        let huffman = &mut self.huffman;
        let mut coder = Sequential::new(scan, picture, huffman, reaches, &rows, blocks)?;
        picture.walk(&mut picture.data(), scan, rows.end, &mut coder)
    }

    /// Decodes a frame's scans, of which the head of the first was read last, and keeps the blocks of
    /// the reaches. What lies below them is not looked at, nor are scans of components that are not
    /// needed.
    pub(crate) fn collect(
        &mut self,
        picture: &mut Picture<'_>,
        frame: &Frame,
        first: Scan,
        reaches: &[Reach; MAX_COMPONENTS],
        limits: &Limits,
    ) -> Result<&Store> {
        self.store.clear(frame, reaches)?;
        let mut progress = Progress::new();
        let mut next = Some(first);
        let mut scans = 0;
        while let Some(scan) = next {
            scans += 1;
            if scans > limits.scans {
                let most = limits.scans;
                return Err(Error::too_large(format!("a picture of over {most} scans")));
            }
            progress.take(&scan)?;
            self.collect_scan(picture, frame, &scan, reaches)?;
            if progress.is_complete(reaches) {
                return Ok(&self.store);
            }
            next = picture.next_scan()?;
        }
        Err(Error::truncated(
            "the file ends before its scans have held all bits of all coefficients",
        ))
    }

    fn collect_scan(
        &mut self,
        picture: &mut Picture<'_>,
        frame: &Frame,
        scan: &Scan,
        reaches: &[Reach; MAX_COMPONENTS],
    ) -> Result<()> {
        let rows = scan.rows_of(reaches);
        if rows == 0 {
            return Ok(());
        }
        let Self { huffman, store } = self;
        let mut bits = picture.data();
        match frame.process {
            Process::Sequential => {
                let mut coder =
                    Sequential::new(scan, picture, huffman, reaches, &(0..rows), store)?;
                picture.walk(&mut bits, scan, rows, &mut coder)?;
            }
            Process::Progressive => {
                progressive::decode(&mut bits, scan, rows, picture, huffman, store)?;
            }
        }
        picture.markers.resume(bits.rest_len());
        Ok(())
    }
}
