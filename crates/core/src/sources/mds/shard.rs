//! One `.mds` file: where its samples are.

use std::ops::Range;

use super::index::{Columns, Entry};
use super::layout::{Layout, NUMBER_BYTES, number};
use crate::error::shortened;
use crate::files::{File, Limits, SampleFile, Section, foreign, read_stored};
use crate::{Error, ErrorKind, Result};

/// A shard.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) file: SampleFile,
    pub(super) samples: usize,
    offsets: Offsets,
    /// Bytes of the smallest and of the largest sample.
    pub(super) sizes: [u64; 2],
}

/// Where samples begin, and where the last ends.
#[derive(Debug)]
enum Offsets {
    /// All have the same size.
    Even { start: u64, bytes: u64 },
    /// As the file has them.
    Table(Vec<u32>),
}

impl Shard {
    /// Opens the shard that `entry` describes, file number `at` of a source that keeps `held` open.
    pub(super) fn open(
        entry: &Entry,
        layout: &Layout,
        at: usize,
        held: usize,
        limits: &Limits,
    ) -> Result<Self> {
        entry.check_raw()?;
        let (file, (offsets, sizes)) = SampleFile::open(&entry.path, at, held, |file, bytes| {
            check_length(file, bytes, entry)?;
            let head = read_head(file, bytes, entry.samples, limits)?;
            let offsets = numbers(&head, entry.samples as usize);
            let sizes = check_offsets(&offsets, bytes, layout)?;
            check_columns(&head[table_bytes(entry.samples) as usize..], &entry.columns)?;
            let offsets = match sizes {
                [least, most] if least == most => {
                    Offsets::Even { start: u64::from(offsets[0]), bytes: most }
                }
                _ => Offsets::Table(offsets),
            };
            Ok(((offsets, sizes), head))
        })?;
        Ok(Self { file, samples: entry.samples as usize, offsets, sizes })
    }

    /// The bytes of sample `index`.
    pub(super) fn place(&self, index: usize) -> Range<u64> {
        match &self.offsets {
            Offsets::Even { start, bytes } => {
                let start = start + index as u64 * bytes;
                start..start + bytes
            }
            Offsets::Table(offsets) => offsets[index].into()..offsets[index + 1].into(),
        }
    }

    /// Bytes of memory that are held for the places of its samples.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.offsets {
            Offsets::Even { .. } => 0,
            Offsets::Table(offsets) => size_of_val(&offsets[..]),
        }
    }
}

/// Bytes of the number of samples and of all offsets.
fn table_bytes(samples: u64) -> u64 {
    samples.saturating_add(2).saturating_mul(NUMBER_BYTES as u64)
}

/// Whether the file is as long as the index says.
fn check_length(file: &File, bytes: u64, entry: &Entry) -> Result<()> {
    if bytes == entry.bytes {
        return Ok(());
    }
    if let Some(error) = foreign::error(Section::of_file(file, bytes), "an .mds file") {
        return Err(error);
    }
    let kind = if bytes < entry.bytes { ErrorKind::Truncated } else { ErrorKind::Header };
    let message = format!("found {bytes} bytes, expected {} as the index says", entry.bytes);
    Err(Error::new(kind, message))
}

/// All that comes before the first sample: the number of samples, their offsets, the columns.
fn read_head(file: &File, bytes: u64, samples: u64, limits: &Limits) -> Result<Vec<u8>> {
    let table = table_bytes(samples);
    if table > bytes {
        let message =
            format!("{samples} samples as the index says, more than {bytes} bytes can list");
        return Err(Error::new(ErrorKind::Header, message));
    }
    let mut first = [0; 2 * NUMBER_BYTES];
    file.read_exact_at(&mut first, 0).map_err(|error| Error::io("read the offsets", error))?;
    let found = number(&first);
    if found != samples {
        let message = format!("found {found} samples, expected {samples} as the index says");
        return Err(Error::new(ErrorKind::Header, message).with_offset(0));
    }
    let start = number(&first[NUMBER_BYTES..]);
    if start < table || start > bytes {
        return Err(offset_error(0, start, table, bytes));
    }
    let most = limits.index_bytes as u64;
    if start > most {
        let message = format!(
            "offsets and columns of {start} bytes, at most {most}; set Limits::index_bytes"
        );
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    read_stored(file, 0, start as usize, || false)
}

fn numbers(head: &[u8], samples: usize) -> Vec<u32> {
    let table = head[NUMBER_BYTES..].chunks_exact(NUMBER_BYTES).take(samples + 1);
    table.map(|bytes| number(bytes) as u32).collect()
}

/// Whether each sample has room, and the last ends where the file does. The sizes of the smallest and
/// the largest.
fn check_offsets(offsets: &[u32], bytes: u64, layout: &Layout) -> Result<[u64; 2]> {
    let mut sizes = [u64::MAX, 0];
    for (index, pair) in offsets.windows(2).enumerate() {
        let [start, end] = [pair[0], pair[1]].map(u64::from);
        let least = start + layout.least;
        let is_fitting = if layout.is_fixed() { end == least } else { end >= least };
        if !is_fitting || end > bytes {
            return Err(offset_error(index + 1, end, least, bytes));
        }
        sizes = [sizes[0].min(end - start), sizes[1].max(end - start)];
    }
    match offsets.last().map(|&end| u64::from(end)) {
        Some(end) if end != bytes => Err(offset_error(offsets.len() - 1, end, bytes, bytes)),
        _ => Ok(sizes),
    }
}

#[cold]
fn offset_error(index: usize, found: u64, least: u64, most: u64) -> Error {
    let message =
        format!("offset {index} is {found}, expected {least} to {most}; the file is damaged");
    let at = (index as u64 + 1) * NUMBER_BYTES as u64;
    Error::new(ErrorKind::Header, message).with_offset(at)
}

/// Whether the columns that the shard itself names, if it does, are those of the index.
fn check_columns(text: &[u8], expected: &Columns) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let found: Columns = serde_json::from_slice(text).map_err(|error| {
        Error::new(ErrorKind::Header, shortened(error.to_string())).with_source(error)
    })?;
    if found == *expected {
        return Ok(());
    }
    let told = |columns: &Columns| {
        let columns = columns.names.iter().zip(&columns.encodings);
        let columns: Vec<String> = columns.map(|(name, it)| format!("{name}: {it}")).collect();
        shortened(columns.join("; "))
    };
    let message = format!("found columns {}, the index says {}", told(&found), told(expected));
    Err(Error::new(ErrorKind::Header, message))
}
