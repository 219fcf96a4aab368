//! What a resize costs on one thread: `cargo run --release -p tallow-benchmarks --bin resize [NAME]`,
//! where NAME is a part of the names of the cases to run.
//!
//! From bytes in memory, colours last, to bytes with colours last or to `f32` with colours first, in
//! a row that is used again. Prints microseconds for an image: the least, the median and the most of
//! the rounds. `benchmarks/peers/resize.py` prints the same table for torchvision, OpenCV and Pillow.

#![expect(clippy::print_stdout, reason = "a program that prints what it measured")]

use std::time::Instant;

use tallow::plan::{RowKey, Shapes};
use tallow::{Augment, Field, Key, RowBuffer, RowDType, Schema, Transform as _};
use tallow_benchmarks::median;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Height and width of the images, and what is done with them.
const CASES: [([usize; 2], &str); 9] = [
    ([375, 500], "resize(224,224) to_layout(hwc)"),
    ([512, 512], "resize(256,256) to_layout(hwc)"),
    ([1024, 1024], "resize(256,256) to_layout(hwc)"),
    ([2048, 2048], "resize(224,224) to_layout(hwc)"),
    ([112, 112], "resize(224,224) to_layout(hwc)"),
    ([375, 500], "resize(224,224,interpolation=bicubic) to_layout(hwc)"),
    ([375, 500], "random_resized_crop(224) random_hflip normalize(imagenet) to_dtype(f32)"),
    ([256, 256], "random_crop(224) random_hflip to_layout(hwc)"),
    ([256, 256], "random_crop(224) random_hflip normalize(imagenet) to_dtype(f32)"),
];

const ROUNDS: usize = 7;
const SECONDS: f64 = 0.15;
/// Bytes of all images of a case, more than the second cache holds.
const BYTES: usize = 8 << 20;

fn main() -> Result<()> {
    let only = std::env::args().nth(1).unwrap_or_default();
    for (size, chain) in CASES {
        let name = format!("{}x{} {chain}", size[0], size[1]);
        if name.contains(&only) {
            let mut times = times(size, chain)?;
            let middle = median(&mut times);
            println!("{:8.1} {middle:8.1} {:8.1}  {name}", times[0], times[ROUNDS - 1]);
        }
    }
    Ok(())
}

/// Microseconds for an image, one number for each round.
fn times([height, width]: [usize; 2], chain: &str) -> Result<[f64; ROUNDS]> {
    let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[height, width, 3])])?;
    let count = (BYTES / (3 * height * width)).max(1);
    let images: Vec<_> =
        (0..count).map(|k| image(&schema, 3 * height * width, k)).collect::<Result<_>>()?;
    let augment: Augment = chain.parse()?;
    let engine = augment.bind(&schema)?;
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
    let mut made = RowBuffer::new(engine.schema())?;
    let mut round = || -> Result<f64> {
        let (mut rows, started) = (0, Instant::now());
        while rows == 0 || started.elapsed().as_secs_f64() < SECONDS {
            let key = RowKey { key: Key::new(1, 0), index: rows as u64 };
            let raw = images[rows % count].view();
            let plan: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
            plan.fill(0);
            engine.plan(key, Shapes::of(raw), plan)?;
            engine.run(plan, raw, &mut made.row(None), bytemuck::cast_slice_mut(&mut scratch))?;
            rows += 1;
        }
        Ok(started.elapsed().as_secs_f64() * 1e6 / rows as f64)
    };
    // What is measured first is cold.
    round()?;
    let mut times = [0.0; ROUNDS];
    for time in &mut times {
        *time = round()?;
    }
    Ok(times)
}

/// Random bytes, for which no chain takes a short cut.
fn image(schema: &Schema, len: usize, number: usize) -> Result<RowBuffer> {
    let mut image = RowBuffer::new(schema)?;
    let mut state = number as u64;
    let bytes: Vec<u8> = (0..len)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    image.row(None).field(0).copy_from_slice(&bytes)?;
    Ok(image)
}
