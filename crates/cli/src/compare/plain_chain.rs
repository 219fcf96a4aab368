//! A chain on pictures as a program writes it with the crate `image` alone.

use image::RgbImage;
use image::imageops::{self, FilterType};
use tallow::Draws;

/// The steps of a chain that `image` has a counterpart for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlainChain {
    steps: Vec<Step>,
    mean: [f32; 3],
    deviation: [f32; 3],
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    RandomResizedCrop { size: [u32; 2], scale: [f64; 2], ratio: [f64; 2], filter: FilterType },
    RandomCrop([u32; 2]),
    CenterCrop([u32; 2]),
    ResizeShort(u32, FilterType),
    Resize([u32; 2], FilterType),
    FlipWidth(f64),
    FlipHeight(f64),
    Invert,
}

impl PlainChain {
    /// Reads a chain in its canonical form.
    ///
    /// # Errors
    ///
    /// A message, if it has a step without a counterpart.
    pub(crate) fn parse(chain: &str) -> Result<Self, String> {
        let mut this = Self { steps: Vec::new(), mean: [0.0; 3], deviation: [1.0; 3] };
        let mut rest = chain.trim();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_'));
            let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
            let (text, after) = match after.strip_prefix('(') {
                Some(inside) => inside.split_once(')').ok_or("a parenthesis is not closed")?,
                None => ("", after),
            };
            this.push(name, &Arguments(text))
                .ok_or_else(|| format!("no counterpart of {name}({text}) in the crate image"))?;
            rest = after.trim_start();
        }
        Ok(this)
    }

    fn push(&mut self, name: &str, arguments: &Arguments<'_>) -> Option<()> {
        self.steps.push(match name {
            "random_resized_crop" => Step::RandomResizedCrop {
                size: arguments.size()?,
                scale: arguments.range("scale")?,
                ratio: arguments.range("ratio")?,
                filter: arguments.filter()?,
            },
            "random_crop" => Step::RandomCrop(arguments.size()?),
            "center_crop" => Step::CenterCrop(arguments.size()?),
            "resize" if arguments.0.contains("max=") => return None,
            "resize" if arguments.numbers().len() == 1 => {
                Step::ResizeShort(arguments.size()?[0], arguments.filter()?)
            }
            "resize" => Step::Resize(arguments.size()?, arguments.filter()?),
            "hflip" => Step::FlipWidth(1.0),
            "vflip" => Step::FlipHeight(1.0),
            "random_hflip" => Step::FlipWidth(*arguments.numbers().first()?),
            "random_vflip" => Step::FlipHeight(*arguments.numbers().first()?),
            "normalize" => {
                let lists = arguments.lists()?;
                (self.mean, self.deviation) = (lists[0], lists[1]);
                return Some(());
            }
            "invert" => Step::Invert,
            "to_dtype" | "to_layout" => return Some(()),
            _ => return None,
        });
        Some(())
    }

    /// What the steps make of a picture.
    pub(crate) fn apply(&self, image: RgbImage, draws: &mut Draws) -> RgbImage {
        self.steps.iter().fold(image, |image, step| step.apply(image, draws))
    }

    /// A picture as planes of floats, normalised.
    pub(crate) fn planes(&self, image: &RgbImage) -> Vec<f32> {
        let mut planes = Vec::with_capacity(image.as_raw().len());
        for channel in 0..3 {
            let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
            let value =
                |pixel: &image::Rgb<u8>| (f32::from(pixel[channel]) / 255.0 - mean) / deviation;
            planes.extend(image.pixels().map(value));
        }
        planes
    }
}

impl Step {
    fn apply(&self, mut image: RgbImage, draws: &mut Draws) -> RgbImage {
        let (width, height) = image.dimensions();
        let part = |[top, left, height, width]: [u32; 4]| {
            imageops::crop_imm(&image, left, top, width, height).to_image()
        };
        match *self {
            Self::RandomResizedCrop { size, scale, ratio, filter } => {
                let part = part(random_part([height, width], scale, ratio, draws));
                imageops::resize(&part, size[1], size[0], filter)
            }
            Self::RandomCrop([h, w]) => {
                let mut free = |len: u32| draws.below(u64::from(len) + 1) as u32;
                let [top, left] = [free(height.saturating_sub(h)), free(width.saturating_sub(w))];
                part([top, left, h.min(height), w.min(width)])
            }
            Self::CenterCrop([h, w]) => {
                let [top, left] = [height.saturating_sub(h) / 2, width.saturating_sub(w) / 2];
                part([top, left, h.min(height), w.min(width)])
            }
            Self::ResizeShort(short, filter) => {
                let scaled = |len: u32| {
                    let scaled =
                        u64::from(len) * u64::from(short) / u64::from(height.min(width).max(1));
                    scaled as u32
                };
                imageops::resize(&image, scaled(width), scaled(height), filter)
            }
            Self::Resize([h, w], filter) => imageops::resize(&image, w, h, filter),
            Self::FlipWidth(share) if draws.unit_f64() < share => imageops::flip_horizontal(&image),
            Self::FlipHeight(share) if draws.unit_f64() < share => imageops::flip_vertical(&image),
            Self::FlipWidth(_) | Self::FlipHeight(_) => image,
            Self::Invert => {
                imageops::invert(&mut image);
                image
            }
        }
    }
}

/// Top, left, height and width of the part, drawn as by torchvision's `RandomResizedCrop`.
fn random_part(
    [height, width]: [u32; 2],
    scale: [f64; 2],
    ratio: [f64; 2],
    draws: &mut Draws,
) -> [u32; 4] {
    const TRIES: usize = 10;
    let mut within = |[low, high]: [f64; 2]| low + (high - low) * draws.unit_f64();
    for _ in 0..TRIES {
        let area = f64::from(height) * f64::from(width) * within(scale);
        let shape = within(ratio.map(f64::ln)).exp();
        let [h, w] = [(area / shape).sqrt().round() as u32, (area * shape).sqrt().round() as u32];
        if (1..=height).contains(&h) && (1..=width).contains(&w) {
            let mut place = |free: u32| (within([0.0, 1.0]) * f64::from(free + 1)) as u32;
            return [place(height - h), place(width - w), h, w];
        }
    }
    let w = width.min((f64::from(height) * ratio[1]).round() as u32).max(1);
    let h = height.min((f64::from(width) / ratio[0]).round() as u32).max(1);
    [(height - h) / 2, (width - w) / 2, h, w]
}

/// What is between the parentheses of a step.
struct Arguments<'a>(&'a str);

impl Arguments<'_> {
    /// The numbers without a name, outside of lists.
    fn numbers(&self) -> Vec<f64> {
        self.0.split(',').filter_map(|part| part.trim().parse().ok()).collect()
    }

    /// Height and width from one number or two.
    fn size(&self) -> Option<[u32; 2]> {
        let numbers = self.numbers();
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        Some([first as u32, last as u32])
    }

    fn range(&self, name: &str) -> Option<[f64; 2]> {
        let parts = self.0.split(',').filter_map(|part| part.trim().split_once('='));
        let (_, range) = parts.into_iter().find(|(key, _)| *key == name)?;
        let (low, high) = range.split_once("..")?;
        Some([low.parse().ok()?, high.parse().ok()?])
    }

    /// How pixels are found; filters of `image` widen where a picture shrinks.
    fn filter(&self) -> Option<FilterType> {
        let is = |text: &str| self.0.split(',').any(|part| part.trim() == text);
        if is("interpolation=nearest") {
            return Some(FilterType::Nearest);
        }
        let filter = match is("interpolation=bicubic") {
            true => FilterType::CatmullRom,
            false => FilterType::Triangle,
        };
        is("antialias=true").then_some(filter)
    }

    /// Two lists of three numbers.
    fn lists(&self) -> Option<[[f32; 3]; 2]> {
        let mut lists = self.0.split('[').skip(1).map(|list| {
            let numbers = list.split(']').next().unwrap_or_default().split(',');
            let numbers: Vec<f32> = numbers.filter_map(|n| n.trim().parse().ok()).collect();
            <[f32; 3]>::try_from(numbers).ok()
        });
        Some([lists.next()??, lists.next()??])
    }
}

#[cfg(test)]
mod tests {
    use tallow::{Augment, Key, Purpose, Stream};

    use super::*;

    fn parse(chain: &str) -> Result<PlainChain, String> {
        PlainChain::parse(&chain.parse::<Augment>().unwrap().to_string())
    }

    #[test]
    fn canonical_chains_are_read() {
        let chain =
            parse("random_resized_crop(32, 24) random_hflip normalize(imagenet) to_dtype(f32)");
        let chain = chain.unwrap();
        assert_eq!(chain.mean, [0.485, 0.456, 0.406]);
        let [Step::RandomResizedCrop { size, scale, .. }, Step::FlipWidth(share)] =
            &chain.steps[..]
        else {
            panic!("{chain:?}")
        };
        assert_eq!((*size, *scale, *share), ([32, 24], [0.08, 1.0], 0.5));
        let steps = |chain: &str| parse(chain).unwrap().steps;
        assert_eq!(steps("resize(9)"), [Step::ResizeShort(9, FilterType::Triangle)]);
        let cubic = steps("resize(9,8,interpolation=bicubic)");
        assert_eq!(cubic, [Step::Resize([9, 8], FilterType::CatmullRom)]);
        assert!(parse("resize(9,antialias=false)").is_err());
        assert!(parse("color_jitter(0.4)").unwrap_err().contains("color_jitter"));
    }

    #[test]
    fn every_chain_makes_planes_of_its_size() {
        let stream = Stream::new("test", 0, Purpose::Data);
        for (chain, shape) in [
            ("random_resized_crop(8)", [3, 8, 8]),
            ("resize(8) center_crop(8)", [3, 8, 8]),
            ("random_crop(5, 7) random_vflip", [3, 5, 7]),
            ("resize(4, 9)", [3, 4, 9]),
            ("invert resize(4, 9) hflip vflip invert", [3, 4, 9]),
        ] {
            let chain = parse(chain).unwrap();
            for index in 0..20 {
                let image = RgbImage::from_pixel(30 - index, 10, image::Rgb([255, 0, 51]));
                let mut draws = Key::new(0, 0).draws(stream, index.into());
                let image = chain.apply(image, &mut draws);
                let planes = chain.planes(&image);
                let [height, width] = [image.height(), image.width()].map(|len| len as usize);
                assert_eq!(([3, height, width], planes.len()), (shape, shape.iter().product()));
                assert_eq!([planes[0], *planes.last().unwrap()], [1.0, 0.2]);
            }
        }
    }
}
