//! An HTTP server of one folder, with ranges, entity tags and WebDAV listings, that can fail on purpose.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a request instead of a right answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 503.
    Busy,
    /// The connection is closed before an answer.
    Reset,
    /// The connection is closed within the body.
    Cut,
    /// The whole object, whatever was asked for.
    NoRange,
}

/// What the server was asked for and what it is to do with the next requests.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) faults: Vec<Fault>,
    pub(crate) ranges: Vec<(String, u64, u64)>,
    pub(crate) etag: u32,
    /// How long each answer takes.
    pub(crate) latency: Duration,
    /// How often it was asked what there is, instead of for bytes.
    pub(crate) looked: usize,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) plan: Arc<Mutex<Plan>>,
}

impl Server {
    /// Serves `root` until the process ends.
    pub(crate) fn of(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let plan: Arc<Mutex<Plan>> = Arc::default();
        let (root, shared) = (root.to_owned(), plan.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (root, plan) = (root.clone(), shared.clone());
                std::thread::spawn(move || while answer(&stream, &root, &plan).is_some() {});
            }
        });
        Self { url, plan }
    }

    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.url)
    }
}

/// Answers one request; `None` when the connection is over.
fn answer(stream: &TcpStream, root: &Path, plan: &Mutex<Plan>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let value = |name: &str| {
        lines.iter().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    if let Some(len) = value("content-length").and_then(|len| len.parse().ok()) {
        reader.read_exact(&mut vec![0; len]).ok()?;
    }
    let mut words = lines[0].split(' ');
    let (method, name) = (words.next()?, words.next()?.trim_start_matches('/').to_owned());
    let path = root.join(&name);
    plan.lock().unwrap().looked += usize::from(method != "GET");
    if method == "PROPFIND" {
        if !path.exists() {
            return send(stream, "404 Not Found", "", b"", 0);
        }
        let is_deep = value("depth").is_some_and(|depth| depth == "infinity");
        let body = listing(root, &path, is_deep, plan.lock().unwrap().etag);
        return send(stream, "207 Multi-Status", "", body.as_bytes(), body.len());
    }
    let (fault, etag, latency) = {
        let mut plan = plan.lock().unwrap();
        let fault = value("range").and_then(|_| plan.faults.pop());
        (fault, format!("\"{}\"", plan.etag), plan.latency)
    };
    std::thread::sleep(latency);
    let Ok(bytes) = std::fs::read(&path) else { return send(stream, "404 Not Found", "", b"", 0) };
    if value("if-match").is_some_and(|wanted| wanted != etag) {
        return send(stream, "412 Precondition Failed", "", b"", 0);
    }
    let head = format!("ETag: {etag}\r\nLast-Modified: Fri, 27 Nov 2026 10:00:00 GMT\r\n");
    let range = value("range").filter(|_| fault != Some(Fault::NoRange));
    let Some((first, last)) =
        range.as_deref().and_then(|it| it.strip_prefix("bytes=")?.split_once('-'))
    else {
        let body = if method == "HEAD" { &[][..] } else { &bytes };
        return send(stream, "200 OK", &head, body, bytes.len());
    };
    let first: usize = first.parse().ok()?;
    let end = (last.parse::<usize>().ok()? + 1).min(bytes.len());
    if first >= end {
        return send(stream, "416 Range Not Satisfiable", "", b"", 0);
    }
    plan.lock().unwrap().ranges.push((name, first as u64, end as u64));
    let head = format!("{head}Content-Range: bytes {first}-{}/{}\r\n", end - 1, bytes.len());
    let body = &bytes[first..end];
    match fault {
        Some(Fault::Busy) => send(stream, "503 Slow Down", "", b"", 0),
        Some(Fault::Reset) => None,
        Some(Fault::Cut) => {
            send(stream, "206 Partial Content", &head, &body[..body.len() / 2], body.len())?;
            stream.shutdown(std::net::Shutdown::Both).ok();
            None
        }
        _ => send(stream, "206 Partial Content", &head, body, body.len()),
    }
}

fn send(mut stream: &TcpStream, status: &str, head: &str, body: &[u8], len: usize) -> Option<()> {
    let head = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {len}\r\n\r\n");
    // At once: a second write would wait for the first one to be confirmed, which takes 40 ms.
    stream.write_all(&[head.as_bytes(), body].concat()).ok()
}

/// What WebDAV says of a folder and of what lies in it.
fn listing(root: &Path, folder: &Path, is_deep: bool, etag: u32) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?><D:multistatus xmlns:D=\"DAV:\">");
    let mut paths = vec![folder.to_owned()];
    let mut done = 0;
    while done < paths.len() {
        let path = paths[done].clone();
        if done == 0 || is_deep {
            let below = std::fs::read_dir(&path).into_iter().flatten();
            paths.extend(below.map(|it| it.unwrap().path()));
        }
        done += 1;
        let href = path.strip_prefix(root).unwrap().display();
        let kind = if path.is_dir() { "<D:collection/>" } else { "" };
        let len = path.metadata().unwrap().len();
        write!(
            text,
            "<D:response><D:href>/{href}</D:href><D:propstat><D:prop>\
             <D:getlastmodified>Fri, 27 Nov 2026 10:00:00 GMT</D:getlastmodified>\
             <D:getcontentlength>{len}</D:getcontentlength>\
             <D:getetag>\"{etag}\"</D:getetag>\
             <D:resourcetype>{kind}</D:resourcetype></D:prop>\
             <D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>"
        )
        .unwrap();
    }
    text + "</D:multistatus>"
}
