//! Whether a device keeps the memory that tensors have freed.

/// What a CUDA device does with memory that tensors gave back to its pool.
///
/// candle allocates from the default pool of the device. Unless told otherwise the driver gives what is
/// free in a pool back to the system whenever anyone waits for the device, as workers do before they
/// write a slab again, and the next batch has to get it back, which takes longer than filling it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FreedMemory {
    /// The pool keeps it for the next tensors: [`LoaderBuilder::build`](crate::LoaderBuilder::build)
    /// raises its release threshold to the highest number there is. The pool is that of the whole
    /// process, and it stays so after the loader is gone; other processes then see less free memory on
    /// the device. `cuMemPoolTrimTo` gives it back at any time.
    #[default]
    Keep,
    /// As the program has set it: `build` does not touch the pool.
    AsSet,
}
