//! The nouns of Tallow, without threads and devices.
//!
//! - A [`Source`] writes samples into rows ([`Row`]) of a declared [`Schema`].
//! - A [`Sampler`] gives each epoch an [`Order`]: a function from position to sample index.
//! - [`Batching`] cuts an order into batches and ranks.
//! - A [`Transform`] makes other rows of a source's rows.
//! - Every random number comes from a [`Key`].
//!
//! An epoch is a function and not an iteration. That is why resuming takes one number, sharding is
//! arithmetic, and the delivered batches do not depend on the number of workers. With the rejected
//! alternative, an iterator that workers advance, each of these needs a protocol.
//!
//! Nothing here starts a thread, except the conformance suite in [`testing`], [`SampleLengths`] where
//! samples must be read for them, and [`Packed`] while it is built. Nothing calls a device, though
//! [`device`] names candle's. All `unsafe` code is in `rows/`.

mod adapters;
mod batch_table;
mod batching;
mod codecs;
mod decode;
pub mod device;
mod dtype;
mod encoding;
mod error;
mod field_index;
mod files;
mod fingerprint;
mod key;
mod permutation;
mod philox;
mod pool;
mod population;
mod ranks;
mod row_runner;
mod rows;
mod sample;
mod sample_lengths;
mod sampler;
mod samplers;
mod schema;
mod source;
mod sources;
mod streaming;
mod streams;
mod succession;
pub mod testing;
mod threads;
mod transform;

pub use adapters::{
    Cache, Concat, ConcatMany, Longer, Map, PackStats, Packed, PackedBuilder, Packing, Rename,
    Select, SourceExt, Subset, Targets, Zip, concat,
};
pub use batch_table::BatchTable;
pub use batching::{BatchRows, Batching, LastBatch};
pub use decode::Decode;
pub use dtype::{Element, RowDType};
pub use encoding::{Decoders, Picture, PictureHead};
pub use error::{Error, ErrorKind, Result, escaped};
pub use field_index::FieldIndex;
#[cfg(feature = "remote")]
pub use files::StoreListing;
pub use files::{
    Extent, Limits, Location, StoreLimits, StoreUse, StoreWait, StoreWatched, Unchecked,
};
pub use fingerprint::{Fingerprint, FingerprintBuilder};
pub use key::{Draws, Key, Purpose, Stream};
pub use philox::philox4x32_10;
pub use population::Population;
pub use ranks::{Launcher, Ranks};
pub use row_runner::RowRunner;
pub use rows::{
    Blocks, FieldMut, FieldView, Pieces, Row, RowBuffer, RowMark, RowSlots, RowView, Rows, Run,
};
pub use sample::Sample;
pub use sample_lengths::SampleLengths;
pub use sampler::{BatchRule, Order, PartShare, Sampler};
pub use samplers::{
    BlockShuffle, Buckets, Mix, Sequential, Shuffle, ShuffleWindows, SubsetSampler, TokenBudget,
    Until, Weighted, WithReplacement,
};
pub use schema::{Dim, Field, FieldId, MAX_RANK, Schema};
pub use source::Source;
#[cfg(feature = "parquet")]
pub use sources::ParquetShards;
#[cfg(feature = "arrow")]
pub use sources::{ArrowShards, ColumnShardsBuilder};
pub use sources::{
    DocumentsBy, FieldFiles, FieldFolder, FieldFolders, FileBorders, Found, FromFn, FromFnWith,
    ImageFolder, ImageFolderBuilder, ImageFolders, ImageFoldersBuilder, Mds, MdsBuilder, Memory,
    NpyFile, NpyFolders, NpyFoldersBuilder, NpyShards, NpyShardsBuilder, NpzFile, NpzFileBuilder,
    NpzFolder, NpzFolderBuilder, OpenOptions, Safetensors, SafetensorsBuilder, Shards, Survey,
    Table, TableBuilder, Tail, Tar, TarBuilder, TarContent, TokenFiles, TokenFilesBuilder, TooLong,
    from_fn, from_fn_with, open,
};
pub use streaming::{Pass, Streaming};
pub use streams::{Streamed, TarSample, json_schema};
pub use tallow_images::{Color, Depth, Orientation, Scale, Window};
/// Objects of stores, what the process may have under way in them, and the cache on the disk.
#[cfg(feature = "remote")]
pub use tallow_store as store;
pub use transform::{Engine, Mixer, RowKey, Shapes, Transform, zeroed_words};
