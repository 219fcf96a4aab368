//! Where long byte strings lie in the file, so that one is read without the page that it is in.

use std::cell::Cell;

use bytes::Bytes;
use parquet::data_type::ByteArray;
use tallow_arrow::{Error, ReadAt, Result};

use crate::codec::{Codec, expand_snappy_into};
use crate::snappy::{self, BLOCK_BYTES};

/// Plain byte strings that are shorter are not worth a read each.
const PLAIN_MIN: usize = 4 << 10;

/// Of shorter ones too much else is in the blocks in which they lie: where all values of a page are read one
/// after the other, the page costs less.
const SNAPPY_MIN: usize = 16 << 10;

/// Reading a value alone takes the blocks that it lies in. It is worth it where the page is so many times as
/// long.
const GAIN_MIN: usize = 4;

/// Where the byte strings of a unit lie: found when it was decoded, and some bytes a value instead of the value.
#[derive(Debug)]
pub struct Places {
    parts: Vec<Part>,
    values: Vec<Place>,
}

/// The bytes of a page that is not compressed, or compressed in blocks that stand alone.
#[derive(Debug)]
pub(crate) struct Part {
    /// Where they begin in the file.
    offset: u64,
    /// Bytes of the decoder's page before them.
    before: usize,
    /// How many there are when they are expanded.
    expanded: usize,
    /// Where each block begins, from `offset` on, and where the last one ends; none for plain bytes.
    blocks: Option<Vec<u32>>,
}

/// A value: the number of its part, or none for a null, its first byte there, and its length.
#[derive(Debug, Clone, Copy)]
struct Place {
    part: Option<u32>,
    start: u32,
    bytes: u32,
}

impl Part {
    /// The part that `stored` is, from `offset` of the file on, if reading one of its `values` values alone
    /// is worth it.
    pub(crate) fn of(
        codec: Codec,
        (offset, stored): (u64, &[u8]),
        (before, expanded): (usize, usize),
        values: u32,
    ) -> Option<Self> {
        let mean = expanded.checked_div(values as usize)?;
        let (least, read) = match codec {
            Codec::None => (PLAIN_MIN, mean),
            Codec::Snappy => (SNAPPY_MIN, mean + BLOCK_BYTES),
            _ => return None,
        };
        if mean < least || expanded < GAIN_MIN * read {
            return None;
        }
        let blocks = match codec {
            Codec::None => None,
            _ => Some(snappy::blocks(stored, expanded)?),
        };
        Some(Self { offset, before, expanded, blocks })
    }

    /// Fills `into` with the bytes from `start` on.
    fn read(&self, source: &(impl ReadAt + ?Sized), start: usize, into: &mut [u8]) -> Result<()> {
        let Some(blocks) = &self.blocks else {
            return source.read_at(self.offset + start as u64, into).map_err(Error::io);
        };
        if into.is_empty() {
            return Ok(());
        }
        let (first, last) = (start / BLOCK_BYTES, (start + into.len() - 1) / BLOCK_BYTES);
        let (from, to) = (blocks[first] as usize, blocks[last + 1] as usize);
        let base = first * BLOCK_BYTES;
        let expanded = ((last + 1) * BLOCK_BYTES).min(self.expanded) - base;
        let (mut stored, mut bytes) = SCRATCH.take();
        stored.clear();
        snappy::put_len(expanded, &mut stored);
        let head = stored.len();
        stored.resize(head + to - from, 0);
        source.read_at(self.offset + from as u64, &mut stored[head..]).map_err(Error::io)?;
        bytes.resize(bytes.len().max(expanded), 0);
        expand_snappy_into(&stored, &mut bytes[..expanded])?;
        into.copy_from_slice(&bytes[start - base..][..into.len()]);
        if stored.capacity() + bytes.capacity() <= SCRATCH_MAX {
            SCRATCH.set((stored, bytes));
        }
        Ok(())
    }
}

/// The most bytes that a thread keeps.
const SCRATCH_MAX: usize = 16 << 20;

thread_local! {
    /// Memory of the last blocks, as they are stored and expanded.
    static SCRATCH: Cell<(Vec<u8>, Vec<u8>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

impl Places {
    /// Those of `strings`, which lie in `pages`, and of which `nulls` says which are none; `None` where one
    /// cannot be read alone.
    pub(crate) fn of(
        pages: Vec<(Bytes, Option<Part>)>,
        strings: &[ByteArray],
        nulls: &[bool],
    ) -> Option<Self> {
        // Most have none: pages of numbers, of short texts, and of other codecs.
        if pages.iter().all(|(_, part)| part.is_none()) {
            return None;
        }
        let place = |(row, string): (usize, &ByteArray)| {
            if nulls.get(row).copied().unwrap_or(false) {
                return Some(Place { part: None, start: 0, bytes: 0 });
            }
            let bytes = string.data();
            if bytes.is_empty() {
                // It may lie anywhere.
                return Some(Place { part: Some(0), start: 0, bytes: 0 });
            }
            let within = |page: &Bytes| {
                let start = bytes.as_ptr().addr().checked_sub(page.as_ptr().addr())?;
                (start.checked_add(bytes.len())? <= page.len()).then_some(start)
            };
            let mut found = pages.iter().enumerate();
            let (part, start) = found.find_map(|(at, (page, part))| {
                Some((at, within(page)?.checked_sub(part.as_ref()?.before)?))
            })?;
            Some(Place {
                part: Some(u32::try_from(part).ok()?),
                start: u32::try_from(start).ok()?,
                bytes: u32::try_from(bytes.len()).ok()?,
            })
        };
        let values = strings.iter().enumerate().map(place).collect::<Option<_>>()?;
        // Of a page without a part, as that of places in a dictionary, nothing is read.
        let none = || Part { offset: 0, before: 0, expanded: 0, blocks: None };
        let parts = pages.into_iter().map(|(_, part)| part.unwrap_or_else(none)).collect();
        Some(Self { parts, values })
    }

    /// The bytes of the value of the unit's row `row`; none for a null.
    pub fn bytes(&self, row: usize) -> Option<usize> {
        let place = self.values.get(row)?;
        place.part.map(|_| place.bytes as usize)
    }

    /// Fills `into` with the bytes of a value from `first` on, which it must have.
    pub(crate) fn read(
        &self,
        source: &(impl ReadAt + ?Sized),
        row: usize,
        first: usize,
        into: &mut [u8],
    ) -> Result<()> {
        let place = self.values.get(row).copied();
        let part = place.and_then(|place| Some((place, self.parts.get(place.part? as usize)?)));
        let end = first.saturating_add(into.len());
        match part {
            Some((place, part)) if end <= place.bytes as usize => {
                part.read(source, place.start as usize + first, into)
            }
            _ => Err(Error::malformed(format!("no bytes {first}..{end} of a value"))),
        }
    }

    /// Bytes of memory that are held.
    pub fn held_bytes(&self) -> usize {
        let blocks = self.parts.iter().filter_map(|part| part.blocks.as_ref());
        let blocks: usize = blocks.map(|blocks| 4 * blocks.capacity()).sum();
        blocks
            + self.parts.capacity() * size_of::<Part>()
            + self.values.capacity() * size_of::<Place>()
            + size_of::<Self>()
    }
}
