//! What the system says about the machine, read from its files. What it does not say is `None`.

use std::fs;
use std::path::Path;

use crate::machine::threads;
use crate::terminal::words::{bytes, counted};

/// Model, cores, memory and system, as text.
pub(crate) fn described() -> String {
    let model = text("/proc/cpuinfo").and_then(|text| Some(value(&text, "model name")?.to_owned()));
    let memory = memory_bytes().map(|memory| format!(", {} of memory", bytes(memory)));
    let release = text("/proc/sys/kernel/osrelease").map(|release| format!(" {release}"));
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "{}, {}{}, {os}{}",
        model.as_deref().unwrap_or(arch),
        counted(threads::cores() as u64, "core"),
        memory.unwrap_or_default(),
        release.unwrap_or_default()
    )
}

/// The memory of the machine, or the limit of the cgroup if that is less.
pub(crate) fn memory_bytes() -> Option<u64> {
    let all = kibibytes(&text("/proc/meminfo")?, "MemTotal")?;
    let limit = cgroup("memory.max", |text| text.parse().ok());
    Some(limit.map_or(all, |limit: u64| limit.min(all)))
}

/// The text of a system file, without the line break at its end.
pub(crate) fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

/// The value of `key` in lines like `MemTotal:  12 kB`, in bytes.
pub(crate) fn kibibytes(text: &str, key: &str) -> Option<u64> {
    let value = value(text, key)?.strip_suffix("kB")?.trim_end();
    value.parse::<u64>().ok()?.checked_mul(1024)
}

/// What follows `key` and a colon.
pub(crate) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let rest = |line: &'a str| line.strip_prefix(key)?.trim_start().strip_prefix(':');
    text.lines().find_map(rest).map(str::trim)
}

/// How many numbers are in a list like `0-3,8`.
pub(crate) fn listed(list: &str) -> Option<usize> {
    let count = |part: &str| -> Option<usize> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        last.checked_sub(first)?.checked_add(1)
    };
    list.trim().split(',').map(count).sum()
}

/// The word in brackets, as in `always [madvise] never`.
pub(crate) fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

/// The least value, read by `read`, that a file has in the cgroup of the process and those above
/// it.
pub(crate) fn cgroup<T: PartialOrd>(file: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let groups = text("/proc/self/cgroup")?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/'));
    let folders = below.ancestors().take_while(|folder| folder.starts_with("/sys/fs/cgroup"));
    let said = folders.filter_map(|folder| read(&text(folder.join(file))?));
    said.min_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal))
}

/// The cores of a quota like `150000 100000`; `None` for `max`.
pub(crate) fn quota(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

/// The type of the file system at `path`, which must be absolute and without links, from the lines
/// of `/proc/self/mountinfo`: the one with the longest mount point above it, and the last of
/// several.
pub(crate) fn file_system(mounts: &str, path: &Path) -> Option<String> {
    let mount = |line: &str| -> Option<(usize, String)> {
        let (place, kind) = line.split_once(" - ")?;
        let place = unescaped(place.split(' ').nth(4)?);
        let kind = kind.split(' ').next()?.to_owned();
        path.starts_with(&place).then_some((place.len(), kind))
    };
    mounts.lines().filter_map(mount).max_by_key(|(len, _)| *len).map(|(_, kind)| kind)
}

/// A mount point with its blanks, which the system writes as `\040`.
fn unescaped(text: &str) -> String {
    let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    escapes.iter().fold(text.to_owned(), |text, (code, c)| text.replace(code, c))
}

/// Whether such a file system gets its files over a network, or from a program that may do so.
pub(crate) fn is_network(kind: &str) -> bool {
    const KINDS: [&str; 14] = [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "ceph",
        "glusterfs",
        "lustre",
        "gpfs",
        "beegfs",
        "afs",
        "9p",
        "virtiofs",
        "fuse",
    ];
    KINDS.contains(&kind) || kind.starts_with("fuse.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        assert_eq!(kibibytes("MemTotal:   12 kB\nMemFree: 1 kB", "MemFree"), Some(1024));
        assert_eq!(kibibytes("MemTotal:   12 kB", "Mem"), None);
        assert_eq!(value("Cpus_allowed_list:\t0-3,8", "Cpus_allowed_list"), Some("0-3,8"));
        assert_eq!((listed("0-3,8\n"), listed("5"), listed("3-1")), (Some(5), Some(1), None));
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!((quota("150000 100000"), quota("max 100000")), (Some(1.5), None));
    }

    #[test]
    fn the_nearest_mount_is_that_of_a_file() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/a rw\n\
                      22 21 0:5 / /data rw shared:1 - nfs4 host:/x rw\n\
                      23 22 0:6 / /data/my\\040own rw - tmpfs t rw\n";
        let kind = |path: &str| file_system(mounts, Path::new(path)).unwrap();
        assert_eq!(
            [kind("/database"), kind("/data/x"), kind("/data/my own/y")],
            ["ext4", "nfs4", "tmpfs"]
        );
        assert!(is_network("nfs4") && is_network("fuse.sshfs") && !is_network("ext4"));
    }
}
