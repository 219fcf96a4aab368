use std::fs;

use serde_json::Value;

use crate::tester::{bench, bench_without_threads, file, images, pairs, program, truncate};

const KEYS: [&str; 8] = [
    "samples_per_second",
    "bytes_per_second",
    "batches",
    "epochs",
    "wait_fraction",
    "cpu_seconds",
    "peak_rss_bytes",
    "samples",
];

#[test]
fn json_has_every_key_that_is_promised() {
    let dir = pairs(100);
    let line = "run DIR --batch-size 8 --epochs 2 --shuffle --workers 2 --json";
    let json = bench(dir.path(), line).expect(0).json();
    KEYS.iter().for_each(|key| assert!(json[key].is_number(), "{key}: {json}"));
    for key in ["p50", "p99", "max"] {
        assert!(json["batch_wait_us"][key].is_number(), "{key}: {json}");
    }
    assert!(json["limiting_stage"].is_string());
    assert_eq!((&json["batches"], &json["epochs"]), (&26.into(), &2.into()));
    assert_eq!((&json["samples"], &json["bytes"]), (&200.into(), &(200 * (24 + 8)).into()));
    let fraction = json["wait_fraction"].as_f64().unwrap();
    assert!(fraction > 0.0 && fraction <= 1.0, "{fraction}");
    assert!(json["peak_rss_bytes"].as_u64().unwrap() > 1 << 20);
    assert!(json.get("ceiling_ratio").is_none());
}

#[test]
fn the_ceiling_is_measured_in_at_least_five_rounds() {
    let dir = pairs(200);
    let digits = concat!(env!("CARGO_MANIFEST_DIR"), "/data/digits/images.npy");
    for (source, least, most) in
        [("DIR", 5, 100_000), ("DIR --epochs 6 --workers 0", 6, 6), (digits, 5, 100_000)]
    {
        let line = format!("run {source} --batch-size 32 --shuffle --ceiling --json");
        let json = bench(dir.path(), &line).expect(0).json();
        let number = |key: &str| json[key].as_f64().unwrap();
        let ratio = number("samples_per_second") / number("ceiling_samples_per_second");
        assert!(ratio > 0.0 && (ratio / number("ceiling_ratio") - 1.0).abs() < 1e-9, "{json}");
        let rounds = json["rounds"].as_array().map_or(0, Vec::len);
        assert!((least..=most).contains(&rounds), "{rounds} rounds: {json}");
        assert_eq!(json["epochs"], rounds, "{json}");
        let is_long = json["wall_seconds"].as_f64().unwrap() >= 2.0;
        assert_eq!(is_long, most > least, "{json}");
    }
}

#[test]
fn a_report_for_people_names_the_limit() {
    let dir = pairs(50);
    const SHORT: &str = "--epochs 3";
    let [pad, none] = ["--last pad --batch-size 40", "--workers 0"];
    for options in ["", "--ceiling", &format!("{pad} {SHORT}"), &format!("{none} {SHORT}")] {
        let ended = bench(dir.path(), &format!("run DIR {options}")).expect(0);
        for word in ["samples/s", "waited", "limit", "peak memory"] {
            assert!(ended.stdout.contains(word), "{options}: {ended:#?}");
        }
        let short = ended.stdout.contains("too short to mean much: raise --epochs");
        assert_eq!(short, options.ends_with(SHORT), "{options}: {ended:#?}");
        assert_eq!(ended.stderr, "", "no bar where there is no terminal");
        assert_eq!(ended.stdout.contains("ceiling"), options == "--ceiling");
    }
}

#[test]
fn a_step_of_a_model_is_timed_beside_the_wait_for_data() {
    let dir = pairs(40);
    let line = "run DIR --batch-size 8 --step-ms 3.5 --epochs 1";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    let number = |key: &str| json["step"][key].as_f64().unwrap();
    assert_eq!(number("given_seconds"), 0.0035);
    assert!(number("measured_seconds") >= 0.0035, "{json}");
    assert!(number("stall") > 0.0 && number("stall") < 1.0, "{json}");
    assert!(number("stall_seconds") > 0.0, "{json}");
    assert!(json["wall_seconds"].as_f64().unwrap() >= 5.0 * 0.0035, "{json}");
    let ended = bench(dir.path(), line).expect(0);
    for words in ["step      3.50 ms after each batch", "stall ", " per step"] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
    assert!(bench(dir.path(), "run DIR --epochs 1 --json").expect(0).json().get("step").is_none());
}

#[test]
fn the_wall_is_split_into_steps_and_waits_by_stage() {
    let dir = images(64);
    // A blur over many pixels, so that the steps wait for the transform.
    let line = "run DIR --batch-size 16 --step-ms 1 --workers 1 --epochs 3 \
                --augment 'resize(128) gaussian_blur(15)'";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    let parts = json["wall_by_part_seconds"].as_object().unwrap();
    let part = |name: &str| parts[name].as_f64().unwrap();
    let wall = json["wall_seconds"].as_f64().unwrap();
    let sum: f64 = parts.values().map(|seconds| seconds.as_f64().unwrap()).sum();
    assert!((sum / wall - 1.0).abs() < 1e-3, "{json}");
    assert_eq!(json["limiting_stage"], "transform");
    assert!(part("transform") > wall / 2.0 && part("step") >= 12e-3, "{json}");
    for name in ["order", "read", "hand_over", "map_batch", "device", "idle", "consumer"] {
        assert!(part(name) >= 0.0, "{json}");
    }
    let ended = bench(dir.path(), line).expect(0);
    let wall = ended.lines().into_iter().find(|line| line.starts_with("wall ")).unwrap();
    ["step ", "; waiting for ", "transform "]
        .iter()
        .for_each(|word| assert!(wall.contains(word), "{wall}"));
}

#[test]
fn the_device_is_named() {
    let dir = pairs(3);
    let json = bench(dir.path(), "run DIR --device cpu --epochs 1 --json").expect(0).json();
    assert_eq!((&json["device"], &json["device_bytes"]), (&"cpu".into(), &0.into()));
    assert_eq!(json["on_device"], false);
    assert!(json.get("copies").is_none(), "{json}");
    let ended = bench(dir.path(), "run DIR --epochs 1").expect(0);
    assert!(ended.lines().contains(&"device    cpu"), "{ended:#?}");
}

#[test]
fn failed_batches_are_counted_told_and_end_with_1() {
    let dir = pairs(100);
    (0..48).step_by(4).for_each(|index| truncate(&file(&dir, "input", index), 1));
    let ended = bench(dir.path(), "run DIR --batch-size 4 --json").expect(1);
    let json = ended.json();
    assert_eq!((&json["batches"], &json["errors"]), (&25.into(), &12.into()));
    assert_eq!(json["samples"], 100 - 48);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 12, "the first ten, how many, and what to do: {ended:#?}");
    assert_eq!(lines[10], "error: and 2 more");
    let ended = bench(dir.path(), "run DIR --batch-size 4 --ceiling").expect(1);
    assert!(ended.stderr.contains("no ceiling"), "{ended:#?}");
    let skipped =
        bench(dir.path(), "run DIR --on-error skip:12 --epochs 1 --json").expect(0).json();
    assert_eq!((&skipped["faults"], &skipped["samples"]), (&12.into(), &88.into()));
}

#[test]
fn a_batch_larger_than_the_data_set_is_refused_by_every_command_that_loads() {
    let dir = pairs(3);
    for command in ["run", "run --ceiling", "run --cold", "digest", "tune"] {
        let line = format!("{command} DIR --batch-size 4 --last drop");
        let ended = bench(dir.path(), &line).expect(2);
        for words in ["--batch-size 4", "3 samples", "--last keep"] {
            assert!(ended.stderr.contains(words), "{words}: {ended:#?}");
        }
        assert_eq!(ended.stdout, "");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn batches_that_no_memory_holds_are_refused() {
    let dir = pairs(3);
    for command in ["run", "run --cold", "digest"] {
        let line = format!("{command} DIR --prefetch 99999999999999");
        let ended = bench(dir.path(), &line).expect(2);
        assert!(ended.stderr.contains("lower --prefetch or --batch-size"), "{ended:#?}");
        assert_eq!(ended.stdout, "");
    }
}

#[test]
fn without_a_number_of_epochs_a_run_takes_as_many_as_mean_something() {
    let dir = pairs(200);
    let json = bench(dir.path(), "run DIR --json").expect(0).json();
    let number = |key: &str| json[key].as_f64().unwrap();
    assert!(number("wall_seconds") >= 2.0 && number("epochs") >= 3.0, "{json}");
    assert!(number("warm_up_seconds") > 0.0, "{json}");
    assert_eq!(number("samples"), 200.0 * number("epochs"), "{json}");
    assert_eq!(json["too_short"], false);
    let spread = |key: &str| json["epoch_samples_per_second"][key].as_f64().unwrap();
    assert!(spread("p5") <= spread("median") && spread("median") <= spread("p95"), "{json}");
    assert_eq!(number("samples_per_second"), spread("median"));
    let ended = bench(dir.path(), "run DIR").expect(0);
    for words in ["after a warm-up epoch of ", ": median of ", "9 in 10 from "] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}

#[test]
fn a_number_of_epochs_is_obeyed_and_all_of_them_are_counted() {
    let dir = pairs(200);
    for epochs in [1, 2, 7] {
        let line = format!("run DIR --epochs {epochs} --json");
        let json = bench(dir.path(), &line).expect(0).json();
        assert_eq!((&json["epochs"], &json["samples"]), (&epochs.into(), &(200 * epochs).into()));
        assert_eq!((&json["warm_up_seconds"], &json["too_short"]), (&Value::Null, &true.into()));
        assert_eq!(json["limiting_stage"], "none");
    }
    let line = "run DIR --batch-size 50 --start-batch 3 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert_eq!((&json["epochs"], &json["samples"]), (&1.into(), &50.into()));
}

#[test]
fn a_run_that_fails_ends_with_the_epoch_that_did() {
    let dir = pairs(20);
    truncate(&file(&dir, "input", 3), 1);
    let json = bench(dir.path(), "run DIR --batch-size 4 --json").expect(1).json();
    assert_eq!(
        (&json["epochs"], &json["errors"], &json["batches"]),
        (&1.into(), &1.into(), &5.into())
    );
    assert_eq!(json["warm_up_seconds"], Value::Null);
}

#[test]
fn larger_batches_are_not_advised_if_one_has_all_samples() {
    let dir = pairs(8);
    let ended = bench(dir.path(), "run DIR --batch-size 8").expect(0);
    let limit = ended.lines().into_iter().find(|line| line.starts_with("limit "));
    assert!(limit.is_some_and(|limit| !limit.contains("larger batches")), "{ended:#?}");
}

#[test]
fn a_bad_sample_is_told_once_for_all_epochs_with_what_to_do() {
    let dir = pairs(20);
    truncate(&file(&dir, "input", 3), 1);
    let ended = bench(dir.path(), "run DIR --batch-size 4 --epochs 3").expect(1);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ended:#?}");
    assert!(lines[0].ends_with("; 3 times in all"), "{ended:#?}");
    assert!(lines[1].contains("--on-error skip:N goes on"), "{ended:#?}");
    assert!(lines[1].ends_with(&format!(" check {}", dir.path().display())), "{ended:#?}");
    let ended = bench(dir.path(), "run DIR --on-error skip:0 --epochs 1").expect(1);
    assert!(ended.stderr.contains("a larger N of --on-error"), "{ended:#?}");
}

#[test]
fn every_kind_of_source_is_loaded() {
    let dir = pairs(10);
    write_safetensors(&dir.path().join("x.safetensors"));
    fs::create_dir(dir.path().join("shards")).unwrap();
    write_safetensors(&dir.path().join("shards/a.safetensors"));
    write_safetensors(&dir.path().join("shards/b.safetensors"));
    fs::create_dir_all(dir.path().join("deep/a/b")).unwrap();
    fs::copy(file(&dir, "input", 0), dir.path().join("deep/a/b/c.npy")).unwrap();
    fs::copy(file(&dir, "input", 1), dir.path().join("deep/d.npy")).unwrap();
    for (source, samples) in [
        ("DIR/input", 10),
        ("--field a=DIR/output --field b=DIR/input", 10),
        ("DIR/x.safetensors", 4),
        ("DIR/shards", 8),
        ("DIR/deep", 1),
        ("DIR/deep --recursive", 2),
    ] {
        let json: Value =
            bench(dir.path(), &format!("run {source} --epochs 1 --json")).expect(0).json();
        assert_eq!(json["samples"], samples, "{source}: {json}");
        bench(dir.path(), &format!("check {source}")).expect(0);
        bench(dir.path(), &format!("inspect {source}")).expect(0);
    }
}

/// Four samples of three `u8`.
fn write_safetensors(path: &std::path::Path) {
    let header = r#"{"x":{"dtype":"U8","shape":[4,3],"data_offsets":[0,12]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(0..12);
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_peak_memory_is_not_that_of_whoever_starts_the_program() {
    let dir = pairs(2);
    // Written to, so that it is resident.
    let large = std::hint::black_box(vec![1_u8; 256 << 20]);
    let json = bench(dir.path(), "run DIR --epochs 1 --json").expect(0).json();
    let peak = json["peak_rss_bytes"].as_u64().unwrap();
    assert!((1 << 20..large.len() as u64 / 2).contains(&peak), "{peak}");
}

#[test]
fn a_ceiling_whose_threads_cannot_be_started_is_an_error() {
    let dir = pairs(20);
    let ended = bench_without_threads(dir.path(), "run DIR --workers 0 --ceiling").expect(1);
    assert!(ended.stderr.contains("cannot start the threads"), "{ended:#?}");
}

#[test]
fn one_of_a_thing_is_not_many_and_the_limit_is_named_once() {
    let dir = pairs(1);
    let ended = bench(dir.path(), "run DIR --workers 1 --epochs 1").expect(0);
    for words in ["1 sample, opened", "1 worker, ", "1 sample in 1 batch, 1 epoch, "] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}

#[test]
fn a_source_with_a_line_break_in_its_name_takes_one_line() {
    let dir = pairs(3);
    fs::rename(dir.path().join("input"), dir.path().join("in\nput")).unwrap();
    let field = format!("--field=x={}/in\nput", dir.path().display());
    for command in ["run", "inspect"] {
        let output = program().args([command, &field]).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        assert!(stdout.lines().next().unwrap().ends_with("/in\\nput"), "{stdout}");
    }
}

#[test]
fn cold_epochs_tell_what_reading_ahead_is_worth() {
    let dir = pairs(40);
    let line = "run DIR --batch-size 8 --shuffle --cold --epochs 2";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    let cold = &json["cold"];
    assert_eq!(cold["rounds"].as_array().unwrap().len(), 2, "{json}");
    for key in ["samples_per_second", "ahead_samples_per_second", "ahead_times"] {
        assert!(cold[key].as_f64().unwrap() > 0.0, "{key}: {json}");
    }
    assert_eq!(json["samples"], 80, "those of the loader that reads ahead: {json}");
    let ended = bench(dir.path(), &format!("{line} --read-ahead 1kB")).expect(0);
    assert!(ended.stdout.contains("read ahead: "), "{ended:#?}");
    let ended = bench(dir.path(), "run DIR --cold --ceiling").expect(2);
    assert!(ended.stderr.contains("--ceiling"), "{ended:#?}");
}
