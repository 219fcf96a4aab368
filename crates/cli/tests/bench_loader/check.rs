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
        assert_eq!(ended.stdout, "20 samples, no problems\n", "{source}");
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
    assert!(ended.stdout.contains("replace or remove it"), "{ended:#?}");
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

#[test]
fn files_of_other_lengths_are_told_once_with_what_makes_them_samples() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR --samples 40 --shape 3,10..40,20 --dtype u8";
    bench(dir.path(), line).expect(0);
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert_eq!(ended.stdout.matches("--ragged").count(), 1, "{ended:#?}");
    assert_eq!(ended.lines().len(), 2, "{ended:#?}");
    assert!(ended.lines()[0].contains("of 40 files of input differ from u8[3, "), "{ended:#?}");
    let json = bench(dir.path(), "check DIR --json").expect(1).json();
    let (others, axis) = (&json["shapes"][0]["files"], &json["shapes"][0]["ragged"][0]);
    assert_eq!(json["problems"].as_array().unwrap().len() as u64, others.as_u64().unwrap());
    assert_eq!(*ended.lines().last().unwrap(), format!("40 samples, {others} problems"));
    let advice = ended.lines()[0].split("use ").nth(1).unwrap().to_owned();
    assert_eq!(advice, format!("--ragged input:1:{}", axis["greatest"]));
    bench(dir.path(), &format!("check DIR {advice}")).expect(0);
    let inspected = bench(dir.path(), "inspect DIR").expect(0);
    assert_eq!(inspected.stdout.matches(&advice).count(), 1, "{inspected:#?}");
    let inspected = bench(dir.path(), &format!("inspect DIR {advice}")).expect(0);
    assert!(!inspected.stdout.contains("shapes"), "{inspected:#?}");
}

#[test]
fn files_of_other_lengths_hide_no_other_problem() {
    let dir = pairs(9);
    let shorter = tempfile::tempdir().unwrap();
    bench(shorter.path(), "gen DIR --samples 9 --shape 2,5 --dtype f32").expect(0);
    for index in 3..6 {
        fs::copy(file(&shorter, "input", index), file(&dir, "input", index)).unwrap();
    }
    truncate(&file(&dir, "input", 6), 1);
    fs::copy(file(&dir, "output", 7), file(&dir, "input", 7)).unwrap();
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert!(ended.lines()[0].contains("3 of 9 files of input differ from f32[2, 3] in axis 1"));
    assert!(ended.stdout.contains("000006.npy: truncated"), "{ended:#?}");
    assert!(ended.stdout.contains("000007.npy: dtype mismatch"), "{ended:#?}");
    assert_eq!(*ended.lines().last().unwrap(), "9 samples, 5 problems");
}

#[test]
fn nothing_to_load_is_a_problem_whatever_it_lies_in() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }";
    let npy = [&b"\x93NUMPY\x01\x00v\x00"[..], format!("{header:117}\n").as_bytes()].concat();
    fs::write(dir.path().join("rows.npy"), npy).unwrap();
    for source in ["folder", "rows.npy"] {
        let ended = bench(dir.path(), &format!("check DIR/{source}")).expect(1);
        assert!(ended.lines()[0].contains(": empty: "), "{ended:#?}");
        assert_eq!(ended.lines()[1], "0 samples, 1 problem");
        let ended = bench(dir.path(), &format!("inspect DIR/{source}")).expect(1);
        assert!(ended.stderr.contains(source), "{ended:#?}");
    }
}

#[test]
fn arrays_that_do_not_go_together_are_read_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 9 --shape 4 --dtype u8 --as npy").expect(0);
    fs::write(dir.path().join("output.npy"), "nothing of the kind").unwrap();
    truncate(&dir.path().join("input.npy"), 1);
    let ended = bench(dir.path(), "check DIR").expect(1);
    for words in ["input.npy: truncated", "output.npy: foreign format", "0 samples, 2 problems"] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}

#[test]
fn folders_that_were_passed_over_are_said() {
    let dir = pairs(5);
    fs::create_dir(dir.path().join("input/old")).unwrap();
    fs::copy(file(&dir, "input", 0), dir.path().join("input/old/0.npy")).unwrap();
    let ended = bench(dir.path(), "check DIR/input").expect(0);
    assert_eq!(
        ended.lines(),
        ["note: folders of samples are ignored: \"old\"", "5 samples, no problems"]
    );
    let ended = bench(dir.path(), "inspect DIR/input").expect(0);
    assert!(ended.stdout.contains("ignored: \"old\""), "{ended:#?}");
}
