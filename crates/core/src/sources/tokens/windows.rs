//! Which tokens of a stream are a sample.

use std::ops::Range;

/// What to do with the tokens after the last whole window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// They are in no sample.
    Drop,
    /// They are a sample that is shorter than the others, so that fields are ragged.
    Keep,
}

/// Windows of equal length over tokens, at equal distances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Windows {
    /// Tokens of an input, at least one.
    pub(super) length: usize,
    /// Tokens from the beginning of one window to that of the next, at least one.
    pub(super) stride: usize,
    /// Tokens after the input that are read with it: the last target, or none.
    pub(super) beyond: usize,
    pub(super) tail: Tail,
}

impl Windows {
    /// Tokens that a whole window reads.
    pub(super) fn reads(&self) -> usize {
        self.length.saturating_add(self.beyond)
    }

    /// The number of windows in `tokens` tokens.
    pub(super) fn count(&self, tokens: usize) -> usize {
        let whole = match tokens.checked_sub(self.reads()) {
            None => 0,
            Some(rest) => rest / self.stride + 1,
        };
        let covered = match whole.checked_sub(1) {
            None => 0,
            Some(last) => last * self.stride + self.reads(),
        };
        // A tail is worth a sample if it has an input that no window has, and what comes after.
        let next = whole.saturating_mul(self.stride);
        let has_tail = covered < tokens && next.saturating_add(self.beyond) < tokens;
        whole + usize::from(self.tail == Tail::Keep && has_tail)
    }

    /// The tokens that window `index` of those in `tokens` tokens reads.
    pub(super) fn tokens_of(&self, index: usize, tokens: usize) -> Range<usize> {
        let start = index * self.stride;
        start..start.saturating_add(self.reads()).min(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first token of each window, and how many it reads.
    fn windows(
        length: usize,
        stride: usize,
        beyond: usize,
        tail: Tail,
        tokens: usize,
    ) -> Vec<(usize, usize)> {
        let windows = Windows { length, stride, beyond, tail };
        let read = (0..windows.count(tokens)).map(|index| windows.tokens_of(index, tokens));
        read.map(|range| (range.start, range.len())).collect()
    }

    #[test]
    fn windows_share_a_token_where_one_ends_and_the_next_begins() {
        assert_eq!(windows(4, 4, 1, Tail::Drop, 9), [(0, 5), (4, 5)]);
        assert_eq!(windows(4, 4, 1, Tail::Drop, 8), [(0, 5)]);
        assert_eq!(windows(4, 4, 0, Tail::Drop, 8), [(0, 4), (4, 4)]);
        assert_eq!(windows(4, 2, 1, Tail::Drop, 9), [(0, 5), (2, 5), (4, 5)]);
        assert_eq!(windows(2, 5, 1, Tail::Drop, 8), [(0, 3), (5, 3)]);
        assert_eq!(windows(4, 4, 1, Tail::Drop, 4), []);
    }

    #[test]
    fn a_tail_is_kept_where_it_has_an_input_that_no_window_has() {
        assert_eq!(windows(4, 4, 1, Tail::Keep, 9), [(0, 5), (4, 5)], "nothing is left over");
        assert_eq!(windows(4, 4, 1, Tail::Keep, 8), [(0, 5), (4, 4)]);
        assert_eq!(windows(4, 4, 1, Tail::Keep, 6), [(0, 5), (4, 2)]);
        assert_eq!(windows(4, 4, 1, Tail::Keep, 5), [(0, 5)]);
        assert_eq!(windows(4, 4, 1, Tail::Keep, 2), [(0, 2)]);
        assert_eq!(windows(4, 4, 1, Tail::Keep, 1), [], "an input without a target");
        assert_eq!(windows(4, 4, 0, Tail::Keep, 9), [(0, 4), (4, 4), (8, 1)]);
        assert_eq!(windows(2, 5, 1, Tail::Keep, 9), [(0, 3), (5, 3)], "between windows");
        assert_eq!(windows(4, 2, 1, Tail::Keep, 8), [(0, 5), (2, 5), (4, 4)]);
    }
}
