//! Decoded values of consecutive rows of a column.

use parquet::data_type::ByteArray;

use crate::levels::Rows;

/// The values of a unit, in this machine's byte order. A boolean takes a byte.
#[derive(Debug)]
pub struct Values {
    pub(crate) elements: Elements,
    pub(crate) rows: Rows,
    /// Bytes of one value of those that have no length of their own.
    pub(crate) width: usize,
    /// Bytes of decompressed pages that byte strings lie in.
    pub(crate) pages: usize,
    /// Whether rows are lists.
    pub(crate) are_lists: bool,
}

#[derive(Debug)]
pub(crate) enum Elements {
    /// One after the other. Nulls among values that are no lists are zeros.
    Numbers(Vec<u8>),
    /// Each where it lies in its page.
    Strings(Vec<ByteArray>),
}

impl Values {
    /// The bytes of the value of the unit's row `row`; none for a null, and for a list that has one.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        if self.rows.nulls.get(row).copied().unwrap_or(false) {
            return None;
        }
        match &self.elements {
            Elements::Numbers(bytes) => bytes.get(self.range(row)),
            Elements::Strings(strings) => strings.get(row).map(ByteArray::data),
        }
    }

    /// The bytes of a row among those of all.
    fn range(&self, row: usize) -> std::ops::Range<usize> {
        let end = |row: usize| self.rows.ends.get(row).map_or(0, |&end| end as usize);
        match self.are_lists {
            true => row.checked_sub(1).map_or(0, end) * self.width..end(row) * self.width,
            false => row * self.width..(row + 1) * self.width,
        }
    }

    /// Bytes of the value of a row, as [`get`](Self::get) has them; 0 for a null.
    pub(crate) fn bytes(&self, row: usize) -> usize {
        self.get(row).map_or(0, <[u8]>::len)
    }

    /// Bytes of memory that are held.
    pub fn held_bytes(&self) -> usize {
        let elements = match &self.elements {
            Elements::Numbers(bytes) => bytes.capacity(),
            Elements::Strings(strings) => strings.capacity() * size_of::<ByteArray>() + self.pages,
        };
        elements + 4 * self.rows.ends.capacity() + self.rows.nulls.capacity() + size_of::<Self>()
    }
}
