use std::ops::Range;
use std::sync::Arc;

use crate::{Error, ErrorKind, Result};

/// The batches of an epoch, where a sampler makes them itself: how many positions each has, and how
/// long its longest sample is. Cheap to clone.
///
/// ```
/// use tallow_core::BatchTable;
///
/// let table = BatchTable::new([(2, 50), (5, 20)])?;
/// assert_eq!((table.len(), table.positions(), table.rows_max()), (2, 7, 5));
/// assert_eq!((table.rows(1), table.longest(1)), (2..7, 20));
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchTable {
    /// Where each batch begins, and where the last one ends.
    starts: Arc<[usize]>,
    longest: Arc<[u32]>,
    rows_max: usize,
    elements_max: usize,
}

impl BatchTable {
    /// Batches of so many rows, whose longest samples are so long, in the order of delivery. A batch has
    /// at least one row. 12 bytes per batch.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a batch has no row, [`ErrorKind::TooLarge`] when there are more rows
    /// than can be counted.
    pub fn new(batches: impl IntoIterator<Item = (usize, u32)>) -> Result<Self> {
        let (mut starts, mut longest, mut end) = (vec![0], Vec::new(), 0usize);
        let (mut rows_max, mut elements_max) = (0, 0);
        for (number, (rows, len)) in batches.into_iter().enumerate() {
            if rows == 0 {
                let message = format!("batch {number} has 0 rows, expected at least 1");
                return Err(Error::new(ErrorKind::Config, message));
            }
            end = end.checked_add(rows).ok_or_else(|| {
                let message = format!("{rows} rows after {end} rows are more than can be counted");
                Error::new(ErrorKind::TooLarge, message)
            })?;
            starts.push(end);
            longest.push(len);
            rows_max = rows_max.max(rows);
            elements_max = elements_max.max(rows.saturating_mul(len as usize));
        }
        Ok(Self { starts: starts.into(), longest: longest.into(), rows_max, elements_max })
    }

    /// Bytes of a table of `batches` batches.
    pub fn bytes_for(batches: usize) -> usize {
        batches.saturating_mul(size_of::<usize>() + size_of::<u32>())
    }

    /// The number of batches.
    pub fn len(&self) -> usize {
        self.longest.len()
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.longest.is_empty()
    }

    /// Positions of an epoch.
    pub fn positions(&self) -> usize {
        self.starts[self.len()]
    }

    /// Rows of the batch that has the most.
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// Rows times [`longest`](Self::longest) of the batch where that is the most.
    pub fn elements_max(&self) -> usize {
        self.elements_max
    }

    /// The positions of batch `batch`.
    ///
    /// # Panics
    ///
    /// When there is no such batch.
    pub fn rows(&self, batch: usize) -> Range<usize> {
        self.starts[batch]..self.starts[batch + 1]
    }

    /// The length that no sample of batch `batch` exceeds: of its fields that are padded to the longest
    /// row.
    ///
    /// # Panics
    ///
    /// When there is no such batch.
    pub fn longest(&self, batch: usize) -> usize {
        self.longest[batch] as usize
    }

    /// The batch that `position` belongs to.
    ///
    /// # Panics
    ///
    /// When there is no such position.
    pub fn batch_of(&self, position: usize) -> usize {
        assert!(position < self.positions(), "position {position} of {}", self.positions());
        self.starts.partition_point(|&start| start <= position) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_position_belongs_to_its_batch() {
        let table = BatchTable::new([(1, 9), (3, 4), (2, 2)]).unwrap();
        for batch in 0..table.len() {
            assert!(table.rows(batch).all(|position| table.batch_of(position) == batch));
        }
        assert_eq!((table.positions(), table.rows_max(), table.longest(2)), (6, 3, 2));
        assert_eq!(table.elements_max(), 12);
    }

    #[test]
    fn impossible_tables_are_refused() {
        let error = BatchTable::new([(1, 1), (0, 1)]).unwrap_err();
        assert!(error.message().contains("batch 1 has 0 rows"), "{error}");
        let error = BatchTable::new([(1, 1), (usize::MAX, 1)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let empty = BatchTable::new([]).unwrap();
        assert!(empty.is_empty() && empty.positions() == 0 && empty.rows_max() == 0);
    }
}
