//! Running the program, and folders to run it on.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The result of a run of the program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// The one document that was printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

/// A command without the variables in the environment of the tests that decide about colour: with
/// `CI`, even a dumb terminal has colour.
pub(crate) fn command(name: &str) -> Command {
    let mut command = Command::new(name);
    for variable in ["CI", "CLICOLOR", "CLICOLOR_FORCE", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command
}

/// `bench-loader` itself.
pub(crate) fn program() -> Command {
    command(env!("CARGO_BIN_EXE_bench-loader"))
}

/// Runs `bench-loader` with the words of `line`, in which `DIR` is replaced by `dir`. What is between
/// single quotes is one word.
pub(crate) fn bench(dir: &Path, line: &str) -> Ended {
    bench_with(dir, line, &[])
}

/// The same if the system starts no thread: there is no room for such a stack.
pub(crate) fn bench_without_threads(dir: &Path, line: &str) -> Ended {
    bench_with(dir, line, &[("RUST_MIN_STACK", "70368744177664")])
}

/// The same with variables in the environment.
pub(crate) fn bench_with(dir: &Path, line: &str, environment: &[(&str, &str)]) -> Ended {
    let dir = dir.to_str().unwrap();
    let parts = line.split('\'').enumerate();
    let words = parts.flat_map(|(at, part)| match at % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    let args = words.map(|word| word.replace("DIR", dir));
    let output = program().args(args).envs(environment.iter().copied()).output().unwrap();
    Ended {
        code: output.status.code().expect("the program ends by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The lines of a digest with these options, one for each sample.
pub(crate) fn samples(dir: &Path, options: &str) -> Vec<String> {
    let ended = bench(dir, &format!("digest {options} --per-sample")).expect(0);
    let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    // The last one is of them all.
    lines.pop();
    lines
}

/// The number at a place in such a line.
pub(crate) fn number(line: &str, at: usize) -> usize {
    line.split(' ').nth(at).unwrap().parse().unwrap()
}

/// A folder of pairs that the program itself has written.
pub(crate) fn pairs(samples: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("gen DIR --samples {samples} --shape 2,3 --dtype f32");
    bench(dir.path(), &line).expect(0);
    dir
}

/// The same with images of three channels of 12x12 bytes, each with one of ten classes.
pub(crate) fn images(samples: usize) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("gen DIR --samples {samples} --shape 3,12,12 --dtype u8");
    bench(dir.path(), &line).expect(0);
    dir
}

/// The file of sample `index` in `folder`.
pub(crate) fn file(dir: &TempDir, folder: &str, index: usize) -> PathBuf {
    dir.path().join(folder).join(format!("{index:06}.npy"))
}

/// Cuts the last bytes off a file.
pub(crate) fn truncate(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - bytes).unwrap();
}

/// A program instead of Python, which runs `script` when it is started as a peer.
pub(crate) fn stub(dir: &Path, script: &str) {
    let (path, text) = (dir.join("stub"), dir.join("stub.sh"));
    let script = format!("#!/bin/sh\n[ \"$1\" = -c ] && exit\n{script}\n");
    fs::write(&text, script).unwrap();
    fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
    // Written by another process: a file that this one writes would be open in the processes that
    // other tests start meanwhile, and a file that is open for writing cannot be executed.
    assert!(Command::new("cp").args([&text, &path]).status().unwrap().success());
}
