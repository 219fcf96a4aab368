//! Pages on disk: each is fetched once, even if a process is killed or another one writes nonsense.

mod server;

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use server::{Asked, Fault, Server, content, shuffled};
use tallow_store::{
    Budget, Cache, Counters, ErrorKind, Object, cache, counters, set_budget, set_cache, will_open,
};

/// The cache is the process's.
static ALONE: Mutex<()> = Mutex::new(());

const BYTES: usize = 10_500_000;
const PAGES: usize = 11;
const PART: u64 = 100_000;
/// A page, which the opening brings.
const FIRST: u64 = 1 << 20;
/// What tells that an object was opened, and the head of that file.
const OPENED_BYTES: u64 = 512 + 168;

struct Stage {
    server: Server,
    url: String,
    bytes: Vec<u8>,
    folder: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Stage {
    fn new(cache_bytes: u64) -> Self {
        let alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        set_budget(Budget::default());
        let server = Server::new();
        let bytes = content(21, BYTES);
        let url = server.put("a.bin", bytes.clone(), Some("1"));
        let folder = tempfile::tempdir().unwrap();
        set_cache(Some(Cache::new(folder.path(), cache_bytes))).unwrap();
        Self { server, url, bytes, folder, _alone: alone }
    }

    /// Reads all in parts, in an order, told ahead or not, and says what was asked for, without the opening.
    fn read_all(&self, seed: u64, ahead: Ahead) -> (Vec<Asked>, Counters, Counters) {
        let before = counters();
        let object = Object::open(&self.url, 1).unwrap().settled();
        self.server.asked();
        let order = shuffled(BYTES as u64 / PART, seed);
        if ahead == Ahead::Told {
            order.iter().for_each(|i| assert!(object.will_need(i * PART..(i + 1) * PART).unwrap()));
        }
        for i in order {
            let range = i * PART..(i + 1) * PART;
            assert!(
                read(&object, range.clone())
                    == self.bytes[range.start as usize..range.end as usize]
            );
        }
        until_written();
        (self.server.asked(), before, counters())
    }

    /// Without the file that tells that the object was opened.
    fn pages(&self) -> Vec<PathBuf> {
        let mut files = files(self.folder.path());
        files.retain(|file| fs::metadata(file).is_ok_and(|it| it.len() != OPENED_BYTES));
        files
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        set_cache(None).unwrap();
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ahead {
    Told,
    Untold,
}

fn read(object: &Object, range: Range<u64>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let len = (range.end - range.start) as usize;
    object.read_at(range.start, len, &|| false, &mut |it| bytes.extend_from_slice(it)).unwrap();
    assert_eq!(bytes.len(), len);
    bytes
}

/// Nothing is held once what came is on disk.
fn until_written() {
    let begun = Instant::now();
    while counters().bytes_in_flight > 0 {
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", counters());
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Pages and what is being written.
fn files(folder: &Path) -> Vec<PathBuf> {
    let all = |folder: &Path| fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let folders = all(&folder.join("v1")).filter(|it| it.is_dir());
    folders.flat_map(|it| all(&it).collect::<Vec<_>>()).collect()
}

fn size(folder: &Path) -> u64 {
    // One may be renamed meanwhile.
    files(folder).iter().filter_map(|it| it.metadata().ok()).map(|it| it.len()).sum()
}

#[test]
fn each_page_is_fetched_once_and_then_read_from_disk() {
    for ahead in [Ahead::Told, Ahead::Untold] {
        let stage = Stage::new(1 << 30);
        let (asked, before, now) = stage.read_all(1, ahead);
        let fetched: u64 =
            asked.iter().map(|it| it.range.as_ref().map_or(0, |it| it.end - it.start)).sum();
        if now.hedges == before.hedges {
            assert_eq!(fetched, BYTES as u64 - FIRST, "{ahead:?}: {asked:?}");
        }
        assert_eq!(stage.pages().len(), PAGES);
        for seed in 2..5 {
            let (asked, before, now) = stage.read_all(seed, ahead);
            assert_eq!(asked, [], "{ahead:?}");
            assert_eq!(now.bytes_cached - before.bytes_cached, BYTES as u64 + FIRST + 512);
            assert_eq!(now.bytes_fetched, before.bytes_fetched);
        }
    }
}

#[test]
fn an_object_that_changed_is_fetched_again_and_one_without_a_tag_is_known_by_its_time() {
    let mut stage = Stage::new(1 << 30);
    for tag in [Some("2"), Some("3"), None] {
        stage.bytes = content(tag.map_or(9, |it| it.len() as u64 + it.as_bytes()[0] as u64), BYTES);
        stage.server.put("a.bin", stage.bytes.clone(), tag);
        assert!(!stage.read_all(1, Ahead::Told).0.is_empty(), "{tag:?}");
        assert_eq!(stage.read_all(2, Ahead::Told).0, [], "{tag:?}");
    }
}

#[test]
fn objects_that_were_opened_before_are_only_asked_whether_they_are_the_same() {
    let stage = Stage::new(1 << 30);
    let small = |i: u64| content(i, 100_000 + i as usize);
    let urls: Vec<_> =
        (0..20).map(|i| stage.server.put(&format!("{i}"), small(i), Some("1"))).collect();
    let read_all = |change: Option<u64>| {
        let before = counters();
        for url in &urls {
            assert!(will_open(url, 8 << 20).unwrap());
        }
        for (url, i) in urls.iter().zip(0u64..) {
            let object = Object::open(url, 8 << 20).unwrap();
            let found = read(&object, 0..object.bytes());
            assert!(found == small(if change == Some(i) { 50 } else { i }), "{i}");
        }
        until_written();
        let now = counters();
        let hedges = (now.hedges - before.hedges) as usize;
        assert_eq!(stage.server.asked().len() - hedges, 20);
        // What came for the slower one of two requests is counted, too.
        (now.bytes_fetched - before.bytes_fetched, hedges > 0)
    };
    let is_about = |(bytes, is_hedged): (u64, bool), expected: u64| match is_hedged {
        true => (expected..2 * expected + 1).contains(&bytes),
        false => bytes == expected,
    };
    let all = (0..20).map(|i| small(i).len() as u64).sum();
    assert!(is_about(read_all(None), all));
    assert!(is_about(read_all(None), 0));
    // One that changed is fetched, and then known as it is now.
    stage.server.put("7", small(50), Some("2"));
    assert!(is_about(read_all(Some(7)), 100_050));
    assert!(is_about(read_all(Some(7)), 0));
    // Who damages what is kept of an object has it fetched.
    for file in files(stage.folder.path()).iter().filter(|it| it.is_file()).step_by(3) {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
    }
    assert!(read_all(Some(7)).0 > 0);
    // Of an object both files of which were damaged, one is looked at the next time.
    read_all(Some(7));
    assert!(is_about(read_all(Some(7)), 0));
}

#[test]
fn pages_that_are_damaged_are_noticed_and_fetched_again() {
    let stage = Stage::new(1 << 30);
    stage.read_all(1, Ahead::Told);
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << (at % 8);
        fs::write(path, bytes).unwrap();
    };
    for (round, at) in [0, 9, 30, 100, 170, 70_000, 1_000_000, 123_457].into_iter().enumerate() {
        let pages = stage.pages();
        assert_eq!(pages.len(), PAGES);
        flip(&pages[round % PAGES], at);
        let other = &pages[(round + 1) % PAGES];
        let bytes = fs::read(other).unwrap();
        fs::write(other, &bytes[..bytes.len() - 1 - at.min(bytes.len() - 1)]).unwrap();
        // One page instead of another.
        fs::copy(&pages[(round + 2) % PAGES], &pages[(round + 3) % PAGES]).unwrap();
        let (asked, before, now) =
            stage.read_all(round as u64, [Ahead::Told, Ahead::Untold][round % 2]);
        assert_eq!(now.pages_damaged - before.pages_damaged, 3, "{at}");
        assert!(!asked.is_empty());
    }
}

#[test]
fn a_cache_that_is_too_small_stays_within_its_bytes_and_serves_a_part() {
    const SMALL: u64 = 16 << 20;
    let stage = Stage::new(SMALL);
    let urls: Vec<_> =
        (0..4).map(|i| stage.server.put(&format!("{i}"), content(i, BYTES), Some("1"))).collect();
    let mut fetched = Vec::new();
    for epoch in 0..4 {
        let before = counters();
        for (i, url) in urls.iter().enumerate() {
            let object = Object::open(url, 1).unwrap().settled();
            let bytes = content(i as u64, BYTES);
            for part in shuffled(BYTES as u64 / PART, epoch) {
                let range = part * PART..(part + 1) * PART;
                assert!(
                    read(&object, range.clone()) == bytes[range.start as usize..range.end as usize]
                );
            }
            until_written();
            assert!(size(stage.folder.path()) <= SMALL);
        }
        fetched.push(counters().bytes_fetched - before.bytes_fetched);
    }
    // What stays is chosen by name, so that most of what there is room for is found in each epoch. On a
    // machine with other work some requests are late and are asked for twice.
    let (all, least) = (4 * BYTES as u64, *fetched[1..].iter().min().unwrap());
    assert!(least < all - SMALL / 2, "{fetched:?} of {all}");
}

#[test]
fn a_disk_that_takes_nothing_more_is_none_that_fails() {
    let stage = Stage::new(1 << 30);
    // A file where a folder was, as root is refused nothing.
    for first in 0..=255u8 {
        let path = stage.folder.path().join(format!("v1/{first:02x}"));
        fs::remove_dir(&path).unwrap();
        fs::write(path, b"").unwrap();
    }
    for ahead in [Ahead::Told, Ahead::Untold] {
        let (_, before, now) = stage.read_all(1, ahead);
        assert!(now.pages_unwritten > before.pages_unwritten, "{ahead:?}");
    }
}

#[test]
fn a_cache_that_cannot_be_is_an_error_that_says_why() {
    let stage = Stage::new(1 << 30);
    let file = stage.folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = set_cache(Some(Cache::new(&file, 1 << 30))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cache);
    assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
    let error = set_cache(Some(Cache::new(stage.folder.path(), 1000))).unwrap_err();
    assert!(error.to_string().contains("too small"), "{error}");
    assert_eq!(cache().unwrap(), None);
}

/// Reads all of an object in another process, with the cache that its environment names. It is this test, which does
/// nothing by itself.
#[test]
fn child() {
    let Some(url) = std::env::var_os("TEST_URL") else { return };
    let number = |name: &str| -> u64 { std::env::var(name).unwrap().parse().unwrap() };
    let (content_seed, seed) = (number("TEST_CONTENT"), number("TEST_SEED"));
    let bytes = content(content_seed, BYTES);
    let object = Object::open(url.to_str().unwrap(), 1).unwrap().settled();
    let order = shuffled(BYTES as u64 / PART, seed);
    order.iter().for_each(|i| assert!(object.will_need(i * PART..(i + 1) * PART).unwrap()));
    for i in order {
        let range = i * PART..(i + 1) * PART;
        assert!(read(&object, range.clone()) == bytes[range.start as usize..range.end as usize]);
    }
    until_written();
}

fn spawn(stage: &Stage, seed: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env("TEST_URL", &stage.url)
        .env("TEST_CONTENT", "21")
        .env("TEST_SEED", seed.to_string())
        .env("TALLOW_STORE_CACHE", stage.folder.path())
        .env("TALLOW_STORE_CACHE_BYTES", "64M")
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn processes_that_are_killed_while_they_fill_the_cache_leave_nothing_wrong() {
    let stage = Stage::new(64 << 20);
    let delays = shuffled(400, 5);
    // So slow that the kills fall between pages.
    stage.server.latency(Duration::from_millis(3));
    for delay in &delays[..20] {
        let mut child = spawn(&stage, *delay);
        std::thread::sleep(Duration::from_millis(*delay));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(size(stage.folder.path()) <= 64 << 20);
        if delay % 3 == 0 {
            // Some pages are gone for the next to fill again.
            stage.pages().iter().step_by(2).for_each(|page| fs::remove_file(page).unwrap());
        }
    }
    stage.read_all(1, Ahead::Told);
    let (asked, before, now) = stage.read_all(2, Ahead::Untold);
    assert_eq!((asked, now.pages_damaged), (Vec::new(), before.pages_damaged));
    // What the killed left was removed by who wrote first after them, or is when a process begins to write.
    stage.pages().iter().for_each(|page| fs::remove_file(page).unwrap());
    assert!(spawn(&stage, 3).wait().unwrap().success());
    assert_eq!(stage.pages().len(), PAGES);
}

#[test]
fn processes_that_share_a_cache_ask_for_each_byte_once() {
    let stage = Stage::new(64 << 20);
    // So slow that all of them want the same pages at the same time.
    stage.server.latency(Duration::from_millis(30));
    let mut children: Vec<_> = (0..3).map(|seed| spawn(&stage, seed)).collect();
    children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
    assert_eq!(stage.pages().len(), PAGES);
    let asked = stage.server.asked();
    assert!(is_each_byte_once(&asked, 0), "{asked:?}");
    assert!(spawn(&stage, 9).wait().unwrap().success());
    assert_eq!(stage.server.asked().len(), 1, "but for the opening");
    assert_eq!(stage.read_all(1, Ahead::Told).0, []);
}

/// Whether these are all bytes of the object from here on, beside questions whether it is the same.
fn is_each_byte_once(asked: &[Asked], from: u64) -> bool {
    let reads = asked.iter().filter(|it| it.if_none_match.is_none());
    let mut ranges: Vec<_> = reads.filter_map(|it| it.range.clone()).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let end = ranges.iter().try_fold(from, |end, it| (it.start == end).then_some(it.end));
    end == Some(BYTES as u64)
}

#[test]
fn pages_of_a_process_that_is_killed_or_stopped_are_fetched_by_others() {
    for (signal, at_least, at_most) in [("KILL", 0, 3000), ("STOP", 3000, 20_000)] {
        let stage = Stage::new(64 << 20);
        // Its requests, but for the opening, are not answered.
        stage.server.fault(|asked| match asked.if_match.is_some() {
            true => Fault::Hang,
            false => Fault::None,
        });
        let mut child = spawn(&stage, 3);
        let begun = Instant::now();
        let mut asked = Vec::new();
        while asked.len() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{asked:?}");
            std::thread::sleep(Duration::from_millis(5));
            asked.extend(stage.server.asked());
        }
        stage.server.fault(|_| Fault::None);
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        set_budget(Budget::default().deadline(Duration::from_secs(6)));
        let begun = Instant::now();
        let (mut asked, before, now) = stage.read_all(1, Ahead::Told);
        let took = begun.elapsed();
        if now.hedges > before.hedges {
            // A machine with much to do makes slow requests, which are sent twice.
            asked.sort_unstable_by_key(|it| it.range.as_ref().map(|it| it.start));
            asked.dedup_by_key(|it| it.range.clone());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have been stopped before its first page was on disk.
        let is_once = is_each_byte_once(&asked, FIRST) || is_each_byte_once(&asked, 0);
        assert!(is_once, "{signal}: {took:?} {asked:?}");
        let (least, most) = (Duration::from_millis(at_least), Duration::from_millis(at_most));
        assert!((least..most).contains(&took), "{signal}: {took:?}");
        assert_eq!(stage.read_all(2, Ahead::Untold).0, [], "{signal}");
    }
}

#[test]
fn a_store_that_fails_fails_no_page_that_is_here() {
    let stage = Stage::new(1 << 30);
    stage.read_all(1, Ahead::Told);
    let object = Object::open(&stage.url, 1).unwrap().settled();
    stage.server.fault(|_| Fault::Status(403, None));
    assert!(read(&object, 0..BYTES as u64) == stage.bytes);
}
