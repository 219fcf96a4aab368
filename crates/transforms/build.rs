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
    watched_kernels();
}

/// The same kernels once more, each access of which calls a function of our own.
#[cfg(feature = "host-kernels")]
fn watched_kernels() {
    let build = |file: &str| {
        let mut build = cc::Build::new();
        build.cpp(true).std("c++17").file(file);
        build
    };
    build("src/cuda/watched.cc")
        .flag("-ffp-contract=off")
        .flag("-fsanitize=thread")
        .flag("-Wno-unknown-pragmas")
        .opt_level(1)
        .compile("tallow_watched_kernels");
    build("src/cuda/whole_blocks.cc").opt_level(2).compile("tallow_whole_blocks");
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
    let out = PathBuf::from(out);
    let start = |part: &str| {
        Command::new(&nvcc)
            .arg("-ptx")
            .arg(format!("-arch=compute_{capability}"))
            // A fused product has other bits.
            .args(["--fmad=false", "-std=c++17", "-O3", "-o"])
            .arg(out.join(part).with_extension("ptx"))
            .arg(format!("-DPART_{}", part.to_uppercase()))
            .arg("src/cuda/engine.cu")
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", nvcc.display()))
    };
    // All at once, on as many cores.
    let parts = ["stage_u8", "stage_u16", "stage_f16", "stage_f32", "others"];
    for (part, mut compiling) in parts.map(|part| (part, start(part))) {
        match compiling.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => panic!("{} failed on {part}: {status}", nvcc.display()),
            Err(error) => panic!("lost {}: {error}", nvcc.display()),
        }
    }
}
