//! Other libraries, in a Python process that answers each line with a line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::Result;

/// The process, and the libraries that it has found.
#[derive(Debug)]
pub(crate) struct Peers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    /// Name and version.
    pub(crate) libraries: Vec<(String, String)>,
}

/// What a library is asked to do, and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) case: &'a str,
    pub(crate) size: [usize; 2],
    /// Whether the colours of the image lie first.
    pub(crate) planes: bool,
    /// The type of the rows that whole chains end in.
    pub(crate) to: &'a str,
    pub(crate) seconds: f64,
}

impl Peers {
    pub(crate) fn start(python: &str) -> Result<Self> {
        let mut child = Command::new(python)
            .args(["-m", "augment"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no stdin")?;
        let from = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut peers = Self { child, to, from, libraries: Vec::new() };
        let ready = peers.answer()?;
        let found = ready["libraries"].as_object().ok_or("no libraries")?;
        let version = |version: &Value| version.as_str().unwrap_or_default().to_owned();
        peers.libraries =
            found.iter().map(|(name, found)| (name.clone(), version(found))).collect();
        Ok(peers)
    }

    fn answer(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("the peers have ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// Images per CPU second; `None` where the library has no such step.
    pub(crate) fn rate(&mut self, library: &str, asked: &Question<'_>) -> Result<Option<f64>> {
        let Question { case, size: [height, width], planes, to, seconds } = asked;
        let layout = if *planes { "chw" } else { "hwc" };
        writeln!(self.to, "{library} {case} {height} {width} {layout} {to} {seconds}")?;
        let answer = self.answer()?;
        if let Some(error) = answer["error"].as_str() {
            return Err(format!("{library} {case}: {error}").into());
        }
        let number = |key: &str| answer[key].as_f64();
        match (number("images"), number("cpu_seconds")) {
            (Some(images), Some(seconds)) => Ok(Some(images / seconds)),
            _ => Ok(None),
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // The process ends at the end of its input; its exit code does not matter any more.
        let _ = writeln!(self.to, "quit");
        let _ = self.child.wait();
    }
}
