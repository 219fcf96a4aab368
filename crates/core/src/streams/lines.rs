//! Lines of text: of a file, or of a pipe.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use super::{Items, Streamed, text};
use crate::{Dim, Error, ErrorKind, Field, Fingerprint, Result, Row, RowDType, Schema};

/// Lines of at most this many bytes, unless it is said otherwise.
const LINE_BYTES: usize = 64 << 10;

/// A field with the bytes of a line.
fn schema(max: usize) -> Result<Schema> {
    Schema::new(vec![Field::with_dims("line", RowDType::U8, vec![Dim::Ragged { max }])])
}

fn write(line: Vec<u8>, row: &mut Row<'_>) -> Result<()> {
    let mut field = row.field(0);
    field.set_shape(&[line.len()])?;
    field.copy_from_slice(&line)
}

impl Streamed<Vec<u8>> {
    /// The lines of the file at `path`, one sample each: texts, or objects of JSON. The field `line` has
    /// their bytes, without what ends them (`\n` or `\r\n`), at most 64 KiB. A name that ends in `.gz` is
    /// inflated, and one that ends in `.zst` with the feature `zstd`.
    /// [`SourceExt::map`](crate::SourceExt::map) makes something else of them, in all workers at once.
    ///
    /// ```
    /// use tallow_core::{Field, RowDType, Schema, SourceExt, Streamed};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("points.csv");
    /// # std::fs::write(&path, "1 2\n3 4\n")?;
    /// let schema = Schema::new(vec![Field::new("sum", RowDType::F32, &[])])?;
    /// let source = Streamed::lines(&path)?.map(schema, |raw, row| {
    ///     let line = str::from_utf8(raw.field("line").bytes()).map_err(|_| "no UTF-8")?;
    ///     let numbers: Result<Vec<f32>, _> = line.split(' ').map(str::parse).collect();
    ///     row.field("sum").copy_from_slice(&[numbers?.iter().sum::<f32>()])
    /// });
    /// assert_eq!(source.get(1)?.field("sum").as_slice::<f32>()?, [7.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of opening the file; [`ErrorKind::Changed`] when it is being written to.
    pub fn lines(path: impl AsRef<Path>) -> Result<Self> {
        Self::lines_of([path], LINE_BYTES)
    }

    /// As [`lines`](Self::lines), of several files in turn: line `k` is line `k / n` of file `k % n`, of `n`
    /// files. A line of more than `bytes` bytes is an error of its sample.
    ///
    /// # Errors
    ///
    /// As [`lines`](Self::lines).
    pub fn lines_of<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        bytes: usize,
    ) -> Result<Self> {
        Self::of_files(schema(bytes)?, "lines", paths, bytes, write)
    }

    /// The lines of something that is read once: of a pipe, a socket, the standard input.
    ///
    /// ```
    /// use std::io::BufReader;
    /// use tallow_core::Streamed;
    ///
    /// let source = Streamed::lines_once(BufReader::new(std::io::stdin()), 64 << 10)?;
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When a row of `bytes` bytes is none that can be.
    pub fn lines_once(read: impl BufRead + Send + 'static, bytes: usize) -> Result<Self> {
        Ok(Self::of_reader(schema(bytes)?, "lines", lines(read, bytes), write))
    }

    /// The lines of files, each of at most `bytes` bytes, of which `write` makes rows. `kind` is what the
    /// fingerprint calls them.
    pub(super) fn of_files<P: AsRef<Path>>(
        schema: Schema,
        kind: &str,
        paths: impl IntoIterator<Item = P>,
        bytes: usize,
        write: impl Fn(Vec<u8>, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        let paths: Vec<PathBuf> = paths.into_iter().map(|path| path.as_ref().to_owned()).collect();
        let open =
            |path: PathBuf| move |_: u64| -> Result<_> { Ok(lines(text::open(&path)?, bytes)) };
        let shards = paths.iter().cloned().map(open);
        Self::from_shards(schema, shards, write).read_from(kind, &paths)
    }

    /// The lines of something that is read once, as those of [`of_files`](Self::of_files).
    pub(super) fn of_reader(
        schema: Schema,
        kind: &str,
        lines: Items<Vec<u8>>,
        write: impl Fn(Vec<u8>, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let source = Self::once(schema, lines, write);
        Self { print: Fingerprint::of(kind).finish(), ..source }
    }
}

/// The lines of `read`, each of at most `bytes_max` bytes.
pub(super) fn lines(read: impl BufRead + Send + 'static, bytes_max: usize) -> Items<Vec<u8>> {
    Box::new(Lines { read, bytes_max, number: 0, ended: false })
}

struct Lines<R> {
    read: R,
    bytes_max: usize,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    /// Reads up to the end of the next line. Returns its length with the end, and so much of it as is
    /// allowed.
    fn line(&mut self) -> io::Result<(usize, Vec<u8>)> {
        let (mut line, mut bytes) = (Vec::new(), 0);
        loop {
            let buffer = match self.read.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr(buffer);
            let part = &buffer[..end.map_or(buffer.len(), |end| end + 1)];
            // Two more, for what ends the line.
            let room = (self.bytes_max + 2).saturating_sub(line.len());
            line.extend_from_slice(&part[..room.min(part.len())]);
            let used = part.len();
            bytes += used;
            self.read.consume(used);
            if end.is_some() || used == 0 {
                return Ok((bytes, line));
            }
        }
    }
}

/// Where the first line feed is.
fn memchr(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|&byte| byte == b'\n')
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        self.number += 1;
        let (bytes, mut line) = match self.line() {
            Ok((0, _)) => {
                self.ended = true;
                return None;
            }
            Ok(line) => line,
            Err(error) => {
                self.ended = true;
                return Some(Err(error.into()));
            }
        };
        let is_whole = bytes == line.len();
        if is_whole && line.last() == Some(&b'\n') {
            line.pop();
            line.pop_if(|byte| *byte == b'\r');
        }
        if !is_whole || line.len() > self.bytes_max {
            let (number, most) = (self.number, self.bytes_max);
            let message = format!(
                "line {number} has {bytes} bytes with its end, at most {most}; open the stream with more"
            );
            return Some(Err(Error::new(ErrorKind::TooLarge, message)));
        }
        Some(Ok(line))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Cursor};

    use proptest::prelude::*;

    use super::*;

    /// What the lines of `text` are, by a reader with a buffer of `buffer` bytes.
    fn read(text: &[u8], max: usize, buffer: usize) -> Vec<Result<Vec<u8>, ErrorKind>> {
        let reader = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
        lines(reader, max).map(|line| line.map_err(|error| error.kind())).collect()
    }

    proptest! {
        /// Lines are what the standard library makes of the text, but for those that are too long.
        #[test]
        fn lines_are_those_of_the_standard_library(
            text in proptest::collection::vec(prop::sample::select(vec!["a", "b", "\r", "\n"]), 0..40),
            max in 0usize..6,
            buffer in 1usize..9,
        ) {
            let text = text.concat();
            let expected: Vec<Result<Vec<u8>, ErrorKind>> = text
                .split_inclusive('\n')
                .map(|line| match line.strip_suffix('\n') {
                    Some(line) => line.strip_suffix('\r').unwrap_or(line),
                    None => line,
                })
                .map(|line| if line.len() > max { Err(ErrorKind::TooLarge) } else { Ok(line.into()) })
                .collect();
            prop_assert_eq!(read(text.as_bytes(), max, buffer), expected);
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_by_its_number_and_not_held() {
        let text = [b"a\n".to_vec(), vec![b'x'; 1 << 20], b"\nb".to_vec()].concat();
        let mut found = lines(Cursor::new(text), 8);
        assert_eq!(found.next().unwrap().unwrap(), b"a");
        let error = found.next().unwrap().unwrap_err();
        assert_eq!(
            error.message(),
            "line 2 has 1048577 bytes with its end, at most 8; open the stream with more"
        );
        assert_eq!(found.next().unwrap().unwrap(), b"b");
        assert!(found.next().is_none());
    }
}
