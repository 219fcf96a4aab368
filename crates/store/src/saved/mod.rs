//! A listing that is kept: what lay below a prefix at one moment, so that nobody has to ask again.

mod packed;
mod text;

use std::fs::File;
use std::io::{BufReader, BufWriter, Write as _};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::packed::Listed;
use self::packed::Packed;
pub use self::text::LISTING_MARK;
use self::text::{check_etag, check_name};
use crate::clients::Place;
use crate::listing::{Found, entries_of};
use crate::request::Identity;
use crate::runtime::wait_for;
use crate::{Error, ErrorKind, Result};

/// The names, lengths and entity tags of all objects below a prefix, as a store listed them at one moment.
///
/// Saved to a file once, it is what each process opens instead of listing a million objects again.
#[derive(Debug)]
pub struct Listing {
    place: Place,
    packed: Packed,
}

impl Listing {
    /// Asks the store for what lies below the prefix `url`, however deep.
    ///
    /// # Errors
    ///
    /// What the store failed at; [`ErrorKind::Absent`] if nothing lies there; and [`ErrorKind::Listing`] for an
    /// object whose name is no path, such as `a//b`, `../a` and one with a line end.
    pub fn of(url: &str) -> Result<Self> {
        let place = Place::of(url.trim_end_matches('/'))?;
        let asked = place.clone();
        let found = wait_for(async move { entries_of(&asked, true).await }, &|| false)?;
        let mut packed = Packed::default();
        for Found { name, bytes, etag, .. } in &found {
            let etag = etag.as_deref();
            check_name(name).and(etag.map_or(Ok(()), check_etag)).map_err(|what| {
                let message =
                    format!("the store has {what}, which no listing can hold; rename the object");
                Error::new(ErrorKind::Listing, message)
            })?;
            packed.push(Listed { name, bytes: *bytes, etag });
        }
        if packed.len() == 0 {
            return Err(Error::new(ErrorKind::Absent, "no object below it"));
        }
        packed.shrink();
        Ok(Self { place, packed })
    }

    /// Reads the file of a listing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Listing`] for a file that [`save`](Self::save) did not write, with the line; [`ErrorKind::Failed`]
    /// for one that cannot be read.
    pub fn open(file: &Path) -> Result<Self> {
        let failed = |error| Error::new(ErrorKind::Failed, format!("cannot be read: {error}"));
        let file = File::open(file).map_err(failed)?;
        let (url, packed) = text::read(BufReader::with_capacity(1 << 20, file))?;
        Ok(Self { place: Place::of(url.trim_end_matches('/'))?, packed })
    }

    /// Writes it to `file`: a line per object, with its length, entity tag and name. Written beside and renamed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Failed`] if the file cannot be written.
    pub fn save(&self, file: &Path) -> Result<()> {
        let mut part = file.as_os_str().to_owned();
        part.push(format!(".{}.part", std::process::id()));
        let written = self.write(part.as_ref()).and_then(|()| std::fs::rename(&part, file));
        written.map_err(|error| {
            // What is left of it is of no use; that it cannot be removed is no other error.
            let _ = std::fs::remove_file(&part);
            Error::new(ErrorKind::Failed, format!("cannot be written: {error}"))
        })
    }

    fn write(&self, part: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create(part)?);
        text::write(self.url(), &self.packed, &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()
    }

    /// The prefix.
    pub fn url(&self) -> &str {
        &self.place.url
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.packed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.packed.memory_bytes()
    }

    /// Visits what lies below the path `below` until that returns `false`: with `all` each object, in the order of
    /// names, otherwise the objects directly below it, and the prefixes with `None`.
    pub(crate) fn visit(
        &self,
        below: &str,
        all: bool,
        visit: &mut dyn FnMut(&str, Option<Listed<'_>>) -> bool,
    ) {
        let mut at = String::from(below);
        let mut cursor = self.packed.seek(&at);
        while let Some(listed) = cursor.next() {
            let Some(name) = listed.name.strip_prefix(below) else { break };
            match name.split_once('/').filter(|_| !all) {
                None if !visit(name, Some(listed)) => break,
                None => {}
                Some((prefix, _)) => {
                    if !visit(prefix, None) {
                        break;
                    }
                    // The character after a slash: what comes next is no longer below the prefix.
                    at.truncate(below.len());
                    at.push_str(prefix);
                    at.push('0');
                    cursor = self.packed.seek(&at);
                }
            }
        }
    }

    /// What object `name` was when it was listed.
    pub(crate) fn find(&self, name: &str) -> Option<Known> {
        let mut cursor = self.packed.seek(name);
        let listed = cursor.next().filter(|listed| listed.name == name)?;
        Some(Known { bytes: listed.bytes, etag: listed.etag.map(str::to_owned) })
    }

    #[cold]
    pub(crate) fn absent(&self) -> Error {
        let message = format!(
            "no such object in the listing of {}, which is asked instead of the store; list the store again if it is there",
            self.url()
        );
        Error::new(ErrorKind::Absent, message)
    }

    /// Whether something lies below the path `below`.
    pub(crate) fn has_below(&self, below: &str) -> bool {
        self.packed.seek(below).next().is_some_and(|listed| listed.name.starts_with(below))
    }
}

/// What a listing says of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) bytes: u64,
    etag: Option<String>,
}

impl Known {
    /// Whether the object that was opened is the one that was listed.
    pub(crate) fn check(&self, found: &Identity) -> Result<()> {
        let etag = found.etag.as_deref().map(bare);
        let is_other = matches!((&self.etag, etag), (Some(own), Some(found)) if *own != found);
        if !is_other && self.bytes == found.bytes {
            return Ok(());
        }
        let said = match self.bytes == found.bytes {
            true => "another entity tag".to_owned(),
            false => format!("{} bytes instead of {}", found.bytes, self.bytes),
        };
        let message = format!(
            "the object has {said}: it was written to since the store was listed; put it back, or list the store again"
        );
        Err(Error::new(ErrorKind::Changed, message))
    }
}

/// An entity tag without its quotes, which some stores leave out where they list.
pub(crate) fn bare(etag: &str) -> String {
    etag.replace('"', "")
}

/// The listings that are asked instead of their stores: as many as a program opens, which are few.
static LISTINGS: RwLock<Vec<Arc<Listing>>> = RwLock::new(Vec::new());

/// From now on, this process asks `listing` and not the store what lies below its URL: nothing is listed, no object is
/// asked for its length, and one that is not as it was listed is an error, [`ErrorKind::Changed`], when it is opened.
/// Another listing of the same URL takes its place.
pub fn use_listing(listing: Arc<Listing>) {
    let mut all = LISTINGS.write().unwrap_or_else(PoisonError::into_inner);
    all.retain(|other| other.url() != listing.url());
    all.push(listing);
}

/// The nearest listing that knows what lies at `place`, and the path of that below the listing's prefix.
pub(crate) fn known(place: &Place) -> Option<(Arc<Listing>, String)> {
    let all = LISTINGS.read().unwrap_or_else(PoisonError::into_inner);
    let below = |listing: &Arc<Listing>| {
        let below = listing.place.below(place)?;
        Some((listing.clone(), below.to_owned()))
    };
    all.iter().filter_map(below).min_by_key(|(_, below)| below.len())
}
