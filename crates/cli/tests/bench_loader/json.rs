//! What every object of `--json` contains, so that saved results can be told apart.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::tester::{bench, images, pairs};

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_object_has_the_version_the_command_and_every_setting() {
    let dir = images(12);
    for (command, setting) in [
        ("run DIR --epochs 1", "batch_size"),
        ("digest DIR", "per_sample"),
        ("check DIR", "workers"),
        ("inspect DIR", "samples"),
        ("explain DIR --augment hflip", "augment_field"),
        ("tune DIR --seconds 1 --cpu-share 0.01", "memory"),
        ("compare DIR --rounds 1 --python /bin/false", "timeout"),
        ("doctor", "source"),
        ("demo --epochs 1", "epochs"),
    ] {
        let json = bench(dir.path(), &format!("{command} --json")).json();
        let name = command.split(' ').next().unwrap();
        assert_eq!(
            (&json["tallow"], &json["command"]),
            (&env!("CARGO_PKG_VERSION").into(), &name.into())
        );
        assert!(json["machine"].as_str().unwrap().contains("core"), "{json}");
        assert!(json["settings"].get(setting).is_some(), "{setting}: {json}");
        assert_eq!(json["settings"]["json"], true);
        let help = bench(dir.path(), &format!("{name} --help")).expect(0).stdout;
        let options = help.lines().filter_map(|line| {
            let option = line.trim_start().strip_prefix("-")?;
            let option = option.split_once("--").map_or(option, |(_, option)| option);
            option.trim_start_matches('-').split([' ', '<', '=', '[']).next()
        });
        let options: BTreeSet<String> = options
            .map(|option| option.replace('-', "_"))
            .filter(|option| !["", "help", "color"].contains(&option.as_str()))
            .collect();
        let settings: BTreeSet<String> = keys(&json["settings"])
            .into_iter()
            .filter(|key| *key != "source")
            .map(str::to_owned)
            .collect();
        assert_eq!(settings, options, "{name}: every option is a setting");
    }
}

#[test]
fn settings_are_numbers_flags_and_words_with_their_defaults() {
    let dir = pairs(9);
    let line = "run DIR --batch-size 3 --shuffle --step-ms 1.5 --epochs 2 --read-ahead 2MB \
                --ragged target:0:4 --json";
    // A scalar has no axis that could be ragged. The error still has the settings.
    let json = bench(dir.path(), line).expect(2).json();
    let settings = &json["settings"];
    let source = dir.path().to_str().unwrap();
    for (key, value) in [
        ("source", json!(source)),
        ("batch_size", json!(3)),
        ("shuffle", json!(true)),
        ("ceiling", json!(false)),
        ("step_ms", json!(1.5)),
        ("read_ahead", json!(2_000_000)),
        ("ragged", json!(["target:0:4"])),
        ("field", json!([])),
        ("workers", json!("auto")),
        ("seed", json!(0)),
        ("last", json!("keep")),
        ("on_error", json!("fail")),
        ("device", json!("cpu")),
        ("prefetch", Value::Null),
        ("augment", Value::Null),
    ] {
        assert_eq!(settings[key], value, "{key}: {json}");
    }
}

#[test]
fn what_cannot_be_opened_is_an_object_too() {
    let dir = pairs(4);
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/broken.npy"), "no array").unwrap();
    for (command, code, kind, path) in [
        ("run DIR/absent", 1, "i/o error", Some("absent")),
        ("digest DIR/other/broken.npy", 1, "foreign format", Some("broken.npy")),
        ("inspect DIR/absent", 1, "i/o error", Some("absent")),
        ("explain DIR/absent --augment hflip", 1, "i/o error", Some("absent")),
        ("tune DIR/absent", 1, "i/o error", Some("absent")),
        ("compare DIR/absent", 1, "i/o error", Some("absent")),
        ("tune DIR --workers 2", 2, "usage", None),
        ("run DIR --batch-size 9 --last drop", 2, "usage", None),
        ("run DIR --prefetch 0", 2, "configuration", None),
    ] {
        let ended = bench(dir.path(), &format!("{command} --json")).expect(code);
        let json = ended.json();
        let error = &json["error"];
        assert_eq!(keys(error), BTreeSet::from(["kind", "message", "path", "sample"]), "{json}");
        assert_eq!(error["kind"], kind, "{command}: {json}");
        assert_eq!(error["path"].as_str().map(|it| it.rsplit('/').next().unwrap()), path, "{json}");
        let message = error["message"].as_str().unwrap();
        assert!(ended.stderr.contains(message), "the same words: {ended:#?}");
        assert_eq!(json["settings"]["json"], true, "{json}");
    }
}

#[test]
fn explain_tells_stages_and_fields_as_data() {
    let dir = images(2);
    let line = "explain DIR --augment 'random_crop(8) normalize(imagenet)' --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert!(json["chain"].as_str().unwrap().starts_with("random_crop(8)"), "{json}");
    assert_eq!(json["fields"][0]["name"], "input");
    assert!(json["fields"][0]["to"].as_str().unwrap().contains('8'), "{json}");
    assert!(json["scratch_bytes"].as_u64().unwrap() > 0, "{json}");
    assert!(!json["explained"].as_array().unwrap().is_empty(), "{json}");
}

#[test]
fn help_has_sections() {
    let dir = pairs(1);
    for (command, sections) in [
        ("run", &["Source:", "Loading:", "Mixture:", "Augmentation:", "Measuring:", "Output:"][..]),
        ("tune", &["Source:", "Loading:", "Mixture:", "Augmentation:", "Measuring:", "Output:"]),
        ("compare", &["Source:", "Loading:", "Augmentation:", "Measuring:", "Output:"]),
        ("digest", &["Source:", "Loading:", "Mixture:", "Augmentation:", "Output:"]),
        ("explain", &["Source:", "Augmentation:", "Output:"]),
    ] {
        let help = bench(dir.path(), &format!("{command} --help")).expect(0).stdout;
        let found: Vec<&str> =
            help.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
        let found: Vec<&str> = found
            .into_iter()
            .filter(|it| !["Options:", "Examples:", "Example:"].contains(it))
            .collect();
        assert_eq!(
            BTreeSet::from_iter(found),
            BTreeSet::from_iter(sections.iter().copied()),
            "{help}"
        );
        let options = help.lines().skip_while(|line| *line != "Options:").skip(1);
        let stray: Vec<&str> = options
            .take_while(|line| !line.ends_with(':') || line.starts_with(' '))
            .filter(|line| line.trim_start().starts_with("--"))
            .filter(|line| !line.contains("--color") && !line.contains("--help"))
            .collect();
        assert!(stray.is_empty(), "{command}: in no section: {stray:?}");
    }
}
