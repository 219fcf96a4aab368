use serde_json::Value;

use crate::tester::{bench, images, pairs};

#[test]
fn what_is_found_lies_within_the_bounds_and_can_be_pasted() {
    let dir = pairs(60);
    let line = "tune DIR --batch-size 4 --shuffle --seconds 2 --memory 2kB --json";
    let json = bench(dir.path(), line).expect(0).json();
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let of = |which: &str, what: &str| json[which][what].as_u64().unwrap();
    assert_eq!(of("most", "workers"), cores);
    for trial in json["trials"].as_array().unwrap() {
        assert!(trial["workers"].as_u64().unwrap() <= cores, "{json}");
        assert!(trial["prefetch"].as_u64().unwrap() <= of("most", "prefetch"), "{json}");
        assert!(trial["samples_per_second"].as_f64().unwrap() > 0.0, "{json}");
    }
    assert!(of("found", "prefetch") >= 1 && of("found", "workers") >= 1, "{json}");
    assert!(json["memory_bytes"].as_u64().unwrap() <= 2000, "{json}");
    let code = json["code"].as_str().unwrap();
    let workers = format!(".workers({})", of("found", "workers"));
    let pinned = code.contains(&workers);
    assert_eq!(pinned, json["is_default"] == false, "the defaults need no words: {json}");
    assert!(code.contains(".shuffle()"), "{code}");
    assert!(json["ceilings"]["page_cache_samples_per_second"].as_f64().unwrap() > 0.0);
}

#[test]
fn half_of_the_cores_are_half_of_the_workers() {
    let dir = images(20);
    let line = "tune DIR --batch-size 2 --cpu-share 0.01 --seconds 1 --augment hflip";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    assert_eq!((&json["most"]["workers"], &json["found"]["workers"]), (&1.into(), &1.into()));
    let ended = bench(dir.path(), line).expect(0);
    for words in
        ["ceilings  storage", "bounds    1 worker, ", "found     ", "paste     ", ".build()?;"]
    {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}

#[test]
fn the_grid_and_cold_files_are_measured_where_asked() {
    let dir = pairs(24);
    let line =
        "tune DIR --batch-size 8 --seconds 1 --cold --memory 3kB --cpu-share 0.5 --grid --json";
    let json = bench(dir.path(), line).expect(0).json();
    assert!(json["grid"]["settings"].as_u64().unwrap() >= 2, "{json}");
    assert!(json["ceilings"]["storage_samples_per_second"].as_f64().unwrap() > 0.0, "{json}");
}

#[test]
fn the_choice_comes_with_its_uncertainty_and_turns_in_one_order() {
    let dir = pairs(200);
    let line = "tune DIR --batch-size 8 --shuffle --seconds 2";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    let finals = json["finals"].as_array().unwrap();
    let settings = |of: &Value| (of["workers"].clone(), of["prefetch"].clone());
    if finals.len() > 1 {
        assert_eq!(settings(&finals[0]), settings(&json["start"]), "the defaults come first");
        let behind = json["behind_best_at_most"].as_f64().unwrap();
        assert!((0.0..1.0).contains(&behind), "{json}");
        for finalist in finals {
            assert_eq!(
                finalist["rounds_samples_per_second"].as_array().unwrap().len(),
                8,
                "{json}"
            );
            if settings(finalist) == settings(&json["found"]) {
                assert!(finalist["beside_found"].is_null(), "{json}");
                continue;
            }
            let of = |key: &str| finalist["beside_found"][key].as_f64().unwrap();
            assert!(of("low") <= of("ratio") && of("ratio") <= of("high"), "{json}");
            assert!(of("high") - 1.0 <= behind + 1e-9, "{json}");
        }
    }
    let ended = bench(dir.path(), line).expect(0);
    let uncertainty = ["at most ", "the fastest of ", "nothing else that was tried came close"];
    assert!(uncertainty.iter().any(|words| ended.stdout.contains(words)), "{ended:#?}");
    let is_default = ended.stdout.contains("which are the defaults\n");
    assert_eq!(ended.stdout.contains(".prefetch("), !is_default, "{ended:#?}");
}

#[test]
fn what_is_searched_is_not_given() {
    let dir = pairs(4);
    for option in ["--workers 2", "--prefetch 3", "--read-ahead 1MB", "--start-batch 1"] {
        let ended = bench(dir.path(), &format!("tune DIR {option}")).expect(2);
        let name = option.split(' ').next().unwrap();
        assert!(ended.stderr.contains(name) && ended.stderr.contains("--cpu-share"), "{ended:#?}");
    }
    for share in ["0", "1.5", "-1", "x"] {
        let ended = bench(dir.path(), &format!("tune DIR --cpu-share={share}")).expect(2);
        assert!(ended.stderr.contains("a share above 0, up to 1"), "{ended:#?}");
    }
}
