//! What `scripts/gpu.sh run` makes of a program that passes, fails, or takes too long: here a script plays it.

#![cfg(target_os = "linux")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, what was printed, and the table of some parts, each of which may take two seconds.
fn run(program: &str, parts: &[&str]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let (beside, out) = (folder.path(), folder.path().join("out"));
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts");
    for script in ["gpu.sh", "gpu_profile.py"] {
        fs::copy(scripts.join(script), beside.join(script)).unwrap();
    }
    fs::write(beside.join("gpu"), format!("#!/usr/bin/env bash\n{program}")).unwrap();
    let executable = Command::new("chmod").arg("+x").arg(beside.join("gpu")).status();
    assert!(executable.unwrap().success());
    let output = Command::new("bash")
        .arg(beside.join("gpu.sh"))
        .arg("run")
        .arg(&out)
        .args(parts)
        .env("PART_SECONDS", "2")
        .output()
        .unwrap();
    let table = fs::read_to_string(out.join("table.txt")).unwrap_or_default();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), table)
}

#[test]
fn what_passes_passes_and_its_figures_come_first() {
    let program = "case $1 in
        figures) printf '      some 1 GB/s\\n    * most 2 GB/s\\n' ;;
        *) printf 'ok    a\\nok    b\\nPASS: 2 checks\\n' ;;
    esac";
    let (code, said, table) = run(program, &["correctness", "figures"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(table.contains("\npictures  ok, 2 checks"), "{table}");
    let summary = table.split("\n\n").next().unwrap();
    assert!(summary.ends_with("  most 2 GB/s\nPASS") && !summary.contains("some"), "{table}");
    assert!(said.ends_with(&format!("{summary}\n")), "{said}");
    assert!(table.contains("\n      some 1 GB/s\n") && table.ends_with("\nPASS\n"), "{table}");
}

#[test]
fn what_fails_fails_and_what_takes_too_long_is_not_done() {
    let program = "case $1 in
        loader) echo 'ok    a'; exec sleep 20 ;;
        augment) echo 'FAIL  a: other bytes'; exit 1 ;;
        pictures) echo 'FAIL  a: other bytes'; exec sleep 20 ;;
    esac";
    let (code, said, table) = run(program, &["loader"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(table.contains("\nloader    not done, 1 checks were ok"), "{table}");
    assert!(table.ends_with("\nNOT DONE\n") && !table.contains("FAIL"), "{table}");
    for part in ["augment", "pictures"] {
        let (code, said, table) = run(program, &["loader", part]);
        assert_eq!(code, Some(1), "{said}");
        assert!(table.contains("\nFAIL  a: other bytes\nFAIL\n"), "{table}");
        assert!(table.ends_with("\nFAIL\n"), "{table}");
    }
}

#[test]
fn figures_that_cannot_be_measured_are_no_failure() {
    let (code, said, table) = run("echo 'FAIL  figures: no device'; exit 1", &["figures"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(table.contains("\n  not measured: figures: no device\nPASS\n"), "{table}");
    let (code, ..) = run("true", &["frobnicate"]);
    assert_eq!(code, Some(2));
}

#[test]
fn what_a_profiler_counts_becomes_a_line_a_kernel() {
    let columns = [
        ("ID", "0"),
        ("Kernel Name", "stage_u8(StageArgs)"),
        ("gpu__time_duration.sum", "50,000"),
        ("smsp__issue_active.avg.pct_of_peak_sustained_active", "70.4"),
        ("smsp__thread_inst_executed.sum", "1,027,604,480"),
        ("dram__bytes_read.sum", "38,500,000"),
        ("dram__bytes_write.sum", "77,000,000"),
        ("sm__warps_active.avg.pct_of_peak_sustained_active", "61.2"),
        ("launch__registers_per_thread", "80"),
    ];
    let row = |cells: [&str; 9]| format!("\"{}\"\n", cells.join("\",\""));
    let launch = row(columns.map(|(_, value)| value));
    let csv = [
        "==PROF== Connected\n      256 rows, 450000 bytes of each\n".to_owned(),
        row(columns.map(|(name, _)| name)),
        row(["", "", "ns", "%", "inst", "byte", "byte", "%", "register/thread"]),
        launch.clone(),
        launch,
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ncu.csv");
    fs::write(&file, csv.concat()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/gpu_profile.py");
    let output = Command::new("python3")
        .arg(script)
        .arg("crop")
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        said,
        "    * crop: stage_u8 x1: 50.0 us, issue 70 %, occupancy 61 %, 80 registers, 80 instructions a pixel, \
         38.5 MB read, 77.0 MB written\n    * crop: all kernels 50.0 us, each byte once 2304 GB/s\n"
    );
}
