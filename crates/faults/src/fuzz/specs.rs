//! Chains of augmentations as text: generated from the catalogue so that a new step is attacked at
//! once, and sometimes damaged.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};
use tallow::{
    Augment, Field, LastBatch, Layout, Loader, RowDType, Schema, Transform as _, catalogue, from_fn,
};

use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Specs;

/// Above this many bytes per batch, a chain is bound but not run: it asks for legitimate work.
const BATCH_BYTES_MAX: usize = 2 << 20;

impl Target for Specs {
    /// What is delivered, and what binding takes; the loader plans the rest.
    fn bytes_max(&self) -> usize {
        128 << 20
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let mut text = chain(dice, 0).into_bytes();
        if dice.one_in(4) {
            (0..1 + dice.below(3)).for_each(|_| scramble(&mut text, dice));
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        fs::write(dir.join("chain"), text)?;
        fs::write(dir.join("rows"), rows(dice).to_string())
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let text = fs::read_to_string(dir.join("chain")).map_err(|error| error.to_string())?;
        let rows = fs::read(dir.join("rows")).map_err(|error| error.to_string())?;
        let rows = Rows::read(&serde_json::from_slice(&rows).map_err(|error| error.to_string())?);
        let chain = match text.parse::<Augment>() {
            Ok(chain) => chain,
            Err(error) => {
                // The text is quoted below the message, and the word in question is marked in it.
                let _ = error.to_string();
                let in_text = text.get(error.span()).is_some();
                words::check(error.message())?;
                words::check(&tallow::SourceError::from(error).to_string())?;
                return if in_text { Ok(0) } else { Err("an error about no text".to_owned()) };
            }
        };
        let printed = chain.to_string();
        let again: Augment =
            printed.parse().map_err(|error| format!("printed as {printed:?}: {error}"))?;
        if again.to_string() != printed || again.fingerprint() != chain.fingerprint() {
            return Err(format!("printed as {printed:?}, then as {:?}", again.to_string()));
        }
        let rows = rows.ok_or("rows that are not understood")?;
        let (one, other) = (rows.deliver(chain, 4), rows.deliver(again, 3));
        match (one, other) {
            (Ok(one), Ok(other)) if one.rows == other.rows => {
                Ok(one.planned_bytes.max(other.planned_bytes))
            }
            (Ok(_), Ok(_)) => Err(format!("{printed:?} delivers now this, now that")),
            (Err(one), Err(other)) => words::check(&one).and(words::check(&other)).map(|()| 0),
            (Err(error), Ok(_)) | (Ok(_), Err(error)) => {
                Err(format!("{printed:?} fails now and then: {error}"))
            }
        }
    }
}

/// What a loader delivered, and the memory that it planned to take.
struct Delivered {
    rows: Vec<u8>,
    planned_bytes: usize,
}

/// The samples that a chain is tried on.
struct Rows {
    dtype: RowDType,
    shape: Vec<usize>,
    layout: Option<Layout>,
    mask: bool,
    one_hot: bool,
    once: bool,
    seed: u64,
}

fn rows(dice: &mut Dice) -> Value {
    let dtype = *dice.pick(&["u8", "u8", "u8", "u16", "f32", "f32", "f16", "bf16", "f64", "i64"]);
    let (mut shape, layout) = match dice.below(10) {
        0 => (vec![12, 9], "hw"),
        1 => (vec![10, 12, 3], "hwc"),
        2 => (vec![2, 40], "ct"),
        3 => (vec![1, 4, 6, 5], "cdhw"),
        4 => (vec![1, 12, 12], "chw"),
        _ => (vec![3, 16, 13], ""),
    };
    if dice.one_in(8) {
        let axis = dice.below(shape.len());
        shape[axis] = *dice.pick(&[0, 1, 2, 5, 17, 40]);
    }
    json!({
        "dtype": dtype, "shape": shape, "layout": layout, "mask": dice.one_in(4),
        "one_hot": dice.one_in(3), "once": dice.one_in(4), "seed": dice.below(1000),
    })
}

impl Rows {
    fn read(rows: &Value) -> Option<Self> {
        let dtypes = [
            RowDType::U8,
            RowDType::U16,
            RowDType::F32,
            RowDType::F16,
            RowDType::BF16,
            RowDType::F64,
            RowDType::I64,
        ];
        let dtype = dtypes.into_iter().find(|dtype| rows["dtype"] == dtype.as_str())?;
        let lengths = rows["shape"].as_array()?.iter();
        Some(Self {
            dtype,
            shape: lengths.map(|len| Some(len.as_u64()? as usize)).collect::<Option<_>>()?,
            layout: rows["layout"].as_str()?.parse().ok(),
            mask: rows["mask"].as_bool()?,
            one_hot: rows["one_hot"].as_bool()?,
            once: rows["once"].as_bool()?,
            seed: rows["seed"].as_u64()?,
        })
    }

    /// What a loader delivers for seven samples in two epochs: the bytes of every field, row by
    /// row. Nothing if that would take too long.
    fn deliver(&self, mut chain: Augment, batch_size: usize) -> Result<Delivered, String> {
        const SAMPLES: usize = 7;
        if let Some(layout) = self.layout {
            chain = chain.layout(layout);
        }
        if self.mask {
            chain = chain.mask("mask");
        }
        if self.one_hot {
            chain = chain.one_hot("target", 10, 0.1);
        }
        if self.once {
            chain = chain.resample_once();
        }
        let schema = self.schema().map_err(|error| error.to_string())?;
        let seed = self.seed;
        let source = from_fn(schema, SAMPLES, move |index, row| {
            let mut dice = Dice::new(seed, index as u64);
            for at in 0..row.field_count() {
                let mut field = row.field(at);
                let is_class = field.declared().name() == "target";
                let bytes = field.as_mut_bytes()?;
                let drawn = dice.bytes(bytes.len());
                bytes.copy_from_slice(&drawn);
                if is_class {
                    bytes.copy_from_slice(&(dice.below(10) as i64).to_ne_bytes());
                }
            }
            Ok(())
        });
        let builder = Loader::builder(source).transform(chain).shuffle().seed(self.seed);
        let builder = builder.batch_size(batch_size).last_batch(LastBatch::Keep).workers(0);
        let loader = builder.build().map_err(|error| error.to_string())?;
        let planned_bytes = loader.plan().memory_bytes();
        let mut delivered = vec![Vec::new(); loader.schema().fields().len()];
        if loader.plan().slab_bytes() > BATCH_BYTES_MAX {
            return Ok(Delivered { rows: Vec::new(), planned_bytes });
        }
        for batch in loader.epochs(0..2) {
            let batch = batch.map_err(|error| error.to_string())?;
            for ((_, tensor), bytes) in batch.tensors().zip(&mut delivered) {
                let written = tensor.flatten_all().and_then(|flat| flat.write_bytes(bytes));
                written.map_err(|error| error.to_string())?;
            }
        }
        Ok(Delivered { rows: delivered.concat(), planned_bytes })
    }

    fn schema(&self) -> tallow::SourceResult<Schema> {
        let mut fields = vec![Field::new("input", self.dtype, &self.shape)];
        if self.mask {
            let layout = self.layout.map_or("chw", Layout::as_str);
            let pixels = layout.chars().zip(&self.shape).filter(|(axis, _)| *axis != 'c');
            let pixels: Vec<usize> = pixels.map(|(_, &len)| len).collect();
            fields.push(Field::new("mask", RowDType::U8, &pixels));
        }
        fields.push(Field::new("target", RowDType::I64, &[]));
        Schema::new(fields)
    }
}

/// Steps one after another.
fn chain(dice: &mut Dice, depth: usize) -> String {
    let steps: Vec<(&str, &str)> = catalogue().collect();
    let count = 1 + dice.below(if depth == 0 { 5 } else { 3 });
    let mut text = Vec::new();
    for _ in 0..count {
        let (name, usage) = *dice.pick(&steps);
        text.push(step(name, usage, dice, depth));
    }
    text.join(" ")
}

fn step(name: &str, usage: &str, dice: &mut Dice, depth: usize) -> String {
    if usage.is_empty() || dice.one_in(20) {
        return name.to_owned();
    }
    // A comma or a bar separates arguments; within brackets it belongs to one value.
    let ways: Vec<&str> = match usage.contains('=') || usage.contains('[') {
        true => vec![usage],
        false => usage.split(" | ").collect(),
    };
    let way = *dice.pick(&ways);
    let mut args = Vec::new();
    let mut named = false;
    for arg in split(way) {
        let (key, default) = match arg.split_once('=') {
            Some((key, default)) => (key, Some(default)),
            None => (arg, None),
        };
        if default.is_some() && dice.one_in(3) {
            named = true;
            continue;
        }
        let value = value(key, default, dice, depth);
        named |= default.is_some() && dice.one_in(3);
        args.push(if named { format!("{key}={value}") } else { value });
    }
    format!("{name}({})", args.join(", "))
}

/// The arguments of a usage; `..` means that there may be more.
fn split(usage: &str) -> Vec<&str> {
    let mut depth = 0;
    let is_comma = |c: char| {
        depth += i32::from(matches!(c, '[' | '(')) - i32::from(matches!(c, ']' | ')'));
        c == ',' && depth == 0
    };
    let args = usage.split(is_comma).map(str::trim);
    args.map(|arg| arg.split(" | ").next().unwrap_or(arg)).filter(|arg| *arg != "..").collect()
}

/// Words that arguments take.
const WORDS: [&str; 24] = [
    "none",
    "nearest",
    "bilinear",
    "bicubic",
    "constant",
    "reflect",
    "edge",
    "symmetric",
    "noise",
    "imagenet",
    "u8",
    "f16",
    "bf16",
    "f32",
    "chw",
    "hwc",
    "hw",
    "left",
    "right",
    "true",
    "false",
    "dh",
    "hflip",
    "i64",
];

/// A value for an argument: mostly a sensible one, sometimes anything.
fn value(key: &str, default: Option<&str>, dice: &mut Dice, depth: usize) -> String {
    if dice.one_in(24) {
        return match dice.below(4) {
            0 => dice.number(),
            1 => (*dice.pick(&["1e308", "-1e-300", "5e-324", "0.5..-0.5", "nan", "1e999"])).into(),
            2 => (*dice.pick(&WORDS)).to_owned(),
            _ if depth < 3 => chain(dice, depth + 1),
            _ => "hflip".to_owned(),
        };
    }
    let hundredths = |dice: &mut Dice, below: usize| dice.below(below) as f64 / 100.0;
    match key {
        "chain" | "chain.." if depth < 3 => chain(dice, depth + 1),
        "chain" | "chain.." => "hflip".to_owned(),
        "size" | "height" | "width" | "length" | "out_height" | "out_width" | "depth" | "short"
        | "left" | "right" | "all" | "x" | "y" | "bits" | "max" => (dice.below(24)).to_string(),
        "kernel" => (1 + 2 * dice.below(5)).to_string(),
        "dtype" | "u8" => (*dice.pick(&["u8", "f16", "bf16", "f32"])).to_owned(),
        "chw" => (*dice.pick(&["chw", "hwc", "hw", "ct"])).to_owned(),
        "imagenet" => {
            (*dice.pick(&["imagenet", "[0.5,0.5,0.5],[0.5,0.2,1]", "0.5,0.5"])).to_owned()
        }
        _ if matches!(default, Some("true" | "false")) => {
            (*dice.pick(&["true", "false"])).to_owned()
        }
        _ if default.is_some_and(|word| WORDS.contains(&word) && word != "none") => {
            let word = default.unwrap_or_default();
            let at = WORDS.iter().position(|known| *known == word).unwrap_or(0);
            // A word of the same kind is near.
            WORDS[(at + 23 + dice.below(3)) % 24].to_owned()
        }
        _ => match dice.below(6) {
            0 => {
                let low = hundredths(dice, 100);
                format!("{low}..{}", low + hundredths(dice, 100))
            }
            1 => dice.below(4).to_string(),
            2 => format!("[{},0.5,{}]", hundredths(dice, 100), dice.below(2)),
            3 => default.unwrap_or("1").to_owned(),
            4 => format!("-{}", hundredths(dice, 3000)),
            _ => hundredths(dice, 120).to_string(),
        },
    }
}
