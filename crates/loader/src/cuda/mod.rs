//! How batches get into the memory of a CUDA device, and the samples that remain there.
//!
//! What is dangerous in candle 0.11 and cudarc 0.19, and how it is answered:
//!
//! | hazard | answer |
//! |---|---|
//! | `Device::new_cuda` has one stream per thread, and nothing orders them | whatever touches the consumer's stream runs inside `next`, on its thread; the events `copied` and `read` order it with the loader's stream |
//! | cudarc's event tracking is off on such a device; where it is on, candle's kernels defeat it | nothing relies on it |
//! | a second stream of a context turns the tracking on, for all of the training loop | the loader's stream belongs to a context object of its own |
//! | a page-locked copy records no event, so its memory looks free while it is being read | workers wait for `copied` before they write a slot again |
//! | memory that one stream allocated is used by another | a slot's memory belongs to the loader's stream, a tensor's to the consumer's; each is used only after a wait |
//! | a tensor that is dropped on another thread is freed on that thread's stream | documented at `LoaderBuilder::device`; `Device::new_cuda_with_stream` does not have it |
//! | `cuMemHostAlloc` is slow, and write-combined by default | called once, at `build`, with flags 0 |
//! | the loader is dropped while copies or kernels run | a slot waits for both its events before it is freed |
//!
//! Resident samples are read and uploaded once. The last worker at a batch decides for each row, as
//! it enqueues the copy, where its sample comes from: a sample that is on the device is brought into the
//! slot from there; another goes with the copy, and one launch per field puts it where it stays. The
//! order of one stream is all that this needs. The host keeps the shapes of ragged fields and the
//! values of the fields that workers make.

mod resident_rows;
mod staging;

pub(crate) use self::staging::{StagedLayout, Staging};
