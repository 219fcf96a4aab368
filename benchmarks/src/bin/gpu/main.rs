//! What only a GPU can prove: that batches in CUDA memory equal those of the CPU, and what they
//! cost.
//!
//!     gpu [quick] [probe] [loader] [augment] [pictures] [figures] [crop] [resized] [jitter]
//!
//! Without a name it runs `loader`, `augment`, `pictures` and `figures`. `scripts/gpu.sh` builds the program,
//! runs it on a machine with a GPU, and writes one table. The line of each check begins with `ok` or
//! `FAIL`, the last line is `PASS` or `FAIL`, and the exit code says the same. A figure that says most
//! begins with `*`. `probe` only checks whether a device can be used. The last three make some batches of one
//! chain, for a profiler. `quick` makes the consumer less slow and takes one chain per kind of kernel, for
//! compute-sanitizer and the simulated driver.

#![expect(clippy::print_stdout, reason = "a program that prints what it found")]

mod figures;
mod pictures;

use std::process::ExitCode;

use tallow::candle::{self, DType, Device, Tensor};
use tallow::plan::RowKey;
use tallow::{
    Augment, Batch, Field, FieldMut, Fields, Key, LastBatch, Layout, Loader, LoaderBuilder,
    RowDType, Schema, Source, from_fn,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;
type NewDevice = fn(usize) -> candle::Result<Device>;

/// The two constructors of candle's devices: one stream per thread, and one stream for all.
const DEVICES: [(&str, NewDevice); 2] =
    [("new_cuda", Device::new_cuda), ("new_cuda_with_stream", Device::new_cuda_with_stream)];

const DTYPES: [RowDType; 11] = [
    RowDType::U8,
    RowDType::U16,
    RowDType::U32,
    RowDType::I16,
    RowDType::I32,
    RowDType::I64,
    RowDType::BF16,
    RowDType::F16,
    RowDType::F32,
    RowDType::F64,
    RowDType::F8E4M3,
];

/// How slow the slow consumer is: the bytes that it copies on the device before each batch, and how many batches
/// it takes.
#[derive(Debug, Clone, Copy)]
struct Scale {
    busy_bytes: usize,
    races: usize,
}

const WHOLE: Scale = Scale { busy_bytes: 64 << 20, races: 1000 };
const QUICK: Scale = Scale { busy_bytes: 1 << 10, races: 100 };

/// How often it copies them.
const BUSY_COPIES: usize = 8;

/// What can be asked for.
const PARTS: &str = "quick, probe, loader, augment, pictures, figures, crop, resized, jitter";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut parts: Vec<&str> = words.iter().map(String::as_str).collect();
    let quick = parts.contains(&"quick");
    parts.retain(|part| *part != "quick");
    if parts.is_empty() {
        parts = vec!["loader", "augment", "pictures", "figures"];
    }
    let scale = if quick { QUICK } else { WHOLE };
    let mut checks = Checks::default();
    for part in parts {
        match part {
            "loader" => loader_checks(&mut checks, scale),
            "augment" => augment_checks(&mut checks, quick),
            "pictures" => pictures::checks(&mut checks, quick),
            "probe" => checks.book("a device", probe().map(|()| String::new())),
            "figures" => checks.book("figures", figures::all().map(|()| String::new())),
            other => {
                let Some(chain) = figures::CHAINS.iter().find(|chain| chain.word == other) else {
                    println!("FAIL  {other:?} is not one of {PARTS}");
                    return ExitCode::from(2);
                };
                checks.book(chain.name, figures::few(chain).map(|()| String::new()));
            }
        }
    }
    checks.conclude()
}

/// The checks so far.
#[derive(Debug, Default)]
struct Checks {
    done: usize,
    failed: usize,
}

impl Checks {
    fn book(&mut self, name: &str, found: Result<String>) {
        self.done += 1;
        match found {
            Ok(what) if what.is_empty() => println!("ok    {name}"),
            Ok(what) => println!("ok    {name}: {what}"),
            Err(error) => {
                self.failed += 1;
                println!("FAIL  {name}: {error}");
            }
        }
    }

    fn conclude(&self) -> ExitCode {
        if self.failed > 0 {
            println!("FAIL: {} of {} checks", self.failed, self.done);
            return ExitCode::FAILURE;
        }
        println!("PASS: {} checks", self.done);
        ExitCode::SUCCESS
    }
}

// ---- batches

/// The bytes of a batch's tensors, one after the other.
fn bytes(batch: &Batch) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (_, tensor) in batch.tensors() {
        tensor.write_bytes(&mut bytes)?;
    }
    Ok(bytes)
}

/// The bytes of all batches of two epochs.
fn delivered(loader: &Loader) -> Result<Vec<Vec<u8>>> {
    loader.epochs(0..2).map(|batch| bytes(&batch?)).collect()
}

fn expect(same: bool, what: &str) -> Result {
    if same { Ok(()) } else { Err(what.to_owned().into()) }
}

/// A byte that depends only on sample and place.
fn noise(index: usize, at: usize) -> u8 {
    let mixed = (index * 1_000_003 + at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as u8
}

/// Samples of noise, with one field per element type.
fn all_dtypes() -> impl Source + 'static {
    let field = |dtype: &RowDType| Field::new(dtype.as_str(), *dtype, &[3, 5]);
    let schema = Schema::new(DTYPES.iter().map(field).collect()).expect("a valid schema");
    from_fn(schema, 53, |index, row| {
        for field in 0..row.field_count() {
            let mut field = row.field(field);
            let memory = field.as_mut_bytes()?;
            memory.iter_mut().enumerate().for_each(|(at, byte)| *byte = noise(index, at));
        }
        Ok(())
    })
}

fn probe() -> Result {
    let tensor = Tensor::arange(0u32, 1000, &Device::new_cuda(0)?)?.copy()?;
    expect(tensor.to_vec1::<u32>()?.into_iter().eq(0..1000), "a copy has other numbers")
}

fn loader_checks(checks: &mut Checks, scale: Scale) {
    for (name, new) in DEVICES {
        // One for all, because the driver is slow to make a device.
        let device = match new(0) {
            Ok(device) => &device.clone(),
            Err(error) => {
                checks.book(name, Err(error.into()));
                continue;
            }
        };
        for last in [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad] {
            let name = format!("{name}: every element type, last batch {last:?}");
            checks.book(&name, every_dtype(device, last).map(|()| String::new()));
        }
        checks.book(&format!("{name}: kept batches"), kept(device).map(|()| String::new()));
        checks.book(&format!("{name}: stopped anywhere"), stopped(device).map(|()| String::new()));
        let raced = race(device, scale).map(|()| format!("{} batches, two slots", scale.races));
        checks.book(&format!("{name}: slow consumer"), raced);
    }
}

fn builder(last: LastBatch) -> LoaderBuilder {
    Loader::builder(all_dtypes()).batch_size(8).shuffle().seed(3).last_batch(last)
}

fn every_dtype(device: &Device, last: LastBatch) -> Result {
    let expected = delivered(&builder(last).build()?)?;
    for workers in 0..4 {
        let loader = builder(last).workers(workers).device(device.clone()).build()?;
        expect(delivered(&loader)? == expected, &format!("other bytes with {workers} workers"))?;
        // In the second pass all samples are on the device.
        let resident = builder(last).workers(workers).device(device.clone());
        let resident = resident.resident(1 << 20).build()?;
        for pass in ["first", "second"] {
            let what = format!("other bytes with {workers} workers, resident, {pass} pass");
            expect(delivered(&resident)? == expected, &what)?;
        }
    }
    Ok(())
}

fn kept(device: &Device) -> Result {
    let expected = delivered(&builder(LastBatch::Keep).build()?)?;
    let loader = builder(LastBatch::Keep).workers(2).device(device.clone()).build()?;
    let batches: Vec<Batch> = loader.epochs(0..2).collect::<std::result::Result<_, _>>()?;
    drop(loader);
    let found: Vec<Vec<u8>> = batches.iter().map(bytes).collect::<Result<_>>()?;
    expect(found == expected, "other bytes once the loader is gone")
}

fn stopped(device: &Device) -> Result {
    let expected = delivered(&builder(LastBatch::Keep).build()?)?;
    for stop in 0..expected.len() {
        let loader = builder(LastBatch::Keep).workers(2).device(device.clone()).build()?;
        let taken: Vec<_> = loader.epochs(0..2).take(stop).collect();
        let again = delivered(&loader)?;
        drop(loader);
        for (batch, expected) in taken.into_iter().zip(&expected) {
            expect(bytes(&batch?)? == *expected, "a batch before the stop has other bytes")?;
        }
        expect(again == expected, &format!("other bytes after stopping at batch {stop}"))?;
    }
    Ok(())
}

/// Two slots, and a consumer whose device lags behind: it has other work before it reads a batch,
/// and nothing waits for it. What it read is checked much later.
fn race(device: &Device, scale: Scale) -> Result {
    const LEN: usize = 4096;
    const LOOKED_AT: usize = 25;
    let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[LEN])])?;
    let source = from_fn(schema, 4 * scale.races, |index, row| {
        let mut field = row.field(0);
        let memory = field.as_mut_bytes()?;
        memory.iter_mut().enumerate().for_each(|(at, byte)| *byte = noise(index, at));
        Ok(())
    });
    let loader = Loader::builder(source).batch_size(4).shuffle().workers(2).prefetch(1);
    let loader = loader.device(device.clone()).build()?;
    let busy = Busy::new(scale.busy_bytes, device)?;
    let mut read: Vec<(Vec<usize>, Tensor)> = Vec::new();
    for (number, batch) in loader.epoch(0).enumerate() {
        let batch = batch?;
        busy.copy(BUSY_COPIES)?;
        read.push((batch.indices().to_vec(), batch["input"].copy()?));
        drop(batch);
        if number % LOOKED_AT == LOOKED_AT - 1 || number + 1 == scale.races {
            for (indices, tensor) in read.drain(..) {
                let found: Vec<u8> = tensor.flatten_all()?.to_vec1()?;
                let row = |index: usize| (0..LEN).map(move |at| noise(index, at));
                let right = indices.into_iter().flat_map(row).eq(found);
                expect(right, &format!("a batch before number {number} has other bytes"))?;
            }
        }
    }
    expect(read.is_empty(), "batches that were not checked")
}

/// Keeps the stream of a device busy for a while. Its memory is allocated once: the allocator would wait.
struct Busy {
    from: Tensor,
    to: Tensor,
}

impl Busy {
    /// Copies of `bytes` bytes.
    fn new(bytes: usize, device: &Device) -> Result<Self> {
        let memory = || Tensor::zeros(bytes, DType::U8, device);
        Ok(Self { from: memory()?, to: memory()? })
    }

    /// Enqueues some copies.
    fn copy(&self, copies: usize) -> Result {
        (0..copies).try_for_each(|_| Ok(self.to.slice_set(&self.from, 0, 0)?))
    }
}

// ---- augmentation

/// Every step with an example.
const CATALOGUE: &str = include_str!("../../../../crates/transforms/catalogue/CATALOGUE.md");

/// Steps that are not in the catalogue, and chains that combine the results of several steps.
const CHAINS: [&str; 11] = [
    "random_dflip",
    "to_dtype(f16)",
    "to_layout(hwc)",
    "gain(-6..6)",
    "random_window(50)",
    "pad_or_truncate(150)",
    figures::CHAINS[2].chain,
    "random_crop(64) random_hflip(0.5) normalize(imagenet) to_dtype(bf16)",
    "random_affine(30, interpolation=bilinear) gaussian_blur(5) random_equalize(0.5)",
    "pad(4, mode=reflect) random_crop(64, 48) random_erasing(1) random_posterize(4)",
    "rand_augment random_resized_crop(48) random_erasing(0.5, value=noise) to_dtype(f32)",
];

/// The examples of the catalogue: in each section, the last line that is only code. The first such
/// line is how the step is written, and some steps have no other.
/// Those that take files of pictures are left out: their chains run on the CPU.
fn examples() -> Vec<&'static str> {
    let code = |line: &'static str| line.strip_prefix('`')?.strip_suffix('`');
    let sections = CATALOGUE.split("\n## `").skip(1);
    let examples = sections.filter_map(|part| part.lines().skip(1).filter_map(code).skip(1).last());
    examples.filter(|chain| !chain.contains(OF_FILES)).collect()
}

/// The step of those.
const OF_FILES: &str = "scaled_decode";

/// A kind of data, and how a chain is bound to it.
struct Kind {
    name: &'static str,
    dtype: RowDType,
    shape: &'static [usize],
    layout: Layout,
}

const KINDS: [Kind; 6] = [
    Kind { name: "image", dtype: RowDType::U8, shape: &[3, 80, 96], layout: Layout::Chw },
    Kind { name: "float image", dtype: RowDType::F32, shape: &[3, 80, 96], layout: Layout::Chw },
    // A quarter turn changes the shape of any other image.
    Kind { name: "square image", dtype: RowDType::U8, shape: &[3, 96, 96], layout: Layout::Chw },
    Kind { name: "volume", dtype: RowDType::U8, shape: &[24, 80, 96], layout: Layout::Dhw },
    Kind { name: "signal", dtype: RowDType::F32, shape: &[80, 200], layout: Layout::Ct },
    Kind { name: "tokens", dtype: RowDType::I64, shape: &[200], layout: Layout::T },
];

impl Kind {
    /// The image, as a chain calls it, and the fields that follow it.
    fn fields(&self, chain: &str) -> Vec<Field> {
        let named = |step: &str| {
            let rest = chain.split(' ').find_map(|word| word.strip_prefix(step))?;
            rest.split([',', ')']).next()
        };
        let (_, plane) = self.shape.split_at(self.shape.len().saturating_sub(2));
        let followers: [(&str, RowDType, &[usize]); 4] = [
            ("mask(", RowDType::U8, plane),
            ("image(", self.dtype, self.shape),
            ("boxes(", RowDType::F32, &[5, 4]),
            ("keypoints(", RowDType::F32, &[6, 2]),
        ];
        let image = Field::new(named("field(").unwrap_or("input"), self.dtype, self.shape);
        let followers = followers.into_iter().filter_map(|(step, dtype, shape)| {
            named(step).map(|name| Field::new(name, dtype, shape))
        });
        std::iter::once(image).chain(followers).collect()
    }

    fn source(&self, chain: &str) -> Result<impl Source + 'static> {
        let mut fields = self.fields(chain);
        let target = fields.len();
        fields.push(Field::new("target", RowDType::I64, &[]));
        Ok(from_fn(Schema::new(fields)?, 24, move |index, row| {
            (0..target).try_for_each(|at| fill(index, row.field(at)))?;
            row.field(target).copy_from_slice(&[index as i64 % 10])
        }))
    }

    fn builder(&self, chain: &str, labels: bool) -> Result<LoaderBuilder> {
        let augment: Augment = chain.parse()?;
        let augment = augment.layout(self.layout);
        let augment = if labels { augment.one_hot("target", 10, 0.0) } else { augment };
        let builder = Loader::builder(self.source(chain)?).batch_size(10).shuffle().seed(5);
        Ok(builder.transform(augment))
    }
}

/// Writes noise of sample `index`: bytes, or floats from 0 to 1; of boxes and points, pixels.
fn fill(index: usize, mut field: FieldMut<'_>) -> Result<(), tallow::SourceError> {
    let byte = |at| f32::from(noise(index, at));
    let (dtype, shape) = (field.declared().dtype(), field.declared().max_shape());
    match dtype {
        RowDType::F32 => {
            let values = field.as_mut_slice::<f32>()?;
            match shape[..] {
                // Of 10 pixels each.
                [_, 4] => values.iter_mut().enumerate().for_each(|(at, value)| {
                    *value = byte(at / 4) / 4.0 + if at % 4 < 2 { 0.0 } else { 10.0 };
                }),
                [_, 2] => values.iter_mut().enumerate().for_each(|(at, x)| *x = byte(at) / 4.0),
                _ => values.iter_mut().enumerate().for_each(|(at, x)| *x = byte(at) / 255.0),
            }
        }
        RowDType::I64 => {
            let values = field.as_mut_slice::<i64>()?;
            values.iter_mut().enumerate().for_each(|(at, x)| *x = i64::from(noise(index, at)));
        }
        _ => {
            let bytes = field.as_mut_bytes()?;
            bytes.iter_mut().enumerate().for_each(|(at, x)| *x = noise(index, at));
        }
    }
    Ok(())
}

/// Steps with their own kernels or uses of shared memory: the examples that `quick` takes.
const QUICK_STEPS: [&str; 4] = ["elastic", "autocontrast", "equalize", "sharpness"];

fn augment_checks(checks: &mut Checks, quick: bool) {
    let devices: candle::Result<Vec<Device>> = DEVICES.into_iter().map(|(_, new)| new(0)).collect();
    let devices = match devices {
        Ok(devices) => devices,
        Err(error) => return checks.book("devices", Err(error.into())),
    };
    let devices = if quick { &devices[1..] } else { &devices };
    let is_taken = |chain: &&str| !quick || QUICK_STEPS.iter().any(|step| chain.contains(step));
    let mut on_device = 0;
    for chain in examples().into_iter().filter(is_taken).chain(CHAINS) {
        let mut fits = false;
        for kind in &KINDS {
            // Mixing needs classes as shares.
            let loaders = [false, true].into_iter().find_map(|labels| {
                let cpu = kind.builder(chain, labels).and_then(|b| Ok(b.build()?)).ok()?;
                Some((cpu, labels))
            });
            let Some((cpu, labels)) = loaders else { continue };
            fits = true;
            let found = same_as_cpu(&cpu, kind, chain, labels, devices, &mut on_device);
            checks.book(&format!("{}: {chain}", kind.name), found);
        }
        if !fits {
            let why = kind_error(chain);
            checks.book(chain, Err(format!("fits no kind of data here: {why}").into()));
        }
    }
    println!("      {on_device} loaders had their chain on the device, the others on the CPU");
}

fn kind_error(chain: &str) -> String {
    let built = KINDS[0].builder(chain, false).and_then(|builder| Ok(builder.build()?));
    built.map_or_else(|error| error.to_string(), |_| String::new())
}

fn same_as_cpu(
    cpu: &Loader,
    kind: &Kind,
    chain: &str,
    labels: bool,
    devices: &[Device],
    on_device: &mut usize,
) -> Result<String> {
    let mut said = String::new();
    for device in devices {
        let loader = kind.builder(chain, labels)?.device(device.clone()).build()?;
        let runs_there = loader.plan().on_device();
        *on_device += usize::from(runs_there);
        let mut apart = Apart::default();
        for (ours, theirs) in loader.epoch(0).zip(cpu.epoch(0)) {
            let (ours, theirs) = (ours?, theirs?);
            expect(ours.indices() == theirs.indices(), "other samples")?;
            for ((name, found), (_, expected)) in ours.tensors().zip(theirs.tensors()) {
                apart.add(found, expected).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        said = apart.judged(runs_there)?;
        said += &applied(kind, chain, device)?;
    }
    Ok(said)
}

/// The same without a loader: augments the tensors of a batch on the device. Chains that only a
/// loader can run are skipped.
fn applied(kind: &Kind, chain: &str, device: &Device) -> Result<String> {
    let raw = Loader::builder(kind.source(chain)?).batch_size(7).build()?;
    let raw = raw.epoch(0).next().ok_or("no batch")??;
    let raw: Vec<(&str, &Tensor)> = raw.tensors().filter(|(name, _)| *name != "target").collect();
    let keys: Vec<RowKey> = (0..7).map(|index| RowKey { key: Key::new(5, 0), index }).collect();
    let augment = chain.parse::<Augment>()?.layout(kind.layout);
    let here = raw.iter().map(|(name, tensor)| (*name, (*tensor).clone()));
    let Ok(expected) = augment.apply(&Fields::new(here), &keys) else {
        return Ok(String::new());
    };
    let there = raw.iter().map(|(name, tensor)| Ok((*name, tensor.to_device(device)?)));
    let there = Fields::new(there.collect::<candle::Result<Vec<_>>>()?);
    let found = augment.apply(&there, &keys).map_err(|error| format!("apply: {error}"))?;
    let mut apart = Apart::default();
    for ((_, found), (_, expected)) in found.iter().zip(expected.iter()) {
        apart.add(found, expected).map_err(|error| format!("apply: {error}"))?;
    }
    Ok(format!("; apply: {}", apart.judged(true).map_err(|error| format!("apply: {error}"))?))
}

/// How much tensors differ, over all that were compared.
#[derive(Debug, Default)]
struct Apart {
    elements: usize,
    unequal: usize,
    /// Elements that differ by more than a step of their type.
    far: usize,
    /// The largest difference, in levels of 255.
    levels: f64,
}

impl Apart {
    /// On the device, sums over an image are added in another order. If the result is rounded to
    /// bytes, one element in this many may differ by one level.
    const FAR_OF: usize = 10_000;

    /// One level of floats that were divided by the least of ImageNet's deviations.
    const FLOAT: f64 = 1.0 / 255.0 / 0.22;

    fn add(&mut self, found: &Tensor, expected: &Tensor) -> Result {
        expect(found.dims() == expected.dims(), "another shape")?;
        expect(found.dtype() == expected.dtype(), "another element type")?;
        let values = |tensor: &Tensor| -> Result<Vec<f64>> {
            let tensor = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
            Ok(tensor.flatten_all()?.to_vec1()?)
        };
        let (step, level) = match expected.dtype() {
            DType::F16 => (1.0 / 1024.0, Self::FLOAT),
            DType::BF16 => (1.0 / 128.0, Self::FLOAT),
            DType::F32 | DType::F64 => (2e-6, Self::FLOAT),
            _ => (0.0, 1.0),
        };
        for (a, b) in values(found)?.into_iter().zip(values(expected)?) {
            let apart = if a.to_bits() == b.to_bits() { 0.0 } else { (a - b).abs() };
            // A NaN on one side only is the largest difference.
            let apart = if apart.is_nan() { f64::INFINITY } else { apart };
            self.elements += 1;
            self.unequal += usize::from(apart > 0.0);
            self.far += usize::from(apart > step * b.abs().max(1.0));
            self.levels = self.levels.max(apart / level);
        }
        Ok(())
    }

    fn judged(&self, on_device: bool) -> Result<String> {
        let Self { elements, unequal, far, levels } = self;
        let place = if on_device { "device" } else { "CPU" };
        if *unequal == 0 {
            return Ok(format!("{place}, exact"));
        }
        let said = format!(
            "{place}, {unequal} of {elements} differ, {far} by more than a step, at most {levels:.3} \
             levels"
        );
        let few = far * Self::FAR_OF <= *elements && *levels < 1.1;
        expect(on_device && (*far == 0 || few), &said)?;
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_of_the_catalogue_is_in_a_chain_that_fits_some_data() {
        let chains: Vec<&str> = examples().into_iter().chain(CHAINS).collect();
        for (name, _) in tallow::catalogue().filter(|(name, _)| *name != OF_FILES) {
            let is_of = |chain: &&str| chain.split([' ', '(']).any(|word| word == name);
            assert!(chains.iter().any(is_of), "no chain of {name}");
        }
        for chain in chains {
            let fits = |kind: &Kind, labels| kind.builder(chain, labels).unwrap().build().is_ok();
            let fits = KINDS.iter().any(|kind| fits(kind, false) || fits(kind, true));
            assert!(fits, "{chain}: {}", kind_error(chain));
        }
    }

    #[test]
    fn a_difference_is_judged_by_where_it_was_computed() {
        let (a, b) =
            (Tensor::new(&[0f32, 9.], &Device::Cpu), Tensor::new(&[1e-6f32, 9.], &Device::Cpu));
        let mut near = Apart::default();
        near.add(&a.unwrap(), &b.unwrap()).unwrap();
        assert!(near.judged(true).is_ok() && near.judged(false).is_err());
        let level = |elements| Apart { elements, unequal: 1, far: 1, levels: 1.0 };
        assert!(level(9_999).judged(true).is_err() && level(10_000).judged(true).is_ok());
        let far = Apart { levels: 2.0, ..level(10_000) };
        assert!(far.judged(true).is_err());
    }
}
