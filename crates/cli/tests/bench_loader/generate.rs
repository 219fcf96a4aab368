use std::fs;

use crate::tester::{bench, bench_without_threads, command, file, pairs};

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
    assert_eq!(bench(dir.path(), "check DIR").expect(0).stdout, "9 samples, no problems\n");
}

#[test]
fn the_same_samples_are_in_every_kind_of_file() {
    let dir = tempfile::tempdir().unwrap();
    let kinds = ["folders", "npy", "safetensors", "safetensors --shards 7"];
    // More than a thread writes at once, and types that are widened when they are read.
    for (shape, dtype, samples) in [("3,150,150", "u8", 70), ("2", "i8", 9), ("scalar", "u64", 7)] {
        let mut digests = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            let place = format!("DIR/{dtype}/{at}");
            let line = format!(
                "gen {place} --samples {samples} --shape {shape} --dtype {dtype} --seed 3 --as {kind}"
            );
            let ended = bench(dir.path(), &line).expect(0);
            assert!(ended.stdout.starts_with("wrote "), "{ended:#?}");
            let json = bench(dir.path(), &format!("inspect {place} --json")).expect(0).json();
            assert_eq!(json["samples"], samples);
            bench(dir.path(), &format!("check {place}")).expect(0);
            let digest = format!("digest {place} --shuffle --workers 2");
            digests.push(bench(dir.path(), &digest).expect(0).stdout);
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]), "{dtype}: {digests:?}");
    }
    let shards = fs::read_dir(dir.path().join("u8/3")).unwrap().count();
    assert_eq!(shards, 7);
}

#[test]
fn the_bytes_that_a_seed_gives_do_not_change_between_versions() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 1000 --shape 3,32,32 --dtype u8").expect(0);
    let digest = bench(dir.path(), "digest DIR").expect(0).stdout;
    assert_eq!(digest, "8b7badd87c6ab470978a8fab8736a76a\n");
}

#[test]
fn a_range_of_lengths_gives_images_of_many_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR --samples 40 --shape 3,10..40,20..30 --dtype u8";
    let ended = bench(dir.path(), line).expect(0);
    let ragged = "--ragged input:1:40 --ragged input:2:30";
    assert!(ended.stdout.contains("u8[3, 10..40, 20..30]"), "{ended:#?}");
    assert!(ended.stdout.trim_end().ends_with(ragged), "what reads it: {ended:#?}");
    let first = fs::read(file(&dir, "input", 0)).unwrap();
    bench(dir.path(), line).expect(0);
    assert_eq!(fs::read(file(&dir, "input", 0)).unwrap(), first);
    let sizes = (0..40).map(|index| fs::metadata(file(&dir, "input", index)).unwrap().len());
    assert!(sizes.collect::<std::collections::HashSet<_>>().len() > 10);
    bench(dir.path(), &format!("check DIR {ragged}")).expect(0);
    for line in ["check DIR", "run DIR"] {
        let ended = bench(dir.path(), line).expect(1);
        let said = ended.stdout + &ended.stderr;
        assert!(said.contains("--ragged ") && !said.contains(".ragged("), "{said}");
    }
    let json = bench(dir.path(), &format!("inspect DIR {ragged} --json")).expect(0).json();
    assert!(json["smallest"]["bytes"].as_u64() < json["largest"]["bytes"].as_u64(), "{json}");
    let digest = format!("digest DIR {ragged} --augment 'random_resized_crop(16)' --workers");
    let digests = [0, 3].map(|n| bench(dir.path(), &format!("{digest} {n}")).expect(0).stdout);
    assert_eq!(digests[0], digests[1]);
    let ended = bench(dir.path(), &format!("run DIR {ragged}")).expect(2);
    assert!(ended.stderr.contains("--augment") && !ended.stderr.contains(".pad("), "{ended:#?}");
}

#[test]
fn arrays_take_the_place_of_nothing_but_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let line = |options: &str| format!("gen DIR/a --samples 5 --shape 4 --dtype u8 {options}");
    bench(dir.path(), &line("--as npy")).expect(0);
    bench(dir.path(), &line("--as npy --seed 1")).expect(0);
    let ended = bench(dir.path(), &line("--as safetensors")).expect(1);
    assert!(ended.stderr.contains("already holds"), "{ended:#?}");
    bench(dir.path(), "gen DIR/b --samples 5 --shape 4 --dtype u8").expect(0);
    let ended = bench(dir.path(), "gen DIR/b --samples 5 --shape 4 --dtype u8 --as npy").expect(1);
    assert!(ended.stderr.contains("name a new folder"), "{ended:#?}");
    fs::write(dir.path().join("c"), "").unwrap();
    for kind in ["folders", "npy"] {
        let line = format!("gen DIR/c --samples 5 --shape 4 --dtype u8 --as {kind}");
        let ended = bench(dir.path(), &line).expect(1);
        assert!(ended.stderr.contains("a file has its name"), "{ended:#?}");
    }
}

#[test]
fn a_file_that_has_no_room_is_named_and_not_left_behind() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["folders", "npy", "safetensors"] {
        let place = dir.path().join(kind);
        // No file may be larger than a few kB; without the trap that would be a signal.
        let limited = r#"trap "" XFSZ; ulimit -f 8; exec "$@""#;
        let mut shell = command("sh");
        shell.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_bench-loader"), "gen"]).arg(&place);
        shell.args(["--samples", "9", "--shape", "3,90,90", "--dtype", "u8", "--as", kind]);
        let output = shell.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.starts_with("error: cannot write \"") && stderr.contains(kind), "{stderr}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "half of a file is none");
    }
}

#[test]
fn what_was_there_stays_whole_where_there_is_no_room_for_more() {
    for kind in ["folders", "npy", "safetensors"] {
        let dir = tempfile::tempdir().unwrap();
        let line = format!("gen DIR/x --samples 9 --shape 4 --dtype u8 --as {kind}");
        bench(dir.path(), &line).expect(0);
        let before = bench(dir.path(), "digest DIR/x").expect(0).stdout;
        let limited = r#"trap "" XFSZ; ulimit -f 8; exec "$@""#;
        let mut shell = command("sh");
        shell.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_bench-loader"), "gen"]);
        shell.arg(dir.path().join("x"));
        shell.args(["--samples", "9", "--shape", "3,90,90", "--dtype", "u8", "--as", kind]);
        assert_eq!(shell.output().unwrap().status.code(), Some(1));
        assert_eq!(bench(dir.path(), "digest DIR/x").expect(0).stdout, before, "{kind}");
        let again = format!("gen DIR/x --samples 9 --shape 5 --dtype u8 --as {kind}");
        bench(dir.path(), &again).expect(0);
        assert_ne!(bench(dir.path(), "digest DIR/x").expect(0).stdout, before, "{kind}");
    }
}

#[test]
fn what_it_suggests_can_be_pasted_whatever_the_folder_is_called() {
    if command("bash").args(["-c", "true"]).output().is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let hostile =
        ["two words", "it's", "$(touch pwned)", "a\nb", "-rf", "`id`;\u{202e}", "\u{1b}[2J"];
    for name in hostile {
        let gen_in = |name: &str| {
            let mut gen_command = crate::tester::program();
            gen_command.current_dir(dir.path()).arg("gen");
            gen_command.args(["--samples", "2", "--shape", "3", "--dtype", "u8", "--", name]);
            gen_command.output().unwrap()
        };
        let ended = gen_in(name);
        let said = String::from_utf8(ended.stdout).unwrap();
        assert!(ended.status.success(), "{name:?}: {said}");
        assert!(said.chars().all(|c| c == '\n' || !c.is_control()), "{said:?}");
        let suggested = said.lines().last().unwrap().strip_prefix("try next: ").unwrap();
        let pasted = suggested.replace("--shuffle --ceiling", "--epochs 1");
        let pasted =
            command("bash").args(["-c", &pasted]).current_dir(dir.path()).output().unwrap();
        assert!(pasted.status.success(), "{suggested}: {pasted:?}");
    }
    assert!(!dir.path().join("pwned").exists());
}

#[test]
fn pictures_are_in_class_folders_or_have_masks() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/a --samples 7 --shape 30..40,50 --as jpeg --classes 3 --seed 2";
    let ended = bench(dir.path(), line).expect(0);
    assert!(
        ended.stdout.starts_with("wrote 7 pictures of 30..40x50 pixels of 3 classes"),
        "{ended:#?}"
    );
    let names = |folder: &str| {
        let entries = fs::read_dir(dir.path().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names("a"), ["class_0", "class_1", "class_2"]);
    assert_eq!(names("a/class_0"), ["000000.jpg", "000003.jpg", "000006.jpg"]);
    let first = fs::read(dir.path().join("a/class_0/000000.jpg")).unwrap();
    assert!(first.starts_with(&[0xff, 0xd8, 0xff]));
    bench(dir.path(), line).expect(0);
    assert_eq!(fs::read(dir.path().join("a/class_0/000000.jpg")).unwrap(), first);

    let ended = bench(dir.path(), "gen DIR/b --samples 3 --shape 20,30 --as jpeg").expect(0);
    assert!(ended.stdout.contains("with masks of 20 classes"), "{ended:#?}");
    assert!(ended.stdout.contains("--mask target"), "what reads it: {ended:#?}");
    assert_eq!(names("b"), ["input", "output"]);
    assert_eq!(names("b/input"), ["000000.jpg", "000001.jpg", "000002.jpg"]);
    assert_eq!(names("b/output"), ["000000.png", "000001.png", "000002.png"]);
}

#[test]
fn pictures_are_not_written_among_others() {
    let dir = tempfile::tempdir().unwrap();
    let line = |options: &str| format!("gen DIR/a --samples 6 --shape 20,20 --as png {options}");
    bench(dir.path(), &line("--classes 3")).expect(0);
    for (options, words) in [
        ("--classes 2", "\"class_2\", which would be a class too"),
        ("", "which would be a class too"),
        ("--classes 3 --quality 9", "--quality needs --as jpeg"),
        ("--classes 7", "--classes 7, but there is only 6 samples"),
        ("--dtype u8", "--dtype is not for pictures"),
    ] {
        let ended = bench(dir.path(), &line(options));
        assert!(ended.code != 0 && ended.stderr.contains(words), "{words}: {ended:#?}");
    }
    fs::rename(dir.path().join("a/class_0/000000.png"), dir.path().join("a/class_1/000000.png"))
        .unwrap();
    let ended = bench(dir.path(), &line("--classes 3")).expect(1);
    assert!(ended.stderr.contains("mix with the samples"), "{ended:#?}");
    let ended = bench(dir.path(), "gen DIR/c --samples 3 --shape 2").expect(2);
    assert!(ended.stderr.contains("--dtype is missing"), "{ended:#?}");
}
