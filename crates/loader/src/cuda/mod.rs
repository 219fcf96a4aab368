//! How batches get into the memory of a CUDA device, and the samples that remain there.
//!
//! What is dangerous in candle 0.11 and cudarc 0.19, and how it is answered:
//!
//! | hazard | answer |
//! |---|---|
//! | `Device::new_cuda` has one stream per thread, and nothing orders them | nothing but a wait is put on the consumer's stream, inside `next`, on its thread; the events `copied` and `made` order it with the loader's streams |
//! | cudarc's event tracking is off on such a device; where it is on, candle's kernels defeat it | nothing relies on it |
//! | a second stream of a context turns the tracking on, for all of the training loop | the loader's streams belong to a context object of their own |
//! | a page-locked copy records no event, so its memory looks free while it is being read | workers wait for `copied` before they write a slot again |
//! | memory that one stream allocated is used by another | each stream uses it only after a wait: that of kernels a slot's, which belongs to the stream of copies; the consumer's a tensor's, which becomes its own when it is handed over |
//! | a slice of cudarc is freed on the stream that allocated it | a tensor's memory is taken out of its slice and becomes one of the consumer's stream, which has waited for what made it; so it is freed after the consumer's last use |
//! | a tensor that is dropped on another thread is freed on that thread's stream | documented at `LoaderBuilder::device`; `Device::new_cuda_with_stream` does not have it |
//! | `cuMemHostAlloc` is slow, and write-combined by default | called at `build`, and when a slot grows for pictures; with flags 0 |
//! | the loader is dropped while copies or kernels run | a slot waits for both its events before it is freed; tensors that nobody asked for are freed on the stream that makes them, behind that |
//! | to wait for an event trims the pool that candle allocates from | `build` raises the pool's release threshold, unless told not to (`FreedMemory`) |
//! | to wait for an event, or to allocate, breaks a graph that another thread captures | every entry of the loader is `Relaxed` (`capture`); `next` refuses to run on a captured stream |
//! | calls of the driver mean the current context, of which a thread of the program may have none, or that of another device | cudarc's calls bind theirs; where we call the driver itself, one of them comes before |
//! | candle loads kernels as PTX alone | ours are fat binaries (`tallow-fatbin`) |
//!
//! # The way of a batch
//!
//! ```text
//! stream of copies:    wait for `made` of the slot's last batch -> `begun` -> copies -> `copied`
//! stream of kernels:   memory of the tensors -> wait for `copied` -> `taken` -> kernels -> `made`
//! consumer's stream:   wait for `made` -> what the training loop does -> the tensors are freed
//! ```
//!
//! The worker that finishes the last row of a batch enqueues the first two lines, and `next` the wait of
//! the third: it launches nothing, copies nothing and allocates nothing. So a training loop that waits
//! for its device does not hold up the batches after it, and launches of the loader do not come between
//! its own. Not so where fields are cut to the longest row of a batch: candle copies them in `next`.
//!
//! | memory | made by | owned by | freed |
//! |---|---|---|---|
//! | a slot on the host | `build` | workers from `copied` on, until the slab is sealed; then the copy | with the slot, which waits for both events |
//! | a slot on the device | `build` | the copy from `made` on; then kernels from `copied` on | with the slot |
//! | a tensor | the worker that seals the slab, from the device's pool | the stream of kernels; from `next` on the consumer's | when the tensor is dropped, on the consumer's stream; with the slab, if nobody asks for it |
//!
//! At most `prefetch` batches of tensors are made ahead, and `Plan::device_bytes` counts them. Rejected:
//! tensors in a ring of their own, which would be faster to allocate: candle frees what a tensor holds,
//! and a tensor that is kept would have to be copied.
//!
//! | what can go wrong | where it ends |
//! |---|---|
//! | no device memory for the tensors of a batch when it is sealed | they are made when the batch is asked for; an error instead of it, if there is none then |
//! | the driver refuses a copy or a launch | an error instead of the batch |
//! | the iteration ends before the batch is asked for | its tensors are freed behind what makes them |
//! | rows were skipped | the rows that are left are made, and zeros where batches are padded |
//!
//! Resident samples are read and uploaded once. The last worker at a batch decides for each row, as
//! it enqueues the copy, where its sample comes from: a sample that is on the device is brought into the
//! slot from there; another goes with the copy, and one launch per field puts it where it stays. The
//! order of one stream is all that this needs. The host keeps the shapes of ragged fields, the heads of
//! pictures, and the values of the fields that workers make.
//!
//! # Pictures
//!
//! The worker makes the plan of a row from the head of its picture, decodes the window that the plan
//! reaches into the slot, and writes into the row where its pixels lie. Kernels read the window as the
//! CPU would read the whole picture, turned upright on the way.
//!
//! ```text
//! worker:  file of the picture -> head -> plan -> window -> `lend` -> pixels, raster
//! seal:    rows, plans and rasters in one copy, and one per chunk of windows
//! kernels: read plan, raster and window
//! ```
//!
//! Images that are stored as numbers go the same way where plans reach much less than all of them: the
//! worker reads the row into memory of its own, and copies the part that the plan reaches into the slot,
//! in the order in which it lies, channels first or last. Under a random resized crop that is half of
//! the bytes, for a copy within the cache of its core. Where plans reach most of an image, and where it
//! stays on the device, it is read into the slab. A slot is planned for parts that are all of their
//! images: it grows for them only where rows are tried again.
//!
//! | memory | made by | owned by | freed |
//! |---|---|---|---|
//! | the file of a picture | `build`, for the largest that is accepted; pages as they are touched | one worker | with the worker |
//! | a window on the host | `lend`, in a chunk of the slot | the worker that claimed the row, then the copy | lent again once `copied` has passed |
//! | the same on the device | with its chunk | the copy, then kernels up to `made` | with the slot, which waits for both events |
//! | a chunk | `build`; later the worker whose window fits none | the slot, for good | with the slot |
//! | a raster | the worker | as the plan beside it | as the plan |
//! | a resident picture | the worker that seals its first batch | the stream of copies until `copied`, then the stream of kernels that reads it | with the loader, after its slots |
//!
//! A slot is planned for windows of photos (`StagedLayout::WINDOW_BYTES` each, or the whole picture where
//! none is larger) and grows by chunks when a batch needs more. Nobody ever waits for memory of a
//! window: there is some, or it is made, or its row fails. So nothing can deadlock, a small slot costs
//! one allocation, and pictures of any declared size are accepted. Rejected: rows as large as the
//! largest picture, which is 200 MB a row where nothing is declared; chunks that slots share, which
//! would need less memory, but a lock and an order among slots.
//!
//! | what can go wrong | where it ends |
//! |---|---|
//! | a picture is damaged, or a mask has another size than its image | an error of the sample; what was lent to it lies idle until the slot is used again |
//! | damage to a partner outside of the box that is pasted | an error of the row, where the CPU does not look: kernels make the partner wholly |
//! | no page-locked or device memory for a chunk | an error of the sample that needed it; the slot stays as it was |
//! | a row is tried again with a substitute | it is lent memory again: at most as often as a row is tried |
//! | resident pictures take more than they may | an error instead of each batch that would bring more |
//!
//! Of a resident sample all of the picture is decoded, once; its raster then names its place, and later
//! epochs copy plans, rasters and 16 bytes per row. Pictures that no transform takes are decoded wholly
//! into their rows.
//!
//! The floor, per photo of 500 x 375 under a random resized crop, whose window has half of its pixels on
//! average: 0.3 MB over the link, 12 us at 25 GB/s. Decoding takes a core 380 us, so that 30 cores are
//! needed before the link is what training waits for. The planes of Y, Cb and Cr as JPEG stores them
//! would be 0.15 MB, at the cost of kernels for upsampling and colours: not worth it before a
//! measurement shows a machine that waits for its link.

mod capture;
mod mirror;
mod pool;
mod resident_pictures;
mod resident_rows;
mod staging;
mod windows;

pub(crate) use self::staging::{StagedLayout, Staging};
