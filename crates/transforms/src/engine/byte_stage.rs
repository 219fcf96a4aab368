//! Stages from bytes to bytes whose pixels are pixels of the source: they are moved as they are and
//! looked up in a table per channel, with no number in between, or given other colours one by one.
//!
//! A flip, a crop or a quarter turn is then a move of bytes; a chain of operations on single values is
//! one table, however long it is. Rows are written where they are delivered, without a copy in
//! between. What does not differ from row to row is decided before the first: a row of 224 pixels
//! takes no longer than a few such decisions.

use std::ops::Range;

use tallow_core::{RowDType, Run};

use super::byte_source::Source;
use super::byte_tables::{LEVELS, Seen, Tables, are_tables, needs_counts, needs_sums, recolor_of};
use super::displacements;
use super::memory::Memory;
use super::raw::Raw;
use super::resize_u8::has_byte_border;
use super::select::Finding;
use super::stage::rows_of;
use super::store::Delivered;
use crate::kernels::Simd;
use crate::kernels::bytes::{Lies, Table, Turn, copy, count, look_up, look_up_pixels, plane, turn};
use crate::kernels::recolor::{Recolor, recolor};
use crate::kernels::stats::add_bytes;
use crate::plan::{CHANNELS_MAX, D, H, Head, Interpolation, StagePlan, W};

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
    let has_colors = raw.elements.interleaved && channels == 3;
    let recolor = recolor_of(plan).filter(|_| has_colors);
    let is_pointwise = recolor.is_some() || are_tables(plan, channels);
    if !(reads_bytes && fits && moves_pixels(plan) && is_pointwise) {
        return false;
    }
    let Memory { tile, store, head, fields, .. } = memory;
    let displacements = displacements(simd, plan, head, fields);
    let finding = Finding { displacements, places: &mut head.places };
    let tile: &mut [u8] = bytemuck::cast_slice_mut(tile);
    // A row each: of four bytes per element.
    let (line, scratch) = tile.split_at_mut(tile.len() / 4);
    let source = Source::new(plan, raw, finding, line, bytemuck::cast_slice_mut(store));
    let mut stage = Stage { simd, plan, channels, source, scratch };
    match recolor {
        Some(recolor) => stage.deliver(&Tables::of_pixels(recolor), to),
        None => {
            let tables = stage.tables();
            stage.deliver(&tables, to);
        }
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

/// A stage under way.
struct Stage<'a, 'm> {
    simd: Simd,
    plan: &'a StagePlan,
    channels: usize,
    source: Source<'a, 'm>,
    /// Room for three rows.
    scratch: &'a mut [u8],
}

impl Stage<'_, '_> {
    /// Bytes of a row: of all channels where they lie side by side, otherwise of one.
    fn len(&self) -> usize {
        self.plan.size[W] as usize * self.source.beside()
    }

    fn tables(&mut self) -> Tables {
        let ops = self.plan.ops();
        let seen = match needs_counts(ops) {
            true if needs_sums(ops) => self.sum(),
            true => self.count(),
            false => Seen::Nothing,
        };
        Tables::new(self.simd, self.plan, self.channels, &seen)
    }

    fn sum(&mut self) -> Seen {
        let mut sums = [0; CHANNELS_MAX];
        let simd = self.simd;
        self.look(|first, end, bytes| add_bytes(simd, bytes, &mut sums[first..end]));
        let pixels = self.plan.size.iter().map(|&len| len as u64).product();
        Seen::Sums(sums, pixels)
    }

    fn count(&mut self) -> Seen {
        let mut counts = [[0; LEVELS]; CHANNELS_MAX];
        self.look(|first, end, bytes| count(bytes, &mut counts[first..end]));
        Seen::Counts(counts)
    }

    /// Shows `each` all bytes of the channels from one to another, where they lie side by side.
    fn look(&mut self, mut each: impl FnMut(usize, usize, &[u8])) {
        let beside = self.source.beside();
        for first in (0..self.channels).step_by(beside) {
            if let Some(all) = self.source.contiguous(first) {
                all.rows().for_each(|all| each(first, first + beside, all));
                continue;
            }
            for z in 0..self.plan.size[D] {
                let mut y = 0;
                while y < self.plan.size[H] {
                    let rows = self.source.rows(self.simd, [z, y], first);
                    y += rows.count as i32;
                    rows.rows().for_each(|row| each(first, first + beside, row));
                }
            }
        }
    }

    fn deliver(&mut self, tables: &Tables, to: &mut Delivered<'_, u8>) {
        let beside = self.source.beside();
        let rows = (self.plan.size[D] * self.plan.size[H]) as usize;
        if beside > 1 && !to.is_interleaved() {
            return self.deliver_apart(tables, to);
        }
        if beside < self.channels && self.source.finds_all_channels() {
            return self.deliver_together(tables, to);
        }
        for first in (0..self.channels).step_by(beside) {
            let own = first..first + beside;
            let piece = first / beside * rows;
            let mut to = to.run(piece..piece + rows);
            self.write(&Finish::new(tables, own.clone(), self.source.is_mirrored()), &mut to);
            let slice = self.plan.size[H] as usize * self.len();
            if tables.paints() {
                let slices = to.written().chunks_exact_mut(slice.max(1));
                slices.for_each(|slice| paint(tables, self.plan, 0, &own, slice));
            }
        }
    }

    /// Writes the rows of the channels of `finish` one behind the other.
    fn write(&mut self, finish: &Finish<'_>, to: &mut Run<'_, u8>) {
        let (simd, channel) = (self.simd, finish.channel);
        if finish.passes() <= 1
            && let Some(all) = self.source.contiguous(channel)
        {
            return finish.write(simd, &all, self.scratch, to);
        }
        for z in 0..self.plan.size[D] {
            if finish.passes() == 0 && self.source.append_slice(simd, z, channel, to) {
                continue;
            }
            let mut y = 0;
            while y < self.plan.size[H] {
                let rows = self.source.rows(simd, [z, y], channel);
                y += rows.count as i32;
                finish.write(simd, &rows, self.scratch, to);
            }
        }
    }

    /// Delivers planes whose rows are found for all channels at once.
    fn deliver_together(&mut self, tables: &Tables, to: &mut Delivered<'_, u8>) {
        for (at, [z, y]) in rows_of(self.plan) {
            for c in 0..self.channels {
                let finish = Finish::new(tables, c..c + 1, false);
                let row = self.source.rows(self.simd, [z, y], finish.channel);
                let piece = c * at.rows + at.row;
                let mut to = to.run(piece..piece + 1);
                finish.write(self.simd, &row, self.scratch, &mut to);
                paint(tables, self.plan, y, &(c..c + 1), to.written());
            }
        }
    }

    /// Delivers the planes of an image whose channels lie side by side.
    fn deliver_apart(&mut self, tables: &Tables, to: &mut Delivered<'_, u8>) {
        let (simd, len, all) = (self.simd, self.len(), 0..self.channels);
        let finish = Finish::new(tables, all.clone(), self.source.is_mirrored());
        let is_kept = finish.passes() == 0 && !tables.paints();
        let third = self.scratch.len() / 3;
        let (finished, rest) = self.scratch.split_at_mut(third);
        let (channel, scratch) = rest.split_at_mut(third);
        let (finished, channel) = (&mut finished[..len], &mut channel[..len / self.channels]);
        for (at, [z, y]) in rows_of(self.plan) {
            let row = Lies { count: 1, ..self.source.rows(simd, [z, y], 0) };
            let mut pixels = &row.bytes[row.first.clone()];
            if !is_kept {
                finish.write(simd, &row, scratch, &mut Run::over(finished));
                paint(tables, self.plan, y, &all, finished);
                pixels = finished;
            }
            for c in all.clone() {
                plane(simd, pixels, self.channels, c, channel);
                to.put(c * at.rows + at.row, channel);
            }
        }
    }
}

/// Paints the boxes of the channels `channels` over `rows`, which begin with row `y` of a slice.
fn paint(tables: &Tables, plan: &StagePlan, y: i32, channels: &Range<usize>, rows: &mut [u8]) {
    let beside = channels.len();
    let len = (plan.size[W] as usize * beside).max(1);
    let first = y as usize;
    let there = first..first + rows.len() / len;
    for ([own, columns], bytes) in tables.painted(plan) {
        let own = own.start.max(there.start)..own.end.min(there.end);
        if own.is_empty() || columns.is_empty() {
            continue;
        }
        let own = &mut rows[(own.start - first) * len..(own.end - first) * len];
        for row in own.chunks_exact_mut(len) {
            let pixels = &mut row[columns.start * beside..columns.end * beside];
            match &bytes[channels.clone()] {
                [a, others @ ..] if others.iter().all(|b| b == a) => pixels.fill(*a),
                pixel => pixels.chunks_exact_mut(beside).for_each(|to| to.copy_from_slice(pixel)),
            }
        }
    }
}

/// How the pixels of rows are finished, before boxes are painted over them.
struct Finish<'t> {
    /// Where channels are planes, the one that is read.
    channel: usize,
    /// How pixels are turned, where they are mirrored or their channels change places.
    turn: Option<Turn>,
    look: Look<'t>,
}

/// The tables of a row.
enum Look<'t> {
    Kept,
    /// One for all channels.
    One(&'t Table),
    Each(&'t [Table]),
    /// None, but other colours.
    Recolored(Recolor),
}

impl<'t> Finish<'t> {
    /// Of the channels `channels`, which lie side by side, in rows that may be mirrored.
    fn new(tables: &'t Tables, channels: Range<usize>, is_mirrored: bool) -> Self {
        let order = &tables.order[channels.clone()];
        let look = match tables.of(channels.clone()) {
            None => tables.recolor.map_or(Look::Kept, Look::Recolored),
            Some([table, rest @ ..]) if rest.iter().all(|other| other == table) => Look::One(table),
            Some(own) => Look::Each(own),
        };
        let (channel, order) = match channels.len() {
            1 => (usize::from(order[0]), &[0][..]),
            _ => (0, order),
        };
        let turns = is_mirrored || !order.iter().copied().eq(0..order.len() as u8);
        Self { channel, turn: turns.then(|| Turn::new(is_mirrored, order)), look }
    }

    /// Passes over a row, but for a copy.
    fn passes(&self) -> usize {
        usize::from(!matches!(self.look, Look::Kept)) + usize::from(self.turn.is_some())
    }

    /// Writes the rows `from`; with two passes by way of `scratch`, which holds one.
    fn write(&self, simd: Simd, from: &Lies<'_>, scratch: &mut [u8], to: &mut Run<'_, u8>) {
        match (&self.turn, &self.look) {
            (None, Look::Kept) => copy(simd, from, to),
            (Some(turning), Look::Kept) => turn(simd, from, turning, to),
            (None, look) => from.rows().for_each(|row| look.up(simd, row, to)),
            (Some(turning), look) => {
                let scratch = &mut scratch[..from.first.len()];
                for row in 0..from.count {
                    turn(simd, &from.only(row), turning, &mut Run::over(scratch));
                    look.up(simd, scratch, to);
                }
            }
        }
    }
}

impl Look<'_> {
    /// Writes the row `from`.
    fn up(&self, simd: Simd, from: &[u8], to: &mut Run<'_, u8>) {
        match self {
            Look::Kept => to.copy(from),
            Look::One(table) => look_up(simd, from, table, to),
            Look::Each(tables) => look_up_pixels(simd, from, tables, to),
            Look::Recolored(how) => recolor(simd, from, *how, to),
        }
    }
}
