//! Where the samples lie in a store, a state knows which versions of its objects it was saved with.

#[expect(dead_code, reason = "shared with tests of sources")]
#[path = "../../crates/core/tests/common/server.rs"]
mod server;

use server::Server;
use tallow::candle::{DType, Device, Tensor};
use tallow::{ErrorKind, Loader, State};

#[test]
fn a_state_goes_on_with_a_copy_and_not_with_objects_that_were_written_to() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..12 {
        let row = Tensor::full(at as f32, 3, &Device::Cpu).unwrap();
        row.to_dtype(DType::F32)
            .unwrap()
            .write_npy(dir.path().join(format!("{at:02}.npy")))
            .unwrap();
    }
    let (server, copy) = (Server::of(dir.path()), Server::of(dir.path()));
    let build = |place: &str| {
        let source = tallow::open(place).unwrap();
        Loader::builder(source).batch_size(2).shuffle().seed(5).build().unwrap()
    };
    let saved = |place: &str| {
        let state = build(place).state_at(0, 2).unwrap();
        serde_json::to_string(&state).unwrap()
    };
    let resumed = |place: &str, state: &str| -> tallow::Result<()> {
        let state: State = serde_json::from_str(state).unwrap();
        let loader = build(place);
        loader.resume(&state)?;
        assert_eq!(loader.epoch(0).map(Result::unwrap).count(), 4);
        Ok(())
    };
    let (local, server_at, copy_at) = (dir.path().to_str().unwrap(), server.at(""), copy.at(""));
    let (of_disk, of_server) = (saved(local), saved(&server_at));
    for place in [local, &server_at, &copy_at] {
        resumed(place, &of_disk).unwrap();
        resumed(place, &of_server).unwrap();
    }
    server.plan.lock().unwrap().etag += 1;
    for place in [local, &copy_at] {
        resumed(place, &of_server).unwrap();
    }
    resumed(&server_at, &of_disk).unwrap();
    let error = resumed(&server_at, &of_server).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    let error = error.to_string();
    assert!(error.contains("were written to since the state was saved"), "{error}");
    assert!(error.contains("begin a new run") && error.contains("`versions`"), "{error}");
    // What the error advises, and what a program before knew.
    for gone in [&["versions"][..], &["places", "versions"]] {
        let mut state: serde_json::Value = serde_json::from_str(&of_server).unwrap();
        let fields = state.as_object_mut().unwrap();
        assert!(gone.iter().all(|name| fields.remove(*name).is_some()));
        resumed(&server_at, &state.to_string()).unwrap();
    }
}
