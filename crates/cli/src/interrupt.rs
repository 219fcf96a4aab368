//! What is undone when a signal ends the program: temporary folders and the processes that it has
//! started. Without a handler it would end at once and leave both behind.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// What would be left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Left {
    Folder(PathBuf),
    /// All processes of a group.
    Group(Pid),
}

static LEFT: Mutex<Vec<Left>> = Mutex::new(Vec::new());

/// As long as this lives, a signal undoes what it is about.
#[derive(Debug)]
#[must_use]
pub(crate) struct Undone(Left);

/// A folder that is removed.
pub(crate) fn folder(path: &Path) -> Undone {
    undone(Left::Folder(path.to_owned()))
}

/// A group of processes that is ended.
pub(crate) fn group(group: Pid) -> Undone {
    undone(Left::Group(group))
}

fn undone(left: Left) -> Undone {
    static HANDLER: Once = Once::new();
    // Without a handler a signal leaves things behind, and does no other harm.
    HANDLER.call_once(|| drop(ctrlc::set_handler(end)));
    all().push(left.clone());
    Undone(left)
}

fn all() -> MutexGuard<'static, Vec<Left>> {
    LEFT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On a thread of its own, not in the signal: it may lock and allocate.
fn end() {
    /// What a shell reports of a program that SIGINT has ended.
    const INTERRUPTED: i32 = 130;
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
        if let Left::Folder(path) = left {
            // It may still be written into, and some file systems pass over a few entries of a folder
            // whose files are being opened meanwhile: it is then not empty.
            let until = Instant::now() + PATIENCE;
            while path.exists() && Instant::now() < until {
                let _ = std::fs::remove_dir_all(path);
            }
        }
    }
    std::process::exit(INTERRUPTED);
}

impl Drop for Undone {
    fn drop(&mut self) {
        let mut all = all();
        if let Some(at) = all.iter().position(|left| *left == self.0) {
            all.swap_remove(at);
        }
    }
}
