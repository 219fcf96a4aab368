//! What a store lists, kept in a file.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use tallow_store::{LISTING_MARK, Listing};

use super::stored::of_store;
use crate::{Error, Result};

/// The names, lengths and entity tags of all objects below a URL, as the store listed them at one moment. Saved
/// once, it is opened in a second where listing a million objects takes a thousand requests, and every process of a
/// run sees the same objects.
///
/// ```no_run
/// use tallow_core::{ImageFolder, StoreListing};
///
/// StoreListing::of("s3://bucket/train")?.save("train.listing")?; // once
///
/// let listing = StoreListing::open("train.listing")?; // in each process
/// let source = ImageFolder::open(listing.url())?;
/// # let _ = source;
/// # Ok::<(), tallow_core::Error>(())
/// ```
///
/// [`open`](crate::open) takes the file, too. It is text with a line for each object: its length, its entity tag
/// and its name, with tabs between, in the byte order of the names (`LC_ALL=C sort -t$'\t' -k3`). The first line says
/// how many there are, and where.
#[derive(Debug, Clone)]
pub struct StoreListing(Arc<Listing>);

impl StoreListing {
    /// Asks the store for all objects below `url`, however deep. Needs some hundred bytes of memory for each of them.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) for what the store failed at, and if there is no object;
    /// [`ErrorKind::Header`](crate::ErrorKind::Header) for an object whose name is no path, such as `a//b`;
    /// [`ErrorKind::Config`](crate::ErrorKind::Config) for what is no URL.
    pub fn of(url: &str) -> Result<Self> {
        let listing =
            Listing::of(url).map_err(|error| of_store("list the objects", error).with_path(url))?;
        Ok(Self(Arc::new(listing)))
    }

    /// Reads the file of a listing. From then on, this process asks the listing instead of the store what lies below its
    /// URL, whatever opens it: nothing is listed, no object is looked for, and one that is not as it was listed is an
    /// error of its samples, [`ErrorKind::Changed`](crate::ErrorKind::Changed). A later listing of the same URL replaces
    /// it. It is held in memory, in some 30 bytes for each object.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Header`](crate::ErrorKind::Header), with the line, for a file that is none, is cut, is not in order,
    /// or has a name twice or one that leads out of the folder; [`ErrorKind::Io`](crate::ErrorKind::Io) if it cannot be
    /// read.
    pub fn open(file: impl AsRef<Path>) -> Result<Self> {
        let file = file.as_ref();
        let listing = Listing::open(file)
            .map_err(|error| of_store("open the listing", error).with_path(file))?;
        let listing = Arc::new(listing);
        tallow_store::use_listing(listing.clone());
        Ok(Self(listing))
    }

    /// The listing in `file`, if it is one by its first bytes.
    pub(crate) fn found_in(file: &Path) -> Result<Option<Self>> {
        // Opening what is no file, like a pipe, may wait for its writer.
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let mut beginning = [0; LISTING_MARK.len()];
        let read = File::open(file).and_then(|mut file| file.read_exact(&mut beginning));
        match read.is_ok() && beginning == LISTING_MARK {
            true => Self::open(file).map(Some),
            // What it is instead, others find out.
            false => Ok(None),
        }
    }

    /// Writes it to `file`, beside it first, so that no reader finds a part.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if it cannot be written.
    pub fn save(&self, file: impl AsRef<Path>) -> Result<()> {
        let file = file.as_ref();
        let failed = |error: tallow_store::Error| -> Error {
            of_store("save the listing", error).with_path(file)
        };
        self.0.save(file).map_err(failed)
    }

    /// The URL below which the objects lie.
    pub fn url(&self) -> &str {
        self.0.url()
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.0.memory_bytes()
    }
}
