use serde_json::Value;

use crate::tester::{bench, bench_with, pairs};

fn finding<'a>(json: &'a Value, what: &str) -> &'a Value {
    let findings = json["findings"].as_array().unwrap();
    findings.iter().find(|finding| finding["what"] == what).unwrap()
}

#[test]
fn the_machine_is_told_in_columns() {
    let dir = pairs(1);
    let ended = bench(dir.path(), "doctor DIR").expect(0);
    for words in ["system", "cores", "memory", "open files", "locked memory", "storage", "simd"] {
        assert!(ended.lines().iter().any(|line| line.starts_with(words)), "{words}: {ended:#?}");
    }
    // Findings begin in one column, and so does the advice.
    let what = "locked memory".len();
    assert!(ended.lines().iter().all(|line| line[what..].starts_with("  ")), "{ended:#?}");
    assert_eq!(ended.stderr, "");
    let advice = ended.lines().iter().filter(|line| line.contains("  -> ")).count();
    let verdict = match advice {
        0 => "nothing here slows loading".to_owned(),
        1 => "1 setting to change".to_owned(),
        many => format!("{many} settings to change"),
    };
    let last = ended.lines().pop().unwrap();
    assert!(last.starts_with("verdict ") && last.contains(&verdict), "{ended:#?}");
}

#[test]
fn pictures_are_decoded_and_those_that_are_far_too_large_have_advice() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/small --samples 6 --shape 40,50 --as jpeg --classes 2").expect(0);
    bench(dir.path(), "gen DIR/large --samples 2 --shape 1100,1000 --as jpeg --classes 2")
        .expect(0);
    let pictures = |of: &str| {
        let json = bench(dir.path(), &format!("doctor DIR/{of} --json")).expect(0).json();
        finding(&json, "pictures").clone()
    };
    let (small, large) = (pictures("small"), pictures("large"));
    assert_eq!(small["values"]["samples"], 6);
    assert_eq!(small["values"]["pixels"], 2000);
    assert!(small["advice"].is_null(), "{small}");
    assert!(small["values"]["decode_seconds"].as_f64() > Some(0.0), "{small}");
    assert!(
        small["found"].as_str().unwrap().starts_with("JPEG of 40x50 pixels; decoding one takes")
    );
    assert!(large["advice"].as_str().unwrap().contains("256 to 512"), "{large}");
}

#[test]
fn the_machine_is_told_in_json() {
    let dir = pairs(1);
    let json = bench(dir.path(), "doctor DIR --json").expect(0).json();
    assert!(finding(&json, "cores")["values"]["available"].as_u64().unwrap() > 0);
    assert_eq!(finding(&json, "system")["values"]["os"], std::env::consts::OS);
    assert!(finding(&json, "storage")["found"].is_string());
    for finding in json["findings"].as_array().unwrap() {
        assert!(finding["advice"].is_null() || finding["advice"].is_string(), "{finding}");
    }
    let without = bench(dir.path(), "doctor --json").expect(0).json();
    assert!(without["findings"].as_array().unwrap().iter().all(|f| f["what"] != "storage"));
}

#[test]
fn the_rank_is_told_with_the_variables_that_say_it() {
    let dir = pairs(1);
    let of = |set: &[(&str, &str)]| {
        let json = bench_with(dir.path(), "doctor --json", set).expect(0).json();
        finding(&json, "rank").clone()
    };
    let none = of(&[]);
    assert_eq!(none["found"], "a single process, no launcher says otherwise");
    assert_eq!((&none["values"]["world"], &none["advice"]), (&1.into(), &Value::Null));
    let mpi = of(&[("OMPI_COMM_WORLD_RANK", "1"), ("OMPI_COMM_WORLD_SIZE", "2")]);
    assert_eq!(mpi["values"]["launcher"], "Open MPI");
    assert_eq!(mpi["values"]["variables"]["OMPI_COMM_WORLD_RANK"], "1");
    assert!(mpi["found"].as_str().unwrap().contains("OMPI_COMM_WORLD_SIZE=2"), "{mpi}");
    let pod = of(&[("JOB_COMPLETION_INDEX", "3")]);
    assert!(pod["found"].as_str().unwrap().starts_with("JOB_COMPLETION_INDEX=3 counts machines"));
    assert!(pod["advice"].is_string(), "{pod}");
}

#[test]
fn what_a_shuffle_reads_is_told_where_samples_share_pages() {
    let dir = tempfile::tempdir().unwrap();
    let arrays = "gen DIR/arrays --samples 300 --shape 4 --dtype f32 --as npy";
    bench(dir.path(), arrays).expect(0);
    let json = bench(dir.path(), "doctor DIR/arrays --json").expect(0).json();
    let values = &finding(&json, "shuffled")["values"];
    // 16 bytes of one file and 8 of another, each in a page.
    assert_eq!((&values["samples"], &values["used"]), (&256.into(), &(24 * 256).into()));
    assert_eq!((&values["read"], &values["all"]), (&(8192 * 256).into(), &(8192 * 300).into()));
    assert!(finding(&json, "shuffled")["advice"].is_null(), "so little stays in memory");
    // A file for each sample is read whole.
    let pairs = pairs(3);
    let json = bench(pairs.path(), "doctor DIR --json").expect(0).json();
    assert!(json["findings"].as_array().unwrap().iter().all(|f| f["what"] != "shuffled"));
}

#[test]
fn what_harms_comes_with_what_to_do() {
    let dir = pairs(1);
    let scalar = [("TALLOW_SIMD", "scalar")];
    let ended = bench_with(dir.path(), "doctor", &scalar).expect(0);
    let lines = ended.lines();
    let at = lines.iter().position(|line| line.starts_with("simd")).unwrap();
    assert!(lines[at].ends_with("scalar"), "{ended:#?}");
    assert!(lines[at + 1].trim_start().starts_with("-> ") && lines[at + 1].contains("TALLOW_SIMD"));
    let json = bench_with(dir.path(), "doctor --json", &scalar).expect(0).json();
    assert!(finding(&json, "simd")["advice"].as_str().unwrap().contains("unset TALLOW_SIMD"));
}

#[test]
fn a_source_that_is_not_there_ends_with_1() {
    let dir = pairs(1);
    let ended = bench(dir.path(), "doctor DIR/absent").expect(1);
    assert!(ended.stderr.contains("absent"), "{ended:#?}");
}

#[test]
#[cfg(not(feature = "cuda"))]
fn that_there_is_no_cuda_is_said_in_words() {
    let dir = pairs(1);
    let json = bench(dir.path(), "doctor --json").expect(0).json();
    let cuda = finding(&json, "cuda");
    assert!(cuda["found"].as_str().unwrap().starts_with("not built in"), "{cuda}");
    assert_eq!(cuda["advice"].is_null(), cuda["values"]["driver"] == false);
}
