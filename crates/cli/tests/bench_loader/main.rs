//! `bench-loader` as its users run it: what it prints, and the exit code it ends with.

mod augment;
mod check;
mod colour;
#[cfg(feature = "cuda")]
mod cuda;
mod demo;
mod digest;
mod doctor;
mod exit_codes;
mod generate;
mod inspect;
mod preview;
mod run;
mod shell;
mod tester;
