//! Failing system calls, injected into commands of `bench-loader` one at a time, by strace.
//! Replacing a library would not do, because the code that reads files makes system calls directly.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

use crate::bench_loader::{self, contents};
use crate::dice::Dice;

#[derive(Debug, Args)]
pub(crate) struct InjectArgs {
    /// How long to attack
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Seed of the order of the faults
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Anything longer counts as a hang, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(30);

/// The errors that system calls may return. `mmap` and similar calls are left alone, because a Rust
/// program aborts without memory. So are short counts, because the data they count would not have
/// been read.
const FAULTS: [(&str, &[&str]); 22] = [
    ("openat", &["ENOENT", "EACCES", "EIO", "EMFILE", "ENFILE", "ENOMEM", "EINTR", "ESTALE"]),
    ("preadv", &["EIO", "EINTR", "ESTALE", "EAGAIN", "ENOMEM", "retval=0"]),
    ("pread64", &["EIO", "EINTR", "ESTALE", "EAGAIN", "ENOMEM", "retval=0"]),
    ("read", &["EIO", "EINTR", "ESTALE", "EAGAIN", "ENOMEM"]),
    ("fstat", &["EIO", "ENOMEM", "ESTALE"]),
    ("newfstatat", &["EIO", "ENOENT", "EACCES", "ESTALE"]),
    ("statx", &["EIO", "ENOENT", "ENOSYS", "ESTALE"]),
    ("getdents64", &["EIO", "ENOENT", "ESTALE", "EINTR"]),
    ("readlink", &["EIO", "EINVAL"]),
    ("getcwd", &["ENOENT"]),
    ("madvise", &["ENOMEM", "EAGAIN", "EINVAL"]),
    ("fadvise64", &["EINVAL", "EIO"]),
    ("clone3", &["EAGAIN", "ENOMEM"]),
    ("write", &["EIO", "ENOSPC", "EINTR", "EAGAIN", "EDQUOT"]),
    ("rename", &["EIO", "EACCES", "ENOSPC", "EXDEV"]),
    ("renameat2", &["EIO", "EACCES", "ENOSPC", "EINVAL"]),
    ("unlink", &["EIO", "EACCES"]),
    ("mkdir", &["EIO", "EACCES", "ENOSPC"]),
    ("close", &["EINTR", "EIO"]),
    ("lseek", &["EIO"]),
    ("sched_getaffinity", &["EPERM"]),
    ("prlimit64", &["EPERM"]),
];

/// The commands, run in a folder that holds the data.
const LINES: [&str; 17] = [
    "digest folders --workers 0 --batch-size 4",
    "digest folders --workers 2 --batch-size 4 --shuffle",
    "digest folders --workers 0 --batch-size 4 --on-error substitute:9",
    "digest npy --workers 0 --batch-size 4",
    "digest npy --workers 1 --batch-size 4",
    "digest shards --workers 0 --batch-size 4",
    "digest shards --workers 1 --batch-size 4",
    "digest photos --workers 0 --batch-size 4 --augment center_crop(8)",
    "digest photos --workers 1 --batch-size 4 --augment center_crop(8)",
    "inspect folders --png out.png",
    "inspect photos --png out.png",
    "check folders --workers 1",
    "check shards --workers 1",
    "check photos --workers 1",
    "run folders --epochs 1 --workers 1 --html out.html",
    "preview folders --augment hflip --samples 1 --views 2 --out out.png",
    "gen out --samples 3 --shape 2,3 --dtype f32",
];

/// One fault: call number `at` of `call` in every thread returns `says`. With `on_files`, only
/// calls on the files of the data count.
#[derive(Debug)]
struct Fault {
    line: &'static str,
    on_files: bool,
    call: &'static str,
    at: usize,
    says: &'static str,
}

/// What a command does if nothing fails.
struct Clean {
    stdout: Vec<u8>,
    outputs: BTreeMap<PathBuf, Vec<u8>>,
}

pub(crate) fn run(args: &InjectArgs) -> ExitCode {
    match attack(args) {
        Ok((tried, all, failures)) => {
            print(&format!("inject: {tried} faults of {all}, {failures} failed"));
            if failures == 0 && tried > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            print(&format!("inject: {error}"));
            ExitCode::from(2)
        }
    }
}

fn attack(args: &InjectArgs) -> io::Result<(usize, usize, usize)> {
    const FAILURES_MAX: usize = 10;
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let home = tempfile::Builder::new().prefix("tallow-faults-").tempdir()?;
    let home = home.path();
    let arrays = [("folders", "folders"), ("npy", "npy"), ("shards", "safetensors")];
    let arrays = arrays
        .map(|(name, kind)| format!("gen {name} --samples 9 --shape 3,5,6 --dtype u8 --as {kind}"));
    let photos = "gen photos --samples 6 --shape 12,10..14 --as jpeg --classes 2".to_owned();
    for line in arrays.into_iter().chain([photos]) {
        let mut command = bench_loader::program();
        command.args(line.split(' ')).current_dir(home).stdout(Stdio::null());
        if !command.status()?.success() {
            return Err(io::Error::other(line));
        }
    }
    let mut clean = BTreeMap::new();
    let mut faults = Vec::new();
    for line in LINES {
        clean.insert(line, undisturbed(home, line)?);
        // The files that `gen` writes are not data to read.
        let has_data = !line.starts_with("gen");
        for on_files in [false, true].into_iter().filter(|on_files| has_data || !on_files) {
            let calls = count(home, line, on_files)?;
            faults.extend(every(line, on_files, &calls));
        }
    }
    Dice::new(args.seed, 0).shuffle(&mut faults);
    let (mut tried, mut failures) = (0, 0);
    for fault in &faults {
        if Instant::now() >= end || failures >= FAILURES_MAX {
            break;
        }
        tried += 1;
        if let Err(what) = try_one(home, fault, &clean[fault.line])? {
            failures += 1;
            let inject = fault.inject();
            print(&format!("inject: {what}\n  {} under strace -f {inject}", fault.line));
        }
    }
    Ok((tried, faults.len(), failures))
}

/// Every fault of a command that makes these calls.
fn every(line: &'static str, on_files: bool, calls: &BTreeMap<String, Calls>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (call, says) in FAULTS {
        let Some(calls) = calls.get(call) else { continue };
        for at in calls.before_main + 1..=calls.all {
            faults.extend(says.iter().map(|says| Fault { line, on_files, call, at, says }));
        }
    }
    faults
}

impl Fault {
    fn inject(&self) -> String {
        let says = match self.says.starts_with("retval") {
            true => self.says.to_owned(),
            false => format!("error={}", self.says),
        };
        let on_files = if self.on_files { " on the files" } else { "" };
        format!("-e inject={}:{says}:when={}{on_files}", self.call, self.at)
    }
}

/// The most often that a thread makes a call, and how often before the program's own code begins.
#[derive(Default)]
struct Calls {
    all: usize,
    before_main: usize,
}

/// strace for a command; it sees all calls, or only those on the files of the data.
fn strace(home: &Path, line: &str, on_files: bool) -> io::Result<Command> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "signal=none", "-o", "trace"]);
    if on_files {
        let data = line.split(' ').nth(1).unwrap_or_default();
        for file in contents(&home.join(data))?.keys() {
            command.arg("-P").arg(file);
            if let Some(folder) = file.parent() {
                command.arg("-P").arg(folder);
            }
        }
    }
    Ok(command)
}

/// The words of a command line, beginning with the path of the program.
fn words(line: &str) -> io::Result<Vec<String>> {
    let program = bench_loader::path()?.display().to_string();
    Ok([program].into_iter().chain(line.split(' ').map(str::to_owned)).collect())
}

fn count(home: &Path, line: &str, on_files: bool) -> io::Result<BTreeMap<String, Calls>> {
    clear(home)?;
    let mut command = strace(home, line, on_files)?;
    command.args(words(line)?).current_dir(home).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let status = bench_loader::within(&mut command, TIME_MAX)
        .map_err(|error| io::Error::other(format!("cannot start strace: {error}")))?;
    if !status.is_some_and(|status| status.success()) {
        return Err(io::Error::other(format!("{line} under strace: {status:?}")));
    }
    let trace = fs::read_to_string(home.join("trace"))?;
    let mut threads: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut calls: BTreeMap<String, Calls> = BTreeMap::new();
    for traced in trace.lines() {
        let Some((thread, call)) = traced.split_once(' ') else { continue };
        let Some((name, _)) = call.trim_start().split_once('(') else { continue };
        // The first call of the standard library.
        if name == "poll" && !on_files {
            calls.values_mut().for_each(|calls| calls.before_main = calls.all);
        }
        let own = threads.entry((thread, name)).or_default();
        *own += 1;
        let calls = calls.entry(name.to_owned()).or_default();
        calls.all = calls.all.max(*own);
    }
    Ok(calls)
}

fn undisturbed(home: &Path, line: &str) -> io::Result<Clean> {
    clear(home)?;
    let output = bench_loader::program().args(line.split(' ')).current_dir(home).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{line}: {output:?}")));
    }
    Ok(Clean { stdout: output.stdout, outputs: contents(&home.join("out"))? })
}

/// Runs a command with a fault. The inner error says what is wrong with the outcome.
fn try_one(home: &Path, fault: &Fault, clean: &Clean) -> io::Result<Result<(), String>> {
    clear(home)?;
    let mut command = strace(home, fault.line, fault.on_files)?;
    let inject = fault.inject();
    let inject = inject.split(' ').nth(1).unwrap_or_default();
    command.args(["-e", &format!("trace={}", fault.call), "-e", inject]);
    command.args(words(fault.line)?).current_dir(home).stdin(Stdio::null());
    command.stdout(File::create(home.join("stdout"))?);
    command.stderr(File::create(home.join("stderr"))?);
    let status = bench_loader::within(&mut command, TIME_MAX)?;
    let stdout = fs::read(home.join("stdout"))?;
    let stderr = String::from_utf8_lossy(&fs::read(home.join("stderr"))?).into_owned();
    let Some(status) = status else { return Ok(Err(format!("no end after {TIME_MAX:?}"))) };
    let code = match status.code() {
        Some(code @ 0..=2) => code,
        _ => return Ok(Err(format!("{status}: {stderr}"))),
    };
    let digest = fault.line.starts_with("digest");
    let substituted = fault.line.contains("--on-error");
    Ok(match () {
        () if stderr.contains("panicked") => Err(format!("a panic: {stderr}")),
        // If writing failed, the message may be what could not be written.
        () if code != 0 && stderr.is_empty() && stdout.is_empty() && fault.call != "write" => {
            Err(format!("{status} without a word"))
        }
        () if digest && code == 0 && !substituted && stdout != clean.stdout => {
            Err(format!("another digest: {}", String::from_utf8_lossy(&stdout).trim()))
        }
        () => whole(home, code, clean),
    })
}

/// Whether every output is complete or absent.
fn whole(home: &Path, code: i32, clean: &Clean) -> Result<(), String> {
    let ends = [("out.png", &b"IEND\xaeB`\x82"[..]), ("out.html", b"</html>")];
    for (name, end) in ends {
        if let Ok(bytes) = fs::read(home.join(name)) {
            let bytes = bytes.trim_ascii_end();
            if !bytes.ends_with(end) {
                return Err(format!("{name} is {} bytes of a file", bytes.len()));
            }
        }
    }
    let made = contents(&home.join("out")).map_err(|error| error.to_string())?;
    for (path, bytes) in &clean.outputs {
        match made.get(path) {
            None if code == 0 => return Err(format!("{path:?} is missing")),
            Some(made) if made != bytes && code == 0 => return Err(format!("{path:?} differs")),
            _ => {}
        }
    }
    Ok(())
}

/// Removes what a command has written.
fn clear(home: &Path) -> io::Result<()> {
    for entry in fs::read_dir(home)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match ["folders", "npy", "shards", "photos"].contains(&&*name) {
            true => {}
            false if path.is_dir() => fs::remove_dir_all(path)?,
            false => fs::remove_file(path)?,
        }
    }
    Ok(())
}

fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
