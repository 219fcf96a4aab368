//! Rows into which a box of a partner is pasted are what both images give, each made wholly.

use proptest::prelude::*;
use tallow_core::{Key, RowBuffer, RowDType};

use super::*;
use crate::engine::Reach;

const SIZE: [usize; 2] = [23, 31];
const CHANNELS: usize = 3;

fn schema() -> Schema {
    let shape = [SIZE[0], SIZE[1], CHANNELS];
    let fields = ["input", "mask", "large"].map(|name| match name {
        "large" => Field::new(name, RowDType::U8, &[2 * SIZE[0], 2 * SIZE[1], CHANNELS]),
        _ => Field::new(name, RowDType::U8, &shape),
    });
    Schema::new(fields.to_vec()).unwrap()
}

/// A row of noise.
fn raw(seed: u32) -> RowBuffer {
    let mut raw = RowBuffer::new(&schema()).unwrap();
    let mut row = raw.row(None);
    for field in 0..3 {
        let len = row.field(field).bytes().unwrap();
        let noise = (0..len as u32).map(|at| {
            let x = (at ^ seed << 20 ^ (field as u32) << 28).wrapping_mul(0x9E37_79B1);
            ((x ^ (x >> 15)).wrapping_mul(0x85EB_CA77) >> 24) as u8
        });
        row.field(field).copy_from_bytes(&noise.collect::<Vec<_>>()).unwrap();
    }
    raw.finish().unwrap();
    raw
}

fn key(index: u64) -> RowKey {
    RowKey { key: Key::new(8, 3), index }
}

fn bound(chain: &str) -> AugmentEngine {
    let chain: Augment = chain.parse().unwrap();
    let chain = chain.layout(Layout::Hwc).to_layout(Layout::Hwc).mask_filled("mask", 9.0);
    let large = crate::SecondImage::new("large").times(2);
    let chain = if chain.to_string().contains("elastic") { chain } else { chain.image(large) };
    AugmentEngine::bind(&chain, &schema()).unwrap()
}

struct Plan(Vec<u64>, usize);

impl Plan {
    fn of(engine: &AugmentEngine) -> Self {
        Self(vec![0; engine.plan_bytes().div_ceil(8)], engine.plan_bytes())
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.0)[..self.1]
    }
}

fn alone(engine: &AugmentEngine, raw: &RowBuffer, index: u64) -> RowBuffer {
    let mut plan = Plan::of(engine);
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut scratch = vec![0xA5; engine.scratch_bytes()];
    engine.plan(key(index), Shapes::of(raw.view()), plan.bytes()).unwrap();
    engine.run(plan.bytes(), raw.view(), &mut made.row(None), &mut scratch).unwrap();
    made.finish().unwrap();
    made
}

/// What the chain makes of both, and the box that is pasted: top, bottom, left, right.
fn mixed(
    engine: &AugmentEngine,
    own: &RowBuffer,
    partner: &RowBuffer,
    index: u64,
) -> (RowBuffer, Plan) {
    let mut plan = Plan::of(engine);
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut scratch = vec![0xA5; engine.scratch_bytes()];
    let (own, partner) = (own.view(), partner.view());
    let keys = [key(index), key(index + 1000)];
    engine
        .plan_pair((keys[0], Shapes::of(own)), (keys[1], Shapes::of(partner)), plan.bytes())
        .unwrap();
    engine.run_pair(plan.bytes(), own, partner, &mut made.row(None), &mut scratch).unwrap();
    made.finish().unwrap();
    (made, plan)
}

fn box_of(own: &[StagePlan]) -> [usize; 4] {
    let op = own.iter().find_map(StagePlan::paste).unwrap();
    [0, 1, 2, 3].map(|k| op.args[k] as usize)
}

fn check(chain: &str, index: u64) {
    let engine = bound(&format!("{chain} cutmix(1)"));
    let plain = bound(chain);
    let (own, partner) = (raw(1), raw(2));
    let (found, mut plan) = mixed(&engine, &own, &partner, index);
    let ours = alone(&plain, &own, index);
    let theirs = alone(&plain, &partner, index + 1000);
    let cut = box_of(&read(plan.bytes()).1[..engine.stages]);
    for field in 0..3 {
        let (found, ours, theirs) =
            (found.view().field(field), ours.view().field(field), theirs.view().field(field));
        let times = if found.name() == "large" { 2 } else { 1 };
        let [top, bottom, left, right] = cut.map(|edge| edge * times);
        if found.shape() == [2 * SIZE[0], 2 * SIZE[1], CHANNELS] && chain.contains("elastic") {
            continue;
        }
        let width = found.shape()[1];
        for (at, &pixel) in found.bytes().iter().enumerate() {
            let (y, x) = (at / CHANNELS / width, at / CHANNELS % width);
            let is_pasted = (top..bottom).contains(&y) && (left..right).contains(&x);
            let expected = if is_pasted { theirs.bytes()[at] } else { ours.bytes()[at] };
            assert_eq!(pixel, expected, "{chain}: {} at {y},{x} of {cut:?}", found.name());
        }
    }
}

fn step() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "random_hflip",
        "random_vflip",
        "random_resized_crop(17, 20)",
        "resize(19, 14)",
        "resize(40, 50, interpolation=bicubic)",
        "random_crop(12)",
        "pad(4, mode=symmetric) random_crop(15, 19)",
        "random_rotation(40, interpolation=bilinear)",
        "random_affine(30, translate=[0.2,0.1], scale=0.7..1.3)",
        "random_perspective(0.5, p=1, interpolation=bilinear)",
        "adjust_brightness(1.2)",
        "invert",
        "random_gamma(0.7..1.4)",
        "random_contrast(0.5..1.5)",
        "autocontrast",
        "random_erasing(1)",
        "gaussian_noise(0.1)",
        "gaussian_blur(3)",
        "elastic(20, sigma=2)",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_pasted_box_is_that_of_the_whole_partner(
        steps in prop::collection::vec(step(), 0..4), index in 0u64..500,
    ) {
        check(&steps.join(" "), index);
    }
}

#[test]
fn of_a_partner_no_more_is_read_than_is_pasted() {
    let engine = bound("random_hflip cutmix(1)");
    let (own, partner) = (raw(1), raw(2));
    let mut empty = 0;
    for index in 0..200 {
        let (_, mut plan) = mixed(&engine, &own, &partner, index);
        let (own, theirs) = read(plan.bytes()).1.split_at(engine.stages);
        let [top, bottom, left, right] = box_of(own);
        let theirs = Theirs::new(own, theirs);
        let reach = Reach::of(theirs.stages());
        empty += usize::from(theirs.is_empty());
        let read =
            reach.map_or([0; 2], |part| [1, 2].map(|k| (part.end[k] - part.start[k]) as usize));
        let pasted = if theirs.is_empty() { [0; 2] } else { [bottom - top, right - left] };
        assert_eq!(read, pasted);
    }
    assert!((1..50).contains(&empty), "{empty}");
}
