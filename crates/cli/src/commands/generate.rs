//! `gen`: pairs of `.npy` files with random contents.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use indicatif::ProgressBar;
use tallow::{Draws, Key, Purpose, Stream};

use crate::args::GenArgs;
use crate::console::Console;
use crate::exit::{Failure, Result};
use crate::npy::{self, NpyDtype};
use crate::report::human;
use crate::threads;

/// More than this one file does not hold: what a loader would refuse to read.
const FILE_BYTES_MAX: usize = (1 << 30) - 1;

pub(crate) fn run(args: &GenArgs, console: &mut Console) -> Result {
    let started = Instant::now();
    let plan = Plan::new(args)?;
    let folders = [&plan.input.folder, &plan.target.folder];
    for folder in folders {
        prepare(folder, &plan).map_err(Failure::Failed)?;
    }
    let progress = console.progress("writing", plan.samples as u64);
    let written = plan.write(threads::cores(), &progress);
    progress.finish_and_clear();
    written.map_err(Failure::Failed)?;
    let bytes = plan.samples * (plan.input.file_bytes() + plan.target.file_bytes());
    let out = console.out();
    writeln!(
        out,
        "wrote {} of input {} and target {} to {}: {} in {}",
        human::counted(plan.samples as u64, "pair"),
        plan.input,
        plan.target,
        human::one_line(&args.dir.display().to_string()),
        human::bytes(bytes as u64),
        human::duration(started.elapsed()),
    )?;
    writeln!(out, "try next: {} run {:?} --shuffle --ceiling", human::program(), args.dir)?;
    Ok(())
}

/// What is written where.
#[derive(Debug)]
pub(crate) struct Plan {
    samples: usize,
    seed: u64,
    input: Part,
    target: Part,
}

/// One folder of files.
#[derive(Debug)]
struct Part {
    folder: PathBuf,
    dtype: NpyDtype,
    shape: Vec<usize>,
    header: Vec<u8>,
    payload_bytes: usize,
    stream: Stream,
    integers: Integers,
}

/// The range that integers are drawn from.
#[derive(Debug, Clone, Copy)]
enum Integers {
    /// All that the type has; of `u64`, those that `i64` has too.
    All,
    /// 0 to 9, as labels of ten classes.
    Digits,
}

impl Plan {
    fn new(args: &GenArgs) -> Result<Self> {
        let part = |folder: &str, dtype, shape: &[usize], integers| {
            Part::new(args.dir.join(folder), dtype, shape, integers).map_err(Failure::Usage)
        };
        Ok(Self {
            samples: args.samples,
            seed: args.seed,
            input: part("input", args.dtype, &args.shape, Integers::All)?,
            target: part("output", args.target_dtype, &args.target_shape, Integers::Digits)?,
        })
    }

    /// Names of equal length, so that their order by bytes is that of the numbers.
    fn file_name(&self, index: usize) -> String {
        numbered(index, self.samples)
    }

    fn write(&self, threads: usize, progress: &ProgressBar) -> Result<(), String> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let work = || {
            let result = self.write_claimed(&next, &failed, progress);
            if result.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
            result
        };
        let panicked = || Err("a thread that writes panicked".to_owned());
        threads::share(threads, work)
            .into_iter()
            .try_for_each(|written| written.unwrap_or_else(panicked))
    }

    fn write_claimed(
        &self,
        next: &AtomicUsize,
        failed: &AtomicBool,
        progress: &ProgressBar,
    ) -> Result<(), String> {
        let mut bytes = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= self.samples {
                break;
            }
            for part in [&self.input, &self.target] {
                part.fill(self.seed, index, &mut bytes);
                npy::write(&part.folder.join(self.file_name(index)), &bytes)?;
            }
            progress.inc(1);
        }
        Ok(())
    }
}

impl Part {
    fn new(
        folder: PathBuf,
        dtype: NpyDtype,
        shape: &[usize],
        integers: Integers,
    ) -> Result<Self, String> {
        let bytes = shape.iter().try_fold(dtype.size(), |bytes, &len| bytes.checked_mul(len));
        let payload_bytes = bytes.filter(|&bytes| bytes <= FILE_BYTES_MAX).ok_or_else(|| {
            format!("{}{shape:?} takes more than {FILE_BYTES_MAX} bytes a file", dtype.as_str())
        })?;
        let name = if matches!(integers, Integers::All) { "gen input" } else { "gen target" };
        Ok(Self {
            folder,
            dtype,
            shape: shape.to_vec(),
            header: npy::header(dtype, shape),
            payload_bytes,
            stream: Stream::new(name, 0, Purpose::Data),
            integers,
        })
    }

    fn file_bytes(&self) -> usize {
        self.header.len() + self.payload_bytes
    }

    /// Makes `bytes` the file of sample `index`.
    fn fill(&self, seed: u64, index: usize, bytes: &mut Vec<u8>) {
        bytes.clear();
        bytes.extend_from_slice(&self.header);
        bytes.resize(self.file_bytes(), 0);
        let mut draws = Key::new(seed, 0).draws(self.stream, index as u64);
        fill_payload(&mut bytes[self.header.len()..], self.dtype, self.integers, &mut draws);
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:?}", self.dtype.as_str(), self.shape)
    }
}

/// Random elements: floats are uniform in [0, 1) with as many bits as their significand holds, so
/// that none is rounded up to 1.
fn fill_payload(payload: &mut [u8], dtype: NpyDtype, integers: Integers, draws: &mut Draws) {
    match (dtype, integers) {
        (NpyDtype::F16, _) => fill(payload, || f16_unit_bits(draws.next_u32() >> 21).to_le_bytes()),
        (NpyDtype::F32, _) => {
            fill(payload, || ((draws.next_u32() >> 8) as f32 * 2f32.powi(-24)).to_le_bytes());
        }
        (NpyDtype::F64, _) => fill(payload, || draws.unit_f64().to_le_bytes()),
        // Little-endian integers of any size: the digit, then zeros.
        (_, Integers::Digits) => {
            let digits = payload.chunks_exact_mut(dtype.size());
            digits.for_each(|element| element[0] = draws.below(10) as u8);
        }
        (_, Integers::All) => {
            let mut words = payload.chunks_exact_mut(4);
            words.by_ref().for_each(|word| word.copy_from_slice(&draws.next_u32().to_le_bytes()));
            let rest = words.into_remainder();
            rest.copy_from_slice(&draws.next_u32().to_le_bytes()[..rest.len()]);
            if dtype == NpyDtype::U64 {
                payload.chunks_exact_mut(8).for_each(|element| element[7] &= 0x7f);
            }
        }
    }
}

fn fill<const N: usize>(payload: &mut [u8], mut draw: impl FnMut() -> [u8; N]) {
    payload.chunks_exact_mut(N).for_each(|element| element.copy_from_slice(&draw()));
}

/// The bits of `k / 2048` in half precision, for `k` below 2048: exact, since the significand has
/// 11 bits.
fn f16_unit_bits(k: u32) -> u16 {
    const BIAS: u32 = 15;
    let Some(top) = k.checked_ilog2() else { return 0 };
    // k = 2^top * (1 + fraction), and k / 2048 = 2^(top - 11) * (1 + fraction).
    let exponent = top + BIAS - 11;
    let fraction = (k << (10 - top)) & 0x3ff;
    (exponent << 10 | fraction) as u16
}

/// The name of file `index` of `total`.
pub(crate) fn numbered(index: usize, total: usize) -> String {
    const DIGITS_MIN: usize = 6;
    let digits = (total.max(1) - 1).checked_ilog10().unwrap_or(0) as usize + 1;
    format!("{index:0width$}.npy", width = digits.max(DIGITS_MIN))
}

/// Makes the folder. One that holds anything but files that will be written over is refused: what
/// else lies there would become samples too, and to write through a FIFO or a link is to wait for
/// its reader or to change a file elsewhere.
fn prepare(folder: &Path, plan: &Plan) -> Result<(), String> {
    let cannot = |doing: &str, error: std::io::Error| format!("cannot {doing} {folder:?}: {error}");
    fs::create_dir_all(folder).map_err(|error| cannot("make the folder", error))?;
    for entry in fs::read_dir(folder).map_err(|error| cannot("list", error))? {
        let entry = entry.map_err(|error| cannot("list", error))?;
        let name = entry.file_name();
        if !entry.file_type().map_err(|error| cannot("look into", error))?.is_file() {
            return Err(format!("{folder:?} holds {name:?}, which is not a regular file"));
        }
        let index = name.to_str().and_then(|name| name.strip_suffix(".npy")?.parse().ok());
        let ours = |index: &usize| *index < plan.samples && name == *plan.file_name(*index);
        if index.filter(ours).is_none() {
            return Err(format!(
                "{folder:?} already holds {name:?}, which would be mixed with the samples; \
                 name a new folder"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact_and_below_one() {
        assert_eq!(f16_unit_bits(0), 0);
        assert_eq!(f16_unit_bits(1024), 0x3800, "0.5");
        assert_eq!(f16_unit_bits(1), 0x1000, "2^-11");
        assert_eq!(f16_unit_bits(2047), 0x3bff, "the largest below 1");
    }

    #[test]
    fn names_sort_as_numbers() {
        assert_eq!(numbered(7, 10), "000007.npy");
        assert_eq!(numbered(7, 1_000_001), "0000007.npy");
    }

    #[test]
    fn payloads_are_what_the_seed_says() {
        let part = |dtype, integers| Part::new("x".into(), dtype, &[5, 7], integers).unwrap();
        let fill = |part: &Part, seed, index| {
            let mut bytes = vec![1; 3];
            part.fill(seed, index, &mut bytes);
            bytes
        };
        let floats = part(NpyDtype::F32, Integers::All);
        assert_eq!(fill(&floats, 1, 2), fill(&floats, 1, 2));
        assert_ne!(fill(&floats, 1, 2), fill(&floats, 1, 3));
        assert_ne!(fill(&floats, 1, 2), fill(&floats, 2, 2));
        let bytes = fill(&floats, 1, 2);
        let elements = bytes[floats.header.len()..].chunks_exact(4);
        let mut values = elements.map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert!(values.all(|value| (0.0..1.0).contains(&value)));
        let labels = part(NpyDtype::I64, Integers::Digits);
        let bytes = fill(&labels, 1, 2);
        let elements = bytes[labels.header.len()..].chunks_exact(8);
        assert!(elements.map(|b| i64::from_le_bytes(b.try_into().unwrap())).all(|v| v < 10));
    }

    #[test]
    fn a_file_that_no_loader_would_read_is_refused() {
        let part = |shape: &[usize]| Part::new("x".into(), NpyDtype::F64, shape, Integers::All);
        assert!(part(&[1 << 27]).is_err());
        assert!(part(&[usize::MAX, 2]).is_err());
        assert!(part(&[1 << 20]).is_ok());
    }
}
