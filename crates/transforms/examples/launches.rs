//! The launches of a chain and the memory they run on, written to files for
//! `benchmarks/instructions.py`, which runs their machine code:
//!
//! ```text
//! cargo run --release -p tallow-transforms --features host-kernels --example launches -- FOLDER ROWS BATCH CHAIN
//! ```
//!
//! `ROWS` are what there is of a batch of `BATCH` rows, whose size says how many blocks a row has. They
//! are photos of 375 x 500 bytes in three colours, side by side. `FOLDER` gets `before` and `after`, the
//! memory before the launches and after the kernels of the host ran on it, and `launches`: the address
//! of the memory and where the output begins in it, then a line per launch, of kernel, blocks along x
//! and y, threads, bytes of shared memory, and the struct in hexadecimal.

#![expect(unsafe_code, reason = "runs kernels of the host on memory of its own")]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use tallow_core::device::{DeviceEngine as _, DeviceSlab};
use tallow_core::{Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes};
use tallow_transforms::cuda::{Launches, host};
use tallow_transforms::{Augment, Layout};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const SIZE: [usize; 2] = [375, 500];

/// Soft shapes with some noise: what photos have of both.
fn photo() -> Vec<u8> {
    let [height, width] = SIZE;
    let noise = |at: usize| (at as u32).wrapping_mul(2_654_435_761) >> 28;
    let value = |y: usize, x: usize, c: usize| {
        let wave = ((y * (c + 2)) as f32 / 61.0).sin() + ((x * (4 - c)) as f32 / 83.0).cos();
        (wave * 55.0 + 120.0) as u32 + noise((y * width + x) * 3 + c)
    };
    let places = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
    places.flat_map(|(y, x)| (0..3).map(move |c| value(y, x, c) as u8)).collect()
}

/// Room for raw rows, plans and scratch.
fn slab(launches: &Launches, schema: &Schema, rows: usize) -> DeviceSlab {
    let mut slab = DeviceSlab::new(rows);
    slab.fields = schema.fields().iter().map(|field| slab.push(field.max_bytes())).collect();
    slab.plans = slab.push(launches.engine().plan_bytes());
    slab.bytes = slab.scratch + launches.scratch_bytes(rows);
    slab
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("expected FOLDER ROWS BATCH CHAIN");
    let (folder, rows, batch) = (next()?, next()?.parse::<usize>()?, next()?.parse::<usize>()?);
    let chain = next()?;
    let folder = Path::new(&folder);
    let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[SIZE[0], SIZE[1], 3])])?;
    let augment = chain.parse::<Augment>()?.layout(Layout::Hwc);
    let launches = Launches::bind(&augment, &schema)?;
    let layout = slab(&launches, &schema, rows);
    let made = &launches.engine().schema().fields()[0];
    let output = layout.bytes.next_multiple_of(DeviceSlab::ALIGN);
    let bytes = output + rows * made.max_bytes();
    // Addresses on the boundaries of a device's allocations.
    let mut memory = vec![0u64; (bytes + DeviceSlab::ALIGN) / size_of::<u64>() + 1];
    let skipped = memory.as_ptr().align_offset(DeviceSlab::ALIGN);
    let memory: &mut [u8] = bytemuck::cast_slice_mut(&mut memory[skipped..]);
    let mut row = RowBuffer::new(&schema)?;
    row.row(None).field(0).copy_from_bytes(&photo())?;
    for at in 0..rows {
        memory[layout.fields[0].at(at)..][..row.view().field(0).bytes().len()]
            .copy_from_slice(row.view().field(0).bytes());
        let key = RowKey { key: Key::new(3, 0), index: at as u64 };
        let plan = &mut memory[layout.plans.at(at)..][..launches.engine().plan_bytes()];
        launches.engine().plan(key, Shapes::of(row.view()), plan)?;
    }
    fs::create_dir_all(folder)?;
    fs::write(folder.join("before"), &memory[..bytes])?;
    let base = memory.as_ptr() as u64;
    let list = launches.list(base, &layout, &[base + output as u64], 0..batch, 0);
    let mut text = format!("{base} {output}\n");
    for mut launch in list {
        launch.grid[1] = rows as u32;
        let hex: String = launch.args.iter().map(|byte| format!("{byte:02x}")).collect();
        let [x, y, _] = launch.grid;
        let [threads, ..] = launch.block;
        writeln!(text, "{} {x} {y} {threads} {} {hex}", launch.kernel, launch.shared_bytes)?;
        // SAFETY: the launches come from the engine that planned the rows, and their memory is this
        // slab and the output behind it, which nothing else touches.
        unsafe { host::run(&launch, 1) };
    }
    fs::write(folder.join("after"), &memory[..bytes])?;
    fs::write(folder.join("launches"), text)?;
    Ok(())
}
