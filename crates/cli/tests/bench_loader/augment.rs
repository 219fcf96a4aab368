use std::collections::HashSet;

use tempfile::TempDir;

use crate::tester::{Ended, bench, bench_with, images, pairs};

const CHAIN: &str =
    "--augment 'random_resized_crop(8) random_hflip random_vflip(0.3) normalize(imagenet)'";

fn digest(dir: &TempDir, options: &str) -> Ended {
    bench(dir.path(), &format!("digest DIR {CHAIN} {options}")).expect(0)
}

#[test]
fn augmented_bytes_do_not_depend_on_how_they_are_made() {
    let dir = images(29);
    let expected = digest(&dir, "--shuffle --seed 3 --epochs 2").stdout;
    for workers in [0, 1, 2, 7] {
        for options in ["--batch-size 1", "--batch-size 5 --prefetch 1", "--batch-size 64"] {
            let options = format!("--shuffle --seed 3 --epochs 2 --workers {workers} {options}");
            assert_eq!(digest(&dir, &options).stdout, expected, "{options}");
        }
    }
    for level in ["scalar", "v3"] {
        let line = format!("digest DIR {CHAIN} --shuffle --seed 3 --epochs 2");
        let ended = bench_with(dir.path(), &line, &[("TALLOW_SIMD", level)]).expect(0);
        assert_eq!(ended.stdout, expected, "{level}");
    }
}

#[test]
fn another_seed_epoch_or_chain_is_another_stream() {
    let dir = images(7);
    // In the order of the source, so that what differs is what was drawn.
    let streams = ["", "--seed 1", "--first-epoch 1"];
    let mut digests: HashSet<String> = streams.map(|options| digest(&dir, options).stdout).into();
    for chain in ["", "--augment hflip", "--augment 'hflip vflip'", "--augment to_dtype(f32)"] {
        let ended = bench(dir.path(), &format!("digest DIR {chain}")).expect(0);
        digests.insert(ended.stdout);
    }
    assert_eq!(digests.len(), 7);
    let nothing = bench(dir.path(), "digest DIR --augment 'hflip hflip'").expect(0).stdout;
    assert!(digests.contains(&nothing), "a flip undoes a flip");
}

#[test]
fn an_augmented_run_resumed_at_any_batch_goes_on_as_the_whole_run_did() {
    let dir = images(17);
    let options = "--batch-size 4 --shuffle --epochs 2 --per-batch";
    let whole = digest(&dir, options);
    let whole = whole.lines();
    let (_, batches) = whole.split_last().unwrap();
    for start in 0..=5 {
        let resumed = digest(&dir, &format!("{options} --start-batch {start}"));
        let resumed = resumed.lines();
        assert_eq!(resumed[..resumed.len() - 1], batches[start..], "from batch {start}");
    }
}

#[test]
fn the_augmented_samples_of_all_ranks_are_those_of_one() {
    let dir = images(21);
    let samples = |options: &str| {
        let ended = digest(&dir, &format!("--batch-size 6 --shuffle --per-sample {options}"));
        let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
        lines.pop();
        lines
    };
    let mut one = samples("");
    let mut all: Vec<String> =
        (0..3).flat_map(|rank| samples(&format!("--rank {rank} --world 3"))).collect();
    one.sort();
    all.sort();
    assert_eq!(all, one);
}

#[test]
fn a_report_tells_the_chain_and_what_it_takes() {
    let dir = images(20);
    for options in ["", "--ceiling", "--workers 0"] {
        let ended = bench(dir.path(), &format!("run DIR {CHAIN} {options}")).expect(0);
        for words in ["augment   random_resized_crop(8", "plans of ", " of scratch", "transform "] {
            assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
        }
    }
    let json = bench(dir.path(), &format!("run DIR {CHAIN} --epochs 1 --json")).expect(0).json();
    assert_eq!(json["fields"][0]["dtype"], "f32");
    assert_eq!(json["fields"][0]["shape"], serde_json::json!([3, 8, 8]));
    assert_eq!(json["bytes"], 20 * (3 * 8 * 8 * 4 + 8));
    assert!(json["augment"]["plan_bytes"].as_u64().unwrap() > 0, "{json}");
    assert!(json["augment"]["scratch_bytes"].as_u64().unwrap() > 0, "{json}");
    let chain = json["augment"]["chain"].as_str().unwrap();
    let again = bench(dir.path(), &format!("digest DIR --augment '{chain}'")).expect(0).stdout;
    assert_eq!(again, digest(&dir, "").stdout, "the text of a chain is the chain");
    let plain = bench(dir.path(), "run DIR --json").expect(0).json();
    assert!(plain.get("augment").is_none());
}

#[test]
fn labels_and_masks_follow() {
    let dir = images(6);
    let line = "run DIR --augment hflip --one-hot target:10 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert_eq!(json["fields"][1]["shape"], serde_json::json!([10]));
    assert_eq!(json["fields"][1]["dtype"], "f32");
    let line = "gen DIR/m --samples 6 --shape 9,7,3 --dtype u8 --target-shape 9,7 \
                --target-dtype u8";
    bench(dir.path(), line).expect(0);
    let options = "--augment 'random_crop(5, 4)' --mask target --layout hwc";
    let json = bench(dir.path(), &format!("run DIR/m {options} --json")).expect(0).json();
    assert_eq!(json["fields"][0]["shape"], serde_json::json!([3, 5, 4]));
    assert_eq!(json["fields"][1]["shape"], serde_json::json!([5, 4]));
    let digest = |folder: &str, field: &str| {
        let fields = format!("--field a=DIR/m/{folder} --field b=DIR/m/output");
        let line = format!("digest {fields} --augment 'random_crop(5, 4)' --augment-field {field}");
        bench(dir.path(), &line).expect(0).stdout
    };
    assert_ne!(digest("output", "a"), digest("output", "b"));
}

#[test]
fn a_word_that_is_wrong_has_a_mark_under_it() {
    let dir = pairs(2);
    let spec = "hflip random_hflop(0.5) vflip";
    for command in ["run DIR", "digest DIR", "explain DIR", "preview DIR --out DIR/x.png"] {
        let ended = bench(dir.path(), &format!("{command} --augment '{spec}'")).expect(2);
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let at = lines.iter().position(|line| line.trim() == spec).unwrap();
        assert!(lines[at - 1].contains("did you mean \"random_hflip\""), "{ended:#?}");
        let word = lines[at].find("random_hflop").unwrap();
        assert_eq!(lines[at + 1], format!("{}{}", " ".repeat(word), "^".repeat(12)));
    }
}

#[test]
fn a_chain_that_does_not_fit_is_told_in_the_words_of_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 2 --shape 9,9,9 --dtype u8").expect(0);
    for command in ["run DIR", "digest DIR", "explain DIR", "preview DIR --out DIR/x.png"] {
        let ended = bench(dir.path(), &format!("{command} --augment hflip")).expect(2);
        assert!(ended.stderr.contains("say --layout"), "{ended:#?}");
        bench(dir.path(), &format!("{command} --augment hflip --layout dhw")).expect(0);
    }
}

#[test]
fn the_catalogue_lists_steps_with_their_arguments() {
    let dir = tempfile::tempdir().unwrap();
    let ended = bench(dir.path(), "catalogue").expect(0);
    for line in ["hflip", "random_hflip(p=0.5)", "normalize(imagenet | mean, std)"] {
        assert!(ended.lines().contains(&line), "{line}: {ended:#?}");
    }
}

#[test]
fn stages_are_explained_step_by_step() {
    let dir = images(2);
    let ended = bench(dir.path(), &format!("explain DIR {CHAIN}")).expect(0);
    for words in [
        "chain     random_resized_crop(8",
        "field     input: u8[3, 12, 12] becomes f32[3, 8, 8]\n",
        "scratch   ",
        "1 stage, plans of ",
        "stage 0: normalize(",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}
