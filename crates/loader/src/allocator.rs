/// Asks the allocator of the system to keep freed memory for the next batches instead of returning it
/// to the kernel. Returns `true` if it does, as glibc on Linux does.
///
/// A tensor on the CPU owns its memory, and freeing one of tens of MiB returns it to the kernel,
/// which then clears the pages of the next one. That takes longer than reading the data. Call this
/// first in `main`, and batches of 32 MiB are loaded at about twice the rate.
///
/// It affects the whole process: memory that was used once is kept until the process ends, and all
/// threads share one heap. That is what a program wants that holds little more than batches and a
/// model. A library should leave the choice to the program. Other allocators have settings of their
/// own.
///
/// `mallopt(3)`: no mappings for single blocks, no trimming, one arena, so that a block which the
/// consumer frees serves the worker that asks next.
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let settings =
            [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, -1), (libc::M_ARENA_MAX, 1)];
        // SAFETY: `mallopt` takes two integers, locks what it changes, and may be called at any
        // time; a setting it does not know is refused.
        settings.into_iter().all(|(setting, value)| unsafe { libc::mallopt(setting, value) } == 1)
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}
