//! What is expected of files of columns in any format: the rows of `data/columns.py`, and how files are taken
//! together.

use std::path::{Path, PathBuf};

use tallow_core::{ErrorKind, OpenOptions, Picture, Result, RowBuffer, Source, testing};

use crate::common::{assert_says, bytes, in_time, read};

/// Checks that `source` has the seven rows that are written as a Hugging Face data set.
pub(crate) fn check_rows_of_datasets(source: &dyn Source) {
    assert_eq!(source.len(), 7);
    let schema = source.schema().to_string();
    let numbers = "label: i64[]; x: f32[]; flag: u8[]; small: i16[]; text: u8[..=12]; \
                   ids: i32[..=6]; pair: i64[2]; grid: f32[2, 3]";
    assert!(schema.ends_with(numbers), "{schema}");
    assert!(source.schema().fields()[0].as_picture().is_some_and(|it| it.is_upright()));
    assert_eq!(source.schema().fields()[1].classes().unwrap(), ["cat", "dog", "owl"]);
    assert!(source.schema().fields()[2].classes().is_none());
    for index in 0..7 {
        let buffer = read(source, index).unwrap();
        let row = buffer.view();
        let number = index as f32;
        let at = |name: &str| source.schema().position(name).unwrap();
        let field = |name: &str| row.field(at(name));
        let head = source.schema().fields()[0].as_picture().unwrap();
        let head = head.head(field("image").bytes()).unwrap();
        assert_eq!(head.size(), [2 + index, 3]);
        assert_eq!(field("label").as_slice::<i64>().unwrap(), [index as i64 % 3]);
        assert_eq!(field("x").as_slice::<f32>().unwrap(), [number / 2.0]);
        assert_eq!(field("flag").as_slice::<u8>().unwrap(), [u8::from(index % 2 == 0)]);
        assert_eq!(field("small").as_slice::<i16>().unwrap(), [index as i16 - 3]);
        assert_eq!(field("text").bytes(), "é".repeat(index).as_bytes());
        let ids: Vec<i32> = (0..index as i32).collect();
        assert_eq!(field("ids").as_slice::<i32>().unwrap(), ids);
        assert_eq!(field("pair").as_slice::<i64>().unwrap(), [index as i64, -(index as i64)]);
        let grid = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0].map(|at| at + number);
        assert_eq!(field("grid").as_slice::<f32>().unwrap(), grid);
        assert_eq!(source.length(index, at("text")), Some(2 * index));
        assert_eq!(source.length(index, at("pair")), None);
    }
}

/// Checks that `tallow_core::open` finds at `place` what `own` is, and that it conforms.
pub(crate) fn check_opens_as(place: &Path, own: &dyn Source) {
    testing::check_source(own);
    let opened = tallow_core::open(place).unwrap();
    assert_eq!(opened.fingerprint(), own.fingerprint());
    for index in 0..own.len() {
        assert_eq!(bytes(&opened, index).unwrap(), bytes(own, index).unwrap());
    }
}

/// Checks `picture` of the builder on files of pictures in columns of bytes, which `open` opens with the
/// pictures that are told.
pub(crate) fn check_pictures_in_bytes<S: Source>(
    place: &Path,
    open: impl Fn(&[(&str, Picture)]) -> Result<S>,
) {
    let plain = open(&[]).unwrap();
    let names = |source: &S| {
        let fields = source.schema().fields().iter();
        let pictures = fields.filter(|field| field.as_picture().is_some());
        pictures.map(|field| field.name().to_owned()).collect::<Vec<_>>()
    };
    assert!(names(&plain).is_empty() && plain.schema().position("named").is_none());
    let gray = Picture::gray().at_most(100, 90);
    let told =
        [("png", gray.clone()), ("wide", Picture::rgb()), ("named", Picture::rgb().upright())];
    let source = open(&told).unwrap();
    assert_eq!(names(&source), ["png", "wide", "named"]);
    assert_ne!(source.fingerprint(), plain.fingerprint());
    testing::check_source(&source);
    let field = |name: &str| &source.schema().fields()[source.schema().position(name).unwrap()];
    assert_eq!(field("png").to_string(), "png: u8[..=100, ..=90, 1] of pictures");
    for index in 0..7 {
        let [row, bytes] = [&source, &plain].map(|source| read(source, index).unwrap());
        for name in ["png", "wide", "named"] {
            let picture =
                row.view().field(source.schema().position(name).unwrap()).bytes().to_vec();
            assert_eq!(picture, bytes.view().field(0).bytes(), "{name}");
            let head = field(name).as_picture().unwrap().head(&picture).unwrap();
            assert_eq!(head.size(), [2 + index, 3]);
        }
    }
    let options = OpenOptions::new().picture("wide", Picture::rgb()).fields(["wide"]);
    let opened = options.open(place).unwrap();
    assert_eq!(opened.schema().to_string(), "wide: u8[..=8192, ..=8192, 3] of pictures");
    assert_says(&open(&[("label", gray.clone())]).err().unwrap(), &["label", "i64", "bytes"]);
    let error = open(&[("jpg", gray.clone())]).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["\"jpg\"", "\"png\", \"wide\", \"label\""]);
}

/// Checks that `filled` has the rows with nulls, filled with -7 in "x" and with -1 in "pair".
pub(crate) fn check_filled_nulls(filled: &dyn Source) {
    let schema = "x: i32[]; list: f32[..=2]; text: u8[..=1]; pair: i64[2]";
    assert_eq!(filled.schema().to_string(), schema);
    testing::check_source(filled);
    for (index, x, list, text, pair) in
        [(0, 1, &[1.0f32][..], "a", [1, 2]), (1, -7, &[], "", [-1, -1]), (2, 3, &[], "c", [-1, -1])]
    {
        let buffer = read(filled, index).unwrap();
        let row = buffer.view();
        assert_eq!(row.field(0).as_slice::<i32>().unwrap(), [x]);
        assert_eq!(row.field(1).as_slice::<f32>().unwrap(), list, "sample {index}");
        assert_eq!(row.field(2).bytes(), text.as_bytes());
        assert_eq!(row.field(3).as_slice::<i64>().unwrap(), pair);
    }
}

/// Checks which files of a folder are one data set, of copies of `file`, which has three rows. `open` opens
/// the folder as a source of its format.
pub(crate) fn check_splits<S: Source>(file: &Path, open: impl Fn(&Path) -> Result<S>) {
    let dir = tempfile::tempdir().unwrap();
    let extension = file.extension().unwrap().to_str().unwrap();
    let copy = |name: &str| {
        std::fs::copy(file, dir.path().join(format!("{name}.{extension}"))).unwrap();
        open(dir.path()).map(|source| source.len())
    };
    let error = copy("train-00001-of-00002").unwrap_err();
    assert_says(&error, &["found 1 file of \"train\", expected 2"]);
    let pattern = dir.path().join(format!("train-*.{extension}"));
    assert_eq!(open(&pattern).unwrap().len(), 3);
    assert_eq!(copy("train-00000-of-00002").unwrap(), 6);
    let error = copy("test-00000-of-00001").unwrap_err();
    assert_says(&error, &["(\"test\", \"train\")", &format!("\"test-*.{extension}\"")]);
    assert!(tallow_core::open(dir.path()).is_err());
    assert_eq!(tallow_core::open(pattern).unwrap().len(), 6);
}

/// Opens what may be damaged and reads all of it, which may fail but neither panic nor hang.
pub(crate) fn survive<S: Source + 'static>(contents: Vec<u8>, open: fn(PathBuf) -> Result<S>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged");
    std::fs::write(&path, contents).unwrap();
    in_time(move || {
        let _dir = dir;
        let Ok(source) = open(path) else { return };
        let Ok(mut buffer) = RowBuffer::new(source.schema()) else { return };
        for index in 0..source.len().min(100) {
            _ = source.read(index, &mut buffer.row(None));
        }
    });
}
