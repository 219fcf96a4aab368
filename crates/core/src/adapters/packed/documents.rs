//! The documents that are packed, in their order.

use std::sync::Arc;

use crate::{Order, SampleLengths, Source};

/// A part of a document that lies in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece {
    /// The sample of the source.
    pub(super) document: usize,
    /// Its first token in the document.
    pub(super) start: usize,
    pub(super) len: usize,
    /// Whether the document has another token after it.
    pub(super) goes_on: bool,
}

impl Piece {
    /// Tokens that are read for it: its own, and the last target if there is one.
    pub(super) fn reads(&self) -> usize {
        self.len + usize::from(self.goes_on)
    }
}

/// Documents and their lengths, by their position in the order.
#[derive(Debug)]
pub(super) struct Documents<S> {
    pub(super) source: S,
    /// The position of the field in the source.
    pub(super) field: usize,
    pub(super) order: Arc<dyn Order>,
    /// Tokens of each sample of the source, if it does not know them itself.
    pub(super) lengths: Option<SampleLengths>,
    /// The most tokens of a document: what comes after them is cut off.
    pub(super) most: usize,
}

impl<S: Source> Documents<S> {
    pub(super) fn count(&self) -> usize {
        self.order.len()
    }

    /// The tokens of sample `index` before any are cut off.
    pub(super) fn tokens(&self, index: usize) -> usize {
        match &self.lengths {
            Some(lengths) => lengths.as_slice()[index] as usize,
            None => self.source.length(index, self.field).unwrap_or(0),
        }
    }

    /// The sample at `position`, and its tokens before any are cut off.
    pub(super) fn whole(&self, position: usize) -> (usize, usize) {
        let index = self.order.index(position);
        (index, self.tokens(index))
    }

    /// The sample at `position`, and its tokens.
    pub(super) fn at(&self, position: usize) -> (usize, usize) {
        let (index, length) = self.whole(position);
        (index, length.min(self.most))
    }
}
