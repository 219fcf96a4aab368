//! Where the rows of a column lie: units of pages that are decoded together.

use parquet::file::metadata::ColumnChunkMetaData;
use tallow_arrow::{Error, ErrorKind, ReadAt, Result};

use crate::codec::Codec;
use crate::page::{Header, Kind};
use crate::thrift::{Thrift, Type};

/// The pages of a column in a row group.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) codec: Codec,
    /// The first byte of the dictionary, and its bytes in the file and expanded.
    pub(crate) dictionary: Option<(u64, usize, usize)>,
}

/// Pages that lie side by side and are decoded together.
#[derive(Debug)]
pub(crate) struct Unit {
    /// The first row, in the file.
    pub(crate) row: u64,
    pub(crate) chunk: usize,
    pub(crate) offset: u64,
    /// Bytes in the file.
    pub(crate) bytes: usize,
    /// Bytes when they are expanded, and values.
    pub(crate) expanded: usize,
    pub(crate) values: usize,
}

/// What the walk over the pages of a chunk finds.
pub(crate) struct Walk<'a, S: ?Sized> {
    pub(crate) source: &'a S,
    pub(crate) unit_bytes: usize,
    /// Whether rows are lists, so that the values of a page do not tell its rows.
    pub(crate) are_lists: bool,
}

impl<S: ReadAt + ?Sized> Walk<'_, S> {
    /// The units of chunk number `chunk`, which has `rows` rows from `first` on.
    pub(crate) fn units(
        &self,
        metadata: &ColumnChunkMetaData,
        chunk: usize,
        (first, rows): (u64, u64),
    ) -> Result<(Chunk, Vec<Unit>)> {
        let (mut offset, end) = self.bounds(metadata)?;
        let mut own = Chunk { codec: Codec::of(metadata.compression())?, dictionary: None };
        let starts = if self.are_lists { self.page_rows(metadata, rows) } else { None };
        let mut units: Vec<Unit> = Vec::new();
        let (mut row, mut values, most) = (0, 0u64, metadata.num_values().max(0) as u64);
        while offset < end && values < most {
            let header = Header::read(self.source, offset, end)?;
            let bytes = header.bytes.saturating_add(header.stored);
            if bytes as u64 > end - offset {
                let message =
                    format!("a page of {bytes} bytes, of which its column has {}", end - offset);
                return Err(Error::malformed(message).at(offset));
            }
            self.check_size(header.expanded).map_err(|error| error.at(offset))?;
            if let Some((count, told)) = header.kind.data() {
                values += u64::from(count);
                let rows = match (&starts, told) {
                    _ if !self.are_lists => Some(u64::from(count)),
                    (_, Some(told)) => Some(told.into()),
                    (Some(starts), _) => starts.rows(offset),
                    (None, None) => None,
                };
                let (expanded, count) = (header.expanded, count as usize);
                let unit = Unit { row: first + row, chunk, offset, bytes, expanded, values: count };
                row = self.add(&mut units, unit, row, rows)?;
            } else if let Kind::Dictionary { .. } = header.kind {
                own.dictionary = Some((offset, bytes, header.expanded));
            }
            offset += bytes as u64;
        }
        let is_known = !self.are_lists || units.len() > 1;
        if values != most || (is_known && row != rows && row != 0) || (rows > 0 && units.is_empty())
        {
            let message = format!(
                "pages of {values} values and {row} rows, expected {most} and {rows} as the metadata say"
            );
            return Err(Error::malformed(message));
        }
        Ok((own, units))
    }

    /// Adds a page: to the unit before it where its rows are not known.
    fn add(&self, units: &mut Vec<Unit>, unit: Unit, row: u64, rows: Option<u64>) -> Result<u64> {
        match (units.last_mut(), rows) {
            (Some(last), None) => {
                last.bytes = (unit.offset - last.offset) as usize + unit.bytes;
                last.values += unit.values;
                last.expanded = last.expanded.saturating_add(unit.expanded);
                self.check_size(last.expanded)?;
            }
            (_, Some(0)) if unit.values == 0 => {}
            (_, Some(0)) => {
                return Err(Error::malformed("a page of values without rows").at(unit.offset));
            }
            _ => units.push(unit),
        }
        Ok(row + rows.unwrap_or(0))
    }

    fn check_size(&self, bytes: usize) -> Result<()> {
        if bytes <= self.unit_bytes {
            return Ok(());
        }
        let message = format!(
            "pages of {bytes} bytes that are decoded together, at most {}; write smaller row groups, or a \
             page index",
            self.unit_bytes
        );
        Err(Error::unsupported(message))
    }

    /// The bytes of the file from which and to which the pages go.
    fn bounds(&self, metadata: &ColumnChunkMetaData) -> Result<(u64, u64)> {
        if metadata.file_path().is_some() {
            return Err(Error::unsupported("a column that lies in another file"));
        }
        let data = metadata.data_page_offset();
        let start = metadata.dictionary_page_offset().filter(|at| (1..data).contains(at));
        let (start, bytes) = (start.unwrap_or(data), metadata.compressed_size());
        let places = (u64::try_from(start).ok(), u64::try_from(bytes).ok());
        let (Some(start), Some(end)) =
            (places.0, places.0.zip(places.1).and_then(|(a, b)| a.checked_add(b)))
        else {
            return Err(Error::malformed(format!("{bytes} bytes of a column from {start} on")));
        };
        if end > self.source.bytes() {
            let message = format!(
                "a column ends at byte {end} of a file of {}: the file is cut",
                self.source.bytes()
            );
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        Ok((start, end))
    }

    /// The first row of each page, where an offset index that makes sense tells them.
    fn page_rows(&self, metadata: &ColumnChunkMetaData, rows: u64) -> Option<PageRows> {
        const BYTES_MAX: u64 = 64 << 20;
        let offset = u64::try_from(metadata.offset_index_offset()?).ok()?;
        let bytes = u64::try_from(metadata.offset_index_length()?).ok()?;
        if bytes > BYTES_MAX || offset.checked_add(bytes)? > self.source.bytes() {
            return None;
        }
        let mut index = vec![0; bytes as usize];
        self.source.read_at(offset, &mut index).ok()?;
        PageRows::of(&index, rows).ok().flatten()
    }
}

/// The first byte and the first row of each page, and what comes after the last.
struct PageRows(Vec<(u64, u64)>);

impl PageRows {
    fn of(index: &[u8], rows: u64) -> Result<Option<Self>> {
        let (mut thrift, mut last, mut pages) = (Thrift::new(index), 0, Vec::new());
        while let Some((field, of)) = thrift.field(&mut last)? {
            if (field, of) != (1, Type::LIST) {
                thrift.skip(of, 0)?;
                continue;
            }
            let (items, of) = thrift.list()?;
            if of != Type::STRUCT {
                return Ok(None);
            }
            for _ in 0..items {
                let [_, offset, _, row] = thrift.numbers::<4>()?;
                let number = |it: Option<i64>| it.and_then(|it| u64::try_from(it).ok());
                let Some(page) = number(offset).zip(number(row)) else { return Ok(None) };
                pages.push(page);
            }
        }
        pages.push((u64::MAX, rows));
        let is_sound = pages.first().is_some_and(|page| page.1 == 0)
            && pages.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        Ok(is_sound.then_some(Self(pages)))
    }

    /// The rows of the page at `offset`.
    fn rows(&self, offset: u64) -> Option<u64> {
        let at = self.0.binary_search_by_key(&offset, |page| page.0).ok()?;
        Some(self.0.get(at + 1)?.1 - self.0[at].1)
    }
}
