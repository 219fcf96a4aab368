//! A contender of a comparison: a process that answers each line with a line.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::machine::threads;
use crate::terminal::interrupt::{self, Undone};
use crate::terminal::words;

/// How long a contender may take to end by itself once its input has ended.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// A process in its own group, so that it ends with everything that it has started.
#[derive(Debug)]
pub(crate) struct Contender {
    child: Child,
    /// `None` once it was told to end.
    to: Option<ChildStdin>,
    /// Its lines; disconnected at the end of its output.
    answers: Receiver<io::Result<String>>,
    errors: PathBuf,
    timeout: Duration,
    /// The time from its start to its first line.
    pub(crate) starting: Duration,
    /// Its first line.
    pub(crate) ready: Value,
    /// Ends its group with this program.
    _undone: Option<Undone>,
}

impl Contender {
    /// Starts a process and waits for its first line. Its standard error goes to the file `errors`.
    ///
    /// # Errors
    ///
    /// A message, if it cannot be started, ends, or says nothing for `timeout`.
    pub(crate) fn start(
        mut command: Command,
        errors: &Path,
        timeout: Duration,
    ) -> Result<Self, String> {
        let file =
            File::create(errors).map_err(|error| format!("{}: {error}", errors.display()))?;
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(file)
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot start {:?}: {error}", command.get_program()))?;
        let group = i32::try_from(child.id()).ok().map(Pid::from_raw);
        let to = child.stdin.take();
        let answers = lines(child.stdout.take());
        let mut this = Self {
            child,
            to,
            answers,
            errors: errors.to_owned(),
            timeout,
            starting: Duration::ZERO,
            ready: Value::Null,
            _undone: group.map(interrupt::group),
        };
        this.ready = this.answer("its start")?;
        this.starting = started.elapsed();
        Ok(this)
    }

    /// Sends a line and returns the answer.
    ///
    /// # Errors
    ///
    /// A message, if it ends, does not answer in time, or answers with an error.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Value, String> {
        if let Some(to) = &mut self.to {
            // If it has ended, the missing answer says why.
            let _ = writeln!(to, "{line}");
        }
        self.answer(&format!("`{line}`"))
    }

    fn answer(&mut self, to: &str) -> Result<Value, String> {
        let line = match self.answers.recv_timeout(self.timeout) {
            Ok(Ok(line)) => line,
            Ok(Err(error)) => return Err(format!("cannot read its answer: {error}")),
            Err(RecvTimeoutError::Timeout) => {
                self.kill();
                let seconds = self.timeout.as_secs();
                return Err(format!(
                    "no answer to {to} within {seconds} s (--timeout), so it was ended"
                ));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.end()),
        };
        let answer: Value = serde_json::from_str(&line).map_err(|_| {
            self.kill();
            let said: String = line.trim_end().chars().take(200).collect();
            format!("answered {to} with {said:?}")
        })?;
        match answer["error"].as_str() {
            Some(error) => Err(words::one_line(error)),
            None => Ok(answer),
        }
    }

    /// How it ended, and its last words.
    fn end(&mut self) -> String {
        self.to = None;
        let group = self.group();
        let (ended, ends) = mpsc::channel::<()>();
        let waited = thread::scope(|scope| {
            // It may have only closed its output and still run.
            let _ = threads::start(scope, move || {
                if ends.recv_timeout(QUIT_TIMEOUT) == Err(RecvTimeoutError::Timeout) {
                    kill(group);
                }
            });
            let waited = self.child.wait();
            drop(ended);
            waited
        });
        let ended = match waited {
            Ok(status) => format!("ended early, {status}"),
            Err(error) => format!("ended early: {error}"),
        };
        let said = fs::read(&self.errors).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        match said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => format!("{ended}: {}", words::one_line(line.trim())),
            None => ended,
        }
    }

    /// Ends it and everything that it has started.
    fn kill(&mut self) {
        self.to = None;
        kill(self.group());
    }

    /// The group, which has the number of the process.
    fn group(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().map(Pid::from_raw)
    }
}

fn kill(group: Option<Pid>) {
    // If this fails, there is nothing left to end.
    let _ = group.map(|group| killpg(group, Signal::SIGKILL));
}

impl Drop for Contender {
    /// First tells it to end, then ends it.
    fn drop(&mut self) {
        if let Some(mut to) = self.to.take() {
            let _ = writeln!(to, "quit");
            drop(to);
            // Whatever it still says is ignored: what counts is the end of its output.
            let until = Instant::now() + QUIT_TIMEOUT;
            let left = || until.saturating_duration_since(Instant::now());
            while !left().is_zero() && self.answers.recv_timeout(left()).is_ok() {}
        }
        self.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a pipe, read by a separate thread, so that waiting for them can time out.
fn lines(pipe: Option<ChildStdout>) -> Receiver<io::Result<String>> {
    // A contender that says too much has to wait.
    let (sender, receiver) = mpsc::sync_channel(16);
    let read = move || {
        let lines = pipe.into_iter().flat_map(|pipe| BufReader::new(pipe).lines());
        for line in lines {
            if sender.send(line).is_err() {
                break;
            }
        }
    };
    // If no thread can be started, the sender is dropped and the process counts as ended.
    let _ = thread::Builder::new().spawn(read);
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, timeout_ms: u64) -> Result<Contender, String> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let timeout = Duration::from_millis(timeout_ms);
        Contender::start(command, &dir.path().join("errors"), timeout)
    }

    #[test]
    fn lines_are_answered() {
        let script = "echo '{\"ready\": 1}'; while read line; do echo \"{\\\"error\\\": \\\"$line\\\"}\"; done";
        let mut contender = shell(script, 10_000).unwrap();
        assert_eq!(contender.ready["ready"], 1);
        assert_eq!(contender.ask("a b").unwrap_err(), "a b");
    }

    #[test]
    fn one_that_ends_or_hangs_is_told_in_words() {
        assert!(shell("echo no >&2; exit 3", 10_000).unwrap_err().contains("exit status: 3: no"));
        assert!(shell("echo x", 10_000).unwrap_err().contains("\"x\""));
        let started = Instant::now();
        // The child of the child holds the pipe open, and ends too.
        assert!(shell("sleep 100 & sleep 100", 50).unwrap_err().contains("its start within"));
        assert!(started.elapsed() < QUIT_TIMEOUT);
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let path = std::env::temp_dir().join("errors-of-none");
        let started = Contender::start(Command::new("/absent"), &path, Duration::ZERO);
        assert!(started.unwrap_err().contains("/absent"));
    }
}
