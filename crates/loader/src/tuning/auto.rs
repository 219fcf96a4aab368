//! How many workers there are, and the bounds within which a loader chooses that itself.

/// How many threads read and transform.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Workers {
    /// This many threads; 0 reads inside `next`.
    Count(usize),
    /// As many as the loader finds best while it runs.
    Auto(Auto),
}

impl From<usize> for Workers {
    fn from(count: usize) -> Self {
        Self::Count(count)
    }
}

impl From<Auto> for Workers {
    fn from(auto: Auto) -> Self {
        Self::Auto(auto)
    }
}

/// Bounds within which a loader chooses its workers and batches ahead while it runs, by a
/// [`Search`](crate::Search) whose trials are parts of the running iteration. A training that does not
/// wait for data ends with the fewest that keep it so; one that waits, with the fewest that load as
/// fast as possible.
///
/// This never changes what is delivered.
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// # use tallow_loader::{Auto, Loader};
/// # let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[4])])?;
/// # let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[51u8; 4]));
/// // At most half of the cores, and 1 GB for batches.
/// let auto = Auto::new().cpu_share(0.5).bytes(1_000_000_000);
/// let loader = Loader::builder(source).workers(auto).build()?;
/// for batch in loader.epoch(0) {
///     batch?;
/// }
/// println!("{:?}", loader.settings());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Auto {
    cpu_share: f64,
    bytes: usize,
}

impl Default for Auto {
    fn default() -> Self {
        Self::new()
    }
}

impl Auto {
    /// Up to one worker per core, and 512 MiB.
    pub fn new() -> Self {
        Self { cpu_share: 1.0, bytes: 512 << 20 }
    }

    /// The share of the cores that workers may use; at least one core. The default is 1, all cores.
    pub fn cpu_share(mut self, share: f64) -> Self {
        self.cpu_share = share;
        self
    }

    /// Bytes that the loader may hold, as [`Plan::memory_bytes`](crate::Plan::memory_bytes) counts
    /// them, but for the [largest pictures](crate::Plan::picture_bytes); at least one worker and one
    /// batch ahead. For a CUDA device the page-locked memory is
    /// allocated when the loader is built, as much as may be chosen. The default is 512 MiB.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The most workers, of `cores` cores.
    pub(crate) fn workers_max(self, cores: usize) -> usize {
        let share = if self.cpu_share.is_finite() { self.cpu_share.clamp(0.0, 1.0) } else { 1.0 };
        ((cores as f64 * share) as usize).max(1)
    }

    /// The most bytes.
    pub(crate) fn bytes_max(self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_cores_is_at_least_one() {
        let workers = |share, cores| Auto::new().cpu_share(share).workers_max(cores);
        assert_eq!(
            [workers(1.0, 8), workers(0.5, 8), workers(0.5, 3), workers(0.0, 4)],
            [8, 4, 1, 1]
        );
        assert_eq!([workers(f64::NAN, 4), workers(-1.0, 4), workers(9.0, 4)], [4, 1, 4]);
    }
}
