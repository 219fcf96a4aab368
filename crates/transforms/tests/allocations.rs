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

/// Allocations of ten rows, after ten others.
fn allocations(chain: &str) -> usize {
    let field = Field::new("input", RowDType::U8, &[64, 48, 3]);
    let schema = Schema::new(vec![field]).unwrap();
    let engine = chain.parse::<Augment>().unwrap().bind(&schema).unwrap();
    let mut raw = RowBuffer::new(&schema).unwrap();
    raw.row(None).field(0).as_mut_slice::<u8>().unwrap().fill(100);
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
    let mut ten = |first: u64| {
        for index in first..first + 10 {
            let key = RowKey { key: Key::new(0, 0), index };
            let plan: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
            plan.fill(0);
            engine.plan(key, Shapes::of(raw.view()), plan).unwrap();
            let scratch = bytemuck::cast_slice_mut(&mut scratch);
            engine.run(plan, raw.view(), &mut made.row(None), scratch).unwrap();
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
    ];
    for chain in chains {
        assert_eq!(allocations(chain), 0, "{chain}");
    }
}
