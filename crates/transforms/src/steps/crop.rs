//! Crops of images, volumes and signals.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, ShownSize, Sketch};
use crate::parameters::{Size, whole};
use crate::plan::Border;
use crate::spec::{Args, Form, SpecError};
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "crop",
        usage: "top, left, height, width | start, length | front, top, left, depth, height, width",
        parse: |a, args| {
            let forms: [&[&str]; 3] = [
                &["top", "left", "height", "width"],
                &["start", "length"],
                &["front", "top", "left", "depth", "height", "width"],
            ];
            Ok(match args.wholes(&forms)?[..] {
                [top, left, height, width] => a.crop_image(top, left, height, width),
                [z, y, x, depth, height, width] => a.crop([z, y, x], [depth, height, width]),
                ref signal => a.crop([0, 0, signal[0]], [1, 1, signal[1]]),
            })
        },
    },
    Form {
        name: "center_crop",
        usage: "size | height, width | depth, height, width",
        parse: |a, args| Ok(a.center_crop(size(args)?)),
    },
    Form {
        name: "random_crop",
        usage: "size | height, width | depth, height, width",
        parse: |a, args| Ok(a.random_crop(size(args)?)),
    },
];

/// One to three whole numbers.
pub(crate) fn size(args: &mut Args<'_>) -> Result<Size, SpecError> {
    let forms: [&[&str]; 3] = [&["size"], &["height", "width"], &["depth", "height", "width"]];
    Ok(match args.wholes(&forms)?[..] {
        [depth, height, width] => (depth, height, width).into(),
        [height, width] => (height, width).into(),
        ref size => size[0].into(),
    })
}

impl Augment {
    /// Crops `height` x `width` pixels whose first row is `top` and first column `left`. Exact, any
    /// dtype. torchvision: `crop`, which pads beyond the image; here the crop must lie inside.
    pub fn crop_image(self, top: usize, left: usize, height: usize, width: usize) -> Self {
        self.push(Crop { start: [0, top, left], size: [0, height, width], is_image: true })
    }

    /// Crops a volume or signal from `start` on (depth, height, width).
    pub fn crop(self, start: [usize; 3], size: [usize; 3]) -> Self {
        self.push(Crop { start, size, is_image: false })
    }

    /// Crops the middle, with top = (height - size) / 2, halves rounded to even. A smaller image is
    /// padded with zeros. Exact, any dtype. torchvision: `CenterCrop`.
    pub fn center_crop(self, size: impl Into<Size>) -> Self {
        self.push(CenterCrop { size: size.into() })
    }

    /// Crops a part at a random place, uniform among all that lie inside. Exact, any dtype. A
    /// smaller image of a ragged field is first padded with zeros at the bottom and to the right;
    /// put [`pad_if_needed`](Self::pad_if_needed) before it for another border or place.
    /// torchvision: `RandomCrop`; for its `padding`, put [`pad`](Self::pad) before it.
    pub fn random_crop(self, size: impl Into<Size>) -> Self {
        self.push(RandomCrop { size: size.into() })
    }
}

#[derive(Debug)]
struct Crop {
    start: [usize; 3],
    size: [usize; 3],
    is_image: bool,
}

impl Crop {
    fn size_in(&self, now: [i32; 3]) -> [i32; 3] {
        let mut size = self.size.map(|len| len as i32);
        if self.is_image {
            size[0] = now[0];
        }
        size
    }
}

impl Step for Crop {
    fn name(&self) -> &'static str {
        "crop"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let mut size = sketch.size;
        for axis in usize::from(self.is_image)..3 {
            let end = self.start[axis].saturating_add(self.size[axis]);
            let fits = self.size[axis] > 0 && matches!(size[axis], Dim::Fixed(len) if end <= len);
            if !fits {
                let image = ShownSize(size);
                return Err(format!(
                    "found a part outside of an image of {image}, expected one of a known size inside"
                ));
            }
            size[axis] = Dim::Fixed(self.size[axis]);
        }
        sketch.atom(Atom::Move);
        sketch.set_size(size);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        composer.crop(self.start.map(|at| at as i32), self.size_in(composer.size()));
    }
}

impl fmt::Display for Crop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skip = usize::from(self.is_image);
        let numbers = self.start[skip..].iter().chain(&self.size[skip..]);
        let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
        write!(f, "crop({})", numbers.join(", "))
    }
}

#[derive(Debug)]
struct CenterCrop {
    size: Size,
}

impl Step for CenterCrop {
    fn name(&self) -> &'static str {
        "center_crop"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let size = self.size.of(sketch)?;
        if (0..3).any(|axis| size[axis].max() > sketch.least(axis)) {
            sketch.atom(Atom::Pad { constant: true });
        }
        sketch.atom(Atom::Move);
        sketch.set_size(size);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let now = composer.size();
        let size = self.size.for_image(composer);
        let short = [0, 1, 2].map(|k| (size[k] - now[k]).max(0));
        let before = short.map(|len| len / 2);
        let after = [0, 1, 2].map(|k| short[k] - before[k]);
        composer.pad(before, after, Border::Constant, [0.0; 4]);
        let start = [0, 1, 2].map(|k| {
            let more = composer.size()[k] - size[k];
            (f64::from(more) / 2.0).round_ties_even() as i32
        });
        composer.crop(start, size);
    }
}

impl fmt::Display for CenterCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "center_crop({})", self.size)
    }
}

#[derive(Debug)]
struct RandomCrop {
    size: Size,
}

impl Step for RandomCrop {
    fn name(&self) -> &'static str {
        "random_crop"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let size = self.size.of(sketch)?;
        for (to, from) in size.iter().zip(&sketch.size) {
            if to.max() > from.max() {
                let (size, image) = (self.size, ShownSize(sketch.size));
                return Err(format!(
                    "found an image of {image}, expected at least {size}: put pad_if_needed({size}) before it"
                ));
            }
        }
        // A ragged image may be smaller: it is padded then.
        if (0..3).any(|axis| size[axis].max() > sketch.least(axis)) {
            sketch.atom(Atom::Pad { constant: true });
        }
        sketch.atom(Atom::Move);
        sketch.set_size(size);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let now = composer.size();
        let size = self.size.for_image(composer);
        let short = [0, 1, 2].map(|k| (size[k] - now[k]).max(0));
        composer.pad([0; 3], short, Border::Constant, [0.0; 4]);
        let now = composer.size();
        let start = [0, 1, 2].map(|k| whole(draws, 0, i64::from(now[k] - size[k])) as i32);
        composer.note(format_args!("crop at {},{}", start[1], start[2]));
        composer.crop(start, size);
    }
}

impl fmt::Display for RandomCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_crop({})", self.size)
    }
}
