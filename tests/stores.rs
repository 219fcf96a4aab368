//! What a loader plans and reports of a source that reads from a store.
#![cfg(feature = "remote")]

#[expect(dead_code, reason = "shared with the tests of the sources")]
#[path = "../crates/core/tests/common/server.rs"]
mod server;

use std::path::PathBuf;
use std::time::Duration;

use candle_core::{Device, Tensor};
use server::Server;
use tallow::{Loader, LoaderBuilder, NpyFolders, Report, Stage};

const SAMPLES: usize = 24;
const LATENCY: Duration = Duration::from_millis(20);

/// A folder of arrays of 4000 bytes.
fn arrays() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("x")).unwrap();
    for at in 0..SAMPLES {
        let array = Tensor::full(at as f32, 1000, &Device::Cpu).unwrap();
        array.write_npy(dir.path().join(format!("x/{at:03}.npy"))).unwrap();
    }
    dir
}

fn builder(folder: impl Into<PathBuf>) -> LoaderBuilder {
    Loader::builder(NpyFolders::open(folder).unwrap()).batch_size(4).prefetch(2).workers(2)
}

/// One epoch.
fn taken(loader: &Loader) -> Report {
    for batch in loader.epoch(0) {
        batch.unwrap();
    }
    loader.epoch_report()
}

#[test]
fn the_store_is_in_the_plan_and_the_limit_of_who_waits_for_it() {
    let dir = arrays();
    let server = Server::of(dir.path());
    server.plan.lock().unwrap().latency = LATENCY;
    let loader = builder(server.at("x")).build().unwrap();
    let plan = loader.plan();
    let budget = tallow::store::budget();
    let limits = plan.store().unwrap();
    assert_eq!((limits.bytes, limits.requests), (budget.bytes, budget.requests));
    let says = "\nstore     at most 268 MB in 512 requests under way, for all loaders of the process; \
                nothing kept on the disk";
    assert!(plan.to_string().contains(says), "{plan}");

    let report = taken(&loader);
    let waited = report.stage(Stage::Store);
    assert!(waited >= LATENCY * SAMPLES as u32, "{report}");
    assert!(report.stage(Stage::Read) < waited / 2, "{report}");
    assert_eq!(report.limiting_stage(), Stage::Store, "{report}");
    let by_stage = report.wait_by_stage();
    assert_eq!(by_stage.iter().map(|(_, time)| *time).sum::<Duration>(), report.wait);
    let store = report.store.unwrap();
    // More where one was slow or failed.
    assert_eq!(store.requests - store.retries - store.hedges, SAMPLES as u64, "{store:?}");
    assert!(store.bytes_fetched >= report.bytes, "{store:?}");
    let text = report.to_string();
    assert!(text.contains("\nstore     ") && text.contains(" requests, "), "{text}");
    assert!(text.contains("let the loader read ahead"), "{text}");
    let nothing = loader.report().since(&loader.report()).store.unwrap();
    assert_eq!((nothing.requests, nothing.bytes_fetched), (0, 0));
}

#[test]
fn files_of_this_machine_have_no_store_in_plan_and_report() {
    let dir = arrays();
    let loader = builder(dir.path().join("x")).build().unwrap();
    assert!(loader.plan().store().is_none() && !loader.plan().to_string().contains("store"));
    let report = taken(&loader);
    assert!(report.store.is_none() && !report.to_string().contains("\nstore "), "{report}");
    assert!(report.stages.iter().all(|(stage, _)| *stage != Stage::Store));
    assert!(report.wait_by_stage().iter().all(|(stage, _)| *stage != Stage::Store));
}
