//! The search for the settings that load fastest within bounds: trials, a climb, and finals in
//! which the best settings take turns.

pub(crate) mod finals;
pub(crate) mod search;
pub(crate) mod trial;
pub(crate) mod tuner;
