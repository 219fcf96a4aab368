//! Where the documents in a stream of tokens begin and end.

use std::ops::Range;

use super::megatron_index::check_index;
use super::shard::TokenShard;
use crate::files::Limits;
use crate::{Error, ErrorKind, Fingerprint, FingerprintBuilder, Result};

/// What tells documents from one another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DocumentsBy {
    /// Megatron's index.
    #[default]
    Index,
    /// Each ends with this token, as nanoGPT writes them: 50256 of GPT-2.
    LastToken(u32),
    /// Each begins with this token, as llm.c writes them.
    FirstToken(u32),
}

/// What to do with a document that is longer than allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooLong {
    /// Its first tokens are the sample.
    Cut,
    /// The data set is refused when it is opened.
    Refuse,
}

/// How documents are read.
#[derive(Debug, Clone, Default)]
pub(super) struct DocumentOptions {
    pub(super) by: DocumentsBy,
    pub(super) most: Option<(usize, TooLong)>,
}

/// The documents of a stream.
#[derive(Debug)]
pub(super) struct Documents {
    /// The token after the last of each.
    ends: Vec<usize>,
    /// The most tokens of an input.
    longest: usize,
}

impl DocumentOptions {
    /// The documents of `shards` with `tokens` tokens in all, of each of which the last `beyond` tokens
    /// are no input.
    pub(super) fn find(
        &self,
        shards: &[TokenShard],
        tokens: usize,
        beyond: usize,
        limits: &Limits,
    ) -> Result<Documents> {
        let ends = match self.by {
            DocumentsBy::Index => indexed(shards, limits)?,
            DocumentsBy::LastToken(token) => {
                let mut ends = found(shards, token, 1, limits)?;
                if ends.last().is_none_or(|&last| last < tokens) {
                    ends.push(tokens);
                }
                ends
            }
            DocumentsBy::FirstToken(token) => {
                let mut ends = found(shards, token, 0, limits)?;
                if ends.first() == Some(&0) {
                    ends.remove(0);
                }
                ends.push(tokens);
                ends
            }
        };
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let inputs = starts.zip(&ends).map(|(start, end)| (end - start).saturating_sub(beyond));
        let longest = inputs.clone().max().unwrap_or(0);
        let longest = match self.most {
            Some((most, TooLong::Cut)) => longest.min(most),
            Some((most, TooLong::Refuse)) => {
                let mut longer = inputs.enumerate().filter(|(_, len)| *len > most);
                match longer.next() {
                    Some((index, len)) => {
                        return Err(too_long(index, len, 1 + longer.count(), most));
                    }
                    None => longest,
                }
            }
            None => longest,
        };
        Ok(Documents { ends, longest })
    }
}

#[cold]
fn too_long(index: usize, len: usize, longer: usize, most: usize) -> Error {
    let message = format!(
        "{longer} documents are too long, the first of {len} tokens, at most {most}; TooLong::Cut takes \
         their first tokens"
    );
    Error::new(ErrorKind::TooLarge, message).with_index(index)
}

/// The ends of documents that Megatron's indices have.
fn indexed(shards: &[TokenShard], limits: &Limits) -> Result<Vec<usize>> {
    let (mut ends, mut start) = (Vec::new(), 0);
    for shard in shards {
        let own = shard.document_ends(limits)?;
        check_index((ends.len() + own.len()) as u64, limits)?;
        ends.extend(own.iter().map(|end| start + end));
        start += shard.tokens;
    }
    Ok(ends)
}

/// The tokens that are `token`, each plus `after`.
fn found(shards: &[TokenShard], token: u32, after: usize, limits: &Limits) -> Result<Vec<usize>> {
    /// Tokens that are read at once.
    const TOGETHER: usize = 1 << 18;
    let (mut ends, mut start) = (Vec::new(), 0);
    let mut stored = Vec::new();
    for shard in shards {
        for from in (0..shard.tokens).step_by(TOGETHER) {
            let part = from..shard.tokens.min(from + TOGETHER);
            stored.resize(part.len() * shard.stored.bytes(), 0);
            let read = &mut stored;
            shard.file.read(None, &|| true, |file| shard.read(file, part.clone(), read))?;
            shard.stored.positions(&stored, token, |at| ends.push(start + from + at + after));
            check_index(ends.len() as u64, limits)?;
        }
        start += shard.tokens;
    }
    Ok(ends)
}

impl Documents {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The most tokens of an input.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The tokens that document `index` reads, of which the last `beyond` are no input.
    pub(super) fn tokens_of(&self, index: usize, beyond: usize) -> Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[index].min(start.saturating_add(self.longest + beyond))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        let start = Fingerprint::of("documents").number(self.longest as u64);
        let add = |print: FingerprintBuilder, end: &usize| print.number(*end as u64);
        self.ends.iter().fold(start, add).finish()
    }
}
