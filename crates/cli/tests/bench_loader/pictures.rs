//! Folders of pictures.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::tester::{bench, bench_with, stub, truncate};

const CHAIN: &str = "--augment 'random_resized_crop(16) random_hflip'";

/// Class folders in `a`, and pairs of a picture and its mask in `b`.
fn folders() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/a --samples 24 --shape 40..60,50..70 --as jpeg --classes 3";
    bench(dir.path(), line).expect(0);
    bench(dir.path(), "gen DIR/b --samples 9 --shape 40..60,50..70 --as png").expect(0);
    dir
}

#[test]
fn a_folder_of_classes_is_described() {
    let dir = folders();
    let ended = bench(dir.path(), "inspect DIR/a --means").expect(0);
    for words in
        ["classes   3: class_0, class_1, class_2", "24 JPEG", "means     image: normalize(["]
    {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
    let json = bench(dir.path(), "inspect DIR/a --means=5 --json").expect(0).json();
    assert_eq!((&json["samples"], &json["classes"][2]), (&24.into(), &"class_2".into()));
    assert_eq!(json["means"][0]["samples"], 5);
    assert_eq!(json["means"][0]["mean"].as_array().unwrap().len(), 3);
    let height = &json["pictures"][0]["height"];
    assert!(height["least"].as_u64() >= Some(40) && height["greatest"].as_u64() <= Some(60));
}

#[test]
fn pictures_are_shown_before_and_after_a_chain() {
    let dir = folders();
    for line in [
        "inspect DIR/a --png DIR/out.png --samples 3".to_owned(),
        "inspect DIR/b --png DIR/out.png --samples 3".to_owned(),
        format!("preview DIR/a {CHAIN} --samples 2 --views 2 --out DIR/out.png"),
        format!("preview DIR/b {CHAIN} --mask target --samples 2 --views 2 --out DIR/out.png"),
    ] {
        let ended = bench(dir.path(), &line).expect(0);
        let png = fs::read(dir.path().join("out.png")).unwrap();
        let reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        assert!(reader.info().width > 100, "{ended:#?}");
        fs::remove_file(dir.path().join("out.png")).unwrap();
    }
}

/// A chain with every step that moves pixels.
const GEOMETRY: &str = "resize(76,76) crop(1,1,70,70) pad_if_needed(72) random_crop(66) \
    center_crop(64) random_hflip random_vflip random_dflip random_rot90 random_rotation(20) \
    random_affine(15,translate=[0.1,0.1],shear=[-10,10]) random_perspective(p=1) elastic resize(60) \
    resized_crop(2,2,50,50,48,48) random_resized_crop(40) pad(2) affine(3) rotate(5) \
    perspective(0,0,43,1,42,42,1,43) hflip vflip rot90(1) shift(3) random_erasing(p=1)";

/// The lines of the samples, sorted by their position.
fn samples(dir: &Path, line: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let line = format!("digest {line} --shuffle --per-sample");
    let ended = bench_with(dir, &line, environment).expect(0);
    let mut lines: Vec<String> = ended.stdout.lines().map(str::to_owned).collect();
    // The last line is of the batches.
    lines.pop();
    let at = |line: &String| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    lines.sort_by_key(at);
    lines
}

#[test]
fn what_is_delivered_depends_on_nothing_but_seed_and_epoch() {
    let dir = folders();
    let [a, b] = [
        format!("DIR/a --augment '{GEOMETRY} mixup_or_cutmix(0.2,1)' --one-hot label:3"),
        format!("DIR/b --augment '{GEOMETRY} cutmix(1)' --mask target"),
    ];
    let fields = "--field image=DIR/b/input --field target=DIR/b/output";
    let c = format!("{fields} {CHAIN} --augment-field image --mask target");
    for (source, count) in [(a, 24), (b, 9), (c, 9)] {
        let of = |options: &str, environment: &[(&str, &str)]| {
            samples(dir.path(), &format!("{source} {options}"), environment)
        };
        let expected = of("--workers 0 --batch-size 4", &[]);
        assert_eq!(expected.len(), count);
        assert_eq!(of("--workers 3 --batch-size 7", &[]), expected, "{source}");
        assert_eq!(of("--workers 1 --batch-size 4", &[("TALLOW_SIMD", "scalar")]), expected);
        let resumed = of("--workers 2 --batch-size 4 --start-batch 1", &[]);
        assert_eq!(resumed, expected[4..], "{source}");
        let rank = |rank| of(&format!("--batch-size 6 --rank {rank} --world 2"), &[]);
        let [even, odd] = [rank(0), rank(1)];
        assert_eq!(even.len() + odd.len(), count);
        assert!([even, odd].iter().flatten().all(|line| expected.contains(line)), "{source}");
    }
}

#[test]
fn pictures_of_many_sizes_need_a_chain_that_gives_them_one() {
    let dir = folders();
    for command in ["run", "digest", "tune"] {
        let ended = bench(dir.path(), &format!("{command} DIR/a")).expect(2);
        let words = "--augment 'resize(256) center_crop(224)'";
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    // By its shorter side alone, a flat picture could become a huge one.
    let ended = bench(dir.path(), "run DIR/a --augment 'resize(256)'").expect(2);
    assert!(ended.stderr.contains("as with resize(224, 224)"), "{ended:#?}");
    bench(dir.path(), &format!("run DIR/a {CHAIN} --epochs 1 --ceiling")).expect(0);
    let line = "run DIR/a --augment 'resize(20) center_crop(16)' --epochs 1 --html DIR/page.html";
    bench(dir.path(), line).expect(0);
}

/// What the canvases between two interpolations may need is planned for the largest picture, but only
/// what the pictures at hand need is touched.
#[test]
fn room_for_the_largest_picture_is_not_touched() {
    let dir = folders();
    let line = "run DIR/a --augment 'random_affine(10) resize(16,16)' --epochs 1 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert!(json["memory_bytes"].as_u64() > Some(1 << 30), "{json:#}");
    assert!(json["peak_rss_bytes"].as_u64() < Some(256 << 20), "{json:#}");
}

#[test]
fn every_broken_picture_is_named_with_its_reason() {
    let dir = folders();
    let file = |name: &str| dir.path().join("a").join(name);
    truncate(&file("class_1/000004.jpg"), 200);
    fs::write(file("class_2/000005.jpg"), "GIF89a").unwrap();
    fs::write(file("class_0/000009.jpg"), "").unwrap();
    let ended = bench(dir.path(), "check DIR/a").expect(1);
    for name in ["000004.jpg", "000005.jpg", "000009.jpg"] {
        assert_eq!(ended.stdout.matches(name).count(), 1, "{name}: {ended:#?}");
    }
    assert!(ended.stdout.contains("GIF"), "{ended:#?}");
    fs::remove_file(dir.path().join("b/output/000003.png")).unwrap();
    let ended = bench(dir.path(), "check DIR/b").expect(1);
    assert!(ended.stdout.contains("000003.png"), "{ended:#?}");
    let json = bench(dir.path(), "check DIR/b --json").json();
    assert_eq!(json["samples"], 8);
}

fn compare(dir: &Path, options: &str) -> serde_json::Value {
    stub(dir, "echo '{\"absent\": \"no such module\"}'");
    let line = format!(
        "compare DIR/a --batch-size 8 --workers 2 --rounds 1 --python DIR/stub --json {options}"
    );
    bench(dir, &line).expect(0).json()
}

#[test]
fn pictures_are_compared_with_a_plain_loop() {
    let dir = folders();
    let chain = "random_resized_crop(16) random_hflip normalize(imagenet) to_dtype(f32)";
    let report = compare(dir.path(), &format!("--augment '{chain}'"));
    let contenders = report["contenders"].as_array().unwrap();
    for (at, name) in [(0, "Tallow"), (1, "candle loop")] {
        assert_eq!(contenders[at]["name"], name);
        assert_eq!(contenders[at]["laps"][0]["samples"], 24, "{:#}", contenders[at]);
    }
    assert_eq!(contenders[2]["name"], "torch, PIL");
    // The plain loop agrees with Tallow about type, shape, labels and means, whatever is delivered.
    for (end, delivers) in [
        ("", "u8[16, 20, 3]"),
        ("to_layout(chw)", "u8[3, 16, 20]"),
        ("to_dtype(f16)", "f16[3, 16, 20]"),
        ("normalize(imagenet) to_layout(hwc)", "f32[16, 20, 3]"),
    ] {
        let chain = format!("random_vflip resize(16,20) invert {end}");
        let report = compare(dir.path(), &format!("--augment '{chain}'"));
        let contenders = report["contenders"].as_array().unwrap();
        assert_eq!(contenders[1]["laps"][0]["samples"], 24, "{chain}: {:#}", contenders[1]);
        let found = &report["delivers"];
        let shape = found["shape"].to_string().replace(',', ", ");
        assert_eq!(format!("{}{shape}", found["dtype"].as_str().unwrap()), delivers);
    }
    let report = compare(dir.path(), "--augment 'resize(16,16) color_jitter(0.4)'");
    let why = report["contenders"][1]["left_out"].as_str().unwrap();
    assert!(why.contains("no counterpart of color_jitter"), "{why}");
    let line = "compare DIR/a --augment resize(16,max=20) --python DIR/stub";
    let ended = bench(dir.path(), line).expect(2);
    assert!(ended.stderr.contains("gives all images one size"), "{ended:#?}");
    let line = format!("compare DIR/b --augment '{chain}' --python DIR/stub");
    let ended = bench(dir.path(), &line).expect(2);
    assert!(ended.stderr.contains("a mask must be cut like its picture"), "{ended:#?}");
    let ended = bench(dir.path(), "compare DIR/a --python DIR/stub").expect(2);
    assert!(ended.stderr.contains("needs a chain that gives them one size"), "{ended:#?}");
}

#[test]
fn options_of_folders_are_those_of_folders_of_pictures_too() {
    let dir = folders();
    let (path, json) = (dir.path(), |line: &str| bench(dir.path(), line).expect(0).json());
    let tree = json("inspect DIR/a --recursive --json");
    assert_eq!((&tree["samples"], &tree["classes"]), (&24.into(), &serde_json::json!([])));
    assert_eq!(tree["fields"].as_array().unwrap().len(), 1, "no labels: {tree:#}");
    for side in ["input/x", "output/x"] {
        fs::create_dir_all(path.join("deep").join(side)).unwrap();
    }
    for at in 0..9 {
        for (folder, name) in [("input", "photo"), ("output", "mask")] {
            let to = path.join(format!("deep/{folder}/x/{at}_{name}.png"));
            fs::copy(path.join(format!("b/{folder}/00000{at}.png")), to).unwrap();
        }
    }
    let patterns = "--pattern input:*_photo --pattern target:*_mask";
    assert_eq!(json(&format!("inspect DIR/deep --recursive {patterns} --json"))["samples"], 9);
    let fields = "--field image=DIR/deep/input --field target=DIR/deep/output";
    let line = format!("check {fields} --recursive --pattern image:*_photo");
    let ended = bench(path, &line).expect(1);
    assert!(ended.stdout.contains("--pattern 'target:*_mask'"), "{ended:#?}");
    let line = format!("digest DIR/deep --recursive {patterns} {CHAIN} --mask target");
    bench(path, &line).expect(0);
}

#[test]
fn the_sides_that_are_accepted_can_be_said() {
    let dir = folders();
    let check = |options: &str| bench(dir.path(), &format!("check DIR/a {options}"));
    check("--ragged image:0:60 --ragged image:1:70").expect(0);
    let ended = check("--ragged image:0:50").expect(1);
    assert!(ended.stdout.contains("with --ragged FIELD:AXIS:MAX"), "{ended:#?}");
    for (options, words) in [
        ("--ragged image:2:50", "axis 0 is the height and axis 1 the width"),
        ("--ragged x:0:50", "that field is image"),
        ("--pattern image:*", "--pattern is for folders with a file per sample"),
    ] {
        let ended = check(options).expect(2);
        assert!(ended.stderr.contains(words), "{ended:#?}");
    }
    let pair = bench(dir.path(), "check DIR/b --ragged input:0:50").expect(1);
    assert!(!pair.stdout.contains("output/"), "the masks are as large as ever: {pair:#?}");
}

#[test]
fn pictures_beside_the_rows_of_their_targets_are_a_pair_or_refused() {
    let dir = folders();
    bench(dir.path(), "gen DIR/r --samples 9 --shape 3 --dtype f32 --as npy").expect(0);
    let place = |from: &str, to: &str| {
        fs::create_dir_all(dir.path().join(to).parent().unwrap()).unwrap();
        fs::rename(dir.path().join(from), dir.path().join(to)).unwrap();
    };
    place("b/input", "rows/input");
    place("r/output.npy", "rows/labels.npy");
    let json = bench(dir.path(), "inspect DIR/rows --json").expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&9.into(), &"target".into()));
    bench(dir.path(), &format!("digest DIR/rows {CHAIN}")).expect(0);
    fs::remove_file(dir.path().join("rows/input/000004.png")).unwrap();
    let ended = bench(dir.path(), "check DIR/rows").expect(1);
    assert!(ended.stdout.contains("8 samples in") && ended.stdout.contains("and 9 in"));
    // Weights of classes are no sample, and not all that there is.
    place("r/input.npy", "a/weights.npy");
    let ended = bench(dir.path(), "inspect DIR/a").expect(2);
    assert!(ended.stderr.contains("\"weights.npy\" beside folders of samples"), "{ended:#?}");
}

#[test]
fn a_class_without_pictures_does_not_keep_the_others_from_being_checked() {
    let dir = folders();
    fs::create_dir(dir.path().join("a/class_9")).unwrap();
    truncate(&dir.path().join("a/class_1/000004.jpg"), 200);
    let ended = bench(dir.path(), "check DIR/a").expect(1);
    assert!(ended.stdout.ends_with("24 samples, 2 problems\n"), "{ended:#?}");
    assert!(ended.stdout.contains("\"class_9\"; remove their folders\n"), "{ended:#?}");
}

#[test]
fn names_and_contents_that_go_wrong_in_practice_are_told() {
    use std::os::unix::fs::symlink;
    let dir = folders();
    let (input, output) = (dir.path().join("b/input"), dir.path().join("b/output"));
    let rename = |folder: &Path, from: &str, to: &str| {
        fs::rename(folder.join(from), folder.join(to)).unwrap();
    };
    // One name in two normal forms, as a Mac and a Linux machine write it.
    rename(&input, "000000.png", "caf\u{e9}.png");
    rename(&output, "000000.png", "cafe\u{301}.png");
    let ended = bench(dir.path(), "inspect DIR/b").expect(1);
    assert!(ended.stderr.contains("equal up to Unicode normalization"), "{ended:#?}");
    rename(&input, "caf\u{e9}.png", "\u{1b}[31m\n.png");
    rename(&output, "cafe\u{301}.png", "\u{1b}[31m\n.png");
    fs::write(input.join("\u{1b}[31m\n.png"), "text").unwrap();
    fs::remove_file(input.join("000001.png")).unwrap();
    symlink("gone.png", input.join("000001.png")).unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n";
    fs::write(input.join("000002.png"), pointer).unwrap();
    for command in ["check", "inspect"] {
        let ended = bench(dir.path(), &format!("{command} DIR/b"));
        let said = format!("{}{}", ended.stdout, ended.stderr);
        assert!(!said.contains('\u{1b}'), "{said:?}");
        assert!(said.contains("a dangling link to \"gone.png\""), "{said}");
    }
    let ended = bench(dir.path(), "check DIR/b").expect(1);
    assert!(ended.stdout.contains("a Git LFS pointer"), "{ended:#?}");
    assert!(ended.stdout.ends_with("9 samples, 3 problems\n"), "{ended:#?}");
    fs::copy(output.join("000003.png"), input.join("000003.jpg")).unwrap();
    let ended = bench(dir.path(), "inspect DIR/b").expect(1);
    assert!(ended.stderr.contains("has the same stem as"), "{ended:#?}");
}
