use std::fs;

use crate::tester::{bench, bench_without_threads, file, pairs};

#[test]
fn the_same_seed_writes_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    for (folder, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        let line = format!("gen DIR/{folder} --samples 30 --shape 5 --dtype f16 --seed {seed}");
        bench(dir.path(), &line).expect(0);
    }
    let digest = |folder| bench(dir.path(), &format!("digest DIR/{folder}")).expect(0).stdout;
    assert_eq!(digest("a"), digest("b"));
    assert_ne!(digest("a"), digest("c"));
}

#[test]
fn every_dtype_and_shape_can_be_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let dtypes = ["u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f16", "f32", "f64"];
    for (i, dtype) in dtypes.into_iter().enumerate() {
        let shape = ["scalar", "3", "2,1,3"][i % 3];
        let line = format!(
            "gen DIR/{dtype} --samples 9 --shape {shape} --dtype {dtype} \
             --target-shape 2 --target-dtype {dtype}"
        );
        bench(dir.path(), &line).expect(0);
        bench(dir.path(), &format!("check DIR/{dtype}")).expect(0);
        let json = bench(dir.path(), &format!("digest DIR/{dtype} --json")).expect(0).json();
        assert_eq!(json["samples"], 9, "{dtype}");
    }
}

#[test]
fn files_that_are_not_its_own_are_left_alone() {
    let dir = pairs(5);
    bench(dir.path(), "gen DIR --samples 5 --shape 4 --dtype u8").expect(0);
    bench(dir.path(), "gen DIR --samples 7 --shape 4 --dtype u8").expect(0);
    let ended = bench(dir.path(), "gen DIR --samples 6 --shape 4 --dtype u8").expect(1);
    assert!(ended.stderr.contains("000006.npy"), "one too many: {ended:#?}");
    fs::rename(file(&dir, "output", 6), dir.path().join("output/mine.npy")).unwrap();
    let ended = bench(dir.path(), "gen DIR --samples 9 --shape 4 --dtype u8").expect(1);
    assert!(ended.stderr.contains("mine.npy"), "{ended:#?}");
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let dir = pairs(5);
    fs::remove_file(file(&dir, "output", 2)).unwrap();
    fs::create_dir(file(&dir, "output", 2)).unwrap();
    let ended = bench(dir.path(), "gen DIR --samples 5 --shape 4 --dtype u8").expect(1);
    assert!(ended.stderr.contains("000002.npy"), "{ended:#?}");
}

#[test]
fn nothing_is_written_through_a_fifo_or_a_link() {
    let dir = pairs(5);
    fs::remove_file(file(&dir, "input", 2)).unwrap();
    std::os::unix::fs::symlink("../output/000002.npy", file(&dir, "input", 2)).unwrap();
    let line = "gen DIR --samples 5 --shape 4 --dtype u8";
    let linked = bench(dir.path(), line).expect(1);
    fs::remove_file(file(&dir, "input", 2)).unwrap();
    let mut mkfifo = std::process::Command::new("mkfifo");
    assert!(mkfifo.arg(file(&dir, "input", 2)).status().unwrap().success());
    for ended in [linked, bench(dir.path(), line).expect(1)] {
        assert!(ended.stderr.contains("not a regular file"), "{ended:#?}");
    }
}

#[test]
fn everything_is_written_where_no_thread_can_be_started() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR --samples 9 --shape 4 --dtype u8";
    let ended = bench_without_threads(dir.path(), line).expect(0);
    assert!(ended.stdout.starts_with("wrote 9 pairs of input u8[4]"), "{ended:#?}");
    assert_eq!(bench(dir.path(), "check DIR").expect(0).stdout, "9 samples, no problem\n");
}
