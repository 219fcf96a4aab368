//! Rows of a middle image whose columns lie beside each other in the raster, as runs of bytes: what
//! is inside of a window is one, mirrored or not, and a border adds a few.

use std::ops::Range;

use tallow_core::Run;

use super::view::View;
use crate::kernels::Simd;
use crate::kernels::bytes::{Lies, Turn, turn};
use crate::kernels::math::to_u8;
use crate::plan::{D, H, W};

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
}

const KINDS: [Kind; 4] = [Kind::Fill, Kind::Still, Kind::Forwards, Kind::Backwards];

impl<'a> Segments<'a> {
    /// Those of `view`, whose columns lie beside each other in the raster.
    pub(super) fn of(view: &View<'_, u8>, words: [&'a mut [u32]; 2]) -> Self {
        let (axis, sign) = (view.plan.before.axis[W] as usize, view.plan.before.sign[W]);
        let at = view.plan.before.at([0, 0, view.columns[0]])[axis];
        let (width, inside) = (view.width(), view.inside(at));
        let first = Segment { kind: Kind::Fill, low: 0, len: 0 };
        let mut made = Self { first, words, len: 0 };
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
    fn row_offset(&self, [z, y]: [i32; 2]) -> Option<isize> {
        let map = &self.plan.before;
        let offset = |k: usize, at: i32| {
            let axis = map.axis[k] as usize;
            let at = self.bordered(axis, map.offset[axis] + map.sign[k] * at)?;
            Some(self.raster.offset(axis, at))
        };
        Some(offset(D, z)? + offset(H, y)?)
    }

    /// Where column `low` of a row begins that is `offset` away, in channel `c` of planes.
    fn begins(&self, offset: isize, low: i32, c: usize) -> usize {
        let axis = self.plan.before.axis[W] as usize;
        let channel = if self.is_interleaved() { 0 } else { c * self.raster.channel_stride };
        (offset + self.raster.offset(axis, low)) as usize + channel
    }

    /// Row `at`, (z, y), of channel `c` where channels are planes, if it lies in the raster, perhaps
    /// backwards.
    pub(super) fn lies(&self, segments: &Segments<'_>, at: [i32; 2], c: usize) -> Option<Lies<'a>> {
        let Segment { low, len, .. } = segments.only()?;
        let first = self.begins(self.row_offset(at)?, low, c);
        Some(Lies { bytes: self.raster.pixels, range: first..first + len * self.beside() })
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
        let offset = self.row_offset(at);
        let Some(offset) = offset else { return self.append_fill(self.width(), c, to) };
        for Segment { kind, low, len } in segments.iter() {
            let len_bytes = len * self.beside();
            let first = || self.begins(offset, low, c);
            let pixels = self.raster.pixels;
            match kind {
                Kind::Fill => self.append_fill(len, c, to),
                Kind::Still => append_pixel(&pixels[first()..][..self.beside()], len, to),
                Kind::Forwards => to.copy(&pixels[first()..][..len_bytes]),
                Kind::Backwards => {
                    let range = first()..first() + len_bytes;
                    mirror(simd, Lies { bytes: pixels, range }, self.beside(), to);
                }
            }
        }
    }

    fn append_fill(&self, len: usize, c: usize, to: &mut Run<'_, u8>) {
        if !self.is_interleaved() {
            return to.fill(to_u8(self.fill_of(c)), len);
        }
        let fill = self.plan.fill.map(to_u8);
        match fill.get(..self.raster.channels) {
            Some(fill) => append_pixel(fill, len, to),
            None => {
                let pixel = (0..self.raster.channels).map(|c| to_u8(self.fill_of(c)));
                (0..len).for_each(|_| to.extend(pixel.clone().map(|x| [x])));
            }
        }
    }
}

/// Writes `pixel` `len` times.
fn append_pixel(pixel: &[u8], len: usize, to: &mut Run<'_, u8>) {
    match *pixel {
        [a, ref others @ ..] if others.iter().all(|b| *b == a) => to.fill(a, len * pixel.len()),
        [a, b] => to.extend(std::iter::repeat_n([a, b], len)),
        [a, b, c] => to.extend(std::iter::repeat_n([a, b, c], len)),
        [a, b, c, d] => to.extend(std::iter::repeat_n([a, b, c, d], len)),
        _ => (0..len).for_each(|_| to.copy(pixel)),
    }
}

/// Writes pixels of `channels` bytes from the last to the first.
pub(super) fn mirror(simd: Simd, from: Lies<'_>, channels: usize, to: &mut Run<'_, u8>) {
    match channels {
        1 => turn(simd, from, Turn { mirrored: true, channels: [0] }, to),
        2 => turn(simd, from, Turn { mirrored: true, channels: [0, 1] }, to),
        3 => turn(simd, from, Turn { mirrored: true, channels: [0, 1, 2] }, to),
        4 => turn(simd, from, Turn { mirrored: true, channels: [0, 1, 2, 3] }, to),
        _ => from.row().rchunks_exact(channels).for_each(|pixel| to.copy(pixel)),
    }
}
