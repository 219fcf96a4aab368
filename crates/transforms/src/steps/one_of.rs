//! A random choice among chains.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Composer, Sketch};
use crate::parameters::whole;
use crate::spec::Form;
use crate::step::{Chain, Node, Scaling, Step};
use crate::steps::inner;

pub(crate) static FORMS: &[Form] = &[Form {
    name: "one_of",
    usage: "chain, chain, ..",
    parse: |a, args| {
        let mut chains = vec![args.chain("chain")?];
        while args.has_more() {
            chains.push(args.chain("chain")?);
        }
        Ok(a.one_of(chains))
    },
}];

impl Augment {
    /// Applies one of `chains`, each with equal probability. An empty chain leaves the image as it
    /// is. All must produce images of the same size. torchvision: `RandomChoice`.
    ///
    /// ```
    /// use tallow_transforms::Augment;
    ///
    /// let augment = Augment::new().one_of([Augment::new().hflip(), Augment::new()]);
    /// assert_eq!(augment.to_string(), "one_of(hflip, none)");
    /// ```
    pub fn one_of(self, chains: impl IntoIterator<Item = Augment>) -> Self {
        self.push(OneOf { chains: chains.into_iter().collect() })
    }
}

#[derive(Debug)]
struct OneOf {
    chains: Vec<Augment>,
}

impl Step for OneOf {
    fn name(&self) -> &'static str {
        "one_of"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        if self.chains.is_empty() {
            return Err("found no chain, expected at least one".to_owned());
        }
        let ways = self.chains.iter();
        sketch.ways(ways.map(|chain| move |sketch: &mut Sketch| inner::outline(chain, sketch)))
    }

    fn compose(&self, _draws: &mut Draws, _composer: &mut Composer<'_>) {}

    fn inner(&self) -> Vec<&Chain> {
        self.chains.iter().map(|chain| &chain.chain).collect()
    }

    fn scaling(&self) -> Scaling {
        let mut chains = self.chains.iter().map(|chain| chain.chain.scaling().0);
        let first = chains.next().unwrap_or(Scaling::Follows);
        // One that resizes beside one that does not leaves sizes of both kinds.
        if chains.all(|other| other == first) { first } else { Scaling::Counts }
    }

    fn compose_in(&self, inner: &[Vec<Node>], draws: &mut Draws, composer: &mut Composer<'_>) {
        let chosen = whole(draws, 0, inner.len() as i64 - 1);
        composer.chain(&inner[chosen as usize]);
    }
}

impl fmt::Display for OneOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chains: Vec<String> =
            self.chains.iter().map(|chain| inner::Text(chain).to_string()).collect();
        write!(f, "one_of({})", chains.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{chi_square, problem, taken};

    #[test]
    fn every_chain_is_as_probable() {
        let taken = taken("one_of(hflip, vflip, none, hflip vflip)", 4000);
        let count = |notes: &str| taken.iter().filter(|taken| *taken == notes).count();
        let counts = ["hflip", "vflip", "", "hflip vflip"].map(count);
        // 3 degrees of freedom, one in a thousand.
        assert!(chi_square(&counts) < 16.3, "{counts:?}");
    }

    #[test]
    fn chains_must_agree_in_the_size() {
        let text = "one_of(crop(0, 0, 8, 8), crop(0, 0, 9, 9), none)";
        assert!(problem(text).contains("8x8"), "{}", problem(text));
        let text = "one_of(crop(0, 0, 8, 8) hflip, random_crop(8))";
        assert_eq!(taken(text, 2).len(), 2);
    }
}
