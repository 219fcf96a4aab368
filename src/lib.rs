#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[doc(no_inline)]
pub use candle_core as candle;
pub use tallow_core::{
    BatchRows, Batching, Cache, Concat, ConcatMany, Dim, Draws, Element, Error as SourceError,
    ErrorKind as SourceErrorKind, Extent, Field, FieldId, FieldIndex, FieldMut, FieldView,
    Fingerprint, FingerprintBuilder, FromFn, FromFnWith, Key, LastBatch, Limits, Location,
    MAX_RANK, Map as SourceMap, Memory, NpyFile, NpyFolders, NpyFoldersBuilder, Order, Population,
    Purpose, Rename, Result as SourceResult, Row, RowBuffer, RowDType, RowView, Safetensors,
    Sample, Sampler, Schema, Select, Sequential, Shuffle, Source, SourceExt, Stream, Subset,
    SubsetSampler, Survey, Transform, Weighted, WithReplacement, Zip, concat, device, escaped,
    from_fn, from_fn_with, testing,
};
pub use tallow_loader::{
    Auto, Batch, BatchId, Batches, DeviceWork, Error, ErrorKind, Fault, Loader, LoaderBuilder,
    OnError, Plan, Report, Result, Search, Settings, Stage, State, Step, Waits, Workers,
    keep_freed_memory,
};
pub use tallow_transforms::{
    Affine, AugMix, Augment, Border, BoxFormat, CutMix, Described, Elastic, EraseValue, Fields,
    Fill, FreqMask, GaussianNoise, IMAGENET, Interpolation, Jitter, Layout, Map, MapDrawn, MixUp,
    MixUpOrCutMix, Normalization, Pad, PadIfNeeded, PadOrTruncate, Perspective, Placement, Plane,
    RandAugment, RandomAffine, RandomErasing, RandomPerspective, RandomResizedCrop, RandomRotation,
    Resize, ResizedCrop, Rotate, Side, Size, SpecError, TimeMask, TrivialAugmentWide, Uniform,
    catalogue, describe, map, map_drawn, simd_level,
};

/// What engines are made of and what their plans hold: for transforms that bring an engine of their
/// own, and for programs that look into plans.
pub mod plan {
    pub use tallow_core::{
        Engine, FieldMark, Mixer, Pieces, RowKey, RowSlots, Shapes, philox4x32_10, zeroed_words,
    };
    pub use tallow_transforms::plan::{
        BLUR_WEIGHTS_MAX, CHANNELS_MAX, Head, IntegerMap, NoiseKey, OPS_MAX, Op, OpCode,
        PLAN_VERSION, StagePlan,
    };
}

/// What a training program needs: `use tallow::prelude::*`.
pub mod prelude {
    pub use tallow_core::{
        Dim, Error as SourceError, Field, LastBatch, Memory, NpyFile, NpyFolders,
        Result as SourceResult, Row, RowDType, RowView, Safetensors, Sampler, Schema, Sequential,
        Shuffle, Source, SourceExt, SubsetSampler, Transform, Weighted, WithReplacement, from_fn,
    };
    pub use tallow_loader::{Auto, Batch, Loader, OnError, State};
    pub use tallow_transforms::{Augment, IMAGENET, map, map_drawn};
}
