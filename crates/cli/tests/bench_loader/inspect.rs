use crate::tester::{bench, file, pairs};

#[test]
fn schema_count_and_sizes_are_told_without_reading() {
    let dir = pairs(12);
    std::fs::write(dir.path().join("input/notes.txt"), "x").unwrap();
    // A longer file is not read here, so it is not an error.
    let mut bytes = std::fs::read(file(&dir, "input", 7)).unwrap();
    bytes.extend([0; 1000]);
    std::fs::write(file(&dir, "input", 7), bytes).unwrap();
    let json = bench(dir.path(), "inspect DIR --json").expect(0).json();
    assert_eq!((&json["samples"], &json["ignored"]), (&12.into(), &1.into()));
    let fields = json["fields"].as_array().unwrap();
    assert_eq!((&fields[0]["name"], &fields[0]["dtype"]), (&"input".into(), &"f32".into()));
    assert_eq!(fields[0]["shape"], serde_json::json!([2, 3]));
    assert_eq!((&fields[1]["name"], &fields[1]["dtype"]), (&"target".into(), &"i64".into()));
    assert_eq!(fields[1]["shape"], serde_json::json!([]));
    let smallest = 128 + 24 + 128 + 8;
    assert_eq!(json["smallest"]["bytes"], smallest);
    assert_eq!(json["largest"]["bytes"], smallest + 1000);
    assert_eq!((&json["smallest"]["index"], &json["largest"]["index"]), (&0.into(), &7.into()));
    assert_eq!(json["bytes"], 12 * smallest + 1000);
    let human = bench(dir.path(), "inspect DIR").expect(0).stdout;
    for words in ["input: f32[2, 3]", "target: i64[]", "samples   12", "largest", "sample 7"] {
        assert!(human.contains(words), "{human}");
    }
}

/// Width and height of a PNG file, which begins with them.
fn size(path: &std::path::Path) -> (u32, u32) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn the_first_samples_are_drawn_in_a_row_for_each_field() {
    let dir = tempfile::tempdir().unwrap();
    let png = dir.path().join("x.png");
    let both = "gen DIR/both --samples 20 --shape 3,12,12 --dtype u8 --target-shape 12,12 \
                --target-dtype i64 --as npy";
    bench(dir.path(), both).expect(0);
    let drawn = |options: &str| {
        let ended = bench(dir.path(), &format!("inspect {options} --png DIR/x.png")).expect(0);
        assert!(ended.stdout.contains("picture   "), "{ended:#?}");
        size(&png)
    };
    let (width, height) = drawn("DIR/both");
    assert_eq!(width, 8 + 8 * (144 + 8), "eight thumbnails");
    assert_eq!(drawn("DIR/both --samples 3").0, 8 + 3 * (144 + 8));
    assert!(drawn("DIR/both --samples 20").1 > 2 * height);
    bench(dir.path(), "gen DIR/one --samples 20 --shape 3,12,12 --dtype f32").expect(0);
    assert!(drawn("DIR/one").1 < height, "a row for each field of images, and no more");
    bench(dir.path(), "gen DIR/r --samples 9 --shape 10..300,10..300,3 --dtype u8").expect(0);
    let (width, height) = drawn("DIR/r --ragged input:0:300 --ragged input:1:300");
    assert!(width == 8 + 8 * (144 + 8) && height < 250, "{width}x{height}");
    let json = bench(dir.path(), "inspect DIR/one --png DIR/x.png --json").expect(0).json();
    assert_eq!(json["samples"], 20);
}

#[test]
fn data_sets_in_subfolders_are_named() {
    let dir = tempfile::tempdir().unwrap();
    for (name, kind) in [("train", "folders"), ("test", "safetensors")] {
        let line = format!("gen DIR/{name} --samples 2 --shape 3 --dtype u8 --as {kind}");
        bench(dir.path(), &line).expect(0);
    }
    std::fs::create_dir(dir.path().join("notes")).unwrap();
    let ended = bench(dir.path(), "inspect DIR").expect(1);
    assert!(ended.stderr.contains("data sets in subfolders (\"test\", \"train\")"), "{ended:#?}");
}

#[test]
fn samples_that_are_no_images_have_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 3 --shape 7 --dtype f32").expect(0);
    let ended = bench(dir.path(), "inspect DIR --png DIR/x.png").expect(2);
    assert!(ended.stderr.contains("found input: f32[7], target: i64[]"), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    assert!(!dir.path().join("x.png").exists());
    let images = crate::tester::images(3);
    for png in ["DIR", "DIR/absent/x.png"] {
        let ended = bench(images.path(), &format!("inspect DIR --png {png}")).expect(2);
        assert!(ended.stderr.contains("cannot write"), "{ended:#?}");
    }
    crate::tester::truncate(&file(&images, "input", 1), 1);
    let ended = bench(images.path(), "inspect DIR --png DIR/x.png").expect(1);
    assert!(ended.stderr.contains("000001.npy"), "{ended:#?}");
}

/// A folder of images of floats, the first of which has these values.
fn floats(values: &[f32]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 3 --shape 3,8,8 --dtype f32").expect(0);
    let mut bytes = std::fs::read(file(&dir, "input", 0)).unwrap();
    let start = bytes.len() - 3 * 8 * 8 * 4;
    for (at, value) in values.iter().enumerate() {
        bytes[start + at * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }
    std::fs::write(file(&dir, "input", 0), bytes).unwrap();
    dir
}

#[test]
fn the_values_of_each_field_are_shown_with_what_augmentation_takes_them_for() {
    let dir = floats(&[0.0, 200.0, f32::NAN, f32::INFINITY]);
    let ended = bench(dir.path(), "inspect DIR").expect(0);
    let said = "input: 0..200, 1 NaN, 1 infinite in 3 samples; augmentation expects floats in 0..1";
    assert!(ended.stdout.contains(said), "{ended:#?}");
    assert!(ended.stdout.contains("255"), "and how to say another range: {ended:#?}");
    let json = bench(dir.path(), "inspect DIR --json").expect(0).json();
    let of = &json["values"][0];
    assert_eq!(
        (&of["least"], &of["greatest"], &of["nan"]),
        (&0.0.into(), &200.0.into(), &1.into())
    );
    let small = floats(&[0.0, 1.0]);
    let ended = bench(small.path(), "inspect DIR").expect(0);
    assert!(
        ended.stdout.contains("input: 0..1 in 3 samples; augmentation takes 0..1 as black..white")
    );
    let bytes = crate::tester::images(100);
    let ended = bench(bytes.path(), "inspect DIR").expect(0);
    assert!(
        ended
            .stdout
            .contains("input: 0..255 in 64 samples; augmentation takes 0..255 as black..white")
    );
    assert!(ended.stdout.contains("target: 0..9\n"), "{ended:#?}");
}

#[test]
fn a_sample_that_cannot_be_read_is_counted_and_the_others_are_told() {
    let dir = pairs(9);
    crate::tester::truncate(&file(&dir, "input", 3), 1);
    std::fs::remove_file(file(&dir, "output", 5)).unwrap();
    std::os::unix::fs::symlink("absent", file(&dir, "output", 5)).unwrap();
    let json = bench(dir.path(), "inspect DIR --json").expect(0).json();
    assert_eq!(
        (&json["samples"], &json["looked_at"], &json["unread"]),
        (&9.into(), &7.into(), &2.into())
    );
}

#[test]
fn labels_stand_under_their_pictures() {
    let dir = crate::tester::images(2);
    let drawn = || {
        bench(dir.path(), "inspect DIR --png DIR/x.png").expect(0);
        std::fs::read(dir.path().join("x.png")).unwrap()
    };
    let before = drawn();
    let label = file(&dir, "output", 1);
    let mut bytes = std::fs::read(&label).unwrap();
    let at = bytes.len() - 8;
    bytes[at] ^= 1;
    std::fs::write(label, bytes).unwrap();
    assert_ne!(drawn(), before, "another digit");
}

#[test]
fn a_picture_of_a_large_sample_takes_little_beside_the_sample() {
    let dir = tempfile::tempdir().unwrap();
    let (wide, bytes) = (dir.path().join("wide.npy"), 40_000_000);
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, {bytes}), }}");
    let head = [&b"\x93NUMPY\x01\x00v\x00"[..], format!("{header:117}\n").as_bytes()].concat();
    std::fs::write(&wide, head).unwrap();
    let file = std::fs::OpenOptions::new().write(true).open(&wide).unwrap();
    file.set_len(128 + bytes).unwrap();
    // Twice the sample, plus what a program with several threads reserves.
    let mut shell = crate::tester::command("sh");
    let limited = r#"ulimit -v 320000; exec "$@""#;
    shell.args(["-c", limited, "sh", env!("CARGO_BIN_EXE_bench-loader"), "inspect"]);
    let output = shell.arg(&wide).arg("--png").arg(dir.path().join("x.png")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(size(&dir.path().join("x.png")).0 < 1000, "reduced");
}

#[test]
fn the_next_command_that_is_named_works() {
    let dir = pairs(9);
    bench(dir.path(), "gen DIR/r --samples 9 --shape 3,4..9,5 --dtype u8").expect(0);
    for source in [
        "DIR",
        "'--field=a b=DIR/input' '--pattern=a b:*' --field x=DIR/output --recursive",
        "DIR/r --ragged input:1:9",
    ] {
        let ended = bench(dir.path(), &format!("inspect {source}")).expect(0);
        let next = ended.lines().last().unwrap().strip_prefix("next      ").unwrap().to_owned();
        let next = next.strip_prefix(env!("CARGO_BIN_EXE_bench-loader")).unwrap();
        let json = bench(dir.path(), &format!("{next} --epochs 1 --json")).expect(0).json();
        assert_eq!(json["samples"], 9, "{next}");
    }
    let without = bench(dir.path(), "inspect DIR/r").expect(0);
    assert!(!without.stdout.contains("next  "), "the shapes come first: {without:#?}");
    crate::tester::truncate(&file(&dir, "input", 3), 1);
    let ended = bench(dir.path(), "inspect DIR").expect(0);
    assert!(ended.lines().last().unwrap().contains(" check "), "{ended:#?}");
}

#[test]
fn columns_that_no_tensor_holds_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/data/parquet/bare.parquet");
    std::fs::copy(file, dir.path().join("bare.parquet")).unwrap();
    let human = bench(dir.path(), "inspect DIR").expect(0).stdout;
    for words in ["image: u8[..=8192, ..=8192, 3]", "left out  when (timestamp): no tensor holds"] {
        assert!(human.contains(words), "{human}");
    }
    let json = bench(dir.path(), "inspect DIR --json").expect(0).json();
    assert_eq!(json["left_out"], serde_json::json!(["when (timestamp)"]));
}

#[test]
fn pictures_in_columns_of_bytes_are_told_and_decoded_with_an_option() {
    let dir = tempfile::tempdir().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/data/parquet/encoded.parquet");
    std::fs::copy(file, dir.path().join("encoded.parquet")).unwrap();
    let human = bench(dir.path(), "inspect DIR").expect(0).stdout;
    assert!(human.contains("bytes     png has pictures, which --picture png decodes\n"), "{human}");
    assert!(human.lines().last().is_some_and(|line| line.starts_with("left out")), "{human}");
    let json = bench(dir.path(), "inspect DIR --json --picture png").expect(0).json();
    assert_eq!(json["encoded"], serde_json::json!(["wide"]));
    assert_eq!(json["pictures"][0]["field"], "png");
    let ended = bench(dir.path(), "inspect DIR --picture label").expect(2);
    assert!(ended.stderr.contains("--picture NAME names \"label\", which is i64"), "{ended:#?}");
    bench(dir.path(), "gen DIR/x --samples 3 --shape 2 --dtype f32").expect(0);
    let ended = bench(dir.path(), "inspect DIR/x --picture input").expect(2);
    assert!(ended.stderr.contains("--picture NAME is for columns"), "{ended:#?}");
}
