//! The thread that writes pages.

use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock};

use super::{Hold, Pages};
use crate::counters::PAGES_UNWRITTEN;
use crate::request::Pieces;

/// A page that came, and what to do once it is written, or could not be.
struct Job {
    pages: Arc<Pages>,
    page: Range<u64>,
    pieces: Pieces,
    hold: Option<Hold>,
    then: Box<dyn FnOnce(bool) + Send>,
}

/// Its queue is bounded by the budget: bytes of pages are in it until they are written.
static WRITER: LazyLock<Option<Sender<Job>>> = LazyLock::new(|| {
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().name("tallow-store-cache".into());
    thread.spawn(move || serve(receiver)).ok().map(|_| sender)
});

/// Has a page written, and tells whether it is there.
pub(crate) fn write(
    pages: Arc<Pages>,
    page: Range<u64>,
    pieces: Pieces,
    hold: Option<Hold>,
    then: impl FnOnce(bool) + Send + 'static,
) {
    let job = Job { pages, page, pieces, hold, then: Box::new(then) };
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
    for Job { pages, page, pieces, hold, then } in jobs {
        let name = pages.name(&page);
        let written = pages.folder.write(name, &pieces.joined(), hold);
        if written.is_err() {
            PAGES_UNWRITTEN.add(1);
        }
        then(written.is_ok_and(|is_there| is_there));
    }
}
