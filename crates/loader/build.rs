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
    tallow_fatbin::compile("src/cuda/move_rows.cu", &["-O3"], &[("move_rows", &[])]);
}
