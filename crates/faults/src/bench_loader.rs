//! The program that is attacked from outside, and the files that it leaves.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// The `bench-loader` beside this program.
pub(crate) fn path() -> io::Result<PathBuf> {
    let path = env::current_exe()?.with_file_name("bench-loader");
    if path.exists() {
        return Ok(path);
    }
    let message = format!("no {}: build it with cargo build -p tallow-cli", path.display());
    Err(io::Error::other(message))
}

/// A command that starts it, without variables that decide about colour.
pub(crate) fn program() -> Command {
    let mut command = Command::new(path().unwrap_or_default());
    for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a command. If it takes longer than `time`, it is killed and the result is `None`.
pub(crate) fn within(command: &mut Command, time: Duration) -> io::Result<Option<ExitStatus>> {
    // Short compared to starting a program.
    const LOOK_EVERY: Duration = Duration::from_millis(1);
    // A separate group, which can be killed as one: strace leaves behind what it traces.
    let mut child = command.process_group(0).spawn()?;
    let end = Instant::now() + time;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= end {
            Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status()?;
            child.wait()?;
            return Ok(None);
        }
        free_if_over(child.id())?;
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Kills the tracer of a process that is over. strace keeps the threads that it delays, also when
/// their process exits, and until the last of them is gone no exit status can be waited for.
fn free_if_over(process: u32) -> io::Result<()> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| {
        status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim()
    };
    let tracer = field("TracerPid:");
    if field("State:").starts_with('Z') && !matches!(tracer, "" | "0") {
        Command::new("kill").args(["-KILL", tracer]).status()?;
    }
    Ok(())
}

/// Every file in `dir` and its subfolders, with its contents.
pub(crate) fn contents(dir: &Path) -> io::Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return Ok(all) };
    for entry in entries {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            all.append(&mut contents(&entry.path())?);
        } else if kind.is_file() {
            all.insert(entry.path(), fs::read(entry.path())?);
        }
    }
    Ok(all)
}
