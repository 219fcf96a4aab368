//! What an object was when it was opened last, so that the next opening asks only whether it still is that.

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::{Entry, Folder, Hold, Pages, Turn};
use crate::clients::Place;
use crate::request::{Identity, Pieces};

/// The file has so many bytes, as who reads it must know that. Entity tags are shorter than half of it.
const BYTES: usize = 512;

/// What is kept of the opening of an object: a file like a page, with its length, time and entity tag.
#[derive(Debug, Clone)]
pub(crate) struct Opened {
    folder: Arc<Folder>,
    name: u128,
    place: Place,
}

/// An object as it was, and its first bytes.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) pieces: Pieces,
}

impl Opened {
    /// That of the object at `place`, if there is a cache.
    pub(crate) fn of(place: &Place) -> Option<Self> {
        let folder = super::folder().ok()??;
        // No name of a page is made of a URL alone.
        let name = xxh3_128(format!("opened\n{}", place.url).as_bytes());
        Some(Self { folder, name, place: place.clone() })
    }

    /// What is known, if the bytes of `range`, as far as the object has them, are here.
    pub(crate) fn known(&self, range: &Range<u64>) -> Option<Known> {
        let mut text = Vec::new();
        self.folder.read(self.name, BYTES, 0..BYTES, &mut |bytes| text.extend_from_slice(bytes));
        let identity = identity_of(&text)?;
        let pages = Pages::of(self.folder.clone(), &self.place, &identity);
        let end = range.end.min(identity.bytes);
        let mut bytes = Vec::with_capacity(end as usize);
        while (bytes.len() as u64) < end {
            let at = bytes.len() as u64;
            let page = pages.at(at);
            let part = at..end.min(page.end);
            if !pages.read(&page, &part, &mut |piece| bytes.extend_from_slice(piece)) {
                return None;
            }
        }
        Some(Known { identity, pieces: bytes.into() })
    }

    /// What is to be written once it is known.
    pub(crate) fn entry(&self, record: Pieces, hold: Option<Hold>) -> Entry {
        let (folder, name) = (self.folder.clone(), self.name);
        Entry { folder, name, pieces: record, hold, is_new: true }
    }

    /// Whose turn it is to ask for what is not known.
    pub(crate) fn turn(&self) -> Turn {
        self.folder.turn(self.name)
    }

    /// The whole pages among the first bytes of the object, and what is written of it after them.
    pub(crate) fn pages(&self, identity: &Identity, bytes: u64) -> (Arc<Pages>, Vec<Range<u64>>) {
        let pages = Pages::of(self.folder.clone(), &self.place, identity);
        let mut whole = Vec::new();
        let mut at = 0;
        while at < bytes && pages.at(at).end <= bytes {
            whole.push(pages.at(at));
            at = pages.at(at).end;
        }
        (Arc::new(pages), whole)
    }
}

/// None of an object without an entity tag, of which a server does not say whether it is the same.
pub(crate) fn record_of(identity: &Identity) -> Option<Pieces> {
    let Identity { bytes, etag, modified } = identity;
    let etag = etag.as_ref().filter(|etag| etag.len() < BYTES / 2)?;
    let mut text = format!("{bytes}\n{modified}\n{etag}\n").into_bytes();
    text.resize(BYTES, 0);
    Some(text.into())
}

fn identity_of(text: &[u8]) -> Option<Identity> {
    let mut lines = std::str::from_utf8(text).ok()?.split('\n');
    let (bytes, modified) = (lines.next()?.parse().ok()?, lines.next()?.parse().ok()?);
    Some(Identity { bytes, modified, etag: Some(lines.next()?.to_owned()) })
}
