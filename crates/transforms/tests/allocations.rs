//! A row allocates nothing once the first ones are made. A program of its own, since it counts
//! allocations: those of the thread that makes the rows, for the harness has a thread that allocates
//! while it waits.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use tallow_core::{Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes, Transform as _};
use tallow_transforms::Augment;

/// The system's allocator, counting the requests.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The image and the fields that follow it: a mask, one that is wider than bytes, boxes, points, a
/// class, a second image and a larger one.
fn schema() -> Schema {
    let fields: [(&str, RowDType, &[usize]); 8] = [
        ("input", RowDType::U8, &[64, 48, 3]),
        ("road", RowDType::U8, &[64, 48]),
        ("parts", RowDType::I32, &[64, 48]),
        ("cars", RowDType::F32, &[5, 4]),
        ("joints", RowDType::F32, &[7, 2]),
        ("class", RowDType::U8, &[]),
        ("depth", RowDType::U16, &[64, 48]),
        ("large", RowDType::U8, &[128, 96, 3]),
    ];
    Schema::new(fields.map(|(name, dtype, shape)| Field::new(name, dtype, shape)).to_vec()).unwrap()
}

/// Allocations of ten rows, after ten others.
fn allocations(chain: &str) -> usize {
    let schema = schema();
    let engine = chain.parse::<Augment>().unwrap().bind(&schema).unwrap();
    let mut raw = RowBuffer::new(&schema).unwrap();
    {
        let mut row = raw.row(None);
        row.field(0).as_mut_slice::<u8>().unwrap().fill(100);
        row.field(1).as_mut_slice::<u8>().unwrap().fill(3);
        row.field(2).as_mut_slice::<i32>().unwrap().fill(70_000);
        row.field(3).as_mut_slice::<f32>().unwrap().fill(20.0);
        row.field(4).as_mut_slice::<f32>().unwrap().fill(10.0);
        row.field(5).copy_from_slice(&[4u8]).unwrap();
        row.field(6).as_mut_slice::<u16>().unwrap().fill(700);
        row.field(7).as_mut_slice::<u8>().unwrap().fill(90);
    }
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
    let mut ten = |first: u64| {
        for index in first..first + 10 {
            let key = RowKey { key: Key::new(0, 0), index };
            let plan: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
            plan.fill(0);
            let scratch = bytemuck::cast_slice_mut(&mut scratch);
            let (view, shapes) = (raw.view(), Shapes::of(raw.view()));
            let mut row = made.row(None);
            if let Some(mixer) = engine.mixer() {
                mixer.plan_pair((key, shapes), (key, shapes), plan).unwrap();
                mixer.run_pair(plan, view, view, &mut row, scratch).unwrap();
            } else {
                engine.plan(key, shapes, plan).unwrap();
                engine.run(plan, view, &mut row, scratch).unwrap();
            }
        }
    };
    ten(0);
    let before = COUNT.get();
    ten(10);
    COUNT.get() - before
}

/// One test, since all would share the count.
#[test]
fn rows_allocate_nothing_in_the_steady_state() {
    let chains = [
        "random_crop(40) random_hflip(0.5) normalize(imagenet)",
        "random_resized_crop(32) random_hflip(0.5) color_jitter(0.4, 0.4, 0.4, 0.1) to_dtype(f16)",
        "random_affine(30, interpolation=bilinear) gaussian_blur(5) random_equalize(0.5)",
        "pad(4, mode=reflect) random_crop(64, 48) random_erasing(1.0) random_posterize(4)",
        "trivial_augment_wide elastic to_dtype(f32)",
        // Pixels that are only moved.
        "pad(4, fill=0.5) random_crop(64, 48) random_hflip(0.5)",
    ];
    let targets = "mask(road, fill=255) mask(parts) boxes(cars, xyxy) keypoints(joints) \
                   one_hot(class, 10, smoothing=0.1) image(depth)";
    for chain in chains {
        assert_eq!(allocations(chain), 0, "{chain}");
        let chain = format!("{chain} {targets}");
        assert_eq!(allocations(&chain), 0, "{chain}");
    }
    for chain in [
        "random_affine(30) cutmix(1) mask(road) mask(parts) one_hot(class, 10)",
        "random_resized_crop(32) mixup(1) image(depth) image(large, times=2, mean=0.5, std=0.2)",
    ] {
        assert_eq!(allocations(chain), 0, "{chain}");
    }
}
