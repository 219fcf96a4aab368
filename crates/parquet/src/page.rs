//! A page: its header, and its bytes as the decoder takes them.

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use tallow_arrow::{Error, ErrorKind, ReadAt, Result};

use crate::codec::Codec;
use crate::places::Part;
use crate::thrift::{Thrift, Type};

/// What the header of a page says.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    /// Bytes of the header itself.
    pub(crate) bytes: usize,
    /// Bytes after it.
    pub(crate) stored: usize,
    /// Bytes of the page before it was compressed.
    pub(crate) expanded: usize,
}

/// The kinds of pages.
#[derive(Debug)]
pub(crate) enum Kind {
    Dictionary {
        values: u32,
        encoding: Encoding,
        is_sorted: bool,
    },
    One {
        values: u32,
        encoding: Encoding,
        definition: Encoding,
        repetition: Encoding,
    },
    Two {
        values: u32,
        nulls: u32,
        rows: u32,
        encoding: Encoding,
        definition: u32,
        repetition: u32,
        is_compressed: bool,
    },
    /// One without values.
    Other,
}

/// The most bytes of a header: it may hold the least and the greatest value of its page.
const HEADER_MAX: usize = 16 << 20;

impl Header {
    /// The header at `offset`, of which all bytes come before `end`.
    pub(crate) fn read(source: &(impl ReadAt + ?Sized), offset: u64, end: u64) -> Result<Self> {
        let mut len = 512;
        loop {
            let most = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
            let mut bytes = vec![0; most.min(len)];
            source.read_at(offset, &mut bytes).map_err(Error::io)?;
            match Self::of(&bytes) {
                Err(error)
                    if error.kind() == ErrorKind::Truncated && len < most.min(HEADER_MAX) =>
                {
                    len *= 8;
                }
                header => return header.map_err(|error| error.at(offset)),
            }
        }
    }

    /// The header that `bytes` begin with.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self> {
        let mut thrift = Thrift::new(bytes);
        let (mut told, mut last) = ([None; 4], 0);
        let mut parts: [[Option<i64>; 8]; 9] = [[None; 8]; 9];
        while let Some((field, of)) = thrift.field(&mut last)? {
            match (field, of) {
                (5 | 7 | 8, Type::STRUCT) => parts[field as usize] = thrift.numbers()?,
                (1..=3, of) => told[field as usize] = thrift.number(of)?,
                (_, of) => thrift.skip(of, 0)?,
            }
        }
        let size = |at: usize, what: &str| {
            let size = told[at].and_then(|size| usize::try_from(size).ok());
            size.ok_or_else(|| Error::malformed(format!("a page without {what}")))
        };
        let (expanded, stored) = (size(2, "its size")?, size(3, "its compressed size")?);
        let kind = match told[1] {
            Some(0) => Kind::of_one(&parts[5])?,
            Some(2) => Kind::of_dictionary(&parts[7])?,
            Some(3) => Kind::of_two(&parts[8], stored, expanded)?,
            _ => Kind::Other,
        };
        Ok(Self { kind, bytes: thrift.read(), stored, expanded })
    }

    /// Where its values lie, from `offset` of the file on, if one of them can be read without the others.
    pub(crate) fn part(&self, codec: Codec, offset: u64, stored: &Bytes) -> Option<Part> {
        let (codec, levels) = match self.kind {
            Kind::Two { definition, repetition, is_compressed: true, .. } => {
                (codec, (definition + repetition) as usize)
            }
            Kind::Two { .. } => (Codec::None, 0),
            _ => (codec, 0),
        };
        let values = match self.kind {
            Kind::Dictionary {
                values,
                encoding: Encoding::PLAIN | Encoding::PLAIN_DICTIONARY,
                ..
            }
            | Kind::One { values, encoding: Encoding::PLAIN, .. }
            | Kind::Two { values, encoding: Encoding::PLAIN, .. } => values,
            _ => return None,
        };
        let bytes = (offset + levels as u64, stored.get(levels..)?);
        Part::of(codec, bytes, (levels, self.expanded.checked_sub(levels)?), values)
    }

    /// The page, whose bytes are `stored`.
    pub(crate) fn page(&self, codec: Codec, stored: Bytes) -> Result<Page> {
        let buf = match self.kind {
            Kind::Two { definition, repetition, is_compressed, .. } if is_compressed => {
                let levels = (definition + repetition) as usize;
                let values = codec.expand(stored.slice(levels..), self.expanded - levels)?;
                if levels == 0 { values } else { [&stored[..levels], &values[..]].concat().into() }
            }
            Kind::Two { .. } => Codec::None.expand(stored, self.expanded)?,
            _ => codec.expand(stored, self.expanded)?,
        };
        let statistics = None;
        Ok(match self.kind {
            Kind::Dictionary { values: num_values, encoding, is_sorted } => {
                Page::DictionaryPage { buf, num_values, encoding, is_sorted }
            }
            Kind::One { values: num_values, encoding, definition, repetition } => Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding: definition,
                rep_level_encoding: repetition,
                statistics,
            },
            Kind::Two { values, nulls, rows, encoding, definition, repetition, .. } => {
                Page::DataPageV2 {
                    buf,
                    num_values: values,
                    encoding,
                    num_nulls: nulls,
                    num_rows: rows,
                    def_levels_byte_len: definition,
                    rep_levels_byte_len: repetition,
                    is_compressed: false,
                    statistics,
                }
            }
            Kind::Other => return Err(Error::malformed("a page without values among others")),
        })
    }
}

fn count(number: Option<i64>, what: &str) -> Result<u32> {
    let count = number.and_then(|number| i32::try_from(number).ok()).filter(|count| *count >= 0);
    let none = || Error::malformed(format!("a page without {what}"));
    Ok(count.ok_or_else(none)? as u32)
}

fn encoding(number: Option<i64>) -> Result<Encoding> {
    Ok(match number {
        Some(0) => Encoding::PLAIN,
        Some(2) => Encoding::PLAIN_DICTIONARY,
        Some(3) => Encoding::RLE,
        Some(5) => Encoding::DELTA_BINARY_PACKED,
        Some(6) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        Some(7) => Encoding::DELTA_BYTE_ARRAY,
        Some(8) => Encoding::RLE_DICTIONARY,
        Some(9) => Encoding::BYTE_STREAM_SPLIT,
        Some(number) => {
            return Err(Error::unsupported(format!("a page in encoding number {number}")));
        }
        None => return Err(Error::malformed("a page without its encoding")),
    })
}

/// The encoding of levels. Old writers pack their bits, or say so of levels that are not there.
fn level_encoding(number: Option<i64>) -> Result<Encoding> {
    match number {
        Some(4) => "BIT_PACKED"
            .parse()
            .map_err(|error: ParquetError| Error::unsupported(error.to_string())),
        number => encoding(number),
    }
}

impl Kind {
    fn of_one(told: &[Option<i64>; 8]) -> Result<Self> {
        Ok(Self::One {
            values: count(told[1], "its number of values")?,
            encoding: encoding(told[2])?,
            definition: level_encoding(told[3])?,
            repetition: level_encoding(told[4])?,
        })
    }

    fn of_dictionary(told: &[Option<i64>; 8]) -> Result<Self> {
        Ok(Self::Dictionary {
            values: count(told[1], "its number of values")?,
            encoding: encoding(told[2])?,
            is_sorted: told[3] == Some(1),
        })
    }

    fn of_two(told: &[Option<i64>; 8], stored: usize, expanded: usize) -> Result<Self> {
        let definition = count(told[5], "the size of its levels")?;
        let repetition = count(told[6], "the size of its levels")?;
        let levels = definition as usize + repetition as usize;
        if levels > stored || levels > expanded {
            return Err(Error::malformed(format!(
                "levels of {levels} bytes in a page of {stored}"
            )));
        }
        Ok(Self::Two {
            values: count(told[1], "its number of values")?,
            nulls: count(told[2], "its number of nulls")?,
            rows: count(told[3], "its number of rows")?,
            encoding: encoding(told[4])?,
            definition,
            repetition,
            is_compressed: told[7] != Some(0),
        })
    }

    /// Values of a page of data, and its rows where it says so.
    pub(crate) fn data(&self) -> Option<(u32, Option<u32>)> {
        match *self {
            Self::One { values, .. } => Some((values, None)),
            Self::Two { values, rows, .. } => Some((values, Some(rows))),
            Self::Dictionary { .. } | Self::Other => None,
        }
    }
}

/// Pages that are handed to the decoder one after the other.
pub(crate) struct Pages(pub(crate) std::vec::IntoIter<Page>);

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(Ok)
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Ok(self.0.next())
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(self.0.as_slice().first().map(|page| PageMetadata {
            num_rows: None,
            num_levels: Some(page.num_values() as usize),
            is_dict: page.is_dictionary_page(),
        }))
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.0.next();
        Ok(())
    }
}
