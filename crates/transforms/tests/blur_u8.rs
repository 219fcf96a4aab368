//! Blurs of bytes, which are the same bit for bit however the bytes come about.

use candle_core::{DType, Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

const BLURS: [&str; 5] = [
    "gaussian_blur(3, sigma=0.4)",
    "gaussian_blur(5, sigma=1)",
    "gaussian_blur(7, sigma=20)",
    "gaussian_blur(23, sigma=2)",
    "gaussian_blur(63, sigma=12)",
];

/// What the chain makes of images of this layout.
fn made(chain: &str, layout: Layout, image: &Tensor) -> Tensor {
    let chain: Augment = chain.parse().unwrap_or_else(|error| panic!("{chain}: {error}"));
    let fields = Fields::new([("input", image.unsqueeze(0).unwrap())]);
    let keys = [RowKey { key: Key::new(0, 0), index: 0 }];
    let made = chain.layout(layout).apply(&fields, &keys).unwrap();
    made["input"].squeeze(0).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_alike(a: &Tensor, b: &Tensor, what: &str) {
    let (a, b) = (values(a), values(b));
    assert_eq!(a.len(), b.len(), "{what}");
    let apart = a.iter().zip(&b).position(|(a, b)| a != b);
    let at = apart.unwrap_or(0);
    assert_eq!(apart, None, "{what}: {} and {}", a[at], b[at]);
}

/// An image with its channels last.
fn image([height, width]: [usize; 2], channels: usize) -> Tensor {
    let levels = |i: usize| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3];
    let levels: Vec<u8> = (0..height * width * channels).map(levels).collect();
    Tensor::from_vec(levels, (height, width, channels), &Device::Cpu).unwrap()
}

fn channels_first(image: &Tensor) -> Tensor {
    image.permute((2, 0, 1)).unwrap().contiguous().unwrap()
}

/// A blur in `f64`, of an image with its channels last.
fn exact(image: &Tensor, kernel: usize, sigma: f64) -> Vec<f64> {
    let (height, width, channels) = image.dims3().unwrap();
    let pixels = values(image);
    let reach = kernel as i32 / 2;
    let weight = |x: i32| (-0.5 * (f64::from(x) / sigma).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    let inside = |mut at: i32, len: usize| {
        let last = len as i32 - 1;
        while at < 0 || at > last {
            at = if last == 0 { 0 } else { if at < 0 { -at } else { 2 * last - at } };
        }
        at as usize
    };
    let blurred = |x: i32, len: usize, of: &dyn Fn(usize) -> f64| {
        let term = |k: i32| weight(k) / total * of(inside(x + k, len));
        (-reach..=reach).map(term).sum::<f64>()
    };
    let mut rows = vec![0.0; pixels.len()];
    let place = |y: usize, x: usize, c: usize| (y * width + x) * channels + c;
    let each = || {
        let columns = move |y| (0..width).map(move |x| [y, x]);
        (0..height).flat_map(columns).flat_map(|[y, x]| (0..channels).map(move |c| [y, x, c]))
    };
    for [y, x, c] in each() {
        rows[place(y, x, c)] = blurred(y as i32, height, &|y| f64::from(pixels[place(y, x, c)]));
    }
    each().map(|[y, x, c]| blurred(x as i32, width, &|x| rows[place(y, x, c)])).collect()
}

#[test]
fn bytes_are_within_less_than_one_of_an_exact_blur() {
    for (size, channels) in [([40, 57], 3), ([1, 90], 1), ([33, 2], 4), ([3, 5], 2), ([9, 40], 5)] {
        let image = image(size, channels);
        for (blur, kernel, sigma) in
            [(BLURS[0], 3, 0.4), (BLURS[1], 5, 1.0), (BLURS[3], 23, 2.0), (BLURS[4], 63, 12.0)]
        {
            let exact = exact(&image, kernel, sigma);
            let found = values(&made(blur, Layout::Hwc, &image));
            for (found, exact) in found.iter().zip(&exact) {
                let apart = f64::from(*found) - exact;
                assert!(apart.abs() < 0.55, "{blur} of {size:?}: {found}, exactly {exact}");
            }
        }
    }
}

#[test]
fn channels_first_and_last_are_blurred_alike() {
    for channels in 1..=6 {
        let last = image([40, 57], channels);
        let first = channels_first(&last);
        for blur in BLURS {
            for to in ["to_dtype(f32) to_layout(chw)", "to_layout(hwc)", "to_layout(chw)"] {
                let chain = format!("{blur} {to}");
                let (a, b) = (made(&chain, Layout::Hwc, &last), made(&chain, Layout::Chw, &first));
                assert_alike(&a, &b, &format!("{chain} of {channels} channels"));
            }
        }
    }
}

/// Inverting twice changes nothing, but for the way of the values: it leads through floats.
#[test]
fn bytes_come_out_as_they_would_by_way_of_floats() {
    for channels in [1, 3, 4, 5] {
        let last = image([40, 57], channels);
        for (layout, image) in [(Layout::Hwc, last.clone()), (Layout::Chw, channels_first(&last))] {
            for chain in BLURS {
                for to in ["hwc", "chw"] {
                    let bytes = made(&format!("{chain} to_layout({to})"), layout, &image);
                    let floats = format!("{chain} invert invert to_layout({to})");
                    let floats = made(&floats, layout, &image);
                    assert_eq!(bytes.dtype(), DType::U8);
                    let what = format!("{chain} of {channels} channels, {layout} to {to}");
                    assert_alike(&bytes, &floats, &what);
                }
            }
        }
    }
}

#[test]
fn what_is_flat_stays_flat() {
    for level in [0u8, 1, 127, 128, 254, 255] {
        let image = Tensor::full(level, (31, 45, 3), &Device::Cpu).unwrap();
        for blur in BLURS {
            let found = values(&made(blur, Layout::Hwc, &image));
            assert!(found.iter().all(|x| *x == f32::from(level)), "{blur} of {level}");
        }
    }
}
