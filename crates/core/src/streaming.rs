use std::fmt;
use std::sync::Arc;

use crate::{Result, Row};

/// What a source says in addition if its samples come one after the other, from something that is read
/// from the beginning: an iterator, a channel, a pipe, a compressed file.
///
/// Samples are numbered in the order in which they come: 0, 1, 2, and so on. A loader begins a [`Pass`] per
/// epoch and lets it read ahead of the rows; [`Source::read`](crate::Source::read) then takes the samples
/// from the pass that its row [carries](Row::pass). How many samples there are may not be known before the
/// last one was read; until then [`Source::len`](crate::Source::len) is the most there may be.
pub trait Streaming: Send + Sync {
    /// Begins epoch `epoch` at sample `first`; those before it are read and thrown away. At least the last
    /// `keep` samples that were read can still be taken.
    ///
    /// # Errors
    ///
    /// When the stream cannot be opened, or not once more.
    fn begin(&self, epoch: u64, first: usize, keep: usize) -> Result<Arc<dyn Pass>>;

    /// How many samples an epoch has, if that was declared.
    fn declared(&self) -> Option<usize>;

    /// Bytes that a sample takes between the reader and its row, at most.
    fn item_bytes(&self) -> usize;

    /// Whether it is read from a store. By default it is not.
    fn is_stored(&self) -> bool {
        false
    }
}

/// One epoch of a stream, shared by the threads that make its rows.
pub trait Pass: Send + Sync + fmt::Debug {
    /// Waits until `samples` samples were read or the stream has ended, reading on this thread unless
    /// another one does. Returns the number of samples of the stream if that is less than `samples`.
    ///
    /// Before each sample, and several times a second while another thread reads, `watch` is called with
    /// the number of the next sample. It returns whether to go on.
    fn reach(&self, samples: usize, watch: &mut dyn FnMut(usize) -> bool) -> Option<usize>;

    /// Whether the stream has ended with an error, which is then its last sample.
    fn is_broken(&self) -> bool;

    /// Takes sample `index`, which was reached, and writes it into `row`. A sample can be taken once.
    ///
    /// # Errors
    ///
    /// When it could not be read or be written.
    fn read(&self, index: usize, row: &mut Row<'_>) -> Result<()>;
}
