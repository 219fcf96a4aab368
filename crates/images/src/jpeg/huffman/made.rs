//! Tables that are kept from one file to the next.

use crate::Result;
use crate::jpeg::tables::Codes;

/// A table that is made of codes.
pub(crate) trait Table: Sized {
    /// Makes it.
    fn read(codes: Codes<'_>) -> Result<Self>;

    /// What it was made of.
    fn codes(&self) -> Codes<'_>;
}

/// Tables that were made, the last used ones: most files of a data set have the same.
#[derive(Debug)]
pub(crate) struct Made<T> {
    pub(super) tables: Vec<T>,
    /// When each was asked for last.
    asked: Vec<u64>,
    now: u64,
}

/// The most tables of a kind that are kept. A scan needs up to four at once.
const MOST_MADE: usize = 8;

impl<T> Default for Made<T> {
    fn default() -> Self {
        Self { tables: Vec::new(), asked: Vec::new(), now: 0 }
    }
}

impl<T: Table> Made<T> {
    /// The place of the table of these codes. It holds until seven others were asked for.
    pub(crate) fn place(&mut self, codes: Codes<'_>) -> Result<usize> {
        self.now += 1;
        let place = match self.tables.iter().position(|table| table.codes() == codes) {
            Some(place) => place,
            None => self.make(T::read(codes)?),
        };
        self.asked[place] = self.now;
        Ok(place)
    }

    fn make(&mut self, table: T) -> usize {
        if self.tables.len() < MOST_MADE {
            self.tables.push(table);
            self.asked.push(0);
            return self.tables.len() - 1;
        }
        let oldest = (0..MOST_MADE).min_by_key(|&place| self.asked[place]).unwrap_or(0);
        self.tables[oldest] = table;
        oldest
    }

    /// The table at a place.
    pub(crate) fn at(&self, place: usize) -> &T {
        &self.tables[place]
    }
}
