//! Files that commands write besides their reports, and which files those must not be.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tester::{bench, file, images, program};

/// Every option that names an output, in a command that reads the samples of DIR.
const OUTPUTS: [&str; 6] = [
    "run DIR --epochs 1 --html",
    "run DIR --epochs 1 --trace",
    "tune DIR --seconds 1 --html",
    "inspect DIR --png",
    "preview DIR --augment hflip --out",
    "compare DIR --rounds 1 --html",
];

/// The bytes of all files in a folder and its subfolders, without following links to folders.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap_or_default()));
        }
    }
    all.sort();
    all
}

#[test]
fn no_output_is_written_over_a_file_of_the_source() {
    let dir = images(6);
    let elsewhere = tempfile::tempdir().unwrap();
    let sample = file(&dir, "input", 3);
    symlink(&sample, elsewhere.path().join("link")).unwrap();
    fs::hard_link(&sample, dir.path().join("second-name")).unwrap();
    // A sample that is a link to a file elsewhere.
    let moved = elsewhere.path().join("moved.npy");
    fs::copy(file(&dir, "output", 4), &moved).unwrap();
    fs::remove_file(file(&dir, "output", 4)).unwrap();
    symlink(&moved, file(&dir, "output", 4)).unwrap();
    let before = (contents(dir.path()), contents(elsewhere.path()));
    let link = elsewhere.path().join("link").display().to_string();
    let moved = moved.display().to_string();
    for line in OUTPUTS {
        for path in [
            "DIR/input/000003.npy",
            "DIR/output/../input/000000.npy",
            "DIR/second-name",
            &link,
            &moved,
        ] {
            let ended = bench(dir.path(), &format!("{line} {path}")).expect(2);
            assert!(ended.stderr.contains("a file of the source"), "{line} {path}: {ended:#?}");
            assert_eq!(ended.stdout, "");
        }
        let ended = bench(dir.path(), &format!("{line} DIR/input/new.npy")).expect(2);
        assert!(ended.stderr.contains("would become a sample"), "{line}: {ended:#?}");
    }
    assert_eq!((contents(dir.path()), contents(elsewhere.path())), before);
}

#[test]
fn one_large_file_and_shards_are_sources_too() {
    let dir = tempfile::tempdir().unwrap();
    for (kind, files) in
        [("npy", ["input.npy", "output.npy"]), ("safetensors", ["000000.safetensors"; 2])]
    {
        bench(
            dir.path(),
            &format!("gen DIR/{kind} --samples 4 --shape 3,8,8 --dtype u8 --as {kind}"),
        )
        .expect(0);
        let before = contents(dir.path());
        for file in files {
            for source in [format!("DIR/{kind}"), format!("DIR/{kind}/{file}")] {
                let line = format!("run {source} --html DIR/{kind}/{}", files[0]);
                let ended = bench(dir.path(), &line);
                if source.ends_with("output.npy") {
                    continue;
                }
                assert!(ended.expect(2).stderr.contains("a file of the source"), "{line}");
            }
        }
        let after = contents(dir.path());
        assert!(before.iter().all(|kept| after.contains(kept) || kind == "npy"), "{kind}");
    }
}

#[test]
fn two_outputs_are_two_files() {
    let dir = images(2);
    let ended = bench(dir.path(), "run DIR --html DIR/x --trace DIR/./x").expect(2);
    assert!(ended.stderr.contains("--trace") && ended.stderr.contains("--html"), "{ended:#?}");
    assert!(!dir.path().join("x").exists());
}

#[test]
fn a_file_that_is_not_of_the_source_is_replaced() {
    let dir = images(2);
    let path = dir.path().join("report.html");
    fs::write(&path, "before").unwrap();
    symlink("report.html", dir.path().join("link")).unwrap();
    bench(dir.path(), "run DIR --epochs 1 --html DIR/link").expect(0);
    assert!(fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>"));
    assert!(fs::symlink_metadata(dir.path().join("link")).unwrap().is_symlink());
    for name in fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()) {
        assert!(!name.to_string_lossy().starts_with('.'), "{name:?} was left behind");
    }
}

#[test]
fn what_fails_leaves_the_file_that_was_there() {
    let dir = images(3);
    fs::write(dir.path().join("x"), "before").unwrap();
    crate::tester::truncate(&file(&dir, "input", 1), 1);
    for line in ["inspect DIR --png DIR/x", "preview DIR --augment hflip --out DIR/x"] {
        bench(dir.path(), line).expect(1);
        assert_eq!(fs::read_to_string(dir.path().join("x")).unwrap(), "before", "{line}");
    }
}

#[test]
fn a_picture_is_not_named_like_a_file_of_another_kind() {
    let dir = images(2);
    for line in ["inspect DIR --png DIR/x", "preview DIR --augment hflip --out DIR/x"] {
        for extension in ["jpg", "JPEG", "svg", "pdf"] {
            let ended = bench(dir.path(), &format!("{line}.{extension}")).expect(2);
            assert!(ended.stderr.contains("x.png\""), "{ended:#?}");
            assert!(!dir.path().join(format!("x.{extension}")).exists(), "{ended:#?}");
        }
        bench(dir.path(), line).expect(0);
    }
}

#[test]
fn standard_output_and_devices_are_outputs_like_any_other() {
    let dir = images(2);
    let ended = bench(dir.path(), "inspect DIR --json --png /dev/null").expect(0);
    assert_eq!(ended.json()["samples"], 2);
    assert!(fs::metadata("/dev/null").is_ok_and(|null| !null.is_file()));
    let page = bench(dir.path(), "run DIR --epochs 1 --json --html /dev/stdout").expect(0);
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{page:#?}");
    // If standard output goes to a file, the file has both, one after the other.
    let both = dir.path().join("both");
    let mut command = program();
    command.args(["run", "--json", "--html", "/dev/stdout"]).arg(dir.path());
    assert!(command.stdout(fs::File::create(&both).unwrap()).status().unwrap().success());
    let both = fs::read_to_string(&both).unwrap();
    assert!(both.starts_with("<!DOCTYPE html>") && both.ends_with("}\n"), "{both}");
}

/// Starts a command that writes to DIR/x for hours, and waits until it does.
fn endless(dir: &TempDir, option: &str) -> Child {
    let mut command = program();
    command.arg("run").arg(dir.path()).args(["--epochs", "1000000000", option]);
    command.arg(dir.path().join("x")).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let hidden = || {
        let mut entries = fs::read_dir(dir.path()).unwrap();
        entries.any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with('.'))
    };
    while !hidden() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(hidden(), "it writes to a file of another name");
    child
}

#[test]
fn a_signal_leaves_no_half_of_an_output() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        for option in ["--html", "--trace"] {
            let dir = images(4);
            fs::write(dir.path().join("x"), "before").unwrap();
            let mut child = endless(&dir, option);
            std::thread::sleep(Duration::from_millis(100));
            Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
            assert_eq!(child.wait().unwrap().code(), Some(code), "{option} {signal}");
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            assert_eq!(said, "");
            assert_eq!(fs::read_to_string(dir.path().join("x")).unwrap(), "before");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "input, output and x");
        }
    }
}

#[test]
fn a_signal_that_was_ignored_from_the_start_stays_ignored() {
    let dir = images(4);
    let mut command = crate::tester::command("sh");
    let script = r#"trap "" HUP; exec "$@""#;
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_bench-loader"), "run"]).arg(dir.path());
    command.args(["--step-ms", "100", "--batch-size", "1", "--epochs", "3", "--html"]);
    let mut child = command.arg(dir.path().join("x")).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    Command::new("kill").args(["-HUP", &child.id().to_string()]).status().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "as by nohup");
}
