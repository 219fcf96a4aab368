//! Other libraries, in a Python process that answers each line with a line.

use serde_json::Value;
use tallow_benchmarks::Python;

use crate::Result;

/// The process, and the libraries that it has found.
#[derive(Debug)]
pub(crate) struct Peers {
    python: Python,
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
        let (python, ready) = Python::start(python, &["-m", "augment"])?;
        let found = ready["libraries"].as_object().ok_or("no libraries")?;
        let version = |version: &Value| version.as_str().unwrap_or_default().to_owned();
        let libraries = found.iter().map(|(name, found)| (name.clone(), version(found))).collect();
        Ok(Self { python, libraries })
    }

    /// Images per CPU second; `None` where the library has no such step.
    pub(crate) fn rate(&mut self, library: &str, asked: &Question<'_>) -> Result<Option<f64>> {
        let Question { case, size: [height, width], planes, to, seconds } = asked;
        let layout = if *planes { "chw" } else { "hwc" };
        let line = format!("{library} {case} {height} {width} {layout} {to} {seconds}");
        let answer = self.python.ask(&line)?;
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
