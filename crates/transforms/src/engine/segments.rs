//! Rows of a middle image whose columns lie beside each other in the raster, as runs of bytes: what
//! is inside of a window is one, mirrored or not, and a border adds a few.

use std::ops::Range;

use tallow_core::Run;

use super::view::View;
use crate::kernels::Simd;
use crate::kernels::bytes::{Lies, Turn, copy_row, turn};
use crate::kernels::math::to_u8;
use crate::plan::{CHANNELS_MAX, D, H, W};

/// How the columns of a row that follow each other lie in the raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    /// They do not: they are the fill.
    Fill,
    /// All in one place, as the edge does.
    Still,
    /// One beside the other.
    Forwards,
    /// The same from the last to the first.
    Backwards,
}

/// Columns of a row that lie alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    kind: Kind,
    /// The lowest source coordinate.
    low: i32,
    len: usize,
}

/// The segments of a row, which are those of every row: a segment is two words of memory that the
/// engine has for the places of a row, of which there are as many as columns.
#[derive(Debug)]
pub(super) struct Segments<'a> {
    first: Segment,
    /// Kind and length, and where the segment lies.
    words: [&'a mut [u32]; 2],
    len: usize,
    mirror: Turn,
}

const KINDS: [Kind; 4] = [Kind::Fill, Kind::Still, Kind::Forwards, Kind::Backwards];

impl<'a> Segments<'a> {
    /// Those of `view`, whose columns lie beside each other in the raster.
    pub(super) fn of(view: &View<'_, u8>, words: [&'a mut [u32]; 2]) -> Self {
        let (axis, sign) = (view.plan.before.axis[W] as usize, view.plan.before.sign[W]);
        let at = view.plan.before.at([0, 0, view.columns[0]])[axis];
        let (width, inside) = (view.width(), view.inside(at));
        let first = Segment { kind: Kind::Fill, low: 0, len: 0 };
        let mirror = Turn::new(true, &[0, 1, 2, 3][..view.beside()]);
        let mut made = Self { first, words, len: 0, mirror };
        let mut x = 0;
        while x < width {
            let place = |x: usize| view.bordered(axis, at + sign * x as i32);
            let segment = if x == inside.start && !inside.is_empty() {
                let (kind, last) = match sign > 0 {
                    true => (Kind::Forwards, inside.start),
                    false => (Kind::Backwards, inside.end - 1),
                };
                Segment { kind, low: at + sign * last as i32, len: inside.len() }
            } else {
                let end = if x < inside.start { inside.start } else { width };
                segment_of(x..end, place)
            };
            made.push(segment);
            x += segment.len;
        }
        made
    }

    fn push(&mut self, segment: Segment) {
        if self.len == 0 {
            self.first = segment;
        }
        let [kinds, lows] = &mut self.words;
        kinds[self.len] = (segment.len as u32) << 2 | segment.kind as u32;
        lows[self.len] = segment.low as u32;
        self.len += 1;
    }

    #[inline(always)]
    fn iter(&self) -> impl Iterator<Item = Segment> {
        let [kinds, lows] = &self.words;
        kinds[..self.len].iter().zip(lows.iter()).map(|(kind, low)| Segment {
            kind: KINDS[(kind & 3) as usize],
            low: *low as i32,
            len: (kind >> 2) as usize,
        })
    }

    /// The only segment, where it is of the raster and one column beside the other.
    fn only(&self) -> Option<Segment> {
        let lies = matches!(self.first.kind, Kind::Forwards | Kind::Backwards);
        (self.len == 1 && lies).then_some(self.first)
    }

    /// Whether columns run backwards, where there is one segment.
    pub(super) fn is_mirrored(&self) -> bool {
        self.only().is_some_and(|only| only.kind == Kind::Backwards)
    }
}

/// The segment that `columns` of a border begin with, which are found by `place`.
fn segment_of(columns: Range<usize>, place: impl Fn(usize) -> Option<i32>) -> Segment {
    let start = columns.start;
    let Some(first) = place(start) else {
        return Segment { kind: Kind::Fill, low: 0, len: columns.len() };
    };
    let steps = columns.clone().skip(1).map_while(|x| Some(place(x)? - place(x - 1)?));
    let (mut step, mut len) = (0, 1);
    for next in steps {
        if len == 1 && next.abs() <= 1 {
            step = next;
        }
        if next != step {
            break;
        }
        len += 1;
    }
    let (kind, low) = match step {
        _ if len == 1 => (Kind::Forwards, first),
        0 => (Kind::Still, first),
        1 => (Kind::Forwards, first),
        _ => (Kind::Backwards, first - (len as i32 - 1)),
    };
    Segment { kind, low, len }
}

impl<'a> View<'a, u8> {
    /// How far the row (z, y) lies from where it would in the first row of the raster; `None` where
    /// all of it is the fill.
    #[inline(always)]
    fn row_offset(&self, [z, y]: [i32; 2]) -> Option<isize> {
        Some(self.axis_offset(D, z)? + self.axis_offset(H, y)?)
    }

    /// What coordinate `at` of axis `k` adds to that.
    #[inline(always)]
    fn axis_offset(&self, k: usize, at: i32) -> Option<isize> {
        let map = &self.plan.before;
        let axis = map.axis[k] as usize;
        let at = self.bordered(axis, map.offset[axis] + map.sign[k] * at)?;
        Some(self.raster.offset(axis, at))
    }

    /// Where column `low` of a row begins that is `offset` away, in channel `c` of planes.
    #[inline(always)]
    fn begins(&self, offset: isize, low: i32, c: usize) -> usize {
        let axis = self.plan.before.axis[W] as usize;
        let channel = if self.is_interleaved() { 0 } else { c * self.raster.channel_stride };
        (offset + self.raster.offset(axis, low)) as usize + channel
    }

    /// The rows of slice `z` from row `y` on, of channel `c` where channels are planes, that lie alike
    /// in the raster, perhaps mirrored. All of them do where nothing is of the border.
    pub(super) fn lies(
        &self,
        segments: &Segments<'_>,
        [z, y]: [i32; 2],
        c: usize,
    ) -> Option<Lies<'a>> {
        let Segment { low, len, .. } = segments.only()?;
        let first = self.begins(self.row_offset([z, y])?, low, c);
        let height = self.plan.middle[H];
        let count = if self.is_inside(&(0..height)) { (height - y) as usize } else { 1 };
        let first = first..first + len * self.beside();
        Some(Lies { bytes: self.raster.pixels, first, step: self.step(H), count })
    }

    /// Writes row `at`, (z, y): of whole pixels, or of channel `c` where channels are planes. Fills
    /// are rounded.
    pub(super) fn append(
        &self,
        simd: Simd,
        segments: &Segments<'_>,
        at: [i32; 2],
        c: usize,
        to: &mut Run<'_, u8>,
    ) {
        self.append_row(simd, segments, &self.still_fill(c), at, c, to);
    }

    /// The same of all rows of slice `z`.
    pub(super) fn append_slice(
        &self,
        simd: Simd,
        segments: &Segments<'_>,
        z: i32,
        c: usize,
        to: &mut Run<'_, u8>,
    ) {
        let fill = self.still_fill(c);
        simd.run(
            #[inline(always)]
            || {
                for y in 0..self.plan.middle[H] {
                    self.append_row(simd, segments, &fill, [z, y], c, to);
                }
            },
        );
    }

    #[inline(always)]
    fn append_row(
        &self,
        simd: Simd,
        segments: &Segments<'_>,
        fill: &Still,
        at: [i32; 2],
        c: usize,
        to: &mut Run<'_, u8>,
    ) {
        let Some(offset) = self.row_offset(at) else { return fill.append(self.width(), to) };
        let (pixels, beside) = (self.raster.pixels, self.beside());
        for Segment { kind, low, len } in segments.iter() {
            if kind == Kind::Fill {
                fill.append(len, to);
                continue;
            }
            let first = self.begins(offset, low, c);
            let lies = Lies::one(pixels, first..first + len * beside);
            match kind {
                Kind::Forwards => copy_row(&lies, to),
                Kind::Backwards => turn(simd, &lies, &segments.mirror, to),
                Kind::Still | Kind::Fill => {
                    Still::new(&pixels[first..][..beside]).append(len, to);
                }
            }
        }
    }

    /// The fill of a pixel, or of channel `c` where channels are planes.
    fn still_fill(&self, c: usize) -> Still {
        let pixel: [u8; CHANNELS_MAX] = std::array::from_fn(|k| to_u8(self.fill_of(c + k)));
        Still::new(&pixel[..self.beside()])
    }
}

/// A pixel that comes again and again.
struct Still {
    block: [u8; 64],
    /// Bytes of whole pixels in the block.
    kept: usize,
    /// Bytes of a pixel.
    len: usize,
}

impl Still {
    fn new(pixel: &[u8]) -> Self {
        let mut block = [pixel[0]; 64];
        if pixel.iter().any(|byte| *byte != pixel[0]) {
            block.chunks_exact_mut(pixel.len()).for_each(|to| to.copy_from_slice(pixel));
        }
        Self { block, kept: block.len() / pixel.len() * pixel.len(), len: pixel.len() }
    }

    /// Writes it `count` times. Borders are narrow: calls would take as long as their bytes.
    #[inline(always)]
    fn append(&self, count: usize, to: &mut Run<'_, u8>) {
        let mut left = count * self.len;
        while left > 0 {
            let len = left.min(self.kept);
            match to.left() >= self.block.len() {
                true => to.put(self.block, len),
                false => to.copy(&self.block[..len]),
            }
            left -= len;
        }
    }
}
