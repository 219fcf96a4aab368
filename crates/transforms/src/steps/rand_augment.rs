//! RandAugment.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::plan::{Interpolation, OPS_MAX};
use crate::spec::Form;
use crate::step::Step;
use crate::steps::policy::{OPERATIONS, PolicyFill, Space, Translate, Warp};

pub(crate) static FORMS: &[Form] = &[Form {
    name: "rand_augment",
    usage: "ops=2, magnitude=9, bins=31, interpolation=nearest, fill=none",
    parse: |a, args| {
        let default = RandAugment::new();
        Ok(a.rand_augment(RandAugment {
            ops: args.whole_or("ops", default.ops)?,
            magnitude: args.whole_or("magnitude", default.magnitude)?,
            bins: args.whole_or("bins", default.bins)?,
            warp: default.warp.parse(args)?,
        }))
    },
}];

/// How strong the operations are at the last bin.
pub(crate) const SPACE: Space = Space {
    shear: 0.3,
    translate: Translate::Share(150.0, 331.0),
    rotate: 30.0,
    enhance: 0.9,
    posterize: [8.0, 4.0],
};

/// A few of fourteen operations, drawn with replacement, all at one strength (Cubuk and others,
/// "RandAugment", 2019). torchvision: `RandAugment`.
///
/// At bin i of n, t = i / (n - 1): shear by tan = 0.3 t and translation by trunc(150/331 t) of the
/// size, each in x and y, rotation by 30 t degrees; brightness, colour, contrast and sharpness by
/// the factor 1 + 0.9 t; all of these in the other direction with probability 1/2. Posterisation to
/// round(8 - 4 t) bits, solarisation above 1 - t, autocontrast, equalisation, and no change.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct RandAugment {
    ops: usize,
    magnitude: usize,
    bins: usize,
    warp: Warp,
}

impl RandAugment {
    /// Two operations at bin 9 of 31.
    pub fn new() -> Self {
        let warp = Warp { interpolation: Interpolation::Nearest, fill: PolicyFill::NONE };
        Self { ops: 2, magnitude: 9, bins: 31, warp }
    }

    /// How many operations, at most 16. The default is 2.
    pub fn ops(mut self, ops: usize) -> Self {
        self.ops = ops;
        self
    }

    /// The bin of the strength, counted from 0. The default is 9.
    pub fn magnitude(mut self, magnitude: usize) -> Self {
        self.magnitude = magnitude;
        self
    }

    /// How many bins there are. The default is 31.
    pub fn bins(mut self, bins: usize) -> Self {
        self.bins = bins;
        self
    }

    /// The interpolation of shears, translations and rotations, nearest or bilinear. The default is
    /// nearest.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.warp.interpolation = interpolation;
        self
    }

    /// The value outside of the image: one number for all channels or one per channel, from 0 to 1.
    /// The default is black.
    pub fn fill(mut self, fill: &[f64]) -> Self {
        self.warp.fill = PolicyFill::new(fill);
        self
    }
}

impl Default for RandAugment {
    fn default() -> Self {
        Self::new()
    }
}

/// Operations and magnitude.
impl From<(usize, usize)> for RandAugment {
    fn from((ops, magnitude): (usize, usize)) -> Self {
        Self::new().ops(ops).magnitude(magnitude)
    }
}

impl Augment {
    /// Applies a few random operations of one strength: their number and the strength, or a
    /// [`RandAugment`].
    pub fn rand_augment(self, policy: impl Into<RandAugment>) -> Self {
        self.push(policy.into())
    }
}

impl Step for RandAugment {
    fn name(&self) -> &'static str {
        "rand_augment"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let Self { ops, magnitude, bins, warp } = self;
        if !(1..=OPS_MAX).contains(ops) {
            return Err(format!("found {ops} operations, expected 1 to {OPS_MAX}"));
        }
        if *bins < 2 || magnitude >= bins {
            return Err(format!(
                "found magnitude {magnitude} of {bins} bins, expected one of at least 2"
            ));
        }
        warp.outline(sketch)?;
        warp.slots(sketch, *ops)
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        for _ in 0..self.ops {
            let bin = (self.magnitude, self.bins);
            SPACE.draw(draws, &OPERATIONS, bin, composer.size()).compose(composer, &self.warp);
        }
    }
}

impl fmt::Display for RandAugment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ops, magnitude, bins, warp } = self;
        write!(f, "rand_augment(ops={ops}, magnitude={magnitude}, bins={bins}, {warp})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::probe::{
        augmented, chain, chi_square, explained, levels, picture, problem, round_trips, taken,
        values_of,
    };

    /// The image as operations of a signed magnitude in words make it, by their formulas.
    fn by_hand(drawn: &str, image: &[f32], [height, width]: [i32; 2]) -> Option<Vec<f32>> {
        let (operation, magnitude) = drawn.split_once(' ')?;
        let magnitude: f32 = magnitude.parse().unwrap();
        let shifted = |dx: i32, dy: i32| -> Vec<f32> {
            let at = |x: i32, y: i32| {
                let inside = (0..width).contains(&x) && (0..height).contains(&y);
                if inside { image[(y * width + x) as usize] } else { 0.0 }
            };
            (0..height * width).map(|i| at(i % width - dx, i / width - dy)).collect()
        };
        Some(match operation {
            "Identity" => image.to_vec(),
            "TranslateX" => shifted(magnitude as i32, 0),
            "TranslateY" => shifted(0, magnitude as i32),
            "Brightness" => image.iter().map(|x| ((1.0 + magnitude) * x).clamp(0.0, 1.0)).collect(),
            // One channel has no colour.
            "Color" => image.to_vec(),
            "Solarize" => {
                image.iter().map(|x| if *x >= magnitude { 1.0 - x } else { *x }).collect()
            }
            "Posterize" => {
                let levels = magnitude.exp2();
                image.iter().map(|x| (x * levels).floor().min(levels - 1.0) / levels).collect()
            }
            _ => return None,
        })
    }

    #[test]
    fn operations_are_what_their_formulas_say() {
        let (height, width) = (12, 20);
        let image = picture(1, height, width);
        let pixels: Vec<f32> = values_of(&image);
        for magnitude in [0, 9, 30] {
            let text = format!("rand_augment(1, {magnitude})");
            let mut checked = 0;
            for index in 0..200 {
                let drawn = drawn(&text, &image, index);
                let Some(expected) = by_hand(&drawn, &pixels, [height as i32, width as i32]) else {
                    continue;
                };
                let made: Vec<f32> = values_of(&augmented(&chain(&text), &image, index));
                let apart = made.iter().zip(&expected).map(|(a, b)| (a - b).abs());
                assert!(apart.fold(0.0, f32::max) < 1e-3, "{drawn}");
                checked += 1;
            }
            assert!(checked > 60);
        }
    }

    /// What is drawn for an image of these sizes.
    fn drawn(text: &str, image: &candle_core::Tensor, index: u64) -> String {
        use tallow_core::{Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes};
        let field = Field::new("input", RowDType::F32, image.dims());
        let schema = Schema::new(vec![field]).unwrap();
        let row = RowBuffer::new(&schema).unwrap();
        let key = RowKey { key: Key::new(3, 1), index };
        chain(text).drawn(&schema, key, Shapes::of(row.view())).unwrap().join(" ")
    }

    #[test]
    fn without_strength_no_operation_of_a_magnitude_changes_the_image() {
        let image = levels(3, 9, 11);
        let text = "rand_augment(1, 0)";
        for (index, drawn) in taken(text, 300).into_iter().enumerate() {
            let made = augmented(&chain(text), &image, index as u64);
            let same = values_of::<u8>(&made) == values_of::<u8>(&image);
            // At solarisation's first bin white alone is turned, of which there is none.
            let statistic = drawn.starts_with("AutoContrast") || drawn.starts_with("Equalize");
            assert!(same || statistic, "{drawn}");
        }
    }

    #[test]
    fn every_operation_is_as_probable_and_both_signs_are() {
        let taken = taken("rand_augment(1)", 14_000);
        let count = |name: &str| taken.iter().filter(|notes| notes.starts_with(name)).count();
        let counts = OPERATIONS.map(|operation| count(&format!("{operation:?} ")));
        assert_eq!(counts.iter().sum::<usize>(), 14_000);
        // 13 degrees of freedom, one in a thousand.
        assert!(chi_square(&counts) < 34.5, "{counts:?}");
        let signs = [count("Rotate 9"), count("Rotate -9")];
        assert!(chi_square(&signs) < 10.8, "{signs:?}");
    }

    #[test]
    fn operations_are_drawn_with_replacement() {
        let pairs = taken("rand_augment", 2000);
        let twice = pairs.iter().filter(|notes| {
            let words: Vec<&str> = notes.split(' ').collect();
            words[0] == words[2]
        });
        // 2000 / 14, within four deviations.
        assert!(twice.count().abs_diff(143) < 46);
    }

    #[test]
    fn two_operations_take_two_passes_at_most() {
        assert!(explained("rand_augment").starts_with("2 stages"), "{}", explained("rand_augment"));
        let text = explained("random_resized_crop(8) rand_augment normalize(imagenet)");
        assert!(text.starts_with("3 stages"), "{text}");
    }

    #[test]
    fn the_text_reads_back_and_nonsense_is_refused() {
        round_trips("rand_augment(3, 5, bins=11, interpolation=bilinear, fill=[0.1,0.2,0.3])");
        round_trips("rand_augment(fill=0.5)");
        assert!(problem("rand_augment(2, 31)").contains("magnitude 31 of 31"));
        assert!(problem("rand_augment(interpolation=bicubic)").contains("bilinear"));
        assert!(problem("rand_augment(fill=[1,2])").contains("expected 2, one per fill"));
        assert!(problem("normalize(imagenet) rand_augment").contains("before"));
    }
}
