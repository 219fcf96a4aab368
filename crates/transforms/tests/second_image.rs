//! A second image goes where the first goes, whatever happens to the colours of that.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use tallow_core::{Dim, Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes, Transform};
use tallow_transforms::{Augment, Fields, Interpolation, Layout, Normalization, SecondImage};

fn unit(seed: u64, at: usize) -> f32 {
    let mut x = seed.wrapping_add(at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 27)) >> 40) as f32 / 16_777_216.0
}

/// Two rows of noise.
fn noise(dtype: DType, [height, width]: [usize; 2], channels: usize, seed: u64) -> Tensor {
    let shape = (2, height, width, channels);
    let values: Vec<f32> = (0..2 * height * width * channels).map(|at| unit(seed, at)).collect();
    match dtype {
        DType::F32 => Tensor::from_vec(values, shape, &Device::Cpu).unwrap(),
        _ => {
            let values: Vec<u8> = values.iter().map(|x| (x * 256.0) as u8).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        }
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn keys(rows: usize) -> Vec<RowKey> {
    (0..rows as u64).map(|index| RowKey { key: Key::new(7, 0), index }).collect()
}

fn chain(text: &str) -> Augment {
    text.parse::<Augment>().unwrap_or_else(|error| panic!("{error}")).layout(Layout::Hwc)
}

fn apply(chain: &Augment, fields: &Fields) -> Fields {
    chain.apply(fields, &keys(2)).unwrap_or_else(|error| panic!("{chain}: {error}"))
}

fn pair(first: Tensor, second: Tensor) -> Fields {
    Fields::new([("input", first), ("second", second)])
}

fn side() -> impl Strategy<Value = usize> {
    2usize..20
}

/// Steps that move pixels without finding any between them, for images of any size.
fn moves() -> impl Strategy<Value = String> {
    let mode = prop_oneof![Just("constant"), Just("edge"), Just("symmetric"), Just("wrap")];
    let sides = [0usize..6, 0usize..6, 0usize..6, 0usize..6];
    prop_oneof![
        Just("random_hflip random_vflip".to_owned()),
        (-1..3).prop_map(|k| format!("rot90({k})")),
        (sides, mode).prop_map(|([a, b, c, d], mode)| format!("pad({a},{b},{c},{d},mode={mode})")),
        (side(), side()).prop_map(|(h, w)| format!("center_crop({h},{w})")),
        side().prop_map(|side| format!("pad(20) random_crop({side})")),
    ]
}

/// Steps that find pixels between those there are.
fn maps(how: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        (side(), side()).prop_map(move |(h, w)| format!("resize({h},{w},interpolation={how})")),
        (side(), side())
            .prop_map(move |(h, w)| format!("random_resized_crop({h},{w},interpolation={how})")),
        Just(format!("random_rotation(60,interpolation={how})")),
        Just(format!("random_affine(40,translate=[0.2,0.3],scale=0.6..1.5,interpolation={how})")),
        Just(format!("random_perspective(0.6,p=0.7,interpolation={how})")),
    ]
}

/// Steps of which a second image sees nothing.
fn colors() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("color_jitter(0.4,0.4,0.4,0.1)"),
        Just("gaussian_blur(3,sigma=1)"),
        Just("adjust_sharpness(2)"),
        Just("equalize"),
        Just("random_erasing(1)"),
        Just("gaussian_noise(0.1)"),
        Just("invert"),
    ]
}

fn chains(how: &'static str) -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let step = prop_oneof![2 => moves(), 3 => maps(how)];
    prop::collection::vec((step, colors()), 1..4)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

/// Each pixel of two rows `times` x `times` times.
fn repeated(image: &Tensor, times: usize) -> Tensor {
    let (rows, h, w, c) = image.dims4().unwrap();
    let from = values(image);
    let mut made = Vec::new();
    for (row, y) in (0..rows).flat_map(|row| (0..h * times).map(move |y| (row, y))) {
        for x in 0..w * times {
            let at = ((row * h + y / times) * w + x / times) * c;
            made.extend_from_slice(&from[at..at + c]);
        }
    }
    Tensor::from_vec(made, (rows, h * times, w * times, c), &Device::Cpu).unwrap()
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn it_is_what_the_chain_without_colors_makes_of_it(
        steps in chains("bilinear"), size in [side(), side()], channels in 1usize..6, seed: u64,
        elastic: bool,
    ) {
        let tail = if elastic { " elastic(20,sigma=1,interpolation=bilinear)" } else { "" };
        let geometry: Vec<&str> = steps.iter().map(|(step, _)| step.as_str()).collect();
        let geometry = geometry.join(" ") + tail;
        let all: Vec<String> = steps.iter().map(|(step, color)| format!("{step} {color}")).collect();
        let all = all.join(" ") + tail + " normalize(0.5, 0.2)";
        let second = noise(DType::F32, size, channels, seed);
        let fields = pair(noise(DType::U8, size, 3, !seed), second.clone());
        let found = apply(&chain(&all).image("second"), &fields);
        let alone = chain(&geometry).field("second");
        let expected = apply(&alone, &Fields::new([("second", second)]));
        prop_assert_eq!(found["second"].dims(), expected["second"].dims());
        let pairs = values(&found["second"]).into_iter().zip(values(&expected["second"]));
        // Stages are cut at other steps, and what was one weight may be a product of two.
        let worst = pairs.fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        prop_assert!(worst <= 2e-6, "{}: {} apart", all, worst);
    }

    #[test]
    fn of_nearest_pixels_it_is_a_mask(
        steps in chains("bilinear"), size in [side(), side()], seed: u64, elastic: bool, wide: bool,
    ) {
        let steps: Vec<String> = steps.iter().map(|(step, color)| format!("{step} {color}")).collect();
        let text = steps.join(" ") + if elastic { " elastic(20,sigma=1)" } else { "" };
        let mut second = noise(DType::U8, size, 2, seed);
        if wide {
            // A type that is moved, not computed.
            second = second.to_dtype(DType::I64).unwrap();
        }
        let fields = pair(noise(DType::U8, size, 3, !seed), second);
        let nearest = SecondImage::new("second").interpolation(Interpolation::Nearest);
        let found = apply(&chain(&text).image(nearest), &fields);
        let expected = apply(&chain(&text).mask("second"), &fields);
        prop_assert_eq!(found["second"].dtype(), expected["second"].dtype());
        prop_assert_eq!(values(&found["second"]), values(&expected["second"]), "{}", text);
    }

    #[test]
    fn a_larger_one_is_moved_by_as_many_pixels(
        steps in prop::collection::vec((moves(), colors()), 1..4), size in [side(), side()],
        times in 2usize..5, seed: u64, wide: bool,
    ) {
        let steps: Vec<String> = steps.iter().map(|(step, color)| format!("{step} {color}")).collect();
        let text = steps.join(" ");
        let small = noise(DType::U8, size, 2, seed);
        let dtype = if wide { DType::I32 } else { DType::F32 };
        let large = repeated(&small, times).to_dtype(dtype).unwrap();
        let fields = Fields::new([
            ("input", noise(DType::U8, size, 3, !seed)), ("small", small), ("large", large),
        ]);
        let large = SecondImage::new("large").times(times);
        let made = apply(&chain(&text).mask("small").image(large), &fields);
        let expected = repeated(&made["small"], times);
        prop_assert_eq!(made["large"].dims(), expected.dims());
        prop_assert_eq!(values(&made["large"]), values(&expected), "{}", text);
    }

    #[test]
    fn a_larger_one_shows_the_places_that_the_first_shows(
        map in 0usize..5, before in prop_oneof![Just("hflip"), Just("rot90(1)"), Just("center_crop(30, 36)")],
        times in 2usize..5,
    ) {
        let map = [
            "resize(17, 29, antialias=false)",
            "random_resized_crop(40, scale=0.3..0.5)",
            "affine(20, 3, -2, 1.2, 5, 0, interpolation=bilinear)",
            "rotate(30, interpolation=bilinear)",
            "perspective(2, 1, 33, 0, 35, 38, 1, 36, interpolation=bilinear)",
        ][map];
        // Places counted from the corner, in pixels of the small image.
        let ramp = |times: usize| {
            let (h, w) = (40 * times, 36 * times);
            let place = |at: usize| (at as f32 + 0.5) / times as f32;
            let pixel = |at: usize| [place(at / w % h), place(at % w), 100.0];
            let pixels = (0..2 * h * w).flat_map(pixel).collect();
            Tensor::from_vec::<_, f32>(pixels, (2, h, w, 3), &Device::Cpu).unwrap()
        };
        let text = format!("range(0, 100) {before} {map}");
        let large = SecondImage::new("second").times(times).range(0.0, 100.0);
        let made = apply(&chain(&text).image(large), &pair(ramp(1), ramp(times)));
        let (_, h, w, _) = made["input"].dims4().unwrap();
        let (first, second) = (values(&made["input"]), values(&made["second"]));
        let mut seen = 0;
        for (row, y, x) in (0..2).flat_map(|r| (0..h).flat_map(move |y| (0..w).map(move |x| (r, y, x)))) {
            let small = &first[((row * h + y) * w + x) * 3..][..3];
            let part = |k: usize| ((row * h + y) * times + k / times) * w * times + x * times + k % times;
            let parts: Vec<&[f32]> = (0..times * times).map(|k| &second[3 * part(k)..][..3]).collect();
            // Pixels beside a border show some of it, and taps end at that of a crop.
            let is_inside = |p: &[f32]| {
                p[2] > 99.99 && (1.0..39.0).contains(&p[0]) && (1.0..35.0).contains(&p[1])
            };
            let is_edge = !(3..h - 3).contains(&y) || !(3..w - 3).contains(&x);
            if is_edge || !is_inside(small) || !parts.iter().all(|part| is_inside(part)) {
                continue;
            }
            seen += 1;
            for k in 0..2 {
                let mean = parts.iter().map(|part| part[k]).sum::<f32>() / parts.len() as f32;
                prop_assert!((mean - small[k]).abs() < 0.02, "{}: {:?} of {:?}", text, parts, small);
            }
        }
        prop_assert!(seen > 50, "{}: {} pixels are inside", text, seen);
    }
}

#[test]
fn its_values_are_scaled_and_delivered_as_it_says() {
    let second = noise(DType::U8, [6, 7], 1, 3);
    let fields = pair(noise(DType::U8, [6, 7], 3, 4), second.clone());
    let made = |image: SecondImage| {
        let fields = apply(&chain("hflip to_dtype(bf16)").image(image), &fields);
        fields["second"].clone()
    };
    let flipped: Vec<f32> = values(&made(SecondImage::new("second")));
    let plain = made(SecondImage::new("second"));
    assert_eq!((plain.dtype(), plain.dims()), (DType::U8, &[2, 6, 7, 1][..]));
    let floats = made(SecondImage::new("second").to_dtype(RowDType::F32));
    assert_eq!((floats.dtype(), floats.dims()), (DType::F32, &[2, 1, 6, 7][..]));
    let near = |found: &Tensor, expected: &dyn Fn(f32) -> f32| {
        let mut pairs = values(found).into_iter().zip(&flipped);
        assert!(pairs.all(|(found, raw)| (found - expected(*raw)).abs() < 1e-5));
    };
    near(&floats, &|raw| raw / 255.0);
    let normalization = Normalization::new(&[0.5], &[0.25]);
    let normalized = SecondImage::new("second").normalize(normalization).to_layout(Layout::Hwc);
    let normalized = made(normalized);
    assert_eq!((normalized.dtype(), normalized.dims()), (DType::F32, &[2, 6, 7, 1][..]));
    near(&normalized, &|raw| (raw / 255.0 - 0.5) / 0.25);
    let half = made(SecondImage::new("second").to_dtype(RowDType::F16).to_layout(Layout::Hw));
    assert_eq!((half.dtype(), half.dims()), (DType::F16, &[2, 6, 7][..]));
}

#[test]
fn the_layouts_of_all_that_follows_are_told() {
    let fields = vec![
        Field::new("input", RowDType::U8, &[6, 7, 3]),
        Field::new("second", RowDType::U8, &[6, 7, 3]),
        Field::new("large", RowDType::I64, &[12, 14]),
        Field::new("mask", RowDType::U8, &[6, 7]),
        Field::new("target", RowDType::U8, &[]),
    ];
    let schema = Schema::new(fields).unwrap();
    let large = SecondImage::new("large").times(2).interpolation(Interpolation::Nearest);
    let second = SecondImage::new("second").to_dtype(RowDType::F32);
    let augment = chain("hflip mask(mask) one_hot(target, 3)").image(second).image(large);
    assert_eq!(augment.images().collect::<Vec<_>>(), ["second", "large"]);
    let of = |field: &str| augment.layouts_of(&schema, field).unwrap();
    assert_eq!(of("input"), Some([Layout::Hwc; 2]));
    assert_eq!(of("second"), Some([Layout::Hwc, Layout::Chw]));
    assert_eq!((of("large"), of("mask")), (Some([Layout::Hw; 2]), Some([Layout::Hw; 2])));
    assert_eq!(of("target"), None);
    assert!(augment.layouts_of(&schema, "depth").is_err());
}

#[test]
fn its_fill_is_its_own() {
    let fields = pair(noise(DType::U8, [6, 6], 3, 1), noise(DType::F32, [6, 6], 2, 2));
    let fields = |text: &str, image: SecondImage| apply(&chain(text).image(image), &fields);
    for text in
        ["pad(4, fill=1) crop(0, 0, 3, 3)", "affine(0, 100, fill=1)", "elastic(0) affine(0, 100)"]
    {
        let made = fields(text, SecondImage::new("second").fill([0.25, 0.5]));
        assert!(values(&made["second"]).chunks(2).all(|pixel| pixel == [0.25, 0.5]), "{text}");
        let made = fields(text, SecondImage::new("second"));
        assert!(values(&made["second"]).iter().all(|x| *x == 0.0), "{text}");
    }
}

/// One row of two fields and its partner, through a chain that mixes them.
fn mixed(chain: &Augment, schema: &Schema) -> RowBuffer {
    let engine = chain.bind(schema).unwrap_or_else(|error| panic!("{chain}: {error}"));
    let row = |seed: u64| {
        let mut raw = RowBuffer::new(schema).unwrap();
        let mut row = raw.row(None);
        for (i, field) in schema.fields().iter().enumerate() {
            let bytes = (0..field.max_bytes()).map(|at| (unit(seed + i as u64, at) * 256.0) as u8);
            row.field(i).copy_from_bytes(&bytes.collect::<Vec<_>>()).unwrap();
        }
        raw
    };
    let (own, partner) = (row(1), row(100));
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let plan = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
    let mut scratch = vec![0xA5; engine.scratch_bytes()];
    let mixer = engine.mixer().unwrap();
    let [own_key, partner_key] = [keys(2)[0], keys(2)[1]];
    let shapes = ((own_key, Shapes::of(own.view())), (partner_key, Shapes::of(partner.view())));
    mixer.plan_pair(shapes.0, shapes.1, plan).unwrap();
    mixer.run_pair(plan, own.view(), partner.view(), &mut made.row(None), &mut scratch).unwrap();
    made.finish().unwrap();
    made
}

#[test]
fn both_images_are_mixed_alike() {
    let fields = ["input", "second"].map(|name| Field::new(name, RowDType::U8, &[24, 30, 3]));
    let schema = Schema::new(fields.to_vec()).unwrap();
    for text in [
        "random_crop(16) mixup(1)",
        "random_crop(16) cutmix(1) hflip",
        "resize(12, 14) random_hflip mixup_or_cutmix(1, 1) normalize(0.5, 0.5) to_layout(hwc)",
    ] {
        let geometry = text.replace(" normalize(0.5, 0.5) to_layout(hwc)", "");
        let found = mixed(&chain(text).image("second"), &schema);
        let expected = mixed(&chain(&geometry).field("second").image("input"), &schema);
        let of = |row: &RowBuffer| row.view().field("second").bytes().to_vec();
        assert!(of(&found) == of(&expected), "{text}");
        // A larger one of the same pixels: boxes end where those of the first end.
        let fields = [("input", [24, 30, 3]), ("second", [48, 60, 3])];
        let fields = fields.map(|(name, shape)| Field::new(name, RowDType::U8, &shape));
        let larger = Schema::new(fields.to_vec()).unwrap();
        let made = mixed(&chain(text).image(SecondImage::new("second").times(2)), &larger);
        let [small, large] =
            ["input", "second"].map(|name| made.view().field(name).shape().to_vec());
        assert_eq!(large[..2], [2 * small[0], 2 * small[1]]);
    }
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let schema = |second: Field| {
        Schema::new(vec![Field::new("input", RowDType::U8, &[8, 10, 3]), second]).unwrap()
    };
    let large = || schema(Field::new("second", RowDType::U8, &[16, 20, 3]));
    let refused = |text: &str, image: SecondImage, schema: &Schema| {
        let bound = chain(text).image(image).bind(schema);
        bound.err().unwrap_or_else(|| panic!("{text} is bound")).to_string()
    };
    let twice = || SecondImage::new("second").times(2);
    let problem = refused("hflip", SecondImage::new("second"), &large());
    assert!(problem.contains("expected the size of the image, 8x10"), "{problem}");
    assert!(refused("hflip", twice().times(3), &large()).contains("24x30"));
    assert!(refused("elastic(5)", twice(), &large()).contains("elastic"));
    assert!(refused("pad(2, mode=reflect)", twice(), &large()).contains("symmetric"));
    assert!(refused("aug_mix", twice(), &large()).contains("several views"));
    assert!(refused("hflip", twice().range(0.0, 1.0), &large()).contains("leave out .range"));
    assert!(refused("hflip", twice().fill(2.0), &large()).contains("found fill 2"));
    let std = Normalization::new(&[0.5], &[0.0]);
    assert!(refused("hflip", twice().normalize(std), &large()).contains("std 0"));
    assert!(refused("hflip", twice().to_layout(Layout::Hw), &large()).contains("no axis"));
    assert!(refused("hflip", twice().to_dtype(RowDType::I64), &large()).contains("cannot deliver"));
    assert!(refused("hflip", twice().times(1 << 40), &large()).contains("expected"));
    let problem = refused("hflip", SecondImage::new("input"), &large());
    assert!(problem.contains("augmented already"), "{problem}");
}

#[test]
fn rows_of_a_ragged_field_have_sizes_of_their_own() {
    let dims = |max: usize| vec![Dim::Ragged { max }, Dim::Ragged { max }, Dim::Fixed(1)];
    let fields = vec![
        Field::with_dims("input", RowDType::U8, dims(20)),
        Field::with_dims("second", RowDType::U8, dims(40)),
    ];
    let schema = Schema::new(fields).unwrap();
    let augment = chain("resize(6, 5) hflip").image(SecondImage::new("second").times(2));
    let engine = augment.bind(&schema).unwrap();
    let run = |small: [usize; 2], large: [usize; 2]| {
        let mut raw = RowBuffer::new(&schema).unwrap();
        let mut row = raw.row(None);
        for (i, [h, w]) in [small, large].into_iter().enumerate() {
            let mut field = row.field(i);
            field.set_shape(&[h, w, 1]).unwrap();
            field.as_mut_slice::<u8>().unwrap().fill(9);
        }
        let mut made = RowBuffer::new(engine.schema()).unwrap();
        tallow_core::RowRunner::new(&*engine)?.run(keys(1)[0], raw.view(), &mut made)?;
        Ok::<_, tallow_core::Error>(made.view().field("second").shape().to_vec())
    };
    assert_eq!(run([9, 11], [18, 22]).unwrap(), [12, 10, 1]);
    let error = run([9, 11], [18, 20]).unwrap_err();
    assert_eq!(error.field(), Some("second"));
    assert!(error.to_string().contains("found an image of 18x20, expected 18x22"), "{error}");
}

#[test]
fn its_text_reads_back() {
    for text in [
        "hflip image(depth)",
        "hflip image(\"a b\", times=4)",
        "image(depth, interpolation=nearest, fill=0.5, range=-1..5)",
        "image(depth, mean=[0.5, 0.25], std=[0.1, 1], dtype=f16, layout=chw)",
    ] {
        assert_eq!(text.parse::<Augment>().unwrap().to_string(), text);
    }
    let all = "image(x, 2, bicubic, [0, 1], 0..9, 0.5, 2, f32, hwc)".parse::<Augment>().unwrap();
    assert_eq!(
        all.to_string(),
        "image(x, times=2, interpolation=bicubic, fill=[0,1], range=0..9, mean=[0.5], std=[2], \
         dtype=f32, layout=hwc)"
    );
    let plain = "image(x, interpolation=none, range=none, mean=none, std=none, dtype=none)";
    assert_eq!(plain.parse::<Augment>().unwrap().to_string(), "image(x)");
    let imagenet = "image(x, mean=imagenet)".parse::<Augment>().unwrap().to_string();
    assert!(imagenet.contains("mean=[0.485, 0.456, 0.406]"), "{imagenet}");
    for text in ["image(x, mean=0.5)", "image(x, mean=fine)", "image(x, dtype=i8)", "image()"] {
        assert!(text.parse::<Augment>().is_err(), "{text}");
    }
}
