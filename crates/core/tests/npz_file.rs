//! One `.npz` file as a source: every array a field, every row of them a sample.

mod common;
#[path = "common/npy.rs"]
mod npy;

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use common::{assert_says, bytes, in_time, read};
use npy::{floats, header, npy, with_header};
use tallow_core::{Error, ErrorKind, Limits, NpzFile, Source, testing};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const STORED: CompressionMethod = CompressionMethod::Stored;
const DEFLATED: CompressionMethod = CompressionMethod::Deflated;

/// An archive of these members, as numpy writes it: each may need 64 bits for its lengths.
fn archive(members: &[(&str, CompressionMethod, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, method, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(*method).large_file(true);
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn written(contents: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.npz");
    std::fs::write(&path, contents).unwrap();
    (dir, path)
}

fn refused(contents: &[u8], kind: ErrorKind, words: &[&str]) -> Error {
    let (_dir, path) = written(contents);
    let error = in_time(move || NpzFile::open(path)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, &[&["all.npz"], words].concat());
    error
}

/// Images of 2 `u8`, labels, and big-endian weights in Fortran order, of 3 samples.
fn three(method: CompressionMethod) -> Vec<u8> {
    let weights: Vec<u8> =
        [1i16, 3, 5, 2, 4, 6].iter().flat_map(|value| value.to_be_bytes()).collect();
    archive(&[
        ("image.npy", method, npy("|u1", &[3, 2], &[1, 2, 3, 4, 5, 6])),
        ("label.npy", method, npy("<i8", &[3], &[7, 8, 9].map(u64::to_le_bytes).concat())),
        ("w.npy", method, with_header(1, &header(">i2", true, &[3, 2]), &weights)),
    ])
}

#[test]
fn arrays_are_fields_and_rows_are_samples_compressed_or_not() {
    let mut digests = Vec::new();
    for method in [STORED, DEFLATED] {
        let (_dir, path) = written(&three(method));
        let source = NpzFile::open(&path).unwrap();
        assert_eq!(source.schema().to_string(), "image: u8[2]; label: i64[]; w: i16[2]");
        assert_eq!((source.len(), &*source.name(1)), (3, &*format!("{}[1]", path.display())));
        testing::check_source(&source);
        let row = read(&source, 2).unwrap();
        assert_eq!(row.view().field(0).as_slice::<u8>().unwrap(), [5, 6]);
        assert_eq!(row.view().field(1).as_slice::<i64>().unwrap(), [9]);
        assert_eq!(row.view().field(2).as_slice::<i16>().unwrap(), [5, 6]);
        assert_eq!(bytes(&source, 0).unwrap(), [1, 2]);
        digests.push(source.fingerprint());
    }
    assert_eq!(digests[0], digests[1], "the same data set, saved in two ways");
}

#[test]
fn arrays_can_be_chosen_whatever_else_there_is() {
    let members = [
        ("train.npy", STORED, floats(&[1.0, 2.0, 3.0])),
        ("test.npy", DEFLATED, floats(&[4.0])),
        ("epoch.npy", STORED, npy("<i8", &[], &[0; 8])),
        ("notes.txt", STORED, b"by hand".to_vec()),
    ];
    let (_dir, path) = written(&archive(&members));
    let chosen = |names: &[&str]| NpzFile::builder(&path).fields(names.iter().copied()).open();
    let test = chosen(&["test"]).unwrap();
    assert_eq!((test.len(), test.schema().to_string().as_str()), (1, "test: f32[]"));
    testing::check_source(&test);
    assert_says(
        &chosen(&["train", "test"]).unwrap_err(),
        &["\"test\"", "expected 3 as in \"train\""],
    );
    assert_says(&chosen(&["epoch"]).unwrap_err(), &["\"epoch\"", "scalar"]);
    let absent = chosen(&["x"]).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::Config);
    assert_says(&absent, &["no array \"x\"", "\"train\""]);
    let beside = archive(&[members[0].clone(), members[2].clone()]);
    refused(&beside, ErrorKind::ShapeMismatch, &["\"epoch\"", "scalar", ".fields(..)"]);
    assert_says(&chosen(&[]).unwrap_err(), &["at least one"]);
    assert_says(&NpzFile::open(&path).unwrap_err(), &["\"notes.txt\"", ".fields(..)"]);
}

#[test]
fn what_is_no_archive_or_means_two_things_is_refused() {
    refused(b"", ErrorKind::Empty, &["no bytes"]);
    refused(&floats(&[1.0]), ErrorKind::Foreign, &["found a .npy file, expected a .npz file"]);
    refused(&archive(&[]), ErrorKind::Empty, &["no array"]);
    let checkpoint = archive(&[("archive/data.pkl", STORED, b"\x80\x02.".to_vec())]);
    let words = &["found a checkpoint of torch", "safetensors.torch.save_file"];
    refused(&checkpoint, ErrorKind::Foreign, words);
    let whole = three(STORED);
    for cut in [4, 100, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..cut], ErrorKind::Header, &["damaged or cut"]);
    }
    // Two members of one name, and two of one field.
    let twice = [("ab.npy", STORED, floats(&[1.0])), ("ba.npy", STORED, floats(&[2.0]))];
    let mut twice = archive(&twice);
    while let Some(at) = twice.windows(2).position(|window| window == b"ba") {
        twice[at..at + 2].copy_from_slice(b"ab");
    }
    refused(&twice, ErrorKind::Header, &["one name"]);
}

#[test]
fn arrays_that_are_not_what_they_claim_are_refused() {
    let cut = npy("|u1", &[100], &[0; 50]);
    for method in [STORED, DEFLATED] {
        let archived = archive(&[("x.npy", method, cut.clone())]);
        let cut_at = archived.windows(6).position(|part| part == b"\x93NUMPY");
        let error = refused(&archived, ErrorKind::Truncated, &["\"x\"", "the file holds 50"]);
        // Of what is compressed, the byte is that of the array.
        let before = cut_at.unwrap_or(0) as u64;
        assert_eq!(error.offset(), Some(before + 128), "{error}");
        let pickle = npy("|O", &[1], b"\x80\x04.");
        let pickle = archive(&[("x.npy", method, pickle)]);
        refused(&pickle, ErrorKind::UnsupportedDtype, &["\"x\"", "pickled"]);
        let text = archive(&[("x.npy", method, b"hello there".to_vec())]);
        refused(&text, ErrorKind::Foreign, &["\"x\"", "expected a .npy file"]);
    }
    // A bit that flipped, in what is compressed.
    let bytes: Vec<u8> = (0..10_000u32).map(|at| (at * at / 7) as u8).collect();
    let mut flipped = archive(&[("x.npy", DEFLATED, npy("|u1", &[100, 100], &bytes))]);
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    refused(&flipped, ErrorKind::Header, &["\"x\"", "inflate"]);
}

#[test]
fn what_is_inflated_is_bounded_before_it_is() {
    let zeros = npy("|u1", &[1 << 20], &vec![0; 1 << 20]);
    let bomb = archive(&[("a.npy", DEFLATED, zeros.clone()), ("b.npy", DEFLATED, zeros)]);
    assert!(bomb.len() < 10_000);
    let (_dir, path) = written(&bomb);
    let mut limits = Limits::default();
    limits.inflated_bytes = 2 << 20;
    let error = NpzFile::builder(&path).limits(limits).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["compressed", "np.savez"]);
    limits.inflated_bytes = (2 << 20) + 256;
    assert_eq!(NpzFile::builder(&path).limits(limits).open().unwrap().len(), 1 << 20);
}

#[test]
fn a_file_that_changes_is_an_error_where_rows_are_read_from_it() {
    let (_dir, path) = written(&three(STORED));
    let source = NpzFile::open(&path).unwrap();
    assert!(read(&source, 0).is_ok());
    let mut other = three(STORED);
    other.push(0);
    std::fs::write(&path, other).unwrap();
    assert_eq!(read(&source, 0).unwrap_err().kind(), ErrorKind::Changed);
}
