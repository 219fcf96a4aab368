//! The kernels, compiled for the host, against the CPU engine: bit for bit, but for sums over a
//! whole image, which are added in another order.

#![expect(unsafe_code, reason = "runs the kernels on the memory of a test")]

mod pictures;
mod random;
mod values;
mod whole_blocks;

use half::{bf16, f16};
use tallow_core::device::{DeviceEngine, DeviceSlab, Made, Raster, Run, Whose};
use tallow_core::{
    Dim, Engine, Field, Key, Mixer, RowBuffer, RowDType, RowKey, RowView, Schema, Shapes,
};

use super::{Launch, Launches, Use, host};
use crate::augment::Augment;
use crate::catalogue::catalogue;
use crate::layout::Layout;
use crate::targets::BoxFormat;

// ---- rows

/// Numbers that look random.
fn number(seed: u64, at: usize) -> u64 {
    let mut x = seed.wrapping_add(at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^ (x >> 27)
}

/// Elements of all levels of an integer type, in [0, 1) of a float.
fn elements(dtype: RowDType, len: usize, seed: u64) -> Vec<u8> {
    let unit = |at| (number(seed, at) >> 40) as f32 / 16_777_216.0;
    let of = |at| match dtype {
        RowDType::F16 => f16::from_f32(unit(at)).to_ne_bytes().to_vec(),
        RowDType::BF16 => bf16::from_f32(unit(at)).to_ne_bytes().to_vec(),
        RowDType::F32 => unit(at).to_ne_bytes().to_vec(),
        RowDType::F64 => f64::from(unit(at)).to_ne_bytes().to_vec(),
        other => number(seed, at).to_ne_bytes()[..other.size()].to_vec(),
    };
    (0..len).flat_map(of).collect()
}

/// A row whose ragged axes are drawn.
fn row(schema: &Schema, seed: u64) -> RowBuffer {
    let mut buffer = RowBuffer::new(schema).unwrap();
    let mut row = buffer.row(None);
    let axis = |i: usize, dim: &Dim| match *dim {
        Dim::Fixed(len) => len,
        Dim::Ragged { max } => max / 2 + number(seed ^ 77, i) as usize % (max - max / 2) + 1,
    };
    for (i, field) in schema.fields().iter().enumerate() {
        // Masks are of the image's size: ragged axes draw alike in every field.
        let shape: Vec<usize> =
            field.dims().iter().enumerate().map(|(k, dim)| axis(k, dim)).collect();
        let len = shape.iter().product();
        let bytes = match field.name() {
            // A class.
            "label" => vec![(seed % 5) as u8],
            name => elements(field.dtype(), len, seed ^ name.len() as u64 ^ (i as u64) << 40),
        };
        let mut field = row.field(i);
        field.set_shape(&shape).unwrap();
        field.copy_from_bytes(&bytes).unwrap();
    }
    buffer
}

// ---- both engines

/// A batch: a chain, a schema, and rows of it.
struct Batch {
    launches: Launches,
    rows: Vec<RowBuffer>,
    plans: Vec<Vec<u64>>,
    /// Whether kernels are given the parts of rows that they read, wherever they can be.
    in_parts: bool,
}

fn key(index: u64) -> RowKey {
    RowKey { key: Key::new(11, 2), index }
}

/// What mixes row `at` of so many, and the row that is mixed in.
fn mixed(engine: &dyn Engine, at: usize, rows: usize) -> Option<(&dyn Mixer, usize)> {
    let mixer = engine.mixer()?;
    Some((mixer, mixer.partner(key(at as u64), rows)?))
}

impl Batch {
    fn new(augment: &Augment, schema: &Schema, rows: usize) -> Self {
        Self::of(augment, schema, (0..rows).map(|at| row(schema, at as u64 + 5)).collect())
    }

    fn of(augment: &Augment, schema: &Schema, rows: Vec<RowBuffer>) -> Self {
        let launches = Launches::bind(augment, schema).unwrap_or_else(|e| panic!("{augment}: {e}"));
        let engine = launches.engine();
        let mut plans = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let mut words = vec![0u64; engine.plan_bytes().div_ceil(8)];
            let plan = &mut bytemuck::cast_slice_mut(&mut words)[..engine.plan_bytes()];
            let (own, shapes) = (key(at as u64), Shapes::of(row.view()));
            match mixed(engine, at, rows.len()) {
                Some((mixer, partner)) => {
                    let theirs = Shapes::of(rows[partner].view());
                    mixer.plan_pair((own, shapes), (key(partner as u64), theirs), plan).unwrap();
                }
                None => engine.plan(own, shapes, plan).unwrap(),
            }
            plans.push(words);
        }
        Self { launches, rows, plans, in_parts: false }
    }

    fn in_parts(self) -> Self {
        Self { in_parts: true, ..self }
    }

    fn engine(&self) -> &dyn Engine {
        self.launches.engine()
    }

    fn plan(&self, at: usize) -> &[u8] {
        &bytemuck::cast_slice(&self.plans[at])[..self.engine().plan_bytes()]
    }

    /// The row that is mixed with a row, itself where there is none.
    fn partner(&self, at: usize) -> RowView<'_> {
        let partner = mixed(self.engine(), at, self.rows.len()).map_or(at, |(_, partner)| partner);
        self.rows[partner].view()
    }

    /// What the CPU makes of a row, per field.
    fn on_cpu(&self, at: usize) -> Vec<Vec<u8>> {
        let engine = self.engine();
        let mut made = RowBuffer::new(engine.schema()).unwrap();
        let mut scratch = vec![0xA5u8; engine.scratch_bytes()];
        let (plan, raw) = (self.plan(at), self.rows[at].view());
        let mut row = made.row(None);
        match mixed(engine, at, self.rows.len()) {
            Some((mixer, partner)) => {
                let partner = self.rows[partner].view();
                mixer.run_pair(plan, raw, partner, &mut row, &mut scratch).unwrap();
            }
            None => engine.run(plan, raw, &mut row, &mut scratch).unwrap(),
        }
        made.finish().unwrap();
        (0..engine.schema().fields().len()).map(|i| made.view().field(i).bytes().to_vec()).collect()
    }

    /// A field that kernels do not make.
    fn made_on_host(&self, field: usize, at: usize) -> Vec<u8> {
        let engine = self.engine();
        let mut made = RowBuffer::new(engine.schema()).unwrap();
        let mut scratch = vec![0xA5u8; engine.scratch_bytes()];
        let (raw, mut row) = (self.rows[at].view().field(field), made.row(None));
        let partner = engine.mixer().map(|_| self.partner(at).field(field));
        let launches = &self.launches;
        launches
            .make_on_host(field, self.plan(at), raw, partner, &mut row.field(field), &mut scratch)
            .unwrap();
        made.view().field(field).bytes().to_vec()
    }

    fn is_raster(&self, field: usize) -> bool {
        let is_picture = self.launches.engine.raw.fields()[field].as_picture().is_some();
        is_picture || (self.in_parts && self.launches.takes_rasters(field))
    }

    fn layout(&self) -> DeviceSlab {
        let rows = self.rows.len();
        let mut bytes = 0;
        let mut run = |stride: usize| {
            let offset = bytes;
            bytes += (rows * stride).next_multiple_of(256);
            Run { offset, stride }
        };
        let plans = run(self.engine().plan_bytes());
        let raw = &self.launches.engine.raw;
        let rasters: Vec<bool> = (0..raw.fields().len()).map(|at| self.is_raster(at)).collect();
        let strides = raw.fields().iter().zip(&rasters).map(|(field, is_raster)| match is_raster {
            true => size_of::<Raster>(),
            false => field.max_bytes(),
        });
        let fields: Vec<Run> = strides.clone().map(&mut run).collect();
        let partners = match self.engine().mixer().is_some() {
            true => strides.map(&mut run).collect(),
            false => Vec::new(),
        };
        let scratch = run(0).offset;
        let bytes = scratch + self.launches.scratch_bytes(rows);
        let mut slab = DeviceSlab::new(rows);
        (slab.plans, slab.fields, slab.partners) = (plans, fields, partners);
        (slab.scratch, slab.bytes, slab.rasters) = (scratch, bytes, rasters);
        slab
    }

    /// The slab as it would be uploaded, its scratch full of what was there before, and the windows of
    /// pictures.
    fn slab(&self, layout: &DeviceSlab) -> (Vec<u64>, Vec<Vec<u64>>) {
        let mut windows = Vec::new();
        let mut words = vec![0x7ff4_dead_beef_7fa1u64; layout.bytes.div_ceil(8)];
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let mut put = |run: &Run, at: usize, from: &[u8]| {
            bytes[run.offset + at * run.stride..][..from.len()].copy_from_slice(from);
        };
        for at in 0..self.rows.len() {
            put(&layout.plans, at, self.plan(at));
            let is_mixed = mixed(self.engine(), at, self.rows.len()).is_some();
            let runs = [
                (Whose::Own, &layout.fields, self.rows[at].view()),
                (Whose::Partner, &layout.partners, self.partner(at)),
            ];
            for (whose, runs, row) in runs {
                for (field, run) in runs.iter().enumerate() {
                    let raw = row.field(field);
                    if !self.is_raster(field) {
                        put(run, at, raw.bytes());
                    } else if whose == Whose::Own || is_mixed {
                        let of = match raw.declared().as_picture() {
                            Some(_) => pictures::window,
                            None => pictures::part,
                        };
                        let made = of(&self.launches, &raw, field, whose, self.plan(at));
                        let (raster, window) = made.unwrap();
                        windows.extend(window);
                        put(run, at, bytemuck::bytes_of(&raster));
                    }
                }
            }
        }
        (words, windows)
    }

    /// What the kernels make of rows `first..`, by field and then by row, where `run` runs a launch that
    /// also reads some windows of pictures.
    fn on_device(&self, first: usize, run: &dyn Fn(&Launch, &[Use])) -> Vec<Vec<Vec<u8>>> {
        let layout = self.layout();
        // The windows live until the launches are done.
        let (slab, windows) = self.slab(&layout);
        let windows: Vec<Use> = windows.iter().map(|window| pictures::used(window)).collect();
        let fields = self.engine().schema().fields();
        let rows = self.rows.len() - first;
        let row_bytes = |field: &usize| {
            let made = &fields[*field];
            made.max_shape().iter().product::<usize>() * made.dtype().delivered().size_in_bytes()
        };
        // One row more in front, which is to stay as it is.
        let sizes: Vec<usize> = self.launches.device_fields().iter().map(row_bytes).collect();
        let outputs: Vec<Vec<u64>> =
            sizes.iter().map(|size| vec![u64::MAX; ((rows + 1) * size).div_ceil(8)]).collect();
        let addresses: Vec<u64> = outputs.iter().map(|output| output.as_ptr() as u64).collect();
        let list = self.launches.list(
            slab.as_ptr() as u64,
            &layout,
            &addresses,
            first..self.rows.len(),
            1,
        );
        for launch in &list {
            assert!(launch.shared_bytes <= 48 << 10, "{launch:?}");
            run(launch, &windows);
        }
        let rows_of = |(output, size): (&Vec<u64>, &usize)| {
            let bytes: &[u8] = bytemuck::cast_slice(output);
            assert!(bytes[..*size].iter().all(|byte| *byte == 0xff), "another row was written");
            bytes[*size..].chunks(*size).take(rows).map(<[u8]>::to_vec).collect()
        };
        outputs.iter().zip(&sizes).map(rows_of).collect()
    }
}

/// How far two images may be apart.
#[derive(Clone, Copy, PartialEq)]
enum Same {
    Bits,
    /// Sums over the whole image are added in another order.
    Sums,
}

/// What differs between two rows of a field.
fn difference(dtype: RowDType, found: &[u8], wanted: &[u8], same: Same) -> Option<String> {
    if found == wanted {
        return None;
    }
    let value = |bytes: &[u8], at: usize| -> f64 {
        let at = &bytes[at * dtype.size()..][..dtype.size()];
        match dtype {
            RowDType::U8 => f64::from(at[0]),
            RowDType::F16 => f16::from_le_bytes([at[0], at[1]]).to_f64(),
            RowDType::BF16 => bf16::from_le_bytes([at[0], at[1]]).to_f64(),
            RowDType::F32 => f32::from_le_bytes(at.try_into().unwrap()).into(),
            RowDType::F64 => f64::from_le_bytes(at.try_into().unwrap()),
            _ => f64::from(at[0]),
        }
    };
    let len = found.len() / dtype.size();
    let step = match dtype {
        RowDType::U8 => 1.0,
        RowDType::F16 => 1.0 / 1024.0,
        RowDType::BF16 => 1.0 / 128.0,
        _ => 2e-6,
    };
    let bits = |of: &[u8], at: usize| of[at * dtype.size()..][..dtype.size()].to_vec();
    let differs = |at: &usize| {
        let (a, b) = (value(found, *at), value(wanted, *at));
        match same {
            // Which NaN it is, is left open; that it is one, is not.
            _ if a.is_nan() || b.is_nan() => a.is_nan() != b.is_nan(),
            Same::Sums => a != b && (a - b).abs() > step * b.abs().max(1.0),
            Same::Bits => bits(found, *at) != bits(wanted, *at),
        }
    };
    if found.len() != wanted.len() {
        return Some(format!("{} bytes, expected {}", found.len(), wanted.len()));
    }
    let wrong = (0..len).filter(differs).count();
    let at = (0..len).find(differs)?;
    let (a, b) = (value(found, at), value(wanted, at));
    Some(format!("{wrong} of {len} differ, the first at {at}: {a}, expected {b}"))
}

/// Compares the engines over some rows.
fn compare(augment: &Augment, schema: &Schema, rows: usize, same: Same, threads: u32) {
    Batch::new(augment, schema, rows).compare(&augment.to_string(), same, threads);
}

/// The same where kernels are given parts of rows.
fn compare_parts(augment: &Augment, schema: &Schema, rows: usize) {
    let batch = Batch::new(augment, schema, rows).in_parts();
    batch.compare(&format!("{augment} in parts"), Same::Bits, 1);
}

/// Runs launches in blocks of `threads` threads.
fn in_blocks(threads: u32) -> impl Fn(&Launch, &[Use]) {
    // SAFETY: the launches come from the engine that planned the rows, and their memory, a slab and its
    // outputs, lives in `on_device` and is touched by nothing else meanwhile.
    move |launch, _| unsafe { host::run(launch, threads) }
}

impl Batch {
    /// Compares the engines: the kernels in blocks of `threads` threads, and in whole blocks in which
    /// nothing may be found.
    fn compare(&self, augment: &str, same: Same, threads: u32) {
        let schema = &self.launches.engine.raw;
        let first = usize::from(self.rows.len() > 2);
        let wanted: Vec<Vec<Vec<u8>>> =
            (first..self.rows.len()).map(|at| self.on_cpu(at)).collect();
        let check = |made: &[Vec<Vec<u8>>], how: &str| {
            let difference = self.difference(made, &wanted, same);
            assert!(difference.is_none(), "{augment} of {schema}, {how}, {}", difference.unwrap());
        };
        check(&self.on_device(first, &in_blocks(threads)), "blocks of threads");
        for threads in whole_blocks::THREADS {
            let how = format!("whole blocks of {threads}");
            let watched = whole_blocks::watched(self, threads, |found| {
                panic!("{augment} of {schema}, {how}: {found}")
            });
            check(&self.on_device(first, &watched), &how);
        }
    }

    /// What differs between what kernels `made` of the last rows, by field and then by row, and what is
    /// `wanted` of them, by row and then by field.
    fn difference(
        &self,
        made: &[Vec<Vec<u8>>],
        wanted: &[Vec<Vec<u8>>],
        same: Same,
    ) -> Option<String> {
        let first = self.rows.len() - wanted.len();
        for (row, wanted) in wanted.iter().enumerate() {
            for (i, field) in self.engine().schema().fields().iter().enumerate() {
                let device = self.launches.device_fields().iter().position(|made| *made == i);
                assert_eq!(device.is_some(), self.launches.made(i) == Made::OnDevice);
                let found = match device {
                    Some(device) => made[device][row].clone(),
                    None => self.made_on_host(i, first + row),
                };
                let (found, dtype) = match field.dtype() {
                    RowDType::U16 if device.is_some() => (narrow(&found), RowDType::U16),
                    other => (found, other),
                };
                if let Some(difference) = difference(dtype, &found, &wanted[i], same) {
                    return Some(format!("row {}, field {field}: {difference}", first + row));
                }
            }
        }
        None
    }
}

/// 16-bit elements out of the 32-bit ones that are delivered.
fn narrow(wide: &[u8]) -> Vec<u8> {
    let wide = wide.chunks_exact(4).map(|x| u32::from_le_bytes(x.try_into().unwrap()));
    wide.flat_map(|x| u16::try_from(x).unwrap().to_le_bytes()).collect()
}

fn parsed(chain: &str) -> Augment {
    chain.parse().unwrap_or_else(|e| panic!("{e}"))
}

fn image(dtype: RowDType, shape: &[usize]) -> Schema {
    Schema::new(vec![Field::new("input", dtype, shape)]).unwrap()
}

/// Compares a chain on images of one type and layout.
fn check(chain: &str, dtype: RowDType, layout: Layout, shape: &[usize], same: Same) {
    compare(&parsed(chain).layout(layout), &image(dtype, shape), 3, same, 1);
}

// ---- every step

/// Chains of images that are compared bit for bit.
const EXACT: &[&str] = &[
    "affine(30, 3, -2, 1.2, 10, -5) to_dtype(f32)",
    "affine(30, 3, -2, 1.2, 10, -5, interpolation=bilinear, fill=0.3)",
    "random_affine(40, translate=[0.2,0.3], scale=0.6..1.5, shear=[-9,9,-5,5], interpolation=bilinear)",
    "adjust_brightness(1.3) to_dtype(f16)",
    "random_brightness(0.4)",
    "permute_channels(2, 0, 1)",
    "random_channel_permutation",
    "color_jitter(0.4, 0, 0.4, 0.1)",
    "crop(3, 5, 20, 25)",
    "center_crop(20, 31)",
    "center_crop(60, 70)",
    "random_crop(17, 23)",
    "elastic(30, sigma=2) to_dtype(bf16)",
    "elastic(20, sigma=3, interpolation=nearest, fill=0.5)",
    "erase(3, 5, 20, 10, value=[0.1,0.2,0.3])",
    "erase(3, 5, 20, 10, value=noise)",
    "random_erasing(1, value=noise) to_dtype(f32)",
    "hflip vflip",
    "random_hflip random_vflip",
    "random_dflip(1)",
    "adjust_gamma(2.2, gain=1.1) to_dtype(f32)",
    "random_gamma(0.5..2)",
    "gaussian_blur(5)",
    "gaussian_blur(23, sigma=3) to_dtype(f32)",
    "gaussian_noise(0.1) to_dtype(f32)",
    "gaussian_noise(0.1, mean=0.1, clip=false)",
    "grayscale",
    "random_grayscale(0.5)",
    "adjust_hue(0.2) to_dtype(f32)",
    "random_hue(0.4)",
    "invert",
    "random_invert",
    "normalize(imagenet)",
    "one_of(hflip, vflip, invert)",
    "to_layout(hwc) to_dtype(bf16)",
    "pad(3, 5, 7, 2, mode=constant, fill=0.4)",
    "pad(9, mode=edge) rot90(1)",
    "pad(90, mode=reflect)",
    "pad(90, mode=symmetric) hflip",
    "pad(90, mode=wrap) rot90(3)",
    "pad_if_needed(50, 90, place=random, mode=reflect)",
    "pad_if_needed(60, 20, fill=0.4) random_crop(50, 20)",
    "pad(9, mode=reflect) resize(30, 40)",
    "pad(5, mode=constant, fill=0.4) resize(30, 40, interpolation=bicubic)",
    "perspective(1, 0, 30, 1, 31, 28, 0, 26)",
    "random_perspective(0.6, p=0.9, interpolation=nearest, fill=0.2)",
    "posterize(3)",
    "random_posterize(2)",
    "random_apply(0.5, rotate(30) invert)",
    "random_order(hflip invert solarize(0.5))",
    "random_resized_crop(24, 29) random_hflip normalize(imagenet)",
    "random_resized_crop(24, interpolation=bicubic) to_dtype(f32)",
    "resize(20)",
    "resize(90, 31, antialias=false) to_dtype(f32)",
    "resize(9, 131, interpolation=bicubic) to_dtype(f32)",
    "resize(11, 12, interpolation=bicubic, antialias=false) to_dtype(f32)",
    "resize(2, 3) to_dtype(f32)",
    "resize(53, 29, interpolation=nearest) center_crop(20, 22)",
    "resize(53, 29) center_crop(20, 22) hflip vflip to_dtype(f32)",
    "resized_crop(2, 3, 20, 30, 25, 25)",
    "rot90(1)",
    "random_rot90 center_crop(30)",
    "rotate(17)",
    "random_rotation(90, interpolation=bilinear, fill=0.5)",
    "salt_and_pepper",
    "salt_and_pepper(0.5) to_dtype(f32)",
    "adjust_saturation(1.6) to_dtype(f32)",
    "random_saturation(0.6)",
    "adjust_sharpness(1.7)",
    "random_sharpness(0.3) to_dtype(f32)",
    "shift(3)",
    "shift(3, wrap=false)",
    "gain(-1..1)",
    "time_mask(5)",
    "freq_mask(5, count=2)",
    "solarize(0.6)",
    "random_solarize(0.4)",
    "hflip rotate(20, interpolation=bilinear) gaussian_blur(3) rotate(-20) adjust_sharpness(2) to_dtype(f32)",
    "elastic(20, sigma=1) rotate(20) elastic(10, sigma=2, fill=0.3) to_dtype(f32)",
    // A kernel that is wider than some of the images.
    "elastic(60, sigma=5) elastic(90, sigma=7.7) to_dtype(f32)",
    "hflip affine(15, 3, 2, 1.2, 8, interpolation=bilinear, fill=0.3) rot90(1) to_dtype(f32)",
    "rot90(3) random_perspective(0.6, p=1, fill=0.2) vflip to_dtype(f32)",
    "affine(40, 30000, 9, 0.001, interpolation=bilinear)",
    "random_apply(0.5, gaussian_blur(3)) elastic(20, sigma=1)",
];

/// Chains of images with an operation that looks at all of the image.
const SUMMED: &[&str] = &[
    "autocontrast",
    "random_autocontrast(0.5) invert",
    "adjust_contrast(1.4) to_dtype(f32)",
    "random_contrast(0.4)",
    "color_jitter(0.4, 0.4, 0.4, 0.1) to_dtype(f32)",
    "equalize to_dtype(f32)",
    "random_equalize(0.5)",
    "standardize",
    "standardize(per_channel=true)",
    "resize(20, 30) autocontrast equalize adjust_contrast(1.3) standardize",
    "random_apply(0.5, gaussian_blur(3)) equalize adjust_contrast(0.7) hflip autocontrast",
    "random_order(autocontrast equalize adjust_contrast(2) adjust_brightness(1.1))",
    "rand_augment(3, interpolation=bilinear) to_dtype(f32)",
    "trivial_augment_wide",
    "aug_mix to_dtype(f32)",
    "aug_mix(severity=9, width=2, depth=3) to_dtype(f16)",
];

/// Chains of signals, of sequences of tokens, and of samples that are mixed.
const OTHERS: &[&str] = &[
    "random_window(17) gain(-6..6) shift(4) time_mask(3)",
    "pad_or_truncate(40, value=7, side=left)",
    "mixup(0.4)",
    "cutmix(1)",
    "mixup_or_cutmix(0.4, 1)",
];

#[test]
fn every_step_of_the_catalogue_is_compared() {
    let names = |chain: &&str| -> Vec<String> {
        chain.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let compared: Vec<String> = [EXACT, SUMMED, OTHERS].concat().iter().flat_map(names).collect();
    for (step, _) in catalogue() {
        assert!(compared.iter().any(|name| name == step), "{step} is compared in no chain");
    }
}

const COLORS: [(RowDType, Layout, &[usize]); 4] = [
    (RowDType::U8, Layout::Hwc, &[37, 43, 3]),
    (RowDType::U16, Layout::Chw, &[3, 37, 43]),
    (RowDType::F16, Layout::Hwc, &[41, 33, 3]),
    (RowDType::F32, Layout::Chw, &[3, 64, 35]),
];

#[test]
fn chains_of_images_are_equal_bit_for_bit() {
    for chain in EXACT {
        for (dtype, layout, shape) in COLORS {
            check(chain, dtype, layout, shape, Same::Bits);
        }
    }
}

#[test]
fn parts_of_rows_are_read_in_every_order() {
    for (at, chain) in EXACT.iter().enumerate() {
        let (dtype, layout, shape) = COLORS[at % COLORS.len()];
        compare_parts(&parsed(chain).layout(layout), &image(dtype, shape), 3);
    }
    let volumes: [(Layout, &[usize]); 3] = [
        (Layout::Dhw, &[6, 13, 17]),
        (Layout::Cdhw, &[2, 6, 13, 17]),
        (Layout::Dhwc, &[6, 13, 17, 2]),
    ];
    for (layout, shape) in volumes {
        for chain in [
            "random_crop(3, 9, 11)",
            "rotate(20) random_crop(2, 9, 9) to_dtype(f32)",
            "random_dflip",
        ] {
            compare_parts(&parsed(chain).layout(layout), &image(RowDType::U8, shape), 4);
        }
    }
}

#[test]
fn parts_are_copied_apart_where_that_is_much_less() {
    let pays = |chain: &str, dtype, shape: &[usize]| {
        let launches = Launches::bind(&parsed(chain), &image(dtype, shape)).unwrap();
        launches.reads_parts(0)
    };
    let shape = [60, 80, 3];
    assert!(pays("random_resized_crop(24, 29) hflip", RowDType::U8, &shape));
    assert!(pays("random_crop(24) normalize(imagenet)", RowDType::F32, &shape));
    assert!(!pays("resize(24, 29)", RowDType::U8, &shape));
    assert!(!pays("random_crop(58, 79)", RowDType::U8, &shape));
    // Widened wholly, whatever is read of it then.
    assert!(!pays("random_crop(24) rotate(9) to_dtype(f32)", RowDType::I16, &shape));
}

#[test]
fn chains_with_sums_over_the_image_are_equal_but_for_their_order() {
    for chain in SUMMED {
        for (dtype, layout, shape) in COLORS {
            check(chain, dtype, layout, shape, Same::Sums);
        }
    }
}

// ---- types, layouts, shapes

#[test]
fn any_number_of_channels_is_moved_and_mapped() {
    let chains = [
        "random_crop(17, 23) hflip rot90(1) pad(3, mode=reflect) to_dtype(f32)",
        "random_resized_crop(24, 29) random_hflip to_dtype(f16)",
        "rotate(30, interpolation=bilinear, fill=0.3) to_layout(hwc)",
        "rotate(30, interpolation=nearest, fill=0.3) to_dtype(f32)",
        "elastic(20, sigma=1)",
        "resize(9, 10, interpolation=bicubic) to_dtype(bf16)",
        "erase(2, 3, 5, 6, value=0.5) gaussian_noise(0.1) to_dtype(f32)",
        "invert solarize(0.5) random_gamma(0.5..2) gaussian_blur(3)",
    ];
    for channels in [1, 2, 4, 5, 9] {
        for chain in chains {
            check(chain, RowDType::U8, Layout::Hwc, &[29, 37, channels], Same::Bits);
            check(chain, RowDType::F32, Layout::Chw, &[channels, 29, 37], Same::Bits);
        }
    }
}

#[test]
fn gray_images_and_images_with_alpha_are_coloured() {
    let chain = "color_jitter(0.4, 0, 0.4, 0.1) salt_and_pepper(0.3) grayscale to_dtype(f32)";
    let summed =
        "color_jitter(0.4, 0.4, 0.4, 0.1) equalize autocontrast standardize(per_channel=true)";
    for channels in [1, 2, 4] {
        check(chain, RowDType::U8, Layout::Hwc, &[29, 37, channels], Same::Bits);
        check(summed, RowDType::F32, Layout::Chw, &[channels, 29, 37], Same::Sums);
    }
    check("standardize", RowDType::F32, Layout::Chw, &[7, 29, 37], Same::Sums);
}

#[test]
fn a_plain_image_is_equalized_to_levels_only_where_values_are_none() {
    let chain = "erase(0, 0, 19, 23, value=0.3) equalize to_dtype(f32)";
    check(chain, RowDType::U8, Layout::Hwc, &[19, 23, 3], Same::Bits);
    check(chain, RowDType::F32, Layout::Hwc, &[19, 23, 3], Same::Bits);
}

#[test]
fn every_type_and_layout_is_read_and_delivered() {
    let types = ["u8", "f16", "bf16", "f32"];
    for (dtype, from) in [RowDType::U8, RowDType::U16, RowDType::F16, RowDType::F32]
        .into_iter()
        .flat_map(|dtype| [(dtype, Layout::Hwc), (dtype, Layout::Chw)])
    {
        for (to, layout) in types.iter().flat_map(|to| [(to, "chw"), (to, "hwc")]) {
            let shape: &[usize] = if from == Layout::Hwc { &[19, 21, 3] } else { &[3, 19, 21] };
            for head in
                ["random_crop(15, 17) invert", "random_resized_crop(15, 17) adjust_brightness(1.2)"]
            {
                let chain = format!("{head} to_dtype({to}) to_layout({layout})");
                check(&chain, dtype, from, shape, Same::Bits);
            }
        }
    }
}

#[test]
fn sizes_of_one_pixel_and_of_many_tiles_are_made() {
    for shape in [[1, 1, 3], [1, 70, 3], [70, 1, 3], [2, 3, 3], [130, 129, 3]] {
        for chain in [
            "hflip pad(1, mode=edge)",
            "resize(65, 33) to_dtype(f32)",
            "resize(1, 1) to_dtype(f32)",
            "gaussian_blur(3) to_dtype(f32)",
            "adjust_sharpness(2)",
            "rotate(45, interpolation=bilinear)",
        ] {
            // A blur reflects, which takes a neighbour.
            if chain.contains("blur") && shape[..2].contains(&1) {
                continue;
            }
            check(chain, RowDType::U8, Layout::Hwc, &shape, Same::Bits);
        }
    }
}

#[test]
fn images_much_larger_than_what_they_become_are_resampled_in_chunks() {
    check("resize(7, 9) to_dtype(f32)", RowDType::U8, Layout::Hwc, &[700, 500, 3], Same::Bits);
    check(
        "resize(40, 9, interpolation=bicubic)",
        RowDType::U8,
        Layout::Hwc,
        &[900, 400, 4],
        Same::Bits,
    );
    check("gaussian_blur(63, sigma=9)", RowDType::F32, Layout::Chw, &[3, 99, 131], Same::Bits);
}

#[test]
fn volumes_and_signals_are_made() {
    for chain in [
        "random_crop(3, 9, 11) random_dflip(1) hflip",
        "rot90(1, plane=dh) rot90(1, plane=dw) invert",
        "resize(9, 10) to_dtype(f32)",
        "rotate(20, interpolation=bilinear) center_crop(2, 10, 11) to_dtype(f32)",
        "elastic(10, sigma=1) gaussian_noise(0.1) gaussian_blur(3)",
        "random_erasing(1, value=noise) to_layout(dhwc)",
    ] {
        check(chain, RowDType::U8, Layout::Cdhw, &[2, 5, 13, 17], Same::Bits);
        check(chain, RowDType::F32, Layout::Dhwc, &[5, 13, 17, 1], Same::Bits);
    }
    for (dtype, layout, shape) in [
        (RowDType::F32, Layout::Ct, &[2usize, 40] as &[usize]),
        (RowDType::F16, Layout::Tc, &[40, 3]),
        (RowDType::F32, Layout::T, &[40]),
    ] {
        check(OTHERS[0], dtype, layout, shape, Same::Bits);
        check("shift(9, wrap=false) gaussian_noise(0.1)", dtype, layout, shape, Same::Bits);
    }
}

#[test]
fn ragged_sources_are_made_regular() {
    let ragged = |max| Dim::Ragged { max };
    for chain in [
        "random_resized_crop(24, 29) random_hflip normalize(imagenet)",
        "resize(20, max=40) center_crop(20) to_dtype(f32)",
        "elastic(20, sigma=1) center_crop(30)",
        "random_rot90 rotate(20) resize(20, 30)",
    ] {
        let dims = vec![ragged(50), ragged(70), Dim::Fixed(3)];
        let schema = Schema::new(vec![Field::with_dims("input", RowDType::U8, dims)]).unwrap();
        compare(&parsed(chain), &schema, 5, Same::Bits, 1);
    }
    let schema =
        |dtype| Schema::new(vec![Field::with_dims("input", dtype, vec![ragged(50)])]).unwrap();
    for dtype in [RowDType::I64, RowDType::U16, RowDType::U32] {
        compare(&parsed(OTHERS[1]), &schema(dtype), 5, Same::Bits, 1);
    }
}

#[test]
fn samples_are_mixed() {
    let schema = Schema::new(vec![
        Field::new("input", RowDType::U8, &[37, 43, 3]),
        Field::new("label", RowDType::U8, &[]),
    ]);
    let schema = schema.unwrap();
    for mix in &OTHERS[2..] {
        for (before, after, same) in [
            ("random_resized_crop(24, 29) random_hflip", "normalize(imagenet)", Same::Bits),
            ("", "invert to_dtype(f32)", Same::Bits),
            (
                "color_jitter(0.3, 0.3, 0.3, 0.1) elastic(20, sigma=1)",
                "adjust_contrast(1.2) elastic(9, sigma=1)",
                Same::Sums,
            ),
        ] {
            let augment = parsed(&format!("{before} {mix} {after}")).one_hot("label", 5, 0.1);
            compare(&augment, &schema, 6, same, 1);
            let sometimes = mix.replace(')', ", p=0.5)");
            let augment = parsed(&format!("{before} {sometimes} {after}")).one_hot("label", 5, 0.1);
            compare(&augment, &schema, 6, same, 1);
        }
    }
}

#[test]
fn masks_are_pasted_with_the_images() {
    for dtype in [RowDType::U8, RowDType::U16, RowDType::I64] {
        let schema = Schema::new(vec![
            Field::new("input", RowDType::U8, &[37, 43, 3]),
            Field::new("mask", dtype, &[37, 43]),
            Field::new("planes", dtype, &[37, 43, 2]),
            Field::new("label", RowDType::U8, &[]),
        ]);
        let schema = schema.unwrap();
        for mix in ["cutmix(1)", "cutmix(1, p=0.5)"] {
            for (before, after) in [
                ("", ""),
                ("random_resized_crop(24, 29) random_hflip", "normalize(imagenet)"),
                ("rotate(20) random_crop(30)", "random_vflip rotate(30) adjust_sharpness(2)"),
                ("elastic(20, sigma=1) gaussian_blur(3)", "elastic(9, sigma=1) random_crop(20)"),
                ("gaussian_blur(3)", "gaussian_blur(3)"),
                ("random_apply(0.5, elastic(20, sigma=1)) adjust_sharpness(2)", "hflip"),
            ] {
                let augment = parsed(&format!("{before} {mix} {after}"));
                let augment = augment.mask_filled("mask", 9.0).mask("planes");
                compare(&augment, &schema, 6, Same::Bits, 1);
                compare_parts(&augment, &schema, 6);
                compare(&augment.one_hot("label", 5, 0.1), &schema, 6, Same::Bits, 3);
            }
        }
    }
}

#[test]
fn long_images_are_warped() {
    for chain in [
        "affine(0.1, 1.25, -0.5, 1.01, 0.05, 0.02, interpolation=bilinear) to_dtype(f32)",
        "perspective(7, 0.5, 2990, 0, 2985, 5, 3, 4.6) to_dtype(f32)",
        "rotate(-0.07)",
    ] {
        check(chain, RowDType::U8, Layout::Hwc, &[6, 3000, 3], Same::Bits);
        check(chain, RowDType::F32, Layout::Chw, &[1, 9, 2000], Same::Bits);
    }
}

#[test]
fn what_an_interpolation_leaves_beyond_the_range_is_sharpened_alike() {
    for chain in [
        "resize(50, 60, interpolation=bicubic) adjust_sharpness(1.7) to_dtype(f32)",
        "resize(2, 60, interpolation=bicubic) adjust_sharpness(0.3) to_dtype(f32)",
        "resize(60, 2, interpolation=bicubic) adjust_sharpness(0.3) to_dtype(f32)",
    ] {
        check(chain, RowDType::U8, Layout::Hwc, &[20, 23, 3], Same::Bits);
        check(chain, RowDType::F32, Layout::Chw, &[3, 20, 23], Same::Bits);
    }
}

#[test]
fn elements_of_every_type_are_moved() {
    let types = [
        RowDType::U16,
        RowDType::U32,
        RowDType::I16,
        RowDType::I32,
        RowDType::I64,
        RowDType::BF16,
        RowDType::F64,
        RowDType::F8E4M3,
    ];
    for dtype in types {
        for chain in [
            "random_crop(11, 13) hflip to_layout(hwc)",
            "pad(3, mode=reflect) rot90(1)",
            "rotate(20, fill=0.3) hflip rotate(30) vflip",
            "resize(30, 9, interpolation=nearest)",
        ] {
            let augment = parsed(chain).layout(Layout::Chw);
            let has_levels = dtype == RowDType::U16;
            let augment = if has_levels { augment } else { augment.range(-9.0, 9.0) };
            compare(&augment, &image(dtype, &[3, 19, 23]), 3, Same::Bits, 1);
            compare_parts(&augment, &image(dtype, &[3, 19, 23]), 3);
        }
    }
}

#[test]
fn fields_that_follow_the_image_follow_it() {
    let fields = |dtype| {
        Schema::new(vec![
            Field::new("input", RowDType::U8, &[37, 43, 3]),
            Field::new("mask", dtype, &[37, 43]),
            Field::new("boxes", RowDType::F32, &[4, 4]),
            Field::new("points", RowDType::F32, &[5, 2]),
            Field::new("label", RowDType::U8, &[]),
            Field::new("untouched", RowDType::U16, &[3]),
        ])
    };
    let volume = Schema::new(vec![
        Field::new("input", RowDType::U8, &[5, 13, 17]),
        Field::new("mask", RowDType::U16, &[1, 5, 13, 17]),
    ]);
    for chain in
        ["random_crop(3, 9, 11)", "rotate(20) random_crop(2, 9, 9)", "elastic(9, sigma=1) hflip"]
    {
        let augment = parsed(chain).layout(Layout::Dhw).mask("mask");
        compare(&augment, volume.as_ref().unwrap(), 4, Same::Bits, 1);
        compare_parts(&augment, volume.as_ref().unwrap(), 4);
    }
    for dtype in [RowDType::U8, RowDType::U16, RowDType::F32, RowDType::I64] {
        let schema = fields(dtype).unwrap();
        for chain in [
            "random_resized_crop(24, 29) random_hflip color_jitter(0.3, 0, 0.3, 0.1) normalize(imagenet)",
            "elastic(30, sigma=2) rotate(30, interpolation=bilinear) gaussian_blur(3) random_crop(20)",
            "gaussian_blur(3) adjust_sharpness(2) random_hflip",
            "pad(5, mode=reflect) random_perspective(0.5, p=1) rot90(1)",
            "random_apply(0.5, elastic(20, sigma=1)) rotate(10)",
        ] {
            let augment = parsed(chain).mask_filled("mask", 9.0).one_hot("label", 5, 0.0);
            let augment = augment.boxes("boxes", BoxFormat::Xywh).keypoints("points");
            compare(&augment, &schema, 4, Same::Bits, 1);
            compare_parts(&augment, &schema, 4);
        }
    }
}

#[test]
fn a_second_image_is_made_by_the_worker_and_moved_by_the_device() {
    let schema = Schema::new(vec![
        Field::new("input", RowDType::U8, &[37, 43, 3]),
        Field::new("sharp", RowDType::U8, &[37, 43, 3]),
        Field::new("depth", RowDType::U16, &[37, 43]),
        Field::new("large", RowDType::I32, &[74, 86]),
    ]);
    let schema = schema.unwrap();
    let images = "image(sharp, mean=0.5, std=0.2) image(depth, interpolation=nearest, fill=0.5) \
                  image(large, times=2, interpolation=nearest)";
    for chain in [
        "random_resized_crop(24, 29) random_hflip color_jitter(0.3, 0, 0.3, 0.1) normalize(imagenet)",
        "rotate(30, interpolation=bilinear) gaussian_blur(3) random_crop(20) cutmix(1)",
        "pad(5, mode=symmetric) random_perspective(0.5, p=1) rot90(1) random_erasing(1)",
    ] {
        let augment = parsed(&format!("{chain} {images}"));
        compare(&augment, &schema, 4, Same::Bits, 1);
        let launches = Launches::bind(&augment, &schema).unwrap();
        let made = [0, 1, 2, 3].map(|field| launches.made(field));
        assert_eq!(made, [Made::OnDevice, Made::OnHost, Made::OnDevice, Made::OnHost]);
    }
}

#[test]
fn maps_that_are_resampled_once_are_made() {
    for chain in [
        "rotate(30, interpolation=bilinear) hflip resize(40, 31) random_perspective(0.4, p=1)",
        "random_resized_crop(24, 29) rotate(20, interpolation=bilinear, fill=0.5) vflip",
        "resize(30, 60) resize(20, 20) to_dtype(f32)",
    ] {
        compare(
            &parsed(chain).resample_once(),
            &image(RowDType::U8, &[37, 43, 3]),
            3,
            Same::Bits,
            1,
        );
    }
}

#[test]
fn blocks_of_several_threads_make_the_same() {
    let chains = [
        "random_resized_crop(40, 37) random_hflip color_jitter(0.4, 0.4, 0.4, 0.1) normalize(imagenet)",
        "gaussian_blur(31, sigma=5) equalize autocontrast to_dtype(f16)",
        "elastic(30, sigma=2) adjust_sharpness(2) standardize",
        "resize(6, 7) to_dtype(f32)",
        "random_crop(20, 33) hflip vflip",
        // More tiles than blocks that gather.
        "resize(100, 110) autocontrast to_dtype(f32)",
    ];
    let schema = image(RowDType::U8, &[45, 70, 3]);
    for chain in chains {
        for threads in [2, 5] {
            compare(&parsed(chain), &schema, 2, Same::Sums, threads);
        }
    }
    let masked = Schema::new(vec![
        Field::new("input", RowDType::U8, &[45, 70, 3]),
        Field::new("mask", RowDType::I32, &[45, 70]),
    ]);
    let augment = parsed("random_resized_crop(40, 37) rotate(9)").mask("mask");
    compare(&augment, &masked.unwrap(), 2, Same::Bits, 3);
}
