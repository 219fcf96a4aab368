//! Traces for the viewer of a browser.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::tester::{bench, images, pairs};

/// The spans of a trace, with their nesting checked: for each the name of its thread, and the names
/// of the spans around it, outermost first, and its own.
fn spans(path: &Path) -> BTreeSet<(String, Vec<String>)> {
    let events: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let named = events.iter().filter(|event| event["name"] == "thread_name");
    let threads: BTreeMap<u64, String> =
        named.map(|event| (event["tid"].as_u64().unwrap(), text(&event["args"], "name"))).collect();
    let mut open: BTreeMap<u64, (f64, Vec<String>)> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for event in events.iter().filter(|event| event["ph"] == "B" || event["ph"] == "E") {
        let tid = event["tid"].as_u64().unwrap();
        let (last, stack) = open.entry(tid).or_default();
        let at = event["ts"].as_f64().unwrap();
        assert!(at >= *last, "time goes back: {event}");
        *last = at;
        let name = text(event, "name");
        if event["ph"] == "B" {
            stack.push(name);
            found.insert((threads[&tid].clone(), stack.clone()));
        } else {
            assert_eq!(stack.pop(), Some(name), "{event}");
        }
    }
    assert!(open.values().all(|(_, stack)| stack.is_empty()), "spans without an end: {open:?}");
    found
}

#[test]
fn every_stage_is_there_on_the_thread_that_runs_it() {
    let dir = images(40);
    // Slow enough that the consumer waits, however late its thread begins.
    let line = "run DIR --batch-size 8 --workers 2 --step-ms 1 --epochs 2 \
                --augment 'resize(256) gaussian_blur(15)' --trace DIR/trace.json";
    let ended = bench(dir.path(), line).expect(0);
    assert!(
        ended.stderr.starts_with("wrote ") && ended.stderr.contains("trace.json, "),
        "{ended:#?}"
    );
    let spans = spans(&dir.path().join("trace.json"));
    let on = |thread: &str, path: &[&str]| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        assert!(spans.contains(&(thread.to_owned(), path)), "{thread}: {spans:#?}");
    };
    on("consumer", &["next"]);
    on("consumer", &["next", "wait"]);
    on("consumer", &["next", "receive"]);
    on("consumer", &["step"]);
    let workers = spans.iter().filter(|(thread, _)| thread.starts_with("tallow-"));
    let paths: BTreeSet<String> = workers.map(|(_, path)| path.join(" ")).collect();
    let expected = ["fill", "fill read", "fill transform", "order"];
    assert_eq!(paths.into_iter().collect::<Vec<_>>(), expected);
    assert!(spans.iter().all(|(thread, _)| thread != "main"), "{spans:#?}");
}

#[test]
fn without_workers_the_consumer_does_it_all() {
    let dir = pairs(8);
    bench(dir.path(), "run DIR --workers 0 --epochs 2 --trace DIR/trace.json").expect(0);
    let spans = spans(&dir.path().join("trace.json"));
    let path = ["next", "fill", "read"].map(str::to_owned).to_vec();
    assert!(spans.contains(&("consumer".to_owned(), path)), "{spans:#?}");
}

#[test]
fn a_long_trace_ends_before_the_run_does_and_says_so() {
    let dir = pairs(2000);
    let line = "run DIR --epochs 110 --batch-size 500 --workers 1 --trace DIR/trace.json --json";
    let ended = bench(dir.path(), line).expect(0);
    assert!(ended.stderr.starts_with("the trace holds the first 200000 of "), "{ended:#?}");
    assert_eq!(ended.json()["samples"], 220_000);
    let path = dir.path().join("trace.json");
    let bytes = fs::metadata(&path).unwrap().len();
    assert!((10_000_000..60_000_000).contains(&bytes), "{bytes}");
    assert!(!spans(&path).is_empty());
}

#[test]
fn a_trace_that_cannot_be_written_is_told() {
    let dir = pairs(3);
    let ended = bench(dir.path(), "run DIR --trace DIR").expect(2);
    assert!(ended.stderr.contains("--trace"), "{ended:#?}");
    assert_eq!(ended.stdout, "");
    let ended = bench(dir.path(), "run DIR --trace DIR/x --ceiling").expect(2);
    assert!(ended.stderr.contains("cannot be used with"), "{ended:#?}");
    if cfg!(target_os = "linux") {
        let ended = bench(dir.path(), "run DIR --trace /dev/full").expect(1);
        assert!(ended.stderr.contains("cannot write \"/dev/full\""), "{ended:#?}");
    }
}
