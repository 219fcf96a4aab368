//! Resizes of the whole image.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::plan::{H, Interpolation, W};
use crate::spec::Form;
use crate::step::{Scaling, Step};

pub(crate) static FORMS: &[Form] = &[Form {
    name: "resize",
    usage: "height, width | short, max=none, interpolation=bilinear, antialias=true",
    parse: |a, args| {
        let resize = match args.wholes(&[&["height", "width"], &["short"]])?[..] {
            [height, width] => Resize::new(height, width),
            ref short => {
                let short = Resize::short(short[0]);
                args.whole_if("max")?.map_or(short, |max| short.max(max))
            }
        };
        let resize = resize.interpolation(args.word_or("interpolation", Interpolation::Bilinear)?);
        Ok(a.resize(Resize { antialias: args.flag_or("antialias", true)?, ..resize }))
    },
}];

/// Resizes height and width, pixel edges to pixel edges. torchvision: `Resize`; nearest is its
/// `NEAREST_EXACT`. Nearest is exact, other results are within a millionth of torchvision's in
/// `f32`.
///
/// Bilinear and bicubic filters become wider where the image becomes smaller, so that every pixel has its
/// share ([`without_antialiasing`](Self::without_antialiasing) turns that off). Bicubic results leave
/// the range by up to a fifth of it; they are clamped when an integer type is delivered.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct Resize {
    to: To,
    interpolation: Interpolation,
    antialias: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum To {
    Exactly { height: usize, width: usize },
    Short { short: usize, max: Option<usize> },
}

impl Resize {
    /// Resizes to exactly this size.
    pub fn new(height: usize, width: usize) -> Self {
        Self::to(To::Exactly { height, width })
    }

    /// Resizes the shorter side to `short`. The longer side becomes `short` * longer / shorter,
    /// rounded down, so that the image keeps its shape.
    ///
    /// When images come in all sizes, the delivered field has room for the longest image that is
    /// possible, one pixel high. Crop afterwards, which costs nothing, or set a [`max`](Self::max).
    pub fn short(short: usize) -> Self {
        Self::to(To::Short { short, max: None })
    }

    fn to(to: To) -> Self {
        Self { to, interpolation: Interpolation::Bilinear, antialias: true }
    }

    /// The greatest length of the longer side; the shorter side then becomes shorter, but at least
    /// one pixel. Only with [`short`](Self::short). The default is no limit.
    pub fn max(mut self, longest: usize) -> Self {
        if let To::Short { max, .. } = &mut self.to {
            *max = Some(longest);
        }
        self
    }

    /// The interpolation. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Takes only the pixels around each place where the image becomes smaller, and skips those between.
    /// The default is to average them.
    pub fn without_antialiasing(mut self) -> Self {
        self.antialias = false;
        self
    }
}

/// The shorter side.
impl From<usize> for Resize {
    fn from(short: usize) -> Self {
        Self::short(short)
    }
}

/// Height and width.
impl From<(usize, usize)> for Resize {
    fn from((height, width): (usize, usize)) -> Self {
        Self::new(height, width)
    }
}

impl Augment {
    /// Resizes the image: the length of the shorter side, height and width, or a [`Resize`].
    pub fn resize(self, resize: impl Into<Resize>) -> Self {
        self.push(resize.into())
    }
}

/// The longest side asked for: sizes are `i32`.
const SIDE_MAX: usize = 1 << 20;

impl To {
    /// Height and width of an image of height and width `h`, `w` once it is resized.
    fn size(self, h: usize, w: usize) -> [usize; 2] {
        let (short, max) = match self {
            Self::Exactly { height, width } => return [height, width],
            Self::Short { short, max } => (short, max),
        };
        // The product before the quotient: a rounded quotient could lose a pixel.
        let long = (short as f64 * h.max(w) as f64 / h.min(w) as f64) as usize;
        let (short, long) = match max.filter(|max| long > *max) {
            None => (short, long),
            Some(max) => (((max * short) as f64 / long as f64) as usize, max),
        };
        let (short, long) = (short.max(1), long.max(1));
        if w <= h { [long, short] } else { [short, long] }
    }

    fn check(self) -> Result<(), String> {
        let sides = match self {
            Self::Exactly { height, width } => [height, width],
            Self::Short { short, max } => [short, max.unwrap_or(short)],
        };
        if let Some(side) = sides.into_iter().find(|side| *side > SIDE_MAX) {
            return Err(format!("found a side of {side}, expected at most {SIDE_MAX}"));
        }
        match self {
            Self::Exactly { height, width } if height == 0 || width == 0 => {
                Err(format!("found size {height}, {width}, expected at least 1"))
            }
            Self::Short { short: 0, .. } => Err("found size 0, expected at least 1".to_owned()),
            Self::Short { short, max: Some(max) } if max <= short => {
                Err(format!("found max {max}, expected more than the shorter side, {short}"))
            }
            _ => Ok(()),
        }
    }

    /// The size for what reaches a step, and the largest scale, original over resized.
    fn outline(self, sketch: &Sketch) -> ([Dim; 2], f64) {
        let [_, h, w] = sketch.max_size();
        let is_known = [H, W].iter().all(|axis| matches!(sketch.size[*axis], Dim::Fixed(_)));
        let known = match self {
            Self::Exactly { height, width } => Some([height, width]),
            Self::Short { .. } => is_known.then(|| self.size(h, w)),
        };
        if let Some(size) = known {
            let scale = [h, w].into_iter().zip(size).map(|(from, to)| from as f64 / to as f64);
            return (size.map(Dim::Fixed), scale.fold(0.0, f64::max));
        }
        let Self::Short { short, max } = self else { unreachable!("other sizes are known") };
        // The longest image is one pixel high. Rounding down shortens an axis by less than half.
        let longest = max.unwrap_or(usize::MAX).min(short * h.max(w));
        let scale = h.min(w) as f64 / short as f64;
        let scale = max.map_or(scale, |max| scale.max(h.max(w) as f64 / max as f64));
        ([Dim::Ragged { max: longest }; 2], 2.0 * scale)
    }
}

impl Step for Resize {
    fn name(&self) -> &'static str {
        "resize"
    }

    fn draws(&self) -> bool {
        false
    }

    fn scaling(&self) -> Scaling {
        Scaling::Resizes
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_height()?;
        self.to.check()?;
        let ([height, width], scale) = self.to.outline(sketch);
        let mut size = sketch.size;
        (size[H], size[W]) = (height, width);
        sketch.resize(size, self.interpolation.support(), scale);
        if let To::Short { short, max: None } = self.to {
            [H, W].into_iter().for_each(|axis| sketch.set_least(axis, short));
        }
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let (h, w) = (composer.height() as usize, composer.width() as usize);
        let [height, width] = self.to.size(h, w).map(|len| len as i32);
        composer.resize(height, width, self.interpolation, self.antialias);
    }
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            To::Exactly { height, width } => write!(f, "resize({height}, {width}, ")?,
            To::Short { short, max: None } => write!(f, "resize({short}, ")?,
            To::Short { short, max: Some(max) } => write!(f, "resize({short}, max={max}, ")?,
        }
        write!(f, "interpolation={}, antialias={})", self.interpolation, self.antialias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longer_side_is_rounded_down_and_has_a_limit() {
        let short = |max| To::Short { short: 8, max };
        assert_eq!(short(None).size(17, 11), [12, 8]);
        assert_eq!(short(Some(12)).size(17, 11), [12, 8]);
        assert_eq!(short(Some(10)).size(11, 17), [6, 10]);
        assert_eq!(short(Some(9)).size(1, 1000), [1, 9], "no side vanishes");
    }

    #[test]
    fn sizes_read_back_as_they_are_written() {
        for text in [
            "resize(8, max=12, interpolation=nearest, antialias=true)",
            "resize(7, 5, interpolation=bicubic, antialias=false)",
        ] {
            assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
        }
    }
}
