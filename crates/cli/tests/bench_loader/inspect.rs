use crate::tester::{bench, file, pairs};

#[test]
fn schema_count_and_sizes_are_told_without_reading() {
    let dir = pairs(12);
    std::fs::write(dir.path().join("input/notes.txt"), "x").unwrap();
    // A longer file is not read here, so it is no error.
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
fn samples_that_are_no_images_have_no_picture() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR --samples 3 --shape 7 --dtype f32").expect(0);
    let ended = bench(dir.path(), "inspect DIR --png DIR/x.png").expect(2);
    assert!(ended.stderr.contains("found input: f32[7], target: i64[]"), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    assert!(!dir.path().join("x.png").exists());
    let images = crate::tester::images(3);
    for png in ["DIR", "DIR/absent/x.png"] {
        let ended = bench(images.path(), &format!("inspect DIR --png {png}")).expect(1);
        assert!(ended.stderr.contains("cannot write"), "{ended:#?}");
    }
    crate::tester::truncate(&file(&images, "input", 1), 1);
    let ended = bench(images.path(), "inspect DIR --png DIR/x.png").expect(1);
    assert!(ended.stderr.contains("000001.npy"), "{ended:#?}");
}
