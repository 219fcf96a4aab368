//! Every kind of message of every command, checked for what makes it hard to read.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::tester::{Ended, bench, file, images, pairs, stub, truncate};

/// What a reader would stumble over in a line.
fn stumbles(line: &str) -> Option<String> {
    if let Some(c) = line.chars().find(|c| c.is_control()) {
        return Some(format!("the control character {c:?}"));
    }
    let length = line.chars().count();
    if length > 400 {
        return Some(format!("{length} characters"));
    }
    // Except after a label, and in a line that points at a word.
    let is_apart = line.starts_with("limit ") || line.starts_with(' ');
    if line.contains("  ") && !is_apart {
        return Some("a gap".to_owned());
    }
    if line.ends_with('.') {
        return Some("a full stop".to_owned());
    }
    if line.contains("a core ") || line.ends_with("a core") {
        return Some("\"a core\" for \"per core\"".to_owned());
    }
    repeated(line).map(|words| format!("{words:?} twice"))
}

/// One to four words that occur twice in a row.
fn repeated(line: &str) -> Option<String> {
    let is_mark = |c: char| !c.is_alphanumeric() && !"\\/_-.".contains(c);
    let words = line.split_whitespace().map(|word| word.trim_matches(is_mark).to_lowercase());
    let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
    (1..=4).find_map(|count| {
        let mut pairs = words.windows(2 * count).map(|both| both.split_at(count));
        // Numbers may repeat, as in a shape of 3 by 3.
        let says = |words: &[String]| words.iter().any(|word| word.contains(char::is_alphabetic));
        pairs
            .find(|(first, second)| first == second && says(first))
            .map(|(words, _)| words.join(" "))
    })
}

/// The lines in which a command warns people. The parser's message is followed by the usage, which
/// is left out.
fn said(ended: &Ended) -> Vec<String> {
    let words = ended.stderr.lines().take_while(|line| !line.is_empty());
    let limit = ended.stdout.lines().filter(|line| line.starts_with("limit "));
    words.chain(limit).map(str::to_owned).collect()
}

fn listen(dir: &Path, lines: &[&str], heard: &mut Vec<String>) {
    for line in lines {
        let ended = bench(dir, line);
        let said = said(&ended);
        assert!(!said.is_empty(), "{line} says nothing: {ended:#?}");
        let is_usage = ended.stderr.contains("\n\n");
        assert!(is_usage || ended.code != 2 || said.len() == 1, "{line}: {ended:#?}");
        heard.extend(said.into_iter().map(|said| format!("{line}\n    {said}")));
    }
}

/// Pairs in which files are broken, each in another way.
fn broken() -> TempDir {
    let dir = pairs(12);
    let input = |index| file(&dir, "input", index);
    truncate(&input(0), 1);
    fs::write(input(1), "").unwrap();
    fs::write(input(2), "no array").unwrap();
    fs::copy(file(&dir, "output", 3), input(3)).unwrap();
    fs::remove_file(input(4)).unwrap();
    symlink("nowhere.npy", input(4)).unwrap();
    fs::write(input(5), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        .unwrap();
    let header = |text: &str| {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    for (index, text) in [
        (6, "{'descr': '|O', 'fortran_order': False, 'shape': (2, 3), }"),
        (7, "{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976, 3), }"),
        (8, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3"),
        (9, "{'descr': '<c16', 'fortran_order': False, 'shape': (2, 3), }"),
        (10, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }"),
    ] {
        fs::write(input(index), header(text)).unwrap();
    }
    dir
}

#[test]
fn no_message_of_any_command_makes_its_reader_stumble() {
    let mut heard = Vec::new();
    let dir = broken();
    listen(
        dir.path(),
        &[
            "run DIR --batch-size 1 --epochs 1",
            "run DIR --batch-size 1 --workers 0 --epochs 1",
            "run DIR --on-error skip:99 --epochs 1",
            "run DIR --on-error skip:2 --batch-size 4 --epochs 1",
            "run DIR --on-error substitute:3 --batch-size 4 --epochs 1",
            "run DIR --ceiling --epochs 1",
            "digest DIR --batch-size 1",
            "digest DIR --on-error substitute:99",
            "tune DIR --seconds 1",
            "compare DIR --rounds 1",
            "run DIR/absent",
            "inspect DIR/absent.npy",
            "run DIR/input/000002.npy",
            "run DIR/input/000006.npy",
            "inspect DIR/input/000007.npy",
        ],
        &mut heard,
    );
    let dir = images(12);
    fs::create_dir(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("a.safetensors"), "no tensors, but longer than eight bytes").unwrap();
    let escapes = dir.path().join("in\u{1b}[31m\nput");
    fs::create_dir(&escapes).unwrap();
    fs::write(escapes.join("a\u{7}b.npy"), "no array").unwrap();
    fs::remove_file(file(&dir, "output", 11)).unwrap();
    stub(dir.path(), "echo boom >&2; exit 3");
    listen(
        dir.path(),
        &[
            "run DIR",
            "inspect DIR",
            "run DIR/input --epochs 1",
            "run DIR/input --augment random_crop(99)",
            "run DIR/input --augment 'color_jitter(x)'",
            "run DIR/input --augment 'resize(16) nothing_of_the_kind(3)'",
            "run DIR/input --augment normalize([1,2],[3,4])",
            "run DIR/input --augment hflip --augment-field x",
            "run DIR/input --augment hflip --mask y",
            "run DIR/input --augment mixup(0.2) --one-hot input:10",
            "digest DIR/output --augment hflip --augment-field input",
            "run DIR/input --prefetch 0",
            "run DIR/input --workers 99999999",
            "run DIR/input --prefetch 99999999999",
            "run DIR/input --batch-size 99 --last drop",
            "run DIR/input --batch-size 5 --rank 0 --world 2",
            "run DIR/input --rank 2 --world 2",
            "run DIR/input --start-batch 9",
            "run DIR/input --first-epoch 18446744073709551615",
            "run DIR/input --resident 1GB",
            "run DIR/input --cold --read-ahead 0",
            "run DIR/input --ragged x:0:3",
            "run DIR/input --ragged input:7:3",
            "run DIR/input --ragged input:1:3",
            "run DIR/input --ragged input:1:20",
            "run DIR/input --html DIR",
            "run DIR/input --html DIR/report.html --epochs 1",
            "run DIR/input --trace DIR/absent/x",
            "run DIR/empty",
            "run DIR/a.safetensors",
            "inspect DIR/a.safetensors",
            "run --field a=DIR/input --field a=DIR/output",
            "run --field a=DIR/input --field b=DIR/empty",
            "check DIR/input --workers x",
            "tune DIR/input --workers 2",
            "tune DIR/input --memory 1B",
            "tune DIR/input --batch-size 99 --last drop",
            "compare DIR/input/000000.npy",
            "compare DIR/input --augment standardize",
            "compare DIR/input --augment mixup(0.2)",
            "compare DIR/input --augment to_dtype(bf16)",
            "compare DIR/input --augment to_layout(hw)",
            "compare DIR/input --augment random_crop(99)",
            "compare DIR/input --augment 'normalize(imagenet) random_erasing'",
            "compare DIR/input --rounds 1 --augment aug_mix --python DIR/stub",
            "compare DIR/input --augment to_dtype(f32) --augment-field x",
            "compare DIR/input --workers 0",
            "compare DIR/input --python DIR/absent",
            "compare DIR/input --rounds 1 --augment to_dtype(f32) --python DIR/stub",
            "explain DIR/input --augment to_dtype(f64)",
            "preview DIR/input --augment hflip --out DIR/absent/x.png",
            "preview DIR/input --augment hflip --out DIR/x.png --first-sample 99",
            "preview DIR/input --augment hflip --out DIR/x.png --show depth",
            "gen DIR/x --samples 1 --shape 9..3 --dtype u8",
            "gen DIR/x --samples 1 --shape 1000000,1000000 --dtype u8",
            "gen DIR --samples 1 --shape 3 --dtype u8",
            "man frobnicate",
            "run DIR --device cuda:7",
            "--json run DIR",
            "frobnicate",
        ],
        &mut heard,
    );
    let named = format!("run '--field=x={}' --epochs 1", escapes.display());
    let ended = bench(dir.path(), &named).expect(1);
    heard.extend(said(&ended).into_iter().map(|said| format!("a name with escapes\n    {said}")));
    let bad: Vec<String> = heard
        .iter()
        .filter_map(|heard| {
            let (_, said) = heard.split_once("\n    ")?;
            Some(format!("{}: {heard}", stumbles(said)?))
        })
        .collect();
    if std::env::var_os("TALLOW_READ_ALOUD").is_some() {
        let _ = writeln!(std::io::stderr(), "{}", heard.join("\n"));
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn problems_that_check_lists_do_not_make_their_reader_stumble() {
    let dir = broken();
    fs::remove_file(file(&dir, "output", 11)).unwrap();
    let ended = bench(dir.path(), "check DIR").expect(1);
    assert!(ended.lines().len() > 9, "{ended:#?}");
    for line in ended.lines() {
        assert_eq!(stumbles(line), None, "{line}");
    }
}

#[test]
fn a_reader_stumbles_over_repetitions_of_up_to_four_words() {
    for (line, words) in [
        ("error: configuration: configuration: x", "configuration"),
        ("bad read, sample 3, Sample 3: gone", "sample 3"),
        ("limit     read: read is the limit", "read"),
        ("unpaired: 1 unpaired: 1", "unpaired 1"),
    ] {
        assert_eq!(repeated(line).as_deref(), Some(words), "{line}");
    }
    assert_eq!(repeated("a shape of 3 3 and 3, not 3; a/a b"), None);
    assert!(stumbles("ends so.").is_some() && stumbles("a\u{7}b").is_some());
    assert!(stumbles(&"long ".repeat(99)).is_some() && stumbles("one worker a core").is_some());
}
