//! What kernels are given: the structs of `args.cuh`, `elastic.cuh` and `widen.cuh`.

use bytemuck::{Pod, Zeroable};
use tallow_core::device::Raster;

use crate::plan::{StagePlan, canvas};

/// `Picture` of `view.cuh` has this size, too.
const _: () = assert!(size_of::<Raster>() == 40);

/// The plan of `plan.cuh` has this size, too.
const _: () = assert!(size_of::<StagePlan>() == 1096);

/// No statistic is gathered: the pass makes the pixels.
pub(super) const NO_STATISTIC: u32 = u32::MAX;

/// Rows of one kind in device memory.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Rows {
    /// The address of row 0.
    pub(super) base: u64,
    pub(super) stride: u64,
}

/// One pass of one stage over an image of every row.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct StageArgs {
    pub(super) plans: Rows,
    pub(super) image: Rows,
    pub(super) output: Rows,
    pub(super) scratch: Rows,
    pub(super) canvases: [u64; canvas::COUNT],
    pub(super) fields: u64,
    pub(super) partials: u64,
    pub(super) statistics: u64,
    pub(super) kept: u64,
    pub(super) stage: u32,
    pub(super) first: u32,
    pub(super) first_output: u32,
    pub(super) channels: u32,
    pub(super) interleaved: u32,
    pub(super) output_interleaved: u32,
    pub(super) stored: u32,
    pub(super) gathers: u32,
    pub(super) mixed_only: u32,
    pub(super) tile_log2: u32,
    pub(super) shared_bytes: u32,
    pub(super) parts: u32,
    pub(super) is_picture: u32,
    pub(super) keeps: u32,
}

const _: () = assert!(size_of::<StageArgs>() == 200);

/// A raw image that is made `f32`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct WidenArgs {
    pub(super) plans: Rows,
    pub(super) image: Rows,
    pub(super) scratch: Rows,
    pub(super) to: u64,
    pub(super) elements: u64,
    pub(super) from: u32,
    pub(super) first: u32,
    pub(super) mixed_only: u32,
    pub(super) unused: u32,
}

const _: () = assert!(size_of::<WidenArgs>() == 80);

/// One stage over a field whose elements are moved.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct SelectArgs {
    pub(super) plans: Rows,
    pub(super) field: Rows,
    pub(super) output: Rows,
    pub(super) scratch: Rows,
    pub(super) canvases: [u64; 2],
    pub(super) partner: u64,
    pub(super) fields: u64,
    pub(super) fill: u64,
    pub(super) stage: u32,
    pub(super) stages: u32,
    pub(super) first_stage: u32,
    pub(super) is_partner: u32,
    pub(super) first: u32,
    pub(super) first_output: u32,
    pub(super) channels: u32,
    pub(super) interleaved: u32,
    pub(super) output_interleaved: u32,
    pub(super) fill_as: u32,
    pub(super) widens: u32,
    pub(super) shared_bytes: u32,
    pub(super) is_picture: u32,
    pub(super) unused: u32,
}

const _: () = assert!(size_of::<SelectArgs>() == 160);

/// The noise that an elastic map is displaced by.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(super) struct ElasticArgs {
    pub(super) plans: Rows,
    pub(super) scratch: Rows,
    pub(super) noise: u64,
    pub(super) plan: u64,
    pub(super) stage: u32,
    pub(super) first: u32,
    pub(super) mixed_only: u32,
    pub(super) unused: u32,
}

const _: () = assert!(size_of::<ElasticArgs>() == 64);
