//! Decodes the pictures of a folder again and again, and prints how many per second.
//!
//! ```text
//! cargo run --release -p tallow-images --example decode -- FOLDER [--times N] [--rrc] [--gray] [--heads] [--scale N]
//! ```
//!
//! With `--scale 2`, 4 or 8, at that part of their size; a JPEG, that is.
//! With `--rrc`, a window of each picture as `RandomResizedCrop` chooses it, the same in every run.
//! With `--dump FILE`, the pixels of all pictures are written there, in the order of the files' names.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use tallow_images::{Color, Decoder, Head, Limits, Scale, Window};

struct Options {
    folder: PathBuf,
    times: usize,
    is_rrc: bool,
    only_heads: bool,
    color: Color,
    scale: Scale,
    dump: Option<PathBuf>,
}

fn options() -> Option<Options> {
    let mut arguments = std::env::args().skip(1);
    let mut options = Options {
        folder: arguments.next()?.into(),
        times: 5,
        is_rrc: false,
        only_heads: false,
        color: Color::Rgb,
        scale: Scale::Whole,
        dump: None,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--times" => options.times = arguments.next()?.parse().ok()?,
            "--rrc" => options.is_rrc = true,
            "--heads" => options.only_heads = true,
            "--gray" => options.color = Color::Gray,
            "--scale" => {
                let divisor = arguments.next()?.parse().ok()?;
                options.scale =
                    Scale::SMALLER.into_iter().find(|scale| scale.divisor() == divisor)?;
            }
            "--dump" => options.dump = Some(arguments.next()?.into()),
            _ => return None,
        }
    }
    Some(options)
}

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) >> 11) as f64 / (1u64 << 53) as f64 * end
    }

    /// A window of 8% to 100% of the picture, of an aspect ratio from 3:4 to 4:3.
    fn window(&mut self, head: &Head) -> Window {
        let (height, width) = (head.height as f64, head.width as f64);
        for _ in 0..10 {
            let area = height * width * (0.08 + self.below(0.92));
            let log = (4f64 / 3.).ln();
            let ratio = (self.below(2. * log) - log).exp();
            let (w, h) = ((area * ratio).sqrt().round(), (area / ratio).sqrt().round());
            if w <= width && h <= height && w >= 1. && h >= 1. {
                let (y, x) =
                    (self.below(height - h + 1.) as usize, self.below(width - w + 1.) as usize);
                return Window { rows: y..y + h as usize, columns: x..x + w as usize };
            }
        }
        head.whole()
    }
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = options()
        .ok_or("FOLDER [--times N] [--rrc] [--gray] [--heads] [--scale N] [--dump FILE]")?;
    let mut paths: Vec<_> = std::fs::read_dir(&options.folder)?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    let files = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    let bytes: usize = files.iter().map(Vec::len).sum();
    let (mut decoder, limits) = (Decoder::new(), Limits::default());
    let mut dump = options.dump.map(std::fs::File::create).transpose()?;
    // Of each picture the fastest run: what else the machine does then counts little.
    let mut fastest = vec![f64::INFINITY; files.len()];
    let mut pixels = Vec::new();
    let mut decoded = 0;
    for _ in 0..options.times {
        let mut random = Random(7);
        decoded = 0;
        for ((path, file), fastest) in paths.iter().zip(&files).zip(&mut fastest) {
            let start = Instant::now();
            let failed = |error| format!("{}: {error}", path.display());
            let head = Head::read(file, &limits).map_err(failed)?;
            let head = head.scaled(options.scale).unwrap_or(head);
            let window = match (options.only_heads, options.is_rrc) {
                (true, _) => Window { rows: 0..0, columns: 0..0 },
                (_, true) => random.window(&head),
                _ => head.whole(),
            };
            pixels.resize(window.pixels() * head.pixel_bytes(options.color), 0);
            if !options.only_heads {
                let limits = &limits;
                decoder
                    .decode(file, &head, options.color, limits, &window, &mut pixels)
                    .map_err(failed)?;
            }
            *fastest = fastest.min(start.elapsed().as_secs_f64());
            decoded += window.pixels();
            if let Some(dump) = &mut dump {
                dump.write_all(&pixels)?;
            }
        }
        dump = None;
    }
    let best: f64 = fastest.iter().sum();
    println!(
        "{} pictures: {:.1} per second, {:.3} ms each, {:.1} MB of files and {:.1} million pixels per second",
        files.len(),
        files.len() as f64 / best,
        best * 1e3 / files.len() as f64,
        bytes as f64 / best / 1e6,
        decoded as f64 / best / 1e6,
    );
    Ok(())
}
