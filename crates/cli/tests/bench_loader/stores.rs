use std::time::Duration;

use serde_json::Value;

use crate::store_server::Server;
use crate::tester::{Ended, bench, bench_with, pairs};

const LATENCY: Duration = Duration::from_millis(30);
const SAMPLES: usize = 60;

/// A server that takes its time, with one field of as many samples.
fn slow_server() -> (tempfile::TempDir, Server) {
    let dir = pairs(SAMPLES);
    let server = Server::of(dir.path());
    server.plan.lock().unwrap().latency = LATENCY;
    (dir, server)
}

fn run(server: &Server, options: &str, environment: &[(&str, &str)]) -> Ended {
    let url = server.at("input");
    let line = format!("run {url} --batch-size 4 --prefetch 2 --epochs 1 {options}");
    bench_with(std::path::Path::new("."), &line, environment).expect(0)
}

fn sum(of: &Value) -> f64 {
    of.as_object().unwrap().values().map(|seconds| seconds.as_f64().unwrap()).sum()
}

#[test]
fn who_waits_for_requests_is_told_so_with_times_that_add_up() {
    let (_dir, server) = slow_server();
    let json = run(&server, "--workers 2 --json", &[]).json();
    assert_eq!(json["limiting_stage"], "store", "{json}");
    let advice = json["advice"].as_str().unwrap();
    assert!(advice.contains("--read-ahead 64MB"), "{advice}");
    let wall = json["wall_seconds"].as_f64().unwrap();
    let stages = &json["stage_seconds"];
    let of = |stage: &str| stages[stage].as_f64().unwrap();
    let all = LATENCY.as_secs_f64() * SAMPLES as f64;
    assert!(of("store") >= all && of("store") <= 2.0 * wall, "{json}");
    assert!(of("read") < of("store") / 2.0, "{json}");
    let of_workers = sum(stages) - of("hand_over");
    assert!((of_workers / (2.0 * wall) - 1.0).abs() < 0.1, "{json}");
    assert!((sum(&json["wall_by_part_seconds"]) / wall - 1.0).abs() < 0.01, "{json}");
    let store = &json["store"];
    assert_eq!(store["requests_in_flight_max"], 512);
    let asked = |what: &str| store[what].as_u64().unwrap();
    assert_eq!(asked("requests") - asked("retries") - asked("hedges"), SAMPLES as u64, "{store}");
    assert!(store["bytes_fetched"].as_u64().unwrap() >= json["bytes"].as_u64().unwrap());
    assert_eq!((&store["cache_folder"], &store["bytes_cached"]), (&Value::Null, &0.into()));
}

#[test]
fn the_report_and_its_page_show_the_store() {
    let (dir, server) = slow_server();
    let page = dir.path().join("page.html");
    let ended = run(&server, &format!("--workers 2 --html {}", page.display()), &[]);
    let plan = "at most 268 MB in 512 requests under way, nothing kept on the disk";
    for says in [plan, "limit     the store is the limit", "store     "] {
        assert!(ended.stdout.contains(says), "{says}: {}", ended.stdout);
    }
    let page = std::fs::read_to_string(page).unwrap();
    for says in ["limited by requests to the store", plan, "t-store", "waiting: store"] {
        assert!(page.contains(says), "{says}");
    }
}

#[test]
fn the_cache_is_in_plan_and_report() {
    let (dir, server) = slow_server();
    let folder = dir.path().join("cache");
    let cache = [("TALLOW_STORE_CACHE", folder.to_str().unwrap())];
    let options = "--workers 2 --read-ahead 1MB";
    let ended = run(&server, options, &cache);
    let kept = format!("at most 68.7 GB kept in {}", folder.display());
    assert!(ended.stdout.contains(&kept), "{}", ended.stdout);
    let json = run(&server, &format!("{options} --json"), &cache).json();
    assert_eq!(json["store"]["cache_folder"], folder.to_str().unwrap());
    assert_eq!(json["store"]["cache_bytes_max"], 64u64 << 30);
}

#[test]
fn files_of_this_machine_have_no_store() {
    let dir = pairs(SAMPLES);
    let line = "run DIR --batch-size 4 --epochs 1 --workers 2";
    let ended = bench(dir.path(), line).expect(0);
    assert!(!ended.stdout.contains("store"), "{}", ended.stdout);
    let json = bench(dir.path(), &format!("{line} --json")).expect(0).json();
    assert!(json.get("store").is_none() && json["stage_seconds"].get("store").is_none(), "{json}");
    assert!(json["wall_by_part_seconds"].get("store").is_none(), "{json}");
}

#[test]
fn a_full_shuffle_that_reads_much_more_than_it_uses_is_told_so_once() {
    let dir = pairs(SAMPLES);
    bench(dir.path(), "pack DIR --to DIR/packed --as tar").expect(0);
    let shards = std::fs::read_dir(dir.path().join("packed")).unwrap();
    let mut names = shards.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let shard = names.find(|name| name.ends_with(".tar")).unwrap();
    let server = Server::of(dir.path());
    let told = |place: &str, options: &str| {
        let line = format!("run {place} --epochs 1 --workers 2 {options}");
        let ended = bench(dir.path(), &line).expect(0);
        (ended.stdout.matches("times as much").count(), ended.stdout)
    };
    let url = server.at(&format!("packed/{shard}"));
    let (times, text) = told(&url, "--shuffle");
    assert_eq!(times, 1, "{text}");
    assert!(text.contains("shuffle in blocks (--shuffle-blocks 16"), "{text}");
    assert_eq!(told(&url, "--shuffle-blocks 1").0, 0);
    assert_eq!(told(&url, "").0, 0);
    // So little stays in memory.
    assert_eq!(told("DIR/packed", "--shuffle").0, 0);
    let json = bench(dir.path(), &format!("run {url} --epochs 1 --shuffle --json")).json();
    let shuffled = &json["shuffled"];
    let [used, read] = ["used", "read"].map(|key| shuffled[key].as_f64().unwrap());
    assert_eq!(shuffled["times"].as_f64().unwrap(), read / used, "{shuffled}");
    assert!(read / used > 10.0, "{shuffled}");
}
