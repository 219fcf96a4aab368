//! Rows out of the levels of their values.

use tallow_arrow::{Error, Result};

/// What the levels of a unit say.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The value after the last of each row, where rows are lists.
    pub(crate) ends: Vec<u32>,
    /// Whether each row is null or has a null, where any is.
    pub(crate) nulls: Vec<bool>,
    /// The lengths of lists in lists, by their depth, where there are any.
    pub(crate) inner: Vec<Option<usize>>,
    /// Items of the longest row.
    pub(crate) longest: u64,
}

/// Lists that are open while levels are read.
struct Lists<'a> {
    /// The definition level of an item of each.
    levels: &'a [i16],
    counts: Vec<usize>,
    is_open: Vec<bool>,
    rows: Rows,
    is_null: bool,
    values: u32,
}

impl Rows {
    /// Of rows that are no lists: a value each, or none.
    pub(crate) fn of_values(definition: &[i16], most: i16) -> Self {
        let nulls = match definition.iter().any(|level| *level < most) {
            true => definition.iter().map(|level| *level < most).collect(),
            false => Vec::new(),
        };
        Self { nulls, ..Self::default() }
    }

    /// Of rows that are lists, an item of which has a level of each of `levels`.
    pub(crate) fn of_lists(
        definition: &[i16],
        repetition: &[i16],
        levels: &[i16],
        most: i16,
    ) -> Result<Self> {
        let depth = levels.len();
        let rows = Self { inner: vec![None; depth], ..Self::default() };
        let (counts, is_open) = (vec![0; depth], vec![false; depth]);
        let mut lists = Lists { levels, counts, is_open, rows, is_null: false, values: 0 };
        for (at, (&level, &repeated)) in definition.iter().zip(repetition).enumerate() {
            let from = usize::try_from(repeated).unwrap_or(0).min(depth);
            if at > 0 {
                lists.close(from)?;
            } else if from > 0 {
                return Err(Error::malformed("rows that begin in the middle of a list"));
            }
            lists.open(from, level);
            lists.values = lists.values.saturating_add(u32::from(level == most));
            lists.is_null |= level >= levels[depth - 1] && level < most;
        }
        if !definition.is_empty() {
            lists.close(0)?;
        }
        if !lists.rows.nulls.contains(&true) {
            lists.rows.nulls = Vec::new();
        }
        Ok(lists.rows)
    }
}

impl Lists<'_> {
    /// Ends the lists of depth `from` and below, and the row with the outermost.
    fn close(&mut self, from: usize) -> Result<()> {
        for depth in from.max(1)..self.counts.len() {
            if !std::mem::take(&mut self.is_open[depth]) {
                continue;
            }
            let len = self.counts[depth];
            if self.rows.inner[depth].is_some_and(|known| known != len) {
                return Err(Error::unsupported("lists of different lengths in its lists"));
            }
            self.rows.inner[depth] = Some(len);
        }
        if from == 0 {
            self.rows.longest = self.rows.longest.max(self.counts[0] as u64);
            self.rows.ends.push(self.values);
            self.rows.nulls.push(std::mem::take(&mut self.is_null));
        }
        Ok(())
    }

    /// Begins what a value of this definition level begins, and lists of depth `from` and below.
    fn open(&mut self, from: usize, level: i16) {
        if from > 0 {
            self.counts[from - 1] += 1;
        }
        for depth in from..self.counts.len() {
            let own = self.levels[depth];
            self.is_null |= level < own - 1;
            self.is_open[depth] = level >= own - 1;
            self.counts[depth] = usize::from(level >= own);
            if level < own {
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_lists_are_counted_with_what_is_empty_and_null() {
        // [7, 8], null, [], [null, 9], [1]: an optional list of optional values.
        let (definition, repetition) = ([3, 3, 0, 1, 2, 3, 3], [0, 1, 0, 0, 0, 1, 0]);
        let rows = Rows::of_lists(&definition, &repetition, &[2], 3).unwrap();
        assert_eq!(rows.ends, [2, 2, 2, 3, 4]);
        assert_eq!(rows.nulls, [false, true, false, true, false]);
        assert_eq!(rows.longest, 2);
    }

    #[test]
    fn lists_in_lists_must_be_equally_long() {
        // [[1, 2], [3, 4], [5, 6]], [], [[7, 8]].
        let (definition, repetition) = ([4, 4, 4, 4, 4, 4, 0, 4, 4], [0, 2, 1, 2, 1, 2, 0, 0, 2]);
        let rows = Rows::of_lists(&definition, &repetition, &[1, 3], 4).unwrap();
        assert_eq!((rows.ends, rows.longest), (vec![6, 6, 8], 3));
        assert_eq!(rows.inner, [None, Some(2)]);
        assert_eq!(rows.nulls, [] as [bool; 0]);
        // [[1, 2], [3]].
        let error = Rows::of_lists(&[4, 4, 4], &[0, 2, 1], &[1, 3], 4).unwrap_err();
        assert_eq!(error.message(), "lists of different lengths in its lists");
    }

    #[test]
    fn a_unit_that_begins_in_a_row_is_refused() {
        let error = Rows::of_lists(&[3, 3], &[1, 0], &[2], 3).unwrap_err();
        assert_eq!(error.message(), "rows that begin in the middle of a list");
    }
}
