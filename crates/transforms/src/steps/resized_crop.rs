//! A part of the image, resized.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, ShownSize, Sketch};
use crate::plan::{D, H, Interpolation, W};
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "resized_crop",
    usage: "top, left, height, width, out_height, out_width, interpolation=bilinear, \
            antialias=true",
    parse: |a, args| {
        let [top, left] = [args.whole("top")?, args.whole("left")?];
        let [height, width] = [args.whole("height")?, args.whole("width")?];
        let size = (args.whole("out_height")?, args.whole("out_width")?);
        let crop = ResizedCrop::new([top, left, height, width], size);
        let crop = crop.interpolation(args.word_or("interpolation", Interpolation::Bilinear)?);
        Ok(a.resized_crop(ResizedCrop { antialias: args.flag_or("antialias", true)?, ..crop }))
    },
}];

/// Crops a part of the image and resizes it. Pixels outside of the part do not take part in the
/// interpolation. torchvision: `resized_crop`, which pads beyond the image; here the part must lie
/// inside.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct ResizedCrop {
    /// Top, left, height, width.
    part: [usize; 4],
    /// Height, width.
    size: [usize; 2],
    interpolation: Interpolation,
    antialias: bool,
}

impl ResizedCrop {
    /// The part with this top, left, height and width, resized to a height and width.
    pub fn new(part: [usize; 4], (height, width): (usize, usize)) -> Self {
        let interpolation = Interpolation::Bilinear;
        Self { part, size: [height, width], interpolation, antialias: true }
    }

    /// The interpolation. The default is bilinear.
    pub fn interpolation(mut self, interpolation: Interpolation) -> Self {
        self.interpolation = interpolation;
        self
    }

    /// Takes only the pixels around each place where the part becomes smaller, and skips those between.
    /// The default is to average them.
    pub fn without_antialiasing(mut self) -> Self {
        self.antialias = false;
        self
    }
}

impl Augment {
    /// Crops a part of the image and resizes it: see [`ResizedCrop`].
    pub fn resized_crop(self, crop: ResizedCrop) -> Self {
        self.push(crop)
    }
}

impl Step for ResizedCrop {
    fn name(&self) -> &'static str {
        "resized_crop"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        sketch.needs_height()?;
        let [top, left, height, width] = self.part;
        for (axis, start, len) in [(H, top, height), (W, left, width)] {
            let end = start.saturating_add(len);
            if len == 0 || !matches!(sketch.size[axis], Dim::Fixed(all) if end <= all) {
                let image = ShownSize(sketch.size);
                return Err(format!(
                    "found a part outside of an image of {image}, expected one of a known size inside"
                ));
            }
        }
        if self.size.contains(&0) {
            let [height, width] = self.size;
            return Err(format!("found size {height}, {width}, expected at least 1"));
        }
        sketch.atom(Atom::Move);
        sketch.set_size([sketch.size[D], Dim::Fixed(height), Dim::Fixed(width)]);
        let size = [sketch.size[D], Dim::Fixed(self.size[0]), Dim::Fixed(self.size[1])];
        let scale = [height as f64 / self.size[0] as f64, width as f64 / self.size[1] as f64];
        sketch.resize(size, self.interpolation.support(), scale[0].max(scale[1]));
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        let [top, left, height, width] = self.part.map(|len| len as i32);
        let depth = composer.size()[D];
        composer.crop([0, top, left], [depth, height, width]);
        let [height, width] = self.size.map(|len| len as i32);
        composer.resize(height, width, self.interpolation, self.antialias);
    }
}

impl fmt::Display for ResizedCrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, size, interpolation, antialias } = self;
        let numbers: Vec<String> = part.iter().chain(size).map(ToString::to_string).collect();
        write!(f, "resized_crop({}, ", numbers.join(", "))?;
        write!(f, "interpolation={interpolation}, antialias={antialias})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reads_back_as_it_is_written() {
        let text = "resized_crop(3, 2, 12, 8, 20, 20, interpolation=nearest, antialias=true)";
        assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
    }
}
