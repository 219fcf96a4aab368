//! The process that watches the one that tries inputs, keeps the inputs that made it fail, and goes
//! on.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use clap::ValueEnum as _;

use super::FuzzArgs;
use super::attempt::IDLE;

/// The most CPU time of a case.
const CPU_MAX: Duration = Duration::from_secs(2);

/// The most time of a case, even on a busy machine.
const WALL_MAX: Duration = Duration::from_secs(20);

/// This many failures are enough to look at.
const FAILURES_MAX: usize = 10;

/// The case at which a process failed, and how.
struct Fell {
    case: u64,
    what: String,
}

struct Watch<'a> {
    args: &'a FuzzArgs,
    name: String,
    dir: PathBuf,
    tried: u64,
}

pub(super) fn run(args: &FuzzArgs) -> ExitCode {
    let name = args.target.to_possible_value().map(|value| value.get_name().to_owned());
    let name = name.unwrap_or_default();
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let watched = tempfile::Builder::new().prefix("tallow-faults-").tempdir();
    let result = watched.and_then(|dir| {
        let dir = dir.path().to_owned();
        Watch { args, name: name.clone(), dir, tried: 0 }.until(end)
    });
    match result {
        Ok((tried, failures)) => {
            let seed = args.seed;
            print(&format!("{name}: {tried} cases of seed {seed}, {failures} failed"));
            if failures == 0 && tried > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            print(&format!("{name}: {error}"));
            ExitCode::from(2)
        }
    }
}

impl Watch<'_> {
    /// Returns how many cases were tried, and how many of them failed.
    fn until(mut self, end: Instant) -> io::Result<(u64, usize)> {
        let mut from = self.args.case.unwrap_or(0);
        let mut failures = 0;
        while failures < FAILURES_MAX {
            let left = end.saturating_duration_since(Instant::now());
            let Some(fell) = self.watch(from, left)? else { break };
            failures += 1;
            self.keep(&fell)?;
            from = fell.case + 1;
            if self.args.case.is_some() {
                break;
            }
        }
        Ok((self.tried, failures))
    }

    /// Watches one process, which begins at case `from`, until it ends.
    fn watch(&mut self, from: u64, time: Duration) -> io::Result<Option<Fell>> {
        let dir = self.dir.join(from.to_string());
        fs::create_dir(&dir)?;
        let said = self.dir.join("said");
        let mut child = self.start(from, time, &dir, &said)?;
        let cases = told(&mut child);
        let mut at = None;
        let stuck = loop {
            let limit = if at.is_some() { CPU_MAX } else { Duration::MAX };
            match wait(&cases, limit, &child) {
                Ok(IDLE) => at = None,
                Ok(case) => {
                    at = Some(case);
                    self.tried += 1;
                }
                Err(RecvTimeoutError::Timeout) => break true,
                Err(RecvTimeoutError::Disconnected) => break false,
            }
        };
        if stuck {
            child.kill()?;
        }
        let status = child.wait()?;
        let said = last_of(&said)?;
        self.dir_of_failed(&dir, at)?;
        match at {
            Some(case) if stuck => {
                Ok(Some(Fell { case, what: format!("no end after {CPU_MAX:?} of computing") }))
            }
            Some(case) if !status.success() => {
                Ok(Some(Fell { case, what: format!("{status}: {said}") }))
            }
            None if !status.success() => Err(io::Error::other(format!("{status}: {said}"))),
            _ => Ok(None),
        }
    }

    fn start(&self, from: u64, time: Duration, dir: &Path, said: &Path) -> io::Result<Child> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["fuzz", &self.name, "--seed", &self.args.seed.to_string()]);
        command.args(["--seconds", &time.as_secs().max(1).to_string()]);
        command.args(["--from", &from.to_string()]).arg("--dir").arg(dir);
        if self.args.case.is_some() {
            command.args(["--case", &from.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(said)?).spawn()
    }

    /// Keeps only the folder of the case at which a process failed, as `failed`.
    fn dir_of_failed(&self, dir: &Path, at: Option<u64>) -> io::Result<()> {
        if let Some(case) = at {
            let failed = self.dir.join("failed");
            let _ = fs::remove_dir_all(&failed);
            fs::rename(dir.join(case.to_string()), failed)?;
        }
        fs::remove_dir_all(dir)
    }

    /// Moves the input of a failed case to where it outlives this process, and prints how to try it
    /// again.
    fn keep(&self, fell: &Fell) -> io::Result<()> {
        let (name, seed, case) = (&self.name, self.args.seed, fell.case);
        let kept = std::env::temp_dir().join(format!("tallow-faults-{name}-{seed}-{case}"));
        let _ = fs::remove_dir_all(&kept);
        fs::rename(self.dir.join("failed"), &kept)?;
        print(&format!("{name}: case {case} of seed {seed}: {}", fell.what));
        print(&format!("  again: tallow-faults fuzz {name} --again {}", kept.display()));
        Ok(())
    }
}

/// The cases that a process says it begins.
fn told(child: &mut Child) -> Receiver<u64> {
    let (sender, receiver) = sync_channel(1024);
    let out = child.stdout.take();
    std::thread::spawn(move || {
        let mut out = io::BufReader::new(out?);
        let mut word = [0; 8];
        while out.read_exact(&mut word).is_ok() {
            sender.send(u64::from_le_bytes(word)).ok()?;
        }
        Some(())
    });
    receiver
}

/// The next word of a process, which may be silent until it has computed for `limit`.
fn wait(cases: &Receiver<u64>, limit: Duration, child: &Child) -> Result<u64, RecvTimeoutError> {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let begun = Instant::now();
    let mut computed = None;
    loop {
        match cases.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            result => return result,
        }
        // The first look is a little late, which lets a case compute a little longer.
        let now = cpu_of(child.id());
        let used = now.saturating_sub(*computed.get_or_insert(now));
        if limit != Duration::MAX && (used >= limit || begun.elapsed() >= WALL_MAX) {
            return Err(RecvTimeoutError::Timeout);
        }
    }
}

/// The CPU time of a process and of those that it has waited for.
fn cpu_of(process: u32) -> Duration {
    const TICKS_PER_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name of the program, in parentheses, may contain anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(4);
    let ticks: u64 = ticks.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

/// The last lines that a process printed.
fn last_of(said: &Path) -> io::Result<String> {
    const LINES: usize = 12;
    let said = fs::read(said)?;
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().collect();
    Ok(lines[lines.len().saturating_sub(LINES)..].join("\n  "))
}

fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
