//! Parquet files as a source, as Hugging Face `datasets` and `pyarrow` wrote them (`data/parquet/make.py`).

mod columns;
mod common;

use std::path::{Path, PathBuf};

use common::{assert_says, bytes, read};
use tallow_core::{ErrorKind, Limits, ParquetShards, Result, RowBuffer, Source, testing};

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/parquet").join(name)
}

/// Files of the same rows: codecs, encodings, versions of pages, with a page index and without.
const SAME: [&str; 9] =
    ["plain", "snappy", "gzip", "zstd", "lz4", "indexed", "version2", "delta", "lengths"];

#[test]
fn a_file_of_datasets_is_read_back_row_by_row() {
    columns::check_rows_of_datasets(&ParquetShards::open(data("datasets.parquet")).unwrap());
}

#[test]
fn pictures_are_known_by_their_columns_too_and_columns_left_out_are_told() {
    let [told, bare] = ["datasets", "bare"]
        .map(|name| ParquetShards::open(data(&format!("{name}.parquet"))).unwrap());
    let pictures = |source: &ParquetShards| {
        let fields = source.schema().fields().iter();
        fields
            .filter(|field| field.as_picture().is_some())
            .map(|it| it.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(pictures(&bare), pictures(&told));
    assert!(!pictures(&told).is_empty());
    for index in 0..told.len() {
        assert_eq!(bytes(&bare, index).unwrap(), bytes(&told, index).unwrap());
    }
    assert_eq!(told.left_out(), bare.left_out());
    assert_eq!(told.left_out(), ["when (timestamp)"]);
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
        columns::check_opens_as(&path, &ParquetShards::open(&path).unwrap());
    }
    let files = ["plain", "zstd"].map(|name| data(&format!("{name}.parquet")));
    let source = ParquetShards::builder(files).fields(["text", "i"]).open().unwrap();
    assert_eq!(
        (source.len(), source.schema().to_string().as_str()),
        (600, "text: u8[..=3]; i: i64[]")
    );
    assert_eq!(bytes(&source, 307).unwrap(), b"222");
    let groups: Vec<_> = source.population().groups().collect();
    assert_eq!(groups, [0..170, 170..300, 300..470, 470..600], "the row groups");
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

/// The cache has room for one page of two columns, and for where their values lie.
#[test]
fn long_values_are_the_same_with_their_pages_and_without() {
    let mut limits = Limits::default();
    limits.decoded_bytes = 40_000;
    let open = |limits| {
        let first = ParquetShards::builder([data("long1.parquet")]).limits(limits).open().unwrap();
        let second = ParquetShards::builder([data("long2.parquet")]).null_as("second", 0.0);
        [first, second.limits(limits).open().unwrap()]
    };
    for (small, large) in open(limits).iter().zip(&open(Limits::default())) {
        let rows = small.len();
        // One after the other, and as far apart as they can be.
        for at in (0..rows).chain((0..8 * rows).map(|at| at * 5 % rows)) {
            let [own, other] = [small, large].map(|source| read(source, at).unwrap());
            for field in 0..small.schema().fields().len() {
                let bytes = other.view().field(field).bytes().to_vec();
                assert!(own.view().field(field).bytes() == bytes, "row {at}");
                let mut part = vec![0; bytes.len() / 2];
                let first = bytes.len() / 3;
                small.read_part(at, field, first, &mut part, None).unwrap();
                assert!(part == bytes[first..first + part.len()], "row {at}");
                let beyond = small.read_part(at, field, bytes.len(), &mut [0], None).unwrap_err();
                assert_says(&beyond, &[small.schema().fields()[field].name()]);
            }
        }
        testing::check_source(small);
    }
}

#[test]
fn nulls_are_errors_with_their_place_or_what_the_builder_says() {
    let open = || ParquetShards::builder([data("nulls.parquet")]);
    let source = open().open().unwrap();
    let mut buffer = RowBuffer::new(source.schema()).unwrap();
    let error = source.read(1, &mut buffer.row(None)).unwrap_err();
    assert_says(&error, &["nulls.parquet", "field \"x\"", "row 1, in row group 0,", "is null"]);
    let filled = open().null_as("x", -7.0).null_as("list", 0.0).null_as("text", 0.0);
    let filled = filled.null_as("pair", -1.0).open().unwrap();
    columns::check_filled_nulls(&filled);
    assert_ne!(filled.fingerprint(), source.fingerprint());
}

#[test]
fn files_of_pictures_in_columns_of_bytes_are_pictures_where_that_is_said() {
    let path = data("encoded.parquet");
    columns::check_pictures_in_bytes(&path, |told| {
        let builder = ParquetShards::builder([&path]);
        told.iter().fold(builder, |all, (name, picture)| all.picture(*name, picture.clone())).open()
    });
}

#[test]
fn splits_are_not_taken_together() {
    columns::check_splits(&data("nulls.parquet"), |place| ParquetShards::open(place));
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

/// As it lies in the folder that Spark writes: nulls may be anywhere, timestamps have 96 bits, and checksums and
/// a mark of success are beside the files.
#[test]
fn a_folder_of_spark_is_read_and_its_timestamps_are_left_out_or_refused_by_name() {
    let source = ParquetShards::open(data("spark")).unwrap();
    columns::check_opens_as(&data("spark"), &source);
    let schema =
        "id: i64[]; x: f32[]; name: u8[..=4]; bytes: u8[..=3]; list: f64[..=2]; label: i32[]";
    assert_eq!((source.len(), source.schema().to_string().as_str()), (9, schema));
    assert_eq!(source.left_out(), ["when (timestamp)", "price (decimal)"]);
    for index in 0..9 {
        let buffer = read(&source, index).unwrap();
        let view = buffer.view();
        let field = |at: usize| view.field(at);
        let id = field(0).as_slice::<i64>().unwrap()[0];
        assert_eq!(id, [3, 4, 7, 8, 0, 1, 2, 5, 6][index], "the rows of the files, in their order");
        assert_eq!(field(1).as_slice::<f32>().unwrap(), [id as f32 / 2.0]);
        assert_eq!(field(2).bytes(), "\u{e9}".repeat(id as usize % 3).as_bytes());
        assert_eq!(field(3).bytes(), vec![id as u8; id as usize % 4]);
        assert_eq!(field(4).as_slice::<f64>().unwrap(), vec![id as f64; id as usize % 3]);
        assert_eq!(field(5).as_slice::<i32>().unwrap(), [id as i32 % 3]);
    }
    let error = tallow_core::OpenOptions::new().fields(["when"]).open(data("spark")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
    assert_says(&error, &["part-00000", "\"when\"", "timestamp", "expected numbers"]);
}

#[test]
fn encrypted_files_are_refused_by_name() {
    for name in ["encrypted.parquet", "encrypted_columns.parquet"] {
        let error = ParquetShards::open(data(name)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
        assert_says(&error, &[name, "encrypted", "expected a plain one"]);
    }
}

#[test]
fn pages_that_expand_beyond_the_limit_are_refused_before_they_do() {
    let error = open_within_limits(data("zeros.parquet")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedDtype);
    assert_says(&error, &["zeros.parquet", "row group 0, column \"zeros\"", "at most 16777216"]);
}

/// Its rows would be 500 GB: a million times the one text of its dictionary.
#[test]
fn rows_of_a_dictionary_are_not_copied_before_they_are_read() {
    let source = open_within_limits(data("dictionary.parquet")).unwrap();
    assert_eq!(
        (source.len(), source.schema().to_string().as_str()),
        (1 << 20, "text: u8[..=500000]")
    );
    for index in [0, 777_777, (1 << 20) - 1] {
        assert_eq!(source.length(index, 0), Some(500_000));
        assert_eq!(bytes(&source, index).unwrap(), "long ".repeat(100_000).as_bytes());
    }
}

fn open_within_limits(path: PathBuf) -> Result<ParquetShards> {
    let mut limits = Limits::default();
    limits.inflated_bytes = 16 << 20;
    ParquetShards::builder([path]).limits(limits).open()
}

#[test]
fn damaged_files_are_errors() {
    for name in ["nulls", "indexed", "delta", "version2"] {
        let whole = std::fs::read(data(&format!("{name}.parquet"))).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 12) {
            columns::survive(whole[..at].to_vec(), open_within_limits);
            for value in [0, 0x7f, 0xff, whole[at] ^ 1, whole[at] ^ 0x80] {
                let mut damaged = whole.clone();
                damaged[at] = value;
                columns::survive(damaged, open_within_limits);
            }
        }
    }
}
