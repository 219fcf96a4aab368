//! Pages of objects on disk, shared by the processes of a machine.
//!
//! A page is at most 1 MiB of an object, at a multiple of that. Its file is named after the object's URL, length, entity
//! tag and the page's number, so that an object that changed has other pages, and says all that once more with a sum of
//! each 64 KiB. A reader believes nothing of a page whose length, name or sums are others: it removes the file and
//! fetches the page.
//!
//! ```text
//! FOLDER/v1/used          how many bytes all files have at most; a writer holds a lock on it
//! FOLDER/v1/new/3f..      a page that is being fetched or written, locked by the process that does
//! FOLDER/v1/new/PID-N-3f..  the same, of a process that waited for another one's for too long
//! FOLDER/v1/3f/3f..       a page
//! ```
//!
//! Pages are written beside and renamed. Their bytes are taken from the budget before that, so the files are never
//! larger than the budget, even if a writer is killed; what it took is found when the files are counted, which
//! the first writer of a process does, and each that finds the cache full.

mod folder;
mod hold;
mod opened;
mod page;
mod settings;
mod writer;

pub(crate) use self::folder::Folder;
pub(crate) use self::hold::{Hold, Turn};
pub(crate) use self::opened::{Known, Opened, record_of};
pub(crate) use self::page::PAGE_BYTES;
pub(crate) use self::settings::folder;
pub use self::settings::{Cache, cache, set_cache};
pub(crate) use self::writer::{Entry, write};

use std::ops::Range;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::clients::Place;
use crate::request::{Identity, Pieces};
use crate::scheduler::Want;

/// The pages of an object.
#[derive(Debug)]
pub(crate) struct Pages {
    folder: Arc<Folder>,
    object: u128,
    bytes: u64,
}

impl Pages {
    /// Those of an object that no other ever has.
    pub(crate) fn of(folder: Arc<Folder>, place: &Place, identity: &Identity) -> Self {
        Self { folder, object: name_of(place, identity), bytes: identity.bytes }
    }

    /// What is to be written of a page.
    pub(crate) fn entry(&self, page: &Range<u64>, pieces: Pieces, hold: Option<Hold>) -> Entry {
        let (folder, name) = (self.folder.clone(), self.name(page));
        Entry { folder, name, pieces, hold, is_new: false }
    }

    /// The page with the byte `at`.
    pub(crate) fn at(&self, at: u64) -> Range<u64> {
        let start = at / PAGE_BYTES * PAGE_BYTES;
        start..self.bytes.min(start + PAGE_BYTES)
    }

    fn name(&self, page: &Range<u64>) -> u128 {
        xxh3_128(&[self.object.to_le_bytes(), u128::from(page.start).to_le_bytes()].concat())
    }

    /// Its name among objects that are read: it is read in other parts if it is kept elsewhere.
    pub(crate) fn id(&self) -> u128 {
        xxh3_128(&[self.object.to_le_bytes(), self.folder.name().to_le_bytes()].concat())
    }

    /// What is to be fetched for `range`, which is not empty: what is not on disk.
    pub(crate) fn wants(&self, range: &Range<u64>) -> Vec<Want> {
        let starts =
            (range.start / PAGE_BYTES..range.end.div_ceil(PAGE_BYTES)).map(|i| i * PAGE_BYTES);
        let pages = starts.map(|start| self.at(start));
        let missing = pages.filter(|page| !self.folder.has(self.name(page)));
        missing.map(|page| self.want(&page, range)).collect()
    }

    /// What is to be fetched of a page for `range`: the page if it will be kept.
    pub(crate) fn want(&self, page: &Range<u64>, range: &Range<u64>) -> Want {
        let read = page.start.max(range.start)..page.end.min(range.end);
        match self.folder.wants(self.name(page)) {
            true => Want { fetched: page.clone(), read, is_page: true },
            false => Want::all(read),
        }
    }

    /// Whose turn it is to fetch a page.
    pub(crate) fn turn(&self, page: &Range<u64>) -> Turn {
        self.folder.turn(self.name(page))
    }

    /// Hands the part `range` of a page out, if it is there and right.
    pub(crate) fn read(
        &self,
        page: &Range<u64>,
        range: &Range<u64>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> bool {
        let inside = (range.start - page.start) as usize..(range.end - page.start) as usize;
        self.folder.read(self.name(page), (page.end - page.start) as usize, inside, sink)
    }
}

/// No other object has it, nor this one once it changed: two handles of one share what is fetched.
pub(crate) fn name_of(place: &Place, identity: &Identity) -> u128 {
    let Identity { bytes, etag, modified } = identity;
    let etag = etag.as_deref().unwrap_or_default();
    // No URL has a line end, and no header has one.
    xxh3_128(format!("{}\n{bytes}\n{modified}\n{etag}", place.url).as_bytes())
}
