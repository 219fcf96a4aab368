//! Reading ahead of readers and without, from a server that does what it should.

mod server;

use std::ops::Range;
use std::sync::Mutex;

use server::{Asked, Server, content, shuffled};
use tallow_store::{Budget, Counters, Object, budget, counters, set_budget, will_open};

/// The budget and the counters are the process's.
static ALONE: Mutex<()> = Mutex::new(());

fn alone(budget: Budget) -> std::sync::MutexGuard<'static, ()> {
    let guard = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    set_budget(budget);
    guard
}

fn read(object: &Object, range: Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = (range.end - range.start) as usize;
    let read = object.read_at(range.start, len, &|| false, &mut |it| bytes.extend_from_slice(it));
    assert_eq!(read.unwrap(), bytes.len());
    bytes
}

/// What the server was asked for, apart from what the client sent twice on purpose since `before`.
fn asked_once(server: &Server, before: Counters) -> Vec<Asked> {
    let mut asked = server.asked();
    let count = asked.len();
    asked.sort_unstable_by_key(|it| (it.path.clone(), it.range.clone().map(|it| it.start)));
    asked.dedup_by_key(|it| (it.path.clone(), it.range.clone()));
    let now = counters();
    let twice = now.retries + now.hedges - before.retries - before.hedges;
    assert!((count - asked.len()) as u64 <= twice, "{count} instead of {}", asked.len());
    asked
}

/// Nothing is held once what is under way has come.
fn assert_nothing_is_left() {
    let begun = std::time::Instant::now();
    while counters().requests_in_flight > 0 {
        assert!(begun.elapsed().as_secs() < 20);
        std::thread::yield_now();
    }
    assert_eq!(counters().bytes_in_flight, 0);
}

/// Each byte of these was asked for once.
fn assert_once(mut ranges: Vec<Range<u64>>, bytes: u64) {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut at = 0;
    for range in &ranges {
        assert_eq!(range.start, at, "{ranges:?}");
        at = range.end;
    }
    assert_eq!(at, bytes);
}

#[test]
fn told_ranges_are_fetched_once_by_few_requests_and_read_from_memory() {
    const RANGE: u64 = 10_000;
    const COUNT: u64 = 1000;
    let _alone = alone(Budget::default());
    let server = Server::new();
    let bytes = content(1, (RANGE * COUNT) as usize);
    let url = server.put("a.bin", bytes.clone(), Some("1"));
    let object = Object::open(&url, 100).unwrap().settled();
    server.asked();
    let before = counters();
    let order = shuffled(COUNT, 7);
    for i in &order {
        assert!(object.will_need(i * RANGE..(i + 1) * RANGE).unwrap());
        // For another reader, who finds what was fetched for the first.
        assert!(object.will_need(i * RANGE..(i + 1) * RANGE).unwrap());
    }
    let threads = 4;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (object, order, bytes) = (&object, &order, &bytes);
            scope.spawn(move || {
                for i in order.iter().skip(thread).step_by(threads) {
                    let range = i * RANGE..(i + 1) * RANGE;
                    let expected = &bytes[range.start as usize..range.end as usize];
                    // In two parts, as a header and what is behind it.
                    let (a, b) = (range.start..range.start + 512, range.start + 512..range.end);
                    assert!([read(object, a), read(object, b)].concat() == expected);
                    assert!(read(object, range) == expected);
                }
            });
        }
    });
    let asked = asked_once(&server, before);
    assert!(asked.len() < 40, "{} requests", asked.len());
    assert_once(asked.into_iter().map(|it| it.range.unwrap()).collect(), RANGE * COUNT);
    assert_nothing_is_left();
}

#[test]
fn untold_reads_of_any_length_from_many_threads_are_right() {
    let _alone = alone(Budget::default().bytes(4 << 20).request_bytes(256 << 10));
    let server = Server::new();
    let bytes = content(2, 5_000_000);
    let object = Object::open(&server.put("a.bin", bytes.clone(), Some("1")), 1 << 20).unwrap();
    let settled = object.clone().settled();
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (bytes, object, settled) = (&bytes, &object, &settled);
            scope.spawn(move || {
                for i in 0..60u64 {
                    let at = (thread * 1_234_567 + i * i * 1009) % 5_000_000;
                    let end = 5_000_000.min(at + [1, 511, 70_000, 3_000_000][(i % 4) as usize]);
                    let reader = if i % 3 == 0 { object } else { settled };
                    assert!(read(reader, at..end) == bytes[at as usize..end as usize]);
                }
            });
        }
    });
    assert_nothing_is_left();
    assert!(counters().bytes_in_flight_most <= 256 << 20);
}

#[test]
fn the_budget_is_kept_as_the_server_sees_it_while_readers_are_slow_or_read_nothing() {
    const RANGE: u64 = 50_000;
    const COUNT: u64 = 400;
    let budget = Budget::default().bytes(2 << 20).requests(12).request_bytes(128 << 10);
    let _alone = alone(budget);
    let server = Server::new();
    let bytes = content(3, (RANGE * COUNT) as usize);
    let object =
        Object::open(&server.put("a.bin", bytes.clone(), Some("1")), 100).unwrap().settled();
    server.most();
    let order = shuffled(COUNT, 9);
    order.iter().for_each(|i| assert!(object.will_need(i * RANGE..(i + 1) * RANGE).unwrap()));
    std::thread::sleep(std::time::Duration::from_millis(200));
    assert!(counters().bytes_in_flight <= budget.bytes);
    // Half of what was told is never read, and must not be in the way of the rest; readers of what was not told
    // come between.
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (object, order, bytes) = (&object, &order, &bytes);
            scope.spawn(move || {
                for i in order.iter().skip(thread * 2).step_by(8) {
                    let range = i * RANGE..(i + 1) * RANGE;
                    assert!(
                        read(object, range.clone())
                            == bytes[range.start as usize..range.end as usize]
                    );
                }
            });
        }
    });
    let (bytes, requests) = server.most();
    assert!(bytes <= budget.bytes, "{bytes} bytes in flight");
    assert!(requests <= budget.requests, "{requests} requests in flight");
    assert!(counters().bytes_unread > 0);
    drop(object);
    assert_nothing_is_left();
}

#[test]
fn objects_that_will_be_opened_are_asked_for_once() {
    let _alone = alone(Budget::default());
    let server = Server::new();
    let before = counters();
    let count = 300;
    let contents: Vec<_> = (0..count).map(|i| content(i as u64, 1000 + 37 * i)).collect();
    let put = |(i, bytes): (usize, &Vec<u8>)| server.put(&format!("{i}"), bytes.clone(), Some("1"));
    let urls: Vec<_> = contents.iter().enumerate().map(put).collect();
    urls.iter().for_each(|url| assert!(will_open(url, 1 << 20).unwrap()));
    for (url, bytes) in urls.iter().zip(&contents) {
        let object = Object::open(url, 1 << 20).unwrap();
        assert_eq!(object.bytes(), bytes.len() as u64);
        assert!(read(&object, 0..object.bytes()) == *bytes);
    }
    assert_eq!(asked_once(&server, before).len(), count);
    assert_nothing_is_left();
}

#[test]
fn an_object_without_bytes_can_be_opened() {
    let _alone = alone(Budget::default());
    let server = Server::new();
    let object = Object::open(&server.put("empty", Vec::new(), Some("1")), 100).unwrap();
    assert_eq!(object.bytes(), 0);
    assert!(read(&object, 0..10).is_empty());
    assert!(object.will_need(0..10).unwrap());
    assert_nothing_is_left();
}

#[test]
fn what_is_told_of_an_object_goes_with_its_last_handle() {
    let _alone = alone(Budget::default());
    let server = Server::new();
    let url = server.put("a", content(5, 1 << 20), Some("1"));
    let object = Object::open(&url, 100).unwrap().settled();
    object.will_need(0..1 << 20).unwrap();
    let other = Object::open(&url, 100).unwrap().settled();
    while counters().requests_in_flight > 0 || counters().bytes_in_flight == 0 {
        std::thread::yield_now();
    }
    drop(object);
    // Of the same object, so that what was fetched is there.
    server.asked();
    assert!(read(&other, 0..100) == content(5, 100));
    assert_eq!(server.asked(), []);
    drop(other);
    assert_nothing_is_left();
}

#[test]
fn a_budget_that_cannot_work_is_raised() {
    let _alone = alone(Budget::default());
    let set = set_budget(Budget::default().bytes(1).requests(0).request_bytes(1 << 40));
    assert_eq!((set, set.bytes, set.requests), (budget(), 256 << 10, 2));
    assert_eq!(set.request_bytes, 64 << 10);
    let server = Server::new();
    let bytes = content(6, 1 << 20);
    let object = Object::open(&server.put("a", bytes.clone(), None), 1 << 20).unwrap().settled();
    assert!(read(&object, 0..1 << 20) == bytes);
    assert!(server.most().0 <= 256 << 10);
}
