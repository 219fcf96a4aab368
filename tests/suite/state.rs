use tallow::{ErrorKind, LastBatch, Loader, LoaderBuilder, Sequential, State};

use crate::tester::{DeliveredRow, LASTS, counting, rows, stream};

fn build() -> LoaderBuilder {
    Loader::builder(counting(53)).batch_size(6).shuffle().seed(5)
}

/// The batches from `state` to the end of epoch 2.
fn rest(loader: &Loader, state: &State) -> Vec<Vec<DeliveredRow>> {
    loader.resume(state).unwrap();
    stream(loader, state.epoch()..3).unwrap()
}

#[test]
fn resuming_at_every_batch_gives_the_rest_of_the_stream() {
    for last in LASTS {
        let loader = build().last_batch(last).build().unwrap();
        let mut states = vec![loader.state()];
        let mut whole = Vec::new();
        for batch in loader.epochs(0..3) {
            let batch = batch.unwrap();
            whole.push(rows(&batch));
            assert_eq!(batch.state(), &loader.state(), "both stand at what was received");
            states.push(batch.state().clone());
        }
        for (received, state) in states.iter().enumerate() {
            for workers in [0, 3] {
                let resumed = build().last_batch(last).workers(workers).build().unwrap();
                assert_eq!(rest(&resumed, state), whole[received..], "{last:?} from {received}");
            }
            assert_eq!(rest(&loader, state), whole[received..], "on the same loader");
        }
    }
}

#[test]
fn a_state_is_taken_at_what_was_received_not_at_what_was_read_ahead() {
    let loader = build().workers(2).prefetch(5).build().unwrap();
    let mut batches = loader.epoch(0);
    batches.next().unwrap().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!((loader.state().epoch(), loader.state().position()), (0, 6));
}

#[test]
fn a_state_survives_json_and_two_interruptions() {
    let whole = stream(&build().build().unwrap(), 0..3).unwrap();
    let loader = build().build().unwrap();
    let state = loader.epoch(0).nth(2).unwrap().unwrap().state().clone();
    let text = serde_json::to_string(&state).unwrap();
    let loader = build().build().unwrap();
    loader.resume(&serde_json::from_str(&text).unwrap()).unwrap();
    let state = loader.epoch(0).nth(1).unwrap().unwrap().state().clone();
    assert_eq!(rest(&build().build().unwrap(), &state), whole[5..]);
}

#[test]
fn another_world_continues_exactly() {
    let whole = stream(&build().build().unwrap(), 0..3).unwrap().concat();
    let state = build().rank(1, 2).build().unwrap().state_at(0, 4).unwrap();
    let mut rows = Vec::new();
    for rank in 0..3 {
        rows.extend(rest(&build().rank(rank, 3).build().unwrap(), &state).concat());
    }
    rows.sort_by_key(|row| (row.epoch, row.position));
    assert_eq!(rows, whole[4 * 6..]);
}

#[test]
fn another_batch_size_continues_where_it_fits_and_is_refused_where_not() {
    let whole = stream(&build().build().unwrap(), 0..3).unwrap().concat();
    let state = build().build().unwrap().state_at(0, 2).unwrap();
    let half = build().batch_size(3).build().unwrap();
    assert_eq!(rest(&half, &state).concat(), whole[12..]);
    let error = build().batch_size(8).build().unwrap().resume(&state).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::State);
    assert!(error.to_string().contains("position 12"), "{error}");
}

#[test]
fn another_source_sampler_or_seed_is_refused_with_all_problems() {
    let state = build().build().unwrap().state_at(0, 1).unwrap();
    let other = Loader::builder(counting(54)).batch_size(6).sampler(Sequential).seed(6);
    let error = other.build().unwrap().resume(&state).unwrap_err().to_string();
    for words in ["the source", "the sampler", "the seed"] {
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn the_end_of_an_epoch_is_the_beginning_of_the_next() {
    let loader = build().last_batch(LastBatch::Keep).build().unwrap();
    assert_eq!(loader.len(), 9);
    let state = loader.state_at(4, 9).unwrap();
    assert_eq!((state.epoch(), state.position()), (5, 0));
    assert!(loader.state_at(0, 10).is_err());
    assert_eq!(loader.epoch(0).count(), 9);
    assert_eq!((loader.state().epoch(), loader.state().position()), (1, 0));
}

#[test]
fn a_state_of_a_billion_samples_is_saved_and_resumed_at_once() {
    let huge = || Loader::builder(counting(1_000_000_000)).batch_size(256).shuffle().workers(1);
    let loader = huge().build().unwrap();
    let state = loader.epoch(7).nth(3).unwrap().unwrap().state().clone();
    let resumed = huge().build().unwrap();
    let started = std::time::Instant::now();
    resumed
        .resume(&serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap())
        .unwrap();
    let first = resumed.epoch(7).next().unwrap().unwrap();
    // A debug build on a busy machine; the figure itself is measured in release.
    assert!(started.elapsed().as_millis() < 100, "{:?}", started.elapsed());
    assert_eq!(first.position(), 4 * 256);
}

#[test]
fn the_loop_over_all_epochs_runs_again_as_it_stands() {
    let whole = stream(&build().build().unwrap(), 0..3).unwrap();
    let loader = build().build().unwrap();
    loader.resume(&loader.state_at(1, 2).unwrap()).unwrap();
    let mut found = Vec::new();
    for epoch in 0..3 {
        found.extend(stream(&loader, epoch..epoch + 1).unwrap());
    }
    assert_eq!(found, whole[9 + 2..]);
    assert_eq!(stream(&loader, 1..2).unwrap().len(), 9, "whole again");
    loader.resume(&loader.state_at(1, 2).unwrap()).unwrap();
    assert_eq!(stream(&loader, 0..3).unwrap(), whole[9 + 2..]);
}

#[test]
fn the_end_of_an_epoch_resumes_with_the_next() {
    let loader = build().build().unwrap();
    loader.resume(&loader.state_at(0, 9).unwrap()).unwrap();
    assert_eq!(stream(&loader, 0..1).unwrap().len(), 0);
    assert_eq!(stream(&loader, 1..2).unwrap().len(), 9);
}

#[test]
fn a_source_of_another_length_is_refused_with_both_lengths() {
    let state = build().build().unwrap().state_at(0, 1).unwrap();
    let other = Loader::builder(counting(54)).batch_size(6).shuffle().seed(5);
    let error = other.build().unwrap().resume(&state).unwrap_err().to_string();
    assert_eq!(error, "state mismatch: the source has 54 samples, the state was saved with 53");
}

#[test]
fn a_state_of_a_program_before_still_resumes() {
    let loader = build().build().unwrap();
    let state = loader.state_at(1, 2).unwrap();
    let mut json = serde_json::to_value(&state).unwrap();
    let fields = json.as_object_mut().unwrap();
    assert!(fields.remove("samples").is_some() && fields.remove("fields").is_some());
    let whole = rest(&loader, &state);
    assert_eq!(rest(&loader, &serde_json::from_value(json).unwrap()), whole);
}

#[test]
fn no_state_however_mangled_panics_when_it_is_resumed() {
    let saved = serde_json::to_value(build().build().unwrap().state_at(1, 2).unwrap()).unwrap();
    let names: Vec<String> = saved.as_object().unwrap().keys().cloned().collect();
    let numbers =
        [0, 1, 5, 6, 12, 48, 53, 54, 60, 1 << 32, u64::MAX / 6 * 6, u64::MAX - 3, u64::MAX];
    let mut resumed = 0;
    for last in LASTS {
        let loader = build().last_batch(last).build().unwrap();
        for (first, second) in names.iter().flat_map(|a| names.iter().map(move |b| (a, b))) {
            for (a, b) in numbers.iter().flat_map(|a| numbers.iter().map(move |b| (*a, *b))) {
                let mut json = saved.clone();
                for (name, number) in [(first, a), (second, b)] {
                    let is_text = json[name].is_string();
                    let text = format!("{number:x}\u{1b}[2J");
                    json[name] = if is_text { text.into() } else { number.into() };
                }
                let Ok(state) = serde_json::from_value::<State>(json) else { continue };
                match loader.resume(&state) {
                    Ok(()) => resumed += usize::from(loader.epoch(state.epoch()).count() <= 9),
                    Err(error) => {
                        let words = error.to_string();
                        assert!(words.starts_with("state mismatch: "), "{words}");
                        assert!(!words.contains(char::is_control), "{words:?}");
                    }
                }
            }
        }
    }
    assert!(resumed > 0, "some are as good as any");
}

#[test]
fn the_last_epoch_is_delivered_and_the_number_behind_it_is_an_error() {
    for workers in [0, 2] {
        let loader = build().workers(workers).build().unwrap();
        assert_eq!(loader.epoch(u64::MAX - 1).filter(Result::is_ok).count(), 9);
        let state = loader.state();
        assert_eq!((state.epoch(), state.position()), (u64::MAX, 0));
        let mut batches = loader.epoch(u64::MAX);
        assert_eq!(batches.size_hint(), (1, Some(1)));
        let error = batches.next().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("epoch 18446744073709551615"), "{error}");
        assert!(batches.next().is_none());
        drop(batches);
        assert_eq!(loader.epochs(u64::MAX - 2..u64::MAX).filter(Result::is_ok).count(), 18);
        assert!(loader.state_at(u64::MAX, 1).is_err());
        loader.resume(&state).unwrap();
        assert_eq!(loader.epochs(u64::MAX - 1..u64::MAX).count(), 0);
    }
}
