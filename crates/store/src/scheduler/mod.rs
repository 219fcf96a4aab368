//! Which bytes are fetched when, for all objects of the process. The crate's docs say how.

mod cell;
mod pace;
mod request;
mod room;
mod state;
mod turns;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use self::cell::Cell;
pub(crate) use self::cell::Fetched;
use self::request::{Page, Request};
pub(crate) use self::state::{Aim, Id, Want};
use self::state::{Lacks, State};
use crate::budget::Budget;
use crate::cache::{self, Known};
use crate::counters::Counters;
use crate::hedge::hedged;
use crate::request::{beginning, fetch};
use crate::{Result, runtime};

/// Held for some hundred instructions at a time, never while something waits.
static STATE: LazyLock<Mutex<State>> = LazyLock::new(|| Mutex::new(State::new(Budget::default())));

/// Something is wanted, or there is more room.
static CHANGED: Notify = Notify::const_new();

/// Starts the task that sends requests, once.
static DISPATCHER: LazyLock<Result<()>> = LazyLock::new(|| {
    runtime::handle()?.spawn(dispatch());
    Ok(())
});

/// Ranges that are told one after the other are gathered, so that near ones are one request, until none comes for this
/// long or a reader waits.
const GATHERS_UNTIL: Duration = Duration::from_millis(1);

/// But no longer than so many times, if nothing is under way, or if something is.
const GATHERS_MAX: [usize; 2] = [20, 2];

/// A thread that died with the lock did so between two whole states: nothing in them is user code.
fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(|e| e.into_inner())
}

/// What the process may have under way.
pub fn budget() -> Budget {
    state().room.budget
}

/// Sets what the process may have under way, from the next request on. What is too small to work is raised: four times
/// 64 KiB, two requests, 100 ms; a request has at most a quarter of the bytes. Returns what holds from now on.
pub fn set_budget(budget: Budget) -> Budget {
    let budget = budget.checked();
    state().room.budget = budget;
    CHANGED.notify_one();
    budget
}

/// Adds what is under way.
pub(crate) fn count(counters: &mut Counters) {
    let state = state();
    counters.bytes_in_flight = state.room.bytes();
    counters.bytes_in_flight_most = state.room.bytes_most();
    counters.requests_in_flight = state.room.requests() as u64;
}

/// An owner of an object; with the last one, what was fetched of it and not read is dropped.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: Id,
    pub(crate) aim: Aim,
}

impl Handle {
    pub(crate) fn new(id: Id, aim: Aim) -> Self {
        state().own(id, &aim);
        Self { id, aim }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = state();
        state.disown(self.id);
        freed_bytes(state);
    }
}

/// These are wanted soon; `false` if so much is waited for that they will not be fetched ahead.
pub(crate) fn tell(id: Id, aim: &Aim, wants: &[Want]) -> Result<bool> {
    DISPATCHER.clone()?;
    let mut state = state();
    let told = state.tell(id, aim, wants);
    let is_room = state.lacks() == Lacks::Nothing;
    drop(state);
    if is_room {
        CHANGED.notify_one();
    }
    Ok(told)
}

/// A part of an object that a reader waits for.
#[derive(Debug)]
pub(crate) struct Claim {
    id: Id,
    pub(crate) range: Range<u64>,
    cell: Arc<Cell>,
    read: u64,
}

impl Claim {
    /// The part with the byte `at`, which is in the first of `wants`; the others are fetched as well.
    pub(crate) fn new(id: Id, aim: &Aim, at: u64, wants: &[Want]) -> Result<Self> {
        DISPATCHER.clone()?;
        let mut state = state();
        let (range, cell) = state.claim(id, aim, at, wants);
        let is_urgent = state.is_urgent();
        drop(state);
        if is_urgent {
            CHANGED.notify_one();
        }
        Ok(Self { id, range, cell, read: 0 })
    }

    /// Sleeps until it is there.
    pub(crate) fn wait(&self, is_stopped: &dyn Fn() -> bool) -> Result<Fetched> {
        self.cell.wait(is_stopped)
    }

    /// So many of its bytes were read.
    pub(crate) fn read(mut self, bytes: u64) {
        self.read = bytes;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = state();
        state.release((self.id, self.range.start), &self.cell, self.read);
        freed_bytes(state);
    }
}

/// Bytes may have been given back, for which somebody may wait.
fn freed_bytes(state: MutexGuard<'static, State>) {
    let is_wanted = state.lacks() == Lacks::Bytes;
    drop(state);
    if is_wanted {
        CHANGED.notify_one();
    }
}

/// What was claimed of `range` and is not waited for is not wanted any more.
pub(crate) fn give_up(id: Id, range: Range<u64>) {
    state().give_up(id, range);
}

async fn dispatch() {
    loop {
        CHANGED.notified().await;
        gather().await;
        loop {
            // Not in the condition, where the lock would be held while the request is begun.
            let request = state().next();
            let Some(request) = request else { break };
            tokio::spawn(run(request));
        }
    }
}

async fn gather() {
    let mut told = None;
    let is_busy = state().room.requests() > 0;
    for _ in 0..GATHERS_MAX[usize::from(is_busy)] {
        let now = state().told_since_last();
        if now.is_none() || now == told {
            break;
        }
        told = now;
        tokio::time::sleep(GATHERS_UNTIL).await;
    }
}

/// Sends a request, or several where other processes fetch some of its pages.
async fn run(request: Request) {
    let mut requests = turns::taken(request).await;
    let last = requests.pop();
    for request in requests {
        tokio::spawn(answer(request));
    }
    if let Some(request) = last {
        answer(request).await;
    }
}

async fn answer(mut request: Request) {
    let result = match turns::waited(&mut request).await {
        Some(pieces) => Ok(Fetched { identity: None, pieces, is_kept: true }),
        None => {
            let known = turns::known(&mut request).await;
            fetched(&request, known.as_ref()).await
        }
    };
    if let Ok(fetched) = &result {
        request.keep(fetched);
    }
    let pages = state().complete(request, result);
    CHANGED.notify_one();
    for Page { key, cell, entry, is_all } in pages {
        cache::write(entry, move |is_there| {
            let mut state = self::state();
            state.written(key, &cell, is_there && is_all);
            freed_bytes(state);
        });
    }
}

async fn fetched(request: &Request, known: Option<&Known>) -> Result<Fetched> {
    let budget = budget();
    let bytes = request.bytes();
    let is_hedged = AtomicBool::new(false);
    // A store that wants a pause gets no second request beside the first.
    let pauses = AtomicBool::new(false);
    let admitted = || {
        let admitted = !pauses.load(Relaxed) && state().admit_hedge(bytes);
        is_hedged.fetch_or(admitted, Relaxed);
        admitted
    };
    let send = || send(request, known, budget, &pauses);
    let result = hedged(bytes, budget.deadline, send, admitted).await;
    if is_hedged.into_inner() {
        state().end_hedge(bytes);
    }
    result
}

async fn send(
    request: &Request,
    known: Option<&Known>,
    budget: Budget,
    pauses: &AtomicBool,
) -> Result<Fetched> {
    let range = request.range.clone();
    match &request.aim {
        Aim::Open(place) => {
            let brought = beginning(place, range.end, known, budget, pauses).await?;
            let is_kept = brought.is_none();
            let found = brought.or_else(|| known.cloned());
            let (identity, pieces) =
                found.map_or_else(Default::default, |it| (Some(it.identity), it.pieces));
            Ok(Fetched { identity, pieces, is_kept })
        }
        Aim::Read(target) => {
            let pieces = fetch(target, range, budget, pauses).await?;
            Ok(Fetched { identity: None, pieces, is_kept: false })
        }
    }
}
