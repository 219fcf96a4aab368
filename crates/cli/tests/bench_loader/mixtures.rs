//! Several sources: concatenations, and mixtures by weight.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::tester::{Ended, bench, samples};

/// Shards of one field of whole numbers: `web` and `code` have it as `tokens`, `books` as `text`, and
/// `other` has floats.
fn shards() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("web.safetensors"), "tokens", "I32", 60);
    write(&dir.path().join("code.safetensors"), "tokens", "I32", 7);
    write(&dir.path().join("books.safetensors"), "text", "I32", 20);
    write(&dir.path().join("other.safetensors"), "tokens", "F32", 9);
    dir
}

/// A file of `len` samples of two numbers.
fn write(path: &Path, field: &str, dtype: &str, len: usize) {
    let bytes = len * 8;
    let header = format!(
        "{{\"{field}\":{{\"dtype\":\"{dtype}\",\"shape\":[{len},2],\"data_offsets\":[0,{bytes}]}}}}"
    );
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend((0..len as u32 * 2).flat_map(|x| (x + bytes as u32).to_le_bytes()));
    fs::write(path, file).unwrap();
}

const TWO: &str = "DIR/web.safetensors DIR/code.safetensors";
const THREE: &str =
    "DIR/web.safetensors DIR/code.safetensors DIR/books.safetensors --rename text=tokens";

fn json(dir: &TempDir, line: &str) -> Value {
    bench(dir.path(), &format!("{line} --json")).expect(0).json()
}

fn numbers(line: &str) -> [usize; 3] {
    let mut words = line.split(' ').map(|word| word.parse().unwrap_or(0));
    std::array::from_fn(|_| words.next().unwrap())
}

#[test]
fn sources_without_weights_are_one_after_the_other() {
    let dir = shards();
    let json = json(&dir, &format!("inspect {TWO}"));
    assert_eq!(json["samples"], 67);
    let parts = json["parts"].as_array().unwrap();
    assert_eq!((&parts[0]["samples"], &parts[1]["samples"]), (&60.into(), &7.into()));
    assert!(parts[0]["source"].as_str().unwrap().ends_with("web.safetensors"), "{parts:?}");
    assert_eq!((&parts[0]["asked"], &json["epoch_samples"]), (&Value::Null, &Value::Null));
    let indices: Vec<usize> =
        samples(dir.path(), TWO).iter().map(|line| numbers(line)[2]).collect();
    assert_eq!(indices, (0..67).collect::<Vec<_>>());
    let alone = bench(dir.path(), "inspect DIR/web.safetensors").expect(0).stdout;
    assert!(!alone.contains("parts"), "{alone}");
}

#[test]
fn a_mixture_has_its_shares_in_each_batch() {
    let dir = shards();
    let lines = samples(dir.path(), &format!("{TWO} --weights 3,1 --shuffle --epochs 2"));
    assert_eq!(lines.len(), 2 * 80, "until all of web were seen");
    for batch in lines.chunks(4) {
        let code = batch.iter().filter(|line| numbers(line)[2] >= 60);
        assert_eq!(code.count(), 1, "{batch:?}");
    }
    // In order without --shuffle, and each source begins again where it ends.
    let lines = samples(dir.path(), &format!("{TWO} --weights 3,1"));
    let of = |is_code: bool| {
        let own =
            lines.iter().map(|line| numbers(line)[2]).filter(move |at| (*at >= 60) == is_code);
        own.collect::<Vec<_>>()
    };
    assert_eq!(of(false), (0..60).collect::<Vec<_>>());
    assert_eq!(of(true), (0..20).map(|at| 60 + at % 7).collect::<Vec<_>>());
}

#[test]
fn an_epoch_is_as_long_as_was_asked_for() {
    let dir = shards();
    let epoch = |until: &str| {
        json(&dir, &format!("inspect {TWO} --weights 3,1 --until {until}"))["epoch_samples"].clone()
    };
    assert_eq!(epoch("all-seen"), 80);
    assert_eq!(epoch("each-once"), 67);
    assert_eq!(epoch("100"), 100);
    let first = epoch("first-ends").as_u64().unwrap();
    assert!((25..=28).contains(&first), "7 of code, one in four: {first}");
    let json = json(&dir, &format!("inspect {TWO} --weights 3,1"));
    let code = &json["parts"][1];
    assert_eq!((&code["asked"], &code["seen"]), (&0.25.into(), &(20.0 / 7.0).into()), "{code}");
}

#[test]
fn weights_change_at_a_position() {
    let dir = shards();
    let line = format!("{TWO} --weights 1,0 --weights 0,1@20 --until 30");
    let indices: Vec<usize> =
        samples(dir.path(), &line).iter().map(|line| numbers(line)[2]).collect();
    assert_eq!(indices[..20], (0..20).collect::<Vec<_>>());
    assert!(indices[20..].iter().all(|at| *at >= 60), "{indices:?}");
}

#[test]
fn a_mixture_is_the_same_over_workers_batches_ahead_ranks_and_resumes() {
    let dir = shards();
    let mix =
        format!("{THREE} --weights 3,1,0.5 --weights 1,1,1@40 --shuffle --seed 5 --batch-size 12");
    let one = samples(dir.path(), &format!("{mix} --epochs 2"));
    for workers in [0, 1, 3, 8] {
        for prefetch in [1, 4] {
            let options = format!("{mix} --epochs 2 --workers {workers} --prefetch {prefetch}");
            assert_eq!(samples(dir.path(), &options), one, "{options}");
        }
    }
    for world in [2, 3, 8] {
        let rank =
            |rank| samples(dir.path(), &format!("{mix} --epochs 2 --rank {rank} --world {world}"));
        let mut all: Vec<String> = (0..world).flat_map(rank).collect();
        all.sort_by_key(|line| numbers(line));
        assert_eq!(all, one, "{world} ranks");
    }
    let epoch: Vec<&String> = one.iter().filter(|line| numbers(line)[0] == 0).collect();
    let batches = epoch.len().div_ceil(12);
    for batch in 0..=batches {
        let from = samples(dir.path(), &format!("{mix} --epochs 2 --start-batch {batch}"));
        assert_eq!(from, one[(batch * 12).min(epoch.len())..], "from batch {batch}");
        let steps = format!("{mix} --steps {batch}..{}", 2 * batches);
        assert_eq!(samples(dir.path(), &steps), from, "from step {batch}");
    }
}

#[test]
fn a_run_reports_what_came_of_each_source() {
    let dir = shards();
    let json = json(&dir, &format!("run {TWO} --weights 3,1 --shuffle --steps 5 --batch-size 16"));
    assert_eq!((&json["samples"], &json["batches"]), (&80.into(), &5.into()));
    let settings = &json["settings"];
    assert_eq!(settings["source"].as_array().map(Vec::len), Some(2), "{settings}");
    assert_eq!((&settings["weights"][0], &settings["steps"]), (&"3,1".into(), &"5".into()));
    let web = &json["parts"][0];
    assert_eq!(
        (&web["rows"], &web["share"], &web["asked"]),
        (&60.into(), &0.75.into(), &0.75.into())
    );
    assert_eq!(web["seen"], 1.0);
    let page = dir.path().join("page.html");
    let line = format!("run {TWO} --weights 3,1 --steps 0..10 --html {}", page.display());
    let text = bench(dir.path(), &line).expect(0).stdout;
    assert!(text.contains("parts     ") && text.contains("75.00% of 75.00% asked"), "{text}");
    assert!(text.contains("steps 0..10"), "{text}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("times seen") && page.contains("Mix::new(&amp;[3.0, 1.0])?"), "{page}");
}

#[test]
fn all_commands_read_several_sources() {
    let dir = shards();
    let checked = bench(dir.path(), &format!("check {TWO}")).expect(0);
    assert!(checked.stdout.contains("67 samples"), "{checked:#?}");
    assert_eq!(json(&dir, &format!("stats {THREE}"))["samples"], 87);
    bench(dir.path(), &format!("pack {THREE} --to DIR/packed")).expect(0);
    let packed = bench(dir.path(), "digest DIR/packed").expect(0).stdout;
    assert_eq!(packed, bench(dir.path(), &format!("digest {THREE}")).expect(0).stdout);
    let ended = bench(dir.path(), &format!("compare {TWO}")).expect(2);
    assert!(ended.stderr.contains("compare takes one SOURCE"), "{ended:#?}");
}

#[test]
fn what_does_not_go_together_is_refused_with_what_to_do() {
    let dir = shards();
    let said = |line: &str, code: i32| {
        let Ended { stderr, .. } = bench(dir.path(), line).expect(code);
        stderr
    };
    let error = said("run DIR/web.safetensors DIR/books.safetensors", 1);
    let words = [
        "books.safetensors",
        "found text: i32[2], expected tokens: i32[2] as in",
        "web.safetensors",
    ];
    assert!(words.iter().all(|word| error.contains(word)), "{error}");
    assert!(error.contains("rename it, as in --rename text=tokens"), "{error}");
    let error = said("inspect DIR/web.safetensors DIR/other.safetensors", 1);
    assert!(error.contains("found tokens: f32[2], expected tokens: i32[2]"), "{error}");
    let error = said(&format!("run {TWO} --weights 3"), 2);
    assert!(error.contains("found 1 weight for 2 sources"), "{error}");
    let error = said("run DIR/web.safetensors --weights 3,1", 2);
    assert!(error.contains("found 2 weights for 1 source"), "{error}");
    assert!(said(&format!("run {TWO} --until each-once"), 2).contains("--weights"));
    assert!(said(&format!("run {TWO} --weights 0,0"), 2).contains("no weight is above 0"));
    assert!(said(&format!("run {TWO} --weights 1,2@9"), 2).contains("--weights"));
    let error = said(&format!("run {TWO} --rename txt=tokens"), 2);
    assert!(error.contains("no source has a field \"txt\", the fields are \"tokens\""), "{error}");
    let error = said(&format!("run {TWO} --steps 3 --epochs 2"), 2);
    assert!(error.contains("--steps") && error.contains("--epochs"), "{error}");
    let checked = bench(dir.path(), &format!("check {TWO} DIR/books.safetensors")).expect(1);
    assert!(checked.stdout.contains("--rename text=tokens"), "{checked:#?}");
}
