//! A folder of `.npz` files as a source: every file a sample, every array a field.

#[expect(dead_code, reason = "shared with other tests")]
mod common;
#[path = "common/npy.rs"]
mod npy;

use std::fs;
use std::io::{Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::{assert_says, read};
use npy::{floats, header, npy, with_header};
use tallow_core::{Error, ErrorKind, Found, Limits, NpzFolder, Source, SourceExt as _, testing};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const STORED: CompressionMethod = CompressionMethod::Stored;
const DEFLATED: CompressionMethod = CompressionMethod::Deflated;

fn archive(method: CompressionMethod, members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A sample of an image of 2x3 bytes, weights of a type and order that rows do not have, and a label.
fn sample(method: CompressionMethod, at: u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..6).map(|pixel| 10 * at + pixel).collect();
    let weights: Vec<u8> = [1i16, 3, 2, 4].iter().flat_map(|value| value.to_be_bytes()).collect();
    archive(
        method,
        &[
            ("image.npy", npy("|u1", &[2, 3], &pixels)),
            ("w.npy", with_header(1, &header(">i2", true, &[2, 2]), &weights)),
            ("label.npy", npy("<i8", &[], &u64::from(at).to_le_bytes())),
        ],
    )
}

fn folder(files: &[Vec<u8>]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (at, file) in files.iter().enumerate() {
        fs::write(dir.path().join(format!("{at}.npz")), file).unwrap();
    }
    dir
}

fn failed(source: &NpzFolder, index: usize) -> Error {
    read(source, index).unwrap_err()
}

#[test]
fn files_are_samples_and_arrays_are_fields_compressed_or_not() {
    let mut prints = Vec::new();
    for methods in [[STORED; 3], [DEFLATED; 3], [STORED, DEFLATED, STORED]] {
        let files: Vec<_> = (0..3).map(|at| sample(methods[at], at as u8)).collect();
        let dir = folder(&files);
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        let source = NpzFolder::open(dir.path()).unwrap();
        assert_eq!(source.schema().to_string(), "image: u8[2, 3]; w: i16[2, 2]; label: i64[]");
        assert_eq!((source.len(), source.ignored()), (3, 1));
        assert!(source.name(1).ends_with("1.npz"), "{}", source.name(1));
        testing::check_source(&source);
        for index in 0..3 {
            let row = read(&source, index).unwrap();
            let pixels: Vec<u8> = (0..6).map(|pixel| 10 * index as u8 + pixel).collect();
            assert_eq!(row.view().field("image").as_slice::<u8>().unwrap(), pixels);
            assert_eq!(row.view().field("w").as_slice::<i16>().unwrap(), [1, 2, 3, 4]);
        }
        assert_eq!(source.labels("label").unwrap(), [0, 1, 2]);
        prints.push(source.fingerprint());
    }
    assert!(prints.iter().all(|print| *print == prints[0]), "one data set, saved in three ways");
}

#[test]
fn files_of_numpy_are_read_and_found() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npz");
    let source = NpzFolder::open(&data).unwrap();
    assert_eq!(source.schema().to_string(), "image: u8[2, 2, 3]; label: i64[]; box: f32[4]");
    assert_eq!(source.labels("label").unwrap(), [7, 8, 9]);
    testing::check_source(&source);
    for sample in source.iter() {
        let sample = sample.unwrap();
        let at = sample.index() as u8;
        let pixels: Vec<u8> = (12 * at..12 * at + 12).collect();
        assert_eq!(sample.field("image").as_slice::<u8>().unwrap(), pixels);
        assert_eq!(sample.field("box").as_slice::<f32>().unwrap(), [f32::from(at), 1.0, 2.0, 3.0]);
    }
    let found = Found::at(&data).unwrap();
    assert!(found.to_string().starts_with("a folder of .npz files of arrays"), "{found}");
    assert_eq!(found.open().unwrap().fingerprint(), source.fingerprint());
    let paths = [2, 0].map(|at| data.join(format!("{at}.npz")));
    let named = NpzFolder::of_files(paths).open().unwrap();
    assert_eq!(named.labels("label").unwrap(), [9, 7]);
    testing::check_source(&named);
}

#[test]
fn what_is_called_as_a_part_of_a_data_set_is_no_sample() {
    let file = sample(STORED, 0);
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str| fs::write(dir.path().join(name), &file).unwrap();
    put("train.npz");
    put("test.npz");
    assert_eq!(Found::at(dir.path()).unwrap_err().kind(), ErrorKind::Empty);
    put("0.npz");
    assert_eq!(Found::at(dir.path()).unwrap_err().kind(), ErrorKind::Empty, "one file");
    fs::write(dir.path().join("1.npy"), floats(&[1.0])).unwrap();
    put("1.npz");
    assert!(Found::at(dir.path()).unwrap().to_string().starts_with("a folder of .npy files"));
}

#[test]
fn files_that_rest_are_read_as_those_that_were_just_written() {
    let files: Vec<_> = (0..3).map(plain).collect();
    let dir = folder(&files);
    let source = NpzFolder::open(dir.path()).unwrap();
    let rows = |source: &NpzFolder| -> Vec<Vec<u8>> {
        let row = |index| read(source, index).unwrap().view().field(0).bytes().to_vec();
        (0..3).map(row).collect()
    };
    let fresh = rows(&source);
    std::thread::sleep(Duration::from_millis(2100));
    assert_eq!(rows(&source), fresh);
    testing::check_source(&source);
    // A file of the same length that is laid out in another way.
    let swapped = archive(STORED, &[("y.npy", floats(&[9.0; 8])), ("x.npy", floats(&[2.0; 8]))]);
    assert_eq!(swapped.len(), files[1].len());
    fs::write(dir.path().join("1.npz"), swapped).unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    let row = read(&source, 1).unwrap();
    assert_eq!(row.view().field("x").as_slice::<f32>().unwrap(), [2.0; 8]);
    assert_eq!(row.view().field("y").as_slice::<f32>().unwrap(), [9.0; 8]);
}

fn plain(at: u8) -> Vec<u8> {
    let value = f32::from(at);
    archive(STORED, &[("x.npy", floats(&[value; 8])), ("y.npy", floats(&[-value; 8]))])
}

#[test]
fn files_of_other_arrays_are_errors_of_their_own_samples() {
    let of = |members: &[(&str, Vec<u8>)]| archive(STORED, members);
    let (x, y) = (floats(&[1.0, 2.0]), floats(&[3.0]));
    let dir = folder(&[
        of(&[("x.npy", x.clone()), ("y.npy", y.clone())]),
        of(&[("x.npy", x.clone())]),
        of(&[("x.npy", x.clone()), ("y.npy", y.clone()), ("z.npy", y.clone())]),
        of(&[("y.npy", y.clone()), ("x.npy", x.clone())]),
        of(&[("x.npy", y.clone()), ("y.npy", y.clone())]),
        of(&[("x.npy", npy("<i4", &[2], &[0; 8])), ("y.npy", y.clone())]),
        b"version https://git-lfs.github.com/spec/v1\n".to_vec(),
        Vec::new(),
    ]);
    let source = NpzFolder::open(dir.path()).unwrap();
    assert_eq!(source.len(), 8);
    let third = read(&source, 3).unwrap();
    assert_eq!(third.view().field("x").as_slice::<f32>().unwrap(), [1.0, 2.0], "in any order");
    for (index, kind, words) in [
        (1, ErrorKind::ShapeMismatch, &["1.npz", "no array \"y\"", "0.npz"][..]),
        (2, ErrorKind::ShapeMismatch, &["2.npz", "\"z.npy\"", ".fields(..)"]),
        (4, ErrorKind::ShapeMismatch, &["4.npz", "found f32[1], expected x: f32[2]", ".ragged"]),
        (5, ErrorKind::DtypeMismatch, &["5.npz", "found i32[2], expected x: f32[2]"]),
        (6, ErrorKind::Foreign, &["6.npz", "git lfs pull"]),
        (7, ErrorKind::Empty, &["7.npz", "no bytes"]),
    ] {
        let error = failed(&source, index);
        assert_eq!((error.kind(), error.index()), (kind, Some(index)), "{error}");
        assert_says(&error, words);
    }
    let chosen = NpzFolder::builder(dir.path()).fields(["y"]).open().unwrap();
    assert_eq!(chosen.schema().to_string(), "y: f32[1]");
    assert!([0, 2, 3, 4, 5].iter().all(|&index| read(&chosen, index).is_ok()));
    let error = NpzFolder::builder(dir.path()).fields(["q"]).open().unwrap_err();
    assert_says(&error, &["no array \"q\"", "\"x\", \"y\"", "0.npz"]);
}

#[test]
fn an_axis_may_differ_where_that_is_declared() {
    for method in [STORED, DEFLATED] {
        let lens = [3, 1, 5, 6];
        let file = |len: &usize| archive(method, &[("t.npy", floats(&vec![*len as f32; *len]))]);
        let dir = folder(&lens.iter().map(file).collect::<Vec<_>>());
        let source = NpzFolder::builder(dir.path()).ragged("t", 0, 5).open().unwrap();
        assert_eq!(source.schema().to_string(), "t: f32[..=5]");
        for (index, &len) in lens.iter().enumerate().take(3) {
            let row = read(&source, index).unwrap();
            assert_eq!(row.view().field(0).as_slice::<f32>().unwrap(), vec![len as f32; len]);
        }
        assert_says(&failed(&source, 3), &["3.npz", "found f32[6], expected t: f32[..=5]"]);
        let error =
            |name, axis| NpzFolder::builder(dir.path()).ragged(name, axis, 5).open().unwrap_err();
        assert_says(&error("q", 0), &["\"q\"", "the arrays are \"t\""]);
        assert_says(&error("t", 1), &["ragged axis 1", "t: f32[3]"]);
    }
}

/// The path of the only file that is there.
fn alone(file: Vec<u8>) -> (TempDir, PathBuf) {
    let dir = folder(&[sample(STORED, 0), file]);
    let path = dir.path().to_owned();
    (dir, path)
}

#[test]
fn arrays_that_are_damaged_or_claim_too_much_are_refused() {
    let values: Vec<u8> = (0..20_000u32).map(|at| (at * at / 7) as u8).collect();
    let file = |bytes: &[u8]| archive(DEFLATED, &[("x.npy", npy("|u1", &[20_000], bytes))]);
    let mut flipped = file(&values);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let mut crc = file(&values);
    let at = crc.windows(4).rposition(|part| part == b"PK\x01\x02").unwrap();
    crc[at + 16] ^= 1;
    // The other copy, without which the two contradict each other.
    crc[14] ^= 1;
    let dir = folder(&[file(&values), flipped, crc]);
    let source = NpzFolder::open(dir.path()).unwrap();
    assert_eq!(read(&source, 0).unwrap().view().field(0).bytes(), values);
    for index in [1, 2] {
        let error = failed(&source, index);
        assert_eq!(error.kind(), ErrorKind::Header, "{error}");
        assert_says(&error, &["\"x\"", "inflate"]);
    }
    // A member that inflates to more than a sample has.
    let bomb = archive(DEFLATED, &[("x.npy", npy("|u1", &[50_000_000], &vec![0; 50_000_000]))]);
    fs::write(dir.path().join("1.npz"), &bomb).unwrap();
    assert_eq!(failed(&source, 1).kind(), ErrorKind::TooLarge);
    let (_dir, path) = alone(bomb);
    fs::remove_file(path.join("0.npz")).unwrap();
    let mut limits = Limits::default();
    limits.sample_bytes = 1 << 20;
    let error = NpzFolder::builder(path).limits(limits).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["1.npz", "\"x\""]);
}
