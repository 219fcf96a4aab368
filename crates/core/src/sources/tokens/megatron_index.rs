//! The `.idx` file that Megatron keeps beside a `.bin` file of tokens.

use std::path::Path;

use super::token_type::TokenType;
use crate::files::{File, Limits, Stamp, exists, open_path};
use crate::{Error, ErrorKind, Result};

/// What the file begins with.
const MAGIC: &[u8; 9] = b"MMIDIDX\0\0";

/// Bytes before the arrays: the magic, version, type of tokens, number of sequences, number of
/// documents. The arrays after it are not aligned.
const HEAD_BYTES: u64 = 34;

/// What an index says of its tokens.
#[derive(Debug)]
pub(super) struct MegatronIndex {
    file: File,
    pub(super) stored: TokenType,
    /// Sequences, of which documents are made.
    sequences: u64,
    /// Where documents begin, one more than there are.
    bounds: u64,
}

impl MegatronIndex {
    /// What `read` makes of the index at `path`, which does not change meanwhile; `None` if the file is
    /// not there, or of another kind.
    pub(super) fn read<T>(path: &Path, read: impl FnOnce(&Self) -> Result<T>) -> Result<Option<T>> {
        if !exists(path) {
            return Ok(None);
        }
        let file = open_path(path)?;
        let handle = file.try_clone().map_err(|error| Error::io("open", error).with_path(path))?;
        let read = Stamp::at_rest(&handle, |stamp| {
            Self::open(file, stamp.bytes)?.map(|index| read(&index)).transpose()
        });
        read.map(|(_, read)| read).map_err(|error| error.with_path(path))
    }

    fn open(file: File, file_bytes: u64) -> Result<Option<Self>> {
        let mut head = [0; HEAD_BYTES as usize];
        let len = file_bytes.min(HEAD_BYTES) as usize;
        file.read_exact_at(&mut head[..len], 0).map_err(|e| Error::io("read the header", e))?;
        if !head[..len].starts_with(MAGIC) {
            return Ok(None);
        }
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
        if len < head.len() {
            let message = format!("{len} bytes, expected at least the {HEAD_BYTES} of a header");
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        if word(9) != 1 {
            let message = format!("version {} of Megatron's index, expected 1", word(9));
            return Err(Error::new(ErrorKind::Header, message).with_offset(9));
        }
        let stored = token_type(head[17])?;
        let (sequences, bounds) = (word(18), word(26));
        check_length(file_bytes, sequences, bounds)?;
        Ok(Some(Self { file, stored, sequences, bounds }))
    }

    /// Whether the sequences end where the `.bin` file of `bin_bytes` bytes does.
    pub(super) fn check_end(&self, bin_bytes: u64) -> Result<()> {
        let mut end = 0;
        if let Some(last) = self.sequences.checked_sub(1) {
            let length = self.lengths(last).next()?.cast_unsigned();
            let bytes = length.checked_mul(self.stored.bytes() as u64);
            let pointer = self.pointers(last).next()?.cast_unsigned();
            let sum = bytes.and_then(|bytes| pointer.checked_add(bytes));
            end = sum.unwrap_or(u64::MAX);
        }
        let kind = match bin_bytes {
            found if found == end => return Ok(()),
            found if found < end => ErrorKind::Truncated,
            _ => ErrorKind::Header,
        };
        let message = format!("the sequences take {end} bytes, the .bin file holds {bin_bytes}");
        Err(Error::new(kind, message))
    }

    /// The token after the last of each document. All of the index is read, and refused where it
    /// contradicts itself.
    pub(super) fn document_ends(&self, limits: &Limits) -> Result<Vec<usize>> {
        let documents = self.bounds.saturating_sub(1);
        check_index(documents, limits)?;
        let mut ends = Vec::with_capacity(documents as usize);
        if self.bounds == 0 && self.sequences > 0 {
            let message =
                format!("{} sequences in no document; write the index again", self.sequences);
            return Err(Error::new(ErrorKind::Damaged, message).with_offset(26));
        }
        let (mut lengths, mut pointers) = (self.lengths(0), self.pointers(0));
        let mut bounds = self.bounds(0);
        let (mut sequence, mut tokens) = (0u64, 0u64);
        for at in 0..self.bounds {
            let bound = bounds.next()?.cast_unsigned();
            let is_right = (sequence..=self.sequences).contains(&bound)
                && (at > 0 || bound == 0)
                && (at + 1 < self.bounds || bound == self.sequences);
            if !is_right {
                return Err(contradiction("document", at, bound, bounds.last_at()));
            }
            while sequence < bound {
                let (length, pointer) = (lengths.next()?, pointers.next()?.cast_unsigned());
                if length < 0 || Some(pointer) != tokens.checked_mul(self.stored.bytes() as u64) {
                    return Err(contradiction("sequence", sequence, pointer, pointers.last_at()));
                }
                // As many tokens as bytes have been pointed to, so this cannot overflow.
                tokens += length.cast_unsigned();
                sequence += 1;
            }
            if at > 0 {
                ends.push(tokens as usize);
            }
        }
        Ok(ends)
    }

    /// The lengths of sequences in tokens, from this one on.
    fn lengths(&self, from: u64) -> Numbers<'_, 4> {
        Numbers::new(&self.file, HEAD_BYTES + 4 * from, HEAD_BYTES + 4 * self.sequences)
    }

    /// The bytes at which sequences begin, from this one on.
    fn pointers(&self, from: u64) -> Numbers<'_, 8> {
        let start = HEAD_BYTES + 4 * self.sequences;
        Numbers::new(&self.file, start + 8 * from, start + 8 * self.sequences)
    }

    /// The sequences with which documents begin, and the number of all.
    fn bounds(&self, from: u64) -> Numbers<'_, 8> {
        let start = HEAD_BYTES + 12 * self.sequences;
        Numbers::new(&self.file, start + 8 * from, start + 8 * self.bounds)
    }
}

/// Whether as many documents may be held in memory.
pub(super) fn check_index(documents: u64, limits: &Limits) -> Result<()> {
    let most = limits.index_bytes as u64 / size_of::<usize>() as u64;
    if documents <= most {
        return Ok(());
    }
    let message = format!(
        "{documents} documents or more, whose ends must be held in memory, at most {most} of them; set \
         Limits::index_bytes"
    );
    Err(Error::new(ErrorKind::TooLarge, message))
}

fn token_type(code: u8) -> Result<TokenType> {
    Ok(match code {
        1 => TokenType::U8,
        2 => TokenType::I8,
        3 => TokenType::I16,
        4 => TokenType::I32,
        5 => TokenType::I64,
        8 => TokenType::U16,
        6 | 7 => {
            let message = "tokens of floats, expected integers";
            return Err(Error::new(ErrorKind::UnsupportedDtype, message).with_offset(17));
        }
        other => {
            let message = format!("the type of tokens is {other}, expected 1 to 8");
            return Err(Error::new(ErrorKind::Header, message).with_offset(17));
        }
    })
}

/// Whether the arrays end where the file does: 4 bytes of length and 8 of pointer per sequence, 8 per
/// document, and in files of several modes one more per sequence.
fn check_length(file_bytes: u64, sequences: u64, bounds: u64) -> Result<()> {
    let sum = |per_sequence: u64| {
        let sequences = sequences.checked_mul(per_sequence)?;
        HEAD_BYTES.checked_add(sequences)?.checked_add(bounds.checked_mul(8)?)
    };
    let (least, most) = (sum(12), sum(13));
    let kind = match Some(file_bytes) {
        found if found == least || found == most => return Ok(()),
        found if least.is_none() || found < least => ErrorKind::Truncated,
        _ => ErrorKind::Header,
    };
    let message = format!(
        "{file_bytes} bytes, expected those of {sequences} sequences and {bounds} bounds of documents"
    );
    Err(Error::new(kind, message).with_offset(18))
}

#[cold]
fn contradiction(what: &str, at: u64, found: u64, offset: u64) -> Error {
    let message = format!(
        "{what} {at} begins at {found}, which contradicts what is before; write the index again"
    );
    Error::new(ErrorKind::Damaged, message).with_offset(offset)
}

/// Integers of `N` bytes in a part of a file, one after the other.
struct Numbers<'a, const N: usize> {
    file: &'a File,
    /// Where the next part that is read begins.
    at: u64,
    end: u64,
    read: Vec<u8>,
    /// How much of what is read was returned.
    used: usize,
}

impl<'a, const N: usize> Numbers<'a, N> {
    /// How much is read at once.
    const BYTES: usize = 1 << 16;

    fn new(file: &'a File, at: u64, end: u64) -> Self {
        Self { file, at, end, read: Vec::new(), used: 0 }
    }

    fn next(&mut self) -> Result<i64> {
        if self.used == self.read.len() {
            let bytes = self.end.saturating_sub(self.at).min(Self::BYTES as u64) as usize;
            self.read.resize(bytes, 0);
            let read = self.file.read_exact_at(&mut self.read, self.at);
            read.map_err(|error| Error::io("read", error).with_offset(self.at))?;
            self.at += bytes as u64;
            self.used = 0;
        }
        let Some(bytes) = self.read.get(self.used..self.used + N) else {
            let message = "an array ends within an integer";
            return Err(Error::new(ErrorKind::Truncated, message).with_offset(self.at));
        };
        self.used += N;
        // The sign is that of the highest byte.
        let fill = if bytes[N - 1] < 0x80 { 0 } else { 0xff };
        let whole = std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(fill));
        Ok(i64::from_le_bytes(whole))
    }

    /// The byte of the integer that was returned last.
    fn last_at(&self) -> u64 {
        self.at - (self.read.len() - self.used + N) as u64
    }
}
