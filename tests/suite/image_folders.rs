//! Folders of pictures, paired by name with each other and with arrays.

use std::path::Path;
use std::time::Duration;

use tallow::candle::{DType, Device, Tensor};
use tallow::{
    Depth, ErrorKind, ImageFolders, Loader, OpenOptions, Picture, Source, SourceErrorKind,
    SourceExt, Survey, testing,
};

use crate::painter::{jpeg_rgb, png, png_rgb, put, rgb};

fn mask(color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let bytes = if depth == png::BitDepth::Sixteen { 40 } else { 20 };
    png(5, color, depth, &(0..bytes).collect::<Vec<u8>>())
}

fn targets(root: &Path, name: &str, file: Vec<u8>) -> String {
    let output = root.join("output");
    let _ = std::fs::remove_dir_all(&output);
    put(&output, name, file);
    ImageFolders::pairs(root).unwrap().schema().fields()[1].to_string()
}

#[test]
fn targets_are_what_their_first_file_suggests() {
    use png::{BitDepth, ColorType};
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "input/a.jpg", jpeg_rgb(0, 4, 5));
    let rgb = "target: u8[..=8192, ..=8192, 3] of pictures";
    let stored = "target: u8[..=8192, ..=8192] of pictures as stored";
    for (file, expected) in [
        (mask(ColorType::Indexed, BitDepth::Eight), stored),
        (mask(ColorType::Grayscale, BitDepth::Eight), stored),
        (
            mask(ColorType::Grayscale, BitDepth::Sixteen),
            "target: u16[..=8192, ..=8192] of pictures as stored",
        ),
        (png_rgb(0, 4, 5), rgb),
    ] {
        assert_eq!(targets(dir.path(), "a.png", file), expected);
    }
    assert_eq!(targets(dir.path(), "a.JPEG", jpeg_rgb(0, 4, 5)), rgb);
    let input = ImageFolders::open(dir.path().join("input")).unwrap();
    assert_eq!(input.schema().to_string(), "input: u8[..=8192, ..=8192, 3] of pictures");
}

/// `input/` with five JPEGs and `output/` with the masks of their classes.
fn pairs() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..5 {
        put(dir.path(), &format!("input/{at}.jpg"), jpeg_rgb(at, 4, 5));
        let mut pixels = vec![at as u8; 20];
        pixels[0] = 255;
        let mask = png(5, png::ColorType::Indexed, png::BitDepth::Eight, &pixels);
        put(dir.path(), &format!("output/{at}.png"), mask);
    }
    put(dir.path(), "input/notes.txt", "");
    dir
}

#[test]
fn pictures_and_masks_of_one_stem_are_one_sample() {
    let dir = pairs();
    let builder = ImageFolders::builder()
        .field("input", dir.path().join("input"))
        .masks("target", dir.path().join("output"))
        .picture("input", Picture::gray().sized(4, 5))
        .picture("target", Picture::stored(Depth::Eight).sized(4, 5));
    let source = builder.open().unwrap();
    assert_eq!((source.len(), source.ignored()), (5, 1));
    testing::check_source(&source);
    let batch = Loader::builder(source).batch_size(5).build().unwrap().epoch(0).next().unwrap();
    let (input, target) = batch.unwrap().pair("input", "target").unwrap();
    assert_eq!((input.dims(), input.dtype()), (&[5, 4, 5, 1][..], DType::U8));
    let masks = target.to_vec3::<u8>().unwrap();
    assert_eq!(target.dims(), [5, 4, 5]);
    assert!((0..5).all(|at| masks[at][0][0] == 255 && masks[at][3][4] == at as u8));
}

#[test]
fn arrays_are_partners_of_pictures() {
    let dir = pairs();
    for at in 0..5 {
        std::fs::create_dir_all(dir.path().join("boxes")).unwrap();
        let boxes = Tensor::new(&[[at as f32; 4]], &Device::Cpu).unwrap();
        boxes.write_npy(dir.path().join(format!("boxes/{at}.npy"))).unwrap();
    }
    let builder = || {
        ImageFolders::builder()
            .field("image", dir.path().join("input"))
            .array("boxes", dir.path().join("boxes"))
    };
    let source = builder().ragged("boxes", 0, 9).open().unwrap();
    let schema = "image: u8[..=8192, ..=8192, 3] of pictures; boxes: f32[..=9, 4]";
    assert_eq!(source.schema().to_string(), schema);
    testing::check_source(&source);
    assert_eq!(source.get(3).unwrap().field("boxes").as_slice::<f32>().unwrap(), [3.0; 4]);

    let low = builder().ragged("image", 0, 9).ragged("image", 1, 9_000).open().unwrap();
    assert!(low.schema().to_string().starts_with("image: u8[..=9, ..=9000, 3]"));
    for (wrong, words) in [
        (builder().picture("boxes", Picture::rgb()), "which is a folder of .npy files"),
        (builder().ragged("image", 2, 9), "axis 0 is the height and axis 1 the width"),
        (builder().picture("mask", Picture::rgb()), "\"mask\", which is no field"),
        (ImageFolders::builder(), "no folder was named"),
    ] {
        let error = wrong.open().unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Config);
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn what_is_found_with_options_is_what_a_builder_opens() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..4 {
        put(dir.path(), &format!("input/x/{at}_photo.jpg"), jpeg_rgb(at, 4, 5));
        put(dir.path(), &format!("output/x/{at}_mask.png"), png_rgb(at, 4, 5));
        put(dir.path(), &format!("output/x/{at}_edge.png"), "passed over");
    }
    let options = OpenOptions::new().recursive().ragged("input", 0, 9);
    let options = options.pattern("input", "*_photo").pattern("target", "*_mask");
    let found = options.find(dir.path()).unwrap();
    assert_eq!(found.files().unwrap().len(), 8);
    let builder = ImageFolders::builder()
        .field("input", dir.path().join("input"))
        .masks("target", dir.path().join("output"))
        .pattern("input", "*_photo")
        .pattern("target", "*_mask")
        .ragged("input", 0, 9)
        .recursive();
    let Survey { source, ignored, .. } = builder.survey().unwrap();
    assert_eq!(ignored, 4, "edges");
    let opened = found.open().unwrap();
    assert_eq!(opened.fingerprint(), source.fingerprint());
    assert_eq!(opened.schema().to_string(), source.schema().to_string());
    testing::check_source(&*opened);
    let alone = OpenOptions::new().find_fields([("x".to_owned(), dir.path().join("input/x"))]);
    let alone = alone.unwrap().open().unwrap();
    let expected = ImageFolders::builder().field("x", dir.path().join("input/x")).open().unwrap();
    assert_eq!(alone.fingerprint(), expected.fingerprint());
}

#[test]
fn one_stem_with_two_extensions_is_a_duplicate() {
    let dir = pairs();
    put(dir.path(), "input/3.png", png_rgb(3, 4, 5));
    let error = ImageFolders::pairs(dir.path()).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Duplicate);
    assert!(error.to_string().contains("input/3.png\" has the same stem as \"3.jpg\""), "{error}");
    let alone = ImageFolders::open(dir.path().join("input")).unwrap_err();
    assert_eq!(alone.kind(), SourceErrorKind::Duplicate);
}

#[test]
fn files_without_a_partner_are_listed_and_patterns_pair_them() {
    let dir = pairs();
    for at in 0..5 {
        let output = dir.path().join("output");
        let (old, new) = (output.join(format!("{at}.png")), output.join(format!("{at}_mask.png")));
        std::fs::rename(old, new).unwrap();
    }
    let error = ImageFolders::pairs(dir.path()).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Unpaired);
    assert!(error.to_string().contains(".pattern(\"target\", \"*_mask\")"), "{error}");
    let builder = || {
        ImageFolders::builder()
            .field("input", dir.path().join("input"))
            .masks("target", dir.path().join("output"))
            .pattern("target", "*_mask")
    };
    assert_eq!(builder().open().unwrap().len(), 5);
    put(dir.path(), "input/sub/7.png", png_rgb(7, 4, 5));
    let Survey { source, problems, .. } = builder().recursive().survey().unwrap();
    assert_eq!((source.len(), problems.len()), (5, 1));
    assert!(problems[0].to_string().contains("sub/7.png"), "{problems:?}");
}

#[test]
fn a_file_that_is_no_picture_is_an_error_of_its_sample() {
    let dir = pairs();
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";
    put(dir.path(), "input/0.jpg", "");
    put(dir.path(), "input/1.jpg", lfs);
    put(dir.path(), "input/2.jpg", "<!DOCTYPE html><html>404</html>");
    put(dir.path(), "input/3.jpg", &jpeg_rgb(3, 4, 5)[..200]);
    let builder = ImageFolders::builder().field("input", dir.path().join("input"));
    let source = builder.picture("input", Picture::rgb().sized(4, 5)).open().unwrap();
    let loader = Loader::builder(source).batch_size(1).workers(2).build().unwrap();
    let expected = [
        (SourceErrorKind::Empty, "no bytes"),
        (SourceErrorKind::Foreign, "git lfs pull"),
        (SourceErrorKind::Foreign, "a web page"),
    ];
    let batches: Vec<_> = loader.epoch(0).collect();
    for (index, batch) in batches.iter().enumerate().take(4) {
        let error = batch.as_ref().unwrap_err();
        let cause = error.cause().unwrap();
        assert_eq!(
            (error.kind(), cause.index(), cause.field()),
            (ErrorKind::Sample, Some(index), Some("input"))
        );
        assert!(cause.path().unwrap().ends_with(format!("input/{index}.jpg")), "{error}");
        if let Some((kind, words)) = expected.get(index) {
            assert_eq!(cause.kind(), *kind);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    assert_eq!(batches[4].as_ref().unwrap().indices(), [4]);
}

#[test]
fn a_folder_of_nothing_but_pointers_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..3 {
        put(dir.path(), &format!("{at}.png"), "version https://git-lfs.github.com/spec/v1\n");
    }
    let error = ImageFolders::open(dir.path()).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Foreign);
    assert!(error.path().unwrap().ends_with("0.png") && error.to_string().contains("git lfs pull"));
}

#[test]
fn a_file_above_the_limit_or_that_is_none_is_refused() {
    let dir = pairs();
    put(dir.path(), "input/1.jpg", vec![0xFF; 10_000]);
    std::fs::remove_file(dir.path().join("input/2.jpg")).unwrap();
    std::fs::create_dir(dir.path().join("input/2.jpg")).unwrap();
    let builder = ImageFolders::builder().field("input", dir.path().join("input"));
    let source = builder.picture("input", Picture::rgb().payload_bytes(5000)).open().unwrap();
    let error = source.get(1).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::TooLarge);
    assert!(error.to_string().contains("a file of 10000 bytes, at most 5000"), "{error}");
    let error = source.get(2).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::NotRegular);
    assert_eq!(source.get(3).unwrap().field(0).bytes(), jpeg_rgb(3, 4, 5));
}

#[test]
fn files_at_rest_are_read_as_fresh_ones() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "a.png", png_rgb(0, 30, 50));
    put(dir.path(), "b.jpg", jpeg_rgb(1, 30, 50));
    // More than one read takes.
    let large = [png_rgb(2, 30, 50), vec![7; 17 << 20]].concat();
    put(dir.path(), "c.png", &large);
    put(dir.path(), "d.png", "");
    let source = ImageFolders::open(dir.path()).unwrap();
    let read = || {
        let files: Vec<_> =
            (0..3).map(|at| source.get(at).unwrap().field(0).bytes().to_vec()).collect();
        assert_eq!(source.get(3).unwrap_err().kind(), SourceErrorKind::Empty);
        files
    };
    let fresh = read();
    assert_eq!(fresh[0], png_rgb(0, 30, 50));
    assert!(fresh[2] == large);
    // After two seconds the times of a file are believed.
    std::thread::sleep(Duration::from_millis(2100));
    assert!(read() == fresh);
    assert_eq!(source.get(0).unwrap().decoded().unwrap().field(0).bytes(), rgb(0, 30, 50));
}

#[test]
fn open_finds_pictures_and_what_they_are() {
    let dir = pairs();
    let source = tallow::open(dir.path()).unwrap();
    let schema = "input: u8[..=8192, ..=8192, 3] of pictures; \
                  target: u8[..=8192, ..=8192] of pictures as stored";
    assert_eq!(source.schema().to_string(), schema);
    let alone = tallow::open(dir.path().join("input")).unwrap();
    assert_eq!((alone.len(), alone.schema().fields().len()), (5, 1));
    put(dir.path(), "classes/cat/1.png", png_rgb(0, 4, 5));
    put(dir.path(), "classes/dog/1.png", png_rgb(1, 4, 5));
    let classes = tallow::open(dir.path().join("classes")).unwrap();
    assert_eq!(classes.labels("label").unwrap(), [0, 1]);
    for at in 0..5 {
        let array = Tensor::new(&[at as f32; 3], &Device::Cpu).unwrap();
        let output = dir.path().join("output");
        std::fs::remove_file(output.join(format!("{at}.png"))).unwrap();
        array.write_npy(output.join(format!("{at}.npy"))).unwrap();
    }
    let mixed = tallow::open(dir.path()).unwrap();
    let schema = "input: u8[..=8192, ..=8192, 3] of pictures; target: f32[3]";
    assert_eq!(mixed.schema().to_string(), schema);
    testing::check_source(&mixed);
}

#[test]
fn rows_of_one_array_belong_to_pictures_in_the_order_of_their_names() {
    let dir = pairs();
    let rows = |len: i64| {
        let labels = Tensor::arange(0, len, &Device::Cpu).unwrap();
        labels.write_npy(dir.path().join("labels.npy")).unwrap();
        tallow::NpyFile::open(dir.path().join("labels.npy")).unwrap().named("label").unwrap()
    };
    let open = || ImageFolders::open(dir.path().join("input")).unwrap();
    let source = open().with_rows(rows(5)).unwrap();
    assert_eq!(source.labels("label").unwrap(), [0, 1, 2, 3, 4]);
    let error = open().with_rows(rows(6)).unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Unpaired);
    assert!(error.to_string().contains("5 samples in"), "{error}");
    put(dir.path(), "input/10.jpg", jpeg_rgb(5, 4, 5));
    let error = open().with_rows(rows(6)).unwrap_err();
    assert!(error.to_string().contains("\"10.jpg\" comes before \"2.jpg\""), "{error}");
}
