//! Borders around images that are too small.

use std::fmt;
use std::str::FromStr;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::{Fill, Size, whole};
use crate::plan::Border;
use crate::spec::Form;
use crate::step::Step;
use crate::steps::crop::size;
use crate::steps::pad::Look;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "pad_if_needed",
    usage: "size | height, width | depth, height, width, place=center, mode=constant, fill=0",
    parse: |a, args| {
        let pad = PadIfNeeded::new(size(args)?);
        let pad = pad.place(args.word_or("place", Placement::Center)?);
        Ok(a.pad_if_needed(PadIfNeeded { look: Look::parse(args)?, ..pad }))
    },
}];

/// Where an image is inside of its border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Placement {
    /// In the middle. When the number of missing pixels is odd, the bottom and the right get one
    /// more.
    Center,
    /// At a random place, uniform among all.
    Random,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Center { "center" } else { "random" })
    }
}

impl FromStr for Placement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "center" => Ok(Self::Center),
            "random" => Ok(Self::Random),
            _ => Err("expected center or random".to_owned()),
        }
    }
}

/// A border that makes images at least as large as a size; an axis that is long enough stays as it
/// is. Exact, any dtype. A ragged field whose images are never larger becomes regular.
/// albumentations: `PadIfNeeded`; torchvision: `RandomCrop(pad_if_needed=True)`, which is this at a
/// random place, followed by [`random_crop`](Augment::random_crop).
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct PadIfNeeded {
    size: Size,
    place: Placement,
    look: Look,
}

impl PadIfNeeded {
    /// Images of at least `size`.
    pub fn new(size: impl Into<Size>) -> Self {
        Self { size: size.into(), place: Placement::Center, look: Look::default() }
    }

    /// Where the image is placed. The default is the middle.
    pub fn place(mut self, place: Placement) -> Self {
        self.place = place;
        self
    }

    /// What the border shows. The default is the fill.
    pub fn mode(mut self, mode: Border) -> Self {
        self.look.mode = mode;
        self
    }

    /// The value of a constant border. The default is 0.
    pub fn fill(mut self, fill: impl Into<Fill>) -> Self {
        self.look.fill = fill.into();
        self
    }
}

/// In the middle, with a border of zeros.
impl<S: Into<Size>> From<S> for PadIfNeeded {
    fn from(size: S) -> Self {
        Self::new(size)
    }
}

impl Augment {
    /// Puts a border around images that are smaller than a size: a size, or a [`PadIfNeeded`].
    pub fn pad_if_needed(self, pad: impl Into<PadIfNeeded>) -> Self {
        self.push(pad.into())
    }
}

impl Step for PadIfNeeded {
    fn name(&self) -> &'static str {
        "pad_if_needed"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let wanted = self.size.of(sketch)?;
        self.look.fill.check(sketch)?;
        let (mut size, mut least) = (sketch.size, [0, 1, 2].map(|k| sketch.least(k)));
        let mut pads = false;
        // An axis without a given length stays as it is.
        for k in (0..3).filter(|k| wanted[*k] != sketch.size[*k]) {
            let len = wanted[k].max();
            pads |= len > least[k];
            least[k] = least[k].max(len);
            size[k] = if size[k].max() <= len { Dim::Fixed(len) } else { size[k] };
        }
        if pads {
            self.look.outline(sketch);
        } else {
            sketch.line("no image is smaller");
        }
        sketch.set_size(size);
        (0..3).for_each(|k| sketch.set_least(k, least[k]));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let (now, wanted) = (composer.size(), self.size.for_image(composer));
        let short = [0, 1, 2].map(|k| (wanted[k] - now[k]).max(0));
        let before = match self.place {
            Placement::Center => short.map(|len| len / 2),
            Placement::Random => short.map(|len| whole(draws, 0, i64::from(len)) as i32),
        };
        let after = [0, 1, 2].map(|k| short[k] - before[k]);
        if self.place == Placement::Random && short != [0; 3] {
            composer.note(format_args!("padded, at {},{}", before[1], before[2]));
        }
        self.look.compose(before, after, composer);
    }
}

impl fmt::Display for PadIfNeeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, place, look } = self;
        write!(f, "pad_if_needed({size}, place={place}, {look})")
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Field, RowDType, Schema, Transform};

    use super::*;
    use crate::layout::Layout;
    use crate::steps::probe::{
        augmented, chain, chi_square, levels, made, problem, round_trips, values_of,
    };

    const IMAGE: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    #[test]
    fn what_is_missing_is_added_on_both_sides_and_longer_axes_stay() {
        let of = |text: &str| made(text, &[1, 3, 4], &IMAGE);
        assert_eq!(of("pad_if_needed(6, 5)"), of("pad(0, 1, 1, 2)"));
        assert_eq!(of("pad_if_needed(2, 7)"), of("pad(1, 0, 2, 0)"));
        assert_eq!(of("pad_if_needed(9)"), of("pad(2, 3, 3, 3)"));
        assert_eq!(of("pad_if_needed(3, 2)"), IMAGE);
        let reflected = of("pad_if_needed(4, 4, mode=reflect, fill=0.5)");
        assert_eq!(reflected, of("pad(0, 0, 0, 1, mode=reflect)"));
        assert_eq!(of("pad_if_needed(3, 5, fill=0.2)"), of("pad(0, 0, 1, 0, fill=0.2)"));
    }

    #[test]
    fn a_random_place_is_uniform_among_all() {
        let chain = chain("pad_if_needed(3, 4, place=random)").layout(Layout::Chw);
        let image = (levels(1, 1, 2) + 1.0).unwrap();
        let mut places = [0; 9];
        for index in 0..1800 {
            let made: Vec<u8> = values_of(&augmented(&chain, &image, index));
            let first = made.iter().position(|x| *x > 0).unwrap();
            places[first / 4 * 3 + first % 4] += 1;
        }
        // Beyond the 0.9999 quantile for 8 degrees of freedom.
        assert!(chi_square(&places) < 31.9, "{places:?}");
    }

    #[test]
    fn ragged_images_that_are_never_larger_become_regular() {
        let bound = |text: &str, max: usize| {
            let dims = vec![Dim::Ragged { max }, Dim::Ragged { max: 9 }, Dim::Fixed(3)];
            let schema = Schema::new(vec![Field::with_dims("input", RowDType::U8, dims)]).unwrap();
            let explained = chain(text).explain(&schema).unwrap();
            let field = chain(text).bind(&schema).unwrap().schema().fields()[0].clone();
            (field, explained)
        };
        let (field, _) = bound("pad_if_needed(12, 9) to_layout(hwc)", 12);
        assert_eq!(field, Field::new("input", RowDType::U8, &[12, 9, 3]));
        let (field, _) = bound("pad_if_needed(8) to_layout(hwc)", 12);
        let ragged = |max| Dim::Ragged { max };
        assert_eq!(field.dims(), [ragged(12), ragged(9), Dim::Fixed(3)]);
        let (field, explained) = bound("pad_if_needed(8) random_crop(8)", 12);
        assert_eq!(field, Field::new("input", RowDType::U8, &[8, 8, 3]));
        assert!(explained.starts_with("1 stage,"), "no border for the crop: {explained}");
    }

    #[test]
    fn sizes_and_words_are_checked() {
        assert!(problem("pad_if_needed(0)").contains("at least 1"));
        assert!(problem("pad_if_needed(2, 5, 5)").contains("which are fewer"));
        assert!("pad_if_needed(8, place=left)".parse::<Augment>().is_err());
        assert!(problem("random_crop(20)").contains("put pad_if_needed(20) before it"));
        round_trips("pad_if_needed(8)");
        round_trips("pad_if_needed(3, 8, place=random, mode=wrap, fill=[0.1,0.2,0.3])");
    }

    #[test]
    fn volumes_are_padded_along_three_axes() {
        let image = levels(2, 3, 4).reshape((1, 2, 3, 4)).unwrap();
        let of = |text: &str| augmented(&chain(text).layout(Layout::Cdhw), &image, 0);
        let padded = of("pad_if_needed(4, 3, 5)");
        assert_eq!(padded.dims(), [1, 4, 3, 5]);
        let middle = padded.narrow(1, 1, 2).unwrap().narrow(3, 0, 4).unwrap();
        assert_eq!(values_of::<u8>(&middle.contiguous().unwrap()), values_of::<u8>(&image));
        assert_eq!(of("pad_if_needed(3, 4)").dims(), [1, 2, 3, 4]);
    }
}
