//! An HTTP server with faults, on threads: a connection each.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) method: String,
    /// Within the object.
    pub(crate) range: Option<Range<u64>>,
    pub(crate) if_match: Option<String>,
    pub(crate) if_none_match: Option<String>,
    /// How many came before it.
    pub(crate) count: usize,
}

/// What is done to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// A status with a body, and after how many seconds to come back.
    Status(u16, Option<u64>),
    /// So many bytes of the body, then the connection ends.
    Cut(usize),
    /// So many bytes, in an answer that says of the range that it has all.
    Short(usize),
    /// More bytes than the range has.
    Long,
    /// The connection is reset before an answer.
    Reset,
    /// Nothing comes for so long.
    Late(Duration),
    /// Nothing comes.
    Hang,
    /// So many bytes of the body, then nothing comes.
    Stall(usize),
    /// The whole object.
    Whole,
    /// An answer for another range.
    Elsewhere,
    /// Somewhere else.
    Redirect(String),
}

type Faults = Box<dyn Fn(&Asked) -> Fault + Send + Sync>;

/// An object that is served.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) etag: Option<String>,
}

#[derive(Default)]
struct Shared {
    objects: Mutex<HashMap<String, Content>>,
    faults: Mutex<Option<Arc<Faults>>>,
    asked: Mutex<Vec<Asked>>,
    is_logged: AtomicBool,
    count: AtomicUsize,
    /// Of ranges that were asked for and not wholly sent.
    bytes: AtomicU64,
    bytes_most: AtomicU64,
    requests: AtomicUsize,
    requests_most: AtomicUsize,
    latency_us: AtomicU64,
    is_over: AtomicBool,
}

/// Serves until it is dropped.
pub(crate) struct Server {
    shared: Arc<Shared>,
    address: SocketAddr,
}

/// The bytes of an object with this seed: no two places of no two objects have the same for long.
pub(crate) fn content(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut all = Vec::with_capacity(bytes + 8);
    while all.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all.truncate(bytes);
    all
}

/// `0..count`, in an order that depends on the seed.
pub(crate) fn shuffled(count: u64, seed: u64) -> Vec<u64> {
    let mut order: Vec<u64> = (0..count).collect();
    let draws = content(seed, count as usize * 8);
    for (i, draw) in draws.chunks_exact(8).enumerate() {
        let draw = u64::from_le_bytes(draw.try_into().unwrap());
        order.swap(i, (draw % (i as u64 + 1)) as usize);
    }
    order
}

impl Server {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { is_logged: true.into(), ..Default::default() });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(SeqCst) {
                    break;
                }
                let shared = serving.clone();
                let serve = move || while serve_one(&shared, &stream).is_some() {};
                std::thread::Builder::new().stack_size(128 << 10).spawn(serve).unwrap();
            }
        });
        Self { shared, address }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// Serves `bytes` at `path`, and returns the URL.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>, etag: Option<&str>) -> String {
        let etag = etag.map(|etag| format!("\"{etag}\""));
        let content = Content { bytes: bytes.into(), etag };
        self.shared.objects.lock().unwrap().insert(format!("/{path}"), content);
        self.url(path)
    }

    pub(crate) fn fault(&self, faults: impl Fn(&Asked) -> Fault + Send + Sync + 'static) {
        *self.shared.faults.lock().unwrap() = Some(Arc::new(Box::new(faults)));
    }

    pub(crate) fn latency(&self, latency: Duration) {
        self.shared.latency_us.store(latency.as_micros() as u64, SeqCst);
    }

    pub(crate) fn log(&self, is_logged: bool) {
        self.shared.is_logged.store(is_logged, SeqCst);
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// The most bytes and requests under way since the last call.
    pub(crate) fn most(&self) -> (u64, usize) {
        (self.shared.bytes_most.swap(0, SeqCst), self.shared.requests_most.swap(0, SeqCst))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.is_over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

/// Counts a request while it is under way.
struct UnderWay<'a>(&'a Shared, u64);

impl<'a> UnderWay<'a> {
    fn new(shared: &'a Shared, bytes: u64) -> Self {
        let now = shared.bytes.fetch_add(bytes, SeqCst) + bytes;
        shared.bytes_most.fetch_max(now, SeqCst);
        let now = shared.requests.fetch_add(1, SeqCst) + 1;
        shared.requests_most.fetch_max(now, SeqCst);
        Self(shared, bytes)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.bytes.fetch_sub(self.1, SeqCst);
        self.0.requests.fetch_sub(1, SeqCst);
    }
}

/// The head of a request, but its last byte: a connection that is closed with that unread is reset.
fn head(mut stream: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let seen = stream.peek(&mut piece).ok().filter(|seen| *seen > 0)?;
        let before = head.len();
        head.extend_from_slice(&piece[..seen]);
        if let Some(end) = head.windows(4).position(|it| it == b"\r\n\r\n") {
            stream.read_exact(&mut piece[..end + 3 - before]).ok()?;
            head.truncate(end);
            return String::from_utf8(head).ok();
        }
        // The last three may begin the end.
        head.truncate(before + seen.saturating_sub(3));
        let taken = head.len() - before;
        if taken == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        stream.read_exact(&mut piece[..taken]).ok()?;
    }
}

fn serve_one(shared: &Shared, stream: &TcpStream) -> Option<()> {
    let text = head(stream)?;
    let mut lines = text.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let content = shared.objects.lock().unwrap().get(&path).cloned();
    let bytes = content.as_ref().map_or(0, |it| it.bytes.len() as u64);
    let range = headers.get("range").and_then(|it| {
        let (start, end) = it.strip_prefix("bytes=")?.split_once('-')?;
        let end = end.parse().map_or(bytes, |end: u64| (end + 1).min(bytes));
        Some(start.parse().ok()?..end)
    });
    let asked = Asked {
        path,
        method,
        range,
        if_match: headers.get("if-match").cloned(),
        if_none_match: headers.get("if-none-match").cloned(),
        count: shared.count.fetch_add(1, SeqCst),
    };
    let size = asked.range.as_ref().map_or(0, |range| range.end.saturating_sub(range.start));
    let under_way = UnderWay::new(shared, size);
    if shared.is_logged.load(SeqCst) {
        shared.asked.lock().unwrap().push(asked.clone());
    }
    let faults = shared.faults.lock().unwrap().clone();
    let fault = faults.map_or(Fault::None, |faults| faults(&asked));
    let latency = Duration::from_micros(shared.latency_us.load(SeqCst));
    if !latency.is_zero() {
        std::thread::sleep(latency);
    }
    answer(shared, stream, &asked, content.as_ref(), fault, under_way)
}

fn status(mut stream: &TcpStream, status: &str, headers: &str, body: &str) -> Option<()> {
    let text =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(text.as_bytes()).ok()
}

/// Until the other side goes away.
fn hang(shared: &Shared, stream: &TcpStream) -> Option<()> {
    let begun = Instant::now();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    while !shared.is_over.load(SeqCst) && begun.elapsed() < Duration::from_secs(100) {
        if matches!(stream.peek(&mut [0]), Ok(0)) {
            break;
        }
    }
    None
}

fn answer(
    shared: &Shared,
    mut stream: &TcpStream,
    asked: &Asked,
    content: Option<&Content>,
    fault: Fault,
    under_way: UnderWay<'_>,
) -> Option<()> {
    if fault == Fault::Reset {
        return None;
    }
    stream.read_exact(&mut [0]).ok()?;
    match &fault {
        Fault::Status(code, retry_after) => {
            let header = retry_after.map_or(String::new(), |it| format!("retry-after: {it}\r\n"));
            return status(stream, &format!("{code} Fault"), &header, "<Error>a fault</Error>");
        }
        Fault::Redirect(to) => {
            return status(stream, "307 There", &format!("location: {to}\r\n"), "");
        }
        Fault::Hang => return hang(shared, stream),
        Fault::Late(duration) => std::thread::sleep(*duration),
        _ => {}
    }
    let Some(content) = content else { return status(stream, "404 None", "", "") };
    let etag = content.etag.clone().unwrap_or_default();
    if asked.if_match.as_ref().is_some_and(|it| *it != etag) {
        return status(stream, "412 Changed", "", "");
    }
    if asked.if_none_match.as_ref().is_some_and(|it| *it == etag) {
        return status(stream, "304 Same", &format!("etag: {etag}\r\n"), "");
    }
    let size = content.bytes.len() as u64;
    let mut range = match (&asked.range, &fault) {
        (Some(range), fault) if *fault != Fault::Whole => range.clone(),
        _ => 0..size,
    };
    if range.start >= size && asked.range.is_some() {
        return status(stream, "416 None", &format!("content-range: bytes */{size}\r\n"), "");
    }
    if fault == Fault::Elsewhere {
        range = range.start + 1..range.end + 1;
    }
    let body = &content.bytes[range.start as usize..range.end.min(size) as usize];
    let mut head = match asked.range.is_some() && fault != Fault::Whole {
        true => format!(
            "HTTP/1.1 206 Part\r\ncontent-range: bytes {}-{}/{size}\r\n",
            range.start,
            range.end - 1
        ),
        false => "HTTP/1.1 200 OK\r\n".to_owned(),
    };
    if !etag.is_empty() {
        head += &format!("etag: {etag}\r\n");
    }
    head += "last-modified: Tue, 01 Sep 2026 00:00:00 GMT\r\n";
    let whole;
    let body = match fault {
        Fault::Short(bytes) => &body[..bytes.min(body.len())],
        Fault::Long => {
            whole = [body, b"more"].concat();
            &whole
        }
        _ => body,
    };
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).ok()?;
    if asked.method == "HEAD" {
        return Some(());
    }
    if let Fault::Cut(bytes) | Fault::Stall(bytes) = fault {
        stream.write_all(&body[..bytes.min(body.len())]).ok()?;
        return if let Fault::Stall(_) = fault { hang(shared, stream) } else { None };
    }
    // When the last byte is sent the other side may ask for more at once.
    let (last, most) = body
        .split_last()
        .map_or((&[][..], body), |(last, most)| (std::slice::from_ref(last), most));
    stream.write_all(most).ok()?;
    drop(under_way);
    stream.write_all(last).ok()
}
