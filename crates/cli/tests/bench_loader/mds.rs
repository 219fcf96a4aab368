//! Data sets of MosaicML Streaming.

use std::path::Path;

use serde_json::json;

use crate::tester::bench;

/// Writes the shards `parts` of a label and as many bytes as the label says, with their index.
fn write(folder: &Path, parts: &[&[u64]], is_compressed: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let mut entries = Vec::new();
    for (at, labels) in parts.iter().enumerate() {
        let mut entry = json!({
            "column_names": ["image", "label"], "column_encodings": ["bytes", "int"],
            "column_sizes": [null, 8], "format": "mds", "version": 2,
        });
        let config = entry.to_string();
        let sample = |&label: &u64| {
            let head = (label as u32).to_le_bytes();
            [&head[..], &vec![7; label as usize], &label.to_le_bytes()].concat()
        };
        let samples: Vec<Vec<u8>> = labels.iter().map(sample).collect();
        let mut end = 4 + 4 * (labels.len() + 1) + config.len();
        let mut shard = [labels.len(), end].map(|it| (it as u32).to_le_bytes()).concat();
        for sample in &samples {
            end += sample.len();
            shard.extend((end as u32).to_le_bytes());
        }
        let shard = [shard, config.into_bytes(), samples.concat()].concat();
        let name = format!("shard.{at:05}.mds");
        entry["samples"] = labels.len().into();
        entry["raw_data"] = json!({ "basename": name, "bytes": shard.len(), "hashes": {} });
        let zip = format!("{name}.zstd");
        if is_compressed {
            entry["compression"] = "zstd".into();
            entry["zip_data"] = json!({ "basename": zip, "bytes": shard.len(), "hashes": {} });
        }
        std::fs::write(folder.join(if is_compressed { zip } else { name }), shard).unwrap();
        entries.push(entry);
    }
    let index = json!({ "version": 2, "shards": entries });
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
}

#[test]
fn a_data_set_is_read_by_its_path_alone() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("train"), &[&[3, 9, 4], &[2, 70, 5, 1]], false);
    write(&dir.path().join("val"), &[&[1, 2]], false);
    let json = bench(dir.path(), "inspect DIR/train --json").expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&7.into(), &"label".into()));
    let told = bench(dir.path(), "inspect DIR/train").expect(0).stdout;
    assert!(told.contains("u8[..=70], 70 B per sample"), "{told}");
    bench(dir.path(), "check DIR/train").expect(0);
    let digest = |line: &str| bench(dir.path(), line).expect(0).json()["digest"].clone();
    let one = digest("digest DIR/train --pad image:0 --shuffle --workers 1 --json");
    assert_eq!(digest("digest DIR/train --pad image:0 --shuffle --workers 3 --json"), one);
    let line = "run DIR/train --array label --epochs 1 --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][0]["name"]), (&7.into(), &"label".into()));
    let json =
        bench(dir.path(), "inspect 'DIR/train/shard.0000{1..1}.mds' --json").expect(0).json();
    assert_eq!(json["samples"], 4);
    // Splits: one is to be named.
    let told = bench(dir.path(), "inspect DIR").expect(1).stderr;
    assert!(told.contains("\"train\", \"val\""), "{told}");
}

#[test]
fn compressed_shards_are_refused_with_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[&[3, 9, 4]], true);
    let told = bench(dir.path(), "inspect DIR").expect(1).stderr;
    for words in ["compressed with \"zstd\"", "decompress it", "without compression"] {
        assert!(told.contains(words), "{words:?} is missing in {told}");
    }
}
