//! Rows cut from documents that follow one another.

use super::documents::{Documents, Piece};
use super::stats::PackStats;
use crate::threads::in_parts;
use crate::{Result, Source};

/// Rows of all documents as one stream: 8 bytes per row.
#[derive(Debug)]
pub(super) struct Stream {
    /// Tokens of a row.
    length: usize,
    /// Where each row begins.
    rows: Vec<Start>,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    /// The document's position in the order.
    position: u32,
    /// Its token there, which it has.
    token: u32,
}

/// Documents that are looked at as one part.
const TOGETHER: usize = 1 << 14;

impl Stream {
    /// Cuts `documents`, at most 2^32, every `length` tokens.
    pub(super) fn cut<S: Source>(
        documents: &Documents<S>,
        length: usize,
    ) -> Result<(Self, PackStats)> {
        let count = documents.count();
        let positions = |part: usize| part * TOGETHER..count.min((part + 1) * TOGETHER);
        let none = || Ok(());
        let parts = count.div_ceil(TOGETHER);
        let tokens = |(): &mut (), part| {
            Ok(positions(part).map(|position| documents.at(position).1 as u64).sum::<u64>())
        };
        let mut sum = 0;
        let mut before = in_parts(parts, none, tokens)?;
        for own in &mut before {
            sum += std::mem::replace(own, sum);
        }
        let made = in_parts(parts, none, |(), part| {
            let (mut rows, mut stats) = (Vec::new(), PackStats::default());
            // Tokens from here to where the next row begins.
            let mut left = before[part].next_multiple_of(length as u64) - before[part];
            for position in positions(part) {
                let (_, whole) = documents.whole(position);
                let tokens = whole.min(documents.most) as u64;
                let room = if left == 0 { length } else { left as usize };
                stats.document(whole, tokens as usize, length, room);
                while left < tokens {
                    rows.push(Start { position: position as u32, token: left as u32 });
                    left += length as u64;
                }
                left -= tokens;
            }
            Ok((rows, stats))
        })?;
        let mut stats = PackStats::default();
        let mut rows = Vec::with_capacity(made.iter().map(|(rows, _)| rows.len()).sum());
        for (own, part) in made {
            rows.extend(own);
            stats.add(&part);
        }
        let this = Self { length, rows };
        stats.rows(this.len(), length, this.most(count));
        Ok((this, stats))
    }

    /// The most documents that lie in one row, those without tokens included.
    fn most(&self, count: usize) -> usize {
        let pieces = |start: &Start, end: usize, is_cut: bool| {
            end - start.position as usize + usize::from(is_cut)
        };
        let pairs = self.rows.windows(2);
        let most = pairs.map(|it| pieces(&it[0], it[1].position as usize, it[1].token > 0)).max();
        let last = self.rows.last().map(|start| pieces(start, count, false));
        most.max(last).unwrap_or(0)
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn held_bytes(&self) -> usize {
        size_of_val(&self.rows[..])
    }

    /// Visits the pieces of `row`, in order.
    pub(super) fn visit<S: Source>(
        &self,
        row: usize,
        documents: &Documents<S>,
        mut visit: impl FnMut(Piece),
    ) {
        let Start { position, token } = self.rows[row];
        let (mut start, mut left) = (token as usize, self.length);
        for position in position as usize..documents.count() {
            let (document, tokens) = documents.at(position);
            let len = left.min(tokens - start);
            if len > 0 {
                visit(Piece { document, start, len, goes_on: start + len < tokens });
            }
            (start, left) = (0, left - len);
            if left == 0 {
                return;
            }
        }
    }
}
