//! What a build script does.

#![expect(clippy::print_stdout, reason = "a build script talks to cargo in this way")]

use std::env;
use std::path::PathBuf;
use std::process::{Child, Command};

/// The architectures of all releases: the first of each generation whose code differs, from Turing, the
/// oldest that the CUDA 13 compiler knows, to consumer Blackwell.
const ALL: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// The one of builds that are not for release, if `CUDA_COMPUTE_CAP` names none.
const DEVELOPMENT: u32 = 80;

/// The first release of nvcc whose drivers all read what is compressed best, to a fifth of its size.
const COMPRESSES: (u32, u32) = (13, 0);

/// Compiles `source` once for each of `parts`, which are a name and flags of nvcc, into
/// `OUT_DIR/NAME.fatbin`. All at once, on as many cores as cargo allows. What `fatbin!` says about them
/// is passed on in variables of the compiler.
///
/// # Panics
///
/// When there is no nvcc, when it fails, or when a variable does not say what it should: a build script
/// reports errors in this way.
pub fn compile(source: &str, flags: &[&str], parts: &[(&str, &[&str])]) {
    for variable in ["TALLOW_CUDA_ARCHS", "CUDA_COMPUTE_CAP", "CUDA_HOME", "NVCC"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let nvcc = Nvcc::find();
    let archs = nvcc.archs();
    println!("cargo::rustc-env=TALLOW_FATBIN_ARCHS={}", join(&archs, ", "));
    println!("cargo::rustc-env=TALLOW_FATBIN_TOOLKIT={}.{}", nvcc.release.0, nvcc.release.1);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where built files go"));
    let jobs: usize = env::var("NUM_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(1);
    let threads = (jobs / parts.len().max(1)).max(1).to_string();
    let start = |(name, own): &(&str, &[&str])| -> Child {
        let mut command = Command::new(&nvcc.program);
        command.args(["-fatbin", "--threads", &threads, "-gencode", &generated(&archs)]);
        if nvcc.release >= COMPRESSES {
            command.arg("--compress-mode=size");
        }
        command.args(flags).args(*own).arg("-o").arg(out.join(name).with_extension("fatbin"));
        let started = command.arg(source).spawn();
        started.unwrap_or_else(|error| panic!("cannot run {}: {error}", nvcc.program.display()))
    };
    let compiling: Vec<Child> = parts.iter().map(start).collect();
    for ((name, _), mut compiling) in parts.iter().zip(compiling) {
        match compiling.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => panic!("{} failed on {name}: {status}", nvcc.program.display()),
            Err(error) => panic!("lost {}: {error}", nvcc.program.display()),
        }
    }
}

/// The compiler.
struct Nvcc {
    program: PathBuf,
    release: (u32, u32),
}

impl Nvcc {
    /// What the environment names, or what the path holds.
    fn find() -> Self {
        let home = env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc"));
        let given = env::var_os("NVCC").map(PathBuf::from);
        let mut nvcc =
            Self { program: given.or(home).unwrap_or_else(|| "nvcc".into()), release: (0, 0) };
        let said = nvcc.says("--version");
        let release = parse_release(&said);
        nvcc.release =
            release.unwrap_or_else(|| panic!("nvcc does not tell its release: {said:?}"));
        nvcc
    }

    fn says(&self, option: &str) -> String {
        let output = Command::new(&self.program).arg(option).output();
        let output =
            output.unwrap_or_else(|error| panic!("cannot run {}: {error}", self.program.display()));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What to compile for, in rising order. What is named has to be known to the compiler; of all
    /// architectures those are left out that it does not know.
    fn archs(&self) -> Vec<u32> {
        let said = self.says("--list-gpu-code");
        let known: Vec<u32> = said
            .split_whitespace()
            .filter_map(|code| code.strip_prefix("sm_")?.parse().ok())
            .collect();
        let named = env::var("TALLOW_CUDA_ARCHS").ok().filter(|named| !named.trim().is_empty());
        let capability = env::var("CUDA_COMPUTE_CAP").ok();
        let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
        let wanted = wanted(named.as_deref(), capability.as_deref(), is_release);
        let wanted = wanted.unwrap_or_else(|found| {
            panic!(
                "found {found:?} among the architectures, expected compute capabilities without the \
                 point, as in TALLOW_CUDA_ARCHS=80,90, or all"
            )
        });
        let Some(archs) = wanted else {
            return ALL.into_iter().filter(|arch| known.contains(arch)).collect();
        };
        if let Some(unknown) = archs.iter().find(|arch| !known.contains(arch)) {
            panic!("nvcc does not know architecture {unknown}, but {}", join(&known, ", "));
        }
        archs
    }
}

/// The architectures that the variables name, `None` for all; or the word that names none.
fn wanted(
    named: Option<&str>,
    capability: Option<&str>,
    is_release: bool,
) -> Result<Option<Vec<u32>>, String> {
    let listed = match named {
        Some(named) if named.trim() != "all" => named.to_owned(),
        None if !is_release => match capability {
            // As candle's build takes it: `8.6` is 86.
            Some(capability) => capability.replace('.', ""),
            None => DEVELOPMENT.to_string(),
        },
        _ => return Ok(None),
    };
    let words = listed.split([',', ' ']).filter(|word| !word.is_empty());
    let arch = |word: &str| word.parse::<u32>().map_err(|_| word.to_owned());
    let mut archs = words.map(arch).collect::<Result<Vec<u32>, String>>()?;
    archs.sort_unstable();
    archs.dedup();
    if archs.is_empty() { Err(listed) } else { Ok(Some(archs)) }
}

/// PTX of the lowest architecture, and machine code of it for each.
fn generated(archs: &[u32]) -> String {
    let lowest = archs[0];
    let codes: Vec<String> = archs.iter().map(|arch| format!("sm_{arch}")).collect();
    format!("arch=compute_{lowest},code=[compute_{lowest},{}]", codes.join(","))
}

/// `Cuda compilation tools, release 13.0, V13.0.88` is 13.0.
fn parse_release(said: &str) -> Option<(u32, u32)> {
    let (_, release) = said.split_once("release ")?;
    let (major, rest) = release.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn join(numbers: &[u32], between: &str) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_has_all_architectures_and_other_builds_one() {
        assert_eq!(wanted(None, None, true), Ok(None));
        assert_eq!(wanted(None, Some("90"), true), Ok(None));
        assert_eq!(wanted(None, None, false), Ok(Some(vec![DEVELOPMENT])));
        assert_eq!(wanted(None, Some("8.6"), false), Ok(Some(vec![86])));
    }

    #[test]
    fn what_is_named_is_compiled_whatever_the_build() {
        for is_release in [false, true] {
            assert_eq!(wanted(Some("90, 80,80"), Some("75"), is_release), Ok(Some(vec![80, 90])));
            assert_eq!(wanted(Some(" all"), Some("75"), is_release), Ok(None));
            assert_eq!(wanted(Some("80,9.0"), None, is_release), Err("9.0".to_owned()));
            assert_eq!(wanted(Some(","), None, is_release), Err(",".to_owned()));
        }
    }

    #[test]
    fn ptx_is_that_of_the_lowest() {
        let flag = "arch=compute_80,code=[compute_80,sm_80,sm_90]";
        assert_eq!(generated(&[80, 90]), flag);
    }

    #[test]
    fn the_release_of_the_compiler_is_read() {
        let said = "nvcc: NVIDIA (R) Cuda\nCuda compilation tools, release 13.0, V13.0.88\n";
        assert_eq!(parse_release(said), Some((13, 0)));
        assert_eq!(parse_release("nvcc"), None);
    }
}
