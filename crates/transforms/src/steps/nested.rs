//! Chains inside chains: what is drawn for a sample never needs more than the sketch allows.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use candle_core::Tensor;
use proptest::collection::vec;
use proptest::prelude::*;
use tallow_core::{Draws, Key, RowKey};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Matrix, Sketch};
use crate::fields::Fields;
use crate::plan::{Border, CHANNELS_MAX, D, H, Interpolation, OpCode, W};
use crate::step::Step;
use crate::steps::probe::{explained, levels};

/// The side of the square that all steps leave.
const SIDE: i32 = 16;

/// A step of atoms, one after the other.
#[derive(Debug, Clone)]
struct Atoms(Vec<Atom>);

impl Step for Atoms {
    fn name(&self) -> &'static str {
        "atoms"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        for &atom in &self.0 {
            sketch.atom(atom);
            match atom {
                // There and back.
                Atom::Resize => {
                    sketch.resize(sketch.size, 1.0, 2.0);
                    sketch.resize(sketch.size, 1.0, 2.0);
                }
                Atom::Pad { .. } => sketch.atom(Atom::Move),
                _ => {}
            }
        }
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        for &atom in &self.0 {
            compose(atom, composer);
        }
    }
}

fn compose(atom: Atom, composer: &mut Composer<'_>) {
    let size = composer.size();
    let fill = [0.0; CHANNELS_MAX];
    match atom {
        Atom::Move => composer.flip(W),
        Atom::Turn => composer.turn(H, W, 1),
        Atom::Pad { constant } => {
            let border = if constant { Border::Constant } else { Border::Reflect };
            composer.pad([0, 1, 2], [0, 1, 0], border, fill);
            composer.crop([0, 0, 1], size);
        }
        Atom::Resize => {
            composer.resize(SIDE / 2, SIDE, Interpolation::Bilinear, true);
            composer.resize(SIDE, SIDE, Interpolation::Bilinear, true);
        }
        Atom::Warp => {
            composer.warp(Matrix::translation(0.5, 0.25), Interpolation::Bilinear, fill);
        }
        Atom::Neighbours => composer.sharpen(1.5),
        Atom::Point(ops) => {
            (0..ops).for_each(|_| composer.point(OpCode::Invert, &[composer.max()]));
        }
        Atom::Pinned(ops) => {
            let all = [0.0, f32::from(u16::MAX), 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
            (0..ops).for_each(|_| composer.pinned(OpCode::Erase, 0, &all));
        }
    }
    assert_eq!(composer.size(), size);
    assert_eq!(size[D], 1);
}

impl fmt::Display for Atoms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "atoms{:?}", self.0)
    }
}

/// A step that keeps the size.
#[derive(Debug, Clone)]
enum Tree {
    Atoms(Vec<Atom>),
    Text(&'static str),
    Apply(Vec<Tree>),
    OneOf(Vec<Vec<Tree>>),
    Order(Vec<Tree>),
}

const TEXTS: [&str; 12] = [
    "hflip",
    "random_vflip",
    "shift(3)",
    "shift(3, wrap=false)",
    "gain(-1..1)",
    "time_mask(5)",
    "freq_mask(5, count=3)",
    "random_resized_crop(16)",
    "center_crop(19) random_crop(16)",
    "rand_augment",
    "trivial_augment_wide",
    "aug_mix(width=2, depth=2)",
];

fn add(chain: Augment, tree: &Tree) -> Augment {
    match tree {
        Tree::Atoms(atoms) => chain.push(Atoms(atoms.clone())),
        // Two steps of which one changes the size are one as an inner chain.
        Tree::Text(text) => chain.one_of([text.parse::<Augment>().unwrap()]),
        Tree::Apply(trees) => chain.random_apply(0.6, build(trees)),
        Tree::OneOf(ways) => chain.one_of(ways.iter().map(|trees| build(trees))),
        Tree::Order(trees) => chain.random_order(build(trees)),
    }
}

fn build(trees: &[Tree]) -> Augment {
    trees.iter().fold(Augment::new(), add)
}

fn atom() -> impl Strategy<Value = Atom> {
    prop_oneof![
        Just(Atom::Move),
        Just(Atom::Turn),
        any::<bool>().prop_map(|constant| Atom::Pad { constant }),
        Just(Atom::Resize),
        Just(Atom::Warp),
        Just(Atom::Neighbours),
        (1usize..6).prop_map(Atom::Point),
        (1usize..6).prop_map(Atom::Pinned),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        3 => vec(atom(), 1..4).prop_map(Tree::Atoms),
        2 => (0..TEXTS.len()).prop_map(|at| Tree::Text(TEXTS[at])),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let chain = vec(inner, 0..4);
        prop_oneof![
            chain.clone().prop_map(Tree::Apply),
            vec(chain.clone(), 1..4).prop_map(Tree::OneOf),
            chain.prop_map(Tree::Order),
        ]
    })
}

/// Samples of each chain.
const SAMPLES: u64 = 24;

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    /// The composer asserts that it needs no more stages; the engine runs them all.
    #[test]
    fn no_sample_needs_more_stages_than_the_sketch(
        trees in vec(tree(), 1..5), once in any::<bool>(), seed in any::<u64>(),
    ) {
        let chain = build(&trees);
        let chain = if once { chain.resample_once() } else { chain };
        let image = levels(3, SIDE as usize, SIDE as usize);
        let images = Tensor::stack(&vec![image; SAMPLES as usize], 0).unwrap();
        let key = Key::new(seed, 0);
        let keys: Vec<RowKey> = (0..SAMPLES).map(|index| RowKey { key, index }).collect();
        let fields = Fields::new([("input", images)]);
        // A panic would end the search for a small chain that shows it.
        let made = catch_unwind(AssertUnwindSafe(|| chain.apply(&fields, &keys).map(|_| ())));
        prop_assert!(matches!(made, Ok(Ok(()))), "{made:?}");
    }
}

#[test]
fn a_way_of_fewer_stages_does_not_make_the_next_step_cut() {
    // The longer way leaves an empty program, the shorter one a full one.
    let text = "random_apply(0.5, hflip rand_augment(1)) gain(1)";
    assert!(explained(text).starts_with("2 stages"), "{}", explained(text));
    let text = "one_of(time_mask(3), random_resized_crop(16) random_resized_crop(16)) hflip";
    assert!(explained(text).starts_with("2 stages"), "{}", explained(text));
}
