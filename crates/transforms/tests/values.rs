//! The values of images: their range, their type, and what is refused.

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use tallow_core::{ErrorKind, Field, Key, RowDType, RowKey, Schema, Transform};
use tallow_transforms::{Augment, Fields, Layout};

fn chain(text: &str) -> Augment {
    text.parse::<Augment>().unwrap_or_else(|error| panic!("{error}")).layout(Layout::Chw)
}

/// What the chain makes of one image.
fn made(augment: &Augment, image: &Tensor) -> tallow_core::Result<Tensor> {
    let fields = Fields::new([("input", image.unsqueeze(0)?)]);
    let keys = [RowKey { key: Key::new(3, 1), index: 7 }];
    Ok(augment.apply(&fields, &keys)?["input"].squeeze(0)?)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn numbers(augment: &Augment, image: &Tensor) -> Vec<f32> {
    values(&made(augment, image).unwrap_or_else(|error| panic!("{augment}: {error}")))
}

/// An image of 3 x 8 x 9 with all levels of a byte.
fn bytes() -> Tensor {
    let levels: Vec<u8> = (0..216u32).map(|i| (i * 97 % 256) as u8).collect();
    Tensor::from_vec(levels, (3, 8, 9), &Device::Cpu).unwrap()
}

fn floats(values: &[f32]) -> Tensor {
    Tensor::from_slice(values, (1, 1, values.len()), &Device::Cpu).unwrap()
}

/// Why the chain does not fit an image of `channels` x 8 x 9.
fn refused(augment: &Augment, dtype: RowDType, channels: usize) -> String {
    let schema = Schema::new(vec![Field::new("input", dtype, &[channels, 8, 9])]).unwrap();
    let bound = augment.bind(&schema);
    bound.err().unwrap_or_else(|| panic!("{augment} fits {schema}")).to_string()
}

// ---- arguments

/// Steps with arguments for bytes, and the name of what is wrong with them where white is 1.
const FOR_BYTES: [(&str, &str); 11] = [
    ("normalize([123.7], [58.4])", "mean 123.7"),
    ("normalize([0.5], [58.4])", "std 58.4"),
    ("solarize(128)", "threshold 128"),
    ("random_solarize(128, p=1)", "threshold 128"),
    ("pad(1, fill=128)", "fill 128"),
    ("rotate(9, fill=[10,20,128])", "fill 10"),
    ("rand_augment(fill=128)", "fill 128"),
    ("erase(0, 0, 1, 1, value=128)", "value 128"),
    ("random_erasing(1, value=[0,1,128])", "value 128"),
    ("gaussian_noise(25)", "sigma 25"),
    ("time_mask(3, fill=128)", "fill 128"),
];

#[test]
fn arguments_for_bytes_are_refused_for_floats_in_words_that_name_the_range() {
    for (text, found) in FOR_BYTES {
        for dtype in [RowDType::F32, RowDType::F16, RowDType::BF16, RowDType::F64] {
            let problem = refused(&chain(text), dtype, 3);
            assert!(problem.contains(&format!("found {found}, expected 0 to 1")), "{problem}");
            assert!(problem.contains("say .range(0.0, 255.0)"), "{problem}");
        }
        let problem = refused(&chain(text), RowDType::U8, 3);
        assert!(problem.contains("as 1 is the greatest u8"), "{problem}");
    }
}

#[test]
fn with_the_range_they_are_right() {
    let image = bytes().to_dtype(DType::F32).unwrap();
    for (text, _) in FOR_BYTES {
        made(&chain(text).range(0.0, 255.0), &image).unwrap();
    }
    let two = floats(&[0.0, 200.0]);
    let of = |text: &str| numbers(&chain(text).range(0.0, 255.0), &two);
    assert_eq!(of("solarize(128)"), [0.0, 55.0]);
    assert_eq!(of("pad(1, 0, 0, 0, fill=128)"), [128.0, 0.0, 200.0]);
    assert_eq!(of("erase(0, 1, 1, 1, value=128)"), [0.0, 128.0]);
    assert_eq!(of("gaussian_noise(0, mean=100)"), [100.0, 255.0]);
    assert_eq!(of("normalize([100], [50])"), [-2.0, 2.0]);
    assert_eq!(of("adjust_brightness(2)"), [0.0, 255.0]);
    let noise = numbers(&chain("erase(0, 0, 8, 9, value=noise)").range(0.0, 255.0), &image);
    assert!(noise.iter().any(|x| *x > 255.0), "noise has the width of the range");
}

#[test]
fn all_arguments_are_listed_with_every_other_problem() {
    let problem = refused(&chain("pad(1, fill=9) solarize(7) posterize(9)"), RowDType::F32, 3);
    for found in ["pad: found fill 9", "solarize: found threshold 7", "posterize: found 9 bits"] {
        assert!(problem.contains(found), "{problem}");
    }
}

#[test]
fn behind_a_normalisation_any_number_goes() {
    let behind = "normalize(0.5, 0.2) pad(1, fill=-128) erase(0, 0, 1, 1, value=99) \
                  gaussian_noise(25, clip=false) time_mask(2, fill=-7)";
    made(&chain(behind), &bytes()).unwrap();
    assert!(
        refused(&chain("normalize(0.5, 0.2) invert"), RowDType::F32, 3).contains("put it before")
    );
}

#[test]
fn deviations_are_above_0_and_no_wider_than_the_range() {
    let of = |text| refused(&chain(text), RowDType::F32, 3);
    assert!(of("normalize(0, 0)").contains("found std 0, expected more than 0"));
    assert!(of("normalize(0, -0.5)").contains("found std -0.5, expected more than 0"));
    assert!(of("normalize(-1, 1)").contains("found mean -1, expected 0 to 1"));
    let wide = chain("normalize(-1, 2)").range(-1.0, 1.0);
    assert_eq!(numbers(&wide, &floats(&[-1.0, 1.0])), [0.0, 1.0]);
}

// ---- ranges

#[test]
fn bytes_are_resized_within_a_twentieth_of_a_level_of_floats() {
    // The widest that was found is 0.025 of a level.
    let mut state = 1u32;
    let mut level = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for [height, width, to_height, to_width] in
        [[40, 50, 17, 23], [40, 50, 61, 83], [1000, 30, 20, 31], [30, 1000, 7, 20], [9, 9, 9, 9]]
    {
        let levels: Vec<u8> = (0..3 * height * width).map(|_| level()).collect();
        let image = Tensor::from_vec(levels, (3, height, width), &Device::Cpu).unwrap();
        let wide = image.to_dtype(DType::F32).unwrap();
        for how in ["bilinear", "bicubic", "bilinear,antialias=false", "bicubic,antialias=false"] {
            let text = format!("resize({to_height},{to_width},interpolation={how}) to_dtype(f32)");
            let augment = chain(&text);
            let (a, b) = (numbers(&augment, &image), numbers(&augment.range(0.0, 255.0), &wide));
            let apart = a.iter().zip(&b).map(|(a, b)| 255.0 * (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 0.05, "{text} of {height}x{width}: {apart}");
        }
    }
}

#[test]
fn floats_from_0_to_255_are_treated_as_bytes_are() {
    // Large enough for a histogram of 256 levels.
    let levels: Vec<u8> = (0..3 * 40 * 50u32).map(|i| (i * 97 % 251) as u8).collect();
    let image = Tensor::from_vec(levels, (3, 40, 50), &Device::Cpu).unwrap();
    let wide = image.to_dtype(DType::F32).unwrap();
    for text in [
        "color_jitter(0.4, 0.4, 0.4, 0.1)",
        "adjust_gamma(2.2)",
        "posterize(3)",
        "equalize autocontrast",
        "invert adjust_sharpness(2)",
        "rand_augment(3)",
        "aug_mix",
        "salt_and_pepper(0.5)",
    ] {
        let augment = chain(&format!("{text} to_dtype(f32)"));
        let (a, b) = (numbers(&augment, &image), numbers(&augment.range(0.0, 255.0), &wide));
        assert_eq!(a, b, "{text}");
    }
}

#[test]
fn values_are_delivered_in_their_range_and_scaled_where_a_type_is_asked_for() {
    let image = floats(&[0.0, 51.0, 255.0]);
    let of = |text: &str| numbers(&chain(text).range(0.0, 255.0), &image);
    assert_eq!(of("adjust_brightness(1)"), [0.0, 51.0, 255.0]);
    let scaled = of("adjust_brightness(1) to_dtype(f32)");
    assert!(scaled[0] == 0.0 && (scaled[1] - 0.2).abs() < 1e-7 && scaled[2] == 1.0, "{scaled:?}");
    assert_eq!(of("hflip to_dtype(u8)"), [255.0, 51.0, 0.0]);
    let signed = numbers(&chain("to_dtype(u8)").range(-1.0, 1.0), &floats(&[-1.0, 0.2, 1.0]));
    assert_eq!(signed, [0.0, 153.0, 255.0]);
    let scan = Tensor::from_slice(&[-1000i16, 0, 3000], (1, 1, 3), &Device::Cpu).unwrap();
    let scaled = numbers(&chain("to_dtype(f32)").range(-1000.0, 3000.0), &scan);
    assert_eq!(scaled, [0.0, 0.25, 1.0]);
}

#[test]
fn a_range_that_the_type_says_or_that_is_none_is_refused() {
    let of = |dtype, low, high| refused(&chain("hflip").range(low, high), dtype, 3);
    assert!(of(RowDType::U8, 0.0, 255.0).contains("u8, which goes from 0 to 255"));
    assert!(of(RowDType::U16, 0.0, 1.0).contains("u16, which goes from 0 to 65535"));
    assert!(of(RowDType::F32, 1.0, 0.0).contains(".range(1.0, 0.0)"));
    let inner = chain("hflip").random_apply(0.5, Augment::new().invert().range(0.0, 9.0));
    assert!(refused(&inner, RowDType::F32, 3).contains("settings on the chain inside"));
}

#[test]
fn steps_that_count_from_black_say_that_the_range_has_to_begin_at_0() {
    for text in ["adjust_brightness(2)", "invert", "color_jitter(0.1, 0, 0, 0)", "equalize"] {
        let problem = refused(&chain(text).range(-1.0, 1.0), RowDType::F32, 3);
        assert!(problem.contains("begin at 0, found .range(-1.0, 1.0)"), "{problem}");
    }
}

#[test]
fn another_range_is_another_transform_and_none_is_what_it_was() {
    let plain = chain("invert").fingerprint();
    let ranges = [[0.0, 255.0], [0.0, 254.0]]
        .map(|[low, high]| chain("invert").range(low, high).fingerprint());
    assert!(ranges[0] != ranges[1] && !ranges.contains(&plain));
}

// ---- raw values

#[test]
fn raw_values_far_outside_of_the_range_are_an_error_of_their_sample() {
    let image = floats(&[0.5, 0.1, 0.2, 0.3, 0.4, 187.0, 3.0]);
    for text in [
        "adjust_brightness(1.1)",
        "adjust_contrast(1.1)",
        "adjust_sharpness(2)",
        "equalize",
        "gaussian_noise(0.1)",
        "invert",
        "random_apply(0.5, posterize(3))",
        "trivial_augment_wide",
        "to_dtype(u8)",
    ] {
        let error = made(&chain(text), &image).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfRange, "{text}");
        let text = error.to_string();
        assert!(text.contains("found 187 at element 5, expected values from 0 to 1"), "{text}");
        assert!(text.contains("say .range(0.0, 255.0) if that is the field's range"), "{text}");
    }
    made(&chain("adjust_brightness(1.1)").range(0.0, 255.0), &image).unwrap();
    let error = made(&chain("invert").range(0.0, 100.0), &image).unwrap_err().to_string();
    assert!(error.contains("from 0 to 100, as .range(..) says"), "{error}");
}

#[test]
fn overshoot_infinities_and_nan_are_no_errors() {
    let image = floats(&[1.5, -0.5, f32::INFINITY, f32::NEG_INFINITY, f32::NAN]);
    let made = numbers(&chain("adjust_brightness(1)"), &image);
    assert!(made[..4] == [1.0, 0.0, 1.0, 0.0] && made[4].is_nan(), "{made:?}");
}

#[test]
fn steps_that_know_no_range_take_any_values() {
    let image = floats(&[1e6, -40.0, 0.0, 7.0, 3.0]);
    for text in
        ["hflip", "resize(3, 7)", "standardize", "normalize(0.5, 0.5)", "gain(3)", "shift(2)"]
    {
        made(&chain(text), &image).unwrap();
    }
    assert_eq!(numbers(&chain("to_dtype(f32)"), &image), values(&image));
}

#[test]
fn every_type_with_a_range_is_looked_at_wherever_the_value_stands() {
    let at = [0, 5, 4095, 4096, 9000];
    for place in at {
        let mut row = vec![0.5f32; 9001];
        row[place] = 60.0;
        for dtype in [DType::F32, DType::F16, DType::BF16, DType::F64] {
            let image = floats(&row).to_dtype(dtype).unwrap();
            let error = made(&chain("invert"), &image).unwrap_err().to_string();
            assert!(error.contains(&format!("found 60 at element {place},")), "{error}");
        }
        for dtype in [DType::I16, DType::I32, DType::I64, DType::U32] {
            let image = floats(&row).to_dtype(dtype).unwrap();
            let error = made(&chain("invert").range(0.0, 20.0), &image).unwrap_err().to_string();
            assert!(error.contains(&format!("found 60 at element {place},")), "{error}");
        }
    }
}

// ---- types

#[test]
fn wide_types_are_computed_with_and_delivered_as_f32() {
    let image = bytes();
    let expected = numbers(&chain("resize(5, 4) to_dtype(f32)"), &image);
    let expected: Vec<f32> = expected.iter().map(|x| x * 255.0).collect();
    for dtype in [DType::F64, DType::BF16, DType::I16, DType::I32, DType::I64, DType::U32] {
        let wide = image.to_dtype(dtype).unwrap();
        let resized = made(&chain("resize(5, 4)"), &wide).unwrap();
        assert_eq!(resized.dtype(), DType::F32);
        // Bytes are resized in integers.
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 0.05;
        assert!(values(&resized).iter().zip(&expected).all(near), "{dtype:?}");
        let narrow = made(&chain("resize(5, 4) to_dtype(bf16)"), &wide).unwrap();
        assert_eq!(narrow.dtype(), DType::BF16);
        let moved = made(&chain("hflip"), &wide).unwrap();
        assert_eq!(moved.dtype(), dtype, "what is only moved keeps its type");
    }
}

#[test]
fn wide_values_are_rounded_to_f32() {
    let large = [16_777_217i64, -16_777_219, 1 << 40];
    let image = Tensor::from_slice(&large, (1, 1, 3), &Device::Cpu).unwrap();
    let rounded = numbers(&chain("to_dtype(f32)"), &image);
    assert_eq!(rounded, [16_777_216.0, -16_777_220.0, 1_099_511_627_776.0]);
    let image = Tensor::from_slice(&[0.1f64, 1.0 / 3.0], (1, 1, 2), &Device::Cpu).unwrap();
    assert_eq!(numbers(&chain("to_dtype(f32)"), &image), [0.1, 1.0 / 3.0]);
    let halves = [bf16::from_f32(0.3), bf16::from_f32(1e-40)];
    let image = Tensor::from_slice(&halves, (1, 1, 2), &Device::Cpu).unwrap();
    assert_eq!(numbers(&chain("to_dtype(f32)"), &image), halves.map(bf16::to_f32));
    assert_eq!(f16::from_f32(0.5).to_f32(), 0.5);
}

#[test]
fn types_without_a_range_say_how_to_give_one() {
    for dtype in [RowDType::I16, RowDType::I32, RowDType::I64, RowDType::U32] {
        for text in [
            "invert",
            "adjust_contrast(2)",
            "normalize([40], [400])",
            "pad(1, fill=5)",
            "erase(0, 0, 1, 1, value=noise)",
            "gaussian_noise(0.1)",
            "to_dtype(u8)",
        ] {
            let problem = refused(&chain(text), dtype, 3);
            assert!(problem.contains("say .range(low, high)"), "{problem}");
        }
    }
}

#[test]
fn eight_bit_floats_are_moved_and_otherwise_refused_with_a_way_out() {
    let problem = refused(&chain("resize(4, 4)"), RowDType::F8E4M3, 3);
    assert!(problem.contains("store the files as f16 or f32"), "{problem}");
    let schema = Schema::new(vec![Field::new("input", RowDType::F8E4M3, &[3, 8, 9])]).unwrap();
    assert!(chain("hflip").bind(&schema).is_ok());
}

// ---- signals

#[test]
fn signals_have_no_range_and_are_neither_clamped_nor_refused() {
    let signal = Tensor::from_slice(&[-3.0f32, 0.5, 40.0], (1, 3), &Device::Cpu).unwrap();
    let of = |text: &str| text.parse::<Augment>().unwrap().layout(Layout::Ct);
    assert_eq!(numbers(&of("gaussian_noise(0, mean=20)"), &signal), [17.0, 20.5, 60.0]);
    assert!((numbers(&of("normalize([30], [60])"), &signal)[2] - 1.0 / 6.0).abs() < 1e-6);
    assert_eq!(numbers(&of("pad(1, 0, 0, 0, fill=-80)"), &signal)[0], -80.0);
    assert_eq!(numbers(&of("shift(1) to_dtype(f16)"), &signal).len(), 3);
    let problem = made(&of("invert"), &signal).unwrap_err().to_string();
    assert!(problem.contains("a signal of f32, which has neither: say .range"), "{problem}");
    assert_eq!(numbers(&of("adjust_brightness(2)").range(0.0, 50.0), &signal), [0.0, 1.0, 50.0]);
}

// ---- channels

#[test]
fn normalisations_have_a_pair_for_each_of_any_number_of_channels_or_one() {
    let five =
        Tensor::from_vec((0..5 * 4).map(|x| x as f32 / 20.0).collect(), (5, 2, 2), &Device::Cpu);
    let five: Tensor = five.unwrap();
    let each = numbers(&chain("normalize([0.1,0.2,0.3,0.4,0.5],[1,0.5,0.4,0.25,0.2])"), &five);
    let (mean, std) = ([0.1, 0.2, 0.3, 0.4, 0.5], [1.0, 0.5, 0.4, 0.25, 0.2]);
    for (at, (made, x)) in each.iter().zip(values(&five)).enumerate() {
        let want = (f64::from(x) - mean[at / 4]) / std[at / 4];
        assert!((f64::from(*made) - want).abs() < 1e-6, "element {at}: {made}, not {want}");
    }
    let of = |text, channels| refused(&chain(text), RowDType::F32, channels);
    assert!(of("normalize(imagenet)", 5).contains("found 5 channels, expected 3, one per mean"));
    assert!(of("normalize([0.1,0.2],[0.1])", 2).contains("found 2 means and 1 deviations"));
    assert!(of("erase(0, 0, 1, 1, value=[0.1,0.2])", 5).contains("found 5 channels, expected 2"));
    assert!(of("pad(1, fill=[0.1,0.2])", 5).contains("found 5 channels, expected 2, one per fill"));
    assert!(of("pad(1, fill=[0,0,0,0,0])", 5).contains("give one number for all"));
    assert!(of("permute_channels(4,3,2,1,0)", 5).contains("found 5 channels, expected at most 4"));
}

#[test]
fn steps_of_colours_say_which_channels_they_need() {
    for text in ["adjust_saturation(2)", "adjust_hue(0.1)", "grayscale", "equalize", "rand_augment"]
    {
        let problem = refused(&chain(text), RowDType::U8, 5);
        assert!(
            problem.contains("found 5 channels, expected 1 to 4: gray or red, green"),
            "{problem}"
        );
    }
}
