//! Whether what was packed is what the source has, by reading it as anybody would.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use indicatif::ProgressBar;
use tallow::{OpenOptions, RowChain, Source, Tar, TarBuilder, TokenFiles};
use xxhash_rust::xxh3::Xxh3;

use super::format::Format;
use super::manifest::Manifest;
use super::samples;
use crate::machine::threads;
use crate::terminal::exit::{Failure, Result};

/// Reads all shards of `manifest` in `dir`, and compares their samples with the digests that were made of
/// the source's.
///
/// # Errors
///
/// Which samples differ, or cannot be read.
pub(crate) fn verify(
    dir: &Path,
    format: &Format,
    manifest: &Manifest,
    workers: usize,
    progress: &ProgressBar,
) -> Result {
    let chain = RowChain::new(open(dir, format)?);
    let (found, expected) = (chain.len(), manifest.next());
    if found != expected {
        return Err(Failure::Failed(format!(
            "{dir:?} holds {found} samples after packing, expected {expected}"
        )));
    }
    let schema = chain.schema();
    let names = format.read_as();
    let positions = names.iter().map(|name| {
        let none = || format!("{dir:?} holds {schema} after packing, expected a field {name:?}");
        schema.position(name).ok_or_else(none)
    });
    let fields: Vec<usize> = positions.collect::<Result<_, String>>().map_err(Failure::Failed)?;
    let verify = Verify { dir, format, manifest, chain: &chain, fields, progress };
    let next = AtomicUsize::new(0);
    let shares = threads::share(workers, || verify.claimed(&next));
    let panicked = || Err(Failure::failed("a verifying thread panicked"));
    shares.into_iter().try_for_each(|share| share.unwrap_or_else(panicked))
}

fn open(dir: &Path, format: &Format) -> Result<Box<dyn Source>> {
    let place = format.place(dir);
    match format {
        Format::Tokens(_) => {
            let files = OpenOptions::new().find(&place)?.files()?;
            let builder = TokenFiles::builder(files).documents(tallow::DocumentsBy::Index);
            Ok(Box::new(builder.open()?))
        }
        Format::Tar(members) => {
            let builder = Tar::builder(OpenOptions::new().find(&place)?.files()?);
            let of_ragged = |builder: TarBuilder, (name, axis, max): &(String, usize, usize)| {
                builder.ragged(name, *axis, *max)
            };
            let builder = members.ragged().iter().fold(builder, of_ragged);
            Ok(Box::new(builder.fields(members.read_as()).open()?))
        }
        Format::Npy(_) | Format::Safetensors(_) => Ok(tallow::open(&place)?),
    }
}

struct Verify<'a> {
    dir: &'a Path,
    format: &'a Format,
    manifest: &'a Manifest,
    chain: &'a RowChain,
    /// The packed fields in the order of the source's.
    fields: Vec<usize>,
    progress: &'a ProgressBar,
}

impl Verify<'_> {
    /// Compares shards until all are claimed.
    fn claimed(&self, next: &AtomicUsize) -> Result {
        let mut reader = self.chain.reader()?;
        while let Some(shard) = self.manifest.shards.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut digest = Xxh3::new();
            for index in shard.samples.clone() {
                let row = reader.read(index)?;
                let hash = samples::hash(row, self.fields.iter().copied(), self.format.bytes())?;
                digest.update(&hash.to_le_bytes());
                self.progress.inc(1);
            }
            if digest.digest128() != shard.digest {
                let dir = self.dir;
                let (first, last) = (shard.samples.start, shard.samples.end - 1);
                return Err(Failure::Failed(format!(
                    "samples {first} to {last} in {dir:?} are not those of the source; pack them \
                     again into another folder, and report this if it stays so"
                )));
            }
        }
        Ok(())
    }
}
