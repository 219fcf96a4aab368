//! What batches in CUDA memory cost: rates of loaders, times of kernels as the device takes them, and the share of
//! a plain copy that they reach.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallow::candle::Device;
use tallow::{Augment, Field, Loader, Report, RowDType, Schema, Source, from_fn};
use tallow_benchmarks::median;
use tallow_cli::copies::{Host, bytes_per_second, within_device};

use super::{Result, expect, noise, pictures};

/// A chain that people train with: images of 256x256 bytes become 224x224 halves.
pub(crate) struct Chain {
    /// How it is asked for.
    pub(crate) word: &'static str,
    pub(crate) name: &'static str,
    pub(crate) chain: &'static str,
    part: Part,
}

/// The part of an image that a chain reads.
#[derive(Clone, Copy)]
enum Part {
    /// As many pixels as it makes.
    Cropped,
    /// What `random_resized_crop` draws.
    Drawn,
}

pub(crate) const CHAINS: [Chain; 3] = [
    Chain {
        word: "crop",
        name: "crop, flip, normalise",
        chain: "random_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f16)",
        part: Part::Cropped,
    },
    Chain {
        word: "resized",
        name: "resized crop, flip, normalise",
        chain: "random_resized_crop(224) random_hflip(0.5) normalize(imagenet) to_dtype(f16)",
        part: Part::Drawn,
    },
    Chain {
        word: "jitter",
        name: "resized crop, flip, jitter, normalise",
        chain: "random_resized_crop(224) random_hflip(0.5) color_jitter(0.4, 0.4, 0.4, 0.1) \
                normalize(imagenet) to_dtype(f16)",
        part: Part::Drawn,
    },
];

const SIDE: usize = 256;
const CROP: usize = 224;

/// Rows of a batch.
const BATCHES: [usize; 2] = [64, 256];
pub(crate) const ROWS: usize = BATCHES[0];

/// Images of an epoch.
const SAMPLES: usize = 50 * BATCHES[1];

/// A step of a model, while which the device is free.
const STEP: Duration = Duration::from_millis(5);

impl Chain {
    /// The bytes of an image that it reads, on average, and those that it makes: each once.
    fn bytes(&self) -> f64 {
        let read = match self.part {
            Part::Cropped => (CROP * CROP) as f64,
            Part::Drawn => drawn_share() * (SIDE * SIDE) as f64,
        };
        3.0 * (read + 2.0 * (CROP * CROP) as f64)
    }
}

/// The mean area of what `random_resized_crop` draws of a square image: of 0.08 to 1, at an aspect ratio of 3/4 to
/// 4/3, evenly in its logarithm, and again while a side is longer than the image's.
fn drawn_share() -> f64 {
    const STEPS: usize = 400;
    let at = |i: usize| (i as f64 + 0.5) / STEPS as f64;
    let part = |i: usize, j: usize| (0.08 + 0.92 * at(i), (4f64 / 3.0).powf(2.0 * at(j) - 1.0));
    let parts = (0..STEPS).flat_map(|i| (0..STEPS).map(move |j| part(i, j)));
    let fits = |&(area, ratio): &(f64, f64)| area * ratio.max(1.0 / ratio) <= 1.0;
    let areas: Vec<f64> = parts.filter(fits).map(|(area, _)| area).collect();
    areas.iter().sum::<f64>() / areas.len() as f64
}

// ---- lines

pub(crate) fn figure(name: &str, value: f64, unit: &str) {
    println!("      {name:<62} {value:>10.2} {unit}");
}

/// One that a summary takes over.
pub(crate) fn key_figure(name: &str, value: f64, unit: &str) {
    println!("    * {name:<62} {value:>10.2} {unit}");
}

/// Every figure.
pub(crate) fn all() -> Result {
    let device = Device::new_cuda_with_stream(0)?;
    for (name, bytes) in [("64 MiB", 64 << 20), ("a slab of 64 images", ROWS * SIDE * SIDE * 3)] {
        let locked = bytes_per_second(0, bytes, Host::PageLocked)?;
        key_figure(&format!("host to device, page-locked, {name}"), locked / 1e9, "GB/s");
        let pageable = bytes_per_second(0, bytes, Host::Pageable)?;
        figure(&format!("host to device, pageable, {name}"), pageable / 1e9, "GB/s");
    }
    let copy = within_device(0, 1 << 30)?;
    key_figure("device to device, bytes read and bytes written", copy / 1e9, "GB/s");
    for raw in [Raw::Uploaded, Raw::Resident] {
        for rows in BATCHES {
            for chain in &CHAINS {
                of_chain(&device, chain, rows, raw, copy)?;
            }
        }
    }
    let plain = loader(&device, "", ROWS, SAMPLES, Raw::Uploaded)?;
    measure(&device, &plain, "loader")?;
    let whole = loader(&device, CHAINS[2].chain, ROWS, SAMPLES, Raw::Uploaded)?;
    measure(&device, &whole, "loader with jitter")?;
    pictures::figures(&device)
}

/// A few batches of a chain, for a profiler: nothing but its kernels and copies.
pub(crate) fn few(chain: &Chain) -> Result {
    let device = Device::new_cuda_with_stream(0)?;
    let rows = BATCHES[1];
    let loader = loader(&device, chain.chain, rows, 2 * rows, Raw::Uploaded)?;
    expect(loader.plan().on_device(), "the chain runs on the CPU")?;
    for batch in loader.epoch(0) {
        drop(batch?);
    }
    device.synchronize()?;
    println!("      {} rows, {:.0} bytes of each", rows, chain.bytes());
    Ok(())
}

// ---- loaders

/// Where raw rows come from.
#[derive(Clone, Copy)]
enum Raw {
    /// From the host, with each batch.
    Uploaded,
    /// From the device, where they stay.
    Resident,
}

/// Images of noise in memory: the same 64 over and over, so that making one is only a copy.
fn images(samples: usize) -> Result<impl Source + 'static> {
    let schema = Schema::new(vec![Field::new("input", RowDType::U8, &[SIDE, SIDE, 3])])?;
    let image = |index| (0..SIDE * SIDE * 3).map(move |at| noise(index, at)).collect();
    let images: Arc<Vec<Vec<u8>>> = Arc::new((0..ROWS).map(image).collect());
    Ok(from_fn(schema, samples, move |index, row| {
        row.field(0).copy_from_slice(&images[index % ROWS])
    }))
}

fn loader(device: &Device, chain: &str, rows: usize, samples: usize, raw: Raw) -> Result<Loader> {
    let builder = Loader::builder(images(samples)?).batch_size(rows).shuffle();
    let builder = builder.device(device.clone());
    let builder = match raw {
        Raw::Uploaded => builder,
        Raw::Resident => builder.resident(usize::MAX),
    };
    Ok(if chain.is_empty() {
        builder.build()?
    } else {
        builder.transform(chain.parse::<Augment>()?).build()?
    })
}

/// Images per second of epochs whose batches nothing is done with: the median after one to warm up, after which
/// the report is taken.
fn rate(device: &Device, loader: &Loader) -> Result<(f64, Report)> {
    let mut rates = Vec::new();
    let mut warmed = loader.report();
    for epoch in 0..4 {
        if epoch == 1 {
            warmed = loader.report();
        }
        let started = Instant::now();
        for batch in loader.epoch(epoch) {
            batch?;
        }
        device.synchronize()?;
        rates.push(loader.plan().positions() as f64 / started.elapsed().as_secs_f64());
    }
    Ok((median(&mut rates[1..]), loader.report().since(&warmed)))
}

/// One line of a chain in batches of `rows` rows: what the loader delivers, and the time of the kernels in it. Each
/// byte that they must read or write counts once.
fn of_chain(device: &Device, chain: &Chain, rows: usize, raw: Raw, copy: f64) -> Result {
    let loader = loader(device, chain.chain, rows, SAMPLES, raw)?;
    expect(loader.plan().on_device(), "the chain runs on the CPU")?;
    let (rate, report) = rate(device, &loader)?;
    let (kernels, copies) = (report.kernels, report.copies);
    let batch = kernels.time.as_secs_f64() / kernels.count.max(1) as f64;
    let moved = rows as f64 * chain.bytes() / batch;
    let from = match raw {
        Raw::Uploaded => {
            let alone = bytes_per_second(0, loader.plan().slab_bytes(), Host::PageLocked)?;
            let uploaded = copies.bytes_per_second();
            format!("; copies {:.1} GB/s, {:.2} of one alone", uploaded / 1e9, uploaded / alone)
        }
        Raw::Resident => "; resident".to_owned(),
    };
    println!(
        "    * {}, {rows}: {rate:.0} images/s; kernels {:.1} us, {:.0} GB/s, {:.2} of a copy{from}",
        chain.name,
        batch * 1e6,
        moved / 1e9,
        moved / copy,
    );
    Ok(())
}

/// Throughput of any loader alone, in batches of [`ROWS`], and its stall at steps of 5 ms.
pub(crate) fn measure(device: &Device, loader: &Loader, what: &str) -> Result {
    let (rate, report) = rate(device, loader)?;
    key_figure(&format!("{what}, nothing done with batches"), rate, "images/s");
    if report.copies.count > 0 && !loader.plan().resident() {
        let copies = report.copies.bytes_per_second();
        figure(&format!("{what}, its copies"), copies / 1e9, "GB/s");
        let alone = bytes_per_second(0, loader.plan().slab_bytes(), Host::PageLocked)?;
        figure(&format!("{what}, their share of a single copy"), copies / alone, "");
    }
    let (started, mut stalled) = (Instant::now(), Duration::ZERO);
    let mut asked = Instant::now();
    for batch in loader.epoch(4) {
        let batch = batch?;
        device.synchronize()?;
        stalled += asked.elapsed();
        // Instead of a model, whose thread also sleeps while the device computes.
        std::thread::sleep(STEP);
        drop(batch);
        asked = Instant::now();
    }
    let share = 100.0 * stalled.as_secs_f64() / started.elapsed().as_secs_f64();
    key_figure(&format!("{what}, stall at steps of 5 ms"), share, "%");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_an_image_is_drawn_on_average() {
        let share = drawn_share();
        assert!((0.45..0.54).contains(&share), "{share}");
        let crop = 3.0 * 3.0 * (CROP * CROP) as f64;
        assert_eq!(CHAINS[0].bytes(), crop);
        assert!(CHAINS[1].bytes() < crop && CHAINS[1].bytes() > 0.8 * crop);
    }
}
