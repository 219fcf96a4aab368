//! Arrow files as a source, as Hugging Face `datasets` and `pyarrow` wrote them (`data/arrow/make.py`).

mod common;

use std::path::{Path, PathBuf};

use common::{assert_says, bytes, in_time, read};
use tallow_core::{ArrowShards, ErrorKind, RowBuffer, Source, testing};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/arrow").join(name)
}

#[test]
fn a_saved_data_set_is_read_back_row_by_row() {
    let source = ArrowShards::open(data("saved")).unwrap();
    assert_eq!(source.len(), 7);
    let schema = source.schema().to_string();
    let numbers = "label: i64[]; x: f32[]; flag: u8[]; small: i16[]; text: u8[..=12]; \
                   ids: i32[..=6]; pair: i64[2]; grid: f32[2, 3]";
    assert!(schema.ends_with(numbers), "{schema}");
    assert!(source.schema().fields()[0].as_picture().is_some_and(|it| it.is_upright()));
    assert_eq!(source.schema().fields()[1].classes().unwrap(), ["cat", "dog", "owl"]);
    assert!(source.schema().fields()[2].classes().is_none());
    for index in 0..7 {
        let buffer = read(&source, index).unwrap();
        let row = buffer.view();
        let number = index as f32;
        let field = |name: &str| row.field(source.schema().position(name).unwrap());
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
    }
}

#[test]
fn the_source_passes_the_conformance_suite_and_opens_by_path() {
    testing::check_source(&ArrowShards::open(data("saved")).unwrap());
    let opened = tallow_core::open(data("saved")).unwrap();
    let own = ArrowShards::open(data("saved")).unwrap();
    assert_eq!(opened.fingerprint(), own.fingerprint());
    for index in 0..own.len() {
        assert_eq!(bytes(&opened, index).unwrap(), bytes(&own, index).unwrap());
    }
    testing::check_source(&tallow_core::open(data("splits/train")).unwrap());
}

#[test]
fn the_file_format_is_read_and_nulls_are_errors_of_their_samples() {
    let source = ArrowShards::open(data("plain.arrow")).unwrap();
    assert_eq!(source.schema().to_string(), "x: i32[]; y: u8[..=2]");
    for (index, x, y) in [(0, 1, "a"), (2, 3, "")] {
        let buffer = read(&source, index).unwrap();
        assert_eq!(buffer.view().field(0).as_slice::<i32>().unwrap(), [x]);
        assert_eq!(buffer.view().field(1).bytes(), y.as_bytes());
    }
    let mut buffer = RowBuffer::new(source.schema()).unwrap();
    let error = source.read(1, &mut buffer.row(None)).unwrap_err();
    assert_says(&error, &["plain.arrow", "field \"x\"", "is null"]);
}

#[test]
fn nulls_are_what_the_builder_says_of_their_column() {
    let open = || ArrowShards::builder([data("plain.arrow")]);
    let source = open().null_as("x", -1.0).open().unwrap();
    testing::check_source(&source);
    let x = |index| read(&source, index).unwrap().view().field(0).integer().unwrap();
    assert_eq!([0, 1, 2].map(x), [1, -1, 3]);
    let others = [open().open(), open().null_as("x", -2.0).open()];
    for other in others {
        assert_ne!(other.unwrap().fingerprint(), source.fingerprint());
    }
    for (field, value, words) in [
        ("x", 0.5, "0.5 for \"x\", which is i32"),
        ("z", 0.0, "names \"z\", the fields are \"x\", \"y\""),
    ] {
        let error = open().null_as(field, value).open().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_says(&error, &[words]);
    }
    let saved = ArrowShards::builder([data("saved/data-00000-of-00002.arrow")]);
    let error = saved.null_as("image", 0.0).open().unwrap_err();
    assert_says(&error, &["picture", "image"]);
}

#[test]
fn a_null_of_a_list_is_empty_and_one_in_an_array_fills_it() {
    let source = ArrowShards::builder([data("nulls.arrow")]);
    let source = source.null_as("list", 0.0).null_as("text", 0.0).null_as("pair", -1.0);
    let source = source.open().unwrap();
    assert_eq!(source.schema().to_string(), "list: f32[..=2]; text: u8[..=1]; pair: i64[2]");
    testing::check_source(&source);
    for (index, list, text, pair) in
        [(0, &[1.0f32][..], "a", [1, 2]), (1, &[], "", [-1, -1]), (2, &[], "c", [-1, -1])]
    {
        let buffer = read(&source, index).unwrap();
        let row = buffer.view();
        assert_eq!(row.field(0).as_slice::<f32>().unwrap(), list, "sample {index}");
        assert_eq!(row.field(1).bytes(), text.as_bytes());
        assert_eq!(row.field(2).as_slice::<i64>().unwrap(), pair);
    }
}

#[test]
fn files_whose_numbers_stand_for_other_classes_are_not_taken_together() {
    let dir = tempfile::tempdir().unwrap();
    let shard = std::fs::read(data("saved/data-00000-of-00002.arrow")).unwrap();
    let renamed = b"\"owl\"";
    let at = shard.windows(renamed.len()).position(|it| it == renamed).unwrap();
    let mut other = shard.clone();
    other[at..at + renamed.len()].copy_from_slice(b"\"cow\"");
    let paths = ["a.arrow", "b.arrow"].map(|name| dir.path().join(name));
    std::fs::write(&paths[0], shard).unwrap();
    std::fs::write(&paths[1], other).unwrap();
    let error = ArrowShards::builder(&paths).open().unwrap_err();
    assert_says(&error, &["b.arrow", "\"cow\"", "\"owl\"", "field \"label\""]);
}

#[test]
fn views_of_text_are_read_and_lists_of_text_are_passed_over() {
    let source = ArrowShards::open(data("polars.arrow")).unwrap();
    let schema = "i: i64[]; text: u8[..=32]; more: u8[..=21]; list: f64[..=4]";
    assert_eq!(source.schema().to_string(), schema);
    testing::check_source(&source);
    let texts =
        ["", "short", "a text of more than twelve bytes", "zzzzzzzzzzzz", "another long text, too"];
    for (i, text) in texts.iter().enumerate() {
        let buffer = read(&source, i).unwrap();
        let row = buffer.view();
        assert_eq!(row.field(0).integer().unwrap(), i as i64);
        assert_eq!(row.field(1).bytes(), text.as_bytes());
        assert_eq!(row.field(2).bytes(), format!("{i}").repeat(5 * i + 1).as_bytes());
        assert_eq!(row.field(3).as_slice::<f64>().unwrap(), vec![i as f64; i]);
    }
    let chosen = ArrowShards::builder([data("polars.arrow")]).fields(["words"]).open();
    assert_eq!(chosen.unwrap_err().kind(), ErrorKind::UnsupportedDtype);
}

#[test]
fn the_files_of_several_splits_are_not_taken_together_nor_some_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        std::fs::copy(data("plain.arrow"), dir.path().join(name)).unwrap();
        ArrowShards::open(dir.path()).map(|source| source.len())
    };
    assert_eq!(copy("a.arrow").unwrap(), 3);
    assert_eq!(copy("b.arrow").unwrap(), 6);
    std::fs::write(dir.path().join("dataset_info.json"), "{}").unwrap();
    let error = ArrowShards::open(dir.path()).unwrap_err();
    assert_says(&error, &["several data sets (\"a\", \"b\")", "such as \"a.arrow\""]);
    for name in ["a.arrow", "b.arrow"] {
        std::fs::remove_file(dir.path().join(name)).unwrap();
    }
    let error = copy("train-00001-of-00002.arrow").unwrap_err();
    assert_says(&error, &["found 1 file of \"train\", expected 2"]);
    assert_eq!(ArrowShards::open(dir.path().join("train-*.arrow")).unwrap().len(), 3);
    assert_eq!(copy("train-00000-of-00002.arrow").unwrap(), 6);
    let error = copy("test-00000-of-00001.arrow").unwrap_err();
    assert_says(&error, &["(\"test\", \"train\")", "\"test-*.arrow\""]);
    assert!(tallow_core::open(dir.path()).is_err());
    assert_eq!(tallow_core::open(dir.path().join("train-*.arrow")).unwrap().len(), 6);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let error = ArrowShards::open(data("compressed.arrow")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
    assert_says(&error, &["compressed.arrow", "compressed"]);
    let error = ArrowShards::open(data("splits")).unwrap_err();
    assert_says(&error, &["splits", "train", "test"]);
    let file = data("saved/data-00000-of-00002.arrow");
    let chosen = |name| ArrowShards::builder([&file]).fields([name]).open().unwrap_err();
    assert_says(&chosen("when"), &["when", "timestamp"]);
    assert_says(&chosen("nothing"), &["nothing", "label"]);
}

/// Opens what may be damaged and reads all of it, which may fail but neither panic nor hang.
fn survive(contents: Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.arrow");
    std::fs::write(&path, contents).unwrap();
    in_time(move || {
        let _dir = dir;
        let Ok(source) = ArrowShards::open(&path) else { return };
        let mut buffer = RowBuffer::new(source.schema()).unwrap();
        for index in 0..source.len().min(100) {
            _ = source.read(index, &mut buffer.row(None));
        }
    });
}

#[test]
fn damaged_files_are_errors() {
    use tallow_arrow::{Arrow, ReadAt};
    for name in ["saved/data-00000-of-00002.arrow", "plain.arrow", "polars.arrow"] {
        let whole = std::fs::read(data(name)).unwrap();
        // In memory, so that every length and every byte can be tried.
        let walk = |bytes: &[u8]| {
            let Ok(arrow) = Arrow::open(bytes) else { return };
            let fields = arrow.schema().fields().iter().enumerate();
            for (at, _) in fields.filter(|(_, field)| field.holds_numbers()) {
                let Ok(columns) = arrow.columns(bytes, &[(at, None)]) else { continue };
                for row in 0..columns[0].rows().min(100) {
                    let Some(place) = columns[0].place(row) else { continue };
                    let bits = place.elements as u64 * columns[0].scalar().bits();
                    assert!(
                        place.offset + (u64::from(place.bit) + bits).div_ceil(8) <= bytes.bytes()
                    );
                }
            }
        };
        (0..whole.len()).for_each(|len| walk(&whole[..len]));
        for at in 0..whole.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                walk(&bytes);
            }
        }
        survive(whole[..whole.len() / 2].to_vec());
        survive(whole[..whole.len() - 1].to_vec());
    }
}
