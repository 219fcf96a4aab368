//! `.safetensors` files and folders of shards: what is read and what is refused.

mod common;

use std::path::Path;

use common::{assert_says, bytes, in_time, read};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tallow_core::{ErrorKind, OpenOptions, Safetensors, Source, testing};
use tempfile::TempDir;

/// A file of any header around any data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

/// An entry of a header.
fn entry(name: &str, dtype: &str, shape: &[u64], from: u64, to: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{from},{to}]}}"#)
}

fn of_entries(entries: &[String], data: &[u8]) -> Vec<u8> {
    file(&format!("{{{}}}", entries.join(",")), data)
}

/// `samples` samples of two bytes, counting from `first`.
fn shard(first: u8, samples: u8) -> Vec<u8> {
    let data: Vec<u8> = (0..samples * 2).map(|i| first.wrapping_add(i)).collect();
    let (samples, len) = (u64::from(samples), data.len() as u64);
    of_entries(&[entry("x", "U8", &[samples, 2], 0, len)], &data)
}

fn folder<'a>(files: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    files.into_iter().for_each(|(name, data)| std::fs::write(dir.path().join(name), data).unwrap());
    dir
}

fn open_bytes(contents: &[u8]) -> tallow_core::Result<Safetensors> {
    let dir = folder([("bad.safetensors", contents.to_vec())]);
    in_time(move || Safetensors::open(dir.path().join("bad.safetensors")))
}

#[track_caller]
fn assert_refused(contents: &[u8], kind: ErrorKind, words: &[&str]) {
    let error = open_bytes(contents).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, &[&["bad.safetensors"], words].concat());
}

#[test]
fn every_tensor_is_a_field_and_every_dtype_has_a_row() {
    let dtypes = [
        ("a", "BOOL", 1, "u8"),
        ("b", "U8", 1, "u8"),
        ("c", "I8", 1, "i16"),
        ("d", "U16", 2, "u16"),
        ("e", "I16", 2, "i16"),
        ("f", "F16", 2, "f16"),
        ("g", "BF16", 2, "bf16"),
        ("h", "U32", 4, "u32"),
        ("i", "I32", 4, "i32"),
        ("j", "F32", 4, "f32"),
        ("k", "U64", 8, "i64"),
        ("l", "I64", 8, "i64"),
        ("m", "F64", 8, "f64"),
        ("n", "F8_E4M3", 1, "f8e4m3"),
    ];
    let (mut data, mut entries, mut schema) = (Vec::new(), Vec::new(), Vec::new());
    for (name, dtype, size, row) in dtypes {
        let from = data.len();
        data.extend((0..size * 4).map(|i| i as u8 ^ if size == 1 { 0x80 } else { 0 }));
        entries.push(entry(name, dtype, &[2, 2], from as u64, data.len() as u64));
        schema.push(format!("{name}: {row}[2]"));
    }
    let dir = folder([("a.safetensors", of_entries(&entries, &data))]);
    let source = Safetensors::open(dir.path().join("a.safetensors")).unwrap();
    assert_eq!(source.schema().to_string(), schema.join("; "));
    testing::check_source(&source);
    let buffer = read(&source, 1).unwrap();
    let field = |i: usize| buffer.view().field(i);
    assert_eq!(field(0).bytes(), [0x82, 0x83]);
    assert_eq!(field(2).as_slice::<i16>().unwrap(), [-126, -125]);
    assert_eq!(field(3).as_slice::<u16>().unwrap(), [0x0504, 0x0706]);
    assert_eq!(field(10).as_slice::<i64>().unwrap()[0], 0x1716_1514_1312_1110);
    assert_eq!(field(13).bytes(), [0x82, 0x83]);
}

#[test]
fn a_value_above_i64_is_an_error_of_its_own_sample() {
    let data = [1u64, u64::MAX, 3].map(u64::to_le_bytes).concat();
    let dir = folder([("a.safetensors", of_entries(&[entry("x", "U64", &[3], 0, 24)], &data))]);
    let source = Safetensors::open(dir.path()).unwrap();
    assert!(read(&source, 0).is_ok() && read(&source, 2).is_ok());
    let error = read(&source, 1).unwrap_err();
    assert_eq!((error.kind(), error.index()), (ErrorKind::OutOfRange, Some(1)));
    assert_says(&error, &["a.safetensors", "\"x\"", "18446744073709551615"]);
}

#[test]
fn shards_follow_one_another_in_the_order_of_their_names() {
    let dir = folder([
        ("b.safetensors", shard(10, 2)),
        ("c.safetensors", shard(0, 0)),
        ("a.safetensors", shard(0, 3)),
        ("d.SafeTensors", shard(50, 1)),
        (".e.safetensors", b"hidden".to_vec()),
        ("f.txt", b"other".to_vec()),
    ]);
    let source = Safetensors::open(dir.path()).unwrap();
    testing::check_source(&source);
    let first: Vec<u8> = (0..source.len()).map(|i| bytes(&source, i).unwrap()[0]).collect();
    assert_eq!(first, [0, 2, 4, 10, 12, 50]);
    assert!(source.name(4).ends_with("b.safetensors[1]"));
    let mut bytes = Vec::new();
    source.extents(3, &mut |extent| bytes.push(extent.bytes()));
    assert_eq!(bytes[0], 2);
}

#[test]
fn more_shards_than_are_held_open_read_the_same() {
    let names: Vec<String> = (0..150).map(|i| format!("{i:03}.safetensors")).collect();
    let dir = folder(names.iter().enumerate().map(|(i, n)| (n.as_str(), shard(i as u8, 2))));
    let source = Safetensors::open(dir.path()).unwrap();
    for i in 0..300 {
        let first = (i / 2 + i % 2 * 2) as u8;
        assert_eq!(bytes(&source, i).unwrap(), [first, first + 1]);
    }
    testing::check_source(&source);
    std::fs::write(dir.path().join("149.safetensors"), shard(0, 3)).unwrap();
    let error = read(&source, 299).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert_says(&error, &["149.safetensors", "sample 299"]);
    assert!(read(&source, 297).is_ok());
}

#[test]
fn a_file_written_to_or_cut_after_opening_is_changed() {
    for len in [None, Some(0), Some(80)] {
        let dir = folder([("a.safetensors", shard(0, 9))]);
        let path = dir.path().join("a.safetensors");
        let source = Safetensors::open(&path).unwrap();
        match len {
            Some(len) => {
                std::fs::File::options().write(true).open(&path).unwrap().set_len(len).unwrap();
            }
            None => std::fs::write(&path, shard(1, 9)).unwrap(),
        }
        let error = read(&source, 8).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{len:?}: {error}");
        assert_says(&error, &["a.safetensors", "sample 8"]);
    }
}

#[test]
fn a_change_of_status_alone_is_no_change() {
    use std::os::unix::fs::FileExt;
    let dir = folder([("a.safetensors", shard(0, 9))]);
    let path = dir.path().join("a.safetensors");
    let source = Safetensors::open(&path).unwrap();
    std::fs::hard_link(&path, dir.path().join("link")).unwrap();
    assert_eq!(bytes(&source, 8).unwrap(), [16, 17]);
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[99, 99], shard(0, 9).len() as u64 - 2).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(bytes(&source, 8).unwrap(), [99, 99]);
    file.write_all_at(b"y", 10).unwrap();
    file.set_modified(modified).unwrap();
    assert_eq!(read(&source, 8).unwrap_err().kind(), ErrorKind::Changed, "another header");
}

#[test]
fn formats_that_are_known_are_called_by_their_names() {
    for (foreign, words) in [
        (&b"version https://git-lfs.github.com/spec/v1\noid sha256:0"[..], "`git lfs pull`"),
        (b"PK\x03\x04 some archive", "a zip archive"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03 and more of it", "gzip data"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"\x93NUMPY\x01\0v\0{'descr'", "a .npy file"),
        (b"hi \x1b", "4 bytes"),
        (b"some words", "text that begins with \"some words\""),
        (b"words", "text"),
    ] {
        let kind = if words == "4 bytes" { ErrorKind::Truncated } else { ErrorKind::Foreign };
        assert_refused(foreign, kind, &[words]);
    }
}

#[test]
fn more_samples_than_can_be_counted_are_refused() {
    let of = |samples: u64| of_entries(&[entry("x", "U8", &[samples, 0], 0, 0)], &[]);
    let words = ["18446744073709551615 samples of x: u8[0], which take no bytes"];
    assert_refused(&of(u64::MAX), ErrorKind::TooLarge, &words);
    let dir = folder([("a.safetensors", of(1 << 32)), ("b.safetensors", of(5))]);
    assert_eq!(Safetensors::open(dir.path()).unwrap().len(), (1 << 32) + 5);
}

#[test]
fn a_file_replaced_by_renaming_stays_the_old_one() {
    let dir = folder([("a.safetensors", shard(0, 2)), ("b.tmp", shard(100, 2))]);
    let source = Safetensors::open(dir.path()).unwrap();
    std::fs::rename(dir.path().join("b.tmp"), dir.path().join("a.safetensors")).unwrap();
    assert_eq!(bytes(&source, 1).unwrap(), [2, 3]);
}

#[test]
fn shards_of_other_fields_are_refused_by_name() {
    let x = |dtype, shape: &[u64], len| of_entries(&[entry("x", dtype, shape, 0, len)], &[0; 8]);
    for other in [
        x("I8", &[4, 2], 8),
        x("U8", &[2, 4], 8),
        x("U8", &[8], 8),
        of_entries(&[entry("y", "U8", &[4, 2], 0, 8)], &[0; 8]),
    ] {
        let dir = folder([("a.safetensors", shard(0, 3)), ("b.safetensors", other)]);
        let error = Safetensors::open(dir.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ShapeMismatch);
        assert_says(&error, &["a.safetensors", "b.safetensors", "expected x: u8[2]"]);
    }
}

#[test]
fn tensors_without_elements_are_read() {
    let entries = [entry("a", "F32", &[3, 0], 0, 0), entry("b", "U8", &[3], 0, 3)];
    let dir = folder([("a.safetensors", of_entries(&entries, &[7, 8, 9]))]);
    let source = Safetensors::open(dir.path()).unwrap();
    testing::check_source(&source);
    assert_eq!(read(&source, 2).unwrap().view().field(1).bytes(), [9]);
    let none = folder([("a.safetensors", shard(0, 0))]);
    assert!(Safetensors::open(none.path()).unwrap().is_empty());
}

#[test]
fn first_axes_that_differ_and_scalars_are_refused() {
    let entries = [entry("a", "U8", &[2], 0, 2), entry("b", "U8", &[3], 2, 5)];
    let words = ["\"b\"", "found 3 samples, expected 2"];
    assert_refused(&of_entries(&entries, &[0; 5]), ErrorKind::ShapeMismatch, &words);
    let scalar = of_entries(&[entry("s", "F32", &[], 0, 4)], &[0; 4]);
    assert_refused(&scalar, ErrorKind::ShapeMismatch, &["\"s\"", "scalar", "first axis"]);
}

#[test]
fn two_tensors_of_one_name_are_refused_however_it_is_spelled() {
    for twin in ["t", "\\u0074"] {
        let entries = [entry("t", "U8", &[2], 0, 2), entry(twin, "U8", &[2], 0, 2)];
        assert_refused(
            &of_entries(&entries, &[0; 2]),
            ErrorKind::Header,
            &["two tensors", "\"t\""],
        );
    }
}

#[test]
fn holes_overlaps_and_tails_are_refused() {
    let a = |from, to| entry("a", "U8", &[2], from, to);
    let b = |from, to| entry("b", "U8", &[2], from, to);
    let hole = of_entries(&[a(0, 2), b(3, 5)], &[0; 5]);
    let overlap = of_entries(&[a(0, 2), b(1, 3)], &[0; 3]);
    let late = of_entries(&[a(1, 3)], &[0; 3]);
    let backwards = of_entries(&[a(2, 0)], &[0; 2]);
    let other_size = of_entries(&[a(0, 3)], &[0; 3]);
    for bad in [hole, overlap, late, backwards, other_size] {
        assert_refused(&bad, ErrorKind::Header, &[]);
    }
    let words = ["the tensors take 4 bytes", "the file holds 5"];
    assert_refused(&of_entries(&[a(0, 2), b(2, 4)], &[0; 5]), ErrorKind::Header, &words);
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let whole = shard(0, 4);
    for len in 0..whole.len() {
        let kind = if len == 0 { ErrorKind::Empty } else { ErrorKind::Truncated };
        assert_refused(&whole[..len], kind, &["bytes"]);
    }
}

#[test]
fn claims_beyond_the_file_or_the_address_space_are_refused() {
    let big = |shape: &[u64], to| of_entries(&[entry("x", "F32", shape, 0, to)], &[]);
    assert_refused(&big(&[1 << 40], 4 << 40), ErrorKind::Truncated, &["4398046511104"]);
    assert_refused(&big(&[1 << 63, 2], 0), ErrorKind::Header, &[]);
    assert_refused(&big(&[1 << 40, 1 << 40, 0], 0), ErrorKind::Header, &[]);
    // The product of these is 0 as soon as it begins.
    let hidden = big(&[0, 1 << 40, 1 << 40], 0);
    assert_refused(&hidden, ErrorKind::TooLarge, &["\"x\"", "address space"]);
    // Eight tensors whose sizes sum to one byte less than 2^64: the header's own does not fit.
    let size = (1u64 << 61) - 1;
    let mut entries: Vec<String> =
        (0..8).map(|i| entry(&format!("t{i}"), "U8", &[size], i * size, (i + 1) * size)).collect();
    entries.push(entry("u", "U8", &[7], 8 * size, u64::MAX));
    assert_refused(&of_entries(&entries, &[]), ErrorKind::Truncated, &["18446744073709551615"]);
}

#[test]
fn headers_too_long_foreign_or_deep_are_refused() {
    let mut long = vec![0; 16];
    long[..8].copy_from_slice(&((16u64 << 20) + 1).to_le_bytes());
    assert_refused(&long, ErrorKind::TooLarge, &["16777217", "at most 16777216"]);
    assert_refused(&[0xff; 64], ErrorKind::TooLarge, &["18446744073709551615"]);
    assert_refused(&file(" {}", &[]), ErrorKind::Foreign, &["'{'", "byte 8"]);
    assert_refused(&file("{}", &[]), ErrorKind::Empty, &["no tensor"]);
    assert_refused(&file("{} x", &[]), ErrorKind::Header, &["trailing"]);
    for deep in ["[", "{\"a\":"] {
        for start in ["", "{\"x\":", "{\"__metadata__\":"] {
            let text = format!("{start}{}", deep.repeat(100_000));
            let kind = if text.starts_with('{') { ErrorKind::Header } else { ErrorKind::Foreign };
            assert_refused(&file(&text, &[]), kind, &[]);
        }
    }
}

#[test]
fn dtypes_that_candle_does_not_hold_are_refused_by_name() {
    for (dtype, bytes) in [("C64", 8), ("F8_E5M2", 1), ("F8_E8M0", 1)] {
        let bad = of_entries(&[entry("x", dtype, &[1], 0, bytes)], &[0; 8][..bytes as usize]);
        assert_refused(&bad, ErrorKind::UnsupportedDtype, &["\"x\"", dtype]);
    }
    let unknown = of_entries(&[entry("x", "F128", &[1], 0, 16)], &[0; 16]);
    assert_refused(&unknown, ErrorKind::Header, &["F128"]);
}

#[test]
fn a_header_of_very_many_tensors_takes_little_time() {
    let entries: Vec<String> =
        (0..100_000).map(|i| entry(&format!("t{i}x"), "U8", &[0], 0, 0)).collect();
    let dir = folder([("a.safetensors", of_entries(&entries, &[]))]);
    let source = in_time(move || Safetensors::open(dir.path())).unwrap();
    assert_eq!(source.schema().fields().len(), 100_000);
    let entries: Vec<String> =
        (0..100_000).map(|i| entry(&format!("t_{i}"), "U8", &[0], 0, 0)).collect();
    let dir = folder([("a.safetensors", of_entries(&entries, &[]))]);
    let source = in_time(move || Safetensors::open(dir.path())).unwrap();
    assert_eq!((source.len(), source.schema().to_string().as_str()), (100_000, "t: u8[0]"));
}

#[test]
fn what_is_no_regular_file_is_refused_without_waiting_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    mknodat(CWD, at("fifo.safetensors"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    std::os::unix::fs::symlink("/dev/zero", at("zero.safetensors")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("none.safetensors")).unwrap();
    let open = |path: &Path| {
        let path = path.to_owned();
        in_time(move || Safetensors::open(path)).unwrap_err()
    };
    for (name, words) in
        [("fifo", "a FIFO"), ("zero", "a device"), ("none", "a dangling link to \"nowhere\"")]
    {
        let name = format!("{name}.safetensors");
        assert_says(&open(&at(&name)), &[&name, words]);
    }
    assert_says(&open(dir.path()), &["fifo.safetensors", "a FIFO"]);
    assert_eq!(open(&at("missing")).kind(), ErrorKind::Io);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(open(empty.path()).kind(), ErrorKind::Empty);
}

/// Tensors of bytes, one behind the other and counting from 0 on: name, shape.
fn tensors(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let (mut entries, mut end) = (Vec::new(), 0);
    for (name, shape) in tensors {
        let start = end;
        end += shape.iter().product::<u64>();
        entries.push(entry(name, "U8", shape, start, end));
    }
    of_entries(&entries, &(0..end as u8).collect::<Vec<u8>>())
}

/// The shapes and bytes of the first field of all samples.
fn firsts(source: &Safetensors) -> Vec<(Vec<usize>, Vec<u8>)> {
    let first = |index| {
        let row = read(source, index).unwrap();
        let field = row.view().field(0);
        (field.shape().to_vec(), field.bytes().to_vec())
    };
    (0..source.len()).map(first).collect()
}

#[test]
fn tensors_whose_names_end_in_numbers_are_a_sample_each() {
    // In an order of their own: 10 is after 9.
    let names: Vec<String> = (0..12).rev().map(|at| format!("sample_{at}")).collect();
    let all: Vec<(&str, &[u64])> = names.iter().map(|name| (name.as_str(), &[2][..])).collect();
    let dir = folder([("a.safetensors", tensors(&all))]);
    let path = dir.path().join("a.safetensors");
    let source = Safetensors::open(&path).unwrap();
    assert_eq!((source.len(), source.schema().to_string().as_str()), (12, "sample: u8[2]"));
    testing::check_source(&source);
    let expected: Vec<_> = (0..12).map(|at| (vec![2], vec![22 - 2 * at, 23 - 2 * at])).collect();
    assert_eq!(firsts(&source), expected);
    assert_eq!(source.name(10), format!("{}[10]", path.display()));
    let mut extents = Vec::new();
    source.extents(11, &mut |extent| extents.push(extent.bytes()));
    assert_eq!(extents, [2]);
    let stacked = Safetensors::builder(&path).stacked().open().unwrap();
    assert_eq!((stacked.len(), stacked.schema().fields().len()), (2, 12));
    // One of one field alone is no series, nor is one beside other names.
    for file in [tensors(&[("x_0", &[3])]), tensors(&[("x_0", &[3]), ("x_1", &[3]), ("y", &[3])])] {
        let dir = folder([("a.safetensors", file)]);
        assert_eq!(Safetensors::open(dir.path()).unwrap().len(), 3);
    }
}

#[test]
fn several_fields_are_numbered_alike_and_shapes_that_differ_are_ragged() {
    let all: [(&str, &[u64]); 4] =
        [("input_1", &[2, 3]), ("label_1", &[]), ("input_2", &[4, 3]), ("label_2", &[])];
    let dir = folder([("a.safetensors", tensors(&all))]);
    let source = Safetensors::open(dir.path()).unwrap();
    assert_eq!(source.schema().to_string(), "input: u8[..=4, 3]; label: u8[]");
    testing::check_source(&source);
    assert_eq!(firsts(&source), [(vec![2, 3], (0..6).collect()), (vec![4, 3], (7..19).collect())]);
    let row = read(&source, 1).unwrap();
    assert_eq!(row.view().field("label").bytes(), [19]);
    assert!(source.name(0).ends_with("[1]"), "as the tensor is numbered");
    let labels = Safetensors::builder(dir.path()).fields(["label"]).open().unwrap();
    assert_eq!((labels.len(), labels.schema().to_string().as_str()), (2, "label: u8[]"));
    testing::check_source(&labels);
    // Numbers alone.
    let dir = folder([("a.safetensors", tensors(&[("0", &[2]), ("1", &[2])]))]);
    assert_eq!(Safetensors::open(dir.path()).unwrap().schema().to_string(), "input: u8[2]");
}

#[test]
fn numbers_go_on_from_file_to_file_or_begin_anew() {
    let files = |second: [(&str, &[u64]); 2]| {
        let first = tensors(&[("x_0", &[2]), ("x_1", &[2])]);
        folder([("a.safetensors", first), ("b.safetensors", tensors(&second))])
    };
    for second in [[("x_2", &[3][..]), ("x_3", &[1])], [("x_0", &[3]), ("x_1", &[1])]] {
        let dir = files(second);
        let source = Safetensors::open(dir.path()).unwrap();
        assert_eq!((source.len(), source.schema().to_string().as_str()), (4, "x: u8[..=3]"));
        testing::check_source(&source);
        let shapes: Vec<_> = firsts(&source).into_iter().map(|(shape, _)| shape).collect();
        assert_eq!(shapes, [[2], [2], [3], [1]]);
    }
    let error = Safetensors::open(files([("x_4", &[2]), ("x_5", &[2])]).path()).unwrap_err();
    assert_says(&error, &["b.safetensors", "begin with 4, expected 2 after", "a.safetensors"]);
    let error = Safetensors::open(files([("y_2", &[2]), ("y_3", &[2])]).path()).unwrap_err();
    assert_says(&error, &["found fields y: u8[2], expected x: u8[2]"]);
    let stacked = tensors(&[("x", &[2, 2]), ("y", &[2])]);
    let dir = folder([
        ("a.safetensors", tensors(&[("x_0", &[2]), ("x_1", &[2])])),
        ("b.safetensors", stacked),
    ]);
    assert_eq!(Safetensors::open(dir.path()).unwrap_err().kind(), ErrorKind::ShapeMismatch);
    let error = Safetensors::builder(dir.path()).fields(["x"]).open().unwrap_err();
    assert_says(&error, &["b.safetensors", "found fields x: u8[2]"]);
}

#[test]
fn series_with_gaps_or_of_several_kinds_are_refused() {
    let refuse = |all: &[(&str, &[u64])], kind, words: &[&str]| {
        assert_refused(&tensors(all), kind, words);
    };
    let words = ["\"x_1\" and then \"x_3\", with nothing between", ".stacked()"];
    refuse(&[("x_0", &[1]), ("x_1", &[1]), ("x_3", &[1])], ErrorKind::ShapeMismatch, &words);
    let words = ["which have one number"];
    refuse(&[("x_0", &[1]), ("x_1", &[1]), ("x_01", &[1])], ErrorKind::Duplicate, &words);
    let words = ["\"y\"", "found 1 samples, expected 2 as in \"x\"", ".fields(..)"];
    refuse(&[("x_0", &[1]), ("x_1", &[1]), ("y_1", &[1])], ErrorKind::ShapeMismatch, &words);
    let words = ["\"y\"", "begin with 1, expected 0"];
    let all: [(&str, &[u64]); 4] = [("x_0", &[1]), ("x_1", &[1]), ("y_1", &[1]), ("y_2", &[1])];
    refuse(&all, ErrorKind::ShapeMismatch, &words);
    let words = ["\"x_1\" of U8 with 2 axes, expected U8 with 1 axes as in \"x_0\""];
    refuse(&[("x_0", &[1]), ("x_1", &[1, 1])], ErrorKind::ShapeMismatch, &words);
    let entries = [entry("x_0", "U8", &[2], 0, 2), entry("x_1", "I16", &[1], 2, 4)];
    let words = ["of I16 with 1 axes, expected U8"];
    assert_refused(&of_entries(&entries, &[0; 4]), ErrorKind::DtypeMismatch, &words);
    let hidden = [entry("x_0", "U8", &[1], 0, 1), entry("x_1", "U8", &[0, 1 << 40, 1 << 40], 1, 1)];
    assert_refused(&of_entries(&hidden, &[0]), ErrorKind::ShapeMismatch, &[]);
    let hidden = |at| entry(&format!("x_{at}"), "U8", &[0, 1 << 40, 1 << 40], 0, 0);
    let words = ["address space"];
    assert_refused(&of_entries(&[hidden(0), hidden(1)], &[]), ErrorKind::TooLarge, &words);
}

#[test]
fn fields_can_be_chosen_whatever_else_there_is() {
    let all: [(&str, &[u64]); 6] = [
        ("image", &[2, 3]),
        ("label", &[2]),
        ("mean", &[]),
        ("test", &[5]),
        ("extra_0", &[4]),
        ("extra_1", &[2]),
    ];
    assert_refused(
        &tensors(&all),
        ErrorKind::ShapeMismatch,
        &["\"mean\"", "scalar", ".fields(..)"],
    );
    let words = ["\"test\"", "found 5 samples, expected 2 as in \"image\"", ".fields(..)"];
    let without = [all[0], all[3]];
    assert_refused(&tensors(&without), ErrorKind::ShapeMismatch, &words);
    let dir = folder([("a.safetensors", tensors(&all))]);
    let chosen = |names: &[&str]| {
        Safetensors::builder(dir.path().join("a.safetensors")).fields(names.iter().copied()).open()
    };
    let source = chosen(&["label", "image"]).unwrap();
    assert_eq!(source.schema().to_string(), "label: u8[]; image: u8[3]");
    testing::check_source(&source);
    let both = chosen(&["extra", "image"]).unwrap();
    assert_eq!(both.schema().to_string(), "extra: u8[..=4]; image: u8[3]");
    testing::check_source(&both);
    let error = chosen(&["x"]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_says(&error, &["no tensor \"x\", the file holds", "\"image\""]);
    assert_says(&chosen(&["mean"]).unwrap_err(), &["\"mean\"", "scalar"]);
    let by_path =
        OpenOptions::new().fields(["test"]).open(dir.path().join("a.safetensors")).unwrap();
    assert_eq!(by_path.len(), 5);
}
