//! Operations on bytes as a table for each channel: what the engine's own kernels make of each of
//! the 256 levels, and so the same bits.

use std::ops::Range;

use bytemuck::Zeroable as _;

use super::memory::Tile;
use super::program::{self, Place, box_of, number_of};
use super::statistics::Statistic;
use super::store::Stored as _;
use crate::kernels::Simd;
use crate::kernels::bytes::Table;
use crate::kernels::recolor::Recolor;
use crate::kernels::stats::GraySum;
use crate::plan::{CHANNELS_MAX, Channels, OPS_MAX, Op, OpCode, StagePlan, canvas};

/// Levels of a byte.
pub(super) const LEVELS: usize = 256;

/// What a stage makes of the bytes that reach its operations. A flip has neither tables nor boxes, and
/// its rows would take no longer than to write some that do nothing.
#[derive(Debug)]
pub(super) struct Tables {
    /// The channel that each channel takes.
    pub(super) order: [u8; CHANNELS_MAX],
    /// One per channel, after that; without, bytes stay what they are.
    tables: Option<[Table; CHANNELS_MAX]>,
    /// What is painted over.
    boxes: Option<Boxes>,
    /// How whole pixels change, where nothing else is done to them.
    pub(super) recolor: Option<Recolor>,
}

/// Boxes, and the bytes of each channel in them, the last on top.
#[derive(Debug)]
struct Boxes {
    all: [(Op, [u8; CHANNELS_MAX]); OPS_MAX],
    len: usize,
}

/// What is known of all bytes of an image.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one on the stack of a stage; a box would allocate")]
pub(super) enum Seen {
    Nothing,
    /// How often each level occurs in each channel.
    Counts([[u32; LEVELS]; CHANNELS_MAX]),
    /// The sum of each channel, and the pixels.
    Sums([u64; CHANNELS_MAX], u64),
}

/// The one operation of `plan` if it is one on the colours of pixels of three channels.
pub(super) fn recolor_of(plan: &StagePlan) -> Option<Recolor> {
    let [op] = plan.ops() else { return None };
    match op.code() {
        _ if !is_stored_as_it_is(plan) => None,
        Some(OpCode::Grayscale) => Some(Recolor::Grayscale),
        Some(OpCode::Saturation) => Some(Recolor::Saturation(op.args[0])),
        _ => None,
    }
}

/// Whether the operations of `plan`, on so many channels, are tables.
pub(super) fn are_tables(plan: &StagePlan, channels: usize) -> bool {
    let ops = plan.ops();
    let is_table = |op: &Op| match op.code() {
        // Alpha and grey have no colour to change.
        Some(OpCode::Saturation | OpCode::Hue | OpCode::Grayscale) => channels < 3,
        Some(
            OpCode::Brightness
            | OpCode::Gamma
            | OpCode::Solarize
            | OpCode::Posterize
            | OpCode::Invert
            | OpCode::Affine
            | OpCode::Permute
            | OpCode::Erase
            | OpCode::Contrast
            | OpCode::Autocontrast
            | OpCode::Equalize,
        ) => true,
        _ => false,
    };
    // A statistic would have to know how much is painted over.
    let painted = ops.iter().position(|op| op.code() == Some(OpCode::Erase));
    let has_late = painted.is_some_and(|at| needs_counts(&ops[at..]));
    channels <= CHANNELS_MAX && ops.iter().all(is_table) && !has_late
}

/// Whether one of the operations looks at the whole image first.
pub(super) fn needs_counts(ops: &[Op]) -> bool {
    ops.iter().any(|op| op.code().is_some_and(|code| code.needs_statistic()))
}

/// Whether all that operations need of the whole image are the sums of its bytes.
pub(super) fn needs_sums(ops: &[Op]) -> bool {
    let is_contrast = |op: &Op| op.code() == Some(OpCode::Contrast);
    ops.first().is_some_and(is_contrast) && !needs_counts(&ops[1..])
}

/// Whether bytes stay what they are wherever they go, and where nothing is painted over them.
fn are_kept(plan: &StagePlan) -> bool {
    let mut ops = plan.ops().iter().map(Op::code);
    is_stored_as_it_is(plan)
        && ops.all(|code| matches!(code, Some(OpCode::Permute | OpCode::Erase)))
}

/// Whether the store changes nothing.
fn is_stored_as_it_is(plan: &StagePlan) -> bool {
    plan.scale == [1.0; CHANNELS_MAX] && plan.bias == [0.0; CHANNELS_MAX]
}

/// Whether all channels have one table: none is alpha, and no operation has numbers of its own for
/// each. That table is then made once, in a third of the time.
fn are_alike(plan: &StagePlan, channels: usize) -> bool {
    let is_alike = |op: &Op| match op.code() {
        // Of one channel there is no luma; of sums there is.
        Some(OpCode::Contrast) => needs_sums(plan.ops()),
        Some(OpCode::Affine | OpCode::Autocontrast | OpCode::Equalize) | None => false,
        Some(_) => true,
    };
    let is_one = |numbers: &Channels| numbers.iter().all(|number| *number == numbers[0]);
    let stores_alike = is_one(&plan.scale) && is_one(&plan.bias);
    channels % 2 == 1 && stores_alike && plan.ops().iter().all(is_alike)
}

/// A few values of each channel, which go through the operations side by side.
struct Values<const N: usize>([f32; N], usize);

impl<const N: usize> Values<N> {
    fn tile(&mut self) -> Tile<'_> {
        let stride = N / CHANNELS_MAX;
        Tile { values: &mut self.0, stride, width: stride, channels: self.1 }
    }

    /// Those of channel `c`, stored.
    fn stored<const W: usize>(&mut self, simd: Simd, plan: &StagePlan, c: usize) -> [u8; W] {
        let mut bytes = [0; W];
        u8::store(simd, &mut bytes, self.tile().plane_ref(c), plan.scale[c], plan.bias[c]);
        bytes
    }
}

impl Tables {
    /// What leaves every byte as it is.
    fn nothing() -> Self {
        Self { order: std::array::from_fn(|c| c as u8), tables: None, boxes: None, recolor: None }
    }

    /// No tables, but a change of whole pixels.
    pub(super) fn of_pixels(recolor: Recolor) -> Self {
        Self { recolor: Some(recolor), ..Self::nothing() }
    }

    /// The tables of `plan` on so many channels of an image of which they know what they need.
    pub(super) fn new(simd: Simd, plan: &StagePlan, channels: usize, seen: &Seen) -> Self {
        let mut made = Self::nothing();
        if plan.keeps_values() {
            return made;
        }
        let computed = match (are_kept(plan), are_alike(plan, channels)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => channels,
        };
        let mut levels = Values::<{ LEVELS * CHANNELS_MAX }>([0.0; _], computed);
        let mut painted = Values::<{ OPS_MAX * CHANNELS_MAX }>([0.0; _], channels);
        for plane in levels.0.chunks_exact_mut(LEVELS).take(computed) {
            plane.iter_mut().enumerate().for_each(|(x, value)| *value = x as f32);
        }
        let canvases: [&mut [f32]; canvas::COUNT] = Default::default();
        let place = Place { plan, z: 0, y: 0, canvases: &canvases };
        for op in plan.ops() {
            match op.code() {
                Some(OpCode::Erase) => {
                    made.paint(op, &mut painted.tile());
                    continue;
                }
                Some(OpCode::Permute) => made.permute(op, channels),
                _ => {}
            }
            let statistic = Statistic::of(op).map(|mut statistic| {
                match seen {
                    Seen::Nothing => {}
                    Seen::Counts(counts) => {
                        let counts = made.order.map(|c| &counts[usize::from(c)]);
                        statistic.add_counted(simd, op, &levels.tile(), &counts);
                    }
                    Seen::Sums(sums, pixels) => {
                        statistic = Statistic::Gray(GraySum::of_bytes(&sums[..channels], *pixels));
                    }
                }
                statistic.settle(op)
            });
            // Levels that are alike change no places.
            if computed > 1 || computed == 1 && op.code() != Some(OpCode::Permute) {
                program::run(simd, op, statistic.as_ref(), &place, &mut levels.tile());
            }
            if made.paints() {
                program::run(simd, op, statistic.as_ref(), &place, &mut painted.tile());
            }
        }
        let mut table = |c| Table::new(levels.stored(simd, plan, c));
        made.tables = match computed {
            0 => None,
            1 => Some([table(0); CHANNELS_MAX]),
            _ => {
                Some(std::array::from_fn(|c| if c < computed { table(c) } else { Table::IDENTITY }))
            }
        };
        if let Some(boxes) = &mut made.boxes {
            for c in 0..channels {
                let stored: [u8; OPS_MAX] = painted.stored(simd, plan, c);
                boxes.all.iter_mut().zip(stored).for_each(|(painted, byte)| painted.1[c] = byte);
            }
        }
        made
    }

    /// Notes the box of `op`, and its values in the next column of `painted`.
    fn paint(&mut self, op: &Op, painted: &mut Tile<'_>) {
        let nothing = (Op::zeroed(), [0; CHANNELS_MAX]);
        let boxes = self.boxes.get_or_insert(Boxes { all: [nothing; OPS_MAX], len: 0 });
        for c in 0..painted.channels {
            if let Some(number) = number_of(op, c) {
                painted.plane(c)[boxes.len] = op.args[CHANNELS_MAX + number];
            }
        }
        boxes.all[boxes.len].0 = *op;
        boxes.len += 1;
    }

    fn permute(&mut self, op: &Op, channels: usize) {
        let before = self.order;
        for (c, order) in self.order.iter_mut().enumerate().take(channels) {
            *order = before[op.args[c] as usize];
        }
    }

    /// The tables of the channels `channels`, if bytes do not stay what they are.
    pub(super) fn of(&self, channels: Range<usize>) -> Option<&[Table]> {
        let tables = &self.tables.as_ref()?[channels];
        (!tables.iter().all(Table::is_identity)).then_some(tables)
    }

    /// Whether anything is painted over.
    pub(super) fn paints(&self) -> bool {
        self.boxes.is_some()
    }

    /// What is painted over, the last on top: rows and columns of an image, and the bytes of each
    /// channel.
    pub(super) fn painted(
        &self,
        plan: &StagePlan,
    ) -> impl Iterator<Item = ([Range<usize>; 2], [u8; CHANNELS_MAX])> {
        let boxes = self.boxes.iter().flat_map(|boxes| &boxes.all[..boxes.len]);
        boxes.map(|(op, bytes)| (box_of(plan, op), *bytes))
    }
}
