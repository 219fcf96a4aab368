//! Chains against torchvision, whose results lie in `golden/`: see its README.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, SafeTensors};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// A tensor of a golden file.
fn tensor(file: &SafeTensors<'_>, name: &str) -> Tensor {
    let view = file.tensor(name).unwrap();
    let dtype = match view.dtype() {
        Dtype::U8 => DType::U8,
        Dtype::F32 => DType::F32,
        other => panic!("{name} is {other:?}"),
    };
    Tensor::from_raw_buffer(view.data(), dtype, view.shape(), &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// What the chain makes of the image.
fn augmented(chain: &str, image: &Tensor) -> Result<Tensor, String> {
    let chain: Augment = chain.parse().map_err(|e| format!("{e}"))?;
    let fields = Fields::new([("input", image.unsqueeze(0).unwrap())]);
    let keys = [RowKey { key: Key::new(0, 0), index: 0 }];
    let made = chain.layout(Layout::Chw).apply(&fields, &keys).map_err(|e| e.to_string())?;
    Ok(made["input"].squeeze(0).unwrap())
}

/// How far apart two values are: NaN is apart from all but NaN, and an infinity from all but itself.
fn distance(a: f32, b: f32) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0.0,
        (false, false) if a == b => 0.0,
        (false, false) => (a - b).abs(),
        _ => f32::INFINITY,
    }
}

/// How the two differ, if by more than the tolerance admits.
fn difference(found: &Tensor, expected: &Tensor, tolerance: &str) -> Option<String> {
    if found.dims() != expected.dims() {
        return Some(format!("shape {:?}, expected {:?}", found.dims(), expected.dims()));
    }
    let is_u8 = found.dtype() == DType::U8;
    let (found, expected) = (values(found), values(expected));
    let apart: Vec<f32> = found.iter().zip(&expected).map(|(a, b)| distance(*a, *b)).collect();
    let worst = apart.iter().fold(0.0f32, |worst, x| worst.max(*x));
    let differing = apart.iter().filter(|x| **x > 0.0).count() as f64 / apart.len().max(1) as f64;
    let fine = match tolerance {
        "exact" => worst == 0.0,
        "pixel" if is_u8 => worst <= 1.0,
        "pixel" => worst <= 2e-6,
        "warp" if is_u8 => worst <= 1.0,
        "warp" => worst <= 1e-5,
        "bytes" if is_u8 => worst <= 1.0,
        "bytes" => worst <= 4e-4,
        "nearest" => differing <= 1e-3,
        other => panic!("no tolerance {other:?}"),
    };
    (!fine).then(|| format!("{worst:e} apart at most, {:.2} % differ", 100.0 * differing))
}

/// Golden files are larger than all the rest of a package, which is published without them.
fn is_published() -> bool {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".cargo_vcs_info.json").exists()
}

fn check(group: &str) {
    if is_published() {
        return;
    }
    let bytes = std::fs::read(folder().join(format!("{group}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let json = std::fs::read(folder().join(format!("{group}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let cases = json["cases"].as_array().unwrap();
    let mut failures = Vec::new();
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap();
        let (chain, image) = (text("chain"), tensor(&file, text("input")));
        let outcome = match augmented(chain, &image) {
            Ok(made) => difference(&made, &tensor(&file, text("output")), text("tolerance")),
            Err(error) => Some(error),
        };
        if let Some(outcome) = outcome {
            failures.push(format!(
                "{chain} of {}: {outcome} ({})",
                text("input"),
                text("tolerance")
            ));
        }
    }
    assert!(!cases.is_empty());
    let failed = failures.len();
    assert!(failed == 0, "{failed} of {} fail:\n{}", cases.len(), failures.join("\n"));
}

#[test]
fn permutations_equal_torchvision() {
    check("permutation");
}

#[test]
fn resizes_equal_torchvision() {
    check("resize");
}

#[test]
fn warps_equal_torchvision() {
    check("warp");
}

#[test]
fn colors_equal_torchvision() {
    check("color");
}

#[test]
fn filters_equal_torchvision() {
    check("filter");
}

#[test]
fn stores_equal_torchvision() {
    check("store");
}

#[test]
fn values_that_few_images_have_are_treated_as_torchvision_does() {
    check("odd");
}

#[test]
fn pipelines_equal_torchvision() {
    check("pipeline");
}
