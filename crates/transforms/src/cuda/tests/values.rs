//! Every step of the catalogue on every type of pixel, and on values that few images have: NaN,
//! infinities, and what is a little outside of the range. Both engines make the same of them.

use half::slice::HalfFloatSliceExt as _;

use super::*;

/// What of an image is NaN, if one value of it was: that of [`ODD`].
#[derive(Debug, Clone, Copy, PartialEq)]
enum Nan {
    /// That value.
    Value,
    /// The channels of its pixel.
    Pixel,
    /// Its channel.
    Channel,
    /// The image.
    Image,
    /// Some of it: its place is moved, or others are computed from it.
    Some,
    /// The same, or nothing where it is moved out of the image.
    Any,
}

/// What a step does to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    /// They keep their type and their bits.
    Moves,
    Computes,
    /// And what is outside of the range comes to lie at its ends.
    Limits,
}

use Does::{Computes, Limits, Moves};

/// One form of each step, or several where they go different ways. What is random acts always.
const STEPS: &[(&str, Nan, Does)] = &[
    ("affine(10, 1, -1, 1.1, 5, -5)", Nan::Some, Moves),
    (
        "affine(10, 1, -1, 1.1, 5, -5, interpolation=bilinear, fill=[0.1,0.2,0.3])",
        Nan::Some,
        Computes,
    ),
    (
        "random_affine(10, translate=[0.1,0.1], interpolation=bilinear, fill=0.3)",
        Nan::Some,
        Computes,
    ),
    ("adjust_brightness(1.3)", Nan::Value, Limits),
    ("random_brightness(0.4)", Nan::Value, Limits),
    ("adjust_contrast(1.4)", Nan::Image, Limits),
    ("random_contrast(0.4)", Nan::Image, Limits),
    ("adjust_saturation(1.6)", Nan::Pixel, Limits),
    ("random_saturation(0.4)", Nan::Pixel, Limits),
    ("adjust_hue(0.2)", Nan::Pixel, Computes),
    ("random_hue(0.4)", Nan::Pixel, Computes),
    ("color_jitter(0.4, 0, 0.4, 0.1)", Nan::Pixel, Limits),
    ("color_jitter(0.4, 0.4, 0.4, 0.1)", Nan::Image, Limits),
    ("grayscale", Nan::Pixel, Computes),
    ("random_grayscale(1)", Nan::Pixel, Computes),
    ("adjust_gamma(2.2, gain=1.1)", Nan::Value, Limits),
    ("adjust_gamma(0)", Nan::Value, Limits),
    ("random_gamma(0.5..2)", Nan::Value, Limits),
    ("solarize(0.6)", Nan::Value, Computes),
    ("random_solarize(0.6, p=1)", Nan::Value, Computes),
    ("posterize(3)", Nan::Value, Limits),
    ("random_posterize(3, p=1)", Nan::Value, Limits),
    ("invert", Nan::Value, Computes),
    ("random_invert(1)", Nan::Value, Computes),
    ("autocontrast", Nan::Channel, Limits),
    ("random_autocontrast(1)", Nan::Channel, Limits),
    ("equalize", Nan::Channel, Limits),
    ("random_equalize(1)", Nan::Channel, Limits),
    ("adjust_sharpness(1.7)", Nan::Some, Computes),
    ("random_sharpness(0.3, p=1)", Nan::Some, Computes),
    ("gaussian_blur(5)", Nan::Some, Computes),
    ("gaussian_noise(0.1)", Nan::Value, Limits),
    ("gaussian_noise(0.1, mean=0.1, clip=false)", Nan::Value, Computes),
    ("salt_and_pepper(0..0)", Nan::Value, Computes),
    ("permute_channels(0, 2, 1)", Nan::Some, Computes),
    ("random_channel_permutation", Nan::Some, Computes),
    ("normalize(imagenet)", Nan::Value, Computes),
    ("normalize([0.5], [0.25])", Nan::Value, Computes),
    ("standardize", Nan::Image, Computes),
    ("standardize(per_channel=true)", Nan::Channel, Computes),
    ("crop(2, 3, 12, 11)", Nan::Some, Moves),
    ("center_crop(12, 11)", Nan::Some, Moves),
    ("center_crop(20, 30)", Nan::Some, Moves),
    ("random_crop(14, 15)", Nan::Some, Moves),
    ("random_resized_crop(30, scale=0.9..1)", Nan::Some, Computes),
    ("resize(30, 29)", Nan::Some, Computes),
    ("resize(30, 29, interpolation=bicubic)", Nan::Some, Computes),
    ("resize(33, 34, interpolation=nearest)", Nan::Some, Moves),
    ("resized_crop(2, 3, 12, 11, 30, 29)", Nan::Some, Computes),
    ("pad(3, 5, 7, 2, fill=[0.1,0.2,0.3])", Nan::Some, Moves),
    ("pad(5, mode=reflect)", Nan::Some, Moves),
    ("hflip", Nan::Some, Moves),
    ("vflip", Nan::Some, Moves),
    ("random_hflip(1)", Nan::Some, Moves),
    ("random_vflip(1)", Nan::Some, Moves),
    ("random_dflip(1)", Nan::Value, Moves),
    ("pad_if_needed(20, 24, fill=0.3)", Nan::Some, Moves),
    ("rot90(1)", Nan::Some, Moves),
    ("random_rot90", Nan::Some, Moves),
    ("rotate(17)", Nan::Some, Moves),
    ("rotate(17, interpolation=bilinear, fill=0.3)", Nan::Some, Computes),
    ("random_rotation(20)", Nan::Some, Moves),
    ("perspective(1, 0, 14, 1, 15, 15, 0, 14)", Nan::Some, Computes),
    ("random_perspective(0.2, p=1)", Nan::Some, Computes),
    ("elastic(5, sigma=2)", Nan::Some, Computes),
    ("elastic(5, sigma=2, interpolation=nearest)", Nan::Some, Computes),
    ("erase(0, 0, 4, 16, value=[0.1,0.2,0.3])", Nan::Value, Computes),
    ("erase(0, 0, 4, 16, value=noise)", Nan::Value, Computes),
    ("random_erasing(1, scale=0.02..0.03, value=0.5)", Nan::Value, Computes),
    ("time_mask(2, fill=0.3)", Nan::Value, Computes),
    ("freq_mask(2)", Nan::Value, Computes),
    ("shift(3)", Nan::Some, Moves),
    ("shift(3, wrap=false)", Nan::Some, Moves),
    ("gain(-1..1)", Nan::Value, Computes),
    ("random_apply(1, invert)", Nan::Value, Computes),
    ("one_of(invert, solarize(0.5))", Nan::Value, Computes),
    ("random_order(invert adjust_brightness(1.2))", Nan::Value, Computes),
    ("rand_augment(2, magnitude=5)", Nan::Some, Computes),
    ("trivial_augment_wide", Nan::Any, Computes),
    ("aug_mix(severity=2)", Nan::Some, Computes),
    ("to_dtype(f32)", Nan::Value, Computes),
    ("to_layout(hwc)", Nan::Some, Moves),
    ("mixup(0.4)", Nan::Value, Computes),
    ("cutmix(1)", Nan::Value, Computes),
    ("mixup_or_cutmix(0.4, 1)", Nan::Value, Computes),
];

/// Steps of signals and of sequences of tokens, of which pixels are no matter.
const OF_SIGNALS: &[&str] = &["random_window", "pad_or_truncate"];

const SHAPE: [usize; 3] = [3, 16, 16];

/// The element that is odd: in the middle of the second channel.
const ODD: usize = 256 + 8 * 16 + 8;

fn name_of(chain: &str) -> &str {
    chain.split('(').next().unwrap()
}

#[test]
fn every_step_of_the_catalogue_is_tried_with_odd_values() {
    let tried = |step: &str| STEPS.iter().any(|(chain, ..)| name_of(chain) == step);
    for (step, _) in catalogue() {
        assert!(tried(step) || OF_SIGNALS.contains(&step), "{step} is tried with none");
    }
}

/// Elements of a type that are near `values`.
fn encoded(dtype: RowDType, values: &[f64]) -> Vec<u8> {
    let of = |&x: &f64| match dtype {
        RowDType::U8 => (x as u8).to_ne_bytes().to_vec(),
        RowDType::U16 => (x as u16).to_ne_bytes().to_vec(),
        RowDType::U32 => (x as u32).to_ne_bytes().to_vec(),
        RowDType::I16 => (x as i16).to_ne_bytes().to_vec(),
        RowDType::I32 => (x as i32).to_ne_bytes().to_vec(),
        RowDType::I64 => (x as i64).to_ne_bytes().to_vec(),
        RowDType::F16 => f16::from_f64(x).to_ne_bytes().to_vec(),
        RowDType::BF16 => bf16::from_f64(x).to_ne_bytes().to_vec(),
        RowDType::F32 => (x as f32).to_ne_bytes().to_vec(),
        _ => x.to_ne_bytes().to_vec(),
    };
    values.iter().flat_map(of).collect()
}

/// An image in [0, `max`], of whole numbers unless that is 1, with `odd` at the places given.
fn values(max: f64, seed: u64, odd: &[(usize, f64)]) -> Vec<f64> {
    let share = |at| (number(seed, at) >> 40) as f64 / 16_777_216.0;
    let value = |at| if max > 1.0 { (share(at) * max).trunc() } else { share(at) };
    let mut values: Vec<f64> = (0..SHAPE.iter().product()).map(value).collect();
    odd.iter().for_each(|&(at, value)| values[at] = value);
    values
}

/// The chain on three images of `dtype`, and of a label where it mixes.
fn batch(chain: &str, dtype: RowDType, max: f64, odd: &[(usize, f64)]) -> Batch {
    let mut augment = parsed(chain).layout(Layout::Chw);
    let mut fields = vec![Field::new("input", dtype, &SHAPE)];
    if name_of(chain).contains("mix") && !chain.contains("aug") {
        augment = augment.one_hot("label", 5, 0.0);
        fields.push(Field::new("label", RowDType::U8, &[]));
    }
    if !matches!(dtype, RowDType::U8 | RowDType::U16) && max > 1.0 {
        augment = augment.range(0.0, max);
    }
    let schema = Schema::new(fields).unwrap();
    let row = |seed: u64| {
        let mut buffer = RowBuffer::new(&schema).unwrap();
        let mut row = buffer.row(None);
        let image = encoded(dtype, &values(max, seed, odd));
        row.field(0).copy_from_bytes(&image).unwrap();
        if schema.fields().len() > 1 {
            row.field(1).copy_from_bytes(&[seed as u8]).unwrap();
        }
        buffer
    };
    Batch::of(&augment, &schema, (0..3).map(row).collect())
}

/// The images that both engines make, which are the same.
fn images(chain: &str, batch: &Batch) -> Vec<Vec<f32>> {
    let dtype = batch.engine().schema().fields()[0].dtype();
    let made = batch.on_device(0, &in_blocks(1));
    let is_summed = SUMMED.iter().any(|summed| name_of(summed) == name_of(chain));
    let same = if is_summed || chain.contains("jitter") { Same::Sums } else { Same::Bits };
    let image = |row: usize| {
        let wanted = &batch.on_cpu(row)[0];
        let difference = difference(dtype, &made[0][row], wanted, same);
        assert_eq!(difference, None, "{chain} of {}, row {row}", batch.launches.engine.raw);
        decoded(dtype, wanted)
    };
    (0..3).map(image).collect()
}

fn decoded(dtype: RowDType, bytes: &[u8]) -> Vec<f32> {
    let each = bytes.chunks_exact(dtype.size());
    each.map(|x| match dtype {
        RowDType::U8 => f32::from(x[0]),
        RowDType::F16 => f16::from_ne_bytes([x[0], x[1]]).to_f32(),
        RowDType::BF16 => bf16::from_ne_bytes([x[0], x[1]]).to_f32(),
        RowDType::F32 => f32::from_ne_bytes(x.try_into().unwrap()),
        RowDType::F64 => f64::from_ne_bytes(x.try_into().unwrap()) as f32,
        _ => 0.0,
    })
    .collect()
}

#[test]
fn a_nan_stays_a_nan_in_every_step() {
    for dtype in [RowDType::F32, RowDType::F16, RowDType::BF16, RowDType::F64] {
        for &(chain, nan, _) in STEPS {
            let batch = batch(chain, dtype, 1.0, &[(ODD, f64::NAN)]);
            for image in images(chain, &batch) {
                let is_nan = |at: usize| match nan {
                    Nan::Value => at == ODD,
                    Nan::Pixel => at % 256 == ODD % 256,
                    Nan::Channel => at / 256 == ODD / 256,
                    Nan::Image => true,
                    Nan::Some | Nan::Any => image[at].is_nan(),
                };
                let wrong = (0..image.len()).find(|&at| image[at].is_nan() != is_nan(at));
                assert_eq!(wrong, None, "{chain} of {dtype}: NaN in the wrong place");
                let is_left = nan == Nan::Any || image.iter().any(|x| x.is_nan());
                assert!(is_left, "{chain} of {dtype}: no NaN is left");
            }
        }
    }
}

#[test]
fn a_nan_is_0_in_bytes() {
    for chain in ["adjust_brightness(1.3) to_dtype(u8)", "to_dtype(u8)", "invert to_dtype(u8)"] {
        let batch = batch(chain, RowDType::F32, 1.0, &[(ODD, f64::NAN)]);
        assert!(images(chain, &batch).iter().all(|image| image[ODD] == 0.0), "{chain}");
    }
}

#[test]
fn engines_agree_on_infinities_and_steps_that_limit_do() {
    const INF: f64 = f64::INFINITY;
    let odd = [(ODD, INF), (3, -INF), (600, INF), (ODD + 99, 1.4), (40, -0.4), (500, -0.0)];
    for dtype in [RowDType::F32, RowDType::F16, RowDType::F64] {
        for &(chain, _, does) in STEPS {
            for odd in [&odd[..], &odd[3..]] {
                let batch = batch(chain, dtype, 1.0, odd);
                for image in images(chain, &batch) {
                    let outside = image.iter().find(|x| **x < 0.0 || **x > 1.0);
                    assert!(does != Limits || outside.is_none(), "{chain} leaves {outside:?}");
                }
            }
        }
    }
}

#[test]
fn every_step_takes_every_type_and_delivers_it_as_documented() {
    use RowDType::{BF16, F16, F32, F64, I16, I32, I64, U8, U16, U32};
    for dtype in [U8, U16, F16, F32, BF16, F64, I16, I32, I64, U32] {
        let max = match dtype {
            U8 => 255.0,
            U16 => 65535.0,
            I16 | I32 | I64 | U32 => 200.0,
            _ => 1.0,
        };
        for &(chain, _, does) in STEPS {
            let batch = batch(chain, dtype, max, &[]);
            let delivered = batch.engine().schema().fields()[0].dtype();
            let keeps = does == Moves || matches!(dtype, U8 | F16 | F32);
            let is_normal = chain.starts_with("normalize") || chain.starts_with("standardize");
            let expected = match () {
                () if is_normal || name_of(chain) == "to_dtype" => F32,
                () if keeps => dtype,
                () => F32,
            };
            assert_eq!(delivered, expected, "{chain} of {dtype}");
            if dtype != U16 || delivered != U16 {
                images(chain, &batch);
            }
        }
    }
}

#[test]
fn what_is_computed_from_wide_types_is_that_of_the_same_f32() {
    use RowDType::{F32, F64, I16, I32, I64, U32};
    for (chain, ..) in STEPS.iter().filter(|(_, _, does)| *does != Moves) {
        for (dtype, max) in [(F64, 1.0), (I16, 200.0), (I32, 200.0), (I64, 200.0), (U32, 200.0)] {
            let [wide, plain] = [dtype, F32].map(|dtype| batch(chain, dtype, max, &[]));
            for row in 0..3 {
                assert!(wide.on_cpu(row)[0] == plain.on_cpu(row)[0], "{chain} of {dtype}");
            }
        }
    }
}

#[test]
fn any_number_of_channels_is_normalised_and_erased_each_by_its_own() {
    for channels in [1usize, 4, 5, 8, 13, 70] {
        let mean: Vec<f64> = (0..channels).map(|c| c as f64 / 100.0).collect();
        let std: Vec<f64> = (0..channels).map(|c| 0.2 + c as f64 / 100.0).collect();
        let list = |of: &[f64]| format!("{of:?}").replace(' ', "");
        let (means, stds) = (list(&mean), list(&std));
        for chain in [
            format!("normalize({means}, {stds})"),
            format!("random_hflip normalize({means}, {stds}) erase(1, 2, 3, 4, value={means})"),
            format!("erase(1, 2, 3, 4, value={stds}) rotate(20, interpolation=bilinear)"),
        ] {
            check(&chain, RowDType::U8, Layout::Hwc, &[9, 11, channels], Same::Bits);
            check(&chain, RowDType::F32, Layout::Chw, &[channels, 9, 11], Same::Bits);
        }
    }
}

/// Of all 2^32 of them. The `half` crate takes the processor's own instruction, which rounds as IEEE
/// 754 says, as `cvt.rn.f16x2` of the devices does.
#[test]
fn every_f32_becomes_the_half_that_an_instruction_makes_of_it() {
    const CHUNK: usize = 1 << 20;
    std::thread::scope(|scope| {
        for part in 0..4_u32 {
            scope.spawn(move || {
                let (mut made, mut expected) = (vec![0; CHUNK], vec![f16::ZERO; CHUNK]);
                let mut values = vec![0_f32; CHUNK];
                for first in (0..1_u32 << 30).step_by(CHUNK).map(|at| part << 30 | at) {
                    host::halves(first, &mut made);
                    let bits = bytemuck::cast_slice_mut::<f32, u32>(&mut values).iter_mut();
                    bits.zip(first..=u32::MAX).for_each(|(value, bits)| *value = bits);
                    expected.convert_from_f32_slice(&values);
                    if made != bytemuck::cast_slice::<f16, u16>(&expected) {
                        let at = (0..CHUNK).find(|&at| made[at] != expected[at].to_bits());
                        panic!("{:#x}", first + at.unwrap_or_default() as u32);
                    }
                }
            });
        }
    });
}
