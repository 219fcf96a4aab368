//! Where the values of a sample are: its columns, and the sizes that it begins with.

use super::encoding::Encoding;
use super::index::Columns;
use crate::error::quoted;
use crate::{Error, ErrorKind, Result};

/// Bytes of a size in front of the values, as of each other number of the format.
pub(super) const NUMBER_BYTES: usize = 4;

/// One column.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    /// The encoding as it is written.
    pub(super) written: String,
    pub(super) encoding: Encoding,
    /// Bytes of every value, or `None` where each sample says its own.
    size: Option<u64>,
}

/// The columns of all samples, in the order in which their values follow one another.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<Column>,
    /// Bytes of the sizes in front of the values.
    pub(super) head_bytes: usize,
    /// Bytes of a sample whose values of no fixed size are empty.
    pub(super) least: u64,
}

impl Layout {
    /// What an index says of the columns.
    pub(super) fn new(columns: &Columns) -> Result<Self> {
        let Columns { names, encodings, sizes } = columns;
        if names.len() != encodings.len() || names.len() != sizes.len() || names.is_empty() {
            let message = format!(
                "{} names, {} encodings and {} sizes of columns, expected as many of each, and at least \
                 one",
                names.len(),
                encodings.len(),
                sizes.len()
            );
            return Err(Error::new(ErrorKind::Header, message));
        }
        let columns = names.iter().zip(encodings).zip(sizes);
        let columns = columns.map(|((name, written), size)| Column::new(name, written, *size));
        let columns: Vec<Column> = columns.collect::<Result<_>>()?;
        let varying = columns.iter().filter(|column| column.size.is_none()).count();
        let head_bytes = varying * NUMBER_BYTES;
        let sizes = columns.iter().filter_map(|column| column.size);
        // No sum of them overflows: each is a number of 32 bits.
        let least = head_bytes as u64 + sizes.sum::<u64>();
        Ok(Self { columns, head_bytes, least })
    }

    /// The position of the column called `name`.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Whether every sample has the same size.
    pub(super) fn is_fixed(&self) -> bool {
        self.head_bytes == 0
    }

    /// Whether one column alone has values of differing sizes, which a sample's size then tells.
    pub(super) fn has_one_varying(&self) -> bool {
        self.head_bytes == NUMBER_BYTES
    }

    /// Whether the sizes at the beginning of a sample of `bytes` bytes are those of its values.
    pub(super) fn check(&self, head: &[u8], bytes: u64) -> Result<()> {
        let sizes = head[..self.head_bytes].chunks_exact(NUMBER_BYTES).map(number);
        let expected = self.least + sizes.sum::<u64>();
        if bytes == expected {
            return Ok(());
        }
        let message = format!(
            "a sample of {bytes} bytes, of which the sizes at its beginning make {expected}; the file is \
             damaged"
        );
        Err(Error::new(ErrorKind::Header, message))
    }
}

impl Column {
    fn new(name: &str, written: &str, size: Option<u32>) -> Result<Self> {
        let at_column = |error: Error| error.with_field(name);
        let encoding = Encoding::parse(written).map_err(at_column)?;
        let size = size.map(u64::from);
        let expected = encoding.bytes().map_err(at_column)?;
        if size != expected && encoding != Encoding::Other {
            let told = |size: Option<u64>| match size {
                Some(bytes) => format!("{bytes} bytes"),
                None => "no size".to_owned(),
            };
            let message = format!(
                "found {} for each value, expected {} of encoding {}",
                told(size),
                told(expected),
                quoted(written)
            );
            return Err(at_column(Error::new(ErrorKind::Header, message)));
        }
        Ok(Self { name: name.to_owned(), written: written.to_owned(), encoding, size })
    }
}

/// The number that begins with these bytes.
pub(super) fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.first_chunk().copied().unwrap_or_default();
    u64::from(u32::from_le_bytes(bytes))
}

/// Finds the values of one sample, fastest in the order of the columns.
#[derive(Debug)]
pub(super) struct Values<'a> {
    layout: &'a Layout,
    /// The sizes at the beginning of the sample.
    head: &'a [u8],
    column: usize,
    /// Sizes that were passed.
    passed: usize,
    /// The byte of the sample at which the value of `column` begins.
    at: u64,
}

impl<'a> Values<'a> {
    /// Those of a sample that begins with `head`, which was checked.
    pub(super) fn new(layout: &'a Layout, head: &'a [u8]) -> Self {
        Self { layout, head, column: 0, passed: 0, at: layout.head_bytes as u64 }
    }

    /// The byte of the sample at which the value of `column` begins, and its length.
    pub(super) fn find(&mut self, column: usize) -> (u64, usize) {
        if column < self.column {
            *self = Self::new(self.layout, self.head);
        }
        while self.column < column {
            let (size, passed) = self.size();
            self.at += size;
            self.passed = passed;
            self.column += 1;
        }
        (self.at, self.size().0 as usize)
    }

    /// The size of the value, and how many sizes were passed after it.
    fn size(&self) -> (u64, usize) {
        match self.layout.columns[self.column].size {
            Some(size) => (size, self.passed),
            None => (number(&self.head[self.passed * NUMBER_BYTES..]), self.passed + 1),
        }
    }
}
