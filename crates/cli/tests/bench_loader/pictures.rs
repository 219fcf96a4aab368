//! Folders of pictures.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::tester::{bench, stub, truncate};

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

#[test]
fn what_is_delivered_depends_on_neither_workers_nor_batches() {
    let dir = folders();
    let digest = |source: &str, options: &str| {
        let line = format!("digest {source} {CHAIN} --shuffle --per-sample {options}");
        bench(dir.path(), &line).expect(0).stdout
    };
    let both =
        format!("--field input={0}/b/input --field target={0}/b/output", dir.path().display());
    for (source, masks) in [("DIR/a", ""), ("DIR/b", "--mask target"), (&both, "--mask target")] {
        let samples = |options: &str| {
            let digest = digest(source, &format!("{masks} {options}"));
            let mut lines: Vec<String> = digest.lines().map(str::to_owned).collect();
            // The last line is of the batches.
            lines.pop();
            lines
        };
        let expected = samples("--workers 0 --batch-size 4");
        assert!(expected.len() >= 9, "{expected:?}");
        for options in ["--workers 3 --batch-size 4", "--workers 1 --batch-size 7"] {
            assert_eq!(samples(options), expected, "{source} {options}");
        }
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
    bench(dir.path(), &format!("run DIR/a {CHAIN} --epochs 1 --ceiling")).expect(0);
    let line = "run DIR/a --augment 'resize(20) center_crop(16)' --epochs 1 --html DIR/page.html";
    bench(dir.path(), line).expect(0);
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
    let ended = bench(dir.path(), "compare DIR/a --python DIR/stub").expect(2);
    assert!(ended.stderr.contains("needs a chain that gives them one size"), "{ended:#?}");
}
