//! Chains inside a step.

use std::fmt;

use crate::augment::Augment;
use crate::compose::{Mixing, Sketch};

/// Checks that `chain` is no more than its steps.
///
/// # Errors
///
/// When it has settings, which only the whole can have.
pub(crate) fn check(chain: &Augment) -> Result<(), String> {
    let Augment {
        field,
        layout,
        range,
        chain: _,
        targets,
        draws,
        once,
        scaled,
        #[cfg(feature = "cuda")]
            kernels: _,
    } = chain;
    let settings =
        [field.is_some(), layout.is_some(), range.is_some(), draws.is_some(), *once, *scaled];
    if settings.contains(&true) || !targets.is_empty() {
        return Err(
            "found fields or settings on the chain inside, expected them on the whole chain"
                .to_owned(),
        );
    }
    Ok(())
}

/// Goes over the steps of `chain`, which a sample may go through or not.
///
/// # Errors
///
/// What does not work in it, or not inside another step.
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
        return Err(
            "to_dtype and to_layout hold for every sample: put them after this step".to_owned()
        );
    }
    if sketch.mixing != mixing {
        return Err(
            "found a step that mixes samples, expected it beside the others, not inside one"
                .to_owned(),
        );
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
