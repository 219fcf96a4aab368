//! Documents packed into rows of one length.

use std::path::Path;

use serde_json::Value;

use crate::tester::{bench, number, samples};

/// A file of 200 documents of up to 89 tokens.
fn documents() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, step) in [("web.bin", 37), ("code.bin", 11)] {
        let mut stream = Vec::new();
        for document in 0..200u16 {
            stream.extend((0..document * step % 90).flat_map(u16::to_le_bytes));
            stream.extend(999u16.to_le_bytes());
        }
        std::fs::write(dir.path().join(name), stream).unwrap();
    }
    dir
}

const BIN: &str = "--tokens u16 --documents last:999";

fn json(dir: &Path, line: &str) -> Value {
    bench(dir, &format!("{line} --json")).expect(0).json()
}

#[test]
fn documents_are_packed_the_same_with_any_workers_and_ranks() {
    let dir = documents();
    let source = format!("DIR/web.bin {BIN} --pack 64");
    let told = json(dir.path(), &format!("inspect {source}"));
    let packed = &told["packed"][0];
    assert_eq!((&packed["documents"], &packed["length"]), (&200.into(), &64.into()));
    assert_eq!(packed["rows"], told["samples"]);
    assert!(packed["padding_share"].as_f64().unwrap() < 0.02, "{packed}");
    assert_eq!(packed["divided"], packed["longer"], "{packed}");
    let words = bench(dir.path(), &format!("inspect {source}")).expect(0).stdout;
    for said in ["packed    200 documents in ", " rows of 64 tokens", " % padding", "--pack 64"] {
        assert!(words.contains(said), "{said}: {words}");
    }
    let batches = format!("{source} --shuffle --batch-size 9");
    let whole = samples(dir.path(), &batches);
    assert_eq!(whole.len() as u64, packed["rows"].as_u64().unwrap());
    for other in ["--workers 0", "--workers 3 --prefetch 4"] {
        assert_eq!(samples(dir.path(), &format!("{batches} {other}")), whole, "{other}");
    }
    for world in [2, 3, 8] {
        let rank = |rank| samples(dir.path(), &format!("{batches} --rank {rank} --world {world}"));
        let mut all: Vec<String> = (0..world).flat_map(rank).collect();
        all.sort_by_key(|line| number(line, 1));
        assert_eq!(all, whole, "{world} ranks");
    }
    let rest = samples(dir.path(), &format!("{batches} --start-batch 3"));
    assert_eq!(rest, whole[27..]);
}

#[test]
fn every_command_that_loads_packs_and_says_how_well() {
    let dir = documents();
    let source = format!("DIR/web.bin {BIN} --pack 64");
    bench(dir.path(), &format!("check {source}")).expect(0);
    let page = dir.path().join("run.html");
    let line = format!("run {source} --epochs 1 --html {}", page.display());
    let ended = bench(dir.path(), &line).expect(0);
    assert!(ended.stdout.contains("packed    200 documents in "), "{ended:#?}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("Packed documents") && page.contains("source.pack(64)?"), "{page}");
    assert!(page.contains("documents(tallow::DocumentsBy::LastToken(999))"), "{page}");
    // Every row but the last is full, and most documents are in two: no more padding, more of them divided.
    let line = format!("{source} --packing concatenated");
    let whole = &json(dir.path(), &format!("inspect {source}"))["packed"][0];
    let cut = json(dir.path(), &format!("digest {line}"));
    let cut = &cut["packed"][0];
    let share = |of: &Value, name: &str| of[name].as_f64().unwrap();
    assert!(share(cut, "padding_share") <= share(whole, "padding_share"), "{cut} {whole}");
    assert!(share(cut, "divided_share") > share(whole, "divided_share"), "{cut} {whole}");
    assert!(share(cut, "divided_share") > 0.5, "{cut}");
}

#[test]
fn each_source_of_a_mixture_is_packed_by_itself() {
    let dir = documents();
    let source = format!("DIR/web.bin DIR/code.bin {BIN} --pack 64");
    let told = json(dir.path(), &format!("inspect {source} --weights 3,1"));
    let packed = told["packed"].as_array().unwrap();
    let rows: Vec<u64> = packed.iter().map(|own| own["rows"].as_u64().unwrap()).collect();
    assert_eq!(rows.iter().sum::<u64>(), told["samples"].as_u64().unwrap());
    assert!(packed[1]["source"].as_str().unwrap().ends_with("code.bin"), "{packed:?}");
    let alone = json(dir.path(), &format!("inspect DIR/code.bin {BIN} --pack 64"));
    assert_eq!(alone["packed"][0]["rows"], packed[1]["rows"]);
    let lines = samples(dir.path(), &format!("{source} --weights 3,1 --shuffle"));
    for batch in lines.chunks_exact(4) {
        let code = batch.iter().filter(|line| number(line, 2) as u64 >= rows[0]);
        assert_eq!(code.count(), 1, "three of four rows are of the first source: {batch:?}");
    }
    let ended = bench(dir.path(), &format!("run {source} --weights 3,1 --epochs 1")).expect(0);
    assert!(ended.stdout.contains("code.bin: 200 documents in "), "{ended:#?}");
    assert_eq!(samples(dir.path(), &source).len() as u64, rows.iter().sum::<u64>());
}

#[test]
fn columns_of_tables_and_ragged_arrays_are_documents() {
    let dir = tempfile::tempdir().unwrap();
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/data");
    let [parquet, arrow] =
        ["parquet/datasets.parquet", "arrow/saved"].map(|at| format!("{data}/{at}"));
    // Both have 7 lists of 0 to 6 numbers: 21 in all.
    for source in [&parquet, &arrow] {
        for fields in ["--array ids --pack 7", "--rename ids=tokens --pack tokens:7"] {
            let packed = &json(dir.path(), &format!("inspect {source} {fields}"))["packed"][0];
            assert_eq!((&packed["documents"], &packed["rows"]), (&6.into(), &3.into()));
            assert_eq!(packed["padding_share"], 0.0);
            bench(dir.path(), &format!("check {source} {fields}")).expect(0);
        }
    }
    let digest = |source: &str| samples(dir.path(), &format!("{source} --array ids --pack 7"));
    assert_eq!(digest(&parquet), digest(&arrow), "the same documents");
    let mixed = digest(&format!("{parquet} {arrow} --weights 1,1"));
    assert_eq!(mixed.len(), 6);
    let select = format!("{parquet} --pack ids:7 --select input");
    let fields = &json(dir.path(), &format!("inspect {select}"))["fields"];
    assert_eq!((fields.as_array().unwrap().len(), &fields[0]["name"]), (1, &"input".into()));
    let line =
        "gen DIR/d --samples 61 --shape 1..30 --dtype i64 --target-shape 2 --target-dtype f32";
    bench(dir.path(), line).expect(0);
    let arrays = "DIR/d --ragged input:0:30 --pack 32";
    let packed = &json(dir.path(), &format!("inspect {arrays}"))["packed"][0];
    assert_eq!(packed["documents"], 61);
    assert_eq!(samples(dir.path(), arrays).len() as u64, packed["rows"].as_u64().unwrap());
}

#[test]
fn what_cannot_be_packed_says_what_to_do() {
    let dir = documents();
    let says = |line: &str, code: i32, words: &[&str]| {
        let ended = bench(dir.path(), line).expect(code);
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:#?}");
        }
    };
    let windows = "DIR/web.bin --tokens u16 --pack 64";
    says(&format!("inspect {windows}"), 2, &["web.bin", "--documents last:TOKEN"]);
    says(&format!("inspect {windows} --documents middle"), 2, &["last:50256"]);
    let parquet =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/data/parquet/datasets.parquet");
    says(&format!("inspect {parquet} --pack 7"), 2, &["several fields", "--pack FIELD:TOKENS"]);
    says(&format!("inspect {parquet} --pack none:7"), 2, &["no field \"none\""]);
    says(&format!("inspect {windows} --packing sideways"), 2, &["concatenated"]);
    says(&format!("inspect DIR/web.bin {BIN} --packing concatenated"), 2, &["--pack"]);
    says(&format!("compare DIR/web.bin {BIN} --pack 64"), 2, &["compare knows no"]);
}
