//! An object that is read at offsets.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use xxhash_rust::xxh3::xxh3_128;

use crate::cache::{self, PAGE_BYTES, Pages, name_of};
use crate::clients::Place;
use crate::request::Target;
use crate::saved::{Known, bare, known};
use crate::scheduler::{self, Aim, Claim, Handle, Id, Want};
use crate::window::Window;
use crate::{Error, ErrorKind, Result};

/// An object as it was when it was opened: each read sees that it still is, by its entity tag. Cheap to clone.
///
/// Small reads that follow one another are answered from larger requests, until
/// [`settled`](Self::settled).
#[derive(Debug, Clone)]
pub struct Object {
    handle: Arc<Handle>,
    target: Arc<Target>,
    window: Option<Arc<Mutex<Window>>>,
}

/// The most that is fetched with the opening of an object.
const FIRST_BYTES_MAX: u64 = 8 << 20;

/// Says that the object at `url` will be opened soon, with at most `first_bytes` of its beginning: the request goes out
/// as soon as the [`Budget`](crate::Budget) allows, and [`Object::open`] with the same URL takes what came. Does not
/// wait. `false` if a million ranges and objects are waited for already; then the object is asked for when it is opened.
///
/// # Errors
///
/// [`ErrorKind::Place`] for what is no URL of a store. What the store fails at, `open` tells.
pub fn will_open(url: &str, first_bytes: u64) -> Result<bool> {
    let opening = Opening::new(url, first_bytes)?;
    scheduler::tell(opening.id, &opening.aim, &[Want::all(opening.range)])
}

/// Less is not asked for: it costs no time.
const FIRST_BYTES_MIN: u64 = 64 << 10;

/// About as long as the longest of the objects that were opened lately. Callers mostly know only the most that an
/// object may have, and what is asked for takes room in the budget before it is known how much comes.
static LATELY_OPENED: AtomicU64 = AtomicU64::new(1 << 20);

/// An object had so many bytes.
fn opened(bytes: u64) {
    let before = LATELY_OPENED.load(Relaxed);
    LATELY_OPENED
        .store((bytes + bytes / 8).min(FIRST_BYTES_MAX).max(before - before / 32), Relaxed);
}

/// An object that is not open yet.
struct Opening {
    id: Id,
    aim: Aim,
    range: Range<u64>,
    /// What a listing says of it, if one is in use.
    known: Option<Known>,
}

impl Opening {
    fn new(url: &str, first_bytes: u64) -> Result<Self> {
        let place = Place::of(url).map_err(|error| error.at(&url_shown(url), None))?;
        let known = match known(&place) {
            None => None,
            Some((listing, below)) => match listing.find(&below) {
                None => return Err(listing.absent().at(&place.url, None)),
                known => known,
            },
        };
        let most = FIRST_BYTES_MAX.min(crate::budget().request_bytes);
        let likely = match &known {
            Some(known) => known.bytes.max(1),
            None => LATELY_OPENED.load(Relaxed).max(FIRST_BYTES_MIN),
        };
        let mut end = first_bytes.clamp(1, most.min(likely));
        if let Ok(Some(_)) = cache::folder() {
            // Whole pages, which the next opening finds.
            end = end.next_multiple_of(PAGE_BYTES).min(most);
        }
        let range = 0..end;
        Ok(Self { id: xxh3_128(place.url.as_bytes()), aim: Aim::Open(place), range, known })
    }
}

/// What was given, in errors; it may hold what must not be shown.
fn url_shown(url: &str) -> Arc<str> {
    crate::without_secrets(url).into()
}

impl Object {
    /// Opens the object at `url` with one request, which brings at most `first_bytes` bytes of its
    /// beginning, and no more than 8 MiB.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Absent`], [`ErrorKind::Denied`], [`ErrorKind::Place`], or what the store failed at.
    pub fn open(url: &str, first_bytes: u64) -> Result<Self> {
        Self::open_unless(url, first_bytes, &|| false)
    }

    /// Like [`open`](Self::open), given up once `is_stopped`.
    ///
    /// # Errors
    ///
    /// As `open`, and [`ErrorKind::Stopped`].
    pub fn open_unless(url: &str, first_bytes: u64, is_stopped: &dyn Fn() -> bool) -> Result<Self> {
        let Opening { id, aim, range, known } = Opening::new(url, first_bytes)?;
        let Aim::Open(place) = &aim else { return Err(not_opened()) };
        let claim = Claim::new(id, &aim, 0, &[Want::all(range)])?;
        let fetched = claim.wait(is_stopped).map_err(|error| error.at(&place.url, None))?;
        claim.read(u64::MAX);
        let identity = fetched.identity.ok_or_else(not_opened)?;
        if let Some(known) = known {
            known.check(&identity).map_err(|error| error.at(&place.url, None))?;
        }
        opened(identity.bytes.min(first_bytes));
        let folder = cache::folder().map_err(|error| error.at(&place.url, None))?;
        let pages = folder.filter(|_| identity.is_lasting());
        let pages = pages.map(|folder| Arc::new(Pages::of(folder, place, &identity)));
        let id = pages.as_ref().map_or_else(|| name_of(place, &identity), |pages| pages.id());
        let target = Arc::new(Target { place: place.clone(), identity, pages });
        let window = Window::new(fetched.pieces);
        Ok(Self {
            handle: Arc::new(Handle::new(id, Aim::Read(target.clone()))),
            target,
            window: Some(Arc::new(Mutex::new(window))),
        })
    }

    /// The same object, of which from now on parts are read that have nothing to do with one another: each read
    /// asks for its own bytes alone.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { window: None, ..self }
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        &self.target.place.url
    }

    /// Its entity tag without quotes, if the store gave one.
    pub fn etag(&self) -> Option<String> {
        self.target.identity.etag.as_deref().map(bare)
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.target.identity.bytes
    }

    /// Says that `range` will be read soon, in the order in which ranges are told: it is fetched as soon as the
    /// [`Budget`](crate::Budget) allows, with what lies near it by one request, and [`read_at`](Self::read_at) of a
    /// settled object takes what came. Does not wait. What was told twice and not read is fetched once, and what
    /// readers passed by is dropped, as is everything with the last handle to the object. `false` if a million ranges
    /// are waited for already; then it is fetched when it is read.
    ///
    /// # Errors
    ///
    /// If the thread of requests cannot be started. What the store fails at, the read of these bytes tells.
    pub fn will_need(&self, range: Range<u64>) -> Result<bool> {
        let end = range.end.min(self.bytes());
        if range.start >= end {
            return Ok(true);
        }
        let wants = match &self.target.pages {
            None => vec![Want::all(range.start..end)],
            Some(pages) => pages.wants(&(range.start..end)),
        };
        scheduler::tell(self.handle.id, &self.handle.aim, &wants)
    }

    /// What is asked for where a reader finds nothing at `range.start`.
    fn wants_now(&self, range: &Range<u64>) -> Vec<Want> {
        let most = CLAIMED_REQUESTS * crate::budget().request_bytes;
        let soon = range.start..range.end.min(range.start.saturating_add(most));
        match &self.target.pages {
            None => vec![Want::all(soon)],
            Some(pages) => {
                let first = pages.at(soon.start);
                let rest = first.end.min(soon.end)..soon.end;
                let first = pages.want(&first, &soon);
                [first].into_iter().chain(pages.wants(&rest)).collect()
            }
        }
    }

    /// Hands the bytes from `at` on to `sink`, piece by piece and in order, `len` of them or as many as there
    /// are, and returns their number. Sleeps until they are there, or until `is_stopped`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Changed`] when the object is another than when it was opened, and what the store
    /// failed at each time that it was asked. Pieces may have been handed out before.
    pub fn read_at(
        &self,
        at: u64,
        len: usize,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<usize> {
        let end = self.bytes().min(at.saturating_add(len as u64));
        if at >= end {
            return Ok(0);
        }
        let len = usize::try_from(end - at).map_err(|_| too_long(end - at))?;
        let result = match &self.window {
            Some(window) => self.read_window(window, at..end, is_stopped, sink),
            None => self.read_range(at..end, is_stopped, sink),
        };
        result.map_err(|error| error.at(&self.target.place.url, Some(at..end)))?;
        Ok(len)
    }

    fn read_window(
        &self,
        window: &Mutex<Window>,
        range: Range<u64>,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let len = range.end - range.start;
        // A thread that died while it held the window left a whole one.
        let mut window = window.lock().unwrap_or_else(|e| e.into_inner());
        if window.write(&range, sink) {
            return Ok(());
        }
        if len > Window::BYTES_MAX {
            return self.read_range(range, is_stopped, sink);
        }
        let bytes = window.bytes_from(range.start, len);
        let end = self.bytes().min(range.start.saturating_add(bytes));
        let mut bytes = Vec::new();
        bytes
            .try_reserve_exact((end - range.start) as usize)
            .map_err(|_| too_long(end - range.start))?;
        self.read_range(range.start..end, is_stopped, &mut |piece| bytes.extend_from_slice(piece))?;
        sink(&bytes[..len as usize]);
        window.set(range.start, bytes.into());
        Ok(())
    }

    fn read_range(
        &self,
        range: Range<u64>,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let mut rest = Rest { id: self.handle.id, range };
        while rest.range.start < rest.range.end {
            let at = rest.range.start;
            if let Some(pages) = &self.target.pages {
                let page = pages.at(at);
                let part = at..rest.range.end.min(page.end);
                if pages.read(&page, &part, sink) {
                    rest.range.start = part.end;
                    continue;
                }
            }
            let wants = self.wants_now(&rest.range);
            let claim = Claim::new(rest.id, &self.handle.aim, at, &wants)?;
            let fetched = claim.wait(is_stopped)?;
            let end = rest.range.end.min(claim.range.end);
            fetched.pieces.write(at - claim.range.start..end - claim.range.start, sink);
            claim.read(end - at);
            rest.range.start = end;
        }
        Ok(())
    }
}

/// How many requests at once are for a read that was not told ahead.
const CLAIMED_REQUESTS: u64 = 8;

/// What is yet to be read, and not wanted any more where the reader leaves.
struct Rest {
    id: Id,
    range: Range<u64>,
}

impl Drop for Rest {
    fn drop(&mut self) {
        if self.range.start < self.range.end {
            scheduler::give_up(self.id, self.range.clone());
        }
    }
}

#[cold]
fn not_opened() -> Error {
    Error::new(ErrorKind::Failed, "the request that was to open the object did not")
}

#[cold]
fn too_long(bytes: u64) -> Error {
    Error::new(ErrorKind::Failed, format!("no memory for {bytes} bytes of an object"))
}
