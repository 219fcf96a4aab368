use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A Python process among the peers that answers each line with a line of JSON. It ends with the input, or
/// at the line `quit`.
#[derive(Debug)]
pub struct Python {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Python {
    /// Starts the interpreter `python` with these arguments, in `benchmarks/peers`; also returns its first line.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or does not answer.
    pub fn start(python: &str, args: &[&str]) -> Result<(Self, Value), Box<dyn Error>> {
        let mut child = Command::new(python)
            .args(args)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let to = child.stdin.take().ok_or("no stdin")?;
        let from = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        let mut own = Self { child, to, from };
        let ready = own.answer()?;
        Ok((own, ready))
    }

    /// What it answers to `line`.
    ///
    /// # Errors
    ///
    /// When it has ended, or answers something else than JSON.
    pub fn ask(&mut self, line: &str) -> Result<Value, Box<dyn Error>> {
        writeln!(self.to, "{line}")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Value, Box<dyn Error>> {
        let mut line = String::new();
        if self.from.read_line(&mut line)? == 0 {
            return Err("the peers have ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The process ends at the end of its input; its exit code does not matter any more.
        let _ = writeln!(self.to, "quit");
        let _ = self.child.wait();
    }
}
