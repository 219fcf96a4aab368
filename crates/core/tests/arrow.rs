//! Arrow files as a source, as Hugging Face `datasets` and `pyarrow` wrote them (`data/arrow/make.py`).

mod columns;
mod common;

use std::path::{Path, PathBuf};

use common::{assert_says, read};
use tallow_core::{ArrowShards, ErrorKind, RowBuffer, Source, testing};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/arrow").join(name)
}

#[test]
fn a_saved_data_set_is_read_back_row_by_row_and_opens_by_path() {
    let source = ArrowShards::open(data("saved")).unwrap();
    columns::check_rows_of_datasets(&source);
    columns::check_opens_as(&data("saved"), &source);
    let groups: Vec<_> = source.population().groups().collect();
    assert_eq!(groups, [0..4, 4..7], "the files");
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
    let source = ArrowShards::builder([data("nulls.arrow")]).null_as("x", -7.0);
    let source = source.null_as("list", 0.0).null_as("text", 0.0).null_as("pair", -1.0);
    columns::check_filled_nulls(&source.open().unwrap());
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
fn files_of_pictures_in_columns_of_bytes_are_pictures_where_that_is_said() {
    let path = data("encoded.arrow");
    columns::check_pictures_in_bytes(&path, |told| {
        let builder = ArrowShards::builder([&path]);
        told.iter().fold(builder, |all, (name, picture)| all.picture(*name, picture.clone())).open()
    });
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
    columns::check_splits(&data("plain.arrow"), |place| ArrowShards::open(place));
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
        let open = |path| ArrowShards::builder([path]).open();
        columns::survive(whole[..whole.len() / 2].to_vec(), open);
        columns::survive(whole[..whole.len() - 1].to_vec(), open);
    }
}
