/// What a sampler chooses from: the samples of a source, as far as a sampler may know them.
///
/// ```
/// use tallow_core::{Population, Sampler, Shuffle};
///
/// let order = Shuffle.order(&Population::of(100), 7, 0)?;
/// assert_eq!(order.len(), 100);
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Population {
    samples: usize,
}

impl Population {
    /// `samples` samples, of which nothing else is known.
    pub fn of(samples: usize) -> Self {
        Self { samples }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }
}
