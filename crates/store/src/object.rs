//! An object that is read at offsets.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use crate::clients::Place;
use crate::request::{Identity, REQUEST_BYTES_MAX, beginning, one_range, ranges};
use crate::runtime::wait_for;
use crate::window::Window;
use crate::{Error, ErrorKind, Result};

/// An object as it was when it was opened: each read sees that it still is, by its entity tag. Cheap to clone.
///
/// Small reads that follow one another are answered from larger requests, until
/// [`settled`](Self::settled).
#[derive(Debug, Clone)]
pub struct Object {
    place: Place,
    identity: Arc<Identity>,
    window: Option<Arc<Mutex<Window>>>,
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
        let place = Place::of(url)?;
        let (identity, bytes) = wait_for(beginning(place.clone(), first_bytes), is_stopped)?;
        let window = Some(Arc::new(Mutex::new(Window::new(bytes))));
        Ok(Self { place, identity: Arc::new(identity), window })
    }

    /// The same object, of which from now on parts are read that have nothing to do with one another: each read
    /// asks for its own bytes alone.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { window: None, ..self }
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.identity.bytes
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
        match &self.window {
            Some(window) => self.read_window(window, at..end, is_stopped, sink)?,
            None => self.read_range(at..end, is_stopped, sink)?,
        }
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
        if let Some(bytes) = window.of(range.start, len as usize) {
            sink(bytes);
            return Ok(());
        }
        if len > REQUEST_BYTES_MAX {
            return self.read_range(range, is_stopped, sink);
        }
        let bytes = window.bytes_from(range.start, len);
        let end = self.bytes().min(range.start.saturating_add(bytes));
        let (place, identity) = (self.place.clone(), self.identity.clone());
        let request = async move { one_range(&place, &identity, range.start..end).await };
        let bytes = wait_for(request, is_stopped)?;
        sink(&bytes[..len as usize]);
        window.set(range.start, bytes);
        Ok(())
    }

    fn read_range(
        &self,
        range: Range<u64>,
        is_stopped: &dyn Fn() -> bool,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let request = ranges(self.place.clone(), (*self.identity).clone(), range);
        wait_for(request, is_stopped)?.iter().for_each(|piece| sink(piece));
        Ok(())
    }
}

#[cold]
fn too_long(bytes: u64) -> Error {
    Error::new(ErrorKind::Failed, format!("{bytes} bytes do not fit the address space"))
}
