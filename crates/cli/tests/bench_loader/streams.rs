//! Streams: lines, standard input, and archives that are compressed.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

use crate::tester::{bench, number, program, samples};

const RECORDS: usize = 41;

const KEYS: &str = "--array ids --array score --pad-to-longest ids:0";

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The same records as lines, and compressed.
fn records() -> TempDir {
    let record = |at: usize| {
        let ids: Vec<String> = (0..at % 7).map(|id| (at * 10 + id).to_string()).collect();
        format!("{{\"score\": {}.5, \"text\": \"r{at}\", \"ids\": [{}]}}\n", at, ids.join(", "))
    };
    let text: String = (0..RECORDS).map(record).collect();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.jsonl"), &text).unwrap();
    fs::write(dir.path().join("a.jsonl.gz"), gz(text.as_bytes())).unwrap();
    let zst = zstd::bulk::compress(text.as_bytes(), 1).unwrap();
    fs::write(dir.path().join("a.jsonl.zst"), zst).unwrap();
    dir
}

/// What a command prints that reads `file` from standard input.
fn piped(file: &Path, line: &str) -> String {
    let input = File::open(file).unwrap();
    let output = program().args(line.split(' ')).stdin(input).output().unwrap();
    assert!(output.status.success(), "{output:#?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn records_are_the_same_however_they_come() {
    let dir = records();
    let whole = samples(dir.path(), &format!("DIR/a.jsonl {KEYS}"));
    assert_eq!(whole.len(), RECORDS);
    for name in ["a.jsonl.gz", "a.jsonl.zst"] {
        assert_eq!(samples(dir.path(), &format!("DIR/{name} {KEYS}")), whole, "{name}");
    }
    let told = piped(&dir.path().join("a.jsonl"), &format!("digest - {KEYS} --per-sample"));
    assert_eq!(told.lines().take(RECORDS).collect::<Vec<_>>(), whole);
    let both = samples(dir.path(), &format!("DIR/a.jsonl DIR/a.jsonl.gz {KEYS} --epochs 2"));
    assert_eq!(both.len(), 4 * RECORDS, "in turn, twice");
    let hash = |line: &String| line.split(' ').nth(3).unwrap().to_owned();
    assert!(hash(&both[2]) != hash(&both[0]));
}

#[test]
fn nothing_depends_on_workers_ranks_or_where_it_begins() {
    let dir = records();
    for order in ["", "--shuffle", "--shuffle-window 8"] {
        // A rank pads to the longest of its own rows.
        let keys = "--array ids --array score --pad ids:0 --record-bytes 200";
        let source = format!("DIR/a.jsonl.gz {keys} --batch-size 6 --seed 5 {order}");
        let whole = samples(dir.path(), &source);
        for other in ["--workers 0", "--workers 3 --prefetch 1", "--workers 8 --prefetch 7"] {
            assert_eq!(samples(dir.path(), &format!("{source} {other}")), whole, "{other}");
        }
        for world in [2, 3] {
            let rank =
                |rank| samples(dir.path(), &format!("{source} --rank {rank} --world {world}"));
            let mut all: Vec<String> = (0..world).flat_map(rank).collect();
            all.sort_by_key(|line| number(line, 1));
            assert_eq!(all, whole, "{world} ranks");
        }
        let rest = samples(dir.path(), &format!("{source} --start-batch 3"));
        assert_eq!(rest, whole[18..], "{order}");
        let indices: Vec<usize> = whole.iter().map(|line| number(line, 2)).collect();
        let mut sorted = indices.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..RECORDS).collect::<Vec<_>>());
        assert_eq!(indices == sorted, order.is_empty(), "{order}");
    }
    let windows = samples(dir.path(), &format!("DIR/a.jsonl {KEYS} --shuffle-window 8"));
    for (at, line) in windows.iter().enumerate() {
        assert_eq!(number(line, 2) / 8, at / 8, "{line}");
    }
}

#[test]
fn a_stream_is_inspected_and_run() {
    let dir = records();
    let json = bench(dir.path(), "inspect DIR/a.jsonl --array ids --array text --json");
    let json = json.expect(0).json();
    assert_eq!(
        (&json["samples"], &json["parts"]),
        (&serde_json::Value::Null, &serde_json::json!([]))
    );
    assert_eq!(json["fields"][0]["dtype"], "i64");
    assert_eq!(json["bytes"], fs::metadata(dir.path().join("a.jsonl")).unwrap().len());
    let told = bench(dir.path(), "inspect DIR/a.jsonl").expect(0).stdout;
    for words in ["line: u8[..=65536]", "as many as the stream has", "in 41 samples"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let page = dir.path().join("run.html");
    let line = format!("run DIR/a.jsonl {KEYS} --shuffle --html {}", page.display());
    let told = bench(dir.path(), &line).expect(0).stdout;
    assert!(
        told.contains("a stream, opened") && told.contains("41 samples in 2 batches"),
        "{told}"
    );
    let page = fs::read_to_string(page).unwrap();
    for code in ["Streamed::json(schema, [", "ShuffleWindows::new(1024)?", "max: 32768"] {
        assert!(page.contains(code), "{code}: {page}");
    }
    let json = bench(dir.path(), &format!("run DIR/a.jsonl {KEYS} --epochs 3 --json")).expect(0);
    assert_eq!(json.json()["samples"], 3 * RECORDS);
    let text = "--array text --pad-to-longest text:0";
    let told = piped(&dir.path().join("a.jsonl"), &format!("run - {text} --json"));
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&json["samples"], &json["source"]), (&RECORDS.into(), &"standard input".into()));
}

#[test]
fn a_compressed_archive_has_the_samples_of_the_archive() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/p --samples 9 --shape 20..30,20..30 --as jpeg --classes 3";
    bench(dir.path(), line).expect(0);
    bench(dir.path(), "pack DIR/p --to DIR/t --as tar").expect(0);
    let mut packed = fs::read_dir(dir.path().join("t")).unwrap().map(|entry| entry.unwrap().path());
    let tar = packed.find(|path| path.extension().is_some_and(|it| it == "tar")).unwrap();
    let bytes = fs::read(&tar).unwrap();
    fs::write(dir.path().join("a.tar.gz"), gz(&bytes)).unwrap();
    fs::write(dir.path().join("a.tar.zst"), zstd::bulk::compress(&bytes, 1).unwrap()).unwrap();
    let options = "--select image --select label --augment resize(16,16)";
    let whole = samples(dir.path(), &format!("{} {options}", tar.display()));
    assert_eq!(whole.len(), 9);
    for name in ["a.tar.gz", "a.tar.zst"] {
        assert_eq!(samples(dir.path(), &format!("DIR/{name} {options}")), whole, "{name}");
    }
    let ended = bench(dir.path(), "inspect DIR/a.tar.gz").expect(0);
    assert!(ended.stdout.contains("9 JPEG"), "{ended:#?}");
    let ended = bench(dir.path(), "digest DIR/a.tar.gz --record-bytes 100 --augment resize(8,8)");
    assert!(ended.expect(1).stderr.contains("--record-bytes"));
    let cut = gz(&bytes);
    fs::write(dir.path().join("a.tar.gz"), &cut[..cut.len() - 40]).unwrap();
    let ended = bench(dir.path(), "digest DIR/a.tar.gz --augment resize(8,8)").expect(1);
    assert!(ended.stderr.contains("a.tar.gz"), "{ended:#?}");
}

#[test]
fn what_a_stream_cannot_do_says_what_to_do_instead() {
    let dir = records();
    let says = |line: &str, words: &[&str]| {
        let ended = bench(dir.path(), line).expect(2);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:#?}");
        }
    };
    for command in ["check", "stats", "tune", "compare"] {
        says(&format!("{command} DIR/a.jsonl"), &["a.jsonl is a stream", ".parquet", "digest"]);
    }
    says("pack DIR/a.jsonl --to DIR/t", &["is a stream"]);
    says("digest DIR/a.jsonl --array ids --pack 8", &["--pack", "as a table"]);
    for option in ["--buckets ids", "--token-budget ids:64", "--shuffle-blocks 2", "--weights 1"] {
        let name = option.split(' ').next().unwrap();
        says(&format!("digest DIR/a.jsonl {KEYS} {option}"), &[name, "one after the other"]);
    }
    for option in ["--steps 2", "--ceiling", "--cold"] {
        let name = option.split(' ').next().unwrap();
        says(&format!("run DIR/a.jsonl {KEYS} {option}"), &[name, "can be counted"]);
    }
    says("inspect DIR/a.jsonl --means", &["--means", "leave it out"]);
    says("inspect DIR/a.jsonl DIR/a.npy", &["streams of their kind"]);
    says("inspect - -", &["expected - once"]);
    says("inspect DIR/a.jsonl --tokens u16", &["--tokens is nothing for"]);
    let ended = bench(dir.path(), "inspect DIR/a.jsonl --array none").expect(1);
    assert!(
        ended.stderr.contains("no key \"none\"") && ended.stderr.contains("a.jsonl"),
        "{ended:#?}"
    );
    let line = format!("digest DIR/a.jsonl {KEYS} --record-bytes 40");
    let ended = bench(dir.path(), &line).expect(1);
    assert!(ended.stderr.contains("at most 40"), "{ended:#?}");
    fs::write(dir.path().join("b.jsonl"), "{\"x\": 1}\n{\"x\": 2}\n{\"x\": \"a\"}\n{\"x\": 4}\n")
        .unwrap();
    let ended = bench(dir.path(), "digest DIR/b.jsonl --array x --on-error skip:1").expect(0);
    assert!(ended.stderr.contains("b.jsonl[2]"), "{ended:#?}");
}
