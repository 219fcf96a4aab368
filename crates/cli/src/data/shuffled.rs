//! How much of what a full shuffle reads is used.

use std::collections::HashSet;

use serde_json::{Value, json};
use tallow::{Source, StoreLimits};

use super::extents::extents_of;
use crate::machine::system;
use crate::terminal::words::bytes;

/// What a full shuffle reads of some samples that are parts of files or of their pages. Whatever the kernel reads it reads
/// in pages, and of a page that other samples share nothing is left when their turn comes, if the files do
/// not fit into memory.
#[derive(Debug)]
pub(crate) struct Shuffled {
    samples: u64,
    /// Bytes of these samples, and of the pages that hold them.
    used: u64,
    read: u64,
    /// As many for each sample of the source.
    all: u64,
    /// Of memory.
    available: Option<u64>,
    /// Whether they lie in a store, which is asked again however much memory there is.
    is_stored: bool,
    /// Whether nothing keeps what was read until the other samples in it have their turn.
    outgrows: bool,
}

impl Shuffled {
    /// What to change where much more is read than used.
    pub(crate) const ADVICE: &str = "a full shuffle reads most pages once for each sample in them: shuffle in blocks \
         (--shuffle-blocks 16, Shuffle::blocks(16)), or write larger samples";

    /// The size of pages on the machines that Tallow runs on; larger ones only add to what is read.
    const PAGE_BYTES: u64 = 4096;

    /// More samples say the same.
    const SAMPLES_MAX: usize = 256;

    /// Below this, the storage reads hardly more than is used.
    const TIMES_MIN: f64 = 1.5;

    /// Asks `source` where some of its samples lie; `None` where they are files of their own.
    pub(crate) fn of(source: &dyn Source) -> Option<Self> {
        if source.stream().is_some() {
            return None;
        }
        let looked_at = source.len().min(Self::SAMPLES_MAX);
        let (mut used, mut read, mut is_stored) = (0, 0, false);
        let fields = source.schema().fields().iter();
        let row_bytes: u64 = fields.map(|field| field.max_bytes() as u64).sum();
        for at in 0..looked_at {
            let index = (source.len() as u128 * at as u128 / looked_at as u128) as usize;
            let extents = extents_of(source, index);
            let mut pages = HashSet::new();
            let mut bytes = 0;
            for extent in extents.iter().filter(|extent| !extent.is_whole() && extent.bytes() > 0) {
                bytes += extent.bytes() as u64;
                let Some(path) = extent.location().path() else {
                    // A store is asked for these bytes alone, each time.
                    read += extent.bytes() as u64;
                    is_stored = true;
                    continue;
                };
                let end = extent.offset() + extent.bytes() as u64;
                let of_file = extent.offset() / Self::PAGE_BYTES..end.div_ceil(Self::PAGE_BYTES);
                pages.extend(of_file.map(|page| (path, page)));
            }
            // Formats whose samples lie in pages of many read these whole.
            used += bytes.min(row_bytes);
            read += pages.len() as u64 * Self::PAGE_BYTES;
        }
        if used == 0 {
            return None;
        }
        let of_all = |some: u64| (some as f64 * source.len() as f64 / looked_at as f64) as u64;
        let info = system::text("/proc/meminfo").unwrap_or_default();
        let available = system::kibibytes(&info, "MemAvailable");
        let outgrows = match is_stored {
            true => !is_kept(source, of_all(used)),
            false => available.is_some_and(|available| of_all(read) > available),
        };
        let (samples, all) = (looked_at as u64, of_all(read));
        Some(Self { samples, used, read, all, available, is_stored, outgrows })
    }

    /// How many times as many bytes are read as are used.
    pub(crate) fn times(&self) -> f64 {
        self.read as f64 / self.used as f64
    }

    /// Whether that takes time.
    pub(crate) fn harms(&self) -> bool {
        self.outgrows && self.times() >= Self::TIMES_MIN
    }

    /// Both in words.
    pub(crate) fn found(&self) -> String {
        let times = self.times();
        let mut found = format!(
            "a sample of {} is read as {}, {times:.1} times as much, {} for all",
            bytes(self.used / self.samples),
            bytes(self.read / self.samples),
            bytes(self.all)
        );
        if let Some(available) = self.available.filter(|_| !self.is_stored) {
            let more = if self.outgrows { "more than" } else { "within" };
            found += &format!(", {more} the {} of memory available", bytes(available));
        }
        found
    }

    pub(crate) fn values(&self) -> Value {
        json!({
            "samples": self.samples,
            "used": self.used,
            "read": self.read,
            "times": self.times(),
            "all": self.all,
            "available": self.available,
        })
    }
}

/// Whether so many bytes of a store have room in the cache on the disk.
fn is_kept(source: &dyn Source, bytes: u64) -> bool {
    let cache = StoreLimits::of(source).and_then(|limits| limits.cache);
    cache.is_some_and(|(_, most)| bytes <= most)
}
