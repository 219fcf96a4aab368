//! Data loading for [candle]: samples become batches of tensors, in CUDA memory or on the
//! CPU, augmented on the way, so that training does not wait. One seed gives the same batches on
//! any machine, with any number of workers or ranks, and after resuming at any point.
//!
//! ```no_run
//! use tallow::prelude::*;
//!
//! # fn main() -> tallow::Result<()> {
//! // train/cat/*.jpg, train/dog/*.png: a folder per class
//! let source = ImageFolder::open("train")?;
//! let augment = Augment::new().random_resized_crop(224).random_hflip(0.5).normalize(IMAGENET);
//! let loader = Loader::builder(source).transform(augment).batch_size(64).shuffle().build()?;
//! for epoch in 0..3 {
//!     for batch in loader.epoch(epoch) {
//!         let (image, label) = batch?.pair("image", "label")?;
//! #       let _ = (image, label);
//!     }
//! }
//! println!("{}", loader.report());
//! # Ok(())
//! # }
//! ```
//!
//! Start with the [`guide`]: twelve questions in the order in which they come up, and a table for
//! people who come from PyTorch. Then:
//!
//! - a [`Source`] gives samples by index: [`ImageFolder`], [`ImageFolders`], [`NpyFolders`],
//!   [`NpyFile`], [`NpyShards`], [`NpzFile`], [`NpzFolder`], [`Safetensors`], [`Tar`], [`Mds`],
//!   [`TokenFiles`], [`Table`], [`Memory`], [`from_fn`], [`Streamed`], and sources made of sources ([`SourceExt`]);
//! - a [`Sampler`] gives the order of an epoch: [`Shuffle`], [`Weighted`], [`WithReplacement`], [`Mix`],
//!   [`ShuffleWindows`];
//! - a [`Transform`] rewrites samples in the workers: [`Augment`] above all;
//! - a [`Loader`] delivers [`Batch`]es, and a [`State`] to resume from;
//! - a [`Report`] says whether training waits, and for what;
//! - [`stats`] finds what to normalise with, and how many samples each class has.
//!
//! The command `bench-loader` (crate `tallow-cli`) answers the same for a folder, without a program.
//!
//! # Features
//!
//! - `cuda`: batches are delivered in the memory of a CUDA device and augmented there. Building it
//!   takes NVIDIA's toolkit.
//! - `arrow`: Arrow files are sources (`ArrowShards`), and folders that Hugging Face's `datasets` saved.
//! - `parquet`: Parquet files are sources (`ParquetShards`), with pages of all common codecs. Implies `arrow`.
//! - `remote`: whatever takes a path takes the URL of an object or a prefix in a store, see
//!   [the guide](guide::stores).
//! - `zstd`: streams that Zstandard compressed: `.jsonl.zst`, `.tar.zst`.
//! - `metal`: batches are copied to a Metal device.

#![forbid(unsafe_code)]

#[doc(no_inline)]
pub use candle_core as candle;
#[cfg(feature = "parquet")]
pub use tallow_core::ParquetShards;
#[cfg(feature = "arrow")]
pub use tallow_core::{ArrowShards, ColumnShardsBuilder};
pub use tallow_core::{
    BatchRows, BatchRule, BatchTable, Batching, BlockShuffle, Buckets, Cache, Color, Concat,
    ConcatMany, Decode, Depth, Dim, DocumentsBy, Draws, Element, Error as SourceError,
    ErrorKind as SourceErrorKind, Extent, Field, FieldFiles, FieldFolder, FieldFolders, FieldId,
    FieldIndex, FieldMut, FieldView, FileBorders, Fingerprint, FingerprintBuilder, Found, FromFn,
    FromFnWith, ImageFolder, ImageFolderBuilder, ImageFolders, ImageFoldersBuilder, Key, LastBatch,
    Launcher, Limits, Location, Longer, MAX_RANK, Map as SourceMap, Mds, MdsBuilder, Memory, Mix,
    NpyFile, NpyFolders, NpyFoldersBuilder, NpyShards, NpyShardsBuilder, NpzFile, NpzFileBuilder,
    NpzFolder, NpzFolderBuilder, OpenOptions, Order, Orientation, PackStats, Packed, PackedBuilder,
    Packing, PartShare, Picture, Population, Purpose, Ranks, Rename, Result as SourceResult, Row,
    RowBuffer, RowDType, RowView, Safetensors, SafetensorsBuilder, Sample, SampleLengths, Sampler,
    Schema, Select, Sequential, Shards, Shuffle, ShuffleWindows, Source, SourceExt, StoreLimits,
    StoreUse, Stream, Streamed, Subset, SubsetSampler, Survey, Table, TableBuilder, Tail, Tar,
    TarBuilder, TarContent, TarSample, Targets, TokenBudget, TokenFiles, TokenFilesBuilder,
    TooLong, Transform, Until, Weighted, WithReplacement, Zip, concat, device, escaped, from_fn,
    from_fn_with, json_schema, open, testing,
};
#[cfg(feature = "remote")]
pub use tallow_core::{StoreListing, store};
pub use tallow_loader::{
    Auto, Batch, BatchId, Batches, Bin, ChannelStatistics, ClassCount, DeviceWork, Error,
    ErrorKind, Fault, FieldStatistics, FreedMemory, Lengths, Loader, LoaderBuilder, OnError,
    PartReport, Plan, Report, Result, RowChain, RowReader, Search, Settings, Stage, State,
    Statistics, StatisticsBuilder, Step, Waits, Workers, keep_freed_memory,
};
pub use tallow_transforms::{
    Affine, AugMix, Augment, Border, BoxFormat, CutMix, Described, Elastic, EraseValue, Fields,
    Fill, FreqMask, GaussianNoise, IMAGENET, Interpolation, Jitter, Layout, Map, MapDrawn, MixUp,
    MixUpOrCutMix, Normalization, Pad, PadIfNeeded, PadOrTruncate, Perspective, Placement, Plane,
    RandAugment, RandomAffine, RandomErasing, RandomPerspective, RandomResizedCrop, RandomRotation,
    Resize, ResizedCrop, Rotate, SecondImage, Side, Size, SpecError, TimeMask, TrivialAugmentWide,
    Uniform, catalogue, describe, map, map_drawn, simd_level,
};

pub mod guide;
mod stats;

pub use stats::stats;

/// What engines are made of and what their plans hold: for transforms that bring an engine of their
/// own, and for programs that look into plans.
pub mod plan {
    pub use tallow_core::{
        Decoders, Engine, Mixer, PictureHead, Pieces, RowKey, RowMark, RowRunner, RowSlots, Scale,
        Shapes, Unchecked, Window, philox4x32_10, zeroed_words,
    };
    pub use tallow_transforms::plan::{
        BLUR_WEIGHTS_MAX, CHANNELS_MAX, Head, IntegerMap, NoiseKey, OPS_MAX, Op, OpCode,
        PLAN_VERSION, StagePlan,
    };
}

/// The README's code is tested with the rest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What a training program needs: `use tallow::prelude::*`.
pub mod prelude {
    pub use tallow_core::{
        Dim, Error as SourceError, Field, ImageFolder, ImageFolders, LastBatch, Mds, Memory, Mix,
        NpyFile, NpyFolders, NpyShards, NpzFile, Picture, Ranks, Result as SourceResult, Row,
        RowDType, RowView, Safetensors, Sampler, Schema, Sequential, Shuffle, Source, SourceExt,
        SubsetSampler, Tar, TarContent, Transform, Weighted, WithReplacement, from_fn,
    };
    pub use tallow_loader::{Auto, Batch, Loader, LoaderBuilder, OnError, State};
    pub use tallow_transforms::{Augment, IMAGENET, map, map_drawn};
}
