//! `bench-loader` as its users run it: what it prints, and its exit codes.

mod archives;
mod augment;
mod cases;
mod check;
mod colour;
mod compare;
#[cfg(feature = "cuda")]
mod cuda;
mod demo;
mod digest;
mod doctor;
mod exit_codes;
mod generate;
mod html;
mod inspect;
mod json;
mod lengths;
mod mds;
mod messages;
mod mixtures;
mod outputs;
mod pack;
mod packing;
mod pictures;
mod preview;
mod run;
mod shell;
mod stacked;
mod stats;
#[expect(dead_code, reason = "shared with the tests of the sources")]
#[path = "../../../core/tests/common/server.rs"]
mod store_server;
mod stores;
mod streams;
mod tables;
mod tester;
mod tokens;
mod trace;
mod tune;
