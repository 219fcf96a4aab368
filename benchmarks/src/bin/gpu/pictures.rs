//! Pictures: what a device makes of the windows that workers decode is what the CPU makes, and what that
//! costs.

use std::sync::Arc;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tallow::candle::Device;
use tallow::{Augment, Field, Loader, LoaderBuilder, Picture, RowDType, Schema, Source, from_fn};

use super::figures::{ROWS, figure, measure};
use super::{Checks, DEVICES, Result, bytes, expect, noise};

/// A photo: JPEG as cameras and web sites write it, of light that changes slowly and a little noise.
fn photo(
    [height, width]: [usize; 2],
    turned: u16,
    progressive: bool,
    index: usize,
) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 90);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.set_progressive(progressive);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(turned.to_be_bytes());
    exif.extend([0; 6]);
    encoder.add_app_segment(1, exif)?;
    let pixel = |at: usize| {
        let (y, x, c) = (at / 3 / width, at / 3 % width, at % 3);
        let wave = |len: usize| ((x + c * 40 + index * 97) as f64 / len as f64).sin();
        let light = 128.0 + 60.0 * wave(90) * (y as f64 / 70.0).cos() + 25.0 * wave(11);
        (light + f64::from(noise(index, at)) / 8.0) as u8
    };
    let pixels: Vec<u8> = (0..height * width * 3).map(pixel).collect();
    encoder.encode(&pixels, width as u16, height as u16, ColorType::Rgb)?;
    Ok(file)
}

/// `samples` samples of the photos `files`, over and over.
fn source(files: &Arc<Vec<Vec<u8>>>, samples: usize) -> Result<impl Source + 'static> {
    let picture = Picture::rgb().upright().at_most(1024, 1024).payload_bytes(1 << 20);
    let fields = vec![Field::pictures("input", picture), Field::new("target", RowDType::I64, &[])];
    let files = files.clone();
    Ok(from_fn(Schema::new(fields)?, samples, move |index, row| {
        let file = &files[index % files.len()];
        let mut field = row.field(0);
        field.set_shape(&[file.len()])?;
        field.copy_from_slice(file)?;
        row.field(1).copy_from_slice(&[index as i64 % 10])
    }))
}

const CHAINS: [&str; 6] = [
    "random_resized_crop(64) random_hflip(0.5) normalize(imagenet) to_dtype(f16)",
    "resize(72) center_crop(64) to_dtype(f32)",
    "random_crop(70, 50) random_vflip rot90(1)",
    "pad(30, mode=reflect) random_crop(90) random_rotation(30, interpolation=bilinear) to_dtype(bf16)",
    "random_crop(64) mixup(0.4, p=0.7) normalize(imagenet)",
    "random_resized_crop(48) cutmix(1)",
];

/// Photos of several sizes, in every orientation, of which some are progressive.
pub(crate) fn checks(checks: &mut Checks, quick: bool) {
    let files: Result<Vec<Vec<u8>>> = (0..24)
        .map(|index| {
            let size = [90 + 31 * (index % 5), 100 + 17 * (index % 7)];
            photo(size, index as u16 % 8 + 1, index % 3 == 1, index)
        })
        .collect();
    let files = match files {
        Ok(files) => Arc::new(files),
        Err(error) => return checks.book("photos", Err(error)),
    };
    for (name, new) in DEVICES.into_iter().skip(usize::from(quick)) {
        let device = match new(0) {
            Ok(device) => device,
            Err(error) => {
                checks.book(name, Err(error.into()));
                continue;
            }
        };
        for chain in CHAINS.into_iter().take(if quick { 2 } else { CHAINS.len() }) {
            let found = same_as_cpu(&files, chain, &device).map(|()| String::new());
            checks.book(&format!("{name}: pictures, {chain}"), found);
        }
    }
}

fn same_as_cpu(files: &Arc<Vec<Vec<u8>>>, chain: &str, device: &Device) -> Result {
    let builder = || -> Result<LoaderBuilder> {
        let augment = chain.parse::<Augment>()?.one_hot("target", 10, 0.0);
        let loader = Loader::builder(source(files, 2 * files.len())?).batch_size(10);
        Ok(loader.shuffle().seed(5).transform(augment))
    };
    let all = |loader: &Loader| -> Result<Vec<Vec<u8>>> {
        loader.epochs(0..3).map(|batch| bytes(&batch?)).collect()
    };
    let cpu = all(&builder()?.build()?)?;
    for workers in [0, 3] {
        let loader = builder()?.workers(workers).device(device.clone()).build()?;
        expect(loader.plan().on_device(), "the chain runs on the CPU")?;
        expect(all(&loader)? == cpu, &format!("other bytes with {workers} workers"))?;
        let resident = builder()?.workers(workers).device(device.clone()).resident(1 << 30);
        let resident = resident.build()?;
        expect(all(&resident)? == cpu, &format!("other bytes with {workers} workers, resident"))?;
    }
    Ok(())
}

/// The recipe of ImageNet on photos of 500 x 375: decoded by all cores for the CPU and for the device,
/// and resident, where nothing is decoded after the first epoch.
pub(crate) fn figures(device: &Device) -> Result {
    const CHAIN: &str =
        "random_resized_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f16)";
    const SAMPLES: usize = 100 * ROWS;
    let files: Result<Vec<Vec<u8>>> =
        (0..ROWS).map(|index| photo([375, 500], 1, false, index)).collect();
    let files = Arc::new(files?);
    let size: usize = files.iter().map(Vec::len).sum();
    figure("photos of 500 x 375, their files", size as f64 / ROWS as f64 / 1e3, "kB");
    let cores = std::thread::available_parallelism()?.get();
    let builder = || -> Result<LoaderBuilder> {
        let loader = Loader::builder(source(&files, SAMPLES)?).batch_size(ROWS).shuffle();
        Ok(loader.workers(cores).transform(CHAIN.parse::<Augment>()?))
    };
    let on_cpu = builder()?.build()?;
    measure(device, &on_cpu, &format!("photos, {cores} workers, all on the CPU"))?;
    let loader = builder()?.device(device.clone()).build()?;
    measure(device, &loader, &format!("photos, {cores} workers, chain on the device"))?;
    let copies = loader.report().copies;
    let rows = copies.count as f64 * ROWS as f64;
    figure("photos, bytes over the link per image", copies.bytes as f64 / rows / 1e3, "kB");
    // 6,400 photos of 562,500 bytes.
    let resident = builder()?.device(device.clone()).resident(4 << 30).build()?;
    measure(device, &resident, "photos, chain on the device, resident")
}
