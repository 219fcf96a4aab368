//! Parquet files as a source, as Hugging Face `datasets` and `pyarrow` wrote them (`data/parquet/make.py`).

mod common;

use std::path::{Path, PathBuf};

use common::{assert_says, bytes, in_time, read};
use tallow_core::{ErrorKind, Limits, ParquetShards, RowBuffer, Source, testing};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet").join(name)
}

/// Files of the same rows: codecs, encodings, versions of pages, with a page index and without.
const SAME: [&str; 9] =
    ["plain", "snappy", "gzip", "zstd", "lz4", "indexed", "version2", "delta", "lengths"];

#[test]
fn a_file_of_datasets_is_read_back_row_by_row() {
    let source = ParquetShards::open(data("datasets.parquet")).unwrap();
    assert_eq!(source.len(), 7);
    let schema = source.schema().to_string();
    let numbers = "label: i64[]; x: f32[]; flag: u8[]; small: i16[]; text: u8[..=12]; \
                   ids: i32[..=6]; pair: i64[2]; grid: f32[2, 3]";
    assert!(schema.ends_with(numbers), "{schema}");
    assert!(source.schema().fields()[0].as_picture().is_some_and(|it| it.is_upright()));
    assert_eq!(source.schema().fields()[1].classes().unwrap(), ["cat", "dog", "owl"]);
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
        let text = source.schema().position("text").unwrap();
        assert_eq!(source.length(index, text), Some(2 * index));
    }
}

#[test]
fn all_codecs_encodings_and_pages_give_the_same_rows() {
    for name in SAME {
        let source = ParquetShards::open(data(&format!("{name}.parquet"))).unwrap();
        let schema = "i: i64[]; u: u8[]; text: u8[..=3]; list: i32[..=5]; grid: i16[..=2, 2]; x: f64[]; \
                      half: f16[]; four: u8[4]";
        assert_eq!((source.len(), source.schema().to_string().as_str()), (300, schema), "{name}");
        for row in (0..300).rev() {
            let buffer = read(&source, row).unwrap();
            let view = buffer.view();
            let number = row as i64;
            let field = |at: usize| view.field(at);
            assert_eq!(field(0).as_slice::<i64>().unwrap(), [number * number], "{name} {row}");
            assert_eq!(field(1).as_slice::<u8>().unwrap(), [(row % 200) as u8]);
            assert_eq!(field(2).bytes(), (row % 5).to_string().repeat(row % 4).as_bytes());
            let list: Vec<i32> = (row as i32..(row + row % 6) as i32).collect();
            assert_eq!(field(3).as_slice::<i32>().unwrap(), list, "{name} {row}");
            let grid = [row as i16, -(row as i16)].repeat(row % 3);
            assert_eq!(field(4).as_slice::<i16>().unwrap(), grid);
            assert_eq!(field(5).as_slice::<f64>().unwrap(), [row as f64 / 4.0]);
            assert_eq!(field(6).bytes(), half_of(row).to_ne_bytes());
            assert_eq!(field(7).bytes(), [(row % 256) as u8; 4]);
        }
    }
}

/// The bits of a whole number below 2048 in half precision.
fn half_of(number: usize) -> u16 {
    if number == 0 {
        return 0;
    }
    let exponent = number.ilog2();
    ((exponent + 15) << 10) as u16 | (((number << 10) >> exponent) & 0x3ff) as u16
}

#[test]
fn sources_pass_the_conformance_suite_and_open_by_path() {
    for name in ["datasets", "snappy", "indexed", "version2"] {
        let path = data(&format!("{name}.parquet"));
        testing::check_source(&ParquetShards::open(&path).unwrap());
        let (opened, own) =
            (tallow_core::open(&path).unwrap(), ParquetShards::open(&path).unwrap());
        assert_eq!(opened.fingerprint(), own.fingerprint());
        for index in 0..own.len() {
            assert_eq!(bytes(&opened, index).unwrap(), bytes(&own, index).unwrap());
        }
    }
    let files = ["plain", "zstd"].map(|name| data(&format!("{name}.parquet")));
    let source = ParquetShards::builder(files).fields(["text", "i"]).open().unwrap();
    assert_eq!(
        (source.len(), source.schema().to_string().as_str()),
        (600, "text: u8[..=3]; i: i64[]")
    );
    assert_eq!(bytes(&source, 307).unwrap(), b"222");
}

#[test]
fn a_cache_of_one_page_gives_the_same_rows() {
    let mut limits = Limits::default();
    limits.decoded_bytes = 1;
    let path = data("indexed.parquet");
    let small = ParquetShards::builder([&path]).limits(limits).open().unwrap();
    let large = ParquetShards::open(&path).unwrap();
    for index in (0..300).map(|at| at * 77 % 300) {
        assert_eq!(bytes(&small, index).unwrap(), bytes(&large, index).unwrap());
    }
}

#[test]
fn nulls_are_errors_with_their_place_or_what_the_builder_says() {
    let open = || ParquetShards::builder([data("nulls.parquet")]);
    let source = open().open().unwrap();
    assert_eq!(
        source.schema().to_string(),
        "x: i32[]; list: f32[..=2]; text: u8[..=1]; pair: i64[2]"
    );
    let mut buffer = RowBuffer::new(source.schema()).unwrap();
    let error = source.read(1, &mut buffer.row(None)).unwrap_err();
    assert_says(&error, &["nulls.parquet", "field \"x\"", "row 1, in row group 0,", "is null"]);
    let filled = open().null_as("x", -7.0).null_as("list", 0.0).null_as("text", 0.0);
    let filled = filled.null_as("pair", -1.0).open().unwrap();
    testing::check_source(&filled);
    assert_ne!(filled.fingerprint(), source.fingerprint());
    for (index, x, list, text, pair) in
        [(0, 1, &[1.0f32][..], "a", [1, 2]), (1, -7, &[], "", [-1, -1]), (2, 3, &[], "c", [-1, -1])]
    {
        let buffer = read(&filled, index).unwrap();
        let row = buffer.view();
        assert_eq!(row.field(0).as_slice::<i32>().unwrap(), [x]);
        assert_eq!(row.field(1).as_slice::<f32>().unwrap(), list, "sample {index}");
        assert_eq!(row.field(2).bytes(), text.as_bytes());
        assert_eq!(row.field(3).as_slice::<i64>().unwrap(), pair);
    }
}

#[test]
fn splits_are_not_taken_together() {
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str| {
        std::fs::copy(data("nulls.parquet"), dir.path().join(name)).unwrap();
        ParquetShards::open(dir.path()).map(|source| source.len())
    };
    assert_says(
        &copy("train-00001-of-00002.parquet").unwrap_err(),
        &["found 1 file", "expected 2"],
    );
    assert_eq!(copy("train-00000-of-00002.parquet").unwrap(), 6);
    let error = copy("test-00000-of-00001.parquet").unwrap_err();
    assert_says(&error, &["(\"test\", \"train\")", "\"test-*.parquet\""]);
    assert_eq!(tallow_core::open(dir.path().join("train-*.parquet")).unwrap().len(), 6);
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let open = |name: &str| ParquetShards::open(data(name)).unwrap_err();
    let error = open("brotli.parquet");
    assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
    assert_says(&error, &["brotli.parquet", "row group 0, column \"i\"", "BROTLI", "Snappy"]);
    let chosen = |name: &str| {
        ParquetShards::builder([data("datasets.parquet")]).fields([name]).open().unwrap_err()
    };
    assert_says(&chosen("when"), &["when", "timestamp"]);
    assert_says(&chosen("nothing"), &["nothing", "label"]);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("other.parquet");
    let whole = std::fs::read(data("plain.parquet")).unwrap();
    let refused = |contents: &[u8]| {
        std::fs::write(&path, contents).unwrap();
        ParquetShards::open(&path).unwrap_err()
    };
    assert_eq!(refused(b"").kind(), ErrorKind::Empty);
    assert_eq!(refused(b"PAR").kind(), ErrorKind::Foreign);
    assert_eq!(refused(b"ARROW1 and no more").kind(), ErrorKind::Foreign);
    let error = refused(&whole[..whole.len() / 2]);
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_says(&error, &["other.parquet", "cut"]);
    let encrypted = [&whole[..whole.len() - 4], b"PARE"].concat();
    assert_says(&refused(&encrypted), &["encrypted"]);
    let mut limits = Limits::default();
    limits.inflated_bytes = 64;
    let small = ParquetShards::builder([data("plain.parquet")]).limits(limits).open();
    assert_says(&small.unwrap_err(), &["row group 0", "at most 64"]);
}

/// Opens what may be damaged and reads all of it, which may fail but neither panic nor hang.
fn survive(contents: Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.parquet");
    std::fs::write(&path, contents).unwrap();
    in_time(move || {
        let _dir = dir;
        let mut limits = Limits::default();
        limits.inflated_bytes = 16 << 20;
        let Ok(source) = ParquetShards::builder([&path]).limits(limits).open() else { return };
        let Ok(mut buffer) = RowBuffer::new(source.schema()) else { return };
        for index in 0..source.len().min(100) {
            _ = source.read(index, &mut buffer.row(None));
        }
    });
}

#[test]
fn damaged_files_are_errors() {
    for name in ["nulls", "indexed", "delta", "version2"] {
        let whole = std::fs::read(data(&format!("{name}.parquet"))).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 12) {
            survive(whole[..at].to_vec());
            for value in [0, 0x7f, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                survive(damaged);
            }
        }
    }
}
