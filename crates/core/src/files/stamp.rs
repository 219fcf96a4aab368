//! Checking that a file does not change while it is read.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::{FileType, fstat};

use super::File;
use super::open::not_regular;
use crate::{Error, ErrorKind, Fingerprint, Result};

/// What tells that a file was written to: its length and times. The same descriptor serves header
/// and payload, so a file replaced by renaming stays the old one throughout.
///
/// The time of the last change of status counts as well as that of the last write: anyone can set
/// the latter back, no one the former.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970, as all times here.
    modified: i64,
    changed: i64,
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

/// The same of this machine's clock.
fn nanoseconds_of(moment: SystemTime) -> i64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

impl Stamp {
    /// How long a file must have rested for its stamp to be trusted. Clocks of file systems tick
    /// every 10 ms or less, so this is 20 ms in which no write began. A single write that
    /// takes longer than that, or one through a memory map, cannot be seen from outside.
    const RESTS_AFTER: i64 = 30_000_000;

    /// How long before a moment a file must have changed for its clock, which may be a server's, to
    /// be believed to be before that moment; and how far ahead of ours a clock may be and still be
    /// waited for. A time further ahead was made up, and waiting for it would take forever.
    const SETTLED_FOR: i64 = 2_000_000_000;

    /// How often a file is waited for: one that never rests has to be refused at some point.
    const WAITS_MAX: usize = 3;

    /// The stamp of an open file, which must be a regular one.
    ///
    /// That of an object in a store is one of a file that has rested forever: whether it is still the same
    /// is asked with each request, and the answer is part of the read.
    pub(crate) fn of_regular(file: &File) -> Result<Self> {
        match file {
            File::Local(file) => Self::of(file.as_fd(), FileType::RegularFile),
            #[cfg(feature = "remote")]
            File::Stored(object) => Ok(Self::of_stored(object)),
        }
    }

    #[cfg(feature = "remote")]
    fn of_stored(object: &tallow_store::Object) -> Self {
        Self { bytes: object.bytes(), modified: i64::MIN, changed: i64::MIN }
    }

    fn of(file: BorrowedFd<'_>, expected: FileType) -> Result<Self> {
        let stat = fstat(file).map_err(|e| Error::io("look at the file", e.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            found if found == expected => Ok(Self {
                bytes: stat.st_size.try_into().unwrap_or(0),
                modified: nanoseconds(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
                changed: nanoseconds(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
            }),
            other => Err(not_regular(other)),
        }
    }

    /// How much longer until the stamp can be trusted, if it cannot be yet.
    fn restless_for(&self) -> Option<Duration> {
        let now = nanoseconds_of(SystemTime::now());
        let rest = |time: i64| {
            let age = now.saturating_sub(time);
            let fresh = (-Self::SETTLED_FOR..Self::RESTS_AFTER).contains(&age);
            // Of a clock ahead of ours it is known only that a wait in full is long enough.
            fresh.then(|| (Self::RESTS_AFTER - age).min(Self::RESTS_AFTER) as u64)
        };
        rest(self.modified).max(rest(self.changed)).map(Duration::from_nanos)
    }

    /// The stamp of an open file that is not being written to, as far as can be seen, as soon as
    /// there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Changed`] when the file goes on changing.
    fn of_resting(file: BorrowedFd<'_>, expected: FileType) -> Result<Self> {
        let mut stamp = Self::of(file, expected)?;
        for _ in 0..Self::WAITS_MAX {
            let Some(rest) = stamp.restless_for() else { return Ok(stamp) };
            std::thread::sleep(rest);
            let earlier = std::mem::replace(&mut stamp, Self::of(file, expected)?);
            if earlier == stamp {
                return Ok(stamp);
            }
        }
        Err(changed())
    }

    /// What `read` makes of a file at rest, and the stamp that the file had all the while.
    ///
    /// # Errors
    ///
    /// Those of `read`, unless the file changed meanwhile: then whatever came of it, an error
    /// included, is of no file that anyone meant to write, and the error is
    /// [`ErrorKind::Changed`].
    pub(crate) fn at_rest<T>(
        file: &File,
        read: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<(Self, T)> {
        match file {
            File::Local(file) => Self::kind_at_rest(file.as_fd(), FileType::RegularFile, read),
            #[cfg(feature = "remote")]
            File::Stored(object) => {
                let stamp = Self::of_stored(object);
                read(&stamp).map(|read| (stamp, read))
            }
        }
    }

    /// What `list` makes of a folder in which no entries come or go meanwhile.
    ///
    /// # Errors
    ///
    /// As [`at_rest`](Self::at_rest).
    pub(super) fn folder_at_rest<T>(
        folder: BorrowedFd<'_>,
        list: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        Self::kind_at_rest(folder, FileType::Directory, |_| list()).map(|(_, listed)| listed)
    }

    fn kind_at_rest<T>(
        file: BorrowedFd<'_>,
        kind: FileType,
        read: impl FnOnce(&Self) -> Result<T>,
    ) -> Result<(Self, T)> {
        let stamp = Self::of_resting(file, kind)?;
        let result = read(&stamp);
        if Self::of(file, kind)? == stamp { Ok((stamp, result?)) } else { Err(changed()) }
    }

    /// Whether the file has certainly not been written to since `moment`, as far as the clocks of
    /// this machine and of the file system agree to two seconds.
    pub(crate) fn is_settled(&self, moment: SystemTime) -> bool {
        let settled = self.modified.max(self.changed).saturating_add(Self::SETTLED_FOR);
        settled <= nanoseconds_of(moment)
    }

    /// Whether length and time of the last write are those of `earlier`.
    pub(super) fn same_contents(&self, earlier: &Self) -> bool {
        (self.bytes, self.modified) == (earlier.bytes, earlier.modified)
    }
}

#[cold]
fn changed() -> Error {
    Error::new(ErrorKind::Changed, "the file was written to while it was being read")
}

/// What a file was when it was opened, for files of many samples: each read sees that it still is.
#[derive(Debug)]
pub(crate) struct Opened {
    stamp: Stamp,
    /// The time of the last change of status after which the contents were found to be the same.
    changed: AtomicI64,
    /// What the file begins with, up to the first sample.
    head: Fingerprint,
    head_bytes: usize,
}

impl Opened {
    /// A file that begins with `head` and had `stamp` when that was read.
    pub(crate) fn new(stamp: Stamp, head: &[u8]) -> Self {
        let changed = AtomicI64::new(stamp.changed);
        Self { stamp, changed, head: fingerprint(head), head_bytes: head.len() }
    }

    /// The length of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.stamp.bytes
    }

    /// What the file begins with, up to the first sample.
    pub(crate) fn head(&self) -> Fingerprint {
        self.head
    }

    /// When the status of the file had changed last, as far as is known.
    pub(super) fn changed(&self) -> i64 {
        self.changed.load(Ordering::Relaxed)
    }

    /// Whether `file` has not even changed its status since `changed`. Costs one `fstat`.
    pub(super) fn is_unchanged_since(&self, file: &File, changed: i64) -> bool {
        Stamp::of_regular(file)
            .is_ok_and(|stamp| stamp.same_contents(&self.stamp) && stamp.changed == changed)
    }

    /// The result of `read`, which reads `file`, unless the file was written to since it was
    /// opened: then it is [`ErrorKind::Changed`], whatever came of it. Costs one `fstat`.
    pub(crate) fn read(&self, file: &File, mut read: impl FnMut() -> Result<()>) -> Result<()> {
        // Before the read: what another thread finds of a later status says nothing of this one.
        let expected = self.changed();
        let result = read();
        let stamp = Stamp::of_regular(file)?;
        if !stamp.same_contents(&self.stamp) {
            return Err(written_to());
        }
        if stamp.changed == expected { result } else { self.read_again(file, read) }
    }

    /// Renaming a file, linking it and changing its rights only change its status. So does writing to
    /// it and then setting the time of the last write back. A sample that is read at rest is
    /// whole either way, and the next ones are read as fast as before.
    #[cold]
    fn read_again(&self, file: &File, mut read: impl FnMut() -> Result<()>) -> Result<()> {
        let (stamp, ()) = Stamp::at_rest(file, |stamp| {
            if !stamp.same_contents(&self.stamp) || !self.has_its_head(file)? {
                return Err(written_to());
            }
            read()
        })?;
        self.changed.store(stamp.changed, Ordering::Relaxed);
        Ok(())
    }

    fn has_its_head(&self, file: &File) -> Result<bool> {
        let mut head = vec![0; self.head_bytes];
        file.read_exact_at(&mut head, 0).map_err(|e| Error::io("read the header", e))?;
        Ok(fingerprint(&head) == self.head)
    }
}

fn fingerprint(head: &[u8]) -> Fingerprint {
    Fingerprint::of("head").bytes(head).finish()
}

#[cold]
fn written_to() -> Error {
    Error::new(ErrorKind::Changed, "the file was written to since it was opened")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_just_past_or_just_ahead_is_waited_for_and_others_are_not() {
        let rest = |modified: i64, changed: i64| {
            let now = nanoseconds_of(SystemTime::now());
            let stamp = Stamp { bytes: 0, modified: now + modified, changed: now + changed };
            stamp.restless_for()
        };
        const SECOND: i64 = 1_000_000_000;
        let in_full = Duration::from_nanos(Stamp::RESTS_AFTER as u64);
        assert_eq!(rest(-SECOND, -SECOND), None);
        assert_eq!(rest(1000 * SECOND, -SECOND), None, "an invented time");
        assert_eq!(rest(-1000 * SECOND, SECOND), Some(in_full), "a server's clock");
        for fresh in [rest(0, -SECOND), rest(-1000 * SECOND, 0), rest(1000 * SECOND, 0)] {
            assert!(fresh.is_some_and(|rest| !rest.is_zero() && rest <= in_full), "{fresh:?}");
        }
    }

    #[test]
    fn times_beyond_all_clocks_are_neither_settled_nor_waited_for() {
        let stamp = Stamp { bytes: 0, modified: nanoseconds(i64::MAX, 1), changed: i64::MIN };
        assert_eq!(stamp.restless_for(), None);
        assert!(!stamp.is_settled(SystemTime::now()));
    }
}
