//! The thread that writes pages.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};

use super::{Folder, Hold};
use crate::counters::PAGES_UNWRITTEN;
use crate::request::Pieces;

/// What is to be written.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) folder: Arc<Folder>,
    pub(crate) name: u128,
    pub(crate) pieces: Pieces,
    pub(crate) hold: Option<Hold>,
    /// Whether it is written even if it is there.
    pub(crate) is_new: bool,
}

/// And what to do once it is, or could not be.
struct Job {
    entry: Entry,
    then: Box<dyn FnOnce(bool) + Send>,
}

/// Its queue is bounded by the budget: bytes of pages are in it until they are written.
static WRITER: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("tallow-store-cache".into());
    thread.spawn(move || serve(receiver)).ok().map(|_| sender)
});

/// Has it written, and tells whether it is there.
pub(crate) fn write(entry: Entry, then: impl FnOnce(bool) + Send + 'static) {
    let job = Job { entry, then: Box::new(then) };
    let unsent = match &*WRITER {
        Some(writer) => writer.send(job).err().map(|unsent| unsent.0),
        None => Some(job),
    };
    if let Some(job) = unsent {
        PAGES_UNWRITTEN.add(1);
        (job.then)(false);
    }
}

fn serve(jobs: Receiver<Job>) {
    for Job { entry, then } in jobs {
        let Entry { folder, name, pieces, hold, is_new } = entry;
        let written = match !is_new && folder.has(name) {
            true => Ok(true),
            false => folder.write(name, &pieces.joined(), hold),
        };
        if written.is_err() {
            PAGES_UNWRITTEN.add(1);
        }
        then(written.is_ok_and(|is_there| is_there));
    }
}
