//! The folder of a cache.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use xxhash_rust::xxh3::xxh3_128;

use super::hold::{Hold, Turn};
use super::page::{self, HEAD_BYTES};
use crate::counters::{BYTES_CACHED, PAGES_DAMAGED};

/// How far the name of a page counts beside the time of its last use. Epochs read each page once in random order, of
/// which the least recently used are those that come next: so within this time the same pages stay, which their
/// names choose, and what was not used for longer goes first.
const STAY_SECONDS: u64 = 6 * 3600;

/// How exact the time of the last use is.
const USE_SECONDS: u64 = 300;

/// A share of the budget that is freed at once, so that not each page counts all files.
const FREED_ONE_OF: u64 = 16;

#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    bytes: u64,
    /// Holds how many bytes the files have at most, and the lock of those who change that.
    used: File,
    /// Whether this process counted the files.
    is_counted: AtomicBool,
    /// Pages with a lower rank are not written; zero until the cache was full.
    lowest: AtomicU64,
    /// How many files were begun.
    begun: AtomicU64,
}

/// A file of the folder.
struct Kept {
    rank: u64,
    bytes: u64,
    path: PathBuf,
}

impl Folder {
    pub(super) fn open(folder: &Path, bytes: u64) -> io::Result<Self> {
        let path = folder.join("v1");
        let mut make = DirBuilder::new();
        make.recursive(true).mode(0o700);
        make.create(path.join("new"))?;
        (0..=255u8).try_for_each(|first| make.create(path.join(format!("{first:02x}"))))?;
        let mut options = OpenOptions::new();
        let used =
            options.read(true).write(true).create(true).truncate(false).open(path.join("used"))?;
        let (is_counted, lowest, begun) = Default::default();
        Ok(Self { path, bytes, used, is_counted, lowest, begun })
    }

    /// Another folder has another.
    pub(super) fn name(&self) -> u128 {
        xxh3_128(self.path.as_os_str().as_bytes())
    }

    fn page(&self, name: u128) -> PathBuf {
        self.path.join(format!("{:02x}/{name:032x}", name >> 120))
    }

    pub(super) fn has(&self, name: u128) -> bool {
        fs::metadata(self.page(name)).is_ok()
    }

    pub(super) fn wants(&self, name: u128) -> bool {
        rank(name, seconds(SystemTime::now())) >= self.lowest.load(Relaxed)
    }

    /// Hands the part `range` of a page with so many bytes out, if it is there and right.
    pub(super) fn read(
        &self,
        name: u128,
        bytes: usize,
        range: Range<usize>,
        sink: &mut dyn FnMut(&[u8]),
    ) -> bool {
        let path = self.page(name);
        let Ok(file) = File::open(&path) else { return false };
        match blocks(&file, name, bytes, &range) {
            Some((start, blocks)) => {
                sink(&blocks[range.start - start..range.end - start]);
                BYTES_CACHED.add(range.len() as u64);
                used_now(&file);
                true
            }
            None => {
                PAGES_DAMAGED.add(1);
                let _ = fs::remove_file(path);
                false
            }
        }
    }

    /// Whose turn it is to fetch a page.
    pub(super) fn turn(&self, name: u128) -> Turn {
        if self.has(name) {
            return Turn::Here;
        }
        match Hold::shared(self.path.join(format!("new/{name:032x}"))) {
            // Its last holder may have written it meanwhile.
            Ok(Some(_)) if self.has(name) => Turn::Here,
            Ok(Some(hold)) => Turn::Ours(hold),
            Ok(None) => Turn::Theirs,
            Err(_) => Turn::Unknown,
        }
    }

    /// Writes a page, and says whether there was room for it.
    pub(super) fn write(&self, name: u128, bytes: &[u8], hold: Option<Hold>) -> io::Result<bool> {
        let size = (HEAD_BYTES + bytes.len()) as u64;
        let Some(hold) = self.begin(name, size, hold)? else { return Ok(false) };
        let whole = [&page::head(name, bytes)[..], bytes].concat();
        // What it took of the budget if it fails is found when the files are counted.
        hold.keep(&whole, &self.page(name)).map(|()| true)
    }

    /// Makes a file of its size, whose bytes are taken from the budget; none if there is no room for it.
    fn begin(&self, name: u128, size: u64, hold: Option<Hold>) -> io::Result<Option<Hold>> {
        self.used.lock()?;
        let hold = self.begin_locked(name, size, hold);
        self.used.unlock()?;
        hold
    }

    fn begin_locked(&self, name: u128, size: u64, hold: Option<Hold>) -> io::Result<Option<Hold>> {
        let mut used = self.used_bytes();
        if used.is_none_or(|used| used + size > self.bytes) || !self.is_counted.swap(true, Relaxed)
        {
            used = Some(self.count(size)?);
        }
        let used = used.unwrap_or(self.bytes) + size;
        if used > self.bytes {
            return Ok(None);
        }
        // Before the file has them: who is killed now has taken bytes, and no more.
        self.used.write_all_at(&used.to_le_bytes(), 0)?;
        let hold = match hold {
            Some(hold) => hold,
            None => {
                let begun = self.begun.fetch_add(1, Relaxed);
                let file = format!("new/{}-{begun}-{name:032x}", std::process::id());
                Hold::own(self.path.join(file))?
            }
        };
        hold.set_size(size)?;
        Ok(Some(hold))
    }

    fn used_bytes(&self) -> Option<u64> {
        let mut used = [0; 8];
        self.used.read_exact_at(&mut used, 0).ok()?;
        Some(u64::from_le_bytes(used))
    }

    /// Counts the bytes of all files, and removes some if there is no room for so many more.
    fn count(&self, more: u64) -> io::Result<u64> {
        let mut used = self.begun_bytes()?;
        let mut pages = Vec::new();
        for first in 0..=255u8 {
            for entry in fs::read_dir(self.path.join(format!("{first:02x}")))? {
                pages.extend(kept(&entry?));
            }
        }
        used += pages.iter().map(|page| page.bytes).sum::<u64>();
        if used + more > self.bytes {
            pages.sort_unstable_by_key(|page| page.rank);
            let goal = (self.bytes - self.bytes / FREED_ONE_OF).saturating_sub(more);
            for page in pages {
                if used <= goal {
                    break;
                }
                fs::remove_file(&page.path)?;
                used -= page.bytes;
                self.lowest.store(page.rank, Relaxed);
            }
        }
        self.used.write_all_at(&used.to_le_bytes(), 0)?;
        Ok(used)
    }

    /// Counts the bytes of pages that are being written, and removes those whose writer is gone.
    fn begun_bytes(&self) -> io::Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.path.join("new"))? {
            let entry = entry?;
            // It may be renamed meanwhile.
            let Ok(file) = File::open(entry.path()) else { continue };
            match file.try_lock() {
                Ok(()) => drop(fs::remove_file(entry.path())),
                Err(_) => bytes += file.metadata()?.len(),
            }
        }
        Ok(bytes)
    }
}

fn kept(entry: &fs::DirEntry) -> Option<Kept> {
    let name = u128::from_str_radix(entry.file_name().to_str()?, 16).ok()?;
    // Who reads a damaged page removes it.
    let metadata = entry.metadata().ok()?;
    let rank = rank(name, seconds(metadata.modified().ok()?));
    Some(Kept { rank, bytes: metadata.len(), path: entry.path() })
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

/// What is kept rather than others has a higher one.
fn rank(name: u128, used: u64) -> u64 {
    used + ((u64::from(name as u32) * STAY_SECONDS) >> 32)
}

/// The blocks that `range` touches, and where they begin, if they are right.
fn blocks(file: &File, name: u128, bytes: usize, range: &Range<usize>) -> Option<(usize, Vec<u8>)> {
    let size = file.metadata().ok()?.len();
    let mut head = [0; HEAD_BYTES];
    file.read_exact_at(&mut head, 0).ok()?;
    if size != (HEAD_BYTES + bytes) as u64 || !page::is_head(&head, name, bytes) {
        return None;
    }
    let around = page::blocks_around(range, bytes);
    let mut blocks = vec![0; around.len()];
    file.read_exact_at(&mut blocks, (HEAD_BYTES + around.start) as u64).ok()?;
    page::are_right(&head, name, around.start, &blocks).then_some((around.start, blocks))
}

/// Notes that a page was used, if that is not known well enough.
fn used_now(file: &File) {
    let modified = file.metadata().and_then(|it| it.modified());
    let now = SystemTime::now();
    let is_old = modified.is_ok_and(|it| it + Duration::from_secs(USE_SECONDS) < now);
    if is_old {
        // A page of another user is one that stays less long.
        let _ = file.set_modified(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(folder: &Path) -> u64 {
        let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|it| it.unwrap());
        let below = files(folder.join("v1")).filter(|it| it.path().is_dir());
        below.flat_map(|it| files(it.path())).map(|it| it.metadata().unwrap().len()).sum()
    }

    fn name(i: u128) -> u128 {
        xxh3_128(&i.to_le_bytes())
    }

    #[test]
    fn the_folder_stays_within_its_bytes_and_keeps_what_it_kept() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path(), 1 << 20).unwrap();
        let page = vec![7; 10_000];
        let mut kept = Vec::new();
        for i in 0..1000 {
            if folder.wants(name(i)) && folder.write(name(i), &page, None).unwrap() {
                kept.push(i);
            }
            assert!(size(temporary.path()) <= 1 << 20);
        }
        // The ranks decide, so that few were written in vain, and most of the room is used.
        let now: Vec<_> = kept.iter().filter(|i| folder.has(name(**i))).collect();
        assert!(now.len() > 90 && kept.len() < 500, "{} of {}", now.len(), kept.len());
        // What is old goes first, whatever its rank.
        let old = *now[0];
        let file = File::open(folder.page(name(old))).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(3 * STAY_SECONDS)).unwrap();
        folder.count(100_000).unwrap();
        assert!(!folder.has(name(old)));
    }

    #[test]
    fn what_a_writer_left_behind_is_removed_and_what_one_holds_is_counted() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path(), 1 << 20).unwrap();
        let held = folder.begin(1, 5000, None).unwrap().unwrap();
        fs::write(folder.path.join("new/2"), [0; 7000]).unwrap();
        assert_eq!(folder.count(0).unwrap(), 5000);
        drop(held);
        assert_eq!(folder.count(0).unwrap(), 0);
        assert_eq!(size(temporary.path()), 0);
    }

    #[test]
    fn a_page_is_one_holders_turn_until_it_is_here_or_the_holder_is_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Folder::open(temporary.path(), 1 << 20).unwrap();
        let other = Folder::open(temporary.path(), 1 << 20).unwrap();
        let Turn::Ours(hold) = folder.turn(name(1)) else { panic!("nobody has it") };
        assert!(matches!(other.turn(name(1)), Turn::Theirs));
        drop(hold);
        let Turn::Ours(hold) = other.turn(name(1)) else { panic!("nobody has it any more") };
        // It is not counted as left behind.
        folder.count(0).unwrap();
        assert!(matches!(folder.turn(name(1)), Turn::Theirs));
        assert!(other.write(name(1), &[7; 5000], Some(hold)).unwrap());
        assert!(matches!(folder.turn(name(1)), Turn::Here));
        assert!(folder.read(name(1), 5000, 10..20, &mut |piece| assert_eq!(piece, [7; 10])));
        // Half a page of a process that was killed is nobody's.
        fs::write(folder.path.join(format!("new/{:032x}", name(2))), [1; 9000]).unwrap();
        let Turn::Ours(hold) = folder.turn(name(2)) else { panic!("nobody has it") };
        assert!(folder.write(name(2), &[8; 5000], Some(hold)).unwrap());
        assert!(other.read(name(2), 5000, 0..5000, &mut |piece| assert_eq!(piece, [8; 5000])));
        assert_eq!(fs::read_dir(folder.path.join("new")).unwrap().count(), 0);
    }
}
