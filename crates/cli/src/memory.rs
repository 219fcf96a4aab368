//! How fast memory is copied.

use std::time::{Duration, Instant};

/// More than the caches of any machine we know hold for a core.
const BYTES: usize = 64 << 20;

/// The fastest of so many copies: others had to share the machine.
const ROUNDS: usize = 5;

/// Bytes a second that `threads` threads copy together, each from one buffer to another of its own.
pub(crate) fn copy_bytes_per_second(threads: usize) -> f64 {
    // Written to, because pages that are only promised would be measured as copying.
    let mut buffers: Vec<_> =
        (0..threads.max(1)).map(|_| (vec![1u8; BYTES], vec![2u8; BYTES])).collect();
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
