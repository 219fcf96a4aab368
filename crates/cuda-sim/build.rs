//! Builds the simulated driver and stand-ins for the libraries that link beside it, and puts their
//! folder where cargo finds it: into the library path of `cargo test` and `cargo run`.
//!
//! Cargo adds every `rustc-link-search` folder inside the target folder to that path, those of
//! dependencies too, and ahead of what the environment names.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library of the CUDA toolkit that programs link and that no GPU code of ours calls: every
/// function of it succeeds and does nothing.
struct StandIn {
    /// As in `libraries/<name>.txt`, which lists its functions, and `lib<name>.so`.
    name: &'static str,
    /// The version of its soname in CUDA 13.
    version: &'static str,
}

/// What a program with candle needs besides the driver (`readelf -d`). The others that candle
/// names, cuBLASLt and NVRTC, it does not need unless it calls them; NVRTC works without a GPU, and
/// a stand-in would only hide it.
const STAND_INS: [StandIn; 3] = [
    StandIn { name: "cublas", version: "13" },
    StandIn { name: "curand", version: "10" },
    StandIn { name: "cudart", version: "13" },
];

/// Functions that give out a handle, which clients may take for a pointer that is not null.
const CREATORS: [&str; 2] = ["cublasCreate_v2", "curandCreateGenerator"];

fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("CARGO_FEATURE_DRIVER").is_none() {
        return Ok(());
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let lib = out.join("lib");
    fs::create_dir_all(&lib)?;
    for folder in ["cpp", "libraries"] {
        println!("cargo:rerun-if-changed={folder}");
    }
    println!("cargo:rerun-if-env-changed=CXX");

    build_driver(&out, &lib)?;
    for library in &STAND_INS {
        build_stand_in(library, &out, &lib)?;
    }
    println!("cargo:rustc-link-search=native={}", lib.display());
    println!("cargo:rustc-link-lib=dylib=cuda");
    Ok(())
}

/// The driver: the sources, and a weak stub for every function that they do not define.
fn build_driver(out: &Path, lib: &Path) -> Result<(), Box<dyn Error>> {
    let mut stubs = String::from("extern \"C\" int cuda_sim_unsupported(const char *);\n");
    for name in functions("cuda")? {
        writeln!(
            stubs,
            "extern \"C\" __attribute__((weak, visibility(\"default\"))) int {name}() \
             {{ return cuda_sim_unsupported(\"{name}\"); }}"
        )?;
    }
    let mut sources = vec![write_source(out, "cuda_stubs.cpp", &stubs)?];
    for entry in fs::read_dir("cpp")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "cpp") {
            sources.push(path);
        }
    }
    // The order of a folder is not that of its names, and the command should be the same everywhere.
    sources.sort();
    link(&sources, lib, "libcuda.so.1")?;
    // The name that `-lcuda` looks for.
    let link_name = lib.join("libcuda.so");
    if fs::symlink_metadata(&link_name).is_err() {
        std::os::unix::fs::symlink("libcuda.so.1", link_name)?;
    }
    Ok(())
}

fn build_stand_in(library: &StandIn, out: &Path, lib: &Path) -> Result<(), Box<dyn Error>> {
    let mut source = String::new();
    for name in functions(library.name)? {
        let (parameter, body) = if CREATORS.contains(&name.as_str()) {
            ("void **handle", "static int object; *handle = &object; return 0;")
        } else {
            ("", "return 0;")
        };
        writeln!(
            source,
            "extern \"C\" __attribute__((visibility(\"default\"))) long {name}({parameter}) {{ {body} }}"
        )?;
    }
    let source = write_source(out, &format!("{}_stand_in.cpp", library.name), &source)?;
    link(&[source], lib, &format!("lib{}.so.{}", library.name, library.version))
}

/// The exported names of a library of CUDA 13.0, one a line.
fn functions(library: &str) -> Result<Vec<String>, Box<dyn Error>> {
    let names = fs::read_to_string(format!("libraries/{library}.txt"))?;
    Ok(names.lines().map(str::to_owned).collect())
}

fn write_source(out: &Path, name: &str, text: &str) -> Result<PathBuf, Box<dyn Error>> {
    let path = out.join(name);
    fs::write(&path, text)?;
    Ok(path)
}

fn link(sources: &[PathBuf], lib: &Path, soname: &str) -> Result<(), Box<dyn Error>> {
    let compiler = env::var("CXX").unwrap_or_else(|_| "g++".to_owned());
    let status = Command::new(&compiler)
        .args(["-std=c++17", "-O2", "-g1", "-fPIC", "-fvisibility=hidden", "-shared"])
        .args(["-Wall", "-Wextra", "-pthread"])
        // Programs ask for the symbols of these libraries under the version that is their soname,
        // and the loader refuses a library without it.
        .arg("-Wl,--default-symver")
        .arg(format!("-Wl,-soname,{soname}"))
        .arg("-o")
        .arg(lib.join(soname))
        .args(sources)
        .status()?;
    if !status.success() {
        return Err(format!("{compiler} did not build {soname}: {status}").into());
    }
    Ok(())
}
