//! One stage of a plan: pixels are found, go through the program, and are stored, a row at a time.

use super::blur_u8::BlurU8;
use super::displacements;
use super::memory::{HeadMemory, Memory, Tile};
use super::program::{self, Place};
use super::resize_u8::{self, ResizeU8};
use super::separable::Separable;
use super::sharpen::Sharpen;
use super::statistics::Statistic;
use super::store::{Output, RowPlace};
use super::view::{Raster, View};
use super::warp::{self, Map};
use super::warp_u8::{self, WarpU8};
use crate::kernels::Simd;
use crate::kernels::convert::Pixel;
use crate::kernels::warp::{Places, fetch};
use crate::plan::{D, H, Head, Op, StagePlan, W};

/// How the rows of a stage come about.
enum Rows<'a> {
    Move,
    Separable(Separable<'a>),
    ResizeU8(ResizeU8<'a>),
    BlurU8(BlurU8<'a>),
    Sharpen(Sharpen<'a>),
    Warp { map: Map<'a>, places: Places<'a> },
    WarpU8(WarpU8<'a>),
}

impl<'a> Rows<'a> {
    fn prepare<T: Pixel>(
        simd: Simd,
        plan: &'a StagePlan,
        view: &View<'_, T>,
        memory: &'a mut HeadMemory<'_>,
        fields: &'a mut [f32],
    ) -> Self {
        if let Some(bytes) = view.bytes().filter(|_| resize_u8::is_integer(plan)) {
            return match plan.head() {
                Head::Blur => Self::BlurU8(BlurU8::prepare(plan, &bytes, memory)),
                _ => Self::ResizeU8(ResizeU8::prepare(simd, plan, &bytes, memory)),
            };
        }
        match plan.head() {
            Head::Skip | Head::Move => Self::Move,
            Head::Resize | Head::Blur => Self::Separable(Separable::prepare(plan, memory)),
            Head::Sharpen => Self::Sharpen(Sharpen::prepare(memory)),
            Head::Affine | Head::Perspective | Head::Elastic => {
                let map = Map::new(plan, displacements(simd, plan, memory, fields));
                fetch(view.raster.pixels);
                let places = memory.places.lend();
                match view.bytes().is_some() && warp_u8::is_integer(plan) {
                    true => Self::WarpU8(WarpU8::new(map, places)),
                    false => Self::Warp { map, places },
                }
            }
        }
    }

    /// Output row (z, y) into `tile`.
    fn make<T: Pixel>(
        &mut self,
        simd: Simd,
        plan: &StagePlan,
        view: &View<'_, T>,
        [z, y]: [i32; 2],
        tile: &mut Tile<'_>,
    ) {
        match self {
            Self::Move => view.row(simd, z, y, tile.values, tile.stride),
            Self::Separable(separable) => {
                let z = plan.after.offset[D] + plan.after.sign[D] * z;
                separable.row(simd, view, [z, y], tile);
            }
            Self::ResizeU8(resize) => {
                let z = plan.after.offset[D] + plan.after.sign[D] * z;
                // Those that were prepared had bytes.
                if let Some(bytes) = view.bytes() {
                    resize.row(simd, &bytes, [z, y], tile);
                }
            }
            Self::BlurU8(blur) => {
                if let Some(bytes) = view.bytes() {
                    blur.row(simd, &bytes, [z, y], tile);
                }
            }
            Self::Sharpen(sharpen) => sharpen.row(simd, plan, view, [z, y], tile),
            Self::Warp { map, places } => {
                let z = plan.after.offset[D] + plan.after.sign[D] * z;
                warp::sample(simd, *map, view, [z, y], places, tile);
            }
            Self::WarpU8(warp) => {
                if let Some(bytes) = view.bytes() {
                    warp.row(simd, plan, &bytes, [z, y], tile);
                }
            }
        }
    }
}

/// Executes `plan` on `raster`, in one pass, and one more for each statistic.
///
/// Operations up to one that needs a statistic see the whole image first; it is kept as it is
/// then, and the next pass begins from there. Nothing is computed twice.
pub(crate) fn run<T: Pixel>(
    simd: Simd,
    plan: &StagePlan,
    raster: Raster<'_, T>,
    memory: &mut Memory<'_>,
    mut output: Option<&mut Output<'_>>,
) {
    let view = View::new(raster, plan);
    let Memory { tile, stride, store, head, canvases, seen, fields, .. } = memory;
    let mut rows = Rows::prepare(simd, plan, &view, head, fields);
    if let (Some(Output::U8(to)), Some(view)) = (&mut output, view.bytes()) {
        let is_delivered = match &mut rows {
            Rows::ResizeU8(resize) => resize.deliver(simd, plan, &view, store, to),
            Rows::BlurU8(blur) => blur.deliver(simd, &view, store, to),
            Rows::WarpU8(warp) => warp.deliver(simd, plan, &view, store, to),
            Rows::Sharpen(sharpen) => sharpen.deliver(simd, plan, &view, store, to),
            _ => false,
        };
        if is_delivered {
            return;
        }
    }
    let width = plan.size[W] as usize;
    let mut tile = Tile { values: tile, stride: *stride, width, channels: raster.channels };
    let ops = plan.ops();
    let (mut start, mut statistic) = (0, None);
    loop {
        let end = next_statistic(ops, start + usize::from(statistic.is_some()));
        let mut gathered = ops.get(end).and_then(Statistic::of);
        for (row, [z, y]) in rows_of(plan) {
            if statistic.is_some() {
                load_row(seen, row, &mut tile);
            } else {
                rows.make(simd, plan, &view, [z, y], &mut tile);
            }
            let place = Place { plan, z, y, canvases };
            for (i, op) in ops[start..end].iter().enumerate() {
                program::run(simd, op, statistic.as_ref().filter(|_| i == 0), &place, &mut tile);
            }
            match (&mut gathered, &mut output) {
                (Some(gathered), _) => {
                    gathered.add(simd, &ops[end], &mut tile);
                    keep_row(&tile, row, seen);
                }
                (None, Some(output)) => output.write(simd, plan, row, &tile, store),
                (None, None) => keep_row(&tile, row, canvases[plan.to as usize]),
            }
        }
        let Some(gathered) = gathered else { return };
        (start, statistic) = (end, Some(gathered.settle(&ops[end])));
    }
}

/// The index of the first operation from `start` on that needs a statistic, or the end.
fn next_statistic(ops: &[Op], start: usize) -> usize {
    let needs = |op: &Op| op.code().is_some_and(|code| code.needs_statistic());
    (start..ops.len()).find(|&at| needs(&ops[at])).unwrap_or(ops.len())
}

/// The rows that `plan` writes, with their slice and their height in it.
pub(super) fn rows_of(plan: &StagePlan) -> impl Iterator<Item = (RowPlace, [i32; 2])> + use<> {
    let (depth, height) = (plan.size[D], plan.size[H]);
    let rows = (depth * height) as usize;
    let row =
        move |row: usize| (RowPlace { row, rows }, [row as i32 / height, row as i32 % height]);
    (0..rows).map(row)
}

/// Copies a row into an image of one plane per channel.
fn keep_row(tile: &Tile<'_>, at: RowPlace, image: &mut [f32]) {
    for c in 0..tile.channels {
        let from = (c * at.rows + at.row) * tile.width;
        image[from..from + tile.width].copy_from_slice(tile.plane_ref(c));
    }
}

fn load_row(image: &[f32], at: RowPlace, tile: &mut Tile<'_>) {
    let width = tile.width;
    for c in 0..tile.channels {
        let from = (c * at.rows + at.row) * width;
        tile.plane(c).copy_from_slice(&image[from..from + width]);
    }
}
