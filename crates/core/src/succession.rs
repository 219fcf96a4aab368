use crate::{Error, ErrorKind, Result};

/// Parts that follow one another, of which each has a number of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Succession {
    /// The item after the last of each part.
    ends: Vec<usize>,
}

impl Succession {
    /// Adds a part of `len` items, which are called `what` in the error of too many.
    pub(crate) fn push(&mut self, len: usize, what: &str) -> Result<()> {
        let before = self.len();
        let Some(end) = before.checked_add(len) else {
            let message = format!("{len} {what} after {before} others, more than can be counted");
            return Err(Error::new(ErrorKind::TooLarge, message));
        };
        self.ends.push(end);
        Ok(())
    }

    /// The items of all parts.
    pub(crate) fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The number of parts.
    pub(crate) fn parts(&self) -> usize {
        self.ends.len()
    }

    /// The first item of part `part`; the number of all items for the part after the last.
    pub(crate) fn start(&self, part: usize) -> usize {
        part.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// The part that has item `item`, and the item's number in it: one binary search.
    ///
    /// # Panics
    ///
    /// When there is no such item.
    pub(crate) fn find(&self, item: usize) -> (usize, usize) {
        assert!(item < self.len(), "sample {item} of {}", self.len());
        let part = self.ends.partition_point(|&end| end <= item);
        (part, item - self.start(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_found_also_between_parts_without_any() {
        let mut parts = Succession::default();
        [0, 2, 0, 0, 3, 0].iter().for_each(|&len| parts.push(len, "samples").unwrap());
        let found: Vec<_> = (0..parts.len()).map(|item| parts.find(item)).collect();
        assert_eq!(found, [(1, 0), (1, 1), (4, 0), (4, 1), (4, 2)]);
        assert_eq!((parts.start(0), parts.start(4), parts.start(5)), (0, 2, 5));
        let error = parts.push(usize::MAX, "samples").unwrap_err();
        let words = "18446744073709551615 samples after 5 others, more than can be counted";
        assert_eq!((error.kind(), error.message()), (ErrorKind::TooLarge, words));
    }
}
