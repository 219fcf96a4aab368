//! Where the rows of a stage from bytes to bytes come from.

use tallow_core::Run;

use super::raw::Raw;
use super::segments::Segments;
use super::select::{Chosen, Finding, Taken};
use super::view::View;
use crate::kernels::Simd;
use crate::kernels::bytes::{Columns, Lies, ROWS, copy, transpose};
use crate::kernels::math::to_u8;
use crate::kernels::nearest::{copy_colors, take_colors};
use crate::plan::{D, H, Head, StagePlan, W};

/// How rows come about.
enum Way<'a, 'm> {
    /// They are runs of the image, perhaps mirrored, and of its border.
    Segments(Segments<'a>),
    /// They are columns of the image, and none of its border.
    Columns(Turning<'a>),
    /// They are copied pixel by pixel.
    Copied,
    /// Their pixels are the nearest ones to places between them.
    Chosen(Chosen<'a, 'm, u8>),
}

/// The rows of a stage before its operations.
pub(super) struct Source<'a, 'm> {
    view: View<'a, u8>,
    way: Way<'a, 'm>,
    /// A row that does not lie in the image.
    line: &'a mut [u8],
    /// The row that is there with all its channels.
    held: Option<[i32; 2]>,
}

impl<'a, 'm> Source<'a, 'm> {
    /// The rows of `plan`, which moves pixels of `raw`; `line` has room for one, and `store` for
    /// eight.
    pub(super) fn new(
        plan: &'a StagePlan,
        raw: &Raw<'a>,
        finding: Finding<'a, 'm>,
        line: &'a mut [u8],
        store: &'a mut [u8],
    ) -> Self {
        let pixels = raw.pixels::<u8>();
        let view = View::new(raw.raster(pixels), plan);
        let way = match plan.head() {
            Head::Move if view.has_rows() => {
                let words =
                    finding.places.whole.each_mut().map(|whole| bytemuck::cast_slice_mut(whole));
                Way::Segments(Segments::of(&view, words))
            }
            Head::Move => Turning::of(&view, store).map_or(Way::Copied, Way::Columns),
            _ => {
                let part = raw.part.unwrap_or_default();
                let taken = Taken { pixels, elements: raw.elements, part };
                let apart = if view.is_interleaved() { 1 } else { plan.size[W] as usize };
                let write = (view.beside(), apart);
                let mut chosen = Chosen::new(plan, taken, write, plan.fill.map(to_u8), finding);
                chosen.pair();
                Way::Chosen(chosen)
            }
        };
        Self { view, way, line, held: None }
    }

    /// Elements of a pixel that lie side by side: all its channels, or one.
    pub(super) fn beside(&self) -> usize {
        self.view.beside()
    }

    /// Whether a row is found for all its channels at once, and anew for another row.
    pub(super) fn finds_all_channels(&self) -> bool {
        matches!(self.way, Way::Copied | Way::Chosen(_))
    }

    /// Whether [`row`](Self::row) gives rows from their last pixel to the first.
    pub(super) fn is_mirrored(&self) -> bool {
        matches!(&self.way, Way::Segments(segments) if segments.is_mirrored())
    }

    /// Bytes of a row, of one channel where channels are planes.
    fn len(&self) -> usize {
        self.view.plan.size[W] as usize * self.beside()
    }

    /// All rows, of channel `c` where channels are planes, if they lie in the image one behind the
    /// other.
    pub(super) fn contiguous(&self, c: usize) -> Option<Lies<'a>> {
        let Way::Segments(segments) = &self.way else { return None };
        let [depth, height, _] = self.view.plan.size.map(|len| len as usize);
        let follows = self.view.step(H) == self.len() as isize || height == 1;
        let slices = self.view.step(D) == (height * self.len()) as isize || depth == 1;
        let lies = follows && slices && !segments.is_mirrored();
        if !lies || !self.view.is_inside(&(0..height as i32)) {
            return None;
        }
        let Lies { bytes, first, .. } = self.view.lies(segments, [0, 0], c)?;
        Some(Lies::one(bytes, first.start..first.start + depth * height * self.len()))
    }

    /// Row `at`, (z, y), of channel `c` where channels are planes, and those behind it that are there
    /// with it.
    pub(super) fn rows(&mut self, simd: Simd, at: [i32; 2], c: usize) -> Lies<'_> {
        let len = self.len();
        match &mut self.way {
            Way::Segments(segments) => {
                if let Some(lies) = self.view.lies(segments, at, c) {
                    return lies;
                }
                let line = &mut self.line[..len];
                let rows = (at[0], at[1]..at[1] + 1);
                self.view.append(simd, segments, rows, c, &mut Run::over(line));
                return Lies::alone(line);
            }
            Way::Columns(turning) => return turning.rows(simd, &self.view, at, c),
            _ if self.held == Some(at) => {}
            Way::Copied => self.view.copy(at[0], at[1], self.line, len),
            Way::Chosen(chosen) => chosen.row(simd, at, self.line),
        }
        self.held = Some(at);
        Lies::one(self.line, c * len..(c + 1) * len)
    }

    /// Writes all rows of slice `z`, of channel `c` where channels are planes, unless they are
    /// [mirrored](Self::is_mirrored) or lie alike in the image, as [`rows`](Self::rows) gives them.
    /// Otherwise does nothing and returns `false`.
    pub(super) fn append_slice(
        &mut self,
        simd: Simd,
        z: i32,
        c: usize,
        to: &mut Run<'_, u8>,
    ) -> bool {
        match &mut self.way {
            Way::Segments(segments) if !segments.is_mirrored() => {
                let lies = self.view.lies(segments, [z, 0], c).is_some_and(|lies| lies.count > 1);
                if !lies {
                    let rows = (z, 0..self.view.plan.middle[H]);
                    self.view.append(simd, segments, rows, c, to);
                }
                !lies
            }
            Way::Chosen(chosen) => {
                (0..self.view.plan.size[H]).all(|y| append_chosen(simd, chosen, [z, y], to))
            }
            Way::Columns(turning) => {
                turning.append(simd, &self.view, z, c, to);
                true
            }
            _ => false,
        }
    }
}

/// As [`Chosen::append`], and of maps as well where pixels have three channels side by side.
fn append_chosen(
    simd: Simd,
    chosen: &mut Chosen<'_, '_, u8>,
    at: [i32; 2],
    to: &mut Run<'_, u8>,
) -> bool {
    if let Some((from, elements, fill)) = chosen.colors(simd, at) {
        copy_colors(simd, from, elements, fill, to);
        return true;
    }
    if chosen.whole() != Some(3) {
        return chosen.append(at, to);
    }
    chosen.append_row(at, to, |from, columns, to| take_colors(simd, from, columns, to));
    true
}

/// Columns on their way to be rows, a few at a time.
struct Turning<'a> {
    /// Room for as many rows as are made at once.
    rows: &'a mut [u8],
    /// Slice, channel and first row of those that are there, and how many they are.
    held: Option<([i32; 2], usize, usize)>,
}

impl<'a> Turning<'a> {
    /// Those of `view`, if its rows are columns of the raster; `rows` has room for eight.
    fn of(view: &View<'_, u8>, rows: &'a mut [u8]) -> Option<Self> {
        let is_turned = view.step(H).unsigned_abs() == view.beside() && view.beside() <= 4;
        let height = view.plan.middle[H];
        let fits = ROWS * view.width() * view.beside() <= rows.len();
        let turns = is_turned && fits && view.is_inside(&(0..height));
        turns.then_some(Self { rows, held: None })
    }

    fn rows(&mut self, simd: Simd, view: &View<'_, u8>, at: [i32; 2], c: usize) -> Lies<'_> {
        let [z, y] = at;
        let held = self.held.filter(|([slice, first], channel, count)| {
            (*slice, *channel) == (z, c) && (*first..*first + *count as i32).contains(&y)
        });
        let ([_, first], _, count) = held.unwrap_or_else(|| {
            // The last of an image with some that were made before, since fewer would be turned pixel
            // by pixel.
            let y = y.min(view.plan.middle[H] - ROWS as i32).max(0);
            let count = turn(simd, view, [z, y], c, &mut Run::over(self.rows));
            ([z, y], c, count)
        });
        self.held = Some(([z, first], c, count));
        let (row, len) = ((y - first) as usize, view.width() * view.beside());
        Lies {
            bytes: self.rows,
            first: row * len..(row + 1) * len,
            step: len as isize,
            count: count - row,
        }
    }

    /// Writes all rows of slice `z`, where they belong.
    fn append(&mut self, simd: Simd, view: &View<'_, u8>, z: i32, c: usize, to: &mut Run<'_, u8>) {
        let (height, mut y) = (view.plan.middle[H], 0);
        while y + ROWS as i32 <= height {
            y += turn(simd, view, [z, y], c, to) as i32;
        }
        if y < height {
            copy(simd, &self.rows(simd, view, [z, y], c), to);
        }
    }
}

/// Turns the rows from (z, y) on, as many as are made at once, and returns how many they are.
fn turn(
    simd: Simd,
    view: &View<'_, u8>,
    [z, y]: [i32; 2],
    c: usize,
    to: &mut Run<'_, u8>,
) -> usize {
    let count = ROWS.min((view.plan.middle[H] - y) as usize);
    let mirrored = view.step(H) < 0;
    let leftmost = if mirrored { y + count as i32 - 1 } else { y };
    let channel = if view.is_interleaved() { 0 } else { c * view.raster.channel_stride };
    let columns = Columns {
        bytes: view.raster.pixels,
        first: view.place([z, leftmost, 0]) as usize + channel,
        step: view.step(W),
        len: view.width(),
        count,
        mirrored,
    };
    match view.beside() {
        1 => transpose::<1>(simd, &columns, to),
        2 => transpose::<2>(simd, &columns, to),
        3 => transpose::<3>(simd, &columns, to),
        _ => transpose::<4>(simd, &columns, to),
    }
    count
}
