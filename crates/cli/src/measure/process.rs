//! What this process has used.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

/// CPU time of all threads so far, in user and kernel mode.
pub(crate) fn cpu_time() -> Duration {
    let duration =
        |time: TimeVal| Duration::from_micros(time.num_microseconds().try_into().unwrap_or(0));
    getrusage(UsageWho::RUSAGE_SELF)
        .map(|usage| duration(usage.user_time()) + duration(usage.system_time()))
        .unwrap_or_default()
}

/// Bytes that the storage has read for this process, if the system tells.
pub(crate) fn storage_bytes() -> Option<u64> {
    let io = fs::read_to_string("/proc/self/io").ok()?;
    io.lines().find_map(|line| line.strip_prefix("read_bytes:"))?.trim().parse().ok()
}

/// The most memory that this process has had resident at once.
pub(crate) fn peak_rss_bytes() -> u64 {
    fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| high_water_bytes(&status))
        .unwrap_or_else(most_rss_bytes)
}

/// The peak that Linux records for the current memory of the process. The peak of `getrusage`
/// begins with that of the parent instead: started from a Python of 4 GB, every report would say 4
/// GB.
fn high_water_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kibibytes * 1024)
}

fn most_rss_bytes() -> u64 {
    // macOS counts in bytes, all others in KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(peak).unwrap_or(0) * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_found_among_other_lines() {
        let status = "Name:\tx\nVmPeak:\t    9000 kB\nVmHWM:\t    1736 kB\nVmRSS:\t 12 kB\n";
        assert_eq!(high_water_bytes(status), Some(1736 * 1024));
        assert_eq!(high_water_bytes("VmRSS:\t 12 kB\n"), None);
        assert!(peak_rss_bytes() > 100_000);
    }
}
