//! What this process has cost the machine.

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

/// The most memory that this process has had resident at once.
pub(crate) fn peak_rss_bytes() -> u64 {
    // macOS counts in bytes, everything else in KiB.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let peak = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(peak).unwrap_or(0) * unit
}

/// Whose memory the figures were measured with.
pub(crate) const ALLOCATOR: &str = if cfg!(feature = "mimalloc") { "mimalloc" } else { "system" };
