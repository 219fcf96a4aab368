//! Tables of labels beside files, by path and by option.

use std::fs;

use crate::tester::bench;

#[test]
fn a_folder_of_pictures_has_the_columns_of_its_metadata() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/p --samples 3 --shape 20,30 --as jpeg --classes 1";
    bench(dir.path(), line).expect(0);
    let folder = dir.path().join("p/class_0");
    let names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let row = |(at, name): (usize, &String)| {
        format!("{{\"file_name\": \"{name}\", \"label\": \"kind {}\", \"size\": {at}}}\n", at % 2)
    };
    let rows: String = names.iter().enumerate().map(row).collect();
    fs::write(folder.join("metadata.jsonl"), &rows).unwrap();
    let ended = bench(dir.path(), "inspect DIR/p/class_0").expect(0);
    for words in ["label: i64[]", "size: i64[]", "classes   2: kind 0, kind 1", "3 JPEG"] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
    bench(dir.path(), "check DIR/p/class_0").expect(0);
    // Above the pictures, and with paths below it.
    fs::remove_file(folder.join("metadata.jsonl")).unwrap();
    let rows: String = names.iter().map(|name| format!("class_0/{name},7\n")).collect();
    fs::write(dir.path().join("p/metadata.csv"), format!("file_name,age\n{rows}")).unwrap();
    let json = bench(dir.path(), "inspect DIR/p --json").expect(0).json();
    assert_eq!((&json["samples"], &json["fields"][1]["name"]), (&3.into(), &"age".into()));
    let whole =
        bench(dir.path(), "digest DIR/p --batch-size 2 --augment resize(16,16)").expect(0).stdout;
    assert!(whole.contains('3'), "{whole}");
}

#[test]
fn a_table_is_named_and_what_has_no_partner_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/a --samples 4 --shape 3 --dtype f32").expect(0);
    let input = dir.path().join("a/input");
    let mut stems: Vec<String> = fs::read_dir(&input)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    stems.sort_unstable();
    let table = dir.path().join("labels.csv");
    let rows: Vec<String> = stems.iter().map(|stem| format!("{stem},dog")).collect();
    fs::write(&table, format!("id,label\n{}\n", rows.join("\n"))).unwrap();
    let ended = bench(dir.path(), "inspect DIR/a --table DIR/labels.csv").expect(0);
    assert!(ended.stdout.contains("label: i64[]") && ended.stdout.contains("1: dog"), "{ended:#?}");
    assert!(ended.stdout.contains("--table"), "the next command has it: {ended:#?}");
    bench(dir.path(), "run DIR/a --table DIR/labels.csv --batch-size 2 --epochs 1").expect(0);
    fs::write(&table, format!("id,label\n{}\nother,cat\n", rows[1..].join("\n"))).unwrap();
    let ended = bench(dir.path(), "inspect DIR/a --table DIR/labels.csv").expect(1);
    assert!(ended.stderr.contains("2 files have no partner"), "{ended:#?}");
    let json = bench(dir.path(), "check DIR/a --table DIR/labels.csv --json").expect(1).json();
    let problems = json["problems"].as_array().unwrap();
    assert_eq!((problems.len(), &json["samples"]), (2, &3.into()), "{json:#}");
    assert!(problems.iter().all(|problem| problem["kind"] == "unpaired"), "{json:#}");
    let ended = bench(dir.path(), "inspect DIR/a --table DIR/absent.csv").expect(1);
    assert!(ended.stderr.contains("absent.csv"), "{ended:#?}");
}
