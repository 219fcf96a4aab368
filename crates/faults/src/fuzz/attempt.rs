//! The process that tries inputs. It may crash, so it names each case before it begins.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{Target, memory};
use crate::dice::Dice;

/// Sent if no case is running.
pub(super) const IDLE: u64 = u64::MAX;

/// The most cases whose files rest before they are read.
const LYING_MAX: usize = 4096;

/// Tries the cases of `cases`, until `time` is over or one fails. Their folders are in `dir`, where
/// that of a failed case stays.
pub(super) fn many(
    target: &dyn Target,
    seed: u64,
    mut cases: Range<u64>,
    time: Duration,
    dir: &Path,
) -> ExitCode {
    end_on_panic();
    let end = Instant::now() + time;
    let mut lying: VecDeque<(u64, Instant)> = VecDeque::new();
    while Instant::now() < end {
        match lying.front().copied() {
            Some((case, made)) if made.elapsed() >= target.rests_for() => {
                lying.pop_front();
                let dir = dir.join(case.to_string());
                if tell(case).is_err() || once(target, &dir) != ExitCode::SUCCESS {
                    return ExitCode::FAILURE;
                }
                let gone = tell(IDLE).and_then(|()| fs::remove_dir_all(dir));
                if gone.is_err() {
                    return ExitCode::FAILURE;
                }
            }
            _ if lying.len() < LYING_MAX && !cases.is_empty() => {
                let (case, dir) = (cases.start, dir.join(cases.start.to_string()));
                cases.start += 1;
                let mut dice = Dice::new(seed, case);
                let made = fs::create_dir(&dir).and_then(|()| target.make(&mut dice, &dir));
                if let Err(error) = made {
                    return failed(&format!("cannot make case {case} in {dir:?}: {error}"));
                }
                lying.push_back((case, Instant::now()));
            }
            Some((_, made)) => {
                std::thread::sleep(target.rests_for().saturating_sub(made.elapsed()));
            }
            None => break,
        }
    }
    ExitCode::SUCCESS
}

/// Tries the input in `dir`.
pub(super) fn once(target: &dyn Target, dir: &Path) -> ExitCode {
    let (result, bytes) = memory::measured(|| target.run(dir));
    let planned = match result {
        Ok(planned) => planned,
        Err(what) => return failed(&what),
    };
    let most = target.bytes_max().saturating_add(planned);
    if bytes > most {
        return failed(&format!("{bytes} bytes of memory, at most {most}"));
    }
    ExitCode::SUCCESS
}

fn failed(what: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{what}");
    ExitCode::FAILURE
}

fn tell(case: u64) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(&case.to_le_bytes()).and_then(|()| out.flush())
}

/// Ends the process at a panic of any thread, even one that would be caught: no input may cause a
/// panic.
fn end_on_panic() {
    const CODE: i32 = 101;
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        std::process::exit(CODE);
    }));
}
