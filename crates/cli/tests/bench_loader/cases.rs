//! Real-life data that was once handled wrongly, one test each.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::tester::{Ended, bench, file, pairs};

/// A `.npy` file of this element type and shape, with all elements zero.
fn npy(descr: &str, shape: &str, payload_bytes: usize) -> Vec<u8> {
    let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00v\x00".to_vec();
    bytes.extend(format!("{text:117}\n").as_bytes());
    bytes.resize(bytes.len() + payload_bytes, 0);
    bytes
}

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A `.safetensors` file of one tensor of type `U8` that takes no bytes.
fn shard(samples: u64) -> Vec<u8> {
    let header =
        format!(r#"{{"input":{{"dtype":"U8","shape":[{samples},0],"data_offsets":[0,0]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
     oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n";

/// Everything that was printed, on either stream.
fn said(ended: &Ended) -> String {
    format!("{}{}", ended.stdout, ended.stderr)
}

#[track_caller]
fn holds(ended: Ended, words: &[&str]) -> Ended {
    for words in words {
        assert!(said(&ended).contains(words), "{words:?}: {ended:#?}");
    }
    ended
}

#[test]
fn normalize_takes_as_many_channels_as_there_are() {
    let dir = tempfile::tempdir().unwrap();
    (0..3).for_each(|i| write(dir.path(), &format!("{i}.npy"), npy("|u1", "(5, 8, 8)", 320)));
    let line = "digest DIR --layout chw --augment 'normalize([0.1,0.2,0.3,0.4,0.5],[1,1,1,1,1])'";
    assert_eq!(bench(dir.path(), line).expect(0).lines().len(), 1);
}

#[test]
fn a_sample_that_failed_is_never_its_own_substitute() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "000.npy", "");
    (1..10).for_each(|i| write(dir.path(), &format!("00{i}.npy"), npy("<f4", "(1,)", 4)));
    for seed in 1..=60 {
        let line = format!("digest DIR --on-error substitute:1 --seed {seed}");
        bench(dir.path(), &line).expect(0);
    }
}

#[test]
fn a_batch_of_more_samples_than_there_are_is_no_silent_epoch_of_nothing() {
    let dir = tempfile::tempdir().unwrap();
    (0..12).for_each(|i| write(dir.path(), &format!("img{i}.npy"), npy("<f4", "(1,)", 4)));
    for command in ["run", "digest"] {
        let line = format!("{command} DIR --batch-size 64 --last drop");
        let ended = holds(bench(dir.path(), &line), &["64", "12"]);
        assert!([1, 2].contains(&ended.code), "{ended:#?}");
    }
}

#[test]
fn each_file_of_a_folder_is_paired_with_a_row_of_the_array_beside_it() {
    for (name, command) in
        [("output.npy", "inspect"), ("labels.npy", "run"), ("targets.npy", "check")]
    {
        let dir = tempfile::tempdir().unwrap();
        (0..3).for_each(|i| {
            write(dir.path(), &format!("input/{i}.npy"), npy("|u1", "(3, 8, 8)", 192))
        });
        write(dir.path(), name, npy("<i8", "(3,)", 24));
        let json = bench(dir.path(), "inspect DIR --json").expect(0).json();
        assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&3.into(), &"target".into()));
        let ended = bench(dir.path(), &format!("{command} DIR")).expect(0);
        if command != "check" {
            holds(
                ended,
                &[
                    "input: u8[3, 8, 8]",
                    "target: i64[]",
                    &format!("target={}", dir.path().join(name).display()),
                ],
            );
        }
        write(dir.path(), name, npy("<i8", "(2,)", 16));
        let ended = bench(dir.path(), "inspect DIR").expect(1);
        holds(ended, &["3 samples in", "/input\"", "and 2 in", name]);
    }
}

#[test]
fn rows_are_not_paired_with_names_that_count_in_another_order() {
    let dir = tempfile::tempdir().unwrap();
    (0..12).for_each(|i| write(dir.path(), &format!("input/img{i}.npy"), npy("|u1", "(3,)", 3)));
    write(dir.path(), "labels.npy", npy("<i8", "(12,)", 96));
    let ended = bench(dir.path(), "inspect DIR").expect(1);
    holds(ended, &["\"img11.npy\" comes before \"img2.npy\"", "leading zeros"]);
}

#[test]
fn a_git_lfs_pointer_is_called_one_and_what_fetches_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "st/a.safetensors", LFS_POINTER);
    write(dir.path(), "npy/0.npy", LFS_POINTER);
    holds(bench(dir.path(), "inspect DIR/st").expect(1), &["Git LFS pointer", "git lfs pull"]);
    holds(bench(dir.path(), "check DIR/npy").expect(1), &["Git LFS pointer", "git lfs pull"]);
}

#[test]
fn images_of_any_number_type_go_through_a_chain_or_are_told_the_way() {
    let dir = tempfile::tempdir().unwrap();
    for (name, descr, shape, bytes) in
        [("f64", "<f8", "(3, 32, 32)", 24576), ("i16", "<i2", "(1, 32, 32)", 2048)]
    {
        (0..3)
            .for_each(|i| write(dir.path(), &format!("{name}/{i}.npy"), npy(descr, shape, bytes)));
        let ended = bench(dir.path(), &format!("digest DIR/{name} --augment resize(16)"));
        assert!(ended.code == 0 || ended.stderr.contains("to_dtype"), "{ended:#?}");
    }
}

#[test]
fn names_that_differ_by_a_suffix_are_eight_problems_and_no_sample() {
    let dir = tempfile::tempdir().unwrap();
    for i in 0..4 {
        write(dir.path(), &format!("input/s{i}.npy"), npy("|u1", "(3,)", 3));
        write(dir.path(), &format!("output/s{i}_mask.npy"), npy("|u1", "(3,)", 3));
    }
    let ended = holds(bench(dir.path(), "inspect DIR").expect(1), &["_mask"]);
    assert!(!ended.stderr.contains("unpaired: 8 unpaired"), "{ended:#?}");
    let json = bench(dir.path(), "check DIR --json").expect(1).json();
    assert_eq!((&json["samples"], json["problems"].as_array().unwrap().len()), (&0.into(), 8));
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert_eq!(*ended.lines().last().unwrap(), "0 samples, 8 problems");
    holds(ended, &["_mask"]);
}

#[test]
fn what_lies_after_the_end_of_an_array_is_a_problem() {
    let dir = tempfile::tempdir().unwrap();
    let both = [npy("<f4", "(10, 2)", 80), npy("<f4", "(10, 2)", 80)].concat();
    write(dir.path(), "two.npy", &both);
    write(dir.path(), "folder/0.npy", &both);
    write(dir.path(), "folder/1.npy", npy("<f4", "(10, 2)", 80));
    for (source, samples) in [("two.npy", 10), ("folder", 2)] {
        let ended = bench(dir.path(), &format!("check DIR/{source}")).expect(1);
        let ended = holds(ended, &["trailing", "array"]);
        let last = format!("{samples} samples, 1 problem");
        assert_eq!(*ended.lines().last().unwrap(), last);
        bench(dir.path(), &format!("digest DIR/{source}")).expect(0);
    }
}

#[test]
fn arrays_of_unequal_length_are_both_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "input.npy", npy("<f4", "(10, 2)", 80));
    write(dir.path(), "output.npy", npy("<i8", "(9,)", 72));
    for command in ["inspect", "check", "run", "digest"] {
        let ended = bench(dir.path(), &format!("{command} DIR")).expect(1);
        holds(ended, &["10 samples in", "input.npy\"", "9 in", "output.npy\""]);
    }
}

#[test]
fn a_dangling_link_is_a_problem_of_its_own() {
    let dir = pairs(4);
    fs::remove_file(file(&dir, "input", 0)).unwrap();
    symlink("/absent/image.npy", file(&dir, "input", 0)).unwrap();
    let ended = bench(dir.path(), "inspect DIR").expect(0);
    holds(ended, &["samples   4", "unread    1 sample", "000000.npy"]);
    let ended = bench(dir.path(), "check DIR").expect(1);
    let ended = holds(ended, &["000000.npy: i/o error", "dangling link to \"/absent/image.npy\""]);
    assert_eq!(*ended.lines().last().unwrap(), "4 samples, 1 problem");
}

#[test]
fn names_that_only_look_equal_are_said_to() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "input/caf\u{e9}.npy", npy("|u1", "(3,)", 3));
    write(dir.path(), "output/cafe\u{301}.npy", npy("|u1", "(3,)", 3));
    let ended = bench(dir.path(), "inspect DIR");
    assert!(ended.code == 0 || said(&ended).contains("Unicode"), "{ended:#?}");
}

#[test]
fn a_small_number_is_said_in_a_few_digits() {
    let dir = tempfile::tempdir().unwrap();
    (0..3).for_each(|i| write(dir.path(), &format!("{i}.npy"), npy("|u1", "(3, 32, 32)", 3072)));
    let line = "digest DIR --augment 'random_resized_crop(16,scale=1..0.5)'";
    let ended = bench(dir.path(), line).expect(2);
    assert!(!ended.stderr.contains("0000"), "{ended:#?}");
}

#[test]
fn an_image_smaller_than_its_crop_can_be_padded_where_one_wants() {
    let dir = tempfile::tempdir().unwrap();
    for (i, rows) in [5, 8, 11, 14].into_iter().enumerate() {
        let image = npy("|u1", &format!("(3, {rows}, 40)"), 3 * rows * 40);
        write(dir.path(), &format!("{i}.npy"), image);
    }
    let digest = |chain: &str| {
        let line = format!("digest DIR --ragged input:1:20 --augment '{chain}'");
        bench(dir.path(), &line).expect(0).stdout
    };
    digest("random_crop(8)");
    digest("pad_if_needed(8) random_crop(8)");
}

#[test]
fn a_name_that_a_terminal_would_obey_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let header = format!(
        "{{{:?}:{{\"dtype\":\"U8\",\"shape\":[4,3,4,4],\"data_offsets\":[0,192]}},\
          \"lab\":{{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[192,196]}}}}",
        "NAME"
    )
    .replace("NAME", r"\u001b[31m\u001b]0;PWN\u0007\u202ex\u009b2J\u200b");
    let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    bytes.resize(bytes.len() + 196, 0);
    write(dir.path(), "img.safetensors", bytes);
    let folder = "fold\u{1b}[2J\u{202e}er\n";
    write(dir.path(), &format!("{folder}/a\u{1b}[31m.npy"), npy("|u1", "(3, 4, 4)", 48));
    write(dir.path(), &format!("{folder}/b\u{9b}.npy"), "");
    let image = "DIR/img.safetensors";
    for line in [
        format!("inspect {image} --png DIR/x.png"),
        format!("inspect {image} --json"),
        format!("check {image}"),
        format!("check {image} --json"),
        format!("explain {image} --augment hflip"),
        format!("explain {image} --augment hflip --augment-field nosuch"),
        format!("preview {image} --augment hflip --out DIR/x.png"),
        format!("run {image} --epochs 1"),
        format!("run {image} --epochs 1 --html DIR/x.html"),
        format!("run {image} --epochs 1 --json"),
        format!("digest {image} --json --augment hflip"),
        "inspect 'DIR/FOLDER'".to_owned(),
        "check 'DIR/FOLDER'".to_owned(),
        "check 'DIR/FOLDER' --json".to_owned(),
        "run 'DIR/FOLDER'".to_owned(),
        "digest 'DIR/FOLDER'".to_owned(),
        "run 'DIR/FOLDER' --html 'DIR/FOLDER/a'".to_owned(),
        "doctor 'DIR/FOLDER/absent'".to_owned(),
    ] {
        let ended = bench(dir.path(), &line.replace("FOLDER", folder));
        let hostile =
            |c: char| c != '\n' && (c.is_control() || ['\u{202e}', '\u{200b}'].contains(&c));
        assert!(!said(&ended).contains(hostile), "{line}: {ended:#?}");
        assert!(ended.stdout.lines().count() + ended.stderr.lines().count() > 0, "{line}");
        if line.ends_with("--json") && ended.code == 0 {
            ended.json();
        }
    }
    let page = fs::read_to_string(dir.path().join("x.html")).unwrap();
    assert!(!page.contains(|c: char| c != '\n' && c.is_control()), "a page shows it too");
    assert!(!page.contains('\u{202e}') && page.contains("\\u{202e}"), "a page shows it too");
}

#[test]
fn samples_without_bytes_are_looked_at_at_once_however_many() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "all.npy", npy("|u1", "(1099511627776, 0)", 0));
    write(dir.path(), "many.npy", npy("|u1", "(4294967296, 0)", 0));
    // A real file with many rows needs as little time.
    write(dir.path(), "tokens.npy", npy("|u1", "(500000000,)", 0));
    let tokens = fs::OpenOptions::new().write(true).open(dir.path().join("tokens.npy")).unwrap();
    tokens.set_len(128 + 500_000_000).unwrap();
    for name in ["all.npy", "many.npy", "tokens.npy"] {
        let began = Instant::now();
        let ended = bench(dir.path(), &format!("inspect DIR/{name}"));
        assert!(ended.code <= 1, "{ended:#?}");
        assert!(began.elapsed() < Duration::from_secs(10), "{name}");
    }
    let began = Instant::now();
    let ended = bench(dir.path(), "check DIR/many.npy").expect(0);
    assert_eq!(ended.stdout, "4,294,967,296 samples, no problems\n");
    assert!(began.elapsed() < Duration::from_secs(10));
    let json = bench(dir.path(), "inspect DIR/tokens.npy --json").expect(0).json();
    assert_eq!((&json["samples"], &json["bytes"]), (&500_000_000.into(), &500_000_000.into()));
}

#[test]
fn more_samples_than_can_be_counted_are_an_error() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "0.safetensors", shard(u64::MAX));
    write(dir.path(), "1.safetensors", shard(5));
    let ended = bench(dir.path(), "inspect DIR").expect(1);
    holds(ended, &["too large"]);
}

/// A file of the tests of `tallow-core`, and its bytes.
fn of_core(name: &str) -> (std::path::PathBuf, u64) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/data").join(name);
    let bytes = fs::metadata(&path).unwrap().len();
    (path, bytes)
}

#[test]
fn inspect_adds_up_samples_of_all_lengths_and_shared_pages_once() {
    let inspect = |path: &Path| {
        let line = format!("inspect {} --json", path.display());
        bench(Path::new("/"), &line).expect(0).json()
    };
    // Five rows: 8 bytes each, two texts, and lists of 0 to 4 numbers.
    let json = inspect(&of_core("arrow/polars.arrow").0);
    assert_eq!(json["bytes"], 5 * 8 + 71 + 55 + 10 * 8, "{json}");
    assert_eq!(json["largest"]["index"], 4, "{json}");
    let (path, file) = of_core("parquet/indexed.parquet");
    let json = inspect(&path);
    let bytes = json["bytes"].as_u64().unwrap();
    assert!(bytes < file && bytes > file / 3, "{bytes} of {file}");
    assert!(json["largest"].is_null(), "{json}");
}
