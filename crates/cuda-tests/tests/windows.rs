//! Pictures whose windows are decoded for the device, and images of which parts are uploaded: what is
//! delivered is what the CPU delivers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tallow::{
    Augment, Depth, Dim, ErrorKind, Field, Layout, Loader, LoaderBuilder, OnError, Picture,
    RowDType, Schema, Source, SourceExt, from_fn,
};
use tallow_cuda_tests::{DEVICES, Delivered, delivered, on_every_device, simulation};

const SAMPLES: usize = 11;

/// A megabyte: more than the pictures here take, but for the large ones.
const ENOUGH: usize = 1 << 20;

fn noise(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| ((i + 1000 * seed).wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A JPEG that has to be turned as EXIF says, every third one progressive.
fn jpeg([height, width]: [usize; 2], turned: u16, seed: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 80);
    encoder.set_progressive(seed % 3 == 1);
    let sampling =
        if seed.is_multiple_of(2) { SamplingFactor::R_4_2_0 } else { SamplingFactor::R_4_4_4 };
    encoder.set_sampling_factor(sampling);
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(turned.to_be_bytes());
    exif.extend([0; 6]);
    encoder.add_app_segment(1, exif).unwrap();
    let pixels = noise(height * width * 3, seed);
    encoder.encode(&pixels, width as u16, height as u16, ColorType::Rgb).unwrap();
    file
}

/// A PNG of classes.
fn png([height, width]: [usize; 2], seed: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&noise(height * width, seed)).unwrap();
    writer.finish().unwrap();
    file
}

/// The size of sample `index`, upright.
fn size(index: usize) -> [usize; 2] {
    [17 + 5 * (index % 4), 41 - 6 * (index % 5)]
}

/// The files of a sample: a photo, its classes, and a photo beside it.
fn files(index: usize) -> &'static [Vec<u8>; 3] {
    static FILES: OnceLock<Vec<[Vec<u8>; 3]>> = OnceLock::new();
    let of = |index: usize| {
        let [height, width] = size(index);
        let photo = |number: usize| {
            let turned = number as u16 % 8 + 1;
            let stored = if turned > 4 { [width, height] } else { [height, width] };
            jpeg(stored, turned, index)
        };
        [photo(index), png([height, width], index), photo(index + 3)]
    };
    &FILES.get_or_init(|| (0..SAMPLES).map(of).collect())[index]
}

/// How many bytes a photo of so many has, in the sample with that index: less in one that is damaged.
type Damage = fn(usize, usize) -> usize;

/// Photos with classes, photos beside them, and labels, and how often a sample was read.
fn damaged_source(damage: Damage) -> (impl Source, Arc<AtomicUsize>) {
    let small = |picture: Picture| picture.upright().at_most(64, 64).payload_bytes(1 << 14);
    let fields = vec![
        Field::pictures("input", small(Picture::rgb())),
        Field::pictures("mask", small(Picture::stored(Depth::Eight))),
        Field::pictures("second", small(Picture::rgb())),
        Field::new("target", RowDType::I64, &[]),
    ];
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let source = from_fn(Schema::new(fields).unwrap(), SAMPLES, move |index, row| {
        counted.fetch_add(1, Ordering::Relaxed);
        for (at, file) in files(index).iter().enumerate() {
            let cut = if at == 0 { damage(index, file.len()) } else { file.len() };
            let mut field = row.field(at);
            field.set_shape(&[cut])?;
            field.copy_from_slice(&file[..cut])?;
        }
        row.field(3).copy_from_slice(&[index as i64])
    });
    (source, reads)
}

fn source() -> (impl Source, Arc<AtomicUsize>) {
    damaged_source(|_, bytes| bytes)
}

fn loader(source: impl Source + 'static) -> LoaderBuilder {
    Loader::builder(source).batch_size(4).seed(5).shuffle()
}

/// Chains of one pass and of several, chains that mix, and one that shows little of its pictures.
const CHAINS: [&str; 6] = [
    "random_resized_crop(9, 11) random_hflip(0.5) normalize(imagenet)",
    "random_rotation(40, interpolation=bilinear, fill=0.3) resize(12, 8) gaussian_blur(3) to_dtype(bf16)",
    "pad(9, mode=reflect) random_crop(11, 9) random_vflip to_dtype(f16)",
    "center_crop(9) mixup(0.4, p=0.7) normalize(imagenet)",
    "random_crop(13, 10) cutmix(1, p=0.8) to_dtype(f16)",
    "random_crop(2)",
];

/// A loader of what `chain` makes. Sums of two images have no classes.
fn augmented(chain: &str, source: impl Source + 'static) -> LoaderBuilder {
    let augment: Augment = chain.parse().unwrap_or_else(|error| panic!("{error}"));
    // The photo beside it is made by workers.
    let augment = augment.one_hot("target", SAMPLES, 0.1).image("second");
    if chain.contains("mixup") {
        let source = source.select(["input", "second", "target"]).unwrap();
        return loader(source).transform(augment);
    }
    loader(source).transform(augment.mask("mask"))
}

#[test]
fn batches_are_those_of_the_cpu() {
    for chain in CHAINS {
        let with = || augmented(chain, source().0);
        let cpu = delivered(&with().build().unwrap(), 0..2).unwrap();
        on_every_device(SAMPLES, 0..4, |seed, device| {
            let loader = with().workers(seed as usize % 4).prefetch(1 + seed as usize % 3);
            let loader = loader.device(device).build().unwrap();
            assert!(loader.plan().on_device(), "{chain}");
            assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "{chain}, seed {seed}");
            // From any batch on.
            let batch = seed as usize % 3;
            loader.resume(&loader.state_at(1, batch).unwrap()).unwrap();
            assert_eq!(delivered(&loader, 1..2).unwrap(), cpu[3 + batch..], "{chain}, seed {seed}");
        });
    }
}

#[test]
fn resident_pictures_are_read_once_and_stay_as_large_as_they_are() {
    for chain in CHAINS {
        let cpu = delivered(&augmented(chain, source().0).build().unwrap(), 0..3).unwrap();
        on_every_device(SAMPLES, 0..4, |seed, device| {
            let (source, reads) = source();
            let loader = augmented(chain, source).workers(seed as usize % 3).device(device);
            let loader = loader.resident(ENOUGH).build().unwrap();
            assert_eq!(delivered(&loader, 0..1).unwrap(), cpu[..3], "{chain}, seed {seed}");
            let first = reads.swap(0, Ordering::Relaxed);
            assert!(chain.contains("mix") || first == SAMPLES, "{first} reads");
            assert_eq!(delivered(&loader, 1..3).unwrap(), cpu[3..], "{chain}, seed {seed}");
            assert_eq!(reads.load(Ordering::Relaxed), 0, "{chain}, seed {seed}");
        });
    }
}

/// The bytes of all pixels that resident samples have.
fn resident_bytes() -> usize {
    let pixels: usize = (0..SAMPLES).map(size).map(|[height, width]| height * width).sum();
    // Of photo and classes; and the labels that are read anyway are kept by the host.
    4 * pixels
}

#[test]
fn later_epochs_copy_plans_and_no_pixels() {
    on_every_device(SAMPLES, 0..2, |_, device| {
        let loader = augmented(CHAINS[0], source().0).workers(0).batch_size(SAMPLES).device(device);
        let loader = loader.resident(ENOUGH).build().unwrap();
        delivered(&loader, 0..1).unwrap();
        let first = loader.report().copies.bytes;
        delivered(&loader, 1..2).unwrap();
        let second = loader.report().copies.bytes - first;
        assert!(first as usize > resident_bytes(), "{first}");
        // Plans, rasters, the second photo and the label as they are delivered, and two places.
        let row = 8 + 1096 + 2 * 40 + 9 * 11 * 3 + SAMPLES * 4 + 16;
        assert!(second as usize <= SAMPLES * row + 6 * 256, "{second}");
    });
}

#[test]
fn resident_pictures_that_do_not_fit_are_an_error_that_says_so() {
    on_every_device(SAMPLES, 0..4, |seed, device| {
        let with = |bytes| {
            let loader = augmented(CHAINS[0], source().0).workers(seed as usize % 3);
            loader.device(device.clone()).resident(bytes).build().unwrap()
        };
        assert!(delivered(&with(resident_bytes()), 0..2).is_ok());
        let loader = with(resident_bytes() - 1);
        let epoch: Vec<_> = loader.epoch(0).collect();
        let errors: Vec<_> = epoch.iter().filter_map(|batch| batch.as_ref().err()).collect();
        assert_eq!((epoch.len(), errors.len()), (3, 1), "{errors:?}");
        assert_eq!(errors[0].kind(), ErrorKind::Memory);
        let message = errors[0].to_string();
        let most = format!("expected at most {} for all of them", resident_bytes() - 1);
        assert!(message.contains("11 samples take") && message.contains(&most), "{message}");
    });
    // Sizes that are declared are known at once.
    let sized = || {
        let picture = Picture::rgb().sized(17, 41).payload_bytes(1 << 14);
        let schema = Schema::new(vec![Field::pictures("input", picture)]).unwrap();
        from_fn(schema, 6, |_, row| {
            row.field(0).set_shape(&[files(0)[0].len()])?;
            row.field(0).copy_from_slice(&files(0)[0])
        })
    };
    on_every_device(SAMPLES, 0..1, |_, device| {
        let with = |bytes| {
            let loader = loader(sized()).transform("hflip".parse::<Augment>().unwrap());
            loader.device(device.clone()).resident(bytes).build()
        };
        let bytes = 6 * 17 * 41 * 3;
        let message = with(bytes - 1).unwrap_err().to_string();
        assert!(message.contains(&format!("6 samples take {bytes} bytes")), "{message}");
        delivered(&with(bytes).unwrap(), 0..2).unwrap();
    });
}

#[test]
fn a_damaged_picture_costs_its_sample_and_no_slot() {
    // In the midst of the pixels; and before, since of a partner the CPU decodes less than a device.
    let pixels: Damage = |index, bytes| if index % 5 == 2 { bytes * 3 / 5 } else { bytes };
    let head: Damage = |index, bytes| if index % 5 == 2 { 40 } else { bytes };
    for (chain, damage) in [(CHAINS[0], pixels), (CHAINS[4], head)] {
        let with = |policy| {
            let source = damaged_source(damage).0;
            // So that the damage is met whatever is shown.
            augmented(&format!("resize(20, 24) {chain}"), source).on_error(policy)
        };
        // Many more epochs than slots.
        let cpu = with(OnError::Fail).build().unwrap();
        let cpu: Vec<_> =
            cpu.epochs(0..8).map(|batch| batch.map(|b| Delivered::of(&b).unwrap())).collect();
        assert!(cpu.iter().any(Result::is_err) && cpu.iter().any(Result::is_ok));
        let skip = OnError::Skip { budget: 100 };
        let skipped = delivered(&with(skip).build().unwrap(), 0..4).unwrap();
        on_every_device(SAMPLES, 0..4, |seed, device| {
            let with =
                |policy| with(policy).workers(seed as usize % 3).prefetch(2).device(device.clone());
            let loader = with(OnError::Fail).build().unwrap();
            for (found, expected) in loader.epochs(0..8).zip(&cpu) {
                match (found, expected) {
                    (Ok(batch), Ok(expected)) => {
                        assert_eq!(
                            Delivered::of(&batch).unwrap(),
                            *expected,
                            "{chain}, seed {seed}"
                        );
                    }
                    (Err(found), Err(expected)) => {
                        assert_eq!(found.to_string(), expected.to_string(), "{chain}, seed {seed}");
                    }
                    (found, expected) => panic!("{found:?}, expected {expected:?}"),
                }
            }
            drop(loader);
            let loader = with(skip).build().unwrap();
            assert_eq!(delivered(&loader, 0..4).unwrap(), skipped, "{chain}, seed {seed}");
            let loader = with(skip).resident(ENOUGH).build().unwrap();
            assert_eq!(delivered(&loader, 0..4).unwrap(), skipped, "{chain}, seed {seed}");
        });
    }
}

/// How the pixels of images lie.
const ORDERS: [Layout; 2] = [Layout::Hwc, Layout::Chw];

/// Height and width of the images of [`arrays`].
const SIDES: [usize; 2] = [96, 112];

/// Bytes as they lie in `.npy` files, safetensors and shards: images in `order`, classes and labels.
fn arrays(order: Layout) -> impl Source {
    let [height, width] = SIDES;
    let image = match order {
        Layout::Hwc => vec![height, width, 3],
        _ => vec![3, height, width],
    };
    let fields = vec![
        Field::new("input", RowDType::U8, &image),
        Field::new("mask", RowDType::U8, &SIDES),
        Field::new("target", RowDType::I64, &[]),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, move |index, row| {
        row.field(0).copy_from_slice(&noise(height * width * 3, index))?;
        row.field(1).copy_from_slice(&noise(height * width, 100 + index))?;
        row.field(2).copy_from_slice(&[index as i64])
    })
}

/// Bytes of a row of [`arrays`] that the device makes something of.
const ARRAY_BYTES: usize = 4 * SIDES[0] * SIDES[1];

/// A loader of what `chain` makes of arrays.
fn of_arrays(chain: &str, order: Layout) -> LoaderBuilder {
    let augment: Augment = chain.parse().unwrap_or_else(|error| panic!("{error}"));
    let augment = augment.layout(order).one_hot("target", SAMPLES, 0.1);
    if chain.contains("mixup") {
        let source = arrays(order).select(["input", "target"]).unwrap();
        return loader(source).transform(augment);
    }
    loader(arrays(order)).transform(augment.mask("mask"))
}

#[test]
fn parts_of_arrays_make_the_batches_of_the_cpu() {
    for (chain, order) in CHAINS.into_iter().flat_map(|chain| ORDERS.map(|order| (chain, order))) {
        let cpu = delivered(&of_arrays(chain, order).build().unwrap(), 0..2).unwrap();
        on_every_device(SAMPLES, 0..4, |seed, device| {
            let with = || of_arrays(chain, order).workers(seed as usize % 4).device(device.clone());
            let loader = with().prefetch(1 + seed as usize % 3).build().unwrap();
            assert!(loader.plan().on_device(), "{chain}");
            assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "{chain}, seed {seed}");
            let batch = seed as usize % 3;
            loader.resume(&loader.state_at(1, batch).unwrap()).unwrap();
            assert_eq!(delivered(&loader, 1..2).unwrap(), cpu[3 + batch..], "{chain}, seed {seed}");
            // Of what stays there all is needed.
            let loader = with().resident(ENOUGH).build().unwrap();
            assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "{chain}, seed {seed}, resident");
        });
    }
}

#[test]
fn no_more_is_uploaded_than_plans_reach() {
    const EPOCHS: u64 = 10;
    let images = ARRAY_BYTES * SAMPLES * EPOCHS as usize;
    for order in ORDERS {
        let uploaded = |chain: &str| {
            let simulation = simulation(0, SAMPLES);
            let loader = of_arrays(chain, order).device(DEVICES[0](0).unwrap()).build().unwrap();
            let planned = loader.plan().slab_bytes();
            let before = simulation.counts().bytes_to_device;
            delivered(&loader, 0..EPOCHS).unwrap();
            let bytes = loader.report().copies.bytes;
            assert_eq!(bytes, simulation.counts().bytes_to_device - before, "{chain}");
            // The worst case is that a part is all of its image.
            assert!(planned >= 4 * ARRAY_BYTES, "{planned}");
            bytes as usize
        };
        let random = uploaded("random_resized_crop(64, 64) random_hflip(0.5) normalize(imagenet)");
        assert!(random * 10 <= images * 6, "{random} of {images}");
        let crop = uploaded("random_crop(32, 32) to_dtype(f16)");
        assert!(crop * 4 <= images, "{crop} of {images}");
        // Where all of an image is shown, it is copied to where it was read.
        let all = uploaded("resize(32, 32)");
        assert!((images..images + images / 8).contains(&all), "{all} of {images}");
    }
}

#[test]
fn a_mask_of_another_size_costs_its_row() {
    let dims = |channels: &[usize]| {
        let sides = [Dim::Ragged { max: 40 }, Dim::Ragged { max: 40 }];
        sides.into_iter().chain(channels.iter().map(|&len| Dim::Fixed(len))).collect::<Vec<_>>()
    };
    let ragged = || {
        let fields = vec![
            Field::with_dims("input", RowDType::U8, dims(&[3])),
            Field::with_dims("mask", RowDType::U8, dims(&[])),
        ];
        from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
            let [height, width] = [20 + index, 40 - index];
            row.field(0).set_shape(&[height, width, 3])?;
            row.field(0).copy_from_slice(&noise(height * width * 3, index))?;
            let width = if index == 4 { width - 1 } else { width };
            row.field(1).set_shape(&[height, width])?;
            row.field(1).copy_from_slice(&noise(height * width, index + 9))
        })
    };
    let chain = || "random_crop(13, 10)".parse::<Augment>().unwrap().mask("mask");
    let with = || loader(ragged()).transform(chain()).on_error(OnError::Skip { budget: 1 });
    let cpu = delivered(&with().build().unwrap(), 0..2).unwrap();
    assert_eq!(cpu.iter().map(|batch| batch.indices.len()).sum::<usize>(), 2 * (SAMPLES - 1));
    on_every_device(SAMPLES, 0..4, |seed, device| {
        let loader = with().workers(seed as usize % 3).device(device).build().unwrap();
        assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "seed {seed}");
    });
}

/// Photos of which some are larger than a slot has room for four.
fn large() -> impl Source {
    let picture = Picture::rgb().at_most(1000, 1000).payload_bytes(1 << 20);
    let schema = Schema::new(vec![Field::pictures("input", picture)]).unwrap();
    static FILES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let file = |index: usize| jpeg(if index < 7 { [60, 80] } else { [640, 700] }, 1, index);
    let files = FILES.get_or_init(|| (0..SAMPLES).map(file).collect());
    from_fn(schema, SAMPLES, |index, row| {
        row.field(0).set_shape(&[files[index].len()])?;
        row.field(0).copy_from_slice(&files[index])
    })
}

#[test]
fn a_slot_grows_to_what_a_batch_needs() {
    let with = || {
        let chain = "resize(9) center_crop(9) to_dtype(f32)".parse::<Augment>().unwrap();
        loader(large()).transform(chain)
    };
    let cpu = delivered(&with().build().unwrap(), 0..2).unwrap();
    for seed in 0..4 {
        for new in DEVICES {
            let simulation = simulation(seed, SAMPLES);
            {
                let loader = with().workers(seed as usize % 3);
                let loader = loader.prefetch(1).device(new(0).unwrap()).build().unwrap();
                let planned = simulation.counts().page_locked_bytes;
                assert!(planned as usize >= 2 * loader.plan().slab_bytes(), "{planned}");
                let first = delivered(&loader, 0..2).unwrap();
                assert_eq!(first, cpu, "seed {seed}");
                let grown = simulation.counts().page_locked_bytes;
                assert!(grown > planned, "{grown}");
                // By no more than four of the largest windows take, in each of the two slots.
                let windows = 4 * 640 * 700 * 3;
                let most = 2 * (loader.plan().slab_bytes() + windows);
                delivered(&loader, 0..3).unwrap();
                let grown = simulation.counts().page_locked_bytes as usize;
                assert!(grown <= most, "{grown}, at most {most}");
            }
            simulation.drain();
            assert_eq!(simulation.violations(), []);
            assert_eq!(simulation.live_allocations(), []);
        }
    }
}

#[test]
fn a_slot_that_cannot_grow_costs_the_samples_that_do_not_fit() {
    for new in DEVICES {
        let simulation = simulation(1, SAMPLES);
        {
            let chain: Augment = "resize(9) center_crop(9) to_dtype(f32)".parse().unwrap();
            let builder = || loader(large()).transform(chain.clone());
            let cpu = delivered(&builder().build().unwrap(), 0..1).unwrap();
            let loader = builder().workers(2).device(new(0).unwrap()).build().unwrap();
            simulation.fail_page_locked_after(simulation.counts().page_locked_bytes);
            let epoch: Vec<_> = loader.epoch(0).collect();
            let errors: Vec<_> = epoch.iter().filter_map(|batch| batch.as_ref().err()).collect();
            assert!(!errors.is_empty());
            for error in errors {
                assert!(error.to_string().contains("bytes of page-locked memory"), "{error}");
            }
            drop(epoch);
            simulation.fail_page_locked_after(u64::MAX);
            assert_eq!(delivered(&loader, 0..1).unwrap(), cpu);
        }
        simulation.drain();
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn pictures_that_no_transform_takes_are_decoded_wholly() {
    let beside = || {
        let fields = vec![
            Field::pictures(
                "input",
                Picture::rgb().upright().at_most(99, 99).payload_bytes(1 << 14),
            ),
            Field::pictures("beside", Picture::gray().sized(17, 41).payload_bytes(1 << 14)),
        ];
        from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
            for (at, file) in [&files(index)[0], &files(0)[1]].into_iter().enumerate() {
                row.field(at).set_shape(&[file.len()])?;
                row.field(at).copy_from_slice(file)?;
            }
            Ok(())
        })
    };
    let with = || loader(beside()).transform(CHAINS[0].parse::<Augment>().unwrap());
    let cpu = delivered(&with().build().unwrap(), 0..2).unwrap();
    on_every_device(SAMPLES, 0..4, |seed, device| {
        let loader = with().workers(seed as usize % 3).device(device.clone()).build().unwrap();
        assert!(loader.plan().on_device());
        assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "seed {seed}");
        let loader = with().workers(seed as usize % 3).device(device).resident(ENOUGH);
        assert_eq!(delivered(&loader.build().unwrap(), 0..2).unwrap(), cpu, "seed {seed}");
    });
}

#[test]
fn pictures_that_are_only_delivered_need_a_size_that_fits() {
    let source = || {
        let fields = vec![
            Field::pictures("input", Picture::rgb().at_most(99, 99).payload_bytes(1 << 14)),
            Field::pictures("beside", Picture::rgb().sized(8000, 8000)),
        ];
        from_fn(Schema::new(fields).unwrap(), 1, |_, _| panic!("nothing is read"))
    };
    on_every_device(SAMPLES, 0..1, |_, device| {
        let loader = loader(source()).transform(CHAINS[0].parse::<Augment>().unwrap());
        let error = loader.device(device).build().unwrap_err().to_string();
        assert!(error.contains("no transform takes these pictures"), "{error}");
    });
}
