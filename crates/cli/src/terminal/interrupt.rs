//! What is undone when a signal ends the program: temporary files and folders, and the processes
//! that it has started. Without a handler it would end at once and leave them behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::machine::system;

/// What would be left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    File(PathBuf),
    Folder(PathBuf),
    /// All processes of a group.
    Group(Pid),
}

static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());

/// As long as this lives, a signal undoes what it is about.
#[derive(Debug)]
#[must_use]
pub(crate) struct Undone(Left);

/// A file that is removed.
pub(crate) fn file(path: &Path) -> Undone {
    undone(Left::File(path.to_owned()))
}

/// A folder that is removed.
pub(crate) fn folder(path: &Path) -> Undone {
    undone(Left::Folder(path.to_owned()))
}

/// A group of processes that is ended.
pub(crate) fn group(group: Pid) -> Undone {
    undone(Left::Group(group))
}

/// Does `work`, which is short, to its end: a signal that comes meanwhile ends the program after
/// it. An [`Undone`] is neither made nor dropped by it.
pub(crate) fn hold<T>(work: impl FnOnce() -> T) -> T {
    let _held = all();
    work()
}

fn undone(left: Left) -> Undone {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(listen);
    all().push(left.clone());
    Undone(left)
}

fn all() -> MutexGuard<'static, Vec<Left>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that waits for a signal. Where the system starts none a signal leaves things
/// behind and does no other harm, so the handlers are set by the thread itself: a handler that
/// nobody answers would make the program deaf.
fn listen() {
    let (ready, set) = mpsc::channel();
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let Ok(mut signals) = Signals::new(heard()) else { return };
        drop(ready);
        if let Some(signal) = signals.forever().next() {
            end(signal);
        }
    });
    if thread.is_ok() {
        let _: Result<(), _> = set.recv();
    }
}

/// The signals that ask a program to end, but for those that it was started to ignore, as by
/// `nohup`.
fn heard() -> Vec<i32> {
    let status = system::text("/proc/self/status").unwrap_or_default();
    let ignored = system::value(&status, "SigIgn");
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    let is_heard = |signal: &i32| ignored >> (signal - 1) & 1 == 0;
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_heard).collect()
}

/// On a thread of its own, not in the signal: it may lock and allocate.
fn end(signal: i32) -> ! {
    /// A shell reports a program that a signal has ended as this and the signal's number.
    const ENDED_BY: i32 = 128;
    const PATIENCE: Duration = Duration::from_secs(3);
    // Kept locked: nothing is to be added any more.
    let left = all();
    for left in &*left {
        if let Left::Group(group) = left {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    }
    // Once nobody writes there any more.
    for left in &*left {
        match left {
            Left::Group(_) => {}
            Left::File(path) => drop(std::fs::remove_file(path)),
            Left::Folder(path) => {
                // It may still be written into, and some file systems pass over a few entries of a
                // folder whose files are being opened meanwhile: it is then not empty.
                let until = Instant::now() + PATIENCE;
                while path.exists() && Instant::now() < until {
                    let _ = std::fs::remove_dir_all(path);
                }
            }
        }
    }
    std::process::exit(ENDED_BY + signal);
}

impl Drop for Undone {
    fn drop(&mut self) {
        let mut all = all();
        if let Some(at) = all.iter().position(|left| *left == self.0) {
            all.swap_remove(at);
        }
    }
}
