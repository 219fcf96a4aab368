use std::fs;
use std::process::Command;

use tempfile::TempDir;

use crate::tester::{bench, bench_without_threads, file, pairs, truncate};

fn broken() -> TempDir {
    let dir = pairs(20);
    truncate(&file(&dir, "input", 3), 1);
    truncate(&file(&dir, "output", 3), 2);
    truncate(&file(&dir, "output", 17), 1);
    fs::write(file(&dir, "input", 0), "").unwrap();
    fs::write(file(&dir, "input", 5), "PK\x03\x04 no array at all").unwrap();
    fs::remove_file(file(&dir, "output", 7)).unwrap();
    fs::remove_file(file(&dir, "input", 8)).unwrap();
    fs::remove_file(file(&dir, "input", 9)).unwrap();
    fs::create_dir(file(&dir, "input", 9)).unwrap();
    fs::remove_file(file(&dir, "input", 10)).unwrap();
    assert!(Command::new("mkfifo").arg(file(&dir, "input", 10)).status().unwrap().success());
    // Another dtype.
    fs::copy(file(&dir, "output", 11), file(&dir, "input", 11)).unwrap();
    // A shape that claims a terabyte.
    let text = fs::read(file(&dir, "input", 12)).unwrap();
    let text = String::from_utf8_lossy(&text).replace("(2, 3), }      ", "(2, 99999999999), }");
    fs::write(file(&dir, "input", 12), text.replace('\u{fffd}', "\u{93}")).unwrap();
    dir
}

#[test]
fn everything_wrong_is_listed_in_one_pass() {
    let dir = broken();
    let ended = bench(dir.path(), "check DIR").expect(1);
    let found = |folder: &str, index: usize, kind: &str| {
        let path = file(&dir, folder, index);
        let line = format!("{}: {kind}: ", path.display());
        ended.lines().iter().filter(|found| found.starts_with(&line)).count()
    };
    for (folder, index, kind) in [
        ("input", 0, "empty"),
        ("input", 3, "truncated"),
        ("output", 3, "truncated"),
        ("input", 5, "foreign format"),
        ("input", 7, "unpaired"),
        ("output", 8, "unpaired"),
        ("input", 9, "not a regular file"),
        ("input", 10, "not a regular file"),
        ("input", 11, "dtype mismatch"),
        ("output", 17, "truncated"),
    ] {
        assert_eq!(found(folder, index, kind), 1, "{folder} {index} {kind}: {ended:#?}");
    }
    assert!(ended.stdout.contains("000012.npy: "), "{ended:#?}");
    assert_eq!(ended.lines().len(), 12, "eleven problems and their number: {ended:#?}");
    for workers in ["1", "2", "7"] {
        let again = bench(dir.path(), &format!("check DIR --workers {workers}")).expect(1);
        assert_eq!(again.stdout, ended.stdout);
    }
}

#[test]
fn json_lists_the_same_with_the_sample() {
    let dir = broken();
    let json = bench(dir.path(), "check DIR --json").expect(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!((problems.len(), &json["samples"]), (11, &18.into()));
    let of = |name: &str| {
        let path = |problem: &&serde_json::Value| problem["path"].as_str().unwrap().ends_with(name);
        problems.iter().find(path).unwrap()
    };
    assert_eq!(of("output/000017.npy")["kind"], "truncated");
    assert_eq!(of("output/000017.npy")["index"], 15, "two samples before it have no partner");
    assert!(of("input/000007.npy")["index"].is_null());
    assert!(of("input/000007.npy")["message"].as_str().unwrap().contains("no partner"));
}

#[test]
fn sound_data_of_any_layout_has_no_problem() {
    let dir = pairs(20);
    for source in [
        "DIR",
        "DIR/input",
        "DIR --recursive",
        "--field x=DIR/output --field y=DIR/input",
        "--field x=DIR/input --field y=DIR/input",
    ] {
        let ended = bench(dir.path(), &format!("check {source}")).expect(0);
        assert_eq!(ended.stdout, "20 samples, no problem\n", "{source}");
    }
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits/images.npy");
    bench(dir.path(), &format!("check {digits}")).expect(0);
}

#[test]
fn a_folder_of_nothing_but_foreign_files_lists_each() {
    let dir = pairs(3);
    (0..3).for_each(|index| fs::write(file(&dir, "input", index), "nothing of the kind").unwrap());
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert_eq!(ended.stdout.matches("foreign format").count(), 3, "{ended:#?}");
    let json = bench(dir.path(), "check DIR/absent --json").expect(1).json();
    assert_eq!(json["problems"][0]["kind"], "i/o error");
}

#[test]
fn an_extra_file_of_another_shape_does_not_condemn_the_others() {
    let dir = pairs(4);
    fs::copy(file(&dir, "output", 0), dir.path().join("input/!.npy")).unwrap();
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert!(ended.lines()[0].contains("!.npy: unpaired"), "{ended:#?}");
    assert_eq!(ended.lines().len(), 2, "{ended:#?}");
}

#[test]
fn everything_is_read_where_no_thread_can_be_started() {
    let dir = broken();
    let ended = bench(dir.path(), "check DIR").expect(1);
    for workers in ["auto", "1", "7"] {
        let line = format!("check DIR --workers {workers}");
        assert_eq!(bench_without_threads(dir.path(), &line).expect(1).stdout, ended.stdout);
    }
}
