//! The program `gpu` does what it says, on a real GPU: here the simulated driver has no kernels.

use std::process::Command;

/// Exit code and standard output.
fn gpu(parts: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gpu")).args(parts).output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_loader_passes() {
    let (code, said) = gpu(&["quick", "loader"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.lines().last().unwrap().starts_with("PASS: 12 checks"), "{said}");
    assert!(!said.contains("FAIL"), "{said}");
}

#[test]
fn a_part_that_is_none_ends_with_2() {
    let (code, said) = gpu(&["frobnicate"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.starts_with("FAIL"), "{said}");
}
