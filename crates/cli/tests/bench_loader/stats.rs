//! `stats`: the numbers of a data set.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tester::{bench, file, images, pairs};

/// A `.npy` file of `f64`.
fn npy(path: &Path, shape: &str, values: impl Iterator<Item = f64>) {
    let mut text = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}");
    while !(10 + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.as_bytes());
    values.for_each(|value| bytes.extend(value.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_result_is_the_same_with_any_number_of_threads() {
    let dir = pairs(150);
    let found = |workers: usize| {
        let mut json =
            bench(dir.path(), &format!("stats DIR --workers {workers} --json")).expect(0).json();
        json["fields"].take()
    };
    let one = found(1);
    assert_eq!((1..8).map(found).find(|other| *other != one), None);
    assert_eq!(one[0]["channels"][0]["numbers"], 150 * 6);
}

#[test]
fn images_have_numbers_for_each_channel_and_a_step_to_paste() {
    let dir = images(60);
    let ended = bench(dir.path(), "stats DIR").expect(0);
    for words in
        ["60 samples", "input 2", "normalize input: normalize([", "classes   target: 10 classes"]
    {
        assert!(ended.stdout.contains(words), "no {words:?} in {ended:#?}");
    }
    let json = bench(dir.path(), "stats DIR --json").expect(0).json();
    let step = json["fields"][0]["normalize"].as_str().unwrap();
    let line = format!("stats DIR --augment '{step}' --json");
    let json = bench(dir.path(), &line).expect(0).json();
    for channel in json["fields"][0]["channels"].as_array().unwrap() {
        let [mean, deviation] = ["mean", "std"].map(|key| channel[key].as_f64().unwrap());
        assert!(mean.abs() < 1e-4 && (deviation - 1.0).abs() < 1e-4, "{channel}");
    }
    let of_classes = json["fields"][1]["classes"].as_array().unwrap().iter();
    assert_eq!(of_classes.map(|class| class["samples"].as_u64().unwrap()).sum::<u64>(), 60);
}

#[test]
fn a_large_mean_and_odd_numbers_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.npy");
    let odd = [f64::NAN, f64::INFINITY];
    npy(&path, "1001, 2", (0..2000).map(|at| 1e9 + f64::from(at % 2)).chain(odd));
    let json = bench(dir.path(), "stats DIR/a.npy --json").expect(0).json();
    let found = &json["fields"][0]["channels"][0];
    let expected = [("mean", 1e9 + 0.5), ("std", 0.5), ("least", 1e9), ("greatest", 1e9 + 1.0)];
    for (key, expected) in expected {
        assert_eq!(found[key].as_f64(), Some(expected), "{key}");
    }
    assert_eq!((&found["nan"], &found["infinite"]), (&Value::from(1), &Value::from(1)));
}

#[test]
fn lengths_and_pictures_are_counted_on_the_page_too() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/a --samples 12 --shape 20..40,30..50 --as png --classes 3";
    bench(dir.path(), line).expect(0);
    let ended = bench(dir.path(), "stats DIR/a --html DIR/page.html").expect(0);
    assert!(ended.stdout.contains("lengths   image, axis 0: 2"), "{ended:#?}");
    let page = fs::read_to_string(dir.path().join("page.html")).unwrap();
    for words in ["Bytes of image", "Samples of each class", "Samples of each length", "normalize("]
    {
        assert!(page.contains(words), "no {words:?}");
    }
    // Counting bytes and summing them up is the same.
    let json = |line: &str| bench(dir.path(), line).expect(0).json()["fields"].take();
    let plain = json("stats DIR/a --json");
    assert_eq!(plain, json("stats DIR/a --json --html DIR/page.html"));
}

#[test]
fn samples_that_fail_are_named_and_left_out() {
    let dir = pairs(40);
    fs::write(file(&dir, "input", 7), "no array").unwrap();
    let ended = bench(dir.path(), "stats DIR").expect(1);
    assert!(ended.stdout.contains("39 samples, and 1 that could not be read"), "{ended:#?}");
    assert!(ended.stderr.contains("000007.npy"), "{ended:#?}");
    let json = bench(dir.path(), "stats DIR --json").expect(1).json();
    assert_eq!((&json["failed"], &json["errors"][0]["sample"]), (&1.into(), &7.into()));
}

/// What numpy finds in `f64`.
#[test]
fn numpy_finds_the_same() {
    let Ok(python) = std::env::var("TALLOW_PEERS_PYTHON") else { return };
    let dir = tempfile::tempdir().unwrap();
    let script = "import numpy, sys, json
random = numpy.random.default_rng(7)
values = {
    'f4': random.normal(1e6, 1, (200, 30, 50)).astype('f4'),
    'f2': random.normal(0, 1, (200, 30, 50)).astype('f2'),
    'u1': random.integers(0, 256, (200, 30, 50)).astype('u1'),
    'u2': random.integers(0, 65536, (200, 30, 50)).astype('u2'),
    'i8': random.integers(-2**40, 2**40, (200, 30, 50)),
}
for name, of in values.items():
    numpy.save(f'{sys.argv[1]}/{name}.npy', of)
    wide = of.astype('f8')
    print(json.dumps([name, wide.mean(), wide.std(), wide.min(), wide.max()]))";
    let ran = Command::new(python).args(["-c", script]).arg(dir.path()).output().unwrap();
    assert!(ran.status.success(), "{ran:?}");
    for line in String::from_utf8(ran.stdout).unwrap().lines() {
        let expected: Vec<Value> = serde_json::from_str(line).unwrap();
        let name = expected[0].as_str().unwrap();
        let json = bench(dir.path(), &format!("stats DIR/{name}.npy --json")).expect(0).json();
        let found = &json["fields"][0]["channels"][0];
        let scale = expected[2].as_f64().unwrap();
        for (key, expected) in ["mean", "std", "least", "greatest"].iter().zip(&expected[1..]) {
            let [found, expected] = [&found[key], expected].map(|of| of.as_f64().unwrap());
            assert!(
                (found - expected).abs() <= 1e-9 * scale.max(expected.abs()),
                "{name} {key}: {found}, {expected}"
            );
        }
    }
}
