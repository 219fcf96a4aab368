//! A chain that is applied to some samples.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::spec::Form;
use crate::step::{Chain, Node, Scaling, Step};
use crate::steps::inner;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "random_apply",
    usage: "p, chain",
    parse: |a, args| Ok(a.random_apply(args.number("p")?, args.chain("chain")?)),
}];

impl Augment {
    /// Applies `chain` with probability `p`, all of its steps or none. Images must have the same
    /// size with and without it. torchvision: `RandomApply`.
    ///
    /// ```
    /// use tallow_transforms::Augment;
    ///
    /// let augment = Augment::new().random_apply(0.8, Augment::new().hflip().vflip());
    /// assert_eq!(augment.to_string(), "random_apply(0.8, hflip vflip)");
    /// ```
    pub fn random_apply(self, p: f64, chain: Augment) -> Self {
        self.push(RandomApply { p, chain })
    }
}

#[derive(Debug)]
struct RandomApply {
    p: f64,
    chain: Augment,
}

impl Step for RandomApply {
    fn name(&self) -> &'static str {
        "random_apply"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        let ways = [None, Some(&self.chain)];
        sketch.ways(ways.map(|way| {
            move |sketch: &mut Sketch| way.map_or(Ok(()), |chain| inner::outline(chain, sketch))
        }))
    }

    fn compose(&self, _draws: &mut Draws, _composer: &mut Composer<'_>) {}

    fn inner(&self) -> Vec<&Chain> {
        vec![&self.chain.chain]
    }

    fn scaling(&self) -> Scaling {
        // Of a resize that may be left out, what follows does see how large the picture was.
        match self.chain.chain.scaling().0 {
            Scaling::Follows => Scaling::Follows,
            _ => Scaling::Counts,
        }
    }

    fn compose_in(&self, inner: &[Vec<Node>], draws: &mut Draws, composer: &mut Composer<'_>) {
        if chance(draws, self.p) {
            composer.chain(&inner[0]);
        }
    }
}

impl fmt::Display for RandomApply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_apply({}, {})", number(self.p), inner::Text(&self.chain))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{problem, taken};

    #[test]
    fn a_chain_is_gone_through_wholly_or_not_at_all() {
        let taken = taken("random_apply(0.3, hflip vflip)", 4000);
        let both = taken.iter().filter(|notes| *notes == "hflip vflip").count();
        let none = taken.iter().filter(|notes| notes.is_empty()).count();
        assert_eq!(both + none, 4000);
        // Three deviations of the binomial.
        assert!(both.abs_diff(1200) < 87, "{both}");
    }

    #[test]
    fn what_cannot_hold_for_some_samples_alone_is_refused() {
        let sizes = problem("random_apply(0.5, crop(0, 0, 8, 8))");
        assert!(sizes.contains("16x16") && sizes.contains("8x8"), "{sizes}");
        assert!(problem("random_apply(2, hflip)").contains("from 0 to 1"));
        assert!(problem("random_apply(0.5, to_dtype(f32))").contains("every sample"));
    }
}
