//! Which bytes make a sample: the sources, one file each, and the pairing of files from several
//! folders. Where bytes lie is the business of `files`, what they mean that of `codecs`.

#[cfg(feature = "arrow")]
mod arrow_shards;
mod column;
#[cfg(feature = "arrow")]
mod column_shards;
#[cfg(feature = "arrow")]
mod columns;
mod contents;
mod field_folders;
mod find;
mod folders;
mod format;
mod found;
mod from_fn;
mod from_fn_with;
mod image_folder;
mod image_folders;
mod likeness;
mod mds;
mod memory;
mod missing;
mod npy_file;
mod npy_folders;
mod npy_shards;
mod npz_file;
mod npz_folder;
mod npz_layout;
mod open_options;
#[cfg(feature = "parquet")]
mod page_cache;
mod pairing;
#[cfg(feature = "parquet")]
mod parquet_shards;
mod safetensors;
mod scratch;
mod shards;
#[cfg(feature = "arrow")]
mod splits;
mod stacked;
mod table;
mod tar;
mod tokens;

#[cfg(feature = "arrow")]
pub use self::arrow_shards::ArrowShards;
pub(crate) use self::column::{check_picture, suggested};
#[cfg(feature = "arrow")]
pub use self::column_shards::ColumnShardsBuilder;
pub use self::field_folders::{FieldFiles, FieldFolder, FieldFolders};
pub use self::folders::Survey;
pub use self::found::Found;
pub use self::from_fn::{FromFn, from_fn};
pub use self::from_fn_with::{FromFnWith, from_fn_with};
pub use self::image_folder::{ImageFolder, ImageFolderBuilder};
pub use self::image_folders::{ImageFolders, ImageFoldersBuilder};
pub use self::mds::{Mds, MdsBuilder};
pub use self::memory::Memory;
pub use self::npy_file::NpyFile;
pub use self::npy_folders::{NpyFolders, NpyFoldersBuilder};
pub use self::npy_shards::{NpyShards, NpyShardsBuilder};
pub use self::npz_file::{NpzFile, NpzFileBuilder};
pub use self::npz_folder::{NpzFolder, NpzFolderBuilder};
pub use self::open_options::{OpenOptions, open};
#[cfg(feature = "parquet")]
pub use self::parquet_shards::ParquetShards;
pub use self::safetensors::{Safetensors, SafetensorsBuilder};
pub use self::shards::Shards;
pub use self::table::{Table, TableBuilder};
pub(crate) use self::tar::{Declared, digits_of, split_key};
pub use self::tar::{Tar, TarBuilder, TarContent};
pub use self::tokens::{DocumentsBy, FileBorders, Tail, TokenFiles, TokenFilesBuilder, TooLong};
