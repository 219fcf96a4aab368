//! The search for the settings that load fastest within bounds: trials, a climb over them, and turns of
//! what came near the end.

pub(crate) mod finals;
pub(crate) mod search;
pub(crate) mod trial;
pub(crate) mod tuner;
