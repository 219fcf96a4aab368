//! Behaviour of the whole through the facade, as one binary.

#[path = "suite/delivery.rs"]
mod delivery;
#[path = "suite/errors.rs"]
mod errors;
#[path = "suite/fields.rs"]
mod fields;
#[path = "suite/state.rs"]
mod state;
#[path = "suite/stopping.rs"]
mod stopping;
#[path = "suite/tester.rs"]
mod tester;
