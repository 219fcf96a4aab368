use super::File;
use std::io;

/// Bytes in which something begins: a file, a part of one, or memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Section<'a> {
    bytes: Bytes<'a>,
    len: u64,
}

#[derive(Debug, Clone, Copy)]
enum Bytes<'a> {
    File(&'a File, u64),
    Memory(&'a [u8]),
}

impl<'a> Section<'a> {
    /// The first `len` bytes of a file.
    pub(crate) fn of_file(file: &'a File, len: u64) -> Self {
        Self { bytes: Bytes::File(file, 0), len }
    }

    /// All of some memory.
    pub(crate) fn of_memory(memory: &'a [u8]) -> Self {
        Self { bytes: Bytes::Memory(memory), len: memory.len() as u64 }
    }

    /// What comes after the first `at` bytes, and at most `len` of it.
    pub(crate) fn part(self, at: u64, len: u64) -> Self {
        let at = at.min(self.len);
        let len = len.min(self.len - at);
        let bytes = match self.bytes {
            Bytes::File(file, start) => Bytes::File(file, start + at),
            Bytes::Memory(memory) => Bytes::Memory(&memory[at as usize..]),
        };
        Self { bytes, len }
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `buffer` with the bytes from `at` on.
    pub(crate) fn read_exact_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        let end = at.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match self.bytes {
            Bytes::File(file, start) => file.read_exact_at(buffer, start + at),
            Bytes::Memory(memory) => {
                buffer.copy_from_slice(&memory[at as usize..][..buffer.len()]);
                Ok(())
            }
        }
    }

    /// Its first bytes, as many as `buffer` holds or there are. Those that cannot be read are left out.
    pub(crate) fn beginning<'b>(&self, buffer: &'b mut [u8]) -> &'b [u8] {
        let len = buffer.len().min(usize::try_from(self.len).unwrap_or(usize::MAX));
        match self.read_exact_at(&mut buffer[..len], 0) {
            Ok(()) => &buffer[..len],
            Err(_) => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_file_and_of_memory_read_alike() {
        let file = File::of_bytes(b"0123456789");
        for whole in [Section::of_file(&file, 10), Section::of_memory(b"0123456789")] {
            let part = whole.part(2, 5).part(1, 99);
            assert_eq!(part.len(), 4);
            let mut three = [0; 3];
            part.read_exact_at(&mut three, 1).unwrap();
            assert_eq!(&three, b"456");
            assert!(part.read_exact_at(&mut three, 2).is_err(), "past the end");
            assert_eq!(part.beginning(&mut [0; 9]), b"3456");
            assert_eq!(whole.part(99, 1).len(), 0);
        }
    }
}
