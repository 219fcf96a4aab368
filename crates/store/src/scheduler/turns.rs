//! Pages that other processes of the machine fetch, which are waited for.

use std::ops::Range;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::request::Request;
use super::state;
use super::state::Aim;
use crate::cache::{Hold, Known, Opened, Pages, Turn};
use crate::request::Pieces;

/// How often it is looked whether another process is done with a page: at first, and after some time.
const LOOKS_MIN: Duration = Duration::from_millis(2);
const LOOKS_MAX: Duration = Duration::from_millis(100);

/// A request whose pages this process may fetch from now on, and one for each of its pages that others fetch.
pub(super) async fn taken(mut request: Request) -> Vec<Request> {
    let Some((pages, ranges)) = request.pages() else { return vec![request] };
    let turns = move || -> Vec<_> {
        ranges.into_iter().map(|page| (page.start, pages.turn(&page))).collect()
    };
    let mut others = Vec::new();
    // One that panicked held nothing.
    for (start, turn) in spawn_blocking(turns).await.unwrap_or_default() {
        match turn {
            Turn::Ours(hold) => {
                let mut parts = request.parts.iter_mut();
                if let Some(part) = parts.find(|part| part.range.start == start) {
                    part.hold = Some(hold);
                }
            }
            Turn::Theirs | Turn::Here => others.push(start),
            Turn::Unknown => {}
        }
    }
    match others.is_empty() {
        true => vec![request],
        false => request.split(&others, &mut state().room),
    }
}

/// What another process fetched of a request that is for one page of it. None if this one has to fetch it: nobody does,
/// or somebody has for longer than a store may be silent.
pub(super) async fn waited(request: &mut Request) -> Option<Pieces> {
    let (pages, ranges) = request.pages()?;
    let [part] = &mut request.parts[..] else { return None };
    if part.hold.is_some() || ranges.is_empty() {
        return None;
    }
    let page = part.range.clone();
    here(&mut part.hold, move || page_here(&pages, &page)).await
}

/// What is known of an object that is to be opened. If nothing is, it is this process's turn to ask, and others wait, as
/// for a page.
pub(super) async fn known(request: &mut Request) -> Option<Known> {
    let Aim::Open(place) = &request.aim else { return None };
    let (opened, range) = (Opened::of(place)?, request.range.clone());
    let part = request.parts.first_mut()?;
    here(&mut part.hold, move || opened.known(&range).ok_or_else(|| opened.turn())).await
}

/// What `look` finds, as soon as it does. None once this process has to fetch it, `hold` being its turn if there are any.
async fn here<T: Send + 'static>(
    hold: &mut Option<Hold>,
    look: impl Fn() -> Result<T, Turn> + Clone + Send + 'static,
) -> Option<T> {
    let until = Instant::now() + crate::budget().silence();
    let mut pause = LOOKS_MIN;
    loop {
        match spawn_blocking(look.clone()).await.ok()? {
            Ok(found) => return Some(found),
            Err(Turn::Ours(turn)) => {
                *hold = Some(turn);
                return None;
            }
            Err(Turn::Theirs) if Instant::now() < until => sleep(pause).await,
            // What is there is of other bytes, or of an object that changed.
            Err(_) => return None,
        }
        pause = (pause * 2).min(LOOKS_MAX);
    }
}

/// The page, or whose turn it is to fetch it.
fn page_here(pages: &Pages, page: &Range<u64>) -> Result<Pieces, Turn> {
    let mut bytes = Vec::new();
    match pages.turn(page) {
        Turn::Here if pages.read(page, page, &mut |piece| bytes.extend_from_slice(piece)) => {
            Ok(bytes.into())
        }
        // It was damaged and is removed, so that it is somebody's turn the next time.
        Turn::Here => Err(Turn::Theirs),
        turn => Err(turn),
    }
}
