//! The bytes that the PNG decoder is given.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Pieces of a file, as if they followed each other, without copying them.
pub(super) struct Source<'a> {
    pieces: [&'a [u8]; 4],
    /// The piece that is being read.
    at: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(pieces: [&'a [u8]; 4]) -> Self {
        Self { pieces, at: 0 }
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at + 1 < self.pieces.len() && self.pieces[self.at].is_empty() {
            self.at += 1;
        }
        Ok(self.pieces[self.at])
    }

    fn consume(&mut self, bytes: usize) {
        self.pieces[self.at] = &self.pieces[self.at][bytes..];
    }
}

impl Read for Source<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?.read(to)?;
        self.consume(bytes);
        Ok(bytes)
    }
}

/// The decoder asks for this trait and never seeks.
impl Seek for Source<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
