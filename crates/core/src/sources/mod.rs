//! The sources: one file each, and what those that read files share.

mod file;
pub(crate) mod foreign;
mod from_fn;
mod likeness;
mod memory;
mod names;
mod npy_file;
mod npy_folders;
mod safetensors;
mod stamp;

pub use self::file::Limits;
pub(crate) use self::file::{read_stored, reserve};
pub use self::from_fn::{FromFn, from_fn};
pub use self::memory::Memory;
pub use self::npy_file::NpyFile;
pub use self::npy_folders::{NpyFolders, NpyFoldersBuilder, Survey};
pub use self::safetensors::Safetensors;
pub(crate) use self::stamp::{Opened, Stamp};
