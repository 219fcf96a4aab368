//! `pack`: any source as few files.

use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tallow::{RowChain, Source};

use crate::args::{PackArgs, PackFormat, Workers};
use crate::data::listing;
use crate::data::places::Places;
use crate::loading::augment;
use crate::loading::plan;
use crate::machine::threads;
use crate::pack::blocks::Encoding;
use crate::pack::format::Format;
use crate::pack::manifest::{Manifest, PART};
use crate::pack::samples::is_fixed;
use crate::pack::shards::Shards;
use crate::pack::tokens::{self, Stored};
use crate::pack::verify::verify;
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::{shell, words};

/// Bytes of a shard by default: few files, and little to do again after a run that was killed.
const SHARD_BYTES: usize = 256 << 20;

/// Bytes that a thread encodes at once, about: enough for the full speed of a disk.
const BLOCK_BYTES: usize = 1 << 20;

/// Samples of a block at most.
const BLOCK_MAX: usize = 1024;

pub(crate) fn run(args: &PackArgs, console: &mut Console) -> Result {
    let started = Instant::now();
    let (found, opened) = plan::open(&args.source)?;
    refuse_source(&found, &args.to)?;
    let source = opened.source;
    let (chain, described) = chain(args, &source)?;
    fs::create_dir_all(&args.to).map_err(|error| cannot("make the folder", &args.to, &error))?;
    let _lock = lock(&args.to)?;
    let begun = Manifest::of(&args.to).map_err(Failure::Failed)?;
    let format = format(args, &source, &chain, begun.as_ref())?;
    let mut manifest = goes_on(args, begun, &packing(args, &*source, &chain, &format, &described))?;
    manifest.keep_whole(&args.to);
    remove_parts(&args.to)?;
    let kept = manifest.next();
    let manifest = write(args, &chain, &format, manifest, console)?;
    let progress = console.progress("verifying", chain.len() as u64);
    let verified = verify(&args.to, &format, &manifest, workers(args).max(1), &progress);
    progress.finish_and_clear();
    verified?;
    let source = found.shown();
    Packed { args, source, format: &format, manifest, kept, took: started.elapsed() }.print(console)
}

/// The files of the source are not written over, and do not become samples twice.
fn refuse_source(found: &Places, to: &Path) -> Result {
    let Ok(to_place) = fs::canonicalize(to) else { return Ok(()) };
    let files = found.files();
    // Their folders, which are few.
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let is_there =
        |folder: &&Path| fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with(&to_place));
    match folders.iter().any(is_there) {
        true => Err(Failure::Usage(format!(
            "--to names {to:?}, where files of the source are; name another folder"
        ))),
        false => Ok(()),
    }
}

fn cannot(doing: &str, path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("cannot {doing} {path:?}: {error}"))
}

/// The rows to write, and what makes them other than the source's.
fn chain(args: &PackArgs, source: &Arc<dyn Source>) -> Result<(RowChain, Value)> {
    let chain = RowChain::new(source.clone()).seed(args.seed);
    match augment::of(&args.augment, source.schema())? {
        None => Ok((chain, Value::Null)),
        Some(augmentation) => {
            let described = json!({ "chain": augmentation.chain.to_string(), "seed": args.seed });
            Ok((chain.transform(&augmentation.chain)?, described))
        }
    }
}

/// The format that was asked for, or the one that fits.
fn format(
    args: &PackArgs,
    source: &Arc<dyn Source>,
    chain: &RowChain,
    begun: Option<&Manifest>,
) -> Result<Format> {
    let schema = chain.schema();
    let fits = if is_fixed(schema) { PackFormat::Safetensors } else { PackFormat::Tar };
    let asked = args.format.unwrap_or(fits);
    let mut stored = Stored::U16;
    if asked == PackFormat::Tokens {
        tokens::check(schema).map_err(Failure::Usage)?;
        // A run that goes on need not look for the largest token again.
        let begun = begun.and_then(|begun| Stored::of_name(begun.packing["variant"].as_str()?));
        stored = begun.map_or_else(|| holding_all(args, source), Ok)?;
    }
    Format::of(asked, schema, stored, chain.len()).map_err(Failure::Usage)
}

/// The type that holds all tokens, by reading them.
fn holding_all(args: &PackArgs, source: &Arc<dyn Source>) -> Result<Stored> {
    let pass = tallow::stats(source.clone()).seed(args.seed);
    let found = match augment::of(&args.augment, source.schema())? {
        None => pass.run()?,
        Some(augmentation) => pass.transform(augmentation.chain).run()?,
    };
    let of = found.fields().iter().flat_map(|of| of.channels()).filter_map(|of| of.range());
    let max = of.map(|(_, greatest)| greatest).fold(0.0, f64::max);
    // Exact as far as tokens go.
    Stored::holding(max as i64).map_err(Failure::Failed)
}

/// What a run must have in common with one that it goes on with.
fn packing(
    args: &PackArgs,
    source: &dyn Source,
    chain: &RowChain,
    format: &Format,
    described: &Value,
) -> Value {
    json!({
        "source": String::from(source.fingerprint()),
        "fields": chain.schema().to_string(),
        "samples": chain.len(),
        "augment": described,
        "as": format.name(),
        "variant": format.variant(),
        "shard_bytes": args.shard_bytes.unwrap_or(SHARD_BYTES),
    })
}

/// The manifest of a run that was killed, or an empty one.
fn goes_on(args: &PackArgs, begun: Option<Manifest>, packing: &Value) -> Result<Manifest> {
    let dir = &args.to;
    match begun {
        Some(begun) if begun.packing == *packing => Ok(begun),
        Some(begun) => {
            let differs =
                |key: &&String| begun.packing.get(key.as_str()) != packing.get(key.as_str());
            let keys: Vec<&str> = packing
                .as_object()
                .into_iter()
                .flat_map(|it| it.keys())
                .filter(differs)
                .map(String::as_str)
                .collect();
            Err(Failure::Usage(format!(
                "{dir:?} holds another packing, which differs in {}; name a new folder",
                keys.join(", ")
            )))
        }
        None => {
            refuse_others(dir)?;
            Ok(Manifest { packing: packing.clone(), shards: Vec::new() })
        }
    }
}

/// A run at a time: two would write the same files.
fn lock(dir: &Path) -> Result<File> {
    let file = File::open(dir).map_err(|error| cannot("open", dir, &error))?;
    match file.try_lock() {
        // A file system without locks cannot tell.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::Failed(format!("another run is packing into {dir:?}; wait for it")))
        }
    }
}

/// Refuses a folder that holds anything but what a run leaves that was killed before its first shard.
fn refuse_others(dir: &Path) -> Result {
    for entry in listing::entries(dir).map_err(|error| cannot("list", dir, &error))? {
        let entry = entry.map_err(|error| cannot("list", dir, &error))?;
        if !is_part(&entry) {
            let name = entry.name();
            return Err(Failure::Failed(format!(
                "{dir:?} already holds {name:?}, which would mix with the samples; name a new folder"
            )));
        }
    }
    Ok(())
}

fn is_part(entry: &listing::Entry) -> bool {
    entry.name().as_encoded_bytes().starts_with(PART.as_bytes())
}

/// Removes what a killed run has not finished.
fn remove_parts(dir: &Path) -> Result {
    for entry in listing::entries(dir).map_err(|error| cannot("list", dir, &error))? {
        let entry = entry.map_err(|error| cannot("list", dir, &error))?;
        if is_part(&entry) {
            fs::remove_file(&entry.path).map_err(|error| cannot("remove", &entry.path, &error))?;
        }
    }
    Ok(())
}

/// Samples that are encoded at once, by the sizes of some of them.
fn block_samples(chain: &RowChain) -> Result<usize> {
    const LOOKED_AT: usize = 32;
    let (samples, mut largest) = (chain.len(), 1);
    let mut reader = chain.reader()?;
    for at in 0..samples.min(LOOKED_AT) {
        // In `u128`, so that the product cannot overflow.
        let index = (at as u128 * samples as u128 / samples.min(LOOKED_AT) as u128) as usize;
        // One that cannot be read is told when it is its turn.
        if let Ok(row) = reader.read(index) {
            let bytes: usize = (0..row.field_count()).map(|at| row.field(at).bytes().len()).sum();
            largest = largest.max(bytes);
        }
    }
    Ok((BLOCK_BYTES / largest).clamp(1, BLOCK_MAX))
}

/// Writes the shards that are not there.
fn write(
    args: &PackArgs,
    chain: &RowChain,
    format: &Format,
    manifest: Manifest,
    console: &Console,
) -> Result<Manifest> {
    let samples = manifest.next()..chain.len();
    let progress = console.progress("packing", samples.len() as u64);
    let block = block_samples(chain)?;
    let encoding = Encoding { chain, format, samples, block };
    let bytes = args.shard_bytes.unwrap_or(SHARD_BYTES) as u64;
    let mut shards =
        Shards::new(&args.to, format, bytes, chain.len(), manifest).map_err(Failure::Failed)?;
    let written = encoding.each(workers(args), |block| {
        progress.inc(block.ends.len() as u64);
        shards.add(&block).map_err(Failure::Failed)
    });
    progress.finish_and_clear();
    written?;
    Ok(shards.manifest)
}

fn workers(args: &PackArgs) -> usize {
    match args.workers {
        Workers::Auto => threads::cores(),
        Workers::Count(count) => count,
    }
}

/// What was packed.
struct Packed<'a> {
    args: &'a PackArgs,
    source: String,
    format: &'a Format,
    manifest: Manifest,
    /// Samples that were there before.
    kept: usize,
    took: Duration,
}

impl Packed<'_> {
    fn bytes(&self) -> u64 {
        self.manifest.shards.iter().flat_map(|shard| &shard.files).map(|file| file.bytes).sum()
    }

    fn files(&self) -> usize {
        self.manifest.shards.iter().map(|shard| shard.files.len()).sum()
    }

    fn to_json(&self) -> Value {
        json!({
            "source": self.source,
            "as": self.format.name(),
            "samples": self.manifest.next(),
            "kept": self.kept,
            "shards": self.manifest.shards.len(),
            "files": self.files(),
            "bytes": self.bytes(),
            "digest": format!("{:032x}", self.manifest.digest()),
            "seconds": self.took.as_secs_f64(),
        })
    }

    fn print(&self, console: &mut Console) -> Result {
        if self.args.output.json {
            return Ok(console.print(self.to_json())?);
        }
        let place = shell::path(&self.format.place(&self.args.to));
        let out = console.out();
        let kept = match self.kept {
            0 => String::new(),
            kept => format!(", of which {} were there already", words::count(kept as u64)),
        };
        writeln!(
            out,
            "packed {}{kept} from {} into {} of {}: {} in {}",
            words::counted(self.manifest.next() as u64, "sample"),
            words::one_line(&self.source),
            words::counted(self.files() as u64, "file"),
            words::one_line(&self.args.to.display().to_string()),
            words::bytes(self.bytes()),
            words::duration(self.took),
        )?;
        writeln!(
            out,
            "verified: reading them gives the same samples, digest {:032x}",
            self.manifest.digest()
        )?;
        let options: String = self.format.ragged().iter().fold(String::new(), |all, ragged| {
            let (field, axis, max) = ragged;
            all + " --ragged " + &shell::quoted(format!("{field}:{axis}:{max}").as_ref())
        });
        writeln!(out, "try next: {} inspect {place}{options}", shell::program())?;
        Ok(())
    }
}
