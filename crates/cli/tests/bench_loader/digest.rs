use std::collections::HashSet;

use serde_json::Value;
use tempfile::TempDir;

use crate::tester::{Ended, bench, bench_with, file, pairs, truncate};

fn digest(dir: &TempDir, options: &str) -> Ended {
    bench(dir.path(), &format!("digest DIR {options}")).expect(0)
}

const COMMON: &str = "--batch-size 6 --shuffle --seed 3 --epochs 2";

#[test]
fn the_stream_is_the_same_for_any_workers_prefetch_and_batch_size() {
    let dir = pairs(53);
    let expected = digest(&dir, COMMON).stdout;
    assert_eq!(expected.trim_end().len(), 32, "{expected}");
    for workers in [0, 1, 2, 7] {
        for prefetch in [1, 2, 5] {
            let options = format!("{COMMON} --workers {workers} --prefetch {prefetch}");
            assert_eq!(digest(&dir, &options).stdout, expected, "{options}");
        }
    }
    for size in [1, 52, 53, 54] {
        let options = format!("--shuffle --seed 3 --epochs 2 --batch-size {size}");
        assert_eq!(digest(&dir, &options).stdout, expected, "{options}");
    }
}

#[test]
fn another_seed_epoch_or_order_is_another_stream() {
    let dir = pairs(20);
    let streams = ["", "--shuffle", "--shuffle --seed 1", "--shuffle --first-epoch 1"];
    let digests: HashSet<String> = streams.map(|options| digest(&dir, options).stdout).into();
    assert_eq!(digests.len(), streams.len());
}

#[test]
fn a_run_resumed_at_any_batch_goes_on_as_the_whole_run_did() {
    let dir = pairs(23);
    let whole = digest(&dir, &format!("{COMMON} --per-batch"));
    let whole: Vec<&str> = whole.stdout.lines().collect();
    let (_, batches) = whole.split_last().unwrap();
    assert_eq!(batches.len(), 8);
    assert!(batches[5].starts_with("1 1 "), "epoch, batch, hash: {batches:?}");
    for start in 0..=4 {
        let resumed = digest(&dir, &format!("{COMMON} --per-batch --start-batch {start}"));
        let (_, rest) = resumed.lines().split_last().map(|(l, r)| (*l, r.to_vec())).unwrap();
        assert_eq!(rest, batches[start..], "from batch {start}");
    }
}

#[test]
fn the_samples_of_all_ranks_are_those_of_one() {
    let dir = pairs(53);
    let samples = |options: &str| {
        let ended = digest(&dir, &format!("--batch-size 24 --shuffle --per-sample {options}"));
        let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        lines.pop();
        lines
    };
    let position = |line: &String| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let one = samples("");
    assert_eq!(one.iter().map(position).collect::<Vec<_>>(), (0..53).collect::<Vec<_>>());
    for last in ["keep", "pad"] {
        for world in [2, 3, 8] {
            let rank = |rank| samples(&format!("--last {last} --rank {rank} --world {world}"));
            let mut all: Vec<String> = (0..world).flat_map(rank).collect();
            all.sort_by_key(position);
            assert_eq!(all, one, "{world} ranks, {last}");
        }
    }
}

#[test]
fn a_shuffle_in_blocks_reads_one_shard_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    bench(
        dir.path(),
        "gen DIR/shards --samples 60 --shape 3 --dtype f32 --as safetensors --shards 6",
    )
    .expect(0);
    let indices = |options: &str| -> Vec<usize> {
        let line = format!("digest DIR/shards --batch-size 7 --per-sample {options}");
        let ended = bench(dir.path(), &line).expect(0);
        let index = |line: &&str| line.split(' ').nth(2).unwrap().parse().unwrap();
        ended.lines()[..60].iter().map(index).collect()
    };
    let found = indices("--shuffle-blocks 2 --seed 4");
    for window in found.chunks(20) {
        let mut shards: Vec<usize> = window.iter().map(|index| index / 10).collect();
        assert!(!shards.is_sorted(), "samples of two shards are mixed: {window:?}");
        shards.sort_unstable();
        shards.dedup();
        assert_eq!(shards.len(), 2, "{window:?}");
    }
    let mut all = found.clone();
    all.sort_unstable();
    assert_eq!(all, (0..60).collect::<Vec<_>>());
    assert_eq!(indices("--shuffle-blocks 2 --seed 4 --workers 3"), found);
    assert_ne!(indices("--shuffle-blocks 2 --seed 5"), found);
}

#[test]
fn rank_auto_is_what_the_environment_says() {
    let dir = pairs(23);
    let common = "digest DIR --batch-size 6 --shuffle --per-sample";
    let lines = |options: &str, set: &[(&str, &str)]| {
        let ended = bench_with(dir.path(), &format!("{common} {options}"), set).expect(0);
        ended.stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("--rank auto", &[]), lines("", &[]), "a single process");
    for (rank, number) in ["0", "1", "2"].into_iter().enumerate() {
        let torchrun = [("RANK", number), ("WORLD_SIZE", "3"), ("LOCAL_RANK", number)];
        let slurm =
            [("SLURM_STEP_ID", "0"), ("SLURM_STEP_NUM_TASKS", "3"), ("SLURM_PROCID", number)];
        let expected = lines(&format!("--rank {rank} --world 3"), &[]);
        for set in [&torchrun, &slurm] {
            assert_eq!(lines("--rank auto", set), expected, "{set:?}");
        }
        // What is asked for goes before what the environment says.
        assert_eq!(lines("--rank 0 --world 1", &torchrun), lines("", &[]));
    }
    let third = [("RANK", "5"), ("WORLD_SIZE", "8"), ("LOCAL_RANK", "2")];
    let ended = bench_with(dir.path(), &format!("{common} --device cuda:auto"), &third);
    assert!(ended.expect(2).stderr.contains("--device cuda:2 needs"));
    let half = [("RANK", "1")];
    let ended = bench_with(dir.path(), &format!("{common} --rank auto"), &half).expect(2);
    assert!(ended.stderr.contains("RANK=1 and WORLD_SIZE is not set"), "{ended:#?}");
}

#[test]
fn every_sample_comes_once_an_epoch() {
    let size = 8;
    for samples in [1, size - 1, size, size + 1, 10 * size + 3] {
        let dir = pairs(samples);
        let ended = digest(&dir, &format!("--batch-size {size} --shuffle --per-sample"));
        let lines = ended.lines();
        let index = |line: &&str| line.split(' ').nth(2).unwrap().parse::<usize>().unwrap();
        let mut indices: Vec<usize> = lines[..samples].iter().map(index).collect();
        indices.sort_unstable();
        assert_eq!(indices, (0..samples).collect::<Vec<_>>());
    }
}

#[test]
fn json_is_one_document_whatever_lines_it_has() {
    let dir = pairs(10);
    let plain = digest(&dir, "--batch-size 4 --per-batch --per-sample").stdout;
    let document = |options: &str| -> Value {
        serde_json::from_str(&digest(&dir, &format!("{options} --json")).stdout).unwrap()
    };
    let json = document("--batch-size 4 --per-batch --per-sample");
    assert_eq!((&json["batches"], &json["samples"]), (&3.into(), &10.into()));
    let number = |line: &Value, key: &str| line[key].as_u64().unwrap();
    let text = |line: &Value| match line.get("batch") {
        Some(batch) => format!("{} {batch} {}", line["epoch"], line["digest"].as_str().unwrap()),
        None => {
            let [position, index] = ["position", "index"].map(|key| number(line, key));
            format!("{} {position} {index} {}", line["epoch"], line["digest"].as_str().unwrap())
        }
    };
    let lines: Vec<String> = json["lines"].as_array().unwrap().iter().map(text).collect();
    let (last, before) =
        plain.lines().collect::<Vec<_>>().split_last().map(|(l, b)| (*l, b.to_vec())).unwrap();
    assert_eq!(
        (lines.len(), lines, json["digest"].as_str()),
        (13, before.iter().map(ToString::to_string).collect(), Some(last))
    );
    assert_eq!(document("--batch-size 4")["lines"], Value::Array(Vec::new()));
    let dropped = document("--batch-size 4 --last drop");
    assert_eq!((&dropped["batches"], &dropped["samples"]), (&2.into(), &8.into()));
    let padded = digest(&dir, "--batch-size 4 --last pad").stdout;
    assert_eq!(padded.trim_end(), json["digest"], "rows of padding are no samples");
}

#[test]
fn a_bad_sample_fails_its_batch_and_no_other() {
    let dir = pairs(12);
    let before = digest(&dir, "--batch-size 4 --per-batch");
    truncate(&file(&dir, "input", 5), 1);
    let ended = bench(dir.path(), "digest DIR --batch-size 4 --per-batch").expect(1);
    assert!(ended.stderr.contains("000005.npy") && ended.stderr.contains("truncated"));
    assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
    let (before, after) = (before.lines(), ended.lines());
    assert_eq!(after[..2], [before[0], before[2]]);
}

#[test]
fn samples_that_are_passed_over_are_the_same_for_any_workers() {
    let dir = pairs(40);
    for index in [3, 4, 31] {
        truncate(&file(&dir, "output", index), 1);
    }
    for policy in ["skip:3", "substitute:9"] {
        let options = format!("{COMMON} --on-error {policy} --json");
        let json = digest(&dir, &options).json();
        let samples = if policy == "skip:3" { 2 * 37 } else { 2 * 40 };
        assert_eq!(json["samples"], samples, "{json}");
        for workers in [0, 3] {
            let again = digest(&dir, &format!("{options} --workers {workers}"));
            for key in ["digest", "samples", "batches", "faults"] {
                assert_eq!(again.json()[key], json[key], "{policy}, {workers} workers");
            }
            assert!(again.stderr.contains("passed over: epoch"), "{again:#?}");
        }
    }
    bench(dir.path(), &format!("digest DIR {COMMON} --on-error skip:2")).expect(1);
}
