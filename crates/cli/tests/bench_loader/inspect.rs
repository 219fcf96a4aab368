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
