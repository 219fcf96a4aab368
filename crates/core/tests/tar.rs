//! Tar archives as sources: what programs write, what is found in them, and what is refused.

mod common;
#[path = "common/npy.rs"]
mod npy;
#[path = "common/tar.rs"]
mod tar;

use std::path::{Path, PathBuf};

use common::{assert_says, bytes, in_time, read};
use npy::{floats, npy};
use tallow_core::{Error, ErrorKind, Picture, RowDType, Source, Tar, TarContent, testing};
use tar::{archive, entry, header, octal, padded, record, summed};
use tempfile::TempDir;

fn written(contents: &[u8]) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("all.tar");
    std::fs::write(&path, contents).unwrap();
    (dir, path)
}

fn opened(contents: &[u8]) -> (TempDir, Tar) {
    let (dir, path) = written(contents);
    let source = in_time(move || Tar::open(path)).unwrap();
    (dir, source)
}

#[track_caller]
fn refused(contents: &[u8], kind: ErrorKind, words: &[&str]) -> Error {
    let (_dir, path) = written(contents);
    let error = in_time(move || Tar::open(path)).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
    assert_says(&error, &[&["all.tar"], words].concat());
    error
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tar").join(name)
}

#[test]
fn what_programs_write_is_read() {
    let mut all = Vec::new();
    for name in [
        "python-ustar",
        "python-gnu-long",
        "python-pax-long",
        "gnu-tar-v7",
        "gnu-tar-ustar",
        "gnu-tar-gnu",
        "gnu-tar-posix",
        "webdataset",
    ] {
        let source =
            Tar::builder([data(&format!("{name}.tar"))]).fields(["input", "label"]).open().unwrap();
        assert_eq!(source.schema().to_string(), "input: f32[3]; label: i64[]", "{name}");
        assert_eq!(source.len(), 5);
        testing::check_source(&source);
        for n in 0..5 {
            let row = read(&source, n).unwrap();
            let expected = [n as f32, n as f32 + 1.0, n as f32 + 2.0];
            assert_eq!(row.view().field(0).as_slice::<f32>().unwrap(), expected, "{name}");
            assert_eq!(row.view().field(1).as_slice::<i64>().unwrap(), [(n * n) as i64]);
        }
        let folder = if name.ends_with("long") { "long".repeat(40) } else { "dir".into() };
        assert!(source.name(3).ends_with(&format!("{name}.tar/{folder}/3")), "{}", source.name(3));
        all.push(data(&format!("{name}.tar")));
    }
    let together = Tar::builder(all).fields(["label"]).open().unwrap();
    assert_eq!(together.len(), 40);
    assert_eq!(read(&together, 39).unwrap().view().field(0).as_slice::<i64>().unwrap(), [16]);
}

#[test]
fn members_are_fields_by_their_endings() {
    let json = br#"{"person": {"age": 7.5, "is": true, "list": [1, 22]}, "big": 9007199254740993}"#;
    let (dir, path) = written(&archive(&[
        ("./x/a.JPG", b"\xff\xd8\xff picture"),
        ("./x/a.cls", b" 12\n"),
        ("./x/a.json", json),
        ("./x/a.txt", "h\u{e9}".as_bytes()),
        ("./x/b.cls", b"-3"),
        ("./x/b.png", b"\x89PNG\r\n\x1a\n"),
        ("./x/b.json", br#"{"person": 1}"#),
        ("./x/b.txt", b""),
        ("x/readme", b"no ending"),
        ("._a.jpg", b"of a file manager"),
        ("__MACOSX/a.jpg", b"of another"),
    ]));
    let number = |key: &str, dtype| TarContent::JsonNumber { key: key.into(), dtype };
    let source = Tar::builder([&path])
        .field("image", ["png", "jpg"], TarContent::Picture(Picture::rgb()))
        .field("label", ["cls"], TarContent::Integer)
        .field("age", ["json"], number("person.age", RowDType::F32))
        .field("is", ["json"], number("person.is", RowDType::I64))
        .field("second", ["json"], number("person.list.1", RowDType::F64))
        .field("big", ["json"], number("big", RowDType::I64))
        .field("text", ["txt"], TarContent::Bytes)
        .open()
        .unwrap();
    assert_eq!((source.len(), source.ignored()), (2, 3));
    let row = read(&source, 0).unwrap();
    let view = row.view();
    assert_eq!(view.field(0).bytes(), b"\xff\xd8\xff picture");
    assert_eq!(view.field(1).as_slice::<i64>().unwrap(), [12]);
    assert_eq!(view.field(2).as_slice::<f32>().unwrap(), [7.5]);
    assert_eq!(view.field(3).as_slice::<i64>().unwrap(), [1]);
    assert_eq!(view.field(4).as_slice::<f64>().unwrap(), [22.0]);
    assert_eq!(view.field(5).as_slice::<i64>().unwrap(), [9_007_199_254_740_993]);
    assert_eq!(view.field(6).bytes(), "h\u{e9}".as_bytes());
    let error = read(&source, 1).unwrap_err();
    assert_says(&error, &["all.tar/x/b", "age", "no key \"age\"", "1"]);
    let labels = Tar::builder([&path]).field("label", ["cls"], TarContent::Integer).open().unwrap();
    testing::check_source(&labels);
    let wrong = Tar::builder([&path]).field("n", ["txt"], TarContent::Integer).open().unwrap();
    assert_says(&read(&wrong, 0).unwrap_err(), &["h\u{e9}", "whole number"]);
    let absent = Tar::builder([&path]).field("n", ["mp3"], TarContent::Bytes).open().unwrap_err();
    assert_says(&absent, &["no member that ends in .mp3", ".jpg, .cls, .json"]);
    drop(dir);
}

#[test]
fn a_sample_that_lacks_a_member_is_an_error_of_its_own() {
    let (_dir, source) = opened(&archive(&[
        ("a.x.npy", &npy("|u1", &[2], &[1, 2])),
        ("a.cls", b"1"),
        ("b.cls", b"2"),
        ("c.cls", b"3"),
        ("c.x.npy", &npy("|u1", &[2], &[5, 6])),
        ("d.x.npy", &npy("|u1", &[3], &[5, 6, 7])),
        ("d.cls", b"4"),
    ]));
    assert_eq!(bytes(&source, 0).unwrap(), [1, 2]);
    assert_eq!(bytes(&source, 2).unwrap(), [5, 6], "the order of members does not matter");
    let error = read(&source, 1).unwrap_err();
    assert_eq!(error.index(), Some(1));
    assert_says(&error, &["all.tar/b", "x", "found .cls", "ends in .x.npy"]);
    assert_says(&read(&source, 3).unwrap_err(), &["all.tar/d", "u8[3]", ".ragged"]);
}

#[test]
fn arrays_of_other_types_and_shapes_are_read_as_from_folders() {
    let (_dir, path) = written(&archive(&[
        ("a.npy", &npy(">i2", &[1, 2], &[0, 1, 0, 2])),
        ("b.npy", &npy("<i2", &[3, 2], &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0])),
    ]));
    let source = Tar::builder([&path]).ragged("input", 0, 3).open().unwrap();
    testing::check_source(&source);
    let row = read(&source, 0).unwrap();
    assert_eq!(row.view().field(0).as_slice::<i16>().unwrap(), [1, 2]);
    let row = read(&source, 1).unwrap();
    assert_eq!(row.view().field(0).shape(), [3, 2]);
    assert_eq!(row.view().field(0).as_slice::<i16>().unwrap(), [1, 2, 3, 4, 5, 6]);
    let error = Tar::builder([&path]).ragged("other", 0, 3).open().unwrap_err();
    assert_says(&error, &["no field \"other\"", "\"input\""]);
    let (_dir, source) = opened(&archive(&[("a.npy", &floats(&[1.5, -2.0]))]));
    assert_eq!(read(&source, 0).unwrap().view().field(0).as_slice::<f32>().unwrap(), [1.5, -2.0]);
}

#[test]
fn ends_of_archives_may_lack_and_archives_may_follow_each_other() {
    let one = archive(&[("a.cls", b"1"), ("b.cls", b"2")]);
    let labels = |contents: &[u8]| {
        let (_dir, source) = opened(contents);
        (0..source.len())
            .map(|at| read(&source, at).unwrap().view().field(0).as_slice::<i64>().unwrap()[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(&one), [1, 2]);
    assert_eq!(labels(&one[..one.len() - 1024]), [1, 2], "no end");
    assert_eq!(labels(&one[..one.len() - 1024 - 511]), [1, 2], "not even the last block");
    assert_eq!(labels(&[&one[..], &one, &[0; 8192]].concat()), [1, 2, 1, 2]);
}

#[test]
fn sizes_and_names_come_from_extended_headers() {
    // The size of the records counts, and for the file alone, whatever lies between.
    let long = "n".repeat(150) + ".cls";
    let contents = [
        entry("x", b'x', &[record("size", "2"), record("comment", "\u{e9}\n")].concat()),
        entry("././@LongLink", b'L', format!("{long}\0").as_bytes()),
        header("cut", b'0', &octal(0)).to_vec(),
        padded(b"77"),
        entry("g", b'g', &record("comment", "of all")),
        entry("b.cls", b'0', b"8"),
        entry("folder", b'5', b""),
        entry("link.cls", b'2', b""),
        header("c.cls", b'0', b"\x80\0\0\0\0\0\0\0\0\0\0\x01").to_vec(),
        padded(b"9"),
        entry("x", b'x', &record("path", "d.cls")),
        entry("d", b'7', b"10"),
    ]
    .concat();
    let (_dir, source) = opened(&contents);
    let labels: Vec<i64> = (0..source.len())
        .map(|at| read(&source, at).unwrap().view().field(0).as_slice::<i64>().unwrap()[0])
        .collect();
    assert_eq!(labels, [77, 8, 9, 10]);
    assert!(source.name(0).ends_with(&long[..150]), "{}", source.name(0));
    assert_eq!(source.ignored(), 2);
}

#[test]
fn what_has_no_bytes_of_its_own_is_refused() {
    let first = entry("a.cls", b'0', b"1");
    let after = |entry: Vec<u8>| [&first[..], &entry, &[0; 1024]].concat();
    let header_kind = ErrorKind::Header;
    for (contents, words) in [
        (after(entry("b.cls", b'1', b"")), &["\"b.cls\"", "hard link", "--hard-dereference"][..]),
        (after(entry("b.cls", b'S', b"")), &["\"b.cls\"", "sparse"]),
        (
            after(
                [entry("x", b'x', &record("GNU.sparse.major", "1")), entry("b.cls", b'0', b"1")]
                    .concat(),
            ),
            &["\"b.cls\"", "sparse"],
        ),
        (after(entry("b.cls", b'M', b"")), &["another volume"]),
        (after(entry("b.cls", b'Z', b"")), &["kind that is not known"]),
        (after(entry("b", b'5', b"1")), &["\"b\"", "is no file and has bytes"]),
        (after(header("b.cls", b'0', &[0xff; 12]).to_vec()), &["negative size"]),
        (after(header("b.cls", b'0', b"0000000009\0\0").to_vec()), &["size that is no number"]),
        (after(entry("x", b'x', b"garbage")), &["no list of records"]),
        (after(entry("g", b'g', &record("size", "1"))), &["gives one name or size to all"]),
        (
            after(header("x", b'x', &octal(65_537)).to_vec()),
            &["extended header of 65537 bytes, at most 65536"][..0],
        ),
        (after(vec![b'?'; 512]), &["no header"]),
        (after(entry("a.CLS", b'0', b"2")), &["second .cls of sample \"a\""]),
    ] {
        let (_dir, path) = written(&contents);
        let error = in_time(move || Tar::open(path)).unwrap_err();
        assert!([header_kind, ErrorKind::Truncated].contains(&error.kind()), "{error}");
        assert!(error.offset().is_some_and(|at| at >= 1024), "{error}");
        assert_says(&error, words);
    }
    let large = [header("x", b'x', &octal(65_537)).to_vec(), vec![b' '; 66_048]].concat();
    refused(&large, header_kind, &["65537 bytes, at most 65536"]);
}

#[test]
fn cut_and_lying_archives_are_refused_with_the_place() {
    let whole = archive(&[("a.cls", b"1"), ("b.txt", &[7; 600])]);
    let edges = [511, 512, 513, 1023, 1024, 1025, 1535, 1536, 1537, 2135, 2136, 2137];
    for len in (1..whole.len() - 1024).step_by(97).chain(edges) {
        let (_dir, path) = written(&whole[..len]);
        match in_time(move || Tar::open(path)) {
            // Cut between members, or within what fills the last block of one.
            Ok(source) => assert!(matches!(len, 513..=1024 | 2136..), "{len}: {}", source.len()),
            Err(error) if len < 512 => assert_says(&error, &["all.tar"]),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Truncated, "{len}: {error}");
            }
        }
    }
    let lying = header("a.cls", b'0', b"77777777777\0").to_vec();
    refused(&lying, ErrorKind::Truncated, &["8589934591 bytes", "was cut"]);
    let far = header("a.cls", b'0', b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff").to_vec();
    refused(&far, ErrorKind::Truncated, &["18446744073709551615 bytes"]);
    let mut wrong = whole.clone();
    wrong[0] = b'b';
    refused(&wrong, ErrorKind::Foreign, &["no header, expected a tar archive"]);
    let signed = {
        let mut block = header("\u{e9}.cls", b'0', &octal(1));
        block[148..156].fill(b' ');
        let sum: i32 = block.iter().map(|&byte| i32::from(byte as i8)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        [&block[..], &padded(b"1")].concat()
    };
    assert_eq!(opened(&signed).1.len(), 1);
    assert_eq!(summed(header("a", b'0', &octal(0))), header("a", b'0', &octal(0)));
}

#[test]
fn what_is_no_archive_is_said_in_words() {
    for (contents, words) in [
        (&b"\x1f\x8b\x08\x00 and more"[..], &["gzip"][..]),
        (b"\x28\xb5\x2f\xfd and more", &["zstd"]),
        (b"BZh91AY&SY", &["bzip2"]),
        (b"\xfd7zXZ\0 and", &["xz"]),
        (b"version https://git-lfs.github.com/spec/v1\n", &["git lfs pull"]),
        (b"<!DOCTYPE html><html>", &["a web page"]),
    ] {
        let (_dir, path) = written(contents);
        let error = Tar::open(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Foreign, "{error}");
        assert_says(&error, words);
    }
    refused(&[0; 10_240], ErrorKind::Empty, &["no sample"]);
    refused(b"", ErrorKind::Empty, &[]);
}

#[test]
fn an_index_is_kept_and_believed_only_of_the_same_archive() {
    let dir = tempfile::tempdir().unwrap();
    let (path, kept) = (dir.path().join("a.tar"), dir.path().join("kept"));
    let write = |from: usize| {
        let names: Vec<String> = (0..9000).map(|at| format!("{:05}.cls", from + at)).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (&**name, &b"1"[..])).collect();
        std::fs::write(&path, archive(&files)).unwrap();
    };
    let open = || Tar::builder([&path]).index_folder(&kept).open();
    let files =
        || std::fs::read_dir(&kept).unwrap().map(|it| it.unwrap().path()).collect::<Vec<_>>();
    write(0);
    let first = open().unwrap();
    let [index] = &files()[..] else { panic!("{:?}", files()) };
    let bytes = std::fs::read(index).unwrap();
    assert!(bytes.len() < 9000 * 20, "{} bytes", bytes.len());
    let again = open().unwrap();
    assert_eq!(again.fingerprint(), first.fingerprint());
    assert_eq!((again.len(), &*again.name(8999)), (9000, &*first.name(8999)));
    assert!(read(&again, 8999).is_ok());
    // Damaged, it is made again.
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    std::fs::write(index, &damaged).unwrap();
    assert_eq!(open().unwrap().fingerprint(), first.fingerprint());
    assert_eq!(std::fs::read(index).unwrap(), bytes);
    // Of another archive with as many bytes it is not believed.
    write(10_000);
    let other = open().unwrap();
    assert_ne!(other.fingerprint(), first.fingerprint());
    assert!(other.name(0).ends_with("/10000"), "{}", other.name(0));
    assert_eq!(files().len(), 1, "one index for one path");
    // A folder that cannot be written costs nothing but time.
    let nowhere = Tar::builder([&path]).index_folder("/proc/none").open().unwrap();
    assert_eq!(nowhere.fingerprint(), other.fingerprint());
}

/// As `wds2idx` of DALI writes them, in both versions, and `widsindex` of `webdataset`.
#[test]
fn what_other_loaders_index_is_no_obstacle_and_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let write =
        |name: &str, contents: &[u8]| std::fs::write(dir.path().join(name), contents).unwrap();
    for (shard, [first, second]) in [("0", ["a", "b"]), ("1", ["c", "d"])] {
        let [first, second] = [first, second].map(|key| format!("{key}.cls"));
        write(&format!("{shard}.tar"), &archive(&[(&first, b"7"), (&second, b"8")]));
    }
    let alone = Tar::open(dir.path()).unwrap().fingerprint();
    let index =
        r#"{"__kind__": "wids-shard-index-v1", "shardlist": [{"url": "0.tar", "nsamples": 2}]}"#;
    write("index.json", index.as_bytes());
    // What they say; that of an archive of other members; and nothing that anybody wrote.
    for texts in [
        ["v1.1 2\ncls 512 1\ncls 1536 1\n", "v1.2 2\ncls 512 1 c.cls\ncls 1536 1 d.cls\n"],
        ["v1.2 1\njpg 1024 9000 x.jpg cls 10752 1 x.cls\n", "v1.1 1\ncls 1536 1\n"],
        ["", "v9 \u{0}"],
    ] {
        for (shard, text) in texts.iter().enumerate() {
            write(&format!("{shard}.idx"), text.as_bytes());
        }
        let source = tallow_core::open(dir.path()).unwrap();
        assert_eq!((source.len(), source.fingerprint()), (4, alone), "{texts:?}");
        let label = |at| read(&source, at).unwrap().view().field(0).as_slice::<i64>().unwrap()[0];
        assert_eq!([0, 1, 2, 3].map(label), [7, 8, 7, 8]);
        assert!(source.name(2).ends_with("1.tar/c"), "{}", source.name(2));
    }
}

#[test]
fn an_archive_that_is_written_to_is_noticed() {
    let (_dir, path) = written(&archive(&[("a.cls", b"1"), ("b.cls", b"2")]));
    let source = Tar::open(&path).unwrap();
    assert!(read(&source, 1).is_ok());
    std::fs::write(&path, archive(&[("aa.cls", b"1"), ("c.cls", b"3"), ("d.cls", b"4")])).unwrap();
    assert_eq!(read(&source, 1).unwrap_err().kind(), ErrorKind::Changed);
}
