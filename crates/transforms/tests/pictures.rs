//! Rows that hold the files of pictures: a chain makes of them what it makes of their pixels.

use tallow_core::{
    Decode, Depth, Engine, ErrorKind, Field, Key, Mixer, Picture, Result, RowBuffer, RowDType,
    RowKey, RowRunner, RowView, Schema, Shapes, Transform,
};
use tallow_transforms::{Augment, BoxFormat, Interpolation, Layout, SecondImage};

/// Numbers that look random.
fn noise(len: usize, seed: u32) -> Vec<u8> {
    let number = |at: usize| {
        let x = (at as u32 ^ seed.wrapping_mul(0x9E37_79B1)).wrapping_mul(0x85EB_CA77);
        ((x ^ (x >> 13)).wrapping_mul(0xC2B2_AE3D) >> 24) as u8
    };
    (0..len).map(number).collect()
}

fn png(
    [height, width]: [usize; 2],
    color: png::ColorType,
    depth: png::BitDepth,
    seed: u32,
) -> Vec<u8> {
    let bytes = color.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let mut payload = Vec::new();
    let mut encoder = png::Encoder::new(&mut payload, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(noise(3 * 256, 9));
    }
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&noise(height * width * bytes, seed)).unwrap();
    writer.finish().unwrap();
    payload
}

/// `payload`, a PNG, with that orientation in its EXIF data.
fn turned(payload: &[u8], orientation: u16) -> Vec<u8> {
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(orientation.to_be_bytes());
    exif.extend([0; 6]);
    // After the signature and the head.
    let (head, rest) = payload.split_at(8 + 25);
    let mut chunk = b"eXIf".to_vec();
    chunk.extend(&exif);
    let checksum = !chunk.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    });
    let length = (exif.len() as u32).to_be_bytes();
    [head, &length, &chunk, &checksum.to_be_bytes(), rest].concat()
}

fn photo(size: [usize; 2], seed: u32) -> Vec<u8> {
    png(size, png::ColorType::Rgb, png::BitDepth::Eight, seed)
}

fn classes(size: [usize; 2], seed: u32) -> Vec<u8> {
    png(size, png::ColorType::Indexed, png::BitDepth::Eight, seed)
}

fn schema() -> Schema {
    let small = |picture: Picture| picture.at_most(64, 64).payload_bytes(1 << 16);
    let fields = vec![
        Field::pictures("input", small(Picture::rgb())),
        Field::pictures("mask", small(Picture::stored(Depth::Eight))),
        Field::pictures("depth", small(Picture::stored(Depth::Sixteen))),
        Field::pictures("second", small(Picture::gray())),
        Field::new("target", RowDType::U8, &[]),
    ];
    Schema::new(fields).unwrap()
}

/// A row of `schema` whose pictures have these files.
fn row_of(payloads: [&[u8]; 4]) -> RowBuffer {
    let mut raw = RowBuffer::new(&schema()).unwrap();
    {
        let mut row = raw.row(None);
        for (i, payload) in payloads.into_iter().enumerate() {
            let mut field = row.field(i);
            field.set_shape(&[payload.len()]).unwrap();
            field.copy_from_slice(payload).unwrap();
        }
        row.field(4).copy_from_slice(&[3u8]).unwrap();
    }
    raw.finish().unwrap();
    raw
}

fn row(size: [usize; 2], seed: u32) -> RowBuffer {
    let depth = png(size, png::ColorType::Grayscale, png::BitDepth::Sixteen, seed + 2);
    row_of([&photo(size, seed), &classes(size, seed + 1), &depth, &photo([5, 9], seed)])
}

fn key(index: u64) -> RowKey {
    RowKey { key: Key::new(4, 1), index }
}

fn made(transform: &dyn Transform, raw: &RowBuffer, index: u64) -> Result<RowBuffer> {
    let engine = transform.bind(raw.schema())?;
    let mut made = RowBuffer::new(engine.schema())?;
    RowRunner::new(&*engine)?.run(key(index), raw.view(), &mut made)?;
    Ok(made)
}

fn decoded(raw: &RowBuffer) -> RowBuffer {
    made(&Decode, raw, 0).unwrap()
}

fn chain(text: &str) -> Augment {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// Field `field` of both is the same.
fn assert_same(found: &RowBuffer, expected: &RowBuffer, field: &str, chain: &str) {
    let (found, expected) = (found.view().field(field), expected.view().field(field));
    assert_eq!(found.shape(), expected.shape(), "{field} of {chain}");
    assert!(found.bytes() == expected.bytes(), "{field} of {chain}");
}

const CHAINS: [&str; 9] = [
    "",
    "hflip",
    "resize(20) center_crop(16) normalize(imagenet)",
    "random_resized_crop(12) random_hflip color_jitter(0.4,0.4,0.4,0.1) to_dtype(f16)",
    "random_crop(14, 10) equalize random_rotation(40)",
    "pad(9, mode=reflect) random_crop(11) gaussian_blur(3) random_perspective(0.5, p=1)",
    "rot90(1) center_crop(5, 6) elastic(20)",
    "affine(0, 1000) invert",
    "random_erasing(1) to_layout(chw)",
];

#[test]
fn a_chain_makes_of_files_what_it_makes_of_pixels() {
    for (text, index) in CHAINS.into_iter().flat_map(|text| (0..4).map(move |index| (text, index)))
    {
        let chain = chain(text).mask("mask").mask_filled("depth", 700.0);
        let raw = row([17 + 5 * index as usize, 30 - 2 * index as usize], 7 + index as u32);
        let found = made(&chain, &raw, index).unwrap();
        let expected = made(&chain, &decoded(&raw), index).unwrap();
        for field in ["input", "mask", "depth", "target"] {
            assert_same(&found, &expected, field, text);
        }
        assert_same(&found, &raw, "second", text);
        assert!(found.schema().fields()[3].as_picture().is_some());
    }
}

#[test]
fn numbers_of_16_bits_are_computed_with() {
    for text in ["random_resized_crop(7) normalize(0.5, 0.2)", "rotate(20) gaussian_blur(3)"] {
        let (chain, raw) = (chain(text).field("depth"), row([19, 23], 8));
        let found = made(&chain, &raw, 1).unwrap();
        assert_same(&found, &made(&chain, &decoded(&raw), 1).unwrap(), "depth", text);
        assert_eq!(found.schema().fields()[2].dtype(), RowDType::F32);
    }
}

#[test]
fn a_turned_picture_is_augmented_upright() {
    let small = |picture: Picture| picture.at_most(64, 64).payload_bytes(1 << 16).upright();
    let fields = vec![
        Field::pictures("input", small(Picture::rgb())),
        Field::pictures("mask", small(Picture::stored(Depth::Eight))),
        Field::new("boxes", RowDType::F32, &[1, 4]),
        Field::new("points", RowDType::F32, &[2, 2]),
    ];
    let schema = Schema::new(fields).unwrap();
    for (text, orientation) in CHAINS.into_iter().flat_map(|text| (1..9).map(move |o| (text, o))) {
        // The mask is upright as it is stored, whatever its image is.
        let (stored, swaps) = ([18, 31], orientation > 4);
        let upright = if swaps { [31, 18] } else { stored };
        let files = [turned(&photo(stored, 5), orientation), turned(&classes(upright, 6), 1)];
        let mut raw = RowBuffer::new(&schema).unwrap();
        let mut row = raw.row(None);
        for (i, file) in files.iter().enumerate() {
            row.field(i).set_shape(&[file.len()]).unwrap();
            row.field(i).copy_from_slice(file).unwrap();
        }
        row.field(2).copy_from_slice(&[3.0f32, 4.0, 9.0, 16.0]).unwrap();
        row.field(3).copy_from_slice(&[2.0f32, 1.0, 12.0, 14.0]).unwrap();
        let chain = chain(text).mask("mask").boxes("boxes", BoxFormat::Xyxy).keypoints("points");
        let (found, whole) = (made(&chain, &raw, 3).unwrap(), decoded(&raw));
        assert_eq!(whole.view().field("input").shape(), [upright[0], upright[1], 3]);
        let expected = made(&chain, &whole, 3).unwrap();
        for field in ["input", "mask", "boxes", "points"] {
            assert_same(&found, &expected, field, &format!("{text} turned by {orientation}"));
        }
    }
}

#[test]
fn a_second_picture_is_decoded_as_the_chain_shows_it() {
    let chains = [
        "random_crop(9) color_jitter(0.4,0.4,0.4,0.1) random_hflip",
        "pad(30) crop(0, 0, 8, 8)",
        "resize(12, 15) random_rotation(90) to_dtype(f32)",
    ];
    for (text, index) in chains.into_iter().flat_map(|text| (0..4).map(move |index| (text, index)))
    {
        let large = SecondImage::new("second").times(2).interpolation(Interpolation::Bicubic);
        let small = Picture::rgb().sized(20, 26).payload_bytes(1 << 16);
        let fields = vec![
            Field::pictures("input", small),
            Field::pictures("second", Picture::gray().sized(40, 52).payload_bytes(1 << 16)),
            Field::pictures("depth", Picture::stored(Depth::Sixteen).sized(20, 26)),
        ];
        let schema = Schema::new(fields).unwrap();
        let depth = png([20, 26], png::ColorType::Grayscale, png::BitDepth::Sixteen, 3);
        let payloads = [photo([20, 26], 1), photo([40, 52], 2), depth];
        let mut raw = RowBuffer::new(&schema).unwrap();
        let mut row = raw.row(None);
        for (i, payload) in payloads.iter().enumerate() {
            row.field(i).set_shape(&[payload.len()]).unwrap();
            row.field(i).copy_from_slice(payload).unwrap();
        }
        let depth = SecondImage::new("depth").interpolation(Interpolation::Nearest);
        let chain = chain(text).image(large).image(depth);
        let found = made(&chain, &raw, index).unwrap();
        let expected = made(&chain, &decoded(&raw), index).unwrap();
        for field in ["input", "second", "depth"] {
            assert_same(&found, &expected, field, text);
        }
        assert_eq!(found.schema().fields()[2].dtype(), RowDType::U16);
    }
}

fn pair(
    engine: &dyn Engine,
    mixer: &dyn Mixer,
    own: RowView<'_>,
    partner: RowView<'_>,
) -> Result<RowBuffer> {
    let mut made = RowBuffer::new(engine.schema())?;
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let plan = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
    let mut scratch = vec![0xA5; engine.scratch_bytes()];
    mixer.plan_pair((key(1), Shapes::of(own)), (key(2), Shapes::of(partner)), plan)?;
    mixer.run_pair(plan, own, partner, &mut made.row(None), &mut scratch)?;
    made.finish()?;
    Ok(made)
}

#[test]
fn a_partner_is_decoded_too() {
    let (own, partner) = (row([20, 26], 1), row([31, 22], 50));
    let mixed = |text: &str, own: &RowBuffer, partner: &RowBuffer| {
        let engine = chain(text).bind(own.schema()).unwrap();
        let mixer = engine.mixer().unwrap();
        pair(&*engine, mixer, own.view(), partner.view())
    };
    for text in [
        "random_resized_crop(16) mixup(1) one_hot(target, 5)",
        "resize(12, 14) cutmix(1) normalize(imagenet) one_hot(target, 5)",
        "random_crop(16) cutmix(1) mask(mask)",
    ] {
        let found = mixed(text, &own, &partner).unwrap();
        let expected = mixed(text, &decoded(&own), &decoded(&partner)).unwrap();
        for field in ["input", "mask", "target"] {
            // What is not augmented is still encoded.
            let is_made = found
                .schema()
                .fields()
                .iter()
                .all(|made| made.name() != field || made.as_picture().is_none());
            if is_made {
                assert_same(&found, &expected, field, text);
            }
        }
    }
    let damaged = row_of([&photo([9, 9], 1)[..60], &[], &[], &[]]);
    let error = mixed("resize(8, 8) mixup(1) one_hot(target, 5)", &own, &damaged).err().unwrap();
    assert!(error.is_of_partner() && error.field() == Some("input"), "{error}");
}

#[test]
fn a_mask_has_the_size_of_its_image() {
    let photo_of = |size| photo(size, 3);
    let (image, mask) = (photo_of([12, 15]), classes([15, 12], 4));
    let chain = chain("hflip").mask("mask");
    let error = made(&chain, &row_of([&image, &mask, &[], &[]]), 0).err().unwrap();
    assert_eq!((error.kind(), error.field()), (ErrorKind::ShapeMismatch, Some("mask")));
    assert!(error.to_string().contains("found an image of 15x12"), "{error}");
    assert!(error.to_string().contains("expected 12x15"), "{error}");
    // What both fields admit need not be the same.
    let fields = vec![
        Field::pictures("input", Picture::rgb().at_most(64, 64).payload_bytes(1 << 16)),
        Field::pictures("mask", Picture::stored(Depth::Eight).payload_bytes(1 << 16)),
    ];
    let engine = chain.bind(&Schema::new(fields).unwrap()).unwrap();
    assert_eq!(engine.schema().to_string(), "input: u8[..=64, ..=64, 3]; mask: u8[..=64, ..=64]");
}

#[test]
fn what_is_no_picture_is_an_error_of_its_sample() {
    let chain = chain("center_crop(8) to_dtype(f32)");
    let of = |payload: &[u8]| made(&chain, &row_of([payload, &[], &[], &[]]), 0).err().unwrap();
    let whole = photo([12, 15], 3);
    for payload in [&[][..], b"GIF89a", &whole[..20], &whole[..whole.len() / 2]] {
        let error = of(payload);
        assert_eq!(error.field(), Some("input"), "{error}");
    }
    let large = of(&photo([65, 3], 3));
    assert_eq!(large.kind(), ErrorKind::ShapeMismatch, "{large}");
}

#[test]
fn memory_is_planned_for_what_is_made_of_a_picture() {
    let schema = Schema::new(vec![
        Field::pictures("input", Picture::rgb()),
        Field::pictures("mask", Picture::stored(Depth::Eight)),
    ]);
    let schema = schema.unwrap();
    for text in [
        "resize(256) center_crop(224) normalize(imagenet)",
        "random_resized_crop(224) random_hflip color_jitter(0.4, 0.4, 0.4, 0.1) to_dtype(f16)",
        "random_crop(256) random_rotation(20) equalize mask(mask)",
        "random_apply(0.5, hflip) resize(128, 128) rand_augment normalize(imagenet)",
    ] {
        let engine = chain(text).bind(&schema).unwrap();
        // Filters of 8,192 pixels on 128 have 128 taps, and rows are as long.
        assert!(engine.scratch_bytes() < 32 << 20, "{text}: {}", engine.scratch_bytes());
    }
}

#[test]
fn a_chain_of_pictures_says_what_it_does() {
    let augment = chain("random_crop(9) normalize(imagenet)");
    assert_eq!(augment.layouts(&schema()).unwrap(), [Layout::Hwc, Layout::Chw]);
    let explained = augment.explain(&schema()).unwrap();
    assert!(explained.contains("delivers chw: input: f32[3, 9, 9]"), "{explained}");
    assert!(explained.contains("decodes of each picture the window"), "{explained}");
    let raw = row([17, 23], 1);
    let of = |raw: &RowBuffer| augment.drawn(raw.schema(), key(3), Shapes::of(raw.view())).unwrap();
    assert_eq!(of(&raw), of(&decoded(&raw)));
    let depth = chain("field(depth) center_crop(9)");
    assert_eq!(depth.layouts(&schema()).unwrap(), [Layout::Hw, Layout::Hw]);
    let problem = augment.layout(Layout::Chw).bind(&schema()).err().unwrap().to_string();
    assert!(problem.contains("decoded as hwc, not chw"), "{problem}");
}
