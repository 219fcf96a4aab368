//! Servers that do what they should not: no wrong byte, no hang beyond the deadline, errors that say what to do.

mod server;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use server::{Asked, Fault, Server, content};
use tallow_store::{Budget, Error, ErrorKind, Object, counters, set_budget, will_open};

/// The budget is the process's.
static ALONE: Mutex<()> = Mutex::new(());

const BYTES: usize = 3_000_000;
const DEADLINE: Duration = Duration::from_secs(2);

/// What a server has, and an object of it that is open; then it begins to fail.
struct Stage {
    server: Server,
    bytes: Vec<u8>,
    object: Object,
    _alone: std::sync::MutexGuard<'static, ()>,
}

impl Stage {
    fn new(etag: Option<&str>) -> Self {
        let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        set_budget(Budget::default().deadline(DEADLINE).request_bytes(256 << 10));
        let server = Server::new();
        let bytes = content(11, BYTES);
        let url = server.put("folder/a.bin", bytes.clone(), etag);
        let object = Object::open(&url, 100).unwrap().settled();
        server.asked();
        Self { server, bytes, object, _alone: alone }
    }

    /// Reads all in parts of 100,000 bytes, half of them told ahead, and compares.
    fn read_all(&self) -> Result<(), Error> {
        let parts: Vec<_> = (0..BYTES as u64).step_by(100_000).collect();
        for at in parts.iter().skip(1).step_by(2) {
            assert!(self.object.will_need(*at..at + 100_000).unwrap());
        }
        for at in parts {
            let part = read(&self.object, at..at + 100_000)?;
            assert!(part == self.bytes[at as usize..at as usize + 100_000], "wrong bytes at {at}");
        }
        Ok(())
    }
}

fn read(object: &Object, range: Range<u64>) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let len = (range.end - range.start) as usize;
    let read =
        object.read_at(range.start, len, &|| false, &mut |it| bytes.extend_from_slice(it))?;
    assert_eq!(read, len);
    Ok(bytes)
}

/// Does this to the first request for each range.
fn at_first(fault: Fault) -> impl Fn(&Asked) -> Fault + Send + Sync {
    let seen = Mutex::new(HashMap::new());
    move |asked| {
        let mut seen = seen.lock().unwrap();
        let count = seen.entry(asked.range.clone()).or_insert(0);
        *count += 1;
        if *count == 1 { fault.clone() } else { Fault::None }
    }
}

#[test]
fn what_fails_once_is_asked_for_again_and_right() {
    let faults = [
        Fault::Status(503, None),
        Fault::Status(429, Some(1)),
        Fault::Status(500, None),
        Fault::Cut(0),
        Fault::Cut(70_000),
        Fault::Short(70_000),
        Fault::Long,
        Fault::Reset,
    ];
    for etag in [Some("1"), None] {
        for fault in &faults {
            let stage = Stage::new(etag);
            let (before, begun) = (counters(), Instant::now());
            stage.server.fault(at_first(fault.clone()));
            stage.read_all().unwrap_or_else(|error| panic!("{fault:?}: {error}"));
            let now = counters();
            assert!(now.retries > before.retries, "{fault:?}");
            let asked = stage.server.asked().len() as u64;
            assert!(asked <= now.requests - before.requests, "{fault:?}: more than is counted");
            // 23 requests one after the other, about, with a pause each.
            assert!(begun.elapsed() < Duration::from_secs(30), "{fault:?}");
        }
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_is() {
    let stage = Stage::new(Some("1"));
    let times = std::sync::Arc::new(Mutex::new(Vec::new()));
    let (first, seen) = (at_first(Fault::Status(503, Some(1))), times.clone());
    stage.server.fault(move |asked| {
        seen.lock().unwrap().push(Instant::now());
        first(asked)
    });
    assert!(read(&stage.object, 0..10).unwrap() == stage.bytes[..10]);
    let times = times.lock().unwrap();
    // No second request beside the first, either.
    assert!(times.len() > 1);
    assert!(times[1..].iter().all(|it| *it - times[0] >= Duration::from_secs(1)), "{times:?}");
}

#[test]
fn what_fails_each_time_is_an_error_within_the_deadline_that_says_what_and_where() {
    let faults = [
        Fault::Status(503, None),
        Fault::Status(503, Some(100)),
        Fault::Cut(0),
        Fault::Short(0),
        Fault::Long,
        Fault::Reset,
        Fault::Hang,
        Fault::Stall(10),
        Fault::Elsewhere,
    ];
    for fault in faults {
        let stage = Stage::new(Some("1"));
        let begun = Instant::now();
        let always = fault.clone();
        stage.server.fault(move |_| always.clone());
        let error = read(&stage.object, 5000..9000).unwrap_err();
        // A first try that began at the end of the deadline goes on for half of it.
        assert!(begun.elapsed() < 3 * DEADLINE, "{fault:?} took {:?}", begun.elapsed());
        assert_eq!(error.kind(), ErrorKind::Failed, "{fault:?}: {error}");
        let text = error.to_string();
        assert!(text.starts_with("bytes 5000 to 9000 of http://127.0.0.1:"), "{text}");
        assert!(text.contains("/folder/a.bin: "), "{text}");
        assert!(!text.contains('\n') && text.len() < 700, "{text}");
        // The next read is another one.
        stage.server.fault(|_| Fault::None);
        stage.read_all().unwrap();
    }
}

#[test]
fn a_first_byte_that_is_late_and_requests_that_hang_hold_nobody_up_for_long() {
    let late = Fault::Late(Duration::from_secs(2));
    for fault in [late, Fault::Hang, Fault::Stall(1000)] {
        let stage = Stage::new(Some("1"));
        let count = AtomicUsize::new(0);
        let one = fault.clone();
        stage.server.fault(move |_| match count.fetch_add(1, SeqCst) % 50 {
            3 => one.clone(),
            _ => Fault::None,
        });
        let (before, begun) = (counters(), Instant::now());
        for _ in 0..5 {
            stage.read_all().unwrap();
        }
        let hedges = counters().hedges - before.hedges;
        assert!(begun.elapsed() < Duration::from_secs(15), "{fault:?} took {:?}", begun.elapsed());
        assert!(hedges > 0, "{fault:?}");
    }
}

#[test]
fn an_object_that_changes_in_the_middle_is_an_error_and_never_a_mixture() {
    for etag in [Some("1"), None] {
        let stage = Stage::new(etag);
        assert!(read(&stage.object, 0..100).unwrap() == stage.bytes[..100]);
        // Without a tag, its length tells.
        let other = content(12, if etag.is_some() { BYTES } else { BYTES + 1 });
        stage.server.put("folder/a.bin", other.clone(), etag.map(|_| "2"));
        let error = read(&stage.object, 100..200).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        assert!(error.to_string().contains("open it again"), "{error}");
        let again = Object::open(&stage.server.url("folder/a.bin"), 10).unwrap().settled();
        assert!(read(&again, 100..200).unwrap() == other[100..200]);
    }
}

#[test]
fn a_body_that_breaks_is_not_resumed_with_the_bytes_of_another_object() {
    let stage = Stage::new(Some("1"));
    let server = std::sync::Arc::new(stage.server);
    let first = at_first(Fault::Cut(50_000));
    let (weak, other) = (std::sync::Arc::downgrade(&server), content(13, BYTES));
    server.fault(move |asked| {
        let fault = first(asked);
        if let (Fault::Cut(_), Some(server)) = (&fault, weak.upgrade()) {
            // This request is answered with what was there before.
            let (bytes, server) = (other.clone(), server);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(30));
                server.put("folder/a.bin", bytes, Some("2"));
            });
        }
        fault
    });
    let error = read(&stage.object, 0..100_000).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
}

#[test]
fn credentials_that_are_refused_are_an_error_at_once() {
    let stage = Stage::new(Some("1"));
    for status in [403, 401] {
        stage.server.fault(move |_| Fault::Status(status, None));
        let begun = Instant::now();
        let error = read(&stage.object, 0..100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("credentials"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn a_server_without_ranges_is_told_from_one_that_fails() {
    let stage = Stage::new(Some("1"));
    stage.server.fault(|_| Fault::Whole);
    let url = stage.server.url("folder/a.bin");
    for error in [read(&stage.object, 0..100).unwrap_err(), Object::open(&url, 100).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Place, "{error}");
        assert!(error.to_string().contains("range requests"), "{error}");
    }
}

#[test]
fn redirects_are_followed_and_circles_are_not() {
    let stage = Stage::new(Some("1"));
    let there = Server::new();
    let url = there.put("b.bin", stage.bytes.clone(), Some("1"));
    stage.server.fault(move |_| Fault::Redirect(url.clone()));
    stage.read_all().unwrap();
    assert!(!there.asked().is_empty());
    let own = stage.server.url("folder/a.bin?X-Amz-Signature=topsecret");
    stage.server.fault(move |_| Fault::Redirect(own.clone()));
    let begun = Instant::now();
    let error = read(&stage.object, 0..100).unwrap_err();
    assert!(begun.elapsed() < 3 * DEADLINE);
    assert!(!error.to_string().contains("topsecret"), "{error}");
}

#[test]
fn opening_fails_as_reading_does() {
    let stage = Stage::new(Some("1"));
    let missing = Object::open(&stage.server.url("none"), 100).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Absent, "{missing}");
    assert!(missing.to_string().contains("/none: no such object"), "{missing}");
    let url = stage.server.url("folder/a.bin");
    for fault in [Fault::Status(503, None), Fault::Cut(10), Fault::Short(10), Fault::Reset] {
        stage.server.fault(at_first(fault.clone()));
        assert!(will_open(&url, 1000).unwrap());
        let object = Object::open(&url, 1000).unwrap();
        assert!(read(&object, 0..1000).unwrap() == stage.bytes[..1000], "{fault:?}");
    }
    let secret = "https://key:topsecret@localhost/a";
    for error in [Object::open(secret, 10).unwrap_err(), will_open(secret, 10).unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Place);
        assert!(!format!("{error} {error:?}").contains("topsecret"), "{error:?}");
    }
}

#[test]
fn a_reader_that_is_told_to_stop_does_and_leaves_nothing() {
    let stage = Stage::new(Some("1"));
    stage.server.fault(|_| Fault::Hang);
    let begun = Instant::now();
    let is_stopped = || begun.elapsed() > Duration::from_millis(300);
    let error = stage.object.read_at(0, BYTES, &is_stopped, &mut |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert!(begun.elapsed() < Duration::from_secs(1));
    stage.server.fault(|_| Fault::None);
    stage.read_all().unwrap();
}
