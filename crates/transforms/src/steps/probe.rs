//! Helpers of tests: what chains draw, what they make of images, and why they are refused.

use bytemuck::Pod;
use candle_core::{DType, Device, Tensor, WithDType};
use tallow_core::{Dim, Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes, Transform};

use crate::augment::Augment;
use crate::bind::AugmentEngine;
use crate::fields::Fields;
use crate::layout::Layout;

/// An image of 16 x 16 pixels in three colours.
fn schema() -> Schema {
    Schema::new(vec![Field::new("input", RowDType::U8, &[16, 16, 3])]).unwrap()
}

pub(crate) fn chain(text: &str) -> Augment {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn key(index: u64) -> RowKey {
    RowKey { key: Key::new(3, 1), index }
}

/// What the chain draws for each of `samples` samples, in words.
pub(crate) fn taken(text: &str, samples: u64) -> Vec<String> {
    let schema = schema();
    let engine = AugmentEngine::bind(&chain(text), &schema).unwrap();
    let row = RowBuffer::new(&schema).unwrap();
    let notes = |index| engine.drawn(key(index), Shapes::of(row.view())).unwrap().join(" ");
    (0..samples).map(notes).collect()
}

/// Why the chain is refused.
pub(crate) fn problem(text: &str) -> String {
    chain(text).bind(&schema()).err().expect("a chain that is refused").to_string()
}

pub(crate) fn explained(text: &str) -> String {
    chain(text).explain(&schema()).unwrap()
}

/// Whether the canonical text of the chain reads back as itself.
pub(crate) fn round_trips(text: &str) {
    let canonical = chain(text).to_string();
    assert_eq!(chain(&canonical).to_string(), canonical);
}

/// The statistic of `counts` against equal shares.
pub(crate) fn chi_square(counts: &[usize]) -> f64 {
    let expected = counts.iter().sum::<usize>() as f64 / counts.len() as f64;
    counts.iter().map(|&count| (count as f64 - expected).powi(2) / expected).sum()
}

/// What the chain makes of the tensor of sample `index`.
pub(crate) fn augmented(augment: &Augment, image: &Tensor, index: u64) -> Tensor {
    let fields = Fields::new([("input", image.unsqueeze(0).unwrap())]);
    augment.apply(&fields, &[key(index)]).unwrap()["input"].squeeze(0).unwrap()
}

/// The same of a signal or a plane of `f32`, as numbers.
pub(crate) fn numbers(text: &str, values: &[f32], shape: &[usize], index: u64) -> Vec<f32> {
    let image = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
    values_of(&augmented(&chain(text), &image, index))
}

pub(crate) fn values_of<T: WithDType>(tensor: &Tensor) -> Vec<T> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// An image of `channels` planes of `f32`, all values different and none at a border of its range.
pub(crate) fn picture(channels: usize, height: usize, width: usize) -> Tensor {
    let count = channels * height * width;
    let value = |i: usize| 0.01 + 0.98 * ((i * 7919) % count) as f32 / count as f32;
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_vec(values, (channels, height, width), &Device::Cpu).unwrap()
}

/// The same with 256 levels.
pub(crate) fn levels(channels: usize, height: usize, width: usize) -> Tensor {
    (picture(channels, height, width) * 255.0).unwrap().to_dtype(DType::U8).unwrap()
}

/// What the chain makes of a sequence of tokens of at most `max`.
pub(crate) fn sequence<T: Pod>(text: &str, dtype: RowDType, max: usize, tokens: &[T]) -> Vec<T> {
    let dims = vec![Dim::Ragged { max }];
    let schema = Schema::new(vec![Field::with_dims("input", dtype, dims)]).unwrap();
    let engine = chain(text).bind(&schema).unwrap();
    let mut raw = RowBuffer::new(&schema).unwrap();
    {
        let mut row = raw.row(None);
        let mut field = row.field(0);
        field.set_shape(&[tokens.len()]).unwrap();
        field.copy_from_bytes(bytemuck::cast_slice(tokens)).unwrap();
    }
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let plan = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
    let mut scratch = vec![0u8; engine.scratch_bytes()];
    engine.plan(key(0), Shapes::of(raw.view()), plan).unwrap();
    engine.run(plan, raw.view(), &mut made.row(None), &mut scratch).unwrap();
    made.finish().unwrap();
    // Of no elements, the bytes lie nowhere, aligned or not.
    let view = made.view();
    let bytes = view.field(0).bytes();
    if bytes.is_empty() { Vec::new() } else { bytemuck::cast_slice(bytes).to_vec() }
}

/// What the chain makes of an image of 8 bits (channels, height, width).
pub(crate) fn made(chain: &str, shape: &[usize; 3], image: &[u8]) -> Vec<u8> {
    applied(chain, shape, image).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same of a chain that delivers `f32`.
pub(crate) fn made_f32(chain: &str, shape: &[usize; 3], image: &[u8]) -> Vec<f32> {
    applied(chain, shape, image).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Why the chain is refused for a small image in colour. The text of a chain must also be its own.
pub(crate) fn refusal(chain: &str) -> String {
    applied(chain, &[3, 2, 2], &[0; 12]).unwrap_err()
}

fn applied(text: &str, shape: &[usize; 3], image: &[u8]) -> Result<Tensor, String> {
    let chain: Augment = text.parse().map_err(|e| format!("{e}"))?;
    let again: Augment = chain.to_string().parse().map_err(|e| format!("{e}"))?;
    assert_eq!(chain.to_string(), again.to_string());
    let image = Tensor::from_slice(image, shape, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let fields = Fields::new([("input", image)]);
    let keys = [RowKey { key: Key::new(1, 2), index: 3 }];
    let made = again.layout(Layout::Chw).apply(&fields, &keys).map_err(|e| e.to_string())?;
    Ok(made["input"].clone())
}
