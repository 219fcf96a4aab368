//! Zip archives: where each member lies. Nothing of an archive is ever written to a file.

use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};
use std::rc::Rc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::{File, Section, foreign, reserve};
use crate::error::quoted;
use crate::{Error, ErrorKind, Result};

/// An archive whose directory has been read and checked.
pub(crate) struct Archive<'a> {
    zip: ZipArchive<Reading<'a>>,
    members: Vec<Member>,
    budget: Rc<Cell<u64>>,
}

/// A member of an archive: its name, and where its bytes are.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its place in the directory.
    at: usize,
    pub(crate) name: String,
    /// Where the header before its bytes begins in the file.
    pub(crate) header: u64,
    /// Where its bytes begin in the file, compressed or not.
    pub(crate) start: u64,
    /// The number of its bytes, not compressed, as the directory says.
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
    pub(crate) is_compressed: bool,
}

impl<'a> Archive<'a> {
    /// Bytes that are read to learn what an archive holds: 1,000 times as many as one of 100 arrays
    /// takes. A file that has no directory is not searched to its beginning for one.
    const DIRECTORY_BYTES_MAX: u64 = 64 << 20;

    /// Reads the directory of an archive, `file_bytes` long.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Foreign`] for a file that is no zip archive, [`ErrorKind::Header`] for one that
    /// contradicts itself or means two things (a name that comes twice, members that share bytes),
    /// [`ErrorKind::Truncated`] for one that is cut, and [`ErrorKind::Empty`] without members.
    pub(crate) fn read(file: &'a File, file_bytes: u64) -> Result<Self> {
        if file_bytes == 0 {
            return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
        }
        let mut beginning = [0; 4];
        let section = Section::of_file(file, file_bytes);
        if !section.beginning(&mut beginning).starts_with(b"PK") {
            let error =
                Error::new(ErrorKind::Foreign, "found no zip archive, expected a .npz file");
            return Err(foreign::error(section, "a .npz file").unwrap_or(error.with_offset(0)));
        }
        let budget = Rc::new(Cell::new(Self::DIRECTORY_BYTES_MAX));
        let reading = Reading { file, at: 0, len: file_bytes, budget: budget.clone() };
        let mut zip = ZipArchive::new(reading).map_err(of_directory)?;
        if zip.has_duplicate_names() {
            let message = "two members have one name, so it is not known which is meant";
            return Err(Error::new(ErrorKind::Header, message));
        }
        zip.validate_header_consistency().map_err(of_directory)?;
        let members: Result<Vec<_>> = (0..zip.len()).map(|at| member(&mut zip, at)).collect();
        // Folders are listed by some who write archives.
        let members: Vec<_> = members?.into_iter().filter(|it| !it.name.ends_with('/')).collect();
        if members.is_empty() {
            return Err(Error::new(ErrorKind::Empty, "the archive holds no array"));
        }
        Ok(Self { zip, members, budget })
    }

    /// The members in the order of the directory.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// Where the directory begins in the file.
    pub(crate) fn directory_start(&self) -> u64 {
        self.zip.central_directory_start()
    }

    /// The bytes of member number `member`, inflated as they are read. Their checksum is compared where
    /// the reader sees the end.
    pub(crate) fn reader(&mut self, member: usize) -> Result<impl Read> {
        self.budget.set(u64::MAX);
        self.zip.by_index(self.members[member].at).map_err(of_directory)
    }

    /// All bytes of member number `member`, its checksum compared. They are as many as the directory says.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Header`] when the bytes are not those that were compressed.
    pub(crate) fn inflated(&mut self, member: usize) -> Result<Vec<u8>> {
        let bytes = self.members[member].bytes;
        let mut inflated = reserve(usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let member = self.reader(member)?;
        // One more than there should be: the checksum is compared where the reader sees the end.
        let read = member.take(bytes.saturating_add(1)).read_to_end(&mut inflated);
        let found = inflated.len();
        match read {
            Ok(_) if found as u64 == bytes => Ok(inflated),
            Ok(_) => {
                let message = format!("inflates to {found} bytes, expected {bytes}");
                Err(Error::new(ErrorKind::Header, message))
            }
            Err(error) => Err(not_inflated(error)),
        }
    }
}

/// That the bytes of a member are not those that were compressed.
#[cold]
pub(crate) fn not_inflated(error: io::Error) -> Error {
    let message = format!("cannot be inflated: {error}");
    Error::new(ErrorKind::Header, message).with_source(error)
}

fn member(zip: &mut ZipArchive<Reading<'_>>, at: usize) -> Result<Member> {
    let entry = zip.by_index_raw(at).map_err(of_directory)?;
    let name = entry.name().map_err(of_directory)?.into_owned();
    let refused = |kind: ErrorKind, what: &str| {
        Err(Error::new(kind, format!("member {} {what}", quoted(&name))))
    };
    if name.contains('\0') {
        return refused(ErrorKind::Header, "has a zero byte in its name");
    }
    if entry.encrypted() {
        return refused(ErrorKind::Foreign, "is encrypted; save it again with np.savez");
    }
    let is_compressed = match entry.compression() {
        CompressionMethod::Stored => false,
        CompressionMethod::Deflated => true,
        other => {
            let what = format!("is compressed as {other}, expected deflate; save it with np.savez");
            return refused(ErrorKind::Foreign, &what);
        }
    };
    if !is_compressed && entry.size() != entry.compressed_size() {
        return refused(ErrorKind::Header, "is not compressed and has two lengths");
    }
    let Some(start) = entry.data_start() else {
        return refused(ErrorKind::Header, "has no beginning");
    };
    let (bytes, crc) = (entry.size(), entry.crc32());
    let header = entry.header_start();
    Ok(Member { at, header, start, bytes, crc, is_compressed, name })
}

#[cold]
fn of_directory(error: ZipError) -> Error {
    let (kind, what) = match &error {
        ZipError::Io(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
            (ErrorKind::Truncated, "ends within its directory".into())
        }
        ZipError::Io(cause) => (ErrorKind::Io, Cow::Owned(format!("cannot be read: {cause}"))),
        ZipError::InvalidArchive(what) => (ErrorKind::Header, what.clone()),
        other => (ErrorKind::Header, Cow::Owned(other.to_string())),
    };
    Error::new(kind, format!("the zip archive is damaged or cut: {what}")).with_source(error)
}

/// A file as the reader of the directory wants it, which reads no more than the budget.
struct Reading<'a> {
    file: &'a File,
    at: u64,
    len: u64,
    budget: Rc<Cell<u64>>,
}

impl Read for Reading<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(budget) = self.budget.get().checked_sub(most as u64) else {
            let most = Archive::DIRECTORY_BYTES_MAX;
            return Err(io::Error::other(format!("no directory within {most} bytes")));
        };
        let read = self.file.read_at(&mut buffer[..most], self.at)?;
        self.budget.set(budget);
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Reading<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
