use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use crate::tester::{bench, pairs, program};

#[test]
fn help_and_version_are_no_errors() {
    let dir = tempfile::tempdir().unwrap();
    for line in ["--help", "--version", "run --help", "gen -h", "preview --help", "compare --help"]
    {
        assert!(!bench(dir.path(), line).expect(0).stdout.is_empty());
    }
}

#[test]
fn every_usage_error_ends_with_2_and_words_on_standard_error() {
    let dir = pairs(5);
    for (line, words) in [
        ("frobnicate", "unrecognized subcommand"),
        ("demo --epochs 0", "--epochs"),
        ("run", "SOURCE"),
        ("run DIR --field a=DIR/input", "cannot be used with"),
        ("run --field DIR", "NAME=FOLDER"),
        ("run DIR --batch-size 0", "at least 1"),
        ("run DIR --batch-size x", "whole number"),
        ("run DIR --workers many", "number or auto"),
        ("run DIR --workers -1", "expected 0, a larger whole number or auto"),
        ("run DIR --prefetch 0", "prefetch"),
        ("run DIR --epochs 0", "expected at least 1"),
        ("run DIR --epochs x", "expected a whole number"),
        ("run DIR --seed -1", "'-1' for '--seed <SEED>': expected a whole number"),
        ("run DIR --seed 18446744073709551616", "the number is too large"),
        ("run DIR --prefetch -1", "expected a whole number"),
        ("run DIR --resident 1GB", "--device cuda:N"),
        ("--json run DIR", "--json comes before run"),
        ("run DIR --color red", "auto, always, never"),
        ("run DIR --ragged input", "FIELD:AXIS:MAX"),
        ("run DIR --ragged input:0:0", "FIELD:AXIS:MAX"),
        ("run DIR --ragged x:0:3", "the fields are input, target"),
        ("run DIR --ragged input:7:3", "axis 7"),
        ("run DIR/input/000000.npy --ragged input:0:3", "--ragged"),
        ("inspect DIR --samples 3", "--png"),
        ("inspect DIR --png DIR/x --samples 33", "1..=32"),
        ("run DIR --last maybe", "keep"),
        ("run DIR --rank 1", "--world"),
        ("run DIR --rank x --world 2", "a whole number or auto"),
        ("run DIR --rank auto --world 2", "leave out --world"),
        ("run DIR --rank 2 --world 2", "rank 2"),
        ("run DIR --world 0", "at least 1"),
        ("run DIR --batch-size 1 --rank 0 --world 2", "at least one row per rank"),
        ("run DIR --batch-size 2 --start-batch 4", "3 batches"),
        ("run DIR --start-batch 0 --ceiling", "cannot be used with"),
        ("run DIR --on-error ignore", "skip:N"),
        ("run DIR --on-error skip", "N is the number of bad samples allowed per epoch"),
        ("run DIR --augment 'random_hflip 0.5'", "as in random_hflip(0.5)"),
        ("run DIR --augment normalize(0.5)", "both as in normalize(0.5, 0.25)"),
        ("run DIR --on-error skip:few", "number of samples"),
        ("run DIR --step-ms x", "expected milliseconds"),
        ("run DIR --step-ms=-1", "expected milliseconds"),
        ("run DIR --step-ms 1 --ceiling", "cannot be used with"),
        ("doctor DIR DIR", "unexpected argument"),
        ("run DIR --device tpu", "cuda:N"),
        ("run DIR --device cuda:x", "device number"),
        ("run DIR/input/000000.npy --recursive", "--recursive"),
        ("run --field a=DIR/input --field a=DIR/output", "two fields"),
        ("gen DIR/x --shape 3 --dtype u8", "--samples"),
        ("gen DIR/x --samples 0 --shape 3 --dtype u8", "at least 1"),
        ("gen DIR/x --samples 1 --shape 3,y --dtype u8", "3,32,32"),
        ("gen DIR/x --samples 1 --shape 3 --dtype bf16", "f32"),
        ("gen DIR/x --samples 1 --shape 3 --dtype u4", "expected one of"),
        ("gen DIR/x --samples 1 --shape 3 --dtype uint8", "did you mean u8?"),
        ("gen DIR/x --samples 1 --shape 3 --dtype float32", "did you mean f32?"),
        ("gen DIR/x --samples 1 --shape 1000000,1000000 --dtype u8", "bytes per sample"),
        ("gen DIR/x --samples -1 --shape 3 --dtype u8", "whole number"),
        ("gen DIR/x --samples 1 --shape -3,2 --dtype u8", "\"-3\" is not a length"),
        ("gen DIR/x --samples 1 --shape 9..3 --dtype u8", "smaller end"),
        ("gen DIR/x --samples 1 --shape 3 --dtype u8 --as zip", "folders, npy, safetensors"),
        ("gen DIR/x --samples 1 --shape 3 --dtype u8 --shards 2", "--as safetensors"),
        ("gen DIR/x --samples 1 --shape 3 --dtype u8 --as safetensors --shards 2", "only 1 sample"),
        ("gen DIR/x --samples 1 --shape 3..4 --dtype u8 --as npy", "--as folders"),
        ("completions", "<SHELL>"),
        ("completions tcsh", "zsh"),
        ("man frobnicate", "\"frobnicate\""),
        ("digest DIR --seed x", "--seed"),
        ("check", "SOURCE"),
        ("inspect --json", "SOURCE"),
        ("run DIR --layout chw", "--augment"),
        ("run DIR --augment hflip --layout hcw", "expected one of hw, chw"),
        ("run DIR --augment hflip --augment-field x", "\"x\", which is no field"),
        ("digest DIR --augment hflip --one-hot target", "FIELD:CLASSES"),
        ("digest DIR --augment hflip --one-hot target:0", "at least 1"),
        ("digest DIR --augment hflip --mask target", "target"),
        ("digest DIR --augment random_crop(99)", "99"),
        ("explain DIR", "--augment"),
        ("explain --augment hflip", "SOURCE"),
        ("explain DIR --augment random_crop(99)", "99"),
        ("catalogue DIR", "expected the name of a step"),
        ("compare", "SOURCE"),
        ("compare DIR --python DIR/absent", "cannot start the Python"),
        ("compare DIR --rounds 0", "--rounds"),
        ("compare DIR --timeout 0", "--timeout"),
        ("compare DIR --batch-size 0", "at least 1"),
        ("compare DIR --workers 0", "at least one worker"),
        ("compare DIR --ragged input:0:3", "files of one shape"),
        ("compare DIR --layout chw", "--augment"),
        ("compare DIR --augment 'hflip standardize'", "compare --augment takes crops"),
        ("compare DIR --augment to_dtype(bf16)", "images of bytes with three axes"),
        ("compare DIR --augment 'normalize(0.5,0.5) hflip'", "takes hflip before normalize"),
        ("compare DIR --augment to_dtype(f32)", "images of bytes with three axes"),
        ("compare DIR --augment to_dtype(f32) --augment-field x", "not a field"),
        ("compare DIR/input/000000.npy", "folders of .npy files with one sample each"),
        ("preview DIR --augment hflip", "--out"),
        ("preview DIR --out DIR/x", "--augment"),
        ("preview DIR --out DIR/x --augment hflap", "hflip"),
        ("preview DIR --out DIR/x --augment hflip --samples 0", "--samples"),
        ("preview DIR --out DIR/x --augment hflip --samples 33", "1..=32"),
        ("preview DIR --out DIR/x --augment hflip --views 0", "--views"),
        ("preview DIR --out DIR/x --augment hflip --first-sample 5", "5 samples"),
        ("preview DIR --out DIR/x --augment hflip --show depth", "\"depth\""),
        ("preview DIR --out DIR/x --augment hflip --show target", "not an image, volume or signal"),
        ("preview DIR --out DIR/x --augment hflip --first-epoch 18446744073709551615", "epoch"),
    ] {
        let ended = bench(dir.path(), line).expect(2);
        assert!(ended.stderr.contains(words), "{line}: {ended:#?}");
        assert_eq!(ended.stdout, "", "{line}");
    }
    assert!(!dir.path().join("x").exists(), "a usage error writes nothing");
}

#[test]
#[cfg(not(any(feature = "cuda", feature = "metal")))]
fn a_device_that_was_not_built_in_is_a_usage_error() {
    let dir = pairs(1);
    for (command, device) in [("run", "cuda"), ("run", "metal"), ("digest", "cuda")] {
        let ended = bench(dir.path(), &format!("{command} DIR --device {device}:0")).expect(2);
        let how = format!("cargo build --release -p tallow-cli --features {device}");
        assert!(ended.stderr.contains(&how), "{ended:#?}");
    }
}

#[test]
fn data_that_cannot_be_opened_ends_with_1() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("x.txt"), "x").unwrap();
    for command in ["run", "digest", "inspect", "check"] {
        for (source, words) in [
            ("DIR/absent", "absent"),
            ("DIR", "no .npy file"),
            ("DIR/x.txt", "foreign format"),
            ("--field a=DIR/absent", "absent"),
        ] {
            let ended = bench(dir.path(), &format!("{command} {source}")).expect(1);
            let said = ended.stdout.clone() + &ended.stderr;
            assert!(said.contains(words), "{command} {source}: {ended:#?}");
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    // More lines than a pipe holds, so that the program must notice the closed end.
    let dir = pairs(1000);
    let mut child = program()
        // More epochs than anyone waits for, and more batches than a number can hold.
        .args(["digest", "--per-sample", "--epochs", "18446744073709551615"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &[][..]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_report_that_cannot_be_written_ends_with_1() {
    let dir = pairs(2);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    for line in [&["digest".as_ref(), dir.path()][..], &["--help".as_ref()]] {
        let output = program().args(line).stdout(full.try_clone().unwrap()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{line:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("cannot write the report"));
    }
}
