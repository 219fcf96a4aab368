//! Compiles the kernels of `src/cuda`: with `nvcc` for the feature `cuda`, with a C++ compiler for
//! `host-kernels`, and not at all otherwise.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/cuda");
    #[cfg(feature = "host-kernels")]
    host_kernels();
    #[cfg(feature = "cuda")]
    ptx();
}

/// A static library of the kernels for the host.
#[cfg(feature = "host-kernels")]
fn host_kernels() {
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/cuda/host.cc")
        // A fused product has other bits.
        .flag("-ffp-contract=off")
        .flag("-pthread")
        // What is said to `nvcc` about loops.
        .flag("-Wno-unknown-pragmas")
        .opt_level(2)
        .compile("tallow_host_kernels");
}

/// The kernels as text that any later device compiles for itself.
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
        .arg("-ptx")
        .arg(format!("-arch=compute_{capability}"))
        // A fused product has other bits.
        .args(["--fmad=false", "-std=c++17", "-O3", "-o"])
        .arg(PathBuf::from(out).join("engine.ptx"))
        .arg("src/cuda/engine.cu")
        .status();
    match status {
        Ok(status) if status.success() => {}
        Ok(status) => panic!("{} failed on the kernels: {status}", nvcc.display()),
        Err(error) => panic!("cannot run {}: {error}", nvcc.display()),
    }
}
