//! The bytes of a range of an object, and what makes sure that they are of the same object.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use futures_util::StreamExt;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::time::timeout;

use crate::budget::Budget;
use crate::cache::{Known, Pages};
use crate::clients::Place;
use crate::counters::BYTES_FETCHED;
use crate::persist::{Effort, Failure, ask, persist, silent};
use crate::{Error, ErrorKind, Result};

/// What tells that an object is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    pub(crate) bytes: u64,
    pub(crate) etag: Option<String>,
    pub(crate) modified: i64,
}

impl Identity {
    fn of(meta: &ObjectMeta) -> Self {
        let (bytes, etag) = (meta.size, meta.e_tag.clone());
        Self { bytes, etag, modified: meta.last_modified.timestamp() }
    }

    /// Servers that tell no entity tag, or one that may stand for several contents, are not asked to
    /// compare it; and none that leave out the time have another one each second.
    fn is(&self, meta: &ObjectMeta) -> bool {
        let found = Self::of(meta);
        let same_time = self.etag.is_some() || self.modified == found.modified;
        self.bytes == found.bytes && self.etag == found.etag && same_time
    }

    /// Whether another object at this place, with other bytes, is another one: by its tag, or because this one was not
    /// written within the two seconds in which a second time would tell nothing.
    pub(crate) fn is_lasting(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.etag.is_some() || self.modified.saturating_add(2) < now.as_secs() as i64
    }

    fn strong_etag(&self) -> Option<String> {
        self.etag.clone().filter(|etag| !etag.starts_with("W/"))
    }
}

/// An object, as it was when it was opened.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) place: Place,
    pub(crate) identity: Identity,
    /// Its pages on disk, if it is kept there.
    pub(crate) pages: Option<Arc<Pages>>,
}

/// Bytes that lie one behind the other, in the pieces in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pieces {
    pieces: Vec<Bytes>,
    bytes: u64,
}

impl Pieces {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len() as u64;
        self.pieces.push(piece);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The part `range` of them, which shares their memory.
    pub(crate) fn part(&self, range: Range<u64>) -> Self {
        let mut part = Self::default();
        self.each(range, |piece, inside| part.push(piece.slice(inside)));
        part
    }

    /// Hands the part `range` out, in order.
    pub(crate) fn write(&self, range: Range<u64>, sink: &mut dyn FnMut(&[u8])) {
        self.each(range, |piece, inside| sink(&piece[inside]));
    }

    fn each(&self, range: Range<u64>, mut visit: impl FnMut(&Bytes, Range<usize>)) {
        let mut start = 0;
        for piece in &self.pieces {
            let end = start + piece.len() as u64;
            if start >= range.end {
                break;
            }
            if end > range.start {
                let inside = range.start.max(start) - start..range.end.min(end) - start;
                visit(piece, inside.start as usize..inside.end as usize);
            }
            start = end;
        }
    }

    /// As one piece, without a copy if they are one.
    pub(crate) fn joined(mut self) -> Bytes {
        match self.pieces.len() {
            0 | 1 => self.pieces.pop().unwrap_or_default(),
            _ => self.pieces.concat().into(),
        }
    }
}

impl From<Vec<u8>> for Pieces {
    fn from(bytes: Vec<u8>) -> Self {
        let mut pieces = Self::default();
        pieces.push(bytes.into());
        pieces
    }
}

/// The first bytes of an object, at most `most` of them, and what tells that it is the same; none if it is still what is
/// `known`.
pub(crate) async fn beginning(
    place: &Place,
    most: u64,
    known: Option<&Known>,
    budget: Budget,
    pauses: &AtomicBool,
) -> Result<Option<Known>> {
    let range = 0..most.max(1);
    let mut effort = Effort::new(budget, pauses);
    loop {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_none_match: known.and_then(|known| known.identity.etag.clone()),
            ..Default::default()
        };
        let request = async {
            match place.client.get_opts(&place.path, options).await {
                Err(object_store::Error::NotModified { .. }) if known.is_some() => Ok(None),
                result => result.map(Some),
            }
        };
        let failure = match ask(budget.silence(), request).await {
            Ok(None) => return Ok(None),
            Ok(Some(result)) => {
                let identity = Identity::of(&result.meta);
                let mut pieces = Pieces::default();
                match body(result, &mut pieces, budget).await {
                    Ok(()) => return Ok(Some(Known { identity, pieces })),
                    Err(failure) => failure,
                }
            }
            Err(failure) => match without_bytes(place, &failure).await {
                Some(identity) => return Ok(Some(Known { identity, pieces: Pieces::default() })),
                None => failure,
            },
        };
        effort.again(failure).await?;
    }
}

/// Nothing is a range of an object without bytes, which is told by an error that only says so in words.
async fn without_bytes(place: &Place, failure: &Failure) -> Option<Identity> {
    if !failure.may_be_empty() {
        return None;
    }
    let head = || object_store::ObjectStoreExt::head(&*place.client, &place.path);
    let meta = persist(head).await.ok()?;
    (meta.size == 0).then(|| Identity::of(&meta))
}

/// A try that brings less than this does not put the deadline off.
const PROGRESS_BYTES: u64 = 64 << 10;

/// The bytes of `range`, which is within the object, by as many requests as it takes.
pub(crate) async fn fetch(
    target: &Target,
    range: Range<u64>,
    budget: Budget,
    pauses: &AtomicBool,
) -> Result<Pieces> {
    let mut effort = Effort::new(budget, pauses);
    let mut pieces = Pieces::default();
    let can_resume = target.identity.strong_etag().is_some();
    loop {
        let had = pieces.bytes();
        let rest = range.start + had..range.end;
        let Err(failure) = attempt(target, rest, &mut pieces, budget).await else {
            return Ok(pieces);
        };
        if pieces.bytes() - had >= PROGRESS_BYTES {
            effort.progressed();
        }
        if !can_resume {
            pieces = Pieces::default();
        }
        effort.again(failure).await?;
    }
}

async fn attempt(
    target: &Target,
    range: Range<u64>,
    pieces: &mut Pieces,
    budget: Budget,
) -> Result<(), Failure> {
    let Target { place, identity, .. } = target;
    let options = GetOptions {
        range: Some(GetRange::Bounded(range)),
        if_match: identity.strong_etag(),
        ..Default::default()
    };
    let result = ask(budget.silence(), place.client.get_opts(&place.path, options)).await?;
    if !identity.is(&result.meta) {
        return Err(Failure::last(Error::changed()));
    }
    body(result, pieces, budget).await
}

/// All bytes of an answer, which are as many as it announced.
async fn body(result: GetResult, pieces: &mut Pieces, budget: Budget) -> Result<(), Failure> {
    let announced = result.range.end - result.range.start;
    let before = pieces.bytes();
    let mut stream = result.into_stream();
    loop {
        let next = timeout(budget.silence(), stream.next()).await;
        let next = next.map_err(|_| Failure::passing(silent(budget.silence())))?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(|error| Failure::passing(Error::of(&error)))?;
        if pieces.bytes() - before + piece.len() as u64 > announced {
            // Which of them are right is not known.
            *pieces = pieces.part(0..before);
            return Err(Failure::passing(wrong_length("more than", announced)));
        }
        BYTES_FETCHED.add(piece.len() as u64);
        pieces.push(piece);
    }
    match pieces.bytes() - before {
        found if found == announced => Ok(()),
        found => {
            Err(Failure::passing(wrong_length(&format!("{found} bytes instead of"), announced)))
        }
    }
}

fn wrong_length(found: &str, announced: u64) -> Error {
    let message = format!("the store sent {found} the {announced} bytes that it announced");
    Error::new(ErrorKind::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_pieces_are_those_of_their_bytes() {
        let all: Vec<u8> = (0..100).collect();
        let mut pieces = Pieces::default();
        for cut in [0..1, 1..1, 1..40, 40..99, 99..100] {
            pieces.push(Bytes::copy_from_slice(&all[cut]));
        }
        for start in 0..=100 {
            for end in start..=100 {
                let expected = &all[start as usize..end as usize];
                let part = pieces.part(start..end);
                assert_eq!((part.bytes(), &*part.clone().joined()), (end - start, expected));
                let mut written = Vec::new();
                pieces.write(start..end, &mut |piece| written.extend_from_slice(piece));
                assert_eq!(written, expected);
            }
        }
    }
}
