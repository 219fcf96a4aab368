//! Behaviour of the whole through the facade, as one binary.

#[path = "suite/delivery.rs"]
mod delivery;
#[path = "suite/tester.rs"]
mod tester;
