use std::io::{self, Read};

use super::header::{BLOCK_BYTES, Header, Kind};
use super::scan::{EXTENSION_BYTES_MAX, Pending, ZEROS_MAX};
use crate::error::quoted;
use crate::{Error, ErrorKind, Result};

/// A file of an archive, with its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// The files of an archive that is read from its beginning to its end, as one that is compressed must be.
///
/// What it accepts is what [`scan`](super::scan) does. After an error it ends.
#[derive(Debug)]
pub(crate) struct Sequence<R> {
    read: R,
    /// Bytes that were read.
    at: u64,
    /// Longer files are refused: their length is only claimed.
    bytes_max: usize,
    ended: bool,
}

impl<R: Read> Sequence<R> {
    /// The files of at most `bytes_max` bytes each that `read` gives.
    pub(crate) fn new(read: R, bytes_max: usize) -> Self {
        Self { read, at: 0, bytes_max, ended: false }
    }

    /// Gives nothing any more.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// The next file; `None` at the end.
    fn file(&mut self) -> Result<Option<File>> {
        let (mut pending, mut zeros) = (Pending::default(), 0);
        loop {
            let at = self.at;
            let place = |error: Error| error.with_offset(at);
            let Some(block) = self.block()? else {
                return pending.at_end().map_or(Ok(None), |error| Err(place(error)));
            };
            if block.iter().all(|&byte| byte == 0) {
                zeros += BLOCK_BYTES as u64;
                if zeros > ZEROS_MAX {
                    let message =
                        format!("more than {ZEROS_MAX} zeros, expected a header or the end");
                    return Err(place(Error::new(ErrorKind::Header, message)));
                }
                continue;
            }
            zeros = 0;
            let header = Header::of(&block).ok_or_else(|| no_header(at))?;
            let (kind, name) = (header.kind(), pending.name_of(&header));
            let refused = |what: &str| {
                let message = format!("member {} {what}", quoted(&String::from_utf8_lossy(&name)));
                place(Error::new(ErrorKind::Header, message))
            };
            let size = header.size().map_err(|error| refused(error.message()))?;
            match kind {
                Kind::File if pending.is_sparse() => {
                    return Err(refused("is sparse; pack the files again without --sparse"));
                }
                Kind::File => {
                    let bytes = pending.size().unwrap_or(size);
                    let bytes = self.payload(bytes, self.bytes_max as u64, &refused)?;
                    return Ok(Some(File { name, bytes }));
                }
                Kind::Refused(what) => return Err(refused(what)),
                Kind::LongName | Kind::LongLink | Kind::Pax | Kind::PaxForAll => {
                    let payload = self.payload(size, EXTENSION_BYTES_MAX, &refused)?;
                    pending.take(kind, payload).map_err(|error| refused(error.message()))?;
                }
                Kind::Folder | Kind::Link | Kind::Device if size > 0 => {
                    return Err(refused("is no file and has bytes"));
                }
                Kind::Folder | Kind::Link | Kind::Device | Kind::Other => {
                    self.payload(size, EXTENSION_BYTES_MAX, &refused)?;
                    pending = Pending::default();
                }
            }
        }
    }

    /// The next block; `None` at the end. A few zeros are what is left of one that a program did not fill.
    fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>> {
        let mut block = [0; BLOCK_BYTES];
        let read = self.fill(&mut block)?;
        match read {
            0 => Ok(None),
            BLOCK_BYTES => Ok(Some(block)),
            _ if block.iter().all(|&byte| byte == 0) => Ok(Some(block)),
            _ => Err(cut(self.at)),
        }
    }

    /// Reads what follows a header, and what fills the last block.
    fn payload(
        &mut self,
        bytes: u64,
        most: u64,
        refused: &dyn Fn(&str) -> Error,
    ) -> Result<Vec<u8>> {
        if bytes > most {
            return Err(refused(&format!("has {bytes} bytes, at most {most}")));
        }
        let mut payload = Vec::new();
        // Not allocated before it was read: the length is only claimed.
        let read = self.read.by_ref().take(bytes).read_to_end(&mut payload)?;
        self.at += read as u64;
        if (read as u64) < bytes {
            return Err(cut(self.at));
        }
        let padding = bytes.next_multiple_of(BLOCK_BYTES as u64) - bytes;
        let mut filling = [0; BLOCK_BYTES];
        // The last block may not be filled.
        self.fill(&mut filling[..padding as usize])?;
        Ok(payload)
    }

    /// Fills `buffer` as far as there are bytes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

impl<R: Read> Iterator for Sequence<R> {
    type Item = Result<File>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let file = self.file();
        self.ended = !matches!(file, Ok(Some(_)));
        file.transpose()
    }
}

#[cold]
fn cut(at: u64) -> Error {
    let message = "the archive ends within a member or a block of 512 bytes: it was cut";
    Error::new(ErrorKind::Truncated, message).with_offset(at)
}

#[cold]
fn no_header(at: u64) -> Error {
    if at == 0 {
        let message = "found no header, expected a tar archive";
        return Error::new(ErrorKind::Foreign, message).with_offset(0);
    }
    let message = "found bytes that are no header, expected one or the end: the archive is damaged";
    Error::new(ErrorKind::Header, message).with_offset(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::scan;
    use super::*;

    /// A block for a file of ustar.
    fn header(name: &str, bytes: usize, kind: u8) -> [u8; BLOCK_BYTES] {
        let mut block = [0u8; BLOCK_BYTES];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{bytes:011o}").as_bytes());
        block[156] = kind;
        block[257..263].copy_from_slice(b"ustar\0");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|&byte| u64::from(byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    /// One entry after another: a name, its kind, and how many bytes it has.
    fn archive(entries: &[(String, u8, usize)]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (at, (name, kind, bytes)) in entries.iter().enumerate() {
            archive.extend(header(name, *bytes, *kind));
            archive.extend(std::iter::repeat_n(at as u8 + b'a', *bytes));
            archive.resize(archive.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        archive.extend([0; 2 * BLOCK_BYTES]);
        archive
    }

    proptest! {
        /// Whatever is in an archive, and wherever it is cut, the files are those that a scan finds, up to
        /// the first error.
        #[test]
        fn files_are_those_that_a_scan_finds(
            entries in proptest::collection::vec(
                (
                    prop::sample::select(vec!["a/x.", "b/x.", "x"]),
                    prop::sample::select(b"000052Lx1".to_vec()),
                    0usize..1500,
                ),
                0..8,
            ),
            cut in 0usize..9000,
        ) {
            let entries: Vec<_> = entries.into_iter().enumerate().map(|(at, (name, kind, bytes))| {
                (format!("{name}{at}"), kind, if kind == b'5' || kind == b'2' { 0 } else { bytes })
            }).collect();
            let mut bytes = archive(&entries);
            bytes.truncate(cut.max(1));
            let file = crate::files::File::of_bytes(&bytes);
            let mut scanned = Vec::new();
            let ended = scan(&file, bytes.len() as u64, |member| {
                let mut payload = vec![0; member.bytes as usize];
                file.read_exact_at(&mut payload, member.start).unwrap();
                scanned.push(File { name: member.name.to_vec(), bytes: payload });
                Ok(())
            });
            let mut found = Vec::new();
            let mut error = None;
            for file in Sequence::new(&bytes[..], 4096) {
                match file {
                    Ok(file) => found.push(file),
                    Err(told) => error = Some(told),
                }
            }
            prop_assert_eq!(found, scanned);
            prop_assert_eq!(error.is_some(), ended.is_err(), "{:?} {:?}", error, ended);
        }
    }

    #[test]
    fn a_length_that_is_only_claimed_is_not_allocated() {
        let huge = header("a.bin", 0o77777777777, b'0');
        let error = Sequence::new(&huge[..], 1 << 20).next().unwrap().unwrap_err();
        assert!(error.message().contains("at most 1048576"), "{error}");
        let error = Sequence::new(&huge[..], usize::MAX).next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated);
    }
}
