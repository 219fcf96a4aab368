use super::header::{BLOCK_BYTES, Header, Kind};
use super::pax::Records;
use crate::error::quoted;
use crate::files::{File, Section, foreign};
use crate::{Error, ErrorKind, Result};

/// A file in an archive.
#[derive(Debug)]
pub(crate) struct Member<'a> {
    pub(crate) name: &'a [u8],
    /// Where its bytes begin. Its header is the block before.
    pub(crate) start: u64,
    pub(crate) bytes: u64,
    /// Whether the header itself says how many there are, as nearly all do, and not a record before it.
    pub(crate) is_plain: bool,
}

/// Entries that are no files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    pub(crate) links: usize,
    /// Folders, devices and labels.
    pub(crate) others: usize,
}

/// The most bytes of a long name, or of the records about an entry.
pub(super) const EXTENSION_BYTES_MAX: u64 = 64 << 10;

/// The most zeros between archives that follow one another, or after the last one. Programs fill up to
/// some 10 KiB.
pub(super) const ZEROS_MAX: u64 = 16 << 20;

/// Calls `visit` with each file in an archive of `len` bytes, in their order.
///
/// One pass over the headers. Where files are small it reads all there is, in pieces; where they are
/// large, their headers alone.
///
/// # Errors
///
/// Those of `visit`; and [`ErrorKind::Foreign`], [`ErrorKind::Header`] or [`ErrorKind::Truncated`] where
/// it is no archive, holds what cannot be read as a file, or is cut.
pub(crate) fn scan(
    file: &File,
    len: u64,
    mut visit: impl FnMut(&Member<'_>) -> Result<()>,
) -> Result<PassedOver> {
    let mut blocks = Blocks::new(file, len);
    let (mut passed_over, mut pending) = (PassedOver::default(), Pending::default());
    let (mut at, mut zeros) = (0, 0);
    while at < len {
        let block = match blocks.at(at)? {
            Some(block) => block,
            None if at == 0 => return Err(no_header(file, len, at)),
            None => return Err(cut(at)),
        };
        if block.iter().all(|&byte| byte == 0) {
            zeros += BLOCK_BYTES as u64;
            if zeros > ZEROS_MAX {
                let message = format!("more than {ZEROS_MAX} zeros, expected a header or the end");
                return Err(Error::new(ErrorKind::Header, message).with_offset(at));
            }
            at += BLOCK_BYTES as u64;
            continue;
        }
        zeros = 0;
        let Some(header) = Header::of(block) else { return Err(no_header(file, len, at)) };
        let kind = header.kind();
        let name = pending.name_of(&header);
        let entry = Entry { name: &name, at, len };
        let size = header.size().map_err(|error| entry.refused(&error))?;
        let start = at + BLOCK_BYTES as u64;
        let bytes = match kind {
            Kind::File | Kind::Refused(_) => pending.size().unwrap_or(size),
            _ => size,
        };
        let next = entry.end(start, bytes)?;
        match kind {
            Kind::File if pending.is_sparse() => {
                return Err(entry.error("is sparse; pack the files again without --sparse"));
            }
            Kind::File => {
                visit(&Member { name: &name, start, bytes, is_plain: bytes == size })
                    .map_err(|error| error.with_offset(at))?;
                pending = Pending::default();
            }
            Kind::Refused(what) => return Err(entry.error(what)),
            Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxForAll => {
                let payload = entry.extension(&blocks, start, bytes)?;
                pending.take(kind, payload).map_err(|error| entry.refused(&error))?;
            }
            // Programs differ in whether they pass over such bytes.
            Kind::Folder | Kind::Link | Kind::Device if bytes > 0 => {
                return Err(entry.error("is no file and has bytes"));
            }
            Kind::Folder | Kind::Link | Kind::Device | Kind::Other => {
                match kind {
                    Kind::Link => passed_over.links += 1,
                    _ => passed_over.others += 1,
                }
                pending = Pending::default();
            }
        }
        blocks.span = next - at;
        at = next;
    }
    match pending.at_end() {
        None => Ok(passed_over),
        Some(error) => Err(error.with_offset(len)),
    }
}

/// What was said about the next file.
#[derive(Debug, Default)]
pub(super) struct Pending {
    long_name: Option<Vec<u8>>,
    records: Option<Records>,
}

impl Pending {
    pub(super) fn name_of(&self, header: &Header<'_>) -> Vec<u8> {
        let path = self.records.as_ref().and_then(|records| records.path.clone());
        path.or_else(|| self.long_name.clone()).unwrap_or_else(|| header.name())
    }

    /// The size that counts, whatever the header of the file says. That of a name between the records
    /// and the file is its own.
    pub(super) fn size(&self) -> Option<u64> {
        self.records.as_ref()?.size
    }

    pub(super) fn is_sparse(&self) -> bool {
        self.records.as_ref().is_some_and(|records| records.is_sparse)
    }

    pub(super) fn take(&mut self, kind: Kind, mut payload: Vec<u8>) -> Result<()> {
        match kind {
            Kind::LongName => {
                let end = payload.iter().position(|&byte| byte == 0).unwrap_or(payload.len());
                payload.truncate(end);
                self.long_name = Some(payload);
            }
            Kind::Pax => self.records = Some(Records::parse(&payload)?),
            Kind::PaxForAll if !Records::parse(&payload)?.is_empty() => {
                let message = "gives one name or size to all entries; pack the files again";
                return Err(Error::new(ErrorKind::Header, message));
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn at_end(&self) -> Option<Error> {
        let message = "the archive ends after an extended header, expected its file";
        (self.long_name.is_some() || self.records.is_some())
            .then(|| Error::new(ErrorKind::Truncated, message))
    }
}

/// An entry, for messages.
struct Entry<'a> {
    name: &'a [u8],
    at: u64,
    /// The length of the archive.
    len: u64,
}

impl Entry<'_> {
    /// Where the next header may be.
    fn end(&self, start: u64, bytes: u64) -> Result<u64> {
        let end = start.checked_add(bytes).filter(|&end| end <= self.len);
        let padded = end.and_then(|end| end.checked_next_multiple_of(BLOCK_BYTES as u64));
        padded.ok_or_else(|| {
            let message = format!(
                "member {} has {bytes} bytes from byte {start} on, but the archive ends at byte {}: \
                 it was cut",
                self.quoted(),
                self.len
            );
            Error::new(ErrorKind::Truncated, message).with_offset(self.at)
        })
    }

    /// The bytes of an extended header.
    fn extension(&self, blocks: &Blocks<'_>, start: u64, bytes: u64) -> Result<Vec<u8>> {
        if bytes > EXTENSION_BYTES_MAX {
            let what =
                format!("is an extended header of {bytes} bytes, at most {EXTENSION_BYTES_MAX}");
            return Err(self.error(&what));
        }
        let mut payload = vec![0; bytes as usize];
        blocks.read(&mut payload, start)?;
        Ok(payload)
    }

    #[cold]
    fn error(&self, what: &str) -> Error {
        let message = format!("member {} {what}", self.quoted());
        Error::new(ErrorKind::Header, message).with_offset(self.at)
    }

    #[cold]
    fn refused(&self, error: &Error) -> Error {
        self.error(error.message())
    }

    fn quoted(&self) -> String {
        quoted(&String::from_utf8_lossy(self.name))
    }
}

/// The error of a block that is not all there.
#[cold]
fn cut(at: u64) -> Error {
    let message = "the archive ends within a block of 512 bytes: it was cut";
    Error::new(ErrorKind::Truncated, message).with_offset(at)
}

/// The error of a block that is no header.
#[cold]
fn no_header(file: &File, len: u64, at: u64) -> Error {
    if at > 0 {
        let message =
            "found bytes that are no header, expected one or the end: the archive is damaged";
        return Error::new(ErrorKind::Header, message).with_offset(at);
    }
    foreign::error(Section::of_file(file, len), "a tar archive").unwrap_or_else(|| {
        let message = "found no header, expected a tar archive";
        Error::new(ErrorKind::Foreign, message).with_offset(0)
    })
}

/// The blocks of a file, read ahead as far as it pays.
struct Blocks<'a> {
    file: &'a File,
    len: u64,
    buffer: Vec<u8>,
    /// Where the buffer lies in the file.
    start: u64,
    /// The bytes from the last header to its successor.
    span: u64,
}

impl<'a> Blocks<'a> {
    /// With files up to this length reading everything is faster than a call for each header, whether
    /// it comes from memory or from a disk.
    const SPAN_MAX: u64 = 64 << 10;

    fn new(file: &'a File, len: u64) -> Self {
        Self { file, len, buffer: Vec::new(), start: 0, span: 0 }
    }

    /// The block at `at`, which is below the length of the file, unless the file ends within it.
    fn at(&mut self, at: u64) -> Result<Option<&[u8; BLOCK_BYTES]>> {
        let offset = at.checked_sub(self.start).map(|offset| offset as usize);
        let is_there = |offset: usize| offset + BLOCK_BYTES <= self.buffer.len();
        let offset = match offset.filter(|&offset| is_there(offset)) {
            Some(offset) => offset,
            None => {
                self.fill(at)?;
                0
            }
        };
        let block = self.buffer.get(offset..offset + BLOCK_BYTES);
        Ok(block.and_then(|block| block.try_into().ok()))
    }

    fn fill(&mut self, at: u64) -> Result<()> {
        const MANY: u64 = 1 << 20;
        const FEW: u64 = 4 * BLOCK_BYTES as u64;
        let most = if self.span <= Self::SPAN_MAX { MANY } else { FEW };
        let bytes = most.min(self.len - at) as usize;
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(bytes, 0);
        self.read(&mut buffer, at)?;
        // A few zeros are what is left of a block that a program did not fill up.
        if bytes < BLOCK_BYTES && buffer.iter().all(|&byte| byte == 0) {
            buffer.resize(BLOCK_BYTES, 0);
        }
        (self.buffer, self.start) = (buffer, at);
        Ok(())
    }

    fn read(&self, buffer: &mut [u8], at: u64) -> Result<()> {
        let failed = |error| Error::io("read", error).with_offset(at);
        self.file.read_exact_at(buffer, at).map_err(failed)
    }
}
