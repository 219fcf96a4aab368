//! How fast ranges that are told ahead come from a server on this machine, beside plain parallel requests of the same
//! ranges by the same client, taking turns:
//!
//! ```text
//! cargo run --release -p tallow-store --example throughput -- ROUNDS [REQUESTS]
//! ```

#![allow(clippy::print_stdout, reason = "it prints what it measured")]

#[path = "../tests/server/mod.rs"]
mod server;

use std::error::Error;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use server::{Server, content, shuffled};
use tallow_store::{Object, budget, counters, set_budget, will_open};
use tokio::runtime::{Builder, Runtime};

/// A range of an object; of one that is read wholly, all of it.
#[derive(Clone)]
struct Part {
    name: String,
    range: Range<u64>,
}

const PART_BYTES: u64 = 100_000;

/// What readers are ahead of, in parts: about half of the budget.
const AHEAD: usize = 1300;

const READERS: usize = 2;

/// How often each part is read in a turn.
const PASSES: u64 = 4;

fn main() -> Result<(), Box<dyn Error>> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| "another provider of TLS")?;
    let rounds = std::env::args().nth(1).map_or(Ok(5), |it| it.parse())?;
    if let Some(requests) = std::env::args().nth(2) {
        set_budget(budget().requests(requests.parse()?));
    }
    let server = Server::new();
    server.log(false);
    let (large, small) = objects(&server);
    let single = Builder::new_current_thread().enable_all().build()?;
    let cases = [("ranges of 100 KB", &large, false), ("objects of 100 KB", &small, true)];
    for (name, parts, is_whole) in cases {
        println!(
            "{name}, MB/s: plain, 64 and 256 at once; told ahead, at once and 50 ms late; plain, 448 at once and \
             50 ms late"
        );
        let mut shares = [Vec::new(), Vec::new()];
        // What is slow is learnt, and connections are made.
        told(&server, parts, is_whole);
        for _ in 0..rounds {
            let plain = [64, 256].map(|at_once| plain(&single, &server, parts, at_once));
            let told = settled(&server, parts, is_whole);
            server.latency(Duration::from_millis(50));
            let late = settled(&server, parts, is_whole);
            let plain_late = self::plain(&single, &server, parts, 448);
            server.latency(Duration::ZERO);
            println!(
                "  {:8.0} {:8.0}   {told:8.0} {late:8.0}   {plain_late:8.0}",
                plain[0], plain[1]
            );
            shares[0].push(told / plain[0].max(plain[1]));
            shares[1].push(late / told);
        }
        for (name, shares) in ["told / best plain", "50 ms late / at once"].iter().zip(&mut shares)
        {
            shares.sort_unstable_by(f64::total_cmp);
            println!("  {name}: min {:.2}, median {:.2}", shares[0], shares[shares.len() / 2]);
        }
    }
    println!("{:?}", counters());
    Ok(())
}

/// Four objects of 64 MB in parts, and 2560 objects that are a part each; shuffled.
fn objects(server: &Server) -> (Vec<Part>, Vec<Part>) {
    let count = 2560;
    let mut large = Vec::new();
    for name in ["a", "b", "c", "d"] {
        server.put(name, content(large.len() as u64, PART_BYTES as usize * count / 4), Some("1"));
        let part = |i| Part { name: name.into(), range: i * PART_BYTES..(i + 1) * PART_BYTES };
        large.extend((0..count as u64 / 4).map(part));
    }
    let small = (0..count as u64).map(|i| {
        let name = format!("{i}");
        server.put(&name, content(i, PART_BYTES as usize), Some("1"));
        Part { name, range: 0..PART_BYTES }
    });
    let small: Vec<_> = small.collect();
    // So long that how it begins does not count.
    let order: Vec<_> = (0..PASSES).flat_map(|pass| shuffled(count as u64, pass)).collect();
    let shuffle = |parts: &[Part]| order.iter().map(|i| parts[*i as usize].clone()).collect();
    (shuffle(&large), shuffle(&small))
}

/// In MB/s since `begun`.
fn speed(begun: Instant, bytes: u64) -> f64 {
    bytes as f64 / 1e6 / begun.elapsed().as_secs_f64()
}

fn plain(runtime: &Runtime, server: &Server, parts: &[Part], at_once: usize) -> f64 {
    let options = ClientOptions::new().with_allow_http(true);
    let store = HttpBuilder::new().with_url(server.url("")).with_client_options(options).build();
    let store: Arc<dyn ObjectStore> = Arc::new(store.expect("a client"));
    let begun = Instant::now();
    let bytes =
        runtime.block_on(async {
            let get = |part: &Part| {
                let (store, Part { name, range }) = (store.clone(), part.clone());
                async move {
                    store.get_range(&Path::from(name), range).await.expect("bytes").len() as u64
                }
            };
            let lengths = futures_util::stream::iter(parts).map(get).buffer_unordered(at_once);
            lengths.fold(0, |sum, bytes| async move { sum + bytes }).await
        });
    assert_eq!(bytes, parts.len() as u64 * PART_BYTES);
    speed(begun, bytes)
}

/// The second of two turns: in the first one, the number of requests follows the server to its new distance.
fn settled(server: &Server, parts: &[Part], is_whole: bool) -> f64 {
    told(server, parts, is_whole);
    told(server, parts, is_whole)
}

/// One thread tells, some read.
fn told(server: &Server, parts: &[Part], is_whole: bool) -> f64 {
    let names: &[&str] = if is_whole { &[] } else { &["a", "b", "c", "d"] };
    let open = |name: &&str| Object::open(&server.url(name), 1).expect("an object").settled();
    let objects: Vec<Object> = names.iter().map(open).collect();
    let object_of = |part: &Part| &objects[usize::from(part.name.as_bytes()[0] - b'a')];
    let (next, bytes) = (AtomicUsize::new(0), AtomicU64::new(0));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let tell = || {
            for (i, part) in parts.iter().enumerate() {
                while i > next.load(Relaxed) + AHEAD {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let is_told = match is_whole {
                    true => will_open(&server.url(&part.name), 8 << 20),
                    false => object_of(part).will_need(part.range.clone()),
                };
                assert!(is_told.expect("a thread of requests"));
            }
        };
        scope.spawn(tell);
        let read = || {
            let mut row = Vec::with_capacity(PART_BYTES as usize);
            while let Some(part) = parts.get(next.fetch_add(1, Relaxed)) {
                row.clear();
                let opened = is_whole
                    .then(|| Object::open(&server.url(&part.name), 8 << 20).expect("an object"));
                let object = opened.as_ref().unwrap_or_else(|| object_of(part));
                let mut sink = |piece: &[u8]| row.extend_from_slice(piece);
                let read =
                    object.read_at(part.range.start, PART_BYTES as usize, &|| false, &mut sink);
                bytes.fetch_add(read.expect("bytes") as u64, Relaxed);
            }
        };
        (0..READERS).for_each(|_| drop(scope.spawn(read)));
    });
    let bytes = bytes.into_inner();
    assert_eq!(bytes, parts.len() as u64 * PART_BYTES);
    speed(begun, bytes)
}
