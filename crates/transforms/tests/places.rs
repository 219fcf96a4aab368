//! Where maps look in large images, beside a plain implementation in `f64`.

use candle_core::{DType, Device, Tensor};
use tallow_core::{Key, RowKey};
use tallow_transforms::{Augment, Fields, Layout};

/// An image of noise, and what it shows between its pixels.
struct Noise {
    height: usize,
    width: usize,
    levels: Vec<u8>,
}

impl Noise {
    fn new(height: usize, width: usize) -> Self {
        let level = |at: usize| (at as u32).wrapping_mul(2_654_435_761) >> 24;
        let levels = (0..height * width).map(|at| level(at) as u8).collect();
        Self { height, width, levels }
    }

    fn pixel(&self, y: i64, x: i64) -> f64 {
        let is_inside = (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x);
        if is_inside {
            f64::from(self.levels[y as usize * self.width + x as usize]) / 255.0
        } else {
            0.0
        }
    }

    /// The blend of the four pixels around a place; what lies outside is black.
    fn at(&self, [x, y]: [f64; 2]) -> f64 {
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (x - left, y - top);
        let row = |dy: i64| {
            let of = |dx: i64| self.pixel(top as i64 + dy, left as i64 + dx);
            (1.0 - across) * of(0) + across * of(1)
        };
        (1.0 - down) * row(0) + down * row(1)
    }

    /// What `chain` makes of a part, from `top` and `left`, of this many rows and columns.
    fn part(&self, chain: &str, part: [usize; 4], of: DType) -> Vec<f32> {
        let [top, left, height, width] = part;
        let chain = format!("{chain} crop({top}, {left}, {height}, {width}) to_dtype(f32)");
        let shape = (1, self.height, self.width);
        let image = Tensor::from_slice(&self.levels, shape, &Device::Cpu).unwrap();
        let image = match of {
            DType::U8 => image,
            _ => (image.to_dtype(DType::F32).unwrap() / 255.0).unwrap(),
        };
        let chain: Augment = chain.parse().unwrap();
        let keys = [RowKey { key: Key::new(0, 0), index: 0 }];
        let made = chain.layout(Layout::Hw).apply(&Fields::new([("input", image)]), &keys).unwrap();
        made["input"].flatten_all().unwrap().to_vec1().unwrap()
    }

    /// The corners and the middle of images of this size.
    fn parts(&self, [height, width]: [usize; 2]) -> Vec<[usize; 4]> {
        let part = [height.min(40), width.min(40)];
        let ends = |len: usize, part: usize| [0, (len - part) / 2, len - part];
        let tops = ends(height, part[0]).into_iter();
        tops.flat_map(|top| ends(width, part[1]).map(|left| [top, left, part[0], part[1]]))
            .collect()
    }

    /// Compares the parts of what `chain` makes of the image, which shows `place(x, y)`, as numbers
    /// and, where they are not resized, as bytes.
    fn check(&self, chain: &str, size: [usize; 2], place: impl Fn(f64, f64) -> [f64; 2]) {
        self.check_as(DType::F32, 1e-5, chain, size, &place);
        if !chain.starts_with("resize") {
            // Places and weights of 14 fractional bits: a thirtieth of a level.
            self.check_as(DType::U8, 1.3e-4, chain, size, &place);
        }
    }

    fn check_as(
        &self,
        of: DType,
        most: f64,
        chain: &str,
        size: [usize; 2],
        place: impl Fn(f64, f64) -> [f64; 2],
    ) {
        for part in self.parts(size) {
            let [top, left, _, width] = part;
            for (at, found) in self.part(chain, part, of).into_iter().enumerate() {
                let (x, y) = ((left + at % width) as f64, (top + at / width) as f64);
                let expected = self.at(place(x, y));
                let apart = (f64::from(found) - expected).abs();
                let size = [self.height, self.width];
                assert!(
                    apart <= most,
                    "{chain} of {size:?} at {x}, {y}: {found}, expected {expected}"
                );
            }
        }
    }
}

const SIZES: [[usize; 2]; 4] = [[3000, 600], [600, 3000], [1200, 10_000], [10_000, 1200]];

/// The places of [`Affine`](tallow_transforms::Affine), as its documentation has them.
fn affine(
    [height, width]: [usize; 2],
    [angle, tx, ty, scale, shear_x, shear_y]: [f64; 6],
) -> impl Fn(f64, f64) -> [f64; 2] {
    let [a, sx, sy] = [angle, shear_x, shear_y].map(f64::to_radians);
    let m = [
        (a - sy).cos() / sy.cos(),
        -(a - sy).cos() * sx.tan() / sy.cos() - a.sin(),
        (a - sy).sin() / sy.cos(),
        -(a - sy).sin() * sx.tan() / sy.cos() + a.cos(),
    ];
    let determinant = m[0] * m[3] - m[1] * m[2];
    let middle = [(width - 1) as f64 / 2.0, (height - 1) as f64 / 2.0];
    move |x, y| {
        let (x, y) = (x - middle[0] - tx, y - middle[1] - ty);
        let (u, v) = (m[3] * x - m[1] * y, m[0] * y - m[2] * x);
        [u / determinant / scale + middle[0], v / determinant / scale + middle[1]]
    }
}

#[test]
fn affine_maps_of_large_images_are_exact_to_a_hundred_thousandth() {
    for size in SIZES {
        let image = Noise::new(size[0], size[1]);
        for map in [
            [30.0, 0.0, 0.0, 1.0, 0.0, 0.0],
            [-37.0, 3.25, -2.5, 0.93, 11.0, -7.0],
            [0.013, 0.1, 0.7, 1.0001, 0.0, 0.0],
            [179.9, 0.0, 0.0, 1.2, 0.0, 0.1],
        ] {
            let numbers = map.map(|number: f64| number.to_string()).join(", ");
            image.check(
                &format!("affine({numbers}, interpolation=bilinear)"),
                size,
                affine(size, map),
            );
        }
        let turn = [-12.5, 0.0, 0.0, 1.0, 0.0, 0.0];
        image.check("rotate(12.5, interpolation=bilinear)", size, affine(size, turn));
    }
}

#[test]
fn projective_maps_of_large_images_are_exact_to_a_hundred_thousandth() {
    for size in SIZES {
        let image = Noise::new(size[0], size[1]);
        let [h, w] = size.map(|len| len as f64);
        let corners =
            [0.1 * w, 0.05 * h, 0.93 * w, 0.11 * h, 0.96 * w, 0.9 * h, 0.03 * w, 0.97 * h];
        let numbers = corners.map(|number: f64| number.to_string()).join(", ");
        let m = homography(corners, [0.0, 0.0, w - 1.0, 0.0, w - 1.0, h - 1.0, 0.0, h - 1.0]);
        // Corners are pixel indices, but the map is applied to edges: half a pixel before.
        let place = |x: f64, y: f64| {
            let (x, y) = (x + 0.5, y + 0.5);
            let depth = m[6] * x + m[7] * y + 1.0;
            [0, 3].map(|r| (m[r] * x + m[r + 1] * y + m[r + 2]) / depth - 0.5)
        };
        image.check(&format!("perspective({numbers})"), size, place);
    }
}

/// The map that takes the four points of `from` to those of `to`: Gauss and Jordan.
fn homography(from: [f64; 8], to: [f64; 8]) -> [f64; 8] {
    let mut rows = [[0.0; 9]; 8];
    for i in 0..4 {
        let ([x, y], [u, v]) = ([from[2 * i], from[2 * i + 1]], [to[2 * i], to[2 * i + 1]]);
        rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    for k in 0..8 {
        let pivot = (k..8).max_by(|a, b| rows[*a][k].abs().total_cmp(&rows[*b][k].abs())).unwrap();
        rows.swap(k, pivot);
        let lead = rows[k].map(|entry| entry / rows[k][k]);
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = if i == k { 0.0 } else { row[k] };
            (0..9).for_each(|j| row[j] -= factor * lead[j]);
        }
        rows[k] = lead;
    }
    rows.map(|row| row[8])
}

#[test]
fn resizes_of_large_images_are_exact_to_a_hundred_thousandth() {
    for size in SIZES {
        let image = Noise::new(size[0], size[1]);
        let [h, w] = size;
        for to in [[h / 3 + 1, w / 3 + 2], [h + 1, w - 1], [h, w + 17]] {
            let place = |x: f64, y: f64| {
                let of = |at: f64, from: usize, to: usize| {
                    let at = (at + 0.5) * from as f64 / to as f64 - 0.5;
                    at.clamp(0.0, (from - 1) as f64)
                };
                [of(x, w, to[1]), of(y, h, to[0])]
            };
            image.check(&format!("resize({}, {}, antialias=false)", to[0], to[1]), to, place);
        }
    }
}

#[test]
fn quarter_turns_and_moves_by_whole_pixels_are_exact() {
    let image = Noise::new(1201, 2001);
    let part = [580, 980, 40, 40];
    let of = |chain: &str| image.part(chain, part, DType::U8);
    let middle = [600, 1000];
    // Only the store rounds.
    let is_at = |found: f32, y: i64, x: i64| (f64::from(found) - image.pixel(y, x)).abs() < 1e-7;
    for how in ["bilinear", "nearest"] {
        let turned = of(&format!("rotate(90, interpolation={how})"));
        let moved = of(&format!("affine(0, 300, -200, interpolation={how})"));
        for (k, (turned, moved)) in turned.into_iter().zip(moved).enumerate() {
            let (y, x) = (part[0] + k / 40, part[1] + k % 40);
            let (dy, dx) = (y as i64 - middle[0], x as i64 - middle[1]);
            assert!(is_at(turned, middle[0] + dx, middle[1] - dy), "{how} at {x}, {y}: {turned}");
            assert!(is_at(moved, y as i64 + 200, x as i64 - 300), "{how} at {x}, {y}: {moved}");
        }
    }
}
