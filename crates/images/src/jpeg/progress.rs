//! Which bits of which coefficients the scans so far have held.

use super::blocks::Reach;
use super::frame::MAX_COMPONENTS;
use super::scan::Scan;
use crate::{Error, Result};

/// The mark of a coefficient that no scan has held.
const NOT_YET: u8 = 255;

/// The lowest bit so far of each coefficient of each component, in zigzag order.
#[derive(Debug)]
pub(crate) struct Progress([[u8; 64]; MAX_COMPONENTS]);

impl Progress {
    /// That of a frame before its first scan.
    pub(crate) fn new() -> Self {
        Self([[NOT_YET; 64]; MAX_COMPONENTS])
    }

    /// Takes note of a scan.
    ///
    /// # Errors
    ///
    /// When it does not go on where those before it ended. libjpeg warns of it.
    pub(crate) fn take(&mut self, scan: &Scan) -> Result<()> {
        let expected = if scan.high == 0 { NOT_YET } else { scan.high };
        for part in scan.parts() {
            let component = part.component;
            for (number, low) in (scan.first..).zip(&mut self.0[component][scan.first..=scan.last])
            {
                if *low != expected {
                    let (high, low) = (scan.high, scan.low);
                    return Err(Error::damaged(format!(
                        "a scan of bits {high} to {low} of coefficient {number} of component \
                         {component}, which does not follow on the scans before it"
                    )));
                }
                *low = scan.low;
            }
        }
        Ok(())
    }

    /// Whether all bits of all coefficients that are needed were there.
    pub(crate) fn is_complete(&self, reaches: &[Reach]) -> bool {
        let needed = self.0.iter().zip(reaches).filter(|(_, reach)| !reach.rows.is_empty());
        let needed = needed.flat_map(|(all, reach)| if reach.dc_only { &all[..1] } else { all });
        needed.into_iter().all(|&low| low == 0)
    }
}
