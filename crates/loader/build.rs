//! Compiles the kernel of samples that stay on the device, with `nvcc`, for the feature `cuda`; and
//! leaves out counters and clocks where benchmarks/counting.sh measures what they cost.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tallow_uncounted)");
    println!("cargo::rerun-if-env-changed=TALLOW_UNCOUNTED");
    if std::env::var_os("TALLOW_UNCOUNTED").is_some() {
        println!("cargo::rustc-cfg=tallow_uncounted");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/cuda/move_rows.cu");
    #[cfg(feature = "cuda")]
    ptx();
}

/// The kernel as text that any later device compiles for itself.
#[cfg(feature = "cuda")]
fn ptx() {
    use std::path::PathBuf;
    use std::process::Command;

    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    println!("cargo::rerun-if-env-changed=CUDA_HOME");
    println!("cargo::rerun-if-env-changed=NVCC");
    let capability = std::env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".to_owned());
    let home = std::env::var_os("CUDA_HOME").map(|home| PathBuf::from(home).join("bin/nvcc"));
    let given = std::env::var_os("NVCC").map(PathBuf::from);
    let nvcc = given.or(home).unwrap_or_else(|| "nvcc".into());
    let out = std::env::var_os("OUT_DIR").expect("cargo says where built files go");
    let status = Command::new(&nvcc)
        .args(["-ptx", &format!("-arch=compute_{capability}"), "-O3", "-o"])
        .arg(PathBuf::from(out).join("move_rows.ptx"))
        .arg("src/cuda/move_rows.cu")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{} failed on the kernel: {status}", nvcc.display()),
        Err(error) => panic!("cannot run {}: {error}", nvcc.display()),
    }
}
