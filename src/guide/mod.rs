//! The guide: twelve questions in the order in which they come up, each with code that is compiled and
//! run as a test.
//!
//! 1. [My data is a folder](my_folder)
//! 2. [My data is photos](my_photos)
//! 3. [My samples have labels](my_labels)
//! 4. [My data has a format of its own](my_format)
//! 5. [Augmentation, with masks and boxes](augmentation)
//! 6. [Seven classic recipes](recipes)
//! 7. [A validation split](validation)
//! 8. [Stopping and resuming](resuming)
//! 9. [Several processes or machines](ranks)
//! 10. [Training on CUDA](cuda)
//! 11. [Is my training waiting for data?](waiting)
//! 12. [What went wrong?](errors)
//!
//! [Coming from PyTorch](pytorch) puts the word of torch or torchvision beside Tallow's.
//!
//! [Language models](language_models) packs documents into rows of one length.
//!
//! [Several data sets at once](mixtures) mixes them by weight, and counts steps instead of epochs.
//!
//! [Data in a store](stores) is read by URL: HTTP servers, S3, Google Cloud Storage, Azure.
//!
//! [Streams](streams) are data of which nobody knows how long they are: iterators, channels, pipes, lines.
//! [Samples of different lengths](lengths) pads them, and makes batches of similar length or by a budget of tokens.
//!
//! Every page begins from the same picture. A **source** gives sample `index`. A **sampler** gives
//! the order of an epoch. **Workers** read the samples of a batch into one piece of memory and
//! **transform** them on the way. The **loader** delivers batches in order, each with a tensor for
//! every **field**.

#[doc = include_str!("my_folder.md")]
pub mod my_folder {}

#[doc = include_str!("my_photos.md")]
pub mod my_photos {}

#[doc = include_str!("my_labels.md")]
pub mod my_labels {}

#[doc = include_str!("my_format.md")]
pub mod my_format {}

#[doc = include_str!("augmentation.md")]
pub mod augmentation {}

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[doc = include_str!("language_models.md")]
pub mod language_models {}

#[doc = include_str!("mixtures.md")]
pub mod mixtures {}

#[doc = include_str!("stores.md")]
pub mod stores {}

#[doc = include_str!("streams.md")]
pub mod streams {}

#[doc = include_str!("lengths.md")]
pub mod lengths {}

#[doc = include_str!("validation.md")]
pub mod validation {}

#[doc = include_str!("resuming.md")]
pub mod resuming {}

#[doc = include_str!("ranks.md")]
pub mod ranks {}

#[doc = include_str!("cuda.md")]
pub mod cuda {}

#[doc = include_str!("waiting.md")]
pub mod waiting {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("pytorch.md")]
pub mod pytorch {}
