//! Compiles the kernels of `src/cuda`: with `nvcc` for the feature `cuda`, with a C++ compiler for
//! `host-kernels`, and not at all otherwise.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/cuda");
    #[cfg(feature = "host-kernels")]
    host_kernels();
    #[cfg(feature = "cuda")]
    fat_binaries();
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

/// Fat binaries, in parts that become modules of the driver.
#[cfg(feature = "cuda")]
fn fat_binaries() {
    let parts: [(&str, &[&str]); 6] = [
        ("stage_u8", &["-DPART_STAGE_U8"]),
        ("stage_photo", &["-DPART_STAGE_PHOTO"]),
        ("stage_u16", &["-DPART_STAGE_U16"]),
        ("stage_f16", &["-DPART_STAGE_F16"]),
        ("stage_f32", &["-DPART_STAGE_F32"]),
        ("others", &["-DPART_OTHERS"]),
    ];
    // A fused product has other bits.
    let flags = ["--fmad=false", "-std=c++17", "-O3"];
    tallow_fatbin::compile("src/cuda/engine.cu", &flags, &parts);
}
