//! Data sets that users' own tools wrote, opened by path alone: `scripts/formats.py` writes them, with the
//! interpreter that `TALLOW_PEERS_PYTHON` names. Without one nothing is compared.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tallow::{OpenOptions, RowBuffer, RowDType, Source, testing};

/// One field of a sample: name, element type, shape, and the bytes in hexadecimal.
type Expected = (String, String, Vec<usize>, String);

/// The descriptions of all data sets that the script wrote into `folder`, by name.
fn written(python: &Path, folder: &Path) -> BTreeMap<String, Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/formats.py");
    let ended = Command::new(python).arg(&script).arg(folder).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{} failed: {told}", script.display());
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let described = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let described = described.map(|path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        (name, serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap())
    });
    described.collect()
}

fn opened(folder: &Path, told: &Value) -> Result<Box<dyn Source>, Box<dyn Error>> {
    let mut options = OpenOptions::new();
    if told["stacked"] == true {
        options = options.stacked();
    }
    if let (Some(dtype), Some(length)) = (told["tokens"][0].as_str(), told["tokens"][1].as_u64()) {
        let types = [RowDType::U16, RowDType::U32, RowDType::I32];
        let dtype = types.into_iter().find(|it| it.as_str() == dtype).ok_or("no such type")?;
        options = options.tokens(dtype, length as usize);
    }
    Ok(options.open(folder.join(told["place"].as_str().ok_or("no place")?))?)
}

fn compare(source: &dyn Source, told: &Value) -> Result<(), Box<dyn Error>> {
    let samples: Vec<Vec<Expected>> = serde_json::from_value(told["samples"].clone())?;
    if source.len() != samples.len() || samples.is_empty() {
        return Err(format!("{} samples, expected {}", source.len(), samples.len()).into());
    }
    let names: Vec<&str> = source.schema().fields().iter().map(|field| field.name()).collect();
    let expected: Vec<&str> = samples[0].iter().map(|(name, ..)| name.as_str()).collect();
    if names != expected {
        return Err(format!("fields {names:?}, expected {expected:?}").into());
    }
    for (index, sample) in samples.iter().enumerate() {
        let mut buffer = RowBuffer::new(source.schema())?;
        let mut row = buffer.row(None);
        source.read(index, &mut row)?;
        row.finish()?;
        let view = buffer.view();
        for (at, (name, dtype, shape, hex)) in sample.iter().enumerate() {
            let field = view.field(at);
            let found: String = field.bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            if (field.dtype().as_str(), field.shape()) != (dtype, shape) || found != *hex {
                let (dtype_found, shape_found) = (field.dtype(), field.shape());
                let message = format!(
                    "sample {index}, field {name}: found {dtype_found}{shape_found:?} {found}, \
                     expected {dtype}{shape:?} {hex}"
                );
                return Err(message.into());
            }
        }
    }
    Ok(())
}

#[test]
fn every_format_that_users_tools_write_is_read_to_the_last_bit() {
    let Some(python) = std::env::var_os("TALLOW_PEERS_PYTHON") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let sets = written(Path::new(&python), dir.path());
    let mut wrong = Vec::new();
    for (name, told) in &sets {
        match opened(dir.path(), told).and_then(|source| {
            compare(&*source, told)?;
            Ok(source)
        }) {
            Ok(source) => testing::check_source(&*source),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} data sets:\n{}", wrong.len(), sets.len(), wrong.join("\n"));
    // So that a set that the script stops writing is missed.
    for name in [
        "stored",
        "deflated",
        "stacked",
        "shards",
        "shards_of_braces",
        "safetensors",
        "safetensors_of_folder",
        "nanogpt",
        "gpt2",
        "llama3",
        "megatron",
        "mds",
        "foundry",
        "saved",
        "arrow_file",
        "arrow_stream",
        "parquet_datasets",
        "parquet_none",
        "parquet_snappy",
        "parquet_gzip",
        "parquet_zstd",
        "parquet_lz4",
        "parquet_version_2",
        "parquet_index",
        "parquet_pages",
        "parquet_delta",
        "parquet_polars",
        "parquet_duckdb",
        "parquet_old",
    ] {
        assert!(sets.contains_key(name), "the script wrote no {name}");
    }
}
