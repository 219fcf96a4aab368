//! With CUDA: on a GPU, or on the simulated driver if `tallow-cuda-sim` is part of the build.

use crate::tester::{bench, images, pairs};

#[test]
fn digests_are_those_of_the_cpu() {
    let dir = images(23);
    for options in ["", "--last pad", "--shuffle --seed 3 --epochs 2"] {
        let line = format!("digest DIR --batch-size 4 {options}");
        let cpu = bench(dir.path(), &line).expect(0).stdout;
        for workers in [0, 1, 3] {
            let line = format!("{line} --device cuda:0 --workers {workers}");
            assert_eq!(bench(dir.path(), &line).expect(0).stdout, cpu, "{line}");
        }
    }
}

#[test]
fn a_run_tells_of_device_step_and_copies() {
    let dir = pairs(40);
    let line = "run DIR --batch-size 4 --epochs 2 --device cuda:0 --step-ms 1";
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    assert_eq!(json["device"], "cuda:0");
    assert!(json["device_model"].is_string() && json["device_bytes"].as_u64().unwrap() > 0);
    let copies = &json["copies"];
    assert_eq!(copies["count"], 20, "{json}");
    let slab = json["copies"]["bytes"].as_u64().unwrap() / 20;
    assert!(slab >= 4 * (24 + 8), "{json}");
    for key in ["seconds", "bytes_per_second", "alone_bytes_per_second", "share_of_alone"] {
        assert!(copies[key].as_f64().unwrap() > 0.0, "{key}: {json}");
    }
    assert!(copies["hidden_at_least"].is_number(), "{json}");
    let kernels = &json["kernels"];
    assert!(kernels["count"].as_u64().unwrap() > 0, "{json}");
    for key in ["seconds", "bytes_per_second", "copy_bytes_per_second", "share_of_copy"] {
        assert!(kernels[key].as_f64().unwrap() > 0.0, "{key}: {json}");
    }
    let ended = bench(dir.path(), line).expect(0);
    for words in [
        "device    cuda:0 (",
        "of its memory for slabs",
        "copies    ",
        "kernels   ",
        "step      1.00 ms",
    ] {
        assert!(ended.stdout.contains(words), "{words}: {ended:#?}");
    }
}

#[test]
fn resident_samples_take_no_more_than_allowed_and_are_copied_once() {
    let dir = pairs(12);
    let line = "run DIR --batch-size 12 --epochs 3 --device cuda:0 --json --resident";
    let json = bench(dir.path(), &format!("{line} 1kB")).expect(0).json();
    let copied = json["copies"]["bytes"].as_u64().unwrap();
    assert!((12 * 32..2 * 12 * 32 + 3 * 512).contains(&copied), "{json}");
    let ended = bench(dir.path(), &format!("{line} 100B")).expect(2);
    assert!(ended.stderr.contains("expected at most 100"), "{ended:#?}");
}

#[test]
fn a_device_that_is_not_there_ends_with_1() {
    let dir = pairs(1);
    for command in ["run", "digest"] {
        let ended = bench(dir.path(), &format!("{command} DIR --device cuda:99")).expect(1);
        assert!(ended.stderr.contains("cannot open device cuda:99"), "{ended:#?}");
    }
}

#[test]
fn the_doctor_measures_the_copies_of_each_device() {
    let dir = pairs(1);
    let json = bench(dir.path(), "doctor --json").expect(0).json();
    let findings = json["findings"].as_array().unwrap();
    let of = |what: &str| findings.iter().find(|finding| finding["what"] == what).unwrap();
    let devices = findings.iter().filter(|f| f["what"].as_str().unwrap().starts_with("cuda:"));
    for (ordinal, device) in devices.enumerate() {
        assert_eq!(device["what"], format!("cuda:{ordinal}"), "{json}");
        assert!(device["values"]["memory"].as_u64().unwrap() > 0, "{json}");
        assert!(device["values"]["compute_capability"][0].as_u64().unwrap() >= 5, "{json}");
        assert!(!device["values"]["name"].as_str().unwrap().is_empty(), "{json}");
    }
    assert!(of("cuda:0").is_object(), "{json}");
    assert!(of("  copies")["values"]["page_locked"].as_f64().unwrap() > 0.0, "{json}");
    assert!(of("driver")["values"]["cuda"].as_str().unwrap().contains('.'), "{json}");
}
