#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[doc(no_inline)]
pub use candle_core as candle;
pub use tallow_core::{
    BatchRows, Batching, Cache, Concat, DeviceEngine, DeviceSlab, Dim, Draws, Element, Engine,
    Error, ErrorKind, Extent, Field, FieldId, FieldMark, FieldMut, FieldView, Fingerprint,
    FingerprintBuilder, FromFn, Key, LastBatch, Limits, Location, MAX_RANK, Made, Map as SourceMap,
    Memory, NpyFile, NpyFolders, NpyFoldersBuilder, Order, Pieces, Population, Purpose, Result,
    Row, RowBuffer, RowDType, RowKey, RowSlots, RowView, Run, Safetensors, Sampler, Schema,
    Sequential, Shapes, Shuffle, Source, SourceExt, Stream, Subset, SubsetSampler, Survey,
    Transform, Weighted, WithReplacement, Zip, escaped, from_fn, philox4x32_10, testing,
};
pub use tallow_loader::{
    Auto, Batch, BatchId, Batches, DeviceWork, Error as LoaderError, ErrorKind as LoaderErrorKind,
    Fault, Loader, LoaderBuilder, OnError, Plan, Report, Search, Settings, Stage, State, Step,
    Waits, Workers, keep_freed_memory,
};
pub use tallow_transforms::{
    Affine, AugMix, Augment, BLUR_WEIGHTS_MAX, Border, BoxFormat, CHANNELS_MAX, CutMix, Described,
    Elastic, EraseValue, Fields, Fill, FreqMask, GaussianNoise, Head, IMAGENET, IntegerMap,
    Interpolation, Jitter, Layout, Map, MixUp, MixUpOrCutMix, NoiseKey, Normalization, OPS_MAX, Op,
    OpCode, PLAN_VERSION, Pad, PadIfNeeded, PadOrTruncate, Perspective, Placement, Plane,
    RandAugment, RandomAffine, RandomErasing, RandomPerspective, RandomResizedCrop, RandomRotation,
    Resize, ResizedCrop, Rotate, Side, Size, SpecError, StagePlan, TimeMask, TrivialAugmentWide,
    Uniform, catalogue, describe, map, simd_level,
};

/// What a training loop needs: `use tallow::prelude::*`.
pub mod prelude {
    pub use tallow_core::{
        Field, LastBatch, Memory, NpyFile, NpyFolders, RowDType, Safetensors, Sampler, Schema,
        Source, SourceExt,
    };
    pub use tallow_loader::{Auto, Batch, Loader, OnError, State};
    pub use tallow_transforms::{Augment, IMAGENET};
}
