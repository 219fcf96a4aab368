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
    for level in ["scalar", "v3", "v4"] {
        let line = format!("digest DIR {CHAIN} --shuffle --seed 3 --epochs 2");
        let ended = bench_with(dir.path(), &line, &[("TALLOW_SIMD", level)]).expect(0);
        assert_eq!(ended.stdout, expected, "{level}");
    }
}

#[test]
fn another_seed_epoch_or_chain_is_another_stream() {
    let dir = images(7);
    // In the order of the source, so that only what was drawn differs.
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
    // Too short to name a limit, but not the stages.
    for options in ["--epochs 5", "--epochs 5 --ceiling", "--epochs 5 --workers 0"] {
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
    let plain = bench(dir.path(), "run DIR --epochs 1 --json").expect(0).json();
    assert!(plain.get("augment").is_none());
}

#[test]
fn labels_and_masks_follow() {
    let dir = images(6);
    let line = "run DIR --augment hflip --one-hot target:10 --epochs 1 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert_eq!(json["fields"][1]["shape"], serde_json::json!([10]));
    assert_eq!(json["fields"][1]["dtype"], "f32");
    let line = "gen DIR/m --samples 6 --shape 9,7,3 --dtype u8 --target-shape 9,7 \
                --target-dtype u8";
    bench(dir.path(), line).expect(0);
    let options = "--augment 'random_crop(5, 4)' --mask target --layout hwc";
    let json =
        bench(dir.path(), &format!("run DIR/m {options} --epochs 1 --json")).expect(0).json();
    assert_eq!(json["fields"][0]["shape"], serde_json::json!([5, 4, 3]));
    assert_eq!(json["fields"][1]["shape"], serde_json::json!([5, 4]));
    let digest = |folder: &str, field: &str| {
        let fields = format!("--field a=DIR/m/{folder} --field b=DIR/m/output");
        let line = format!("digest {fields} --augment 'random_crop(5, 4)' --augment-field {field}");
        bench(dir.path(), &line).expect(0).stdout
    };
    assert_ne!(digest("output", "a"), digest("output", "b"));
}

/// Images with boxes, points and classes, as options of a source.
fn targets(dir: &TempDir) -> String {
    for (name, shape) in [("images", "12,12,3"), ("boxes", "4,4"), ("points", "5,2")] {
        let dtype = if name == "images" { "u8" } else { "f32" };
        let line = format!("gen DIR/{name} --samples 6 --shape {shape} --dtype {dtype}");
        bench(dir.path(), &line).expect(0);
    }
    "--field input=DIR/images/input --field boxes=DIR/boxes/input \
     --field points=DIR/points/input --field class=DIR/images/output"
        .to_owned()
}

#[test]
fn flags_for_fields_and_words_in_the_chain_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let source = targets(&dir);
    let flags = "--augment 'random_hflip random_crop(8)' --boxes boxes:xywh --points points \
                 --one-hot class:300 --layout hwc --resample-once";
    let words = "--augment 'layout(hwc) resample_once random_hflip random_crop(8) \
                 boxes(boxes, xywh) keypoints(points) one_hot(class, 300)'";
    let digest =
        |options: &str| bench(dir.path(), &format!("digest {source} {options}")).expect(0).stdout;
    assert_eq!(digest(flags), digest(words));
    assert_ne!(
        digest(flags),
        digest("--augment 'random_hflip random_crop(8)' --one-hot class:300")
    );
    for command in ["explain", "run"] {
        let ended = bench(dir.path(), &format!("{command} {source} {flags}")).expect(0);
        assert!(ended.stdout.contains("boxes(boxes, xywh) keypoints(points)"), "{ended:#?}");
    }
    let line = format!("preview {source} {flags} --out DIR/views.png --samples 2 --views 2");
    bench(dir.path(), &line).expect(0);
    for (flag, words) in [
        ("--boxes boxes", "FIELD:FORMAT"),
        ("--boxes boxes:yxyx", "xyxy, xywh or cxcywh"),
        ("--points nope", "no field"),
        ("--pad boxes:x", "a finite number"),
    ] {
        let ended = bench(dir.path(), &format!("run {source} --augment hflip {flag}")).expect(2);
        assert!(ended.stderr.contains(words), "{flag}: {ended:#?}");
    }
}

#[test]
fn the_program_of_a_page_augments_and_pads_as_the_command_did() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/i --samples 6 --shape 12,12,3 --dtype u8").expect(0);
    bench(dir.path(), "gen DIR/b --samples 6 --shape 1..5,4 --dtype f32").expect(0);
    let line = "run --field photo=DIR/i/input --field boxes=DIR/b/input --ragged boxes:0:5 \
                --augment 'random_hflip' --augment-field photo --boxes boxes:xyxy --pad boxes:-1";
    bench(dir.path(), &format!("{line} --html DIR/page.html")).expect(0);
    let page = std::fs::read_to_string(dir.path().join("page.html")).unwrap();
    for code in ["field(photo) random_hflip(0.5) boxes(boxes, xyxy)", "-1.0)"] {
        assert!(page.contains(code), "{code}");
    }
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    assert_eq!(json["fields"][1]["shape"], serde_json::json!([5, 4]));
    let without = line.replace("--pad boxes:-1", "");
    let ended = bench(dir.path(), &without).expect(2);
    assert!(ended.stderr.contains("is ragged: use --pad FIELD:VALUE"), "{ended:#?}");
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
fn a_step_of_the_catalogue_is_told_with_its_arguments_and_an_example() {
    let dir = images(2);
    let told = |step: &str| bench(dir.path(), &format!("catalogue {step}")).expect(0);
    let ended = told("random_hflip");
    assert!(ended.stdout.starts_with("random_hflip(p=0.5)\n\n"), "{ended:#?}");
    assert!(ended.stdout.contains("torchvision: `RandomHorizontalFlip`"), "{ended:#?}");
    assert!(ended.stdout.ends_with("\nExample:\n  --augment 'random_hflip'\n"), "{ended:#?}");
    for mixing in ["mixup", "cutmix", "mixup_or_cutmix"] {
        let ended = told(mixing);
        let example = ended.lines().pop().unwrap();
        assert!(example.ends_with("' --one-hot target:10"), "{ended:#?}");
        bench(dir.path(), &format!("digest DIR {example}")).expect(0);
    }
    assert!(told("mask").stdout.starts_with("mask(field, fill=0)\n\n"));
    let ended = bench(dir.path(), "catalogue RandomHorizontalFlip").expect(2);
    assert!(ended.stderr.contains("did you mean \"random_hflip\"?"), "{ended:#?}");
    bench(dir.path(), "catalogue 'hflip vflip'").expect(2);
}

#[test]
fn who_augments_no_field_is_told_how_to_name_one() {
    let dir = images(2);
    for command in ["run", "digest", "explain"] {
        let line = format!("{command} --field image=DIR/input --augment hflip");
        let ended = bench(dir.path(), &line).expect(2);
        assert!(ended.stderr.contains("with --augment-field FIELD"), "{ended:#?}");
        bench(dir.path(), &format!("{line} --augment-field image")).expect(0);
    }
}

#[test]
fn the_layout_that_is_delivered_is_told() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 2 --shape 12,9,3 --dtype u8").expect(0);
    let explained = |chain: &str| {
        let line = format!("explain DIR --augment '{chain}'");
        bench(dir.path(), &line).expect(0).stdout
    };
    assert!(explained("hflip").contains("delivers hwc: input: u8[12, 9, 3]"));
    assert!(explained("hflip normalize(imagenet)").contains("delivers chw: input: f32[3, 12, 9]"));
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
