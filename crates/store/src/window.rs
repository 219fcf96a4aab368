//! Bytes that came with those that were asked for: headers lie one behind the other.

use bytes::Bytes;

/// A run of an object's bytes, and how far the next one goes.
#[derive(Debug)]
pub(crate) struct Window {
    start: u64,
    bytes: Bytes,
    next_bytes: u64,
}

impl Window {
    /// What the first read beyond the beginning brings.
    const BYTES_MIN: u64 = 64 << 10;

    /// What a read brings where all before it followed one another, as when an archive is gone through.
    pub(crate) const BYTES_MAX: u64 = 8 << 20;

    /// The beginning of an object.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self { start: 0, bytes, next_bytes: Self::BYTES_MIN }
    }

    /// The bytes from `at` on, `len` of them, if they are here.
    pub(crate) fn of(&self, at: u64, len: usize) -> Option<&[u8]> {
        let offset = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.bytes.get(offset..offset.checked_add(len)?)
    }

    /// How many bytes to ask for from `at` on, where `len` are wanted: more each time that this is not far
    /// behind the last ones, and few where it is elsewhere.
    pub(crate) fn bytes_from(&mut self, at: u64, len: u64) -> u64 {
        let end = self.start + self.bytes.len() as u64;
        let is_next = at >= self.start && at <= end.saturating_add(self.next_bytes);
        self.next_bytes = match is_next {
            true => (self.next_bytes * 4).min(Self::BYTES_MAX),
            false => Self::BYTES_MIN,
        };
        self.next_bytes.max(len)
    }

    /// Holds these from now on.
    pub(crate) fn set(&mut self, start: u64, bytes: Bytes) {
        (self.start, self.bytes) = (start, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_grow_while_reads_follow_one_another_and_shrink_after_a_jump() {
        let mut window = Window::new(vec![7; 100].into());
        assert_eq!(window.of(90, 10), Some(&[7; 10][..]));
        assert!(window.of(90, 11).is_none() && window.of(u64::MAX, 1).is_none());
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
