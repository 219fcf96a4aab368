//! Flips.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{chance, check_p};
use crate::plan::{D, H, W};
use crate::spec::Form;
use crate::step::{Scaling, Step};
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form { name: "hflip", usage: "", parse: |a, _| Ok(a.hflip()) },
    Form { name: "vflip", usage: "", parse: |a, _| Ok(a.vflip()) },
    Form {
        name: "random_hflip",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_hflip(args.number_or("p", 0.5)?)),
    },
    Form {
        name: "random_vflip",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_vflip(args.number_or("p", 0.5)?)),
    },
    Form {
        name: "random_dflip",
        usage: "p=0.5",
        parse: |a, args| Ok(a.random_dflip(args.number_or("p", 0.5)?)),
    },
];

impl Augment {
    /// Flips left and right: out\[x\] = in\[width - 1 - x\]. Exact, any dtype. torchvision:
    /// `horizontal_flip`.
    pub fn hflip(self) -> Self {
        self.push(Flip { axis: W, p: None })
    }

    /// Flips top and bottom. Exact, any dtype. torchvision: `vertical_flip`.
    pub fn vflip(self) -> Self {
        self.push(Flip { axis: H, p: None })
    }

    /// [`hflip`](Self::hflip) with probability `p`. torchvision: `RandomHorizontalFlip`.
    pub fn random_hflip(self, p: f64) -> Self {
        self.push(Flip { axis: W, p: Some(p) })
    }

    /// [`vflip`](Self::vflip) with probability `p`. torchvision: `RandomVerticalFlip`.
    pub fn random_vflip(self, p: f64) -> Self {
        self.push(Flip { axis: H, p: Some(p) })
    }

    /// Flips front and back of a volume with probability `p`. Exact, any dtype.
    pub fn random_dflip(self, p: f64) -> Self {
        self.push(Flip { axis: D, p: Some(p) })
    }
}

#[derive(Debug)]
struct Flip {
    axis: usize,
    /// Without a probability it always flips.
    p: Option<f64>,
}

impl Step for Flip {
    fn name(&self) -> &'static str {
        match (self.axis, self.p.is_some()) {
            (W, false) => "hflip",
            (H, false) => "vflip",
            (W, true) => "random_hflip",
            (H, true) => "random_vflip",
            _ => "random_dflip",
        }
    }

    fn draws(&self) -> bool {
        self.p.is_some()
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p.unwrap_or(1.0))?;
        sketch.atom(Atom::Move);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        if self.p.is_none_or(|p| chance(draws, p)) {
            composer.note(format_args!("{}", ["dflip", "vflip", "hflip"][self.axis]));
            composer.flip(self.axis);
        }
    }

    fn scaling(&self) -> Scaling {
        Scaling::Follows
    }
}

impl fmt::Display for Flip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.p.map_or(Ok(()), |p| write!(f, "({})", number(p)))
    }
}
