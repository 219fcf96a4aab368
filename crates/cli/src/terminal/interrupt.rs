//! What is cleaned up when a signal ends the program: temporary files and folders, and processes
//! that it has started. Without a handler the program would end at once and leave them behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::machine::system;

/// Something that would be left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    File(PathBuf),
    Folder(PathBuf),
    /// All processes of a group.
    Group(Pid),
}

static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());

/// As long as this lives, a signal cleans up what it names.
#[derive(Debug)]
#[must_use]
pub(crate) struct Undone(Left);

/// A file that a signal removes.
pub(crate) fn file(path: &Path) -> Undone {
    undone(Left::File(path.to_owned()))
}

/// A folder that a signal removes.
pub(crate) fn folder(path: &Path) -> Undone {
    undone(Left::Folder(path.to_owned()))
}

/// A group of processes that a signal ends.
pub(crate) fn group(group: Pid) -> Undone {
    undone(Left::Group(group))
}

/// Finishes `work`, which is short, before a signal can end the program. `work` must not make or
/// drop an [`Undone`].
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

/// Starts the thread that waits for a signal. The thread itself sets the handlers: if the system
/// cannot start it, a signal leaves things behind but still ends the program, which a handler
/// without its thread would prevent.
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

/// The signals that ask a program to end, except those that it was started to ignore, as by
/// `nohup`.
fn heard() -> Vec<i32> {
    let status = system::text("/proc/self/status").unwrap_or_default();
    let ignored = system::value(&status, "SigIgn");
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    let is_heard = |signal: &i32| ignored >> (signal - 1) & 1 == 0;
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_heard).collect()
}

/// Runs on its own thread and not in the signal handler, so it may lock and allocate.
fn end(signal: i32) -> ! {
    /// A shell reports this plus the signal's number for a program that a signal has ended.
    const ENDED_BY: i32 = 128;
    const PATIENCE: Duration = Duration::from_secs(3);
    // Kept locked, so that nothing more is added.
    let left = all();
    for left in &*left {
        if let Left::Group(group) = left {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    }
    // After the processes, so that nobody still writes there.
    for left in &*left {
        match left {
            Left::Group(_) => {}
            Left::File(path) => drop(std::fs::remove_file(path)),
            Left::Folder(path) => {
                // Something may still write into it, and some file systems skip a few entries of a
                // folder whose files are being opened: then it is not empty yet.
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
