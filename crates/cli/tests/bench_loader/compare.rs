use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::tester::{Ended, bench, bench_with, file, images, pairs, program, stub, truncate};

fn compare(dir: &Path, options: &str) -> Ended {
    let line = format!("compare DIR --batch-size 8 --workers 2 --rounds 2 {options}");
    bench(dir, &line)
}

fn contender<'a>(report: &'a Value, name: &str) -> &'a Value {
    let contenders = report["contenders"].as_array().unwrap();
    contenders.iter().find(|contender| contender["name"] == name).unwrap()
}

#[test]
fn what_is_built_in_runs_where_no_peer_is_installed() {
    let dir = pairs(20);
    stub(dir.path(), "echo '{\"absent\": \"no such module\"}'");
    let ended = compare(dir.path(), "--python DIR/stub --json").expect(0);
    assert!(ended.stderr.contains("pip install torch"), "{ended:#?}");
    let report = ended.json();
    for name in ["Tallow", "candle loop"] {
        let contender = contender(&report, name);
        let laps = contender["laps"].as_array().unwrap();
        assert_eq!(laps.len(), 2);
        for lap in laps {
            assert_eq!((&lap["samples"], &lap["bytes"]), (&20.into(), &(20 * 32).into()));
            assert!(lap["first_batch_seconds"].as_f64() <= lap["seconds"].as_f64(), "{lap}");
            assert!(lap["peak_bytes"].as_u64() > Some(1 << 20), "{lap}");
        }
        assert!(contender["tallow_speed_ratio"].as_f64() > Some(0.0), "{contender}");
    }
    assert_eq!(contender(&report, "Grain")["absent"], "no such module");
    let command = report["command_line"].as_str().unwrap();
    assert!(command.contains("--batch-size 8"), "{command}");
}

#[test]
fn a_report_for_people_is_a_table_and_what_to_say_of_it() {
    let dir = pairs(20);
    stub(dir.path(), "echo '{\"absent\": \"no such module\"}'");
    let ended = compare(dir.path(), "--python DIR/stub").expect(0);
    let lines = ended.lines();
    let at = lines.iter().position(|line| line.contains("samples/s")).unwrap();
    assert!(lines[at + 1].starts_with("Tallow 0."), "{ended:#?}");
    assert!(lines[at + 2].starts_with("candle loop "), "{ended:#?}");
    assert_eq!(lines[at].len(), lines[at + 1].len(), "aligned");
    assert!(ended.stdout.contains("DALI: absent, no such module"), "{ended:#?}");
}

/// A shell script that answers as a peer does: first `ready`, then epochs of so many samples and bytes,
/// and `verified`.
fn peer(ready: &str, [samples, bytes]: [u32; 2], verified: &str) -> String {
    let lap = format!(
        r#"{{"seconds": 1, "first_batch_seconds": 1, "samples": {samples}, "bytes": {bytes}, "cpu_seconds": 1, "peak_bytes": 1}}"#
    );
    format!(
        "echo '{ready}'\nwhile read line; do case $line in\n\
         choose) echo '{{\"form\": \"x\", \"tried\": {{\"x\": 1}}}}';;\n\
         warm) echo '{{}}';;\nepoch*) echo '{lap}';;\n\
         verify) echo '{verified}';;\n\
         quit) exit;; esac; done"
    )
}

#[test]
fn a_peer_that_does_not_do_the_work_is_a_row_with_its_reason() {
    let dir = pairs(20);
    let answers = |samples: u32, bytes: u32, checksum: &str| {
        let verified = format!(r#"{{"samples": {samples}, "checksum": "{checksum}"}}"#);
        peer(r#"{"ready": {}, "version": "1"}"#, [samples, bytes], &verified)
    };
    for (script, words) in [
        ("echo boom >&2; exit 3".to_owned(), "exit status: 3: boom"),
        ("sleep 100 & sleep 100".to_owned(), "within 3 s"),
        ("echo '{\"error\": \"no memory\"}'".to_owned(), "no memory"),
        ("echo hello".to_owned(), "hello"),
        (answers(24, 768, "0"), "24 samples of 20"),
        (answers(20, 320, "0"), "320 bytes"),
        (answers(20, 640, "0"), "checksums differ"),
    ] {
        stub(dir.path(), &script);
        let started = Instant::now();
        let ended = compare(dir.path(), "--python DIR/stub --timeout 3 --json").expect(0);
        let report = ended.json();
        for name in ["torch DataLoader", "DALI", "SPDL", "Grain"] {
            let why = contender(&report, name)["failed"].as_str().unwrap();
            assert!(why.contains(words), "{script}: {why}");
        }
        assert!(contender(&report, "candle loop")["laps"].is_array());
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn a_comparison_in_which_all_others_fail_is_an_error_and_one_without_others_is_none() {
    let dir = images(12);
    let augment = "--augment 'random_crop(8) to_dtype(f32)' --python DIR/stub";
    for (script, code) in [("echo '{\"absent\": \"no module\"}'", 0), ("echo boom >&2; exit 3", 1)]
    {
        stub(dir.path(), script);
        let ended = compare(dir.path(), augment).expect(code);
        assert!(ended.stdout.contains("Tallow 0."), "the report comes all the same: {ended:#?}");
        let said = ended.stderr.contains("nothing to compare with: torch, tensors: ");
        assert_eq!(said, code == 1, "{ended:#?}");
    }
}

#[test]
fn without_any_python_there_are_no_peers() {
    let dir = pairs(5);
    let environment = [("PATH", "/absent"), ("TALLOW_PYTHON", "")];
    let line = "compare DIR --rounds 1 --json";
    let report = bench_with(dir.path(), line, &environment).expect(0).json();
    let why = contender(&report, "torch DataLoader")["absent"].as_str().unwrap();
    assert!(why.contains("python3 cannot be started"), "{why}");
    let environment = [("TALLOW_PYTHON", "/absent/python")];
    let ended = bench_with(dir.path(), "compare DIR", &environment).expect(2);
    assert!(ended.stderr.contains("/absent/python"), "{ended:#?}");
}

#[test]
fn samples_that_not_all_deliver_alike_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/w --samples 3 --shape 2 --dtype u16").expect(0);
    let ended = bench(dir.path(), "compare DIR/w").expect(2);
    assert!(ended.stderr.contains("\"input\"") && ended.stderr.contains("u16"), "{ended:#?}");
}

#[test]
fn augmentation_is_compared_with_those_who_have_it() {
    let dir = images(20);
    stub(dir.path(), "echo '{\"absent\": \"no such module\"}'");
    for (end, dtype, size) in
        [("", "u8", 1), ("to_dtype(f16)", "f16", 2), ("normalize(imagenet)", "f32", 4)]
    {
        let line = format!("--augment 'random_crop(8) rotate(9) {end}' --python DIR/stub");
        let report = compare(dir.path(), &format!("{line} --json")).expect(0).json();
        let names = report["contenders"].as_array().unwrap().iter().map(|one| &one["name"]);
        let expected = ["Tallow", "torch, tensors", "torch, PIL", "OpenCV, albumentations", "DALI"];
        assert_eq!(names.collect::<Vec<_>>(), expected);
        let lap = &contender(&report, "Tallow")["laps"][0];
        assert_eq!(lap["bytes"], 20 * (3 * 8 * 8 * size + 8));
        assert!(report["augment"].as_str().unwrap().starts_with("random_crop(8)"));
        let delivers = serde_json::json!({ "field": "input", "dtype": dtype, "shape": [3, 8, 8] });
        assert_eq!(report["delivers"], delivers);
        let ended = compare(dir.path(), &line).expect(0);
        let line = format!("delivers  {dtype}[3, 8, 8]");
        assert!(ended.lines().contains(&line.as_str()), "{ended:#?}");
    }
}

#[test]
fn a_library_without_a_step_is_left_out_and_says_so() {
    let dir = images(12);
    let augment = "--augment aug_mix --python DIR/stub";
    // The others are not installed; or none of them has the step.
    let some = "[ $2 = dali ] && echo '{\"left_out\": \"no counterpart of aug_mix\"}' || \
                echo '{\"absent\": \"no module\"}'";
    let all = "echo '{\"left_out\": \"no counterpart of aug_mix\"}'";
    for (script, code) in [(some, 0), (all, 1)] {
        stub(dir.path(), script);
        let ended = compare(dir.path(), augment).expect(code);
        let line = "DALI: left out, no counterpart of aug_mix";
        assert!(ended.lines().contains(&line), "{ended:#?}");
        let said = ended.stderr.contains("nothing to compare with: torch, tensors: no counterpart");
        assert_eq!(said, code == 1, "{ended:#?}");
        let page = dir.path().join("page.html");
        let line = format!("{augment} --json --html {}", page.display());
        let report = compare(dir.path(), &line).expect(code).json();
        assert_eq!(contender(&report, "DALI")["left_out"], "no counterpart of aug_mix");
        let page = fs::read_to_string(page).unwrap();
        assert!(page.contains("left out, no counterpart of aug_mix"), "{page}");
        assert!(page.contains("u8[3, 12, 12]"), "{page}");
    }
}

#[test]
fn a_peer_that_augments_otherwise_is_a_row_with_its_reason() {
    let dir = images(20);
    let row = 3 * 12 * 12 + 8;
    let script = |kind: &str, means: &str, bytes: u32| {
        let verified = format!(r#"{{"samples": 20, "checksum": "0", {kind}, "means": {means}}}"#);
        peer(r#"{"ready": {}}"#, [20, bytes], &verified)
    };
    let right = "\"dtype\": \"u8\", \"shape\": [3, 12, 12]";
    for (kind, means, bytes, words) in [
        (
            "\"dtype\": \"f32\", \"shape\": [3, 12, 12]",
            "[]",
            20 * row,
            "delivered f32[3,12,12], of Tallow u8[",
        ),
        (
            "\"dtype\": \"u8\", \"shape\": [12, 12, 3]",
            "[]",
            20 * row,
            "delivered u8[12,12,3], of Tallow u8[",
        ),
        (right, "[127, 127]", 20 * row, "channel means"),
        (right, "[127, 127, 210]", 20 * row, "channel means"),
        (right, "[127, 127, 127]", 20 * row + 1, "bytes, other than Tallow"),
        (right, "[127, 127, 127]", 20 * row, "checksums differ"),
    ] {
        stub(dir.path(), &script(kind, means, bytes));
        let line = "--augment random_hflip --python DIR/stub --json";
        let ended = compare(dir.path(), line).expect(1);
        let report = ended.json();
        let why = contender(&report, "torch, PIL")["failed"].as_str().unwrap();
        assert!(why.contains(words), "{kind}: {why}");
    }
}

#[test]
fn samples_that_tallow_cannot_load_end_it_before_any_peer_has_begun() {
    let dir = pairs(5);
    truncate(&file(&dir, "input", 3), 1);
    stub(dir.path(), "sleep 100");
    let ended = compare(dir.path(), "--python DIR/stub").expect(1);
    assert!(ended.stderr.contains("000003.npy"), "{ended:#?}");
    assert_eq!((ended.stderr.lines().count(), ended.stdout.as_str()), (1, ""));
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_ends_the_peers_too_and_leaves_no_folder() {
    let dir = pairs(5);
    let temporary = tempfile::tempdir().unwrap();
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        // A peer that never answers, and another process that it started.
        stub(dir.path(), "sleep 1000 & echo $! >\"$0.pid\"; sleep 1000");
        let pid = dir.path().join("stub.pid");
        let mut command = program();
        command.arg("compare").arg(dir.path()).arg("--python").arg(dir.path().join("stub"));
        command.arg("--html").arg(dir.path().join("x.html")).env("TMPDIR", temporary.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(60);
        let started = || fs::read_to_string(&pid).unwrap_or_default().ends_with('\n');
        while !started() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        let peer = fs::read_to_string(&pid).unwrap();
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal}");
        // A process that nobody waits for stays as a zombie.
        let stat = format!("/proc/{}/stat", peer.trim());
        let runs = || fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z "));
        while runs() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!runs(), "{signal}");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "{signal}");
        let left = fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(left, 5, "input, output, the peer, its text and its number: {signal}");
        fs::remove_file(pid).unwrap();
    }
}
