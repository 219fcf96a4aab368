//! Tables of labels and other values, and the files that their rows name.

#[expect(dead_code, reason = "shared with other tests")]
mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::assert_says;
use tallow_core::{
    Error, ErrorKind, Limits, NpyFolders, Source, SourceExt as _, Table, TableBuilder, testing,
};
use tempfile::TempDir;

fn put(dir: &TempDir, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, contents).unwrap();
    path
}

fn table(name: &str, contents: &str) -> (TempDir, Table) {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir, name, contents);
    (dir, Table::open(path).unwrap())
}

#[track_caller]
fn refused(name: &str, contents: impl AsRef<[u8]>, words: &[&str]) -> Error {
    refused_with(name, contents, |builder| builder, words)
}

#[track_caller]
fn refused_with(
    name: &str,
    contents: impl AsRef<[u8]>,
    with: impl FnOnce(TableBuilder) -> TableBuilder,
    words: &[&str],
) -> Error {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir, name, contents);
    let error = with(Table::builder(path)).open().unwrap_err();
    assert_says(&error, &[&[name][..], words].concat());
    error
}

/// A folder of these files, each a `.npy` of its position.
fn files(dir: &TempDir, names: &[&str]) -> NpyFolders {
    let header = format!("{:<117}\n", "{'descr': '|u1', 'fortran_order': False, 'shape': (), }");
    for (at, name) in names.iter().enumerate() {
        let file = [b"\x93NUMPY\x01\0\x76\0", header.as_bytes(), &[at as u8]].concat();
        put(dir, &format!("files/{name}"), file);
    }
    NpyFolders::builder().field("x", dir.path().join("files")).recursive().open().unwrap()
}

fn values(source: &dyn Source, field: &str) -> Vec<String> {
    let value = |sample: tallow_core::Result<tallow_core::Sample>| {
        sample.unwrap().field(field).to_string().split_once("= ").unwrap().1.to_owned()
    };
    source.iter().map(value).collect()
}

#[test]
fn columns_become_fields_by_what_they_hold() {
    let text = "file,label,count,score,note\n\
                b.npy,dog,3,0.5,\"says \"\"hm\"\", twice\"\n\
                a.npy, cat ,-1,2,\n\
                c.npy,dog,7,1e3,ok\n";
    let (_dir, csv) = table("labels.csv", text);
    let expected = "label: i64[]; count: i64[]; score: f32[]; note: u8[..=16]";
    assert_eq!(csv.schema().to_string(), expected);
    assert_eq!(csv.schema().fields()[0].classes().unwrap(), ["cat", "dog"]);
    assert_eq!(csv.labels("label").unwrap(), [1, 0, 1]);
    assert_eq!(values(&csv, "score"), ["0.5", "2", "1000"]);
    let notes: Vec<Vec<u8>> =
        csv.iter().map(|row| row.unwrap().field("note").bytes().to_vec()).collect();
    assert_eq!(notes, [&b"says \"hm\", twice"[..], b"", b"ok"]);
    assert!(csv.name(2).ends_with("labels.csv, line 4"), "{}", csv.name(2));
    testing::check_source(&csv);
    for (name, between) in [("t.tsv", "\t"), ("semicolons.csv", ";")] {
        let text = "\u{feff}file,label\r\na,1\r\nb,2\r\n".replace(',', between);
        let (_dir, table) = table(name, &text);
        assert_eq!(table.labels("label").unwrap(), [1, 2], "{name}");
    }
}

#[test]
fn objects_of_json_become_fields_too() {
    let text = r#"{"file_name": "a.jpg", "text": "née", "objects": {"bbox": [[1, 2, 3, 4], [5, 6, 7, 8]], "id": [9, 8]}, "size": [1.5, 2], "ok": true}

{"ok": false, "file_name": "b.jpg", "text": "", "size": [3, 4], "objects": {"bbox": [], "id": []}}
"#;
    let (_dir, json) = table("metadata.jsonl", text);
    let mut fields: Vec<String> =
        json.schema().fields().iter().map(|field| field.to_string()).collect();
    fields.sort_unstable();
    let expected = [
        "objects.bbox: i64[..=2, 4]",
        "objects.id: i64[..=2]",
        "ok: u8[]",
        "size: f32[2]",
        "text: u8[..=4]",
    ];
    assert_eq!(fields, expected);
    testing::check_source(&json);
    let (first, second) = (json.get(0).unwrap(), json.get(1).unwrap());
    assert_eq!(first.field("objects.bbox").as_slice::<i64>().unwrap(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(first.field("text").bytes(), "née".as_bytes());
    assert_eq!(second.field("objects.bbox").shape(), [0, 4]);
    assert_eq!(second.field("size").as_slice::<f32>().unwrap(), [3.0, 4.0]);
    assert_eq!((json.name(1).ends_with("line 3"), second.field("ok").bytes()), (true, &[0][..]));
}

#[test]
fn columns_are_chosen_and_text_is_classes_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = put(&dir, "t.csv", "who,species,note\nx,ox,1\ny,ant,\n");
    let chosen = Table::builder(&path).file("who").columns(["species"]).classes("species");
    let chosen = chosen.open().unwrap();
    assert_eq!(chosen.schema().fields()[0].classes().unwrap(), ["ant", "ox"]);
    assert_eq!(chosen.labels("species").unwrap(), [1, 0]);
    let of = |with: fn(TableBuilder) -> TableBuilder, words: &[&str]| {
        refused_with("t.csv", "who,species,note\nx,ox,1\ny,ant,\n", with, words);
    };
    of(|it| it, &["line 3 has no value in the column \"note\"", ".columns(..)"]);
    of(|it| it.file("q"), &["no column \"q\"", "\"who\", \"species\", \"note\""]);
    of(|it| it.columns(["species", "species"]), &["\"species\" is named twice"]);
    refused_with("n.csv", "a,b\n1,2\n", |it| it.classes("a"), &["\"a\" is a: i64[]", "text"]);
}

#[test]
fn tables_that_are_not_as_they_should_be_are_refused_with_the_line() {
    refused("a.csv", "", &["no bytes"]);
    refused("a.csv", "file,label\n", &["no row"]);
    refused("a.csv", "file,label\na,1\nb\n", &["line 3 has 1 values, expected 2"]);
    refused("a.csv", "file,file\na,1\n", &["two columns called \"file\""]);
    refused("a.csv", "a.jpg,3\nb.jpg,4\n", &["line 1 has \"3\" for the name of a column"]);
    refused("a.csv", b"file,label\na,caf\xe9\n", &["line 2 is no UTF-8"]);
    refused("a.csv", "file,x\na,1e300\n", &["line 2 has 1e300 in the column \"x\""]);
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n";
    refused("a.csv", pointer, &["Git LFS pointer", "git lfs pull"]);
    refused("a.csv", b"PAR1\0\0\0\0", &["a Parquet file, expected a table of text"]);
    refused("a.jsonl", "\n\n", &["no row"]);
    refused("a.jsonl", "{\"a\": 1}\n{\"a\": 1,}\n", &["line 2 is no object of JSON"]);
    refused("a.jsonl", "[1]\n", &["line 1 is no object"]);
    refused("a.jsonl", "{\"a\": 1}\n{\"b\": 1}\n", &["line 2 has the key \"b\", which line 1"]);
    refused("a.jsonl", "{\"a\": 1, \"b\": 1}\n{\"b\": 1}\n", &["line 2 has no key \"a\""]);
    refused("a.jsonl", "{\"a\": 1}\n{\"a\": \"x\"}\n", &["line 2 has text, expected a number"]);
    refused("a.jsonl", "{\"a\": [1]}\n{\"a\": [null]}\n", &["line 2 has no value within a list"]);
    refused("a.jsonl", "{\"a\": [[1], [2, 3]]}\n", &["a list of 2 within a list, expected 1"]);
    refused("a.jsonl", "{\"a\": null}\n", &["line 1 has no value under \"a\""]);
    let deep = format!("{{\"a\": {}{}}}\n", "[".repeat(100), "]".repeat(100));
    refused("a.jsonl", deep, &["at most 8"]);
    let mut limits = Limits::default();
    limits.index_bytes = 10;
    let error = refused_with("a.csv", "file,label\na,1\n", |it| it.limits(limits), &["at most 10"]);
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn each_file_has_the_row_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["a/1.npy", "a/2.npy", "b/1.npy"];
    let rows = |rows: [&str; 3]| {
        let lines = rows.iter().enumerate().map(|(at, row)| format!("{row},{at}\n"));
        put(&dir, "labels.csv", format!("file,label\n{}", lines.collect::<String>()))
    };
    for named in [
        ["b/1.npy", "a/1.npy", "a/2.npy"],
        ["b/1", "./a/1", "a/2"],
        ["files\\b\\1.npy", "files/a/1.npy", "2"],
    ] {
        let source = files(&dir, &names);
        let table = Table::open(rows(named)).unwrap();
        let joined = source.with_table(table).unwrap();
        assert_eq!(joined.schema().to_string(), "x: u8[]; label: i64[]");
        assert_eq!(joined.labels("label").unwrap(), [1, 2, 0], "{named:?}");
        assert_eq!(values(&joined, "x"), ["0", "1", "2"]);
        testing::check_source(&joined);
    }
    let joined = || files(&dir, &names).with_table(Table::open(rows(["1", "a/2", "q"])).unwrap());
    let error = joined().unwrap_err();
    assert_says(&error, &["b/1.npy", "the same row as", "line 2", "q"]);
}

#[test]
fn files_and_rows_without_partners_are_listed_and_can_be_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let open = || files(&dir, &["0.npy", "1.npy", "2.npy"]);
    let path = put(&dir, "labels.csv", "id,label\n2,7\nx,8\n0,9\nx,8\n");
    let table = || Table::open(&path).unwrap();
    let error = open().with_table(table()).unwrap_err();
    assert_says(&error, &["files/1.npy", "\"x\"", "lines 3 and 5"].map(|it| it.trim_matches('"')));
    let survey = table().survey(open()).unwrap();
    assert_eq!(survey.source.labels("label").unwrap(), [9, 7]);
    let kinds: Vec<_> = survey.problems.iter().map(Error::kind).collect();
    assert_eq!(kinds.iter().filter(|&&kind| kind == ErrorKind::Duplicate).count(), 1);
    assert_eq!(kinds.iter().filter(|&&kind| kind == ErrorKind::Unpaired).count(), 2);
    testing::check_source(&survey.source);
    let other = put(&dir, "other.csv", "id,label\nq,1\n");
    let error = open().with_table(Table::open(other).unwrap()).unwrap_err();
    assert_says(&error, &["no row names a file", "0.npy", "\"q\"", ".file(..)"]);
    let without = put(&dir, "w.csv", "when,label\n1,2\n");
    let error = open().with_table(Table::open(without).unwrap()).unwrap_err();
    assert_eq!(error.path(), Some(Path::new(&dir.path().join("w.csv"))));
    assert_says(&error, &["no column of files among \"when\", \"label\""]);
}
