//! The augmentation of a comparison: a chain that other libraries have counterparts for, and what all
//! contenders deliver of it.

use std::fmt;

use serde_json::{Value, json};
use tallow::{Augment, Field, Layout, RowDType, Schema, Transform as _};

use crate::terminal::exit::{Failure, Result};

/// A chain of steps that at least one of the peers has too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkAugment {
    /// In its canonical form.
    pub(crate) chain: String,
    pub(crate) field: String,
    /// `chw` or `hwc`.
    pub(crate) layout: String,
    /// The number of channels of the field.
    pub(crate) channels: usize,
    pub(crate) delivers: Delivered,
}

/// What every contender delivers of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// `u8`, `f16` or `f32`.
    pub(crate) dtype: String,
    pub(crate) shape: Vec<usize>,
    /// Whether the channels come first.
    pub(crate) planes: bool,
}

impl fmt::Display for Delivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}

impl WorkAugment {
    /// The chain, bound to the field that it augments.
    ///
    /// # Errors
    ///
    /// A usage error that names the first step or field that cannot be compared.
    pub(crate) fn new(
        chain: &Augment,
        field: &str,
        layout: Option<Layout>,
        schema: &Schema,
    ) -> Result<Self> {
        let text = chain.to_string();
        let names: Vec<&str> = steps(&text).map(|(name, _)| name).collect();
        comparable(&names)?;
        let at = schema.position(field).ok_or_else(|| {
            Failure::usage(format_args!("--augment-field {field:?} is not a field"))
        })?;
        let found = schema.fields()[at].decoded();
        let shape = found.max_shape();
        if found.dtype() != RowDType::U8 || shape.len() != 3 {
            return Err(Failure::usage(format_args!(
                "compare --augment needs images of bytes with three axes, found {found}"
            )));
        }
        // As torchvision has it: planes if the first axis can be that of the channels.
        let planes = layout.map_or(shape[0] <= 4, |layout| layout == Layout::Chw);
        let layout = if planes { Layout::Chw } else { Layout::Hwc };
        let bound = chain.clone().field(field).layout(layout).bind(schema);
        let engine = bound.map_err(|error| Failure::usage(error.message()))?;
        let delivers = Delivered::new(&engine.schema().fields()[at], &text, planes)?;
        Ok(Self {
            field: field.to_owned(),
            layout: layout.as_str().to_owned(),
            channels: if planes { shape[0] } else { shape[2] },
            delivers,
            chain: text,
        })
    }

    /// How far the means of the channels may be apart over this many samples. Each contender draws its
    /// own random parts, so their error falls with the square root of the samples.
    pub(crate) fn apart_max(&self, samples: usize) -> f64 {
        let range = match (self.delivers.dtype.as_str(), least_deviation(&self.chain)) {
            ("u8", _) => 255.0,
            (_, Some(deviation)) => 1.0 / deviation,
            (_, None) => 1.0,
        };
        range * (0.005 + 0.5 / (samples as f64).sqrt())
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "chain": self.chain,
            "field": self.field,
            "layout": self.layout,
            "channels": self.channels,
            "dtype": self.delivers.dtype,
            "shape": self.delivers.shape,
            "to_planes": self.delivers.planes,
        })
    }

    /// What [`to_json`](Self::to_json) has made.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
        let shape = value["shape"].as_array()?.iter().map(number);
        Some(Self {
            chain: text("chain")?,
            field: text("field")?,
            layout: text("layout")?,
            channels: number(&value["channels"])?,
            delivers: Delivered {
                dtype: text("dtype")?,
                shape: shape.collect::<Option<_>>()?,
                planes: value["to_planes"].as_bool()?,
            },
        })
    }
}

impl Delivered {
    /// What `chain` makes of images in planes or not, as the `field` that it delivers.
    fn new(field: &Field, chain: &str, planes: bool) -> Result<Self> {
        if field.is_ragged() {
            return Err(Failure::usage(format_args!(
                "compare --augment needs a chain that gives all images one size, like 'resize(256) \
                 center_crop(224)', found {field}"
            )));
        }
        let dtype = field.dtype();
        if ![RowDType::U8, RowDType::F16, RowDType::F32].contains(&dtype) {
            return Err(Failure::usage(format_args!(
                "compare --augment delivers u8, f16 or f32, which all contenders have, found {dtype}"
            )));
        }
        let asked = steps(chain).filter(|(name, _)| *name == "to_layout").last();
        let planes = match asked {
            Some((_, "chw")) => true,
            Some((_, "hwc")) => false,
            Some((_, other)) => {
                return Err(Failure::usage(format_args!(
                    "compare --augment delivers chw or hwc, found to_layout({other})"
                )));
            }
            None => planes || dtype != RowDType::U8,
        };
        let shape = field.max_shape();
        Ok(Self { dtype: dtype.as_str().to_owned(), shape, planes })
    }
}

/// Refuses settings, steps that no peer has, and steps on normalised values.
fn comparable(names: &[&str]) -> Result {
    for &name in names {
        if ["field", "layout"].contains(&name) {
            let message = "compare takes the field and the layout of --augment from \
                           --augment-field and --layout";
            return Err(Failure::usage(message));
        }
        if !COUNTERPARTS.contains(&name) && !ENDING.contains(&name) {
            return Err(Failure::usage(format_args!(
                "{name} has no counterpart in the other libraries; compare --augment takes crops, \
                 resizes, flips, rot90, pad, rotations, affine, perspective, elastic, erasures, \
                 changes of values and colours, blur, noise, rand_augment, trivial_augment_wide, \
                 aug_mix, steps with steps inside, normalize, to_dtype and to_layout; compare --help \
                 names them all"
            )));
        }
    }
    let normalized = names.iter().skip_while(|name| **name != "normalize");
    match normalized.skip(1).find(|name| !ENDING[1..].contains(name)) {
        Some(name) => Err(Failure::usage(format_args!(
            "compare --augment takes {name} before normalize, which others do last"
        ))),
        None => Ok(()),
    }
}

/// What a chain may end in: the normalisation, and what is delivered.
const ENDING: [&str; 3] = ["normalize", "to_dtype", "to_layout"];

/// Steps that at least one of the scripts `*_chain.py` has a counterpart for.
const COUNTERPARTS: [&str; 57] = [
    "random_resized_crop",
    "random_crop",
    "center_crop",
    "crop",
    "resize",
    "resized_crop",
    "hflip",
    "vflip",
    "random_hflip",
    "random_vflip",
    "rot90",
    "pad",
    "rotate",
    "random_rotation",
    "affine",
    "random_affine",
    "perspective",
    "random_perspective",
    "elastic",
    "grayscale",
    "random_grayscale",
    "invert",
    "random_invert",
    "posterize",
    "random_posterize",
    "solarize",
    "random_solarize",
    "autocontrast",
    "random_autocontrast",
    "equalize",
    "random_equalize",
    "adjust_sharpness",
    "random_sharpness",
    "adjust_gamma",
    "random_gamma",
    "adjust_brightness",
    "random_brightness",
    "adjust_contrast",
    "random_contrast",
    "adjust_saturation",
    "random_saturation",
    "adjust_hue",
    "random_hue",
    "color_jitter",
    "gaussian_blur",
    "gaussian_noise",
    "salt_and_pepper",
    "erase",
    "random_erasing",
    "permute_channels",
    "random_channel_permutation",
    "random_apply",
    "random_order",
    "one_of",
    "rand_augment",
    "trivial_augment_wide",
    "aug_mix",
];

/// The steps of a chain, each with the text between its parentheses; not those inside others.
fn steps(chain: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = chain;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (inside, after) = arguments(after);
        rest = after;
        Some((name, inside))
    })
}

/// What is between the first parenthesis and its counterpart, and what follows.
fn arguments(text: &str) -> (&str, &str) {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return if c == ')' { (&text[1..at], &text[at + 1..]) } else { ("", text) };
        }
    }
    ("", "")
}

/// The least standard deviation that a chain divides by, if it normalises.
fn least_deviation(chain: &str) -> Option<f64> {
    let (_, inside) = steps(chain).find(|(name, _)| *name == "normalize")?;
    let numbers = inside.split(['[', ']', ',', ' ']).filter_map(|part| part.parse::<f64>().ok());
    let numbers: Vec<f64> = numbers.collect();
    let (_, deviations) = numbers.split_at(numbers.len() / 2);
    deviations.iter().copied().reduce(f64::min)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn augment(chain: &str, shape: [usize; 3]) -> Result<WorkAugment> {
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &shape)]).unwrap();
        WorkAugment::new(&chain.parse().unwrap(), "x", None, &schema)
    }

    #[test]
    fn the_steps_of_a_chain_are_named() {
        let chain =
            "resize(8, 9, antialias=true) random_apply(hflip, 0.5) hflip normalize([1, 2], [3, 4])";
        let names: Vec<&str> = steps(chain).map(|(name, _)| name).collect();
        assert_eq!(names, ["resize", "random_apply", "hflip", "normalize"]);
        assert_eq!(least_deviation(chain), Some(3.0));
        assert_eq!(steps("a(b(c) d) e").collect::<Vec<_>>(), [("a", "b(c) d"), ("e", "")]);
    }

    #[test]
    fn bytes_stay_as_they_are_and_floats_come_in_planes() {
        for (chain, delivers) in [
            ("hflip", "u8[9, 10, 3]"),
            ("resize(4,5)", "u8[4, 5, 3]"),
            ("hflip to_layout(chw)", "u8[3, 9, 10]"),
            ("to_dtype(f16)", "f16[3, 9, 10]"),
            ("normalize(imagenet)", "f32[3, 9, 10]"),
            ("normalize(imagenet) to_layout(hwc)", "f32[9, 10, 3]"),
        ] {
            let found = augment(chain, [9, 10, 3]).unwrap();
            assert_eq!(found.delivers.to_string(), delivers, "{chain}");
            assert_eq!(found.delivers.planes, found.delivers.shape[0] == 3, "{chain}");
            assert_eq!(WorkAugment::from_json(&found.to_json()), Some(found));
        }
        assert_eq!(augment("hflip", [3, 9, 10]).unwrap().delivers.to_string(), "u8[3, 9, 10]");
    }

    #[test]
    fn what_no_contender_could_deliver_is_refused() {
        for (chain, words) in [
            ("standardize", "standardize has no counterpart"),
            ("to_dtype(bf16)", "found bf16"),
            ("normalize(imagenet) random_erasing", "random_erasing before normalize"),
            ("random_crop(64)", "random_crop"),
        ] {
            let error = format!("{:?}", augment(chain, [9, 10, 3]).unwrap_err());
            assert!(error.contains(words), "{chain}: {error}");
        }
    }

    #[test]
    fn means_may_be_further_apart_where_values_are() {
        let apart = |chain: &str| augment(chain, [9, 10, 3]).unwrap().apart_max(100);
        assert_eq!(apart("hflip"), 255.0 * apart("to_dtype(f32)"));
        assert!((apart("normalize(imagenet)") - 0.055 / 0.224).abs() < 1e-9);
    }

    #[test]
    fn the_help_names_every_step() {
        let help = include_str!("../args/examples.rs");
        let words: BTreeSet<&str> = help.split([' ', ',', '.', '\n']).collect();
        let missing = |name: &&&str| !words.contains(**name);
        let missing: Vec<&&str> = COUNTERPARTS.iter().chain(&ENDING).filter(missing).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// The names in the tables `STEPS` of the scripts.
    #[test]
    fn the_scripts_have_counterparts_of_exactly_these_steps() {
        let scripts = [
            include_str!("../../peers/torch_chain.py"),
            include_str!("../../peers/opencv_chain.py"),
            include_str!("../../peers/albumentations_chain.py"),
            include_str!("../../peers/dali_chain.py"),
        ];
        let names = scripts.iter().flat_map(|script| {
            let (_, table) = script.split_once("\nSTEPS = {\n").unwrap();
            let (table, _) = table.split_once("\n}\n").unwrap();
            let lines = table.lines().filter_map(|line| line.strip_prefix("    \""));
            lines.map(|line| line.split('"').next().unwrap())
        });
        let names: BTreeSet<&str> = names.collect();
        assert_eq!(names, BTreeSet::from(COUNTERPARTS));
    }
}
