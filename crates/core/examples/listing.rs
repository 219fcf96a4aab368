//! How long it takes, and how much memory, to open a folder of classes by the listing of a store:
//! `cargo run --release -p tallow-core --features remote --example listing -- 1000000`.
//!
//! The objects are named as ImageNet's, with entity tags of 32 digits. A thread is the store; it answers the one request
//! for the head of the first picture.

#![expect(clippy::print_stdout, reason = "a command line program")]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpListener;
use std::time::Instant;

use tallow_core::{ImageFolder, Source, StoreListing};

/// A picture of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n\x2d\xb4\0\0\0\0IEND\xaeB`\x82";

const CLASSES: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let count: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |it| it.parse())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || serve(&listener));
    let path = std::env::temp_dir().join(format!("tallow-{}.listing", std::process::id()));
    write(&url, count, BufWriter::new(File::create(&path)?))?;
    let file_bytes = path.metadata()?.len();
    let before = peak_kib()?;
    let begun = Instant::now();
    let listing = StoreListing::open(&path)?;
    let opened = begun.elapsed();
    let source = ImageFolder::open(listing.url())?;
    let total = begun.elapsed();
    std::fs::remove_file(&path)?;
    println!(
        "{} samples, {} classes, a file of {file_bytes} bytes",
        source.len(),
        source.classes().len()
    );
    println!("listing {opened:.2?}, with the folder {total:.2?}");
    println!("listing {} bytes, names {} bytes", listing.memory_bytes(), source.memory_bytes());
    println!("peak of the process {} KiB, {before} KiB of it before", peak_kib()?);
    Ok(())
}

fn write(url: &str, count: u64, mut into: impl Write) -> std::io::Result<()> {
    writeln!(into, "tallow-listing-1\t{count}\t{url}")?;
    for at in 0..count {
        let class = at / count.div_ceil(CLASSES);
        let tag = u128::from(at).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        let bytes = if at == 0 { PNG.len() as u64 } else { 100_000 + at % 20_000 };
        // The server gives no tag, so none is compared.
        writeln!(into, "{bytes}\t{tag:032x}\tn{class:08}/n{class:08}_{at:08}.JPEG")?;
    }
    into.flush()
}

/// Answers whatever is asked with the picture.
fn serve(listener: &TcpListener) {
    for mut stream in listener.incoming().flatten() {
        let Ok(reader) = stream.try_clone() else { continue };
        let lines = BufReader::new(reader).lines().map_while(Result::ok);
        for _ in lines.filter(String::is_empty) {
            let len = PNG.len();
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\nContent-Length: {len}\r\n\
                 Last-Modified: Fri, 27 Nov 2026 10:00:00 GMT\r\nContent-Range: bytes 0-{}/{len}\r\n\r\n",
                len - 1
            );
            if stream.write_all(&[head.as_bytes(), PNG].concat()).is_err() {
                break;
            }
        }
    }
}

/// The most memory that the process had, as Linux counts it.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kib.parse()?)
}
