//! Pictures: a source leaves their files in the row, and the loader decodes them.

use tallow::candle::{DType, Tensor};
use tallow::{
    Augment, Decode, Depth, Dim, ErrorKind, Field, IMAGENET, Loader, LoaderBuilder, OnError,
    Picture, RowDType, Schema, Source, SourceErrorKind, SourceExt, Stage, from_fn, map, map_drawn,
};

use crate::painter::{jpeg_rgb, png, png_rgb, rgb};
use crate::tester::{counting, matrix};

const SAMPLES: usize = 11;

/// The size of sample `index`.
fn size(index: usize) -> [usize; 2] {
    [6 + index % 3, 9 + index % 2]
}

/// The files of `len` samples, and the index of each as `label`.
fn source(picture: Picture, len: usize, file: fn(usize) -> Vec<u8>) -> impl Source + 'static {
    let fields = vec![Field::pictures("image", picture), Field::new("label", RowDType::I64, &[])];
    from_fn(Schema::new(fields).unwrap(), len, move |index, row| {
        let file = file(index);
        let mut image = row.field("image");
        image.set_shape(&[file.len()])?;
        image.copy_from_bytes(&file)?;
        row.field("label").copy_from_slice(&[index as i64])
    })
}

fn ragged() -> impl Source + 'static {
    source(Picture::rgb().at_most(16, 16), SAMPLES, |index| {
        let [height, width] = size(index);
        png_rgb(index, height, width)
    })
}

fn sized() -> impl Source + 'static {
    source(Picture::rgb().sized(8, 10), SAMPLES, |index| png_rgb(index, 8, 10))
}

fn bytes(tensor: &Tensor) -> Vec<u8> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn only_error(builder: LoaderBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[test]
fn a_loader_delivers_the_pixels_of_pictures() {
    matrix(
        || Loader::builder(sized()).batch_size(4).shuffle(),
        |loader| {
            assert_eq!(loader.schema().to_string(), "image: u8[8, 10, 3]; label: i64[]");
            let mut met = 0;
            for batch in loader.epoch(1) {
                let batch = batch.unwrap();
                assert_eq!(batch["image"].dims(), [batch.len(), 8, 10, 3]);
                for (row, &index) in batch.indices().iter().enumerate() {
                    assert_eq!(bytes(&batch["image"].get(row).unwrap()), rgb(index, 8, 10));
                    met += 1;
                }
            }
            assert_eq!(met, SAMPLES);
        },
    );
}

#[test]
fn padded_pictures_are_as_large_as_the_largest_of_their_batch() {
    let loader = Loader::builder(ragged()).batch_size(3).pad_to_longest("image", 0.0);
    let batch = loader.build().unwrap().epoch(0).next().unwrap().unwrap();
    assert_eq!(batch["image"].dims(), [3, 8, 10, 3]);
    let lens = batch["image_len"].to_vec2::<i64>().unwrap();
    assert_eq!(lens, [[6, 9], [7, 10], [8, 9]]);
}

#[test]
fn closures_see_pixels() {
    let means = || Schema::new(vec![Field::new("mean", RowDType::F32, &[])]).unwrap();
    let mean =
        |pixels: &[u8]| pixels.iter().map(|&p| f32::from(p)).sum::<f32>() / pixels.len() as f32;
    let chains = [
        Loader::builder(ragged()).transform(map(means(), move |raw, row| {
            assert_eq!(raw.field("image").declared().dims()[2], Dim::Fixed(3));
            row.field(0).copy_from_slice(&[mean(raw.field("image").as_slice()?)])
        })),
        Loader::builder(ragged()).transform(map_drawn("mean", means(), move |raw, _, row| {
            row.field(0).copy_from_slice(&[mean(raw.field("image").as_slice()?)])
        })),
        // To decode twice is to decode once.
        Loader::builder(ragged()).transform(Decode).transform(map(means(), move |raw, row| {
            row.field(0).copy_from_slice(&[mean(raw.field("image").as_slice()?)])
        })),
    ];
    for builder in chains {
        let loader = builder.batch_size(SAMPLES).workers(2).build().unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        let expected = (0..SAMPLES).map(|index| {
            let [height, width] = size(index);
            mean(&rgb(index, height, width))
        });
        assert_eq!(batch["mean"].to_vec1::<f32>().unwrap(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn numbers_as_stored_keep_their_width() {
    let indices = |index: usize| {
        let pixels: Vec<u8> = (0..12).map(|at| (at * 20 + index) as u8).collect();
        png(4, png::ColorType::Indexed, png::BitDepth::Eight, &pixels)
    };
    let masks = source(Picture::stored(Depth::Eight).sized(3, 4), 2, indices);
    let batch = Loader::builder(masks).build().unwrap().epoch(0).next().unwrap().unwrap();
    assert_eq!((batch["image"].dtype(), batch["image"].dims()), (DType::U8, &[2, 3, 4][..]));
    assert_eq!(bytes(&batch["image"].get(1).unwrap())[..3], [1, 21, 41]);

    let depths = source(Picture::stored(Depth::Sixteen).sized(1, 2), 2, |index| {
        let pixels = [3, index as u8, 255, 254];
        png(2, png::ColorType::Grayscale, png::BitDepth::Sixteen, &pixels)
    });
    let batch = Loader::builder(depths).build().unwrap().epoch(0).next().unwrap().unwrap();
    let values = batch["image"].flatten_all().unwrap().to_vec1::<u32>().unwrap();
    assert_eq!(values, [3 * 256, 65534, 3 * 256 + 1, 65534]);
}

#[test]
fn a_sample_is_decoded_as_the_loader_decodes_it() {
    let label = |schema: &Schema| {
        map(schema.clone(), |raw, row| {
            row.field(0).copy_from_view(&raw.field(0))?;
            row.field(1)
                .copy_from_slice(&[raw.field(1).integer()? + raw.field(0).shape()[0] as i64])
        })
    };
    let source = sized();
    let sample = source.get(3).unwrap();
    assert_eq!(sample.field("image").shape(), [png_rgb(3, 8, 10).len()], "the file");
    let decoded = sample.decoded().unwrap();
    assert_eq!(decoded.tensor("image").unwrap().dims(), [8, 10, 3]);
    assert_eq!(decoded.field("image").bytes(), rgb(3, 8, 10));
    let transform = label(decoded.schema());
    let transformed = sample.transformed(&transform, 0, 0).unwrap();
    assert_eq!(transformed.field("label").integer().unwrap(), 3 + 8);
    let loader = Loader::builder(sized()).transform(transform).build().unwrap();
    let delivered = loader.sample(0, 3).unwrap();
    assert_eq!(delivered.to_string(), transformed.to_string());
    assert_eq!(delivered.field("image").bytes(), transformed.field("image").bytes());
}

#[test]
fn ragged_pictures_need_one_size() {
    let words = only_error(Loader::builder(ragged()));
    for expected in ["image: u8[..=16, ..=16, 3] is ragged", ".pad(", ".resize(", ".sized("] {
        assert!(words.contains(expected), "{words}");
    }
}

#[test]
fn pictures_are_turned_upright_where_that_is_asked_for() {
    /// A PNG whose EXIF says that it is to be turned by 90 degrees clockwise.
    fn turned(index: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut info = png::Info::with_size(10, 8);
        info.color_type = png::ColorType::Rgb;
        info.bit_depth = png::BitDepth::Eight;
        let exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
        info.exif_metadata = Some(exif[..].into());
        let mut writer = png::Encoder::with_info(&mut file, info).unwrap().write_header().unwrap();
        writer.write_image_data(&rgb(index, 8, 10)).unwrap();
        writer.finish().unwrap();
        file
    }
    let image = |picture: Picture| {
        let loader = Loader::builder(source(picture, 2, turned)).build().unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        batch["image"].get(1).unwrap()
    };
    let stored = rgb(1, 8, 10);
    assert_eq!(bytes(&image(Picture::rgb().sized(8, 10))), stored);
    let upright = image(Picture::rgb().upright().sized(10, 8));
    let pixels = bytes(&upright);
    for (y, x) in (0..10).flat_map(|y| (0..8).map(move |x| (y, x))) {
        // The top row is the left column, read from the bottom.
        let from = ((7 - x) * 10 + y) * 3;
        assert_eq!(pixels[(y * 8 + x) * 3..][..3], stored[from..][..3], "{y} {x}");
    }
}

/// Pictures of which samples 2, 5 and 8 are cut, of another size, and none.
fn broken() -> impl Source + 'static {
    source(Picture::rgb().sized(8, 10), SAMPLES, |index| {
        let file = png_rgb(index, 8, 10);
        match index {
            2 => file[..file.len() / 2].to_vec(),
            5 => png_rgb(index, 8, 11),
            8 => b"<html>not found</html>".to_vec(),
            _ => file,
        }
    })
}

#[test]
fn a_broken_picture_is_an_error_of_its_sample() {
    let loader = Loader::builder(broken()).batch_size(1).workers(2).build().unwrap();
    let batches: Vec<_> = loader.epoch(0).collect();
    for (index, batch) in batches.iter().enumerate() {
        let Err(error) = batch else {
            assert!(![2, 5, 8].contains(&index));
            continue;
        };
        let cause = error.cause().unwrap();
        assert_eq!(
            (error.kind(), cause.index(), cause.field()),
            (ErrorKind::Sample, Some(index), Some("image"))
        );
        let kinds = match index {
            2 => [SourceErrorKind::Truncated, SourceErrorKind::Damaged],
            5 => [SourceErrorKind::ShapeMismatch; 2],
            8 => [SourceErrorKind::Foreign; 2],
            _ => panic!("{error}"),
        };
        assert!(kinds.contains(&cause.kind()), "{error}");
    }
    assert_eq!(batches.iter().filter(|batch| batch.is_err()).count(), 3);
}

#[test]
fn broken_pictures_can_be_passed_over() {
    let skipping = Loader::builder(broken()).batch_size(4).on_error(OnError::Skip { budget: 3 });
    let loader = skipping.workers(3).build().unwrap();
    let delivered = loader.epoch(0).flat_map(|batch| batch.unwrap().indices().to_vec());
    assert_eq!(delivered.collect::<Vec<_>>(), [0, 1, 3, 4, 6, 7, 9, 10]);
    let substituting = Loader::builder(broken()).batch_size(SAMPLES);
    let loader = substituting.on_error(OnError::Substitute { budget: 20 }).build().unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch.len(), SAMPLES);
    for (row, &index) in batch.indices().iter().enumerate() {
        assert!(![2, 5, 8].contains(&index));
        assert_eq!(bytes(&batch["image"].get(row).unwrap()), rgb(index, 8, 10));
    }
}

#[test]
fn decoding_is_timed_apart_from_reading() {
    for workers in [0, 2] {
        let picture = Picture::rgb().sized(200, 300);
        let source = source(picture, 12, |index| jpeg_rgb(index, 200, 300));
        let loader = Loader::builder(source).batch_size(4).workers(workers).build().unwrap();
        assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 12);
        let report = loader.report();
        assert!(!report.stage(Stage::Decode).is_zero(), "{report}");
        assert!(report.to_string().contains("decode "), "{report}");
        assert!(
            report
                .wait_by_stage()
                .iter()
                .any(|(stage, time)| *stage == Stage::Decode && !time.is_zero())
        );
    }
    let loader = Loader::builder(counting(4)).build().unwrap();
    assert_eq!(loader.epoch(0).count(), 1);
    let report = loader.report();
    assert!(report.stage(Stage::Decode).is_zero() && !report.to_string().contains("decode"));
}

#[test]
fn decoding_inside_an_augment_is_timed_apart_from_transforming() {
    for workers in [0, 2] {
        let picture = Picture::rgb().sized(200, 300);
        let source = source(picture, 12, |index| jpeg_rgb(index, 200, 300));
        let chain = Augment::new().field("image").resize(150).normalize(IMAGENET);
        let loader = Loader::builder(source).batch_size(4).workers(workers).transform(chain);
        let loader = loader.build().unwrap();
        assert_eq!(loader.epoch(0).map(|batch| batch.unwrap().len()).sum::<usize>(), 12);
        let report = loader.report();
        let [decode, transform] = [Stage::Decode, Stage::Transform].map(|s| report.stage(s));
        assert!(!decode.is_zero() && !transform.is_zero(), "{report}");
        let waits = report.wait_by_stage();
        let waited = |of: Stage| waits.iter().any(|(stage, time)| *stage == of && !time.is_zero());
        assert!(waited(Stage::Decode) && waited(Stage::Transform), "{report}");
    }
}

#[test]
fn the_plan_counts_the_largest_pictures() {
    let plan = |picture: Picture| {
        let source = source(picture, 4, |index| png_rgb(index, 8, 10));
        Loader::builder(source).pad("image", 0.0).workers(2).build().unwrap().plan().clone()
    };
    let small = plan(Picture::rgb().at_most(16, 16).payload_bytes(4096));
    // The file, the pixels, and 8 bytes per pixel of a decoder at work.
    assert_eq!(small.picture_bytes(), 2 * (4096 + 16 * 16 * (3 + 8)));
    let large = plan(Picture::rgb().at_most(32, 16).payload_bytes(4096));
    assert_eq!(large.picture_bytes() - small.picture_bytes(), 2 * 16 * 16 * (3 + 8));
    assert!(large.memory_bytes() > small.memory_bytes() + 2 * 16 * 16 * (3 + 8), "and the slabs");
    assert!(small.to_string().contains("for the largest pictures"), "{small}");
    assert_eq!(Loader::builder(counting(4)).build().unwrap().plan().picture_bytes(), 0);
}
