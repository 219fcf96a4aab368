//! Many `.npy` files of many samples each, as one source.

mod common;
#[path = "common/npy.rs"]
mod npy;

use std::fs;
use std::path::PathBuf;

use common::{assert_says, bytes, in_time, read};
use npy::{floats, header, npy, with_header};
use tallow_core::{
    Error, ErrorKind, Found, Limits, NpyFile, NpyShards, OpenOptions, Source, SourceExt, concat,
    open, testing,
};
use tempfile::TempDir;

/// Files of pairs of bytes that count from 0 on over all files: name, samples.
fn folder(files: &[(&str, u8)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut next = 0;
    for (name, samples) in files {
        let values: Vec<u8> = (next..next + samples * 2).collect();
        next += samples * 2;
        write(&dir, name, &npy("|u1", &[(*samples).into(), 2], &values));
    }
    dir
}

fn write(dir: &TempDir, name: &str, contents: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, contents).unwrap();
    path
}

fn values(source: &dyn Source) -> Vec<u8> {
    (0..source.len()).flat_map(|index| bytes(source, index).unwrap()).collect()
}

fn refused(dir: &TempDir, kind: ErrorKind, words: &[&str]) -> Error {
    let folder = dir.path().to_owned();
    let error = in_time(move || NpyShards::open(folder)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, words);
    error
}

#[test]
fn samples_of_all_files_follow_one_another_in_the_order_of_the_names() {
    let dir = folder(&[("a.npy", 3), ("a10.npy", 0), ("a2.npy", 4), ("b.NPY", 1)]);
    write(&dir, ".hidden.npy", b"");
    let source = NpyShards::open(dir.path()).unwrap();
    assert_eq!((source.len(), source.schema().to_string().as_str()), (8, "input: u8[2]"));
    testing::check_source(&source);
    assert_eq!(values(&source), (0..16).collect::<Vec<u8>>());
    assert_eq!(source.name(3), format!("{}[0]", dir.path().join("a2.npy").display()));
    let field = source.schema().fields()[0].id();
    let location = source.location(7, field).unwrap();
    assert_eq!(location.path(), Some(&*dir.path().join("b.NPY")));
    let mut extents = Vec::new();
    source.extents(4, &mut |extent| extents.push((extent.offset(), extent.bytes())));
    assert_eq!(extents, [(130, 2)]);
    // The same as files that are opened one by one.
    let single = ["a.npy", "a10.npy", "a2.npy", "b.NPY"].map(|name| dir.path().join(name));
    let single = concat(single.map(|path| NpyFile::open(path).unwrap())).unwrap();
    assert_eq!(values(&single), values(&source));
}

#[test]
fn files_are_given_by_a_list_a_pattern_or_one_path() {
    let dir = folder(&[("p-0.npy", 2), ("p-1.npy", 2), ("q.npy", 2)]);
    let path = |name: &str| dir.path().join(name);
    let listed = NpyShards::builder([path("q.npy"), path("p-0.npy")]).open().unwrap();
    assert_eq!(values(&listed), [8, 9, 10, 11, 0, 1, 2, 3]);
    for pattern in ["p-*.npy", "p-{0..1}.npy"] {
        let source = NpyShards::open(path(pattern)).unwrap();
        assert_eq!(values(&source), (0..8).collect::<Vec<u8>>());
    }
    assert_eq!(NpyShards::open(path("q.npy")).unwrap().len(), 2);
    assert_ne!(listed.fingerprint(), NpyShards::open(dir.path()).unwrap().fingerprint());
}

#[test]
fn a_folder_is_stacked_only_when_that_is_asked_for() {
    let dir = folder(&[("a.npy", 3), ("b.npy", 3)]);
    assert_eq!(open(dir.path()).unwrap().len(), 2, "a file is a sample");
    let found = OpenOptions::new().stacked().find(dir.path()).unwrap();
    assert!(found.to_string().starts_with("a folder of .npy files of stacked samples, "));
    assert_eq!((found.open().unwrap().len(), found.files().unwrap().len()), (6, 2));
    assert!(found.takes(&dir.path().canonicalize().unwrap().join("c.npy")));
    let pattern = dir.path().join("*.npy");
    assert_says(&Found::at(&pattern).unwrap_err(), &["a.npy", "add .stacked() if"]);
    assert_eq!(OpenOptions::new().stacked().open(&pattern).unwrap().len(), 6);
    assert_eq!(OpenOptions::new().stacked().open(dir.path().join("a.npy")).unwrap().len(), 3);
    let error = OpenOptions::new().stacked().recursive().open(dir.path()).err().unwrap();
    assert_says(&error, &[".recursive() is for"]);
    let pictures = tempfile::tempdir().unwrap();
    write(&pictures, "a.png", b"");
    let error = OpenOptions::new().stacked().open(pictures.path()).err().unwrap();
    assert_says(&error, &[".stacked() is for files of arrays of many samples each, found"]);
}

#[test]
fn fields_are_zipped_and_named() {
    let dir = folder(&[("a.npy", 3), ("b.npy", 2)]);
    let labels = tempfile::tempdir().unwrap();
    for (name, values) in [("0.npy", [7u8, 8].as_slice()), ("1.npy", &[9, 10, 11])] {
        write(&labels, name, &npy("|u1", &[values.len()], values));
    }
    let labels = NpyShards::open(labels.path()).unwrap().named("target").unwrap();
    let source = NpyShards::open(dir.path()).unwrap().zip(labels).unwrap();
    testing::check_source(&source);
    let row = read(&source, 3).unwrap();
    assert_eq!(row.view().field("target").as_slice::<u8>().unwrap(), [10]);
    assert_eq!(row.view().field("input").as_slice::<u8>().unwrap(), [6, 7]);
}

#[test]
fn byte_orders_and_orders_of_axes_go_together() {
    let dir = tempfile::tempdir().unwrap();
    let stored = |bytes: fn(u16) -> [u8; 2], values: [u16; 4]| values.map(bytes).concat();
    write(&dir, "a.npy", &npy("<u2", &[2, 2], &stored(u16::to_le_bytes, [1, 2, 3, 4])));
    write(&dir, "b.npy", &npy(">u2", &[2, 2], &stored(u16::to_be_bytes, [5, 6, 7, 8])));
    let turned = stored(u16::to_le_bytes, [9, 11, 10, 12]);
    write(&dir, "c.npy", &with_header(1, &header("<u2", true, &[2, 2]), &turned));
    let source = NpyShards::open(dir.path()).unwrap();
    testing::check_source(&source);
    let values: Vec<u16> = (0..6)
        .flat_map(|at| {
            read(&source, at).unwrap().view().field(0).as_slice::<u16>().unwrap().to_vec()
        })
        .collect();
    assert_eq!(values, (1..=12).collect::<Vec<u16>>());
    let mut limits = Limits::default();
    limits.inflated_bytes = 7;
    let error = NpyShards::builder([dir.path().join("c.npy")]).limits(limits).open().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_says(&error, &["c.npy", "8 bytes", "at most 7", "Limits::inflated_bytes"]);
}

#[test]
fn files_of_other_samples_are_refused_naming_both() {
    let dir = folder(&[("a.npy", 3), ("b.npy", 2)]);
    write(&dir, "c.npy", &npy("|u1", &[1, 3], &[0; 3]));
    let error =
        refused(&dir, ErrorKind::ShapeMismatch, &["c.npy", "u8[3]", "u8[2] as in", "a.npy"]);
    assert_eq!(error.path(), Some(&*dir.path().join("c.npy")));
    write(&dir, "c.npy", &npy("<u2", &[1, 2], &[0; 4]));
    refused(&dir, ErrorKind::ShapeMismatch, &["c.npy", "u16[2]", "a.npy"]);
    write(&dir, "c.npy", &floats(&[1.0]));
    refused(&dir, ErrorKind::ShapeMismatch, &["c.npy", "f32[]", "u8[2] as in", "a.npy"]);
    write(&dir, "c.npy", &npy("|u1", &[], &[0]));
    refused(&dir, ErrorKind::ShapeMismatch, &["c.npy", "scalar"]);
    write(&dir, "c.npy", &npy("|u1", &[9, 2], &[0; 17]));
    refused(&dir, ErrorKind::Truncated, &["c.npy"]);
    let empty = tempfile::tempdir().unwrap();
    refused(&empty, ErrorKind::Empty, &["no .npy file"]);
    let none = NpyShards::builder(Vec::<PathBuf>::new()).open().unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Empty);
    assert!(NpyShards::open(dir.path().join("absent.npy")).is_err());
}

#[test]
fn more_samples_than_can_be_counted_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, "a.npy", &npy("|u1", &[1 << 33, 0], &[]));
    refused(&dir, ErrorKind::TooLarge, &["a.npy", "take no bytes"]);
}

#[test]
fn more_files_than_are_held_open_read_the_same_and_a_change_is_seen_in_any() {
    let names: Vec<String> = (0..100).map(|at| format!("{at:03}.npy")).collect();
    let files: Vec<(&str, u8)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let dir = folder(&files);
    let source = NpyShards::open(dir.path()).unwrap();
    testing::check_source(&source);
    assert_eq!(values(&source), (0..200).collect::<Vec<u8>>());
    for at in [0, 99] {
        write(&dir, &names[at], &npy("|u1", &[1, 2], &[1, 1]));
        let error = read(&source, at).unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::Changed, Some(at)));
        assert_says(&error, &[&names[at], "written to"]);
        assert!(read(&source, 50).is_ok(), "other files can still be read");
    }
}
