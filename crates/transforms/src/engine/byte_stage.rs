//! Stages from bytes to bytes whose pixels are pixels of the source: they are moved as they are and
//! looked up in a table per channel, with no number in between.
//!
//! A flip, a crop or a quarter turn is then a move of bytes; a chain of operations on single values is
//! one table, however long it is.

use tallow_core::RowDType;

use super::byte_tables::{LEVELS, Tables, are_tables, needs_counts};
use super::displacements;
use super::memory::Memory;
use super::raw::Raw;
use super::resize_u8::has_byte_border;
use super::select::{Chosen, Finding, Taken};
use super::stage::rows_of;
use super::store::{Delivered, RowPlace};
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::bytes::{Table, Turn, count, look_up, look_up_pixels, plane, turn};
use crate::kernels::math::to_u8;
use crate::plan::{CHANNELS_MAX, H, Head, Interpolation, StagePlan, W};

/// Runs `plan` on `raw` if it is such a stage, and otherwise does nothing and returns `false`.
pub(super) fn run(
    simd: Simd,
    plan: &StagePlan,
    raw: &Raw<'_>,
    memory: &mut Memory<'_>,
    to: &mut Delivered<'_, u8>,
) -> bool {
    let channels = raw.elements.channels;
    // Planes are not put together here.
    let fits = raw.elements.interleaved || channels == 1 || !to.is_interleaved();
    let reads_bytes = raw.dtype == RowDType::U8 && raw.part.is_some();
    if !(reads_bytes && fits && moves_pixels(plan) && are_tables(plan, channels)) {
        return false;
    }
    let Memory { store, head, fields, .. } = memory;
    let displacements = displacements(simd, plan, head, fields);
    let finding = Finding { displacements, places: &mut head.places };
    let store = bytemuck::cast_slice_mut(store);
    let (line, room) = store.split_at_mut(store.len() / 4);
    let mut rows = Rows::new(plan, raw, finding, line);
    let mut counts = [[0; LEVELS]; CHANNELS_MAX];
    if needs_counts(plan.ops()) {
        rows_of(plan).for_each(|(_, place)| rows.count(simd, place, &mut counts));
    }
    let tables = Tables::new(simd, plan, channels, &counts);
    for (at, place) in rows_of(plan) {
        rows.deliver(simd, &tables, at, place, room, to);
    }
    true
}

/// Whether every pixel of the output is one of the source, or a fill that may be rounded first.
fn moves_pixels(plan: &StagePlan) -> bool {
    let moves = match plan.head() {
        Head::Move => true,
        Head::Resize | Head::Affine | Head::Perspective | Head::Elastic => {
            plan.interpolation() == Interpolation::Nearest
        }
        Head::Skip | Head::Blur | Head::Sharpen => false,
    };
    moves && (has_byte_border(plan) || plan.keeps_values())
}

/// How a row comes about.
enum Way<'a, 'm> {
    /// It lies in the image, if need be backwards.
    Straight,
    /// It is copied through a map that moves pixels.
    Copied,
    /// Its pixels are the nearest ones to places between them.
    Chosen(Chosen<'a, 'm, u8>),
}

/// The rows of a stage before its operations.
struct Rows<'a, 'm> {
    view: View<'a, u8>,
    way: Way<'a, 'm>,
    /// A row that does not lie in the image.
    line: &'a mut [u8],
    /// Channels of a piece: of pixels whose channels lie side by side all, otherwise one.
    beside: usize,
}

/// A row: one piece, or one for each channel.
struct Line<'a> {
    bytes: &'a [u8],
    /// Bytes from a piece to the next.
    apart: usize,
    mirrored: bool,
}

impl<'a, 'm> Rows<'a, 'm> {
    fn new(
        plan: &'a StagePlan,
        raw: &Raw<'a>,
        finding: Finding<'a, 'm>,
        line: &'a mut [u8],
    ) -> Self {
        let (pixels, channels) = (raw.pixels::<u8>(), raw.elements.channels);
        let view = View::new(raw.raster(pixels), plan);
        let beside = if raw.elements.interleaved { channels } else { 1 };
        let way = match plan.head() {
            Head::Move if view.is_straight(&(0..plan.middle[H])) => Way::Straight,
            Head::Move => Way::Copied,
            _ => {
                let part = raw.part.unwrap_or_default();
                let taken = Taken { pixels, elements: raw.elements, part };
                let apart = if beside == channels { 1 } else { plan.size[W] as usize };
                let fill = plan.fill.map(to_u8);
                Way::Chosen(Chosen::new(plan, taken, (beside, apart), fill, finding))
            }
        };
        Self { view, way, line, beside }
    }

    /// Bytes of a piece.
    fn len(&self) -> usize {
        self.view.plan.size[W] as usize * self.beside
    }

    fn row(&mut self, simd: Simd, [z, y]: [i32; 2]) -> Line<'_> {
        let apart = self.len();
        match &mut self.way {
            Way::Straight => {
                let rows = self.view.straight(z, y);
                let (bytes, apart) = (&rows.bytes[rows.first..], self.view.raster.channel_stride);
                return Line { bytes, apart, mirrored: self.view.is_mirrored() };
            }
            Way::Copied => self.view.copy(z, y, self.line, apart),
            Way::Chosen(chosen) => chosen.row(simd, [z, y], self.line),
        }
        Line { bytes: self.line, apart, mirrored: false }
    }

    /// Adds the levels of a row to `counts`.
    fn count(&mut self, simd: Simd, place: [i32; 2], counts: &mut [[u32; LEVELS]; CHANNELS_MAX]) {
        let (len, beside, channels) = (self.len(), self.beside, self.view.channels());
        let line = self.row(simd, place);
        for (piece, counts) in counts[..channels].chunks_mut(beside).enumerate() {
            count(&line.bytes[piece * line.apart..][..len], counts);
        }
    }

    /// Writes the row `at` of the output, (z, y).
    fn deliver(
        &mut self,
        simd: Simd,
        tables: &Tables,
        at: RowPlace,
        [z, y]: [i32; 2],
        room: &mut [u8],
        to: &mut Delivered<'_, u8>,
    ) {
        let (plan, len, beside) = (self.view.plan, self.len(), self.beside);
        let channels = self.view.channels();
        let line = self.row(simd, [z, y]);
        for first in (0..channels).step_by(beside) {
            let own = first..first + beside;
            let (order, looked) = (&tables.order[own.clone()], &tables.tables[own.clone()]);
            let piece = if beside == 1 { usize::from(order[0]) } else { 0 };
            let mut bytes = &line.bytes[piece * line.apart..][..len];
            let (turned, room) = room.split_at_mut(len);
            let (written, room) = room.split_at_mut(len);
            if line.mirrored || beside > 1 && !order.iter().copied().eq(0..beside as u8) {
                turn_pixels(simd, bytes, line.mirrored, order, turned);
                bytes = turned;
            }
            let is_painted = tables.painted(plan, y).next().is_some();
            if is_painted || !looked.iter().all(Table::is_identity) {
                match looked {
                    [table, rest @ ..] if rest.iter().all(|other| other == table) => {
                        look_up(simd, bytes, table, written);
                    }
                    _ => look_up_pixels(bytes, looked, written),
                }
                for (columns, paint) in tables.painted(plan, y) {
                    let written = &mut written[columns.start * beside..columns.end * beside];
                    let paint = paint[own.clone()].iter().cycle();
                    written.iter_mut().zip(paint).for_each(|(to, byte)| *to = *byte);
                }
                bytes = written;
            }
            if beside > 1 && !to.is_interleaved() {
                let values = &mut room[..len / channels];
                for c in 0..channels {
                    plane(simd, bytes, channels, c, values);
                    to.put(c * at.rows + at.row, values);
                }
            } else {
                to.put(first / beside * at.rows + at.row, bytes);
            }
        }
    }
}

/// Copies pixels of as many channels as `order` has.
fn turn_pixels(simd: Simd, from: &[u8], mirrored: bool, order: &[u8], to: &mut [u8]) {
    match *order {
        [a, b] => turn(simd, from, Turn { mirrored, channels: [a, b] }, to),
        [a, b, c] => turn(simd, from, Turn { mirrored, channels: [a, b, c] }, to),
        [a, b, c, d] => turn(simd, from, Turn { mirrored, channels: [a, b, c, d] }, to),
        // A plane is no more than mirrored.
        _ => turn(simd, from, Turn { mirrored, channels: [0] }, to),
    }
}
