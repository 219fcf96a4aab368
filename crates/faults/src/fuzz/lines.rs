//! Command lines of `bench-loader`, generated from its own help so that a new option is attacked at
//! once, over small and possibly damaged folders.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use super::{Target, words};
use crate::bench_loader::{self, contents};
use crate::dice::{Dice, scramble};

pub(super) struct Lines {
    commands: Vec<Form>,
}

/// A command and its options: the name of each, and of its value if it takes one.
struct Form {
    command: &'static str,
    options: Vec<(String, Option<String>)>,
}

/// Anything longer counts as a hang, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(15);

/// The commands to try; `tune`, `demo` and `compare` take seconds by design.
const COMMANDS: [&str; 10] = [
    "run",
    "digest",
    "check",
    "inspect",
    "explain",
    "preview",
    "gen",
    "doctor",
    "catalogue",
    "completions",
];

impl Lines {
    pub(super) fn new() -> Self {
        let form = |command: &'static str| {
            let help = bench_loader::program().args([command, "--help"]).output().ok();
            let help = help.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            Form { command, options: options(&help.unwrap_or_default()) }
        };
        Self { commands: COMMANDS.into_iter().map(form).collect() }
    }
}

/// The options that a help text lists: each begins a line.
fn options(help: &str) -> Vec<(String, Option<String>)> {
    let option = |line: &str| {
        let at = line.find("--")?;
        let before = line[..at].trim();
        if !before.is_empty() && !before.ends_with(',') {
            return None;
        }
        let mut words = line[at..].split_whitespace();
        let name = words.next()?.trim_end_matches(',').to_owned();
        let value = words.next().filter(|value| value.starts_with('<'));
        let value = value.map(|value| value.trim_matches(['<', '>']).to_owned());
        let known = !["--help", "--color", "--cold", "--ceiling"].contains(&&*name);
        known.then_some((name, value))
    };
    help.lines().filter_map(option).collect()
}

impl Target for Lines {
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        data(dice, &dir.join("data"))?;
        let form = dice.pick(&self.commands);
        fs::write(dir.join("line"), form.line(dice).join("\n"))
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let wrong = |error: io::Error| error.to_string();
        let line = fs::read_to_string(dir.join("line")).map_err(wrong)?;
        let words: Vec<&str> = line.split('\n').collect();
        let before = contents(&dir.join("data")).map_err(wrong)?;
        let status = ended(dir, &words).map_err(wrong)?;
        let status = status.ok_or_else(|| format!("no end after {TIME_MAX:?}: {words:?}"))?;
        let said = |name: &str| {
            let text = fs::read(dir.join(name)).map_err(wrong)?;
            String::from_utf8(text).map_err(|error| format!("{name} of {words:?}: {error}"))
        };
        let (stdout, stderr) = (said("stdout")?, said("stderr")?);
        let wrong = |what: String| Err(format!("{what} of {words:?}\n{stderr}"));
        if !matches!(status.code(), Some(0..=2)) {
            return wrong(status.to_string());
        }
        for text in [&stdout, &stderr] {
            if let Some(c) = text.chars().find(|&c| words::is_unseen(c) && c != '\n') {
                return wrong(format!("{c:?} in the output {text:?}"));
            }
        }
        if stderr.contains("panicked") {
            return wrong("a panic".to_owned());
        }
        if status.code() != Some(0) && stderr.trim().is_empty() && stdout.trim().is_empty() {
            return wrong(format!("{status} without a word"));
        }
        if words.contains(&"--json") && status.code() == Some(0) {
            let lines = stdout.lines().filter(|line| !line.is_empty());
            let broken = lines.map(serde_json::from_str::<serde_json::Value>).any(|it| it.is_err());
            let whole = serde_json::from_str::<serde_json::Value>(&stdout);
            if broken && whole.is_err() {
                return wrong(format!("no JSON in {stdout:?}"));
            }
        }
        let after = contents(&dir.join("data")).map_err(|error| error.to_string())?;
        let lost = before.iter().find(|(path, held)| after.get(*path) != Some(held));
        match lost {
            Some((path, _)) if words[0] != "gen" => wrong(format!("{path:?} was overwritten")),
            _ => Ok(0),
        }
    }
}

/// Runs the program in `dir`; `None` if it does not end.
fn ended(dir: &Path, words: &[&str]) -> io::Result<Option<ExitStatus>> {
    let mut command = bench_loader::program();
    command.args(words).current_dir(dir).stdin(Stdio::null());
    command.stdout(File::create(dir.join("stdout"))?).stderr(File::create(dir.join("stderr"))?);
    bench_loader::within(&mut command, TIME_MAX)
}

/// Writes a small data set and may damage it.
fn data(dice: &mut Dice, dir: &Path) -> io::Result<()> {
    let shape = *dice.pick(&["3,8,8", "8,8,3", "12,9", "scalar", "2,30", "3,4..9,4..9", "0,3"]);
    let dtype = *dice.pick(&["u8", "u8", "f32", "u16", "i64", "f64", "bool"]);
    let kind = *dice.pick(&["folders", "folders", "folders", "npy", "safetensors"]);
    let samples = (1 + dice.below(12)).to_string();
    let mut gen_line = bench_loader::program();
    gen_line.arg("gen").arg(dir).args(["--samples", &samples, "--shape", shape]);
    gen_line.args(["--dtype", dtype, "--as", kind]).stdout(Stdio::null()).stderr(Stdio::null());
    gen_line.status()?;
    if dice.one_in(2) {
        return Ok(());
    }
    let files: Vec<PathBuf> = contents(dir)?.into_keys().collect();
    for _ in 0..1 + dice.below(3) {
        if files.is_empty() {
            break;
        }
        let file: &PathBuf = dice.pick(&files);
        accident(file, dice)?;
    }
    Ok(())
}

fn accident(file: &Path, dice: &mut Dice) -> io::Result<()> {
    const NAMES: [&str; 8] = [
        "\u{1b}[31mred.npy",
        "a\nb.npy",
        "x.npy",
        "\u{202e}yrt.npy",
        "-f.npy",
        "e\u{301}.npy",
        "a b'$(c).npy",
        "000000.NPY",
    ];
    let beside = file.with_file_name(*dice.pick(&NAMES));
    match dice.below(9) {
        0 => fs::remove_file(file).or(Ok(())),
        1 => fs::rename(file, beside).or(Ok(())),
        2 => fs::copy(file, beside).map(|_| ()).or(Ok(())),
        3 => fs::write(file, b""),
        4 => std::os::unix::fs::symlink("nowhere", beside).or(Ok(())),
        5 => fs::create_dir(beside).or(Ok(())),
        6 => fs::write(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        _ => {
            let mut bytes = fs::read(file).unwrap_or_default();
            scramble(&mut bytes, dice);
            fs::write(file, bytes)
        }
    }
}

/// Chains for `--augment`, good and bad.
const SPECS: [&str; 15] = [
    "hflip",
    "random_crop(4)",
    "resize(6)",
    "normalize(imagenet)",
    "random_hflip(0.5)",
    "random_resized_crop(5)",
    "mixup(0.2)",
    "cutmix(1)",
    "to_dtype(f32)",
    "hflop",
    "",
    "random_resized_crop(4,scale=1..0.5)",
    "\u{1b}[2J",
    "pad(2) rotate(30)",
    "rot90(1)",
];

/// Names of output files, many of them bad.
const FILES: [&str; 10] = [
    "out",
    "data/input/000000.npy",
    "data/out",
    "data",
    "/dev/null",
    "no/where",
    "",
    "data/input.npy",
    "./data/../data/input/000001.npy",
    "line2",
];

impl Form {
    fn line(&self, dice: &mut Dice) -> Vec<String> {
        let mut line = vec![self.command.to_owned()];
        let takes = |name: &str| self.options.iter().any(|(option, _)| option == name);
        for _ in 0..dice.below(6) {
            if self.options.is_empty() {
                break;
            }
            let (name, value) = dice.pick(&self.options);
            line.push(name.clone());
            if let Some(kind) = value {
                line.push(self.value(name, kind, dice));
            }
        }
        // The work must be small, so that taking long means a hang.
        if takes("--epochs") && !line.iter().any(|word| word == "--epochs") {
            line.extend(["--epochs".to_owned(), "1".to_owned()]);
        }
        if takes("--field") && !dice.one_in(8) {
            line.push(
                (*dice.pick(&["data", "data", "data", "data/input", "data/input.npy"])).into(),
            );
        }
        match self.command {
            "gen" if !dice.one_in(8) => {
                let shape = self.value("--shape", "SHAPE", dice);
                let words = ["--samples", "3", "--dtype", "u8", "new", "--shape", &shape];
                line.extend(words.map(str::to_owned));
            }
            "preview" | "explain" if !dice.one_in(8) => {
                line.extend(["--augment".to_owned(), self.value("--augment", "SPEC", dice)]);
                if self.command == "preview" {
                    line.extend(["--out".to_owned(), "views.png".to_owned()]);
                }
            }
            "completions" => line.push((*dice.pick(&["bash", "fish", "zsh", "x"])).to_owned()),
            _ => {}
        }
        line
    }

    fn value(&self, name: &str, kind: &str, dice: &mut Dice) -> String {
        let small = |dice: &mut Dice| dice.below(5).to_string();
        let pick = |dice: &mut Dice, among: &[&str]| (*dice.pick(among)).to_owned();
        match (name, kind) {
            ("--epochs", _) => small(dice),
            ("--samples" | "--views" | "--shards", _) if self.command == "gen" => small(dice),
            ("--step-ms", _) => pick(dice, &["0", "1", "0.5", "-1", "nan", "1e9"]),
            ("--augment", _) => pick(dice, &SPECS),
            (_, "FILE") => pick(dice, &FILES),
            (_, "NAME=FOLDER") => pick(
                dice,
                &[
                    "input=data/input",
                    "target=data/output",
                    "m=data/input",
                    "=x",
                    "x=",
                    "x",
                    "\u{1b}[31m=data/input",
                    "input=nowhere",
                ],
            ),
            (_, "FIELD:AXIS:MAX") => {
                format!("input:{}:{}", dice.below(4), *dice.pick(&["9", "0", "1", "4294967296"]))
            }
            (_, "FIELD:CLASSES") => format!("target:{}", dice.number()),
            (_, "FIELD") => pick(dice, &["input", "target", "nothing", "\u{202e}x", ""]),
            (_, "AXES") => pick(dice, &["chw", "hwc", "hw", "ct", "cdhw", "x", ""]),
            (_, "POLICY") => format!("{}:{}", dice.pick(&["skip", "substitute"]), small(dice)),
            (_, "SHAPE") => {
                pick(dice, &["3,4", "scalar", "0", "2,1..3", "3..1", "1,1,1,1,1", "-1"])
            }
            (_, "DTYPE") => pick(dice, &["u8", "f32", "bool", "i8", "u64", "f16", "c8"]),
            (_, "DEVICE") => pick(dice, &["cpu", "cuda", "cuda:9999999999", "metal:0", "tpu"]),
            (_, "SIZE") => pick(dice, &["1MB", "0", "1e15", "-1", "99999999TB", "1kB", "x"]),
            (_, "KIND" | "LAST") => {
                pick(dice, &["keep", "drop", "pad", "npy", "folders", "safetensors", "x"])
            }
            ("--workers" | "--prefetch", _) => {
                pick(dice, &["0", "1", "2", "auto", "9999999", "-1"])
            }
            ("--batch-size", _) => {
                pick(dice, &["1", "3", "64", "0", "18446744073709551615", "4096"])
            }
            _ => dice.number(),
        }
    }
}
