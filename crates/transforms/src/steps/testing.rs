//! Chains on single images, for the tests of steps.

use candle_core::{Device, Tensor};
use tallow_core::{Key, RowKey};

use crate::augment::Augment;
use crate::fields::Fields;
use crate::layout::Layout;

/// What the chain makes of an image of 8 bits (channels, height, width).
pub(crate) fn made(chain: &str, shape: &[usize; 3], image: &[u8]) -> Vec<u8> {
    applied(chain, shape, image).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// The same of a chain that delivers `f32`.
pub(crate) fn made_f32(chain: &str, shape: &[usize; 3], image: &[u8]) -> Vec<f32> {
    applied(chain, shape, image).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

/// Why the chain is refused for a small image in colour. The text of a chain must also be its own.
pub(crate) fn refusal(chain: &str) -> String {
    applied(chain, &[3, 2, 2], &[0; 12]).unwrap_err()
}

fn applied(text: &str, shape: &[usize; 3], image: &[u8]) -> Result<Tensor, String> {
    let chain: Augment = text.parse().map_err(|e| format!("{e}"))?;
    let again: Augment = chain.to_string().parse().map_err(|e| format!("{e}"))?;
    assert_eq!(chain.to_string(), again.to_string());
    let image = Tensor::from_slice(image, shape, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let fields = Fields::new([("input", image)]);
    let keys = [RowKey { key: Key::new(1, 2), index: 3 }];
    let made = again.layout(Layout::Chw).apply(&fields, &keys).map_err(|e| e.to_string())?;
    Ok(made["input"].clone())
}
