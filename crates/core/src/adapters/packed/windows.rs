//! Rows packed best-fit, one window of documents after another.

use std::ops::Range;

use super::best_fit::{BestFit, Rows};
use super::documents::{Documents, Piece};
use super::stats::PackStats;
use crate::threads::in_parts;
use crate::{Result, Source};

/// Rows of windows of documents.
///
/// The rows of a window are those that a part of a long document fills, in the order of documents, and
/// then those that are packed from what is left of documents. It takes 2 bytes per document that
/// is no longer than a row, 2 per row that is packed, and 8 per longer document.
#[derive(Debug)]
pub(super) struct Windows {
    /// Tokens of a row.
    length: usize,
    /// Documents of a window, at most 2^16, so that one is told in it by 2 bytes.
    documents: usize,
    /// What is before each window, and after the last.
    windows: Vec<Before>,
    /// The documents of packed rows, by their place in the window.
    packed: Vec<u16>,
    /// Where in the window's part of `packed` each packed row begins.
    starts: Vec<u16>,
    /// Documents that fill rows.
    long: Vec<Long>,
}

/// What earlier windows have.
#[derive(Debug, Clone, Copy, Default)]
struct Before {
    rows: usize,
    packed: usize,
    starts: usize,
    long: usize,
}

/// A document that fills at least one row.
#[derive(Debug, Clone, Copy)]
struct Long {
    place: u16,
    /// Rows of its window that documents before it fill.
    before: u32,
}

/// One window.
#[derive(Debug, Default)]
struct Window {
    rows: Rows,
    long: Vec<Long>,
    /// Rows that documents fill.
    filled: usize,
    stats: PackStats,
}

impl Windows {
    /// Packs `documents` into rows of `length` tokens, in windows of `window` documents.
    pub(super) fn pack<S: Source>(
        documents: &Documents<S>,
        length: usize,
        window: usize,
    ) -> Result<(Self, PackStats)> {
        let count = documents.count();
        let state = || Ok((BestFit::new(length), Vec::new()));
        let made = in_parts(count.div_ceil(window), state, |(best_fit, lengths), at| {
            let positions = at * window..count.min((at + 1) * window);
            Ok(Window::pack(documents, positions, length, best_fit, lengths))
        })?;
        let mut this = Self {
            length,
            documents: window,
            windows: Vec::with_capacity(made.len() + 1),
            packed: Vec::with_capacity(made.iter().map(|it| it.rows.documents.len()).sum()),
            starts: Vec::with_capacity(made.iter().map(|it| it.rows.starts.len()).sum()),
            long: Vec::with_capacity(made.iter().map(|it| it.long.len()).sum()),
        };
        let (mut before, mut stats) = (Before::default(), PackStats::default());
        for window in made {
            this.windows.push(before);
            before.rows += window.filled + window.rows.starts.len();
            this.packed.extend(window.rows.documents);
            this.starts.extend(window.rows.starts);
            this.long.extend(window.long);
            (before.packed, before.starts) = (this.packed.len(), this.starts.len());
            before.long = this.long.len();
            stats.add(&window.stats);
        }
        this.windows.push(before);
        Ok((this, stats))
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.windows.last().map_or(0, |end| end.rows)
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of_val(&self.windows[..])
            + size_of_val(&self.packed[..])
            + size_of_val(&self.starts[..])
            + size_of_val(&self.long[..])
    }

    /// Visits the pieces of `row`, in order.
    pub(super) fn visit<S: Source>(
        &self,
        row: usize,
        documents: &Documents<S>,
        mut visit: impl FnMut(Piece),
    ) {
        assert!(row < self.len(), "row {row} of {}", self.len());
        let at = self.windows.partition_point(|before| before.rows <= row) - 1;
        let (start, end) = (self.windows[at], self.windows[at + 1]);
        let position = |place: u16| at * self.documents + usize::from(place);
        let starts = &self.starts[start.starts..end.starts];
        let (own, filled) = (row - start.rows, end.rows - start.rows - starts.len());
        if own < filled {
            let long = &self.long[start.long..end.long];
            let long = long[long.partition_point(|long| long.before as usize <= own) - 1];
            let (document, tokens) = documents.at(position(long.place));
            let from = (own - long.before as usize) * self.length;
            let goes_on = from + self.length < tokens;
            visit(Piece { document, start: from, len: self.length, goes_on });
            return;
        }
        let packed = &self.packed[start.packed..end.packed];
        let first = usize::from(starts[own - filled]);
        let last = starts.get(own - filled + 1).map_or(packed.len(), |&next| usize::from(next));
        for &place in &packed[first..last] {
            let (document, tokens) = documents.at(position(place));
            let len = rest(tokens, self.length);
            visit(Piece { document, start: tokens - len, len, goes_on: false });
        }
    }
}

/// The tokens of a document that fill no row.
fn rest(tokens: usize, length: usize) -> usize {
    if tokens < length { tokens } else { tokens % length }
}

impl Window {
    fn pack<S: Source>(
        documents: &Documents<S>,
        positions: Range<usize>,
        length: usize,
        best_fit: &mut BestFit,
        lengths: &mut Vec<u32>,
    ) -> Self {
        let mut this = Self::default();
        lengths.clear();
        for (place, position) in positions.enumerate() {
            let (_, whole) = documents.whole(position);
            let tokens = whole.min(documents.most);
            this.stats.document(whole, tokens, length, length);
            if tokens >= length {
                this.long.push(Long { place: place as u16, before: this.filled as u32 });
                this.filled += tokens / length;
            }
            lengths.push(rest(tokens, length) as u32);
        }
        this.rows = best_fit.pack(lengths);
        let starts = &this.rows.starts;
        let ends = starts.iter().skip(1).map(|&end| usize::from(end));
        let ends = ends.chain([this.rows.documents.len()]);
        let most = starts.iter().zip(ends).map(|(&start, end)| end - usize::from(start)).max();
        let rows = this.filled + starts.len();
        this.stats.rows(rows, length, most.unwrap_or(0).max(this.filled.min(1)));
        this
    }
}
