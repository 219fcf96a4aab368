//! A dead mount: reads that do not return. strace holds every read of some files in the kernel for
//! longer than anyone waits, like a server that is gone.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use tallow::{Loader, NpyFolders};

use crate::bench_loader::{self, contents};

#[derive(Debug, Args)]
pub(crate) struct MountArgs {
    #[command(subcommand)]
    who: Who,
}

#[derive(Debug, Subcommand)]
enum Who {
    /// A loader with a stall timeout of two seconds
    Loader,
    /// `bench-loader digest` and `bench-loader run`, whose stall timeout is a minute; takes some
    /// minutes
    Program,
    /// The process of `loader`, which loads this folder
    #[command(hide = true)]
    Reader { dir: PathBuf },
}

const STALL_TIMEOUT: Duration = Duration::from_secs(2);

/// The stall timeout of `bench-loader`, which is the library's default.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(60);

/// Extra time for starting under strace, opening the data and giving up on threads.
const SLACK: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &MountArgs) -> ExitCode {
    let result = match &args.who {
        Who::Reader { dir } => return read(dir),
        Who::Loader => loader(),
        Who::Program => ["digest", "run"].into_iter().try_for_each(program),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print(&format!("mount: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn loader() -> io::Result<()> {
    let home = data()?;
    let mut strace = strace(home.path())?;
    strace.arg(std::env::current_exe()?).args(["mount", "reader"]).arg(home.path().join("data"));
    ends("a loader", strace, home.path(), STALL_TIMEOUT)
}

fn program(command: &str) -> io::Result<()> {
    let home = data()?;
    let mut strace = strace(home.path())?;
    strace.arg(bench_loader::path()?).args([command, "data", "--batch-size", "2"]);
    strace.args(["--workers", "2", "--epochs", "1"]);
    ends(command, strace, home.path(), PROGRAM_TIMEOUT)
}

/// Forty pairs whose second files will hang.
fn data() -> io::Result<tempfile::TempDir> {
    let home = tempfile::Builder::new().prefix("tallow-faults-").tempdir()?;
    let mut gen_line = bench_loader::program();
    gen_line.args("gen data --samples 40 --shape 3,8,8 --dtype u8".split(' '));
    let made = gen_line.current_dir(home.path()).stdout(Stdio::null()).status()?;
    if made.success() { Ok(home) } else { Err(io::Error::other("gen failed")) }
}

/// strace that delays every read of the files in `output` by ten minutes, except of the first file,
/// from which the source learns the schema when it is opened.
fn strace(home: &Path) -> io::Result<Command> {
    let mut command = Command::new("strace");
    // With -D the process that is started is the traced one, and its exit status can be waited for.
    command.args(["-D", "-f", "-qq", "-o", "trace"]);
    for file in contents(&home.join("data/output"))?.keys().skip(1) {
        command.arg("-P").arg(file);
    }
    command.args(["-e", "trace=preadv,preadv2,pread64,read"]);
    command.args(["-e", "inject=preadv,preadv2,pread64,read:delay_enter=600000000"]);
    command.current_dir(home).stdin(Stdio::null());
    Ok(command)
}

/// Whether a process gives up within twice the stall timeout, and names the file that hangs.
fn ends(who: &str, mut command: Command, home: &Path, timeout: Duration) -> io::Result<()> {
    command.stdout(File::create(home.join("stdout"))?);
    command.stderr(File::create(home.join("stderr"))?);
    let begun = Instant::now();
    let status = bench_loader::within(&mut command, 2 * timeout + SLACK)?;
    let took = begun.elapsed();
    let said =
        |name: &str| fs::read(home.join(name)).map(|it| String::from_utf8_lossy(&it).into_owned());
    let said = said("stdout")? + &said("stderr")?;
    let Some(status) = status else {
        return Err(io::Error::other(format!("{who}: no end after {took:.1?}; it said: {said}")));
    };
    let named = said.contains("data/output/");
    if status.code() != Some(1) || !named {
        return Err(io::Error::other(format!("{who}: {status} after {took:.1?}: {said}")));
    }
    print(&format!("mount: {who} gave up after {took:.1?} and named the file"));
    Ok(())
}

/// Loads the pairs in `dir` and prints every error. The exit code is 1 if there was any.
fn read(dir: &Path) -> ExitCode {
    let built = NpyFolders::pairs(dir).map_err(|error| error.to_string()).and_then(|source| {
        let builder = Loader::builder(source).batch_size(2).workers(2);
        builder.stall_timeout(Some(STALL_TIMEOUT)).build().map_err(|error| error.to_string())
    });
    let loader = match built {
        Ok(loader) => loader,
        Err(error) => {
            print(&error);
            return ExitCode::from(2);
        }
    };
    let mut code = ExitCode::SUCCESS;
    for batch in loader.epoch(0) {
        if let Err(error) = batch {
            print(&error.to_string());
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn print(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}
