//! Chains that stand inside a step.

use std::fmt;

use crate::augment::Augment;
use crate::sketch::{Mixing, Sketch};

/// Checks that `chain` is no more than its steps.
///
/// # Errors
///
/// When it has settings, which only the whole can have.
pub(crate) fn check(chain: &Augment) -> Result<(), String> {
    let Augment { field, layout, range, targets, once, .. } = chain;
    let has_field = field.is_some() || layout.is_some() || range.is_some();
    if has_field || !targets.is_empty() || *once {
        return Err(
            "found a field, a layout, a range, targets or resample_once on the chain inside; \
                    they are set on the whole"
                .to_owned(),
        );
    }
    Ok(())
}

/// Goes over the steps of `chain`, which a sample may go through or not.
///
/// # Errors
///
/// What does not work in it, or does not inside another step.
pub(crate) fn outline(chain: &Augment, sketch: &mut Sketch) -> Result<(), String> {
    check(chain)?;
    let before = (sketch.dtype, sketch.layout, sketch.mixing);
    sketch.chain(&chain.chain).map_err(|problems| problems.join("; "))?;
    check_outcome(before, sketch)
}

/// What holds for every sample if it holds for one.
pub(crate) type Outcome = (Option<tallow_core::RowDType>, Option<crate::Layout>, Mixing);

/// Checks that a chain inside left alone what holds for every sample.
///
/// # Errors
///
/// When it did not.
pub(crate) fn check_outcome(before: Outcome, sketch: &Sketch) -> Result<(), String> {
    let (dtype, layout, mixing) = before;
    if (sketch.dtype, sketch.layout) != (dtype, layout) {
        return Err("to_dtype and to_layout hold for every sample: put them behind".to_owned());
    }
    if sketch.mixing != mixing {
        return Err("samples are mixed by a step of their own, not inside another".to_owned());
    }
    Ok(())
}

/// A chain as an argument.
pub(crate) struct Text<'a>(pub(crate) &'a Augment);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.chain.0.is_empty() { f.write_str("none") } else { write!(f, "{}", self.0) }
    }
}
