//! The engine that runs plans on the CPU, inside a loader's workers: from the raw row in the
//! worker's scratch straight into the row of the batch.

mod band;
mod blur_u8;
mod byte_rows;
mod byte_source;
mod byte_stage;
mod byte_tables;
pub(crate) mod elastic;
pub(crate) mod memory;
mod program;
pub(crate) mod raw;
pub(crate) mod reach;
mod resize_u8;
mod segments;
pub(crate) mod select;
mod separable;
mod sharpen;
mod stage;
mod statistics;
pub(crate) mod store;
mod taps;
pub(crate) mod turn;
pub(crate) mod view;
pub(crate) mod warp;
mod warp_u8;
pub(crate) mod widen;

use std::borrow::Borrow;

use half::f16;
use tallow_core::{Error, ErrorKind, Result, RowDType};

pub(crate) use self::memory::{Extents, HeadMemory, Memory};
pub(crate) use self::raw::Raw;
pub(crate) use self::reach::Reach;
pub(crate) use self::store::Output;
pub(crate) use self::turn::Turn;
use self::view::Raster;
use crate::kernels::Simd;
use crate::plan::{Head, PLAN_VERSION, StagePlan, canvas};

/// The displacements of `plan` where it is an elastic map, x and then y of a slice.
pub(crate) fn displacements<'a>(
    simd: Simd,
    plan: &StagePlan,
    memory: &mut HeadMemory<'_>,
    fields: &'a mut [f32],
) -> &'a [f32] {
    if plan.head() != Head::Elastic {
        return &[];
    }
    elastic::fields(simd, plan, memory, fields);
    elastic::used(plan, fields)
}

/// Runs `stages` on the raw image `raw`; the last writes `output`, or without one the canvas that it
/// names.
///
/// # Errors
///
/// When the plans are of another version.
pub(crate) fn run(
    simd: Simd,
    stages: impl IntoIterator<Item = impl Borrow<StagePlan>>,
    raw: &Raw<'_>,
    memory: &mut Memory<'_>,
    mut output: Option<&mut Output<'_>>,
) -> Result<()> {
    for plan in stages {
        let plan = plan.borrow();
        if plan.head() == Head::Skip {
            continue;
        }
        if plan.version != PLAN_VERSION {
            let found = plan.version;
            let message = format!("found a plan of version {found}, expected {PLAN_VERSION}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut output = if plan.to == canvas::ROW { output.as_deref_mut() } else { None };
        if plan.from == canvas::ROW {
            let plan = &*raw.stage(plan);
            if let Some(Output::U8(to)) = &mut output
                && byte_stage::run(simd, plan, raw, memory, to)
            {
                continue;
            }
            run_raw(simd, plan, raw, memory, output);
        } else {
            let from = plan.from as usize;
            let image = std::mem::take(&mut memory.canvases[from]);
            let raster = Raster::new(&*image, plan.source, raw.elements.channels, false);
            stage::run(simd, plan, raster, memory, output);
            memory.canvases[from] = image;
        }
    }
    Ok(())
}

fn run_raw(
    simd: Simd,
    plan: &StagePlan,
    raw: &Raw<'_>,
    memory: &mut Memory<'_>,
    output: Option<&mut Output<'_>>,
) {
    match raw.dtype {
        RowDType::U8 => stage::run(simd, plan, raw.raster(raw.pixels::<u8>()), memory, output),
        RowDType::U16 => stage::run(simd, plan, raw.raster(raw.pixels::<u16>()), memory, output),
        RowDType::F16 => stage::run(simd, plan, raw.raster(raw.pixels::<f16>()), memory, output),
        RowDType::F32 => stage::run(simd, plan, raw.raster(raw.pixels::<f32>()), memory, output),
        _ => {
            let image = std::mem::take(&mut memory.widened);
            let pixels = widen::widen(simd, raw, image);
            stage::run(simd, plan, raw.raster(&*pixels), memory, output);
            memory.widened = image;
        }
    }
}
