//! Bytes that came with those that were asked for: headers lie one behind the other.

use std::ops::Range;

use crate::request::Pieces;

/// A run of an object's bytes, and how far the next one goes.
#[derive(Debug)]
pub(crate) struct Window {
    start: u64,
    pieces: Pieces,
    next_bytes: u64,
}

impl Window {
    /// What the first read beyond the beginning brings.
    const BYTES_MIN: u64 = 64 << 10;

    /// What a read brings where all before it followed one another, as when an archive is gone through.
    pub(crate) const BYTES_MAX: u64 = 8 << 20;

    /// The beginning of an object.
    pub(crate) fn new(pieces: Pieces) -> Self {
        Self { start: 0, pieces, next_bytes: Self::BYTES_MIN }
    }

    /// Hands `range` out if it is here, and says whether it is.
    pub(crate) fn write(&self, range: &Range<u64>, sink: &mut dyn FnMut(&[u8])) -> bool {
        let is_here = range.start >= self.start && range.end - self.start <= self.pieces.bytes();
        if is_here {
            self.pieces.write(range.start - self.start..range.end - self.start, sink);
        }
        is_here
    }

    /// How many bytes to ask for from `at` on, where `len` are wanted: more each time that this is not far
    /// behind the last ones, and few where it is elsewhere.
    pub(crate) fn bytes_from(&mut self, at: u64, len: u64) -> u64 {
        let end = self.start + self.pieces.bytes();
        let is_next = at >= self.start && at <= end.saturating_add(self.next_bytes);
        self.next_bytes = match is_next {
            true => (self.next_bytes * 4).min(Self::BYTES_MAX),
            false => Self::BYTES_MIN,
        };
        self.next_bytes.max(len)
    }

    /// Holds these from now on.
    pub(crate) fn set(&mut self, start: u64, pieces: Pieces) {
        (self.start, self.pieces) = (start, pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_while_reads_follow_one_another_and_shrink_after_a_jump() {
        let mut window = Window::new(vec![7; 100].into());
        let mut written = Vec::new();
        assert!(window.write(&(90..100), &mut |piece| written.extend_from_slice(piece)));
        assert_eq!(written, [7; 10]);
        for elsewhere in [90..101, u64::MAX - 1..u64::MAX] {
            assert!(!window.write(&elsewhere, &mut |_| unreachable!()));
        }
        let mut at = 100;
        let mut sizes = Vec::new();
        for _ in 0..5 {
            let bytes = window.bytes_from(at, 512);
            window.set(at, vec![0; bytes as usize].into());
            sizes.push(bytes >> 10);
            at += bytes + 1000;
        }
        assert_eq!(sizes, [256, 1024, 4096, 8192, 8192]);
        assert_eq!(window.bytes_from(1 << 40, 512), Window::BYTES_MIN);
        assert_eq!(window.bytes_from(1 << 40, 1 << 20), 1 << 20, "no fewer than are wanted");
    }
}
