//! Writing shards one after another, each under another name until it is whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use super::blocks::Block;
use super::format::{Columns, Format, Head};
use super::manifest::{self, Manifest, PART, Shard, Written};
use super::tar;

/// The writer of a folder of shards.
pub(crate) struct Shards<'a> {
    dir: &'a Path,
    format: &'a Format,
    /// Where shards of columns end, and how large others become.
    bytes_max: u64,
    samples: usize,
    pub(crate) manifest: Manifest,
    /// The file of the manifest.
    saved: File,
    open: Option<Open>,
}

/// A shard that is being written.
struct Open {
    files: Vec<Part>,
    samples: Range<usize>,
    /// Samples that it will have, if that is known.
    wanted: usize,
    heads: Vec<Head>,
    /// Where each sample ends, in files of tokens.
    ends: Vec<u64>,
    bytes: u64,
    digest: Xxh3,
}

/// A file that has not got its name.
#[derive(Debug)]
struct Part {
    file: File,
    path: PathBuf,
    name: PathBuf,
}

impl<'a> Shards<'a> {
    /// Goes on after the shards of `manifest`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written to.
    pub(crate) fn new(
        dir: &'a Path,
        format: &'a Format,
        bytes_max: u64,
        samples: usize,
        manifest: Manifest,
    ) -> Result<Self, String> {
        let saved = manifest.save(dir).map_err(|error| cannot_write(dir, &error))?;
        Ok(Self { dir, format, bytes_max, samples, manifest, saved, open: None })
    }

    /// Adds samples, which follow those before.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub(crate) fn add(&mut self, block: &Block) -> Result<(), String> {
        let mut at = 0;
        while at < block.ends.len() {
            if self.open.is_none() {
                self.open = Some(self.begin(block.first + at)?);
            }
            let open = self.open.as_mut().expect("a shard that was begun");
            let fitting = at..at + open.fitting(block, at, self.bytes_max);
            let added = match self.format.columns() {
                Some(columns) => open.add_rows(columns, block, fitting.clone()),
                None => open.append(block, fitting.clone()),
            };
            added.map_err(|error| cannot_write(self.dir, &error))?;
            for hash in &block.hashes[fitting.clone()] {
                open.digest.update(&hash.to_le_bytes());
            }
            open.samples.end += fitting.len();
            at = fitting.end;
            // A sample that is left does not fit.
            if at < block.ends.len()
                || open.samples.len() == open.wanted
                || open.samples.end == self.samples
            {
                self.finish()?;
            }
        }
        Ok(())
    }

    fn begin(&self, first: usize) -> Result<Open, String> {
        let left = self.samples - first;
        let wanted = match (self.format, self.format.columns()) {
            (Format::Npy(_), _) | (_, None) => left,
            (_, Some(columns)) => {
                let sample = columns.sample_bytes().iter().sum::<usize>().max(1) as u64;
                left.min((self.bytes_max / sample).max(1) as usize)
            }
        };
        let heads = self.format.columns().map(|columns| columns.heads(self.format, wanted));
        let heads = heads.unwrap_or_default();
        let names = self.format.files(self.manifest.shards.len());
        let part = |name: PathBuf| {
            let path = self.dir.join(format!("{PART}{}", name.display()));
            let file = File::create(&path)?;
            Ok(Part { file, path, name })
        };
        let begin = || -> io::Result<Open> {
            let files: Vec<Part> = names.into_iter().map(part).collect::<io::Result<_>>()?;
            for (part, head) in files.iter().zip(&heads) {
                part.file.write_all_at(&head.bytes, 0)?;
            }
            let (ends, digest) = (Vec::new(), Xxh3::new());
            Ok(Open { files, samples: first..first, wanted, heads, ends, bytes: 0, digest })
        };
        begin().map_err(|error| cannot_write(self.dir, &error))
    }

    /// Gives the shard its name, once it is on the disk.
    fn finish(&mut self) -> Result<(), String> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let mut finish = || -> io::Result<Vec<Written>> {
            match self.format {
                Format::Tar(_) => open.files[0].file.write_all(&tar::END)?,
                Format::Tokens(stored) => {
                    open.files[1].file.write_all(&stored.index(&open.ends))?
                }
                _ => {}
            }
            let mut written = Vec::new();
            for part in &open.files {
                part.file.sync_all()?;
                written.push(Written::of(&part.path, &part.name)?);
                fs::rename(&part.path, self.dir.join(&part.name))?;
            }
            manifest::sync(self.dir)?;
            Ok(written)
        };
        let files = finish().map_err(|error| cannot_write(self.dir, &error))?;
        let digest = open.digest.digest128();
        let shard = Shard { samples: open.samples, files, digest };
        shard.append(&mut self.saved).map_err(|error| cannot_write(self.dir, &error))?;
        self.manifest.shards.push(shard);
        Ok(())
    }
}

fn cannot_write(dir: &Path, error: &io::Error) -> String {
    format!("cannot write to {dir:?}: {error}")
}

impl Open {
    /// How many samples of a block belong to this shard, from sample `at` of it on.
    fn fitting(&self, block: &Block, at: usize, bytes_max: u64) -> usize {
        let left = self.wanted - self.samples.len();
        let start = if at == 0 { 0 } else { block.ends[at - 1] };
        // A sample that is larger than a shard is a shard of its own.
        let room = bytes_max.saturating_sub(self.bytes);
        let ends = block.ends[at..].iter().take(left);
        match self.heads.is_empty() {
            false => ends.len(),
            true => {
                let fitting = ends.take_while(|&&end| (end - start) as u64 <= room).count();
                if self.samples.is_empty() { fitting.max(1) } else { fitting }
            }
        }
    }

    /// Writes samples of each field to its column.
    fn add_rows(&self, columns: &Columns, block: &Block, samples: Range<usize>) -> io::Result<()> {
        let starts = self.heads.iter().enumerate();
        let starts =
            starts.flat_map(|(file, head)| head.starts.iter().map(move |&start| (file, start)));
        for (((file, start), bytes), column) in
            starts.zip(columns.sample_bytes()).zip(&block.columns)
        {
            let from = &column[samples.start * bytes..samples.end * bytes];
            let to = start + (self.samples.len() * bytes) as u64;
            self.files[file].file.write_all_at(from, to)?;
        }
        Ok(())
    }

    /// Appends samples to the first file.
    fn append(&mut self, block: &Block, samples: Range<usize>) -> io::Result<()> {
        let start = if samples.start == 0 { 0 } else { block.ends[samples.start - 1] };
        let end = block.ends[..samples.end].last().map_or(start, |&end| end);
        self.files[0].file.write_all(&block.columns[0][start..end])?;
        let ends = block.ends[samples].iter().map(|end| self.bytes + (end - start) as u64);
        self.ends.extend(ends);
        self.bytes += (end - start) as u64;
        Ok(())
    }
}
