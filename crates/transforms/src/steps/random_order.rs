//! The steps of a chain in random order.

use std::fmt;
use std::sync::Arc;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Contents, Reason, ShownSize, Sketch};
use crate::parameters::whole;
use crate::spec::Form;
use crate::step::{Chain, Node, Scaling, Step};
use crate::steps::inner;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "random_order",
    usage: "chain",
    parse: |a, args| Ok(a.random_order(args.chain("chain")?)),
}];

/// The most steps whose order is drawn on the stack.
const STEPS_MAX: usize = 32;

impl Augment {
    /// Applies the steps of `chain` in a random order; all orders are equally probable. Each step
    /// keeps its own draws at any place. No step may change the size, or normalise. torchvision:
    /// `RandomOrder`.
    ///
    /// When the steps do not fit into one pass in every order, each begins a pass of its own.
    pub fn random_order(self, chain: Augment) -> Self {
        self.push(RandomOrder { chain })
    }
}

#[derive(Debug)]
struct RandomOrder {
    chain: Augment,
}

impl Step for RandomOrder {
    fn name(&self) -> &'static str {
        "random_order"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        inner::check(&self.chain)?;
        let steps = &self.chain.chain.0;
        if steps.len() > STEPS_MAX {
            return Err(format!("found {} steps, expected at most {STEPS_MAX}", steps.len()));
        }
        let alone = steps.iter().map(|step| alone(sketch, step)).collect::<Result<Vec<_>, _>>()?;
        if steps.len() < 2 || fuse(sketch, steps, &alone)? {
            return inner::outline(&self.chain, sketch);
        }
        // If every step fits after all that comes before, so does the first, whichever it is.
        let mut fits = true;
        for (step, alone) in steps.iter().zip(&alone) {
            fits &= after(sketch.clone(), step)?.stages.len() < alone.stages.len();
        }
        one_by_one(sketch, alone, fits);
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, _composer: &mut Composer<'_>) {}

    fn inner(&self) -> Vec<&Chain> {
        vec![&self.chain.chain]
    }

    fn scaling(&self) -> Scaling {
        self.chain.chain.scaling().0
    }

    /// Fisher and Yates, from the end.
    fn compose_in(&self, inner: &[Vec<Node>], draws: &mut Draws, composer: &mut Composer<'_>) {
        let nodes = &inner[0];
        let mut order: [usize; STEPS_MAX] = std::array::from_fn(|i| i);
        for last in (1..nodes.len()).rev() {
            order.swap(last, whole(draws, 0, last as i64) as usize);
        }
        for &at in &order[..nodes.len()] {
            composer.step(&nodes[at]);
        }
    }
}

/// What `step` makes of `sketch`.
fn after(mut sketch: Sketch, step: &Arc<dyn Step>) -> Result<Sketch, String> {
    sketch.begin(step.to_string());
    step.outline(&mut sketch).map_err(|problem| format!("{}: {problem}", step.name()))?;
    Ok(sketch)
}

/// What `step` makes of `sketch` from the beginning of a stage.
fn alone(sketch: &Sketch, step: &Arc<dyn Step>) -> Result<Sketch, String> {
    let mut own = sketch.clone();
    own.begin(step.to_string());
    own.cut(Reason::Drawn);
    let own = after(own, step)?;
    inner::check_outcome((sketch.dtype, sketch.layout, sketch.mixing), &own)?;
    if own.size != sketch.size {
        let (was, is) = (ShownSize(sketch.size), ShownSize(own.size));
        return Err(format!("{} makes {was} {is}: in any order, sizes must stay", step.name()));
    }
    if own.normalized != sketch.normalized {
        return Err(format!(
            "{} normalises, before or after the others: put it after this step",
            step.name()
        ));
    }
    Ok(own)
}

/// Whether the steps never begin a stage: none does after all the others, and so none does after
/// some of them.
fn fuse(sketch: &Sketch, steps: &[Arc<dyn Step>], alone: &[Sketch]) -> Result<bool, String> {
    for (i, step) in steps.iter().enumerate() {
        let mut full = sketch.clone();
        let last = full.stages.len() - 1;
        for (_, other) in alone.iter().enumerate().filter(|(j, _)| *j != i) {
            let (here, theirs) = (full.stages[last].contents, contents(other));
            let ops = here.ops + theirs.ops;
            full.stages[last].contents = Contents { ops, ..here.or(theirs) };
        }
        if after(full, step)?.stages.len() > sketch.stages.len() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts the stages of all steps one after the other, the first of them into the current stage if it
/// fits there.
///
/// A sample needs no more in any order: one that begins a step in some stage ends it no later than
/// a sketch that begins the step afresh in the next. If it ends it in the same stage, it holds what
/// that sketch holds; what comes next sees the last stage of any of the steps.
fn one_by_one(sketch: &mut Sketch, alone: Vec<Sketch>, fits: bool) {
    let (stages, lines) = (sketch.stages.len(), sketch.lines.len());
    let last = alone.iter().map(contents).fold(Contents::default(), Contents::or);
    let statistics = sketch.statistics;
    for (i, own) in alone.into_iter().enumerate() {
        let merged = usize::from(fits && i == 0);
        let shift = sketch.stages.len() - stages;
        sketch.join(&own);
        sketch.statistics += own.statistics - statistics;
        if merged == 1 {
            sketch.stages[stages - 1].widen(&own.stages[stages]);
        }
        sketch.stages.extend(&own.stages[stages + merged..]);
        sketch.lines.extend(own.lines.into_iter().skip(lines).map(|mut line| {
            line.stage = line.stage + shift - merged;
            line
        }));
    }
    if let Some(stage) = sketch.stages.last_mut() {
        stage.contents = last;
    }
}

fn contents(sketch: &Sketch) -> Contents {
    sketch.stages.last().map_or_else(Contents::default, |stage| stage.contents)
}

impl fmt::Display for RandomOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_order({})", inner::Text(&self.chain))
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Engine, Field, RowBuffer, RowDType, Schema};

    use crate::bind::AugmentEngine;
    use crate::steps::probe::{chain, chi_square, explained, problem, taken};

    #[test]
    fn what_its_steps_need_to_know_is_known_in_any_order() {
        let chain = chain("random_order(adjust_contrast(1.5) random_rotation(20))");
        let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[2, 2])]).unwrap();
        let engine = AugmentEngine::bind(&chain, &schema).unwrap();
        assert!(engine.needs.iter().any(|needs| needs.statistics > 0));
        let mut raw = RowBuffer::new(&schema).unwrap();
        raw.row(None).field(0).copy_from_slice(&[0.5f32, 1.0, 200.0, 0.0]).unwrap();
        let error = engine.check(raw.view()).unwrap_err().to_string();
        assert!(error.contains("found 200"), "{error}");
    }

    #[test]
    fn every_order_is_as_probable() {
        let taken = taken("random_order(hflip random_dflip(1) vflip)", 6000);
        let count = |notes: &str| taken.iter().filter(|taken| *taken == notes).count();
        let counts = [
            "hflip dflip vflip",
            "hflip vflip dflip",
            "dflip hflip vflip",
            "dflip vflip hflip",
            "vflip hflip dflip",
            "vflip dflip hflip",
        ]
        .map(count);
        assert_eq!(counts.iter().sum::<usize>(), 6000);
        // 5 degrees of freedom, one in a thousand.
        assert!(chi_square(&counts) < 20.5, "{counts:?}");
    }

    #[test]
    fn steps_that_fit_into_one_pass_in_any_order_take_one() {
        assert!(explained("random_order(gain(3) gain(1) gain(2))").starts_with("1 stage"));
        assert!(explained("random_order(hflip vflip)").starts_with("1 stage"));
        // A mask by place, and a mirror image that may come after it.
        assert!(explained("random_order(time_mask(4) hflip)").starts_with("2 stages"));
        assert!(
            explained("hflip time_mask(4) random_order(time_mask(4) hflip)")
                .starts_with("3 stages")
        );
    }

    #[test]
    fn what_depends_on_the_order_is_refused() {
        assert!(problem("random_order(hflip crop(0, 0, 8, 8))").contains("8x8"));
        assert!(problem("random_order(hflip normalize(0.5, 0.5))").contains("put it after"));
    }
}
