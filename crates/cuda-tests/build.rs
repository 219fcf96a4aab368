//! Compiles the loader's kernel for the host, as the build of `tallow-transforms` does the others: in whole blocks,
//! every access of which is watched.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/move_rows.cc");
    println!("cargo::rerun-if-changed=../loader/src/cuda/move_rows.cu");
    println!("cargo::rerun-if-changed=../transforms/src/cuda/whole_blocks.h");
    println!("cargo::rerun-if-changed=../transforms/src/cuda/words.h");
    #[cfg(feature = "simulated")]
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .file("src/move_rows.cc")
        // What is said to `nvcc` about loops.
        .flag("-Wno-unknown-pragmas")
        .flag("-fsanitize=thread")
        .opt_level(1)
        .compile("tallow_move_rows");
}
