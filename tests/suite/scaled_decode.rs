//! Pictures that are decoded smaller than they are stored.

use tallow::plan::{Decoders, RowKey, RowRunner, Scale};
use tallow::{
    Augment, Dim, Field, Key, Layout, Loader, Picture, RowBuffer, RowDType, Schema, Source,
    Transform, from_fn,
};

use crate::augmentation::rows;
use crate::painter::{jpeg_rgb, png_rgb};

const SCALES: [Scale; 4] = [Scale::Eighth, Scale::Quarter, Scale::Half, Scale::Whole];

fn chain(text: &str) -> Augment {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn schema_of(picture: Picture) -> Schema {
    Schema::new(vec![Field::pictures("input", picture)]).unwrap()
}

/// `jpeg` with an orientation in its EXIF data.
fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif =
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
    exif[25] = orientation;
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// A row with one file.
fn row_of(schema: &Schema, file: &[u8]) -> RowBuffer {
    let mut raw = RowBuffer::new(schema).unwrap();
    let mut row = raw.row(None);
    row.field(0).set_shape(&[file.len()]).unwrap();
    row.field(0).copy_from_bytes(file).unwrap();
    raw.finish().unwrap();
    raw
}

/// All of the picture in a row, decoded at a scale and turned: height, width and pixels.
fn decoded(raw: &RowBuffer, scale: Scale) -> (usize, usize, Vec<u8>) {
    let field = raw.view().field(0);
    let picture = field.declared().as_picture().unwrap();
    let head = picture.head(field.bytes()).unwrap().scaled(scale).unwrap();
    let whole = head.stored().whole();
    let pixels = Decoders::default()
        .decode(&field, picture, &head, &whole, None, |pixels| Ok(pixels.to_vec()))
        .unwrap();
    let ([height, width], [_, columns]) = (head.size(), head.stored_size());
    let upright = (0..height * width).flat_map(|at| {
        let [y, x] = head.orientation().stored(head.stored_size(), [at / width, at % width]);
        pixels[(y * columns + x) * 3..][..3].to_vec()
    });
    (height, width, upright.collect())
}

/// What `transform` makes of a row.
fn made(transform: &Augment, raw: &RowBuffer, index: u64) -> (Vec<usize>, Vec<u8>) {
    let engine = transform.bind(raw.schema()).unwrap();
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let key = RowKey { key: Key::new(6, 2), index };
    RowRunner::new(&*engine).unwrap().run(key, raw.view(), &mut made).unwrap();
    let field = made.view().field(0);
    (field.shape().to_vec(), field.bytes().to_vec())
}

/// What `transform` makes of the pixels of the picture at a scale.
fn made_of_pixels(
    transform: &Augment,
    raw: &RowBuffer,
    scale: Scale,
    index: u64,
) -> (Vec<usize>, Vec<u8>) {
    let (height, width, pixels) = decoded(raw, scale);
    let dims = vec![Dim::Ragged { max: 2000 }, Dim::Ragged { max: 2000 }, Dim::Fixed(3)];
    let field = Field::with_dims("input", RowDType::U8, dims);
    let mut of = RowBuffer::new(&Schema::new(vec![field]).unwrap()).unwrap();
    let mut row = of.row(None);
    row.field(0).set_shape(&[height, width, 3]).unwrap();
    row.field(0).copy_from_bytes(&pixels).unwrap();
    made(&transform.clone().layout(Layout::Hwc), &of, index)
}

const CHAINS: [&str; 6] = [
    "resize(32) center_crop(28) normalize(imagenet)",
    "resize(24, 40) random_crop(20)",
    "random_hflip random_rot90 resize(30, max=50) to_dtype(f32)",
    "random_resized_crop(20) random_hflip color_jitter(0.4)",
    "random_vflip random_apply(0.5, hflip) random_resized_crop(31, 17, interpolation=bicubic)",
    "one_of(resize(24, 24, antialias=false), random_resized_crop(24)) random_rotation(30)",
];

#[test]
fn a_row_is_what_the_chain_makes_of_the_picture_at_one_scale() {
    let schema = schema_of(Picture::rgb().at_most(2000, 2000).payload_bytes(1 << 20).upright());
    let mut taken = [0; 4];
    for (at, (text, index)) in
        CHAINS.into_iter().flat_map(|text| (0..14).map(move |index| (text, index))).enumerate()
    {
        let size = [37 + 31 * index as usize, 480 - 29 * index as usize];
        let file = turned(&jpeg_rgb(at, size[0], size[1]), 1 + (at % 8) as u8);
        let raw = row_of(&schema, &file);
        let found = made(&chain(text).scaled_decode(), &raw, index);
        let is_made = |scale: &Scale| made_of_pixels(&chain(text), &raw, *scale, index) == found;
        let scale = SCALES.iter().position(is_made);
        let scale = scale.unwrap_or_else(|| panic!("{text} of {size:?}: of no scale"));
        taken[scale] += 1;
    }
    assert!(taken.iter().all(|&times| times > 2), "{taken:?}");
}

#[test]
fn the_scale_is_the_smallest_that_enlarges_nothing() {
    let schema = schema_of(Picture::rgb().at_most(2000, 2000).payload_bytes(1 << 20));
    let text = "resize(30, 20)";
    for (size, expected) in [
        ([240, 160], Scale::Eighth),
        ([239, 500], Scale::Quarter),
        ([500, 159], Scale::Quarter),
        ([120, 80], Scale::Quarter),
        ([119, 80], Scale::Half),
        ([61, 40], Scale::Half),
        ([59, 400], Scale::Whole),
        ([20, 20], Scale::Whole),
    ] {
        let raw = row_of(&schema, &jpeg_rgb(3, size[0], size[1]));
        let found = made(&chain(text).scaled_decode(), &raw, 1);
        assert!(found == made_of_pixels(&chain(text), &raw, expected, 1), "{size:?}");
    }
}

#[test]
fn other_formats_are_decoded_as_they_are() {
    let schema = schema_of(Picture::rgb().at_most(2000, 2000).payload_bytes(1 << 20));
    let raw = row_of(&schema, &png_rgb(1, 300, 200));
    for text in CHAINS {
        assert!(made(&chain(text).scaled_decode(), &raw, 4) == made(&chain(text), &raw, 4));
    }
}

#[test]
fn chains_that_count_pixels_are_refused() {
    let problem = |text: &str| {
        let picture = Picture::rgb().at_most(64, 64).payload_bytes(1 << 16);
        let mask = Field::pictures("mask", Picture::stored(tallow::Depth::Eight).at_most(64, 64));
        let fields = vec![Field::pictures("input", picture), mask];
        chain(text).bind(&Schema::new(fields).unwrap()).map(|_| ()).unwrap_err().to_string()
    };
    for (text, why) in [
        ("scaled_decode random_crop(40) resize(22)", "random_crop(40) before a resize"),
        ("scaled_decode hflip pad(3) resize(22)", "pad(3"),
        ("scaled_decode color_jitter(0.4) resize(22)", "color_jitter"),
        ("scaled_decode random_apply(0.5, resize(64, 64)) resize(22)", "random_apply"),
        ("scaled_decode one_of(resize(22, 22), center_crop(22)) hflip", "one_of"),
        ("scaled_decode hflip rot90(1)", "no step that resizes"),
        ("scaled_decode", "no step that resizes"),
        ("scaled_decode resize(22, 22) mask(mask)", "mask(mask)"),
    ] {
        let found = problem(text);
        assert!(
            found.contains(why) && found.contains("leave out scaled_decode"),
            "{text}: {found}"
        );
    }
    let numbers = Schema::new(vec![Field::new("input", RowDType::U8, &[64, 64, 3])]).unwrap();
    let refused = chain("scaled_decode resize(22)").bind(&numbers).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("expected pictures"), "{refused}");
}

#[test]
fn a_saved_state_remembers_it() {
    let whole = chain("resize(22)");
    assert_ne!(whole.fingerprint(), whole.clone().scaled_decode().fingerprint());
    let text = "scaled_decode resize(22, interpolation=bilinear, antialias=true)";
    assert_eq!(chain(text).to_string(), text);
}

const SAMPLES: usize = 13;

/// The size of sample `index`, and the scale at which it is resized to 20 by 20.
fn sample(index: usize) -> ([usize; 2], Scale) {
    [
        ([200, 170], Scale::Eighth),
        ([90, 170], Scale::Quarter),
        ([44, 60], Scale::Half),
        ([25, 39], Scale::Whole),
    ][index % 4]
}

fn files() -> impl Source + 'static {
    let picture = Picture::rgb().at_most(256, 256).payload_bytes(1 << 17);
    let fields = vec![Field::pictures("input", picture), Field::new("target", RowDType::I64, &[])];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let ([height, width], _) = sample(index);
        let file = jpeg_rgb(index, height, width);
        row.field(0).set_shape(&[file.len()])?;
        row.field(0).copy_from_bytes(&file)?;
        row.field(1).copy_from_slice(&[index as i64 % 4])
    })
}

/// The pixels of the same pictures at their scales.
fn pixels() -> impl Source + 'static {
    let dims = vec![Dim::Ragged { max: 256 }, Dim::Ragged { max: 256 }, Dim::Fixed(3)];
    let fields = vec![
        Field::with_dims("input", RowDType::U8, dims),
        Field::new("target", RowDType::I64, &[]),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let ([height, width], scale) = sample(index);
        let picture = Picture::rgb().at_most(256, 256).payload_bytes(1 << 17);
        let raw = row_of(&schema_of(picture), &jpeg_rgb(index, height, width));
        let (height, width, pixels) = decoded(&raw, scale);
        row.field(0).set_shape(&[height, width, 3])?;
        row.field(0).copy_from_bytes(&pixels)?;
        row.field(1).copy_from_slice(&[index as i64 % 4])
    })
}

#[test]
fn mixed_rows_take_each_picture_at_its_own_scale() {
    for text in
        ["resize(20, 20) mixup(1)", "random_hflip resize(20, 20) cutmix(1) normalize(imagenet)"]
    {
        let chain = chain(text).layout(Layout::Hwc).one_hot("target", 4, 0.1);
        let builder = |source: Box<dyn Source>| Loader::builder(source).shuffle().batch_size(4);
        let of_pixels = builder(Box::new(pixels())).transform(chain.clone()).build().unwrap();
        let expected = rows(&of_pixels, 0..2);
        for workers in [0, 1, 3] {
            let loader = builder(Box::new(files())).transform(chain.clone().scaled_decode());
            let loader = loader.workers(workers).build().unwrap();
            assert_eq!(rows(&loader, 0..2), expected, "{text} by {workers} workers");
        }
    }
}
