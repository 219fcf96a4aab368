//! How fast memory is copied.

use std::time::{Duration, Instant};

/// More than a core's share of the caches of any machine we know.
const BYTES: usize = 64 << 20;

/// Enough threads to saturate the memory of any machine we know. Each takes two buffers.
const THREADS_MAX: usize = 16;

/// The fastest of this many copies counts: the others had to share the machine.
const ROUNDS: usize = 5;

/// Bytes per second that `threads` threads, or as many as are useful, copy together, each from one
/// of its own buffers to another.
pub(crate) fn copy_bytes_per_second(threads: usize) -> f64 {
    // Written to, because otherwise copying would also pay for fresh pages.
    let mut buffers: Vec<_> =
        (0..threads.clamp(1, THREADS_MAX)).map(|_| (vec![1u8; BYTES], vec![2u8; BYTES])).collect();
    let bytes = (buffers.len() * BYTES) as f64;
    let mut fastest = Duration::MAX;
    for _ in 0..ROUNDS {
        let started = Instant::now();
        std::thread::scope(|scope| {
            for (from, to) in &mut buffers {
                scope
                    .spawn(|| std::hint::black_box(to).copy_from_slice(std::hint::black_box(from)));
            }
        });
        fastest = fastest.min(started.elapsed());
    }
    bytes / fastest.as_secs_f64().max(1e-9)
}
