//! Elements of a sample as a picture: which axes are shown, and which values are black and white.

use std::fmt;

use tallow::{Layout, RowDType};

use crate::data::numbers::{self, Range};
use crate::pictures::picture::{Colour, Picture, WHITE};

/// The elements of one field of one sample. They are not copied, because a sample may be as large
/// as memory and its picture is small.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    bytes: &'a [u8],
    dtype: RowDType,
    layout: Layout,
    /// The least and the greatest number; 0 and 0 if there is none.
    range: (f32, f32),
    /// Length and stride, in elements, of the axes of channels, depth, rows, and columns or time.
    axes: [(usize, usize); 4],
}

/// How values become colours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Tones {
    /// The lower value and everything below is black, the upper one and everything above is white.
    Between(f32, f32),
    /// Each value is a class with its own colour.
    Classes,
}

impl<'a> Values<'a> {
    /// The elements in `bytes`, in the byte order of the machine.
    ///
    /// # Errors
    ///
    /// A message, if they cannot be shown.
    pub(crate) fn new(
        bytes: &'a [u8],
        dtype: RowDType,
        shape: &[usize],
        layout: Layout,
    ) -> Result<Self, String> {
        let range = Range::of(bytes, dtype).ok_or_else(|| format!("{dtype} cannot be shown"))?;
        let range = range.ends().map_or((0.0, 0.0), |ends| (ends.0 as f32, ends.1 as f32));
        if layout.rank() != shape.len() {
            return Err(format!("found shape {shape:?}, expected the axes of {layout}"));
        }
        let elements = bytes.len() / dtype.size();
        if elements == 0 || elements != shape.iter().product::<usize>() {
            return Err(format!("found {elements} elements of shape {shape:?}"));
        }
        let mut axes = [(1, 0); 4];
        let mut stride = 1;
        for (axis, &len) in layout.as_str().chars().rev().zip(shape.iter().rev()) {
            axes["cdh".find(axis).unwrap_or(3)] = (len, stride);
            stride *= len;
        }
        Ok(Self { bytes, dtype, layout, range, axes })
    }

    fn is_signal(&self) -> bool {
        self.layout.as_str().contains('t')
    }

    /// The element at this channel, depth, row, and column or time.
    fn at(&self, place: [usize; 4]) -> f32 {
        let offsets = self.axes.iter().zip(place).map(|((_, stride), at)| stride * at);
        numbers::at(self.bytes, self.dtype, offsets.sum())
    }

    /// The picture, reduced to at most `side` pixels per side, and notes for its caption.
    pub(crate) fn picture(&self, tones: Tones, side: usize) -> (Picture, Vec<String>) {
        if self.is_signal() {
            return (self.wave(tones), Vec::new());
        }
        let [channels, depth, height, width] = self.axes.map(|(len, _)| len);
        let slice = depth / 2;
        let times = width.max(height).div_ceil(side);
        let picture = Picture::reduced(width, height, times, |x, y| {
            let value = |channel| self.at([channel, slice, y, x]);
            match tones {
                Tones::Classes => class_colour(value(0)),
                Tones::Between(low, high) => {
                    colour(channels, [x, y], |channel| tone(value(channel), low, high))
                }
            }
        });
        let mut said = Vec::new();
        match channels {
            _ if depth > 1 => said.push(format!("slice {slice} of {depth}")),
            0..=4 => {}
            _ => said.push(format!("channel 0 of {channels}")),
        }
        if times > 1 {
            said.push(format!("at 1/{times}"));
        }
        (picture, said)
    }

    /// A signal as the range of its values in each column, with its channels one below the other.
    fn wave(&self, tones: Tones) -> Picture {
        const WIDTH: usize = 256;
        const HEIGHT: usize = 64;
        const INK: Colour = [20, 70, 140];
        let (low, high) = match tones {
            Tones::Between(low, high) => (low, high),
            Tones::Classes => self.range,
        };
        let [channels, _, _, time] = self.axes.map(|(len, _)| len);
        let channels = channels.min(4);
        let row = |value| HEIGHT - 1 - usize::from(tone(value, low, high)) * (HEIGHT - 1) / 255;
        let mut picture = Picture::filled(WIDTH, HEIGHT * channels, WHITE);
        for channel in 0..channels {
            for x in 0..WIDTH {
                let (first, end) = (x * time / WIDTH, ((x + 1) * time).div_ceil(WIDTH));
                let rows = (first..end).map(|t| row(self.at([channel, 0, 0, t])));
                let (top, bottom) =
                    rows.fold((HEIGHT, 0), |(top, bottom), y| (top.min(y), bottom.max(y)));
                let ink = Picture::filled(1, bottom + 1 - top.min(bottom), INK);
                picture.paste(&ink, x, channel * HEIGHT + top.min(bottom));
            }
        }
        picture
    }
}

/// Which values are black and white in a sample, and in views of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposure {
    /// The values that a picture of the field may have.
    admitted: (f32, f32),
    tones: (f32, f32),
}

impl Exposure {
    /// The exposure of a sample as it is read. Values within the range of the element type are
    /// shown in that range, or up to their largest if all of them would be dark, like 12 bits in
    /// 16. Otherwise they are shown from the least to the greatest.
    pub(crate) fn of(values: &Values<'_>, dtype: RowDType) -> Self {
        let (least, greatest) = values.range;
        let Some(max) = white(dtype).filter(|max| least >= 0.0 && greatest <= *max) else {
            return Self { admitted: (least, greatest), tones: (least, greatest) };
        };
        let is_dark = greatest < max / 4.0 && greatest > 0.0;
        let white = if is_dark { greatest } else { max };
        Self { admitted: (0.0, max), tones: (0.0, white) }
    }

    /// The same for views, in which values of type `raw` are delivered as `delivered`.
    pub(crate) fn delivered(self, raw: RowDType, delivered: RowDType) -> Self {
        let (Some(from), Some(to)) = (white(raw), white(delivered)) else { return self };
        let scale = |(low, high): (f32, f32)| (low * to / from, high * to / from);
        Self { admitted: scale(self.admitted), tones: scale(self.tones) }
    }

    /// What is black and white in one picture. Values outside what the field may have, such as
    /// normalised ones, are shown from the least to the greatest.
    pub(crate) fn tones(self, values: &Values<'_>) -> Tones {
        // Interpolation may overshoot by this much, which is cut off as it is in bytes.
        const OVERSHOOT: f32 = 0.05;
        let (least, greatest) = values.range;
        let (low, high) = self.admitted;
        let slack = (high - low) * OVERSHOOT;
        if least >= low - slack && greatest <= high + slack {
            return Tones::Between(self.tones.0, self.tones.1);
        }
        Tones::Between(least, greatest)
    }
}

/// Says what is black and white.
impl fmt::Display for Tones {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Between(low, high) => write!(f, "shown {}..{}", short(*low), short(*high)),
            Self::Classes => f.write_str("classes"),
        }
    }
}

impl Tones {
    /// Whether they are those of the element type, which need no mention.
    pub(crate) fn are_of(self, dtype: RowDType) -> bool {
        match self {
            Self::Between(low, high) => low == 0.0 && Some(high) == white(dtype),
            Self::Classes => true,
        }
    }
}

/// At most three digits after the point.
fn short(value: f32) -> f32 {
    (value * 1000.0).round() / 1000.0
}

/// The value that is white in images of this type.
pub(crate) fn white(dtype: RowDType) -> Option<f32> {
    match dtype {
        RowDType::U8 => Some(255.0),
        RowDType::U16 => Some(65535.0),
        RowDType::F16 | RowDType::BF16 | RowDType::F32 | RowDType::F64 => Some(1.0),
        _ => None,
    }
}

fn tone(value: f32, low: f32, high: f32) -> u8 {
    let range = if high > low { high - low } else { 1.0 };
    ((value - low) / range * 255.0).round().clamp(0.0, 255.0) as u8
}

/// The colour of a pixel of gray, gray and alpha, RGB, or RGB and alpha.
fn colour(channels: usize, place: [usize; 2], tone: impl Fn(usize) -> u8) -> Colour {
    match channels {
        2 => over([tone(0); 3], tone(1), place),
        3 => [tone(0), tone(1), tone(2)],
        4 => over([tone(0), tone(1), tone(2)], tone(3), place),
        _ => [tone(0); 3],
    }
}

/// A transparent colour over a checkered background.
fn over(colour: Colour, alpha: u8, [x, y]: [usize; 2]) -> Colour {
    let ground = if (x / 4 + y / 4) % 2 == 0 { 170 } else { 220 };
    let alpha = u32::from(alpha);
    colour.map(|value| ((u32::from(value) * alpha + ground * (255 - alpha) + 127) / 255) as u8)
}

/// Class 0 is black, and 255, which many data sets ignore, is white. Of the others, consecutive
/// classes are far apart in hue.
fn class_colour(value: f32) -> Colour {
    const GOLDEN: f32 = 0.618_034;
    match value.round() {
        0.0 => [0; 3],
        255.0 => WHITE,
        class => {
            let hue = (class * GOLDEN).rem_euclid(1.0) * 6.0;
            // The three edges of the hue circle, brightened so that blue differs from black.
            let part = |shift: f32| ((hue + shift).rem_euclid(6.0) - 3.0).abs() - 1.0;
            [0.0, 4.0, 2.0].map(|shift| (part(shift).clamp(0.0, 1.0) * 200.0) as u8 + 55)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::picture::BLACK;

    const SIDE: usize = 256;

    fn floats<'a>(elements: &'a [f32], shape: &[usize], layout: Layout) -> Values<'a> {
        Values::new(bytemuck::cast_slice(elements), RowDType::F32, shape, layout).unwrap()
    }

    fn shown(values: &Values<'_>, dtype: RowDType) -> Tones {
        Exposure::of(values, dtype).tones(values)
    }

    #[test]
    fn planes_and_pixels_are_the_same_picture() {
        let planes = [0.0, 1.0, 0.2, 0.4, 0.6, 0.8];
        let planes = floats(&planes, &[3, 1, 2], Layout::Chw);
        let pixels = floats(&[0.0, 0.2, 0.6, 1.0, 0.4, 0.8], &[1, 2, 3], Layout::Hwc);
        let tones = Tones::Between(0.0, 1.0);
        assert_eq!(planes.picture(tones, SIDE), pixels.picture(tones, SIDE));
        assert_eq!(planes.picture(tones, SIDE).0.at(1, 0), [255, 102, 204]);
    }

    #[test]
    fn what_is_white_depends_on_the_values_where_the_type_would_hide_them() {
        let digits = Values::new(&[0, 7, 16], RowDType::U8, &[1, 3], Layout::Hw).unwrap();
        assert_eq!(shown(&digits, RowDType::U8), Tones::Between(0.0, 16.0));
        let bright = Values::new(&[0, 7, 200], RowDType::U8, &[1, 3], Layout::Hw).unwrap();
        assert_eq!(shown(&bright, RowDType::U8), Tones::Between(0.0, 255.0));
        let scan = floats(&[-1000.0, 40.0, 2000.0], &[1, 3], Layout::Hw);
        assert_eq!(shown(&scan, RowDType::F32), Tones::Between(-1000.0, 2000.0));
        let nothing = floats(&[f32::NAN; 2], &[1, 2], Layout::Hw);
        assert_eq!(nothing.picture(shown(&nothing, RowDType::F32), SIDE).0.at(0, 0), BLACK);
    }

    #[test]
    fn views_are_shown_as_their_sample_is_unless_they_have_other_values() {
        let digits = Values::new(&[0, 7, 16], RowDType::U8, &[1, 3], Layout::Hw).unwrap();
        let of_views = Exposure::of(&digits, RowDType::U8).delivered(RowDType::U8, RowDType::F32);
        let view = floats(&[0.0, 0.01], &[1, 2], Layout::Hw);
        assert_eq!(of_views.tones(&view), Tones::Between(0.0, 16.0 / 255.0));
        let normalised = floats(&[-2.0, 0.5], &[1, 2], Layout::Hw);
        assert_eq!(of_views.tones(&normalised), Tones::Between(-2.0, 0.5));
        assert_eq!(of_views.tones(&normalised).to_string(), "shown -2..0.5");
    }

    #[test]
    fn signals_and_volumes_have_a_picture() {
        let wave = floats(&[0.0, 1.0, 0.0, 1.0], &[2, 2], Layout::Ct);
        let (picture, _) = wave.picture(Tones::Between(0.0, 1.0), SIDE);
        assert_eq!((picture.width(), picture.height()), (256, 128));
        let volume = floats(&[0.0, 0.0, 1.0, 0.0], &[2, 1, 2], Layout::Dhw);
        let (picture, said) = volume.picture(Tones::Between(0.0, 1.0), SIDE);
        assert_eq!((picture.at(0, 0), picture.at(1, 0)), (WHITE, BLACK));
        assert_eq!(said, ["slice 1 of 2"]);
    }

    #[test]
    fn a_large_image_is_reduced_to_the_means_of_its_squares() {
        let line: Vec<f32> = (0..1000).map(|x| (x % 2) as f32).collect();
        let (picture, said) =
            floats(&line, &[1, 1000], Layout::Hw).picture(Tones::Between(0.0, 1.0), SIDE);
        assert_eq!((picture.width(), picture.height(), picture.at(7, 0)), (250, 1, [128; 3]));
        assert_eq!(said, ["at 1/4"]);
    }

    #[test]
    fn classes_are_told_apart() {
        let colours: std::collections::HashSet<Colour> =
            (0..21).chain([255]).map(|class| class_colour(class as f32)).collect();
        assert_eq!(colours.len(), 22);
    }
}
