//! Plans that only choose among pixels: masks, label images, tokens. Elements are moved as they
//! are, whatever their type, and never interpolated.

use bytemuck::Pod;
use tallow_core::Run;

use super::raw::Elements;
use super::reach::Reach;
use super::taps::nearest;
use super::view::beyond;
use super::warp::Map;
use crate::kernels::Simd;
use crate::kernels::nearest::{Columns, Copied, FILL, Pairs, copy, take};
use crate::kernels::warp::{Lattice, Places, fetch};
use crate::plan::{CHANNELS_MAX, D, H, Head, Op, StagePlan, W};

impl Elements {
    /// Elements from one pixel to the next along each axis, and from one channel to the next.
    fn strides(self, size: [i32; 3]) -> ([usize; 3], usize) {
        let [depth, height, width] = size.map(|len| len as usize);
        let pixel = if self.interleaved { self.channels } else { 1 };
        let channel = if self.interleaved { 1 } else { depth * height * width };
        ([height * width * pixel, width * pixel, pixel], channel)
    }
}

/// An image that elements are taken from, or the part of one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken<'a, T> {
    pub(crate) pixels: &'a [T],
    pub(crate) elements: Elements,
    /// What of the image `pixels` are.
    pub(crate) part: Reach,
}

/// What finding places between pixels takes.
pub(crate) struct Finding<'a, 'b> {
    /// Those of an elastic map.
    pub(crate) displacements: &'a [f32],
    /// Room for the places of a row.
    pub(crate) places: &'a mut Places<'b>,
}

/// Executes the geometry of `plan` on `from` into `to`, whose channels lie as `elements` says;
/// outside of `from` is `fill`, one value per channel.
pub(crate) fn run<T: Pod>(
    simd: Simd,
    plan: &StagePlan,
    from: Taken<'_, T>,
    elements: Elements,
    to: &mut [T],
    fill: [T; CHANNELS_MAX],
    finding: Finding<'_, '_>,
) {
    let (strides, channel) = elements.strides(plan.size);
    let mut chosen = Chosen::new(plan, from, (strides[W], channel), fill, finding);
    if chosen.whole().is_some() {
        // Rows then lie one behind the other.
        let mut to = Run::over(to);
        let rows = (0..plan.size[D]).flat_map(|z| (0..plan.size[H]).map(move |y| [z, y]));
        return rows.for_each(|at| {
            chosen.append(at, &mut to);
        });
    }
    for z in 0..plan.size[D] {
        for y in 0..plan.size[H] {
            let first = z as usize * strides[D] + y as usize * strides[H];
            chosen.row(simd, [z, y], &mut to[first..]);
        }
    }
}

/// The rows of an image that a plan chooses the elements of.
pub(crate) struct Chosen<'a, 'b, T> {
    grid: Grid<'a>,
    from: &'a [T],
    fill: [T; CHANNELS_MAX],
    finding: Finding<'a, 'b>,
    /// The base of the row that was appended last.
    appended: Option<usize>,
    /// Where columns are whole pixels of the image, the same in each row: the greatest of them.
    last: Option<u32>,
    /// Whether the memory of places has [`Pairs`] of them besides.
    has_pairs: bool,
}

impl<'a, 'b, T: Pod> Chosen<'a, 'b, T> {
    /// Of a row that is written, `write` says how far it is from a pixel to the next, and from a
    /// channel to the next.
    pub(crate) fn new(
        plan: &'a StagePlan,
        from: Taken<'a, T>,
        write: (usize, usize),
        fill: [T; CHANNELS_MAX],
        finding: Finding<'a, 'b>,
    ) -> Self {
        let grid = Grid::new(plan, &from, write);
        let mut last = None;
        if grid.is_lattice() {
            // Each source axis depends on one output axis: columns are the same in every row.
            let width = plan.size[W] as usize;
            let columns: &mut [u32] = bytemuck::cast_slice_mut(finding.places.whole[0]);
            for (x, column) in columns[..width].iter_mut().enumerate() {
                *column = grid.column(grid.middle([0, 0, x as i32])[W]);
            }
            // The fill is greater than any column.
            let greatest = columns[..width].iter().copied().max();
            last = greatest.filter(|last| grid.has_whole_pixels() && *last != FILL);
        } else {
            fetch(from.pixels);
        }
        Self { grid, from: from.pixels, fill, finding, appended: None, last, has_pairs: false }
    }

    /// Channels of whole pixels, where columns are that, the same in each row.
    pub(crate) fn whole(&self) -> Option<usize> {
        self.last.map(|_| self.grid.channels)
    }

    /// Sees to it that pixels of three bytes come with [`Pairs`], if they can.
    pub(crate) fn pair(&mut self) {
        if self.whole() == Some(3) {
            let width = self.grid.plan.size[W] as usize;
            let Places { whole: [columns, starts], share } = &mut *self.finding.places;
            let columns = bytemuck::cast_slice(&columns[..width]);
            let orders = share.each_mut().map(|share| bytemuck::cast_slice_mut(share));
            self.has_pairs = Pairs::lay(columns, bytemuck::cast_slice_mut(starts), orders);
        }
    }

    /// The elements of the pixels of row (z, y), if the plan is a map and they have three channels side
    /// by side before and after it; [`FILL`] is `fill`, which comes last.
    pub(crate) fn colors(&mut self, simd: Simd, at: [i32; 2]) -> Option<(&'a [T], &[u32], [T; 3])> {
        let has_colors = self.grid.channels == 3 && self.grid.has_whole_pixels();
        if self.grid.is_lattice() || !has_colors {
            return None;
        }
        let (from, [a, b, c, ..]) = (self.from, self.fill);
        Some((from, self.elements(simd, at), [a, b, c]))
    }

    /// Writes row (z, y) behind those before it, if columns are whole pixels; otherwise does nothing
    /// and returns `false`, as for every row.
    pub(crate) fn append(&mut self, at: [i32; 2], to: &mut Run<'_, T>) -> bool {
        let Some(channels) = self.whole() else { return false };
        match channels {
            1 => self.append_row(at, to, take::<T, 1>),
            2 => self.append_row(at, to, take::<T, 2>),
            3 => self.append_row(at, to, take::<T, 3>),
            _ => self.append_row(at, to, take::<T, 4>),
        }
        true
    }

    /// Writes row (z, y), of which `pixels` appends the whole pixels of a row that begin at columns.
    pub(crate) fn append_row(
        &mut self,
        at: [i32; 2],
        to: &mut Run<'_, T>,
        pixels: impl FnOnce(&[T], &Columns<'_>, &mut Run<'_, T>),
    ) {
        let Self { grid, from, fill, finding, appended, last, has_pairs } = self;
        let width = grid.plan.size[W] as usize;
        let base = grid.base(at);
        if base.is_some() && base == *appended {
            // Where an image grows, rows come again.
            let end = to.written().len();
            return to.repeat(end - width * grid.channels..end);
        }
        *appended = base;
        match base {
            Some(base) => {
                let Places { whole: [columns, starts], share } = &*finding.places;
                let first = bytemuck::cast_slice(&columns[..width]);
                let orders = share.each_ref().map(|share| bytemuck::cast_slice(share));
                let starts = bytemuck::cast_slice(starts);
                let pairs = has_pairs.then(|| Pairs::of(width, starts, orders));
                let columns = Columns { first, last: last.unwrap_or(FILL) as usize, pairs };
                pixels(&from[base..], &columns, to);
            }
            None => (0..width).for_each(|_| to.copy(&fill[..grid.channels])),
        }
    }

    /// Writes row (z, y).
    pub(crate) fn row(&mut self, simd: Simd, [z, y]: [i32; 2], line: &mut [T]) {
        let Self { grid, from, fill, finding, .. } = self;
        if grid.is_lattice() {
            let width = grid.plan.size[W] as usize;
            let columns = bytemuck::cast_slice(&finding.places.whole[0][..width]);
            return grid.lattice_row(columns, grid.base([z, y]), from, line, *fill);
        }
        let (from, fill) = (*from, *fill);
        let how = Copied { channels: grid.channels, read: grid.read.1, write: grid.write };
        let elements = self.elements(simd, [z, y]);
        copy(simd, from, elements, how, |c| of_channel(fill, c), line);
    }

    /// The elements of row (z, y) of a map.
    fn elements(&mut self, simd: Simd, [z, y]: [i32; 2]) -> &[u32] {
        let Self { grid, from, finding, .. } = self;
        // A crop after the map chose among its slices.
        let z = grid.plan.after.offset[D] + grid.plan.after.sign[D] * z;
        let elements = finding.places.elements(grid.plan.size[W] as usize);
        let map = Map::new(grid.plan, finding.displacements);
        map.elements(simd, y, &grid.lattice(z, from), elements);
        elements
    }
}

/// Copies the box of `op` from `from` into `to`, images of one size that lie alike.
pub(crate) fn paste<T: Copy>(
    op: &Op,
    size: [i32; 3],
    elements: Elements,
    from: &[T],
    to: &mut [T],
) {
    let [top, bottom, left, right] = [0, 1, 2, 3].map(|i| op.args[i] as usize);
    let (strides, channel) = elements.strides(size);
    // Elements of a row that lie side by side.
    let runs = if elements.interleaved { 1 } else { elements.channels };
    let len = (right - left) * strides[W];
    for z in 0..size[D] as usize {
        for y in top..bottom {
            for run in 0..runs {
                let at = z * strides[D] + y * strides[H] + left * strides[W] + run * channel;
                to[at..at + len].copy_from_slice(&from[at..at + len]);
            }
        }
    }
}

/// Where elements are read and written.
struct Grid<'a> {
    plan: &'a StagePlan,
    channels: usize,
    read: ([usize; 3], usize),
    /// The place of the first element that is read.
    origin: [i32; 3],
    /// From a pixel of a row to the next, and from a channel to the next.
    write: (usize, usize),
}

impl<'a> Grid<'a> {
    fn new<T>(plan: &'a StagePlan, from: &Taken<'_, T>, write: (usize, usize)) -> Self {
        let Reach { start, end } = from.part;
        let read = from.elements.strides(std::array::from_fn(|k| end[k] - start[k]));
        let channels = from.elements.channels;
        Self { plan, channels, read, origin: start, write }
    }

    /// Elements from the first to what lies at `at` along axis `k`.
    fn offset(&self, k: usize, at: i32) -> usize {
        (at - self.origin[k]) as usize * self.read.0[k]
    }

    /// Whether each source axis depends on one output axis.
    fn is_lattice(&self) -> bool {
        !matches!(self.plan.head(), Head::Affine | Head::Perspective | Head::Elastic)
    }

    /// Whether the channels of a pixel lie side by side where they are read and where they are
    /// written, up to four.
    fn has_whole_pixels(&self) -> bool {
        let reads = self.channels == 1 || self.read.1 == 1;
        let writes = self.channels == 1 || self.write.1 == 1;
        reads && writes && self.write.0 == self.channels && (1..=4).contains(&self.channels)
    }

    /// The middle pixel of an output pixel, of a head whose axes do not meet.
    fn middle(&self, output: [i32; 3]) -> [i32; 3] {
        let plan = self.plan;
        let mut middle = plan.after.at(output);
        if plan.head() == Head::Resize {
            for k in [H, W] {
                let scale = f64::from(plan.middle[k]) / f64::from(plan.resampled[k]);
                middle[k] = nearest(middle[k], scale, plan.middle[k]);
            }
        }
        middle
    }

    /// Elements from the first to middle coordinate `at` of axis `k`; `None` is the fill.
    fn source(&self, k: usize, at: i32) -> Option<usize> {
        let plan = self.plan;
        let axis = plan.before.axis[k] as usize;
        let at = plan.before.offset[axis] + plan.before.sign[k] * at;
        let (start, end) = (plan.window_start[axis], plan.window_end[axis]);
        let inside = match (start..end).contains(&at) {
            true => Some(at),
            false => beyond(plan.border(), at - start, end - start).map(|at| start + at),
        };
        inside.map(|at| self.offset(axis, at))
    }

    fn column(&self, x: i32) -> u32 {
        self.source(W, x).map_or(FILL, |at| at as u32)
    }

    /// Where a middle row begins; `None` where all of it is the fill.
    fn base(&self, [z, y]: [i32; 2]) -> Option<usize> {
        let middle = self.middle([z, y, 0]);
        Some(self.source(D, middle[D])? + self.source(H, middle[H])?)
    }

    fn lattice_row<T: Pod>(
        &self,
        columns: &[u32],
        base: Option<usize>,
        from: &[T],
        line: &mut [T],
        fill: [T; CHANNELS_MAX],
    ) {
        for c in 0..self.channels {
            // Nothing of an image of which nothing is read is there.
            let from = from.get(base.unwrap_or(0) + c * self.read.1..).unwrap_or_default();
            let line = &mut line[c * self.write.1..];
            let fill = of_channel(fill, c);
            for (to, &column) in line.iter_mut().step_by(self.write.0).zip(columns) {
                let is_fill = column == FILL || base.is_none();
                *to = if is_fill { fill } else { from[column as usize] };
            }
        }
    }

    /// Slice `z` of a middle image without a border.
    fn lattice<'p, T>(&self, z: i32, pixels: &'p [T]) -> Lattice<'p, T> {
        let map = &self.plan.before;
        let offset = |k: usize, at: i32| (at - self.origin[k]) as isize * self.read.0[k] as isize;
        let first = map.at([z, 0, 0]);
        let step = |k: usize| map.sign[k] as isize * self.read.0[map.axis[k] as usize] as isize;
        Lattice {
            pixels,
            base: (0..3).map(|k| offset(k, first[k])).sum(),
            step: [step(H), step(W)],
            channels: self.channels,
            channel_stride: self.read.1,
            size: [self.plan.middle[H], self.plan.middle[W]],
        }
    }
}

/// The fill of a channel; images of more channels use the first for the others.
fn of_channel<T: Copy>(fill: [T; CHANNELS_MAX], channel: usize) -> T {
    fill[if channel < CHANNELS_MAX { channel } else { 0 }]
}
