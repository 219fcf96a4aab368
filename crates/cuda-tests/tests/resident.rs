//! Samples that stay on the device: what is delivered is what the CPU delivers, and nothing is read
//! twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tallow::{
    Augment, BoxFormat, Dim, ErrorKind, Field, LastBatch, Loader, LoaderBuilder, OnError, RowDType,
    Schema, Source, WithReplacement, from_fn,
};
use tallow_cuda_tests::{DEVICES, Delivered, MoveRows, delivered, on_every_device, simulation};

const SAMPLES: usize = 11;

/// More than any source here takes.
const ENOUGH: usize = 1 << 20;

/// Images, masks, boxes and classes, and how often one was read.
fn source() -> (impl Source, Arc<AtomicUsize>) {
    let fields = vec![
        Field::new("input", RowDType::U8, &[14, 13, 3]),
        Field::new("mask", RowDType::U8, &[14, 13]),
        Field::new("boxes", RowDType::F32, &[2, 4]),
        Field::new("target", RowDType::I64, &[]),
    ];
    let reads = Arc::new(AtomicUsize::new(0));
    let counted = reads.clone();
    let source = from_fn(Schema::new(fields).unwrap(), SAMPLES, move |index, row| {
        counted.fetch_add(1, Ordering::Relaxed);
        let byte = |i: usize| ((i + 1000 * index).wrapping_mul(2_654_435_761) >> 13) as u8;
        let bytes = |len: usize| (0..len).map(byte).collect::<Vec<u8>>();
        row.field(0).copy_from_slice(&bytes(14 * 13 * 3))?;
        row.field(1).copy_from_slice(&bytes(14 * 13))?;
        let edge = |i: usize| f32::from(byte(i)) / 20.0;
        row.field(2).copy_from_slice(&(0..8).map(edge).collect::<Vec<f32>>())?;
        row.field(3).copy_from_slice(&[index as i64])
    });
    (source, reads)
}

fn loader(source: impl Source + 'static) -> LoaderBuilder {
    Loader::builder(source).batch_size(4).seed(5).shuffle()
}

#[test]
fn batches_are_those_of_the_cpu_and_each_sample_is_read_once() {
    let cpu = delivered(&loader(source().0).build().unwrap(), 0..3).unwrap();
    on_every_device(SAMPLES, 0..200, |seed, device| {
        let (source, reads) = source();
        let loader = loader(source).workers(seed as usize % 3).prefetch(1 + seed as usize % 4);
        let loader = loader.device(device).resident(ENOUGH).build().unwrap();
        assert!(loader.plan().resident());
        assert_eq!(delivered(&loader, 0..1).unwrap(), cpu[..3]);
        // Workers were in the second epoch already, perhaps, or not.
        assert_eq!(delivered(&loader, 1..3).unwrap(), cpu[3..], "seed {seed}");
        assert_eq!(reads.load(Ordering::Relaxed), SAMPLES);
    });
}

#[test]
fn epochs_may_overlap() {
    let cpu = delivered(&loader(source().0).build().unwrap(), 0..4).unwrap();
    on_every_device(SAMPLES, 0..60, |seed, device| {
        let loader = loader(source().0).workers(1 + seed as usize % 3).prefetch(6);
        let loader = loader.device(device).resident(ENOUGH).build().unwrap();
        assert_eq!(delivered(&loader, 0..4).unwrap(), cpu, "seed {seed}");
    });
}

#[test]
fn later_epochs_copy_what_the_host_makes_and_no_sample() {
    on_every_device(SAMPLES, 0..2, |_, device| {
        let loader = loader(source().0).workers(0).batch_size(SAMPLES).device(device);
        let loader = loader.resident(ENOUGH).build().unwrap();
        delivered(&loader, 0..1).unwrap();
        let first = loader.report().copies.bytes;
        delivered(&loader, 1..2).unwrap();
        let second = loader.report().copies.bytes - first;
        // Two places a row, on a boundary of 256 bytes.
        assert_eq!(second, 256);
        assert!(first > SAMPLES as u64 * 14 * 13 * 4, "{first}");
    });
}

/// Chains of one pass and of several, and chains that mix.
const CHAINS: [&str; 5] = [
    "random_resized_crop(9) random_hflip(0.5) normalize(imagenet) to_dtype(f32)",
    "random_rotation(40, interpolation=bilinear, fill=0.3) gaussian_blur(3) to_dtype(bf16)",
    "random_crop(11, 9) random_vflip random_erasing(1, value=noise) to_dtype(f16)",
    "mixup(0.4, p=0.7) normalize(imagenet)",
    "random_hflip(0.5) cutmix(1) to_dtype(f16)",
];

fn augment(chain: &str) -> Augment {
    let augment: Augment = chain.parse().unwrap_or_else(|error| panic!("{error}"));
    match chain.contains("mix") {
        true => augment.one_hot("target", SAMPLES, 0.1),
        false => augment.mask("mask").boxes("boxes", BoxFormat::Xyxy),
    }
}

#[test]
fn augmented_batches_are_those_of_the_cpu() {
    for chain in CHAINS {
        let with = |source| loader(source).transform(augment(chain));
        let cpu = delivered(&with(source().0).build().unwrap(), 0..3).unwrap();
        on_every_device(SAMPLES, 0..40, |seed, device| {
            let (source, reads) = source();
            let loader = with(source).workers(seed as usize % 3).device(device);
            let loader = loader.resident(ENOUGH).build().unwrap();
            assert_eq!(delivered(&loader, 0..1).unwrap(), cpu[..3], "{chain}, seed {seed}");
            let first = reads.swap(0, Ordering::Relaxed);
            assert!(chain.contains("mix") || first == SAMPLES, "{first} reads");
            assert_eq!(delivered(&loader, 1..3).unwrap(), cpu[3..], "{chain}, seed {seed}");
            assert_eq!(reads.load(Ordering::Relaxed), 0, "{chain}, seed {seed}");
        });
    }
}

#[test]
fn samples_that_come_twice_in_a_batch_are_put_there_once() {
    let with = |source| {
        let loader = Loader::builder(source).batch_size(6).seed(2);
        loader.sampler(WithReplacement::new()).transform(augment(CHAINS[3]))
    };
    let cpu = delivered(&with(source().0).build().unwrap(), 0..2).unwrap();
    on_every_device(SAMPLES, 0..40, |seed, device| {
        let loader = with(source().0).workers(seed as usize % 3).device(device);
        let loader = loader.resident(ENOUGH).build().unwrap();
        assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "seed {seed}");
    });
}

#[test]
fn ragged_samples_stay_with_their_shapes() {
    let ragged = || {
        let dims = vec![Dim::Ragged { max: 20 }, Dim::Ragged { max: 18 }, Dim::Fixed(3)];
        let schema = Schema::new(vec![Field::with_dims("input", RowDType::U8, dims)]).unwrap();
        from_fn(schema, SAMPLES, |index, row| {
            let shape = [9 + index % 5, 18 - index, 3];
            let mut field = row.field(0);
            field.set_shape(&shape)?;
            let len = shape.iter().product();
            let byte = |i: usize| ((i + 77 * index).wrapping_mul(2_654_435_761) >> 13) as u8;
            field.copy_from_slice(&(0..len).map(byte).collect::<Vec<u8>>())
        })
    };
    let augment = || -> Augment { CHAINS[0].parse().unwrap() };
    let cpu = loader(ragged()).transform(augment()).build().unwrap();
    let cpu = delivered(&cpu, 0..3).unwrap();
    on_every_device(SAMPLES, 0..20, |seed, device| {
        let loader = loader(ragged()).transform(augment()).workers(seed as usize % 3);
        let loader = loader.device(device).resident(ENOUGH).build().unwrap();
        assert_eq!(delivered(&loader, 0..3).unwrap(), cpu, "seed {seed}");
    });
    // Padding depends on the sample alone, so padded samples may stay there as well.
    let cpu = delivered(&loader(ragged()).pad("input", 7.0).build().unwrap(), 0..3).unwrap();
    on_every_device(SAMPLES, 0..20, |_, device| {
        let loader = loader(ragged()).pad("input", 7.0).device(device).resident(ENOUGH);
        assert_eq!(delivered(&loader.build().unwrap(), 0..3).unwrap(), cpu);
    });
}

#[test]
fn bad_samples_and_ranks_are_those_of_the_cpu() {
    let failing = || {
        let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[3])]).unwrap();
        from_fn(schema, SAMPLES, |index, row| {
            if index % 4 == 1 {
                return Err(tallow::SourceError::new(tallow::SourceErrorKind::Io, "bad"));
            }
            row.field(0).copy_from_slice(&[index as f32; 3])
        })
    };
    for policy in [OnError::Skip { budget: 20 }, OnError::Substitute { budget: 20 }] {
        let with = || loader(failing()).on_error(policy).rank(1, 2).last_batch(LastBatch::Pad);
        let cpu = delivered(&with().build().unwrap(), 0..3).unwrap();
        on_every_device(SAMPLES, 0..20, |seed, device| {
            let loader = with().workers(seed as usize % 3).device(device).resident(ENOUGH);
            assert_eq!(delivered(&loader.build().unwrap(), 0..3).unwrap(), cpu, "seed {seed}");
        });
    }
}

#[test]
fn stopping_anywhere_leaves_nothing_behind() {
    let cpu = delivered(&loader(source().0).build().unwrap(), 0..2).unwrap();
    on_every_device(SAMPLES, 0..40, |seed, device| {
        let loader = loader(source().0).workers(2).device(device).resident(ENOUGH);
        let loader = loader.build().unwrap();
        for batch in loader.epochs(7..9).take(seed as usize % 7) {
            batch.unwrap();
        }
        assert_eq!(delivered(&loader, 0..2).unwrap(), cpu, "seed {seed}");
        drop(loader.epoch(5).next());
    });
}

#[test]
fn what_cannot_stay_there_is_refused_in_words() {
    let refused = |loader: LoaderBuilder| loader.build().unwrap_err();
    let error = refused(loader(source().0).resident(ENOUGH));
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("expected a CUDA device"), "{error}");
    on_every_device(SAMPLES, 0..1, |_, device| {
        let bytes = SAMPLES * (14 * 13 * 4 + 2 * 4 * 4 + 8);
        let error = refused(loader(source().0).device(device.clone()).resident(bytes - 1));
        assert!(error.to_string().contains(&format!("take {bytes} bytes")), "{error}");
        loader(source().0).device(device.clone()).resident(bytes).build().unwrap();
        // A transform behind which another runs does not run on the device.
        let two = loader(source().0).transform(augment("hflip")).transform(augment("vflip"));
        let error = refused(two.device(device).resident(ENOUGH));
        assert!(error.to_string().contains("1 of 2 transforms run on the CPU"), "{error}");
    });
}

#[test]
fn without_memory_the_error_says_how_much() {
    for new in DEVICES {
        let simulation = simulation(0, SAMPLES);
        {
            let device = new(0).unwrap();
            simulation.fail_allocations_after(simulation.counts().device_bytes);
            let error = loader(source().0).device(device).resident(ENOUGH).build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Memory);
            let message = "6006 bytes of device memory for all samples of \"input\"";
            assert!(error.to_string().contains(message), "{error}");
            simulation.fail_allocations_after(ENOUGH as u64);
        }
        simulation.drain();
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn a_launch_that_fails_costs_its_batch_and_no_sample() {
    let with = |source| loader(source).transform(augment(CHAINS[0]));
    let cpu = delivered(&with(source().0).build().unwrap(), 0..3).unwrap();
    // A batch of the first epoch has a launch for each of four fields, and one to augment it.
    for (seed, nth) in (0..15).flat_map(|nth| [(u64::from(nth), nth), (u64::from(nth) + 1, nth)]) {
        for new in DEVICES {
            let simulation = simulation(seed, SAMPLES);
            {
                let loader = with(source().0).workers(seed as usize % 3);
                let loader = loader.device(new(0).unwrap()).resident(ENOUGH).build().unwrap();
                simulation.fail_launch(nth);
                let epoch: Vec<_> = loader.epoch(0).collect();
                let mut failed = 0;
                for (batch, expected) in epoch.iter().zip(&cpu) {
                    match batch {
                        Ok(batch) => assert_eq!(Delivered::of(batch).unwrap(), *expected),
                        Err(error) => {
                            failed += 1;
                            assert_eq!(error.kind(), ErrorKind::Device, "{error}");
                        }
                    }
                }
                assert_eq!((epoch.len(), failed), (3, 1), "launch {nth}, seed {seed}");
                assert_eq!(
                    delivered(&loader, 1..3).unwrap(),
                    cpu[3..],
                    "launch {nth}, seed {seed}"
                );
            }
            simulation.drain();
            assert_eq!(simulation.violations(), [], "launch {nth}, seed {seed}");
            assert_eq!(simulation.live_allocations(), [], "launch {nth}, seed {seed}");
        }
    }
}

#[test]
fn batches_that_are_kept_hold_what_they_were_delivered_with() {
    let cpu = delivered(&loader(source().0).build().unwrap(), 0..3).unwrap();
    on_every_device(SAMPLES, 0..30, |_, device| {
        let loader = loader(source().0).workers(2).device(device).resident(ENOUGH);
        let loader = loader.build().unwrap();
        let batches: Vec<_> = loader.epochs(0..3).map(Result::unwrap).collect();
        drop(loader);
        let all: Vec<_> = batches.iter().map(|b| Delivered::of(b).unwrap()).collect();
        assert_eq!(all, cpu);
    });
}

// ---- the kernel

/// What is found when rows of `row_bytes` bytes go to and from 5 samples, and slab and samples after that.
fn moved(row_bytes: usize, places: &[[i64; 2]], samples: usize) -> (Option<String>, [Vec<u8>; 2]) {
    // Aligned as on the device.
    let memory = |rows: usize, first: usize| -> Vec<u128> {
        let bytes: Vec<u8> =
            (0..rows * row_bytes).map(|at| (first + at / row_bytes) as u8).collect();
        bytes
            .chunks(16)
            .map(|chunk| {
                let mut word = [0; 16];
                word[..chunk.len()].copy_from_slice(chunk);
                u128::from_ne_bytes(word)
            })
            .collect()
    };
    let (slab, stay) = (memory(places.len(), 100), memory(5, 200));
    let launch = MoveRows {
        slab: slab.as_ptr() as u64,
        samples: stay.as_ptr() as u64,
        places: places.as_ptr() as u64,
        row_bytes: row_bytes as u64,
        rows: places.len() as u32,
        which: 1,
    };
    // SAFETY: the memory of both, and the places, which nobody else uses.
    let found = unsafe { launch.watched([2, 2, 1], 96, &launch.uses(samples)) };
    let first = |memory: &[u128], rows: usize| -> Vec<u8> {
        let bytes: Vec<u8> = memory.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let rows = bytes[..rows * row_bytes].chunks(row_bytes);
        rows.map(|row| {
            assert!(row.iter().all(|byte| *byte == row[0]));
            row[0]
        })
        .collect()
    };
    (found, [first(&slab, places.len()), first(&stay, 5)])
}

#[test]
fn rows_are_moved_in_whole_blocks_and_what_is_amiss_is_found() {
    for row_bytes in [16 * 300, 4 * 301, 703] {
        let places = [[9, -2], [9, 3], [9, -1], [9, -6], [9, 1]];
        let (found, [slab, stay]) = moved(row_bytes, &places, 5);
        assert_eq!(found, None);
        assert_eq!(slab, [100, 203, 102, 103, 201]);
        assert_eq!(stay, [100, 201, 202, 203, 103]);
        let (found, _) = moved(row_bytes, &[[0, -3], [0, -3]], 5);
        assert!(found.unwrap().contains("races"), "two rows at one place");
        let (found, _) = moved(row_bytes, &[[0, 3], [0, -5]], 3);
        assert!(found.unwrap().contains("does not use"), "a sample beyond those that stay");
    }
}
