//! Small files that claim much: whatever they are, they are refused or decoded soon, in the memory that
//! was planned.

use std::io;

use jpeg_encoder::{ColorType, Encoder};

use super::png;
use crate::dice::Dice;

/// The length of streams and of metadata.
const LEN: usize = 1 << 20;

pub(super) fn file(dice: &mut Dice) -> io::Result<Vec<u8>> {
    Ok(match dice.below(8) {
        0 => png::grey(65_535, 65_535, b"", &png::inflating(1000)),
        // As large as is accepted, and a stream of a hundred times as much.
        1 => png::grey(512, 512, b"", &png::inflating(LEN)),
        2 => {
            let text = [b"key\0\0", &png::inflating(LEN)[..]].concat();
            let kind = *dice.pick(&[b"zTXt", b"iCCP", b"iTXt", b"tEXt"]);
            png::grey(9, 9, &png::chunk(kind, &text), &png::inflating(1000))
        }
        3 => large_webp(),
        4 => sized(&jpeg(false)?, 65_535),
        5 => repeated(&jpeg(dice.one_in(2))?, 1000 + dice.below(9000)),
        6 => metadata(&jpeg(false)?),
        _ => sized(&jpeg(true)?, 65_535),
    })
}

fn jpeg(progressive: bool) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 50);
    encoder.set_progressive(progressive);
    encoder.encode(&[7; 64 * 64], 64, 64, ColorType::Luma).map_err(io::Error::other)?;
    Ok(file)
}

/// Where the first segment of one of these kinds begins.
fn segment(file: &[u8], kinds: &[u8]) -> usize {
    let mut at = 2;
    while !kinds.contains(&file[at + 1]) {
        at += 2 + usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
    }
    at
}

const FRAMES: [u8; 2] = [0xc0, 0xc2];
const SCAN: u8 = 0xda;

/// A JPEG that claims other sides than it has.
fn sized(file: &[u8], side: u16) -> Vec<u8> {
    let mut file = file.to_vec();
    let at = segment(&file, &FRAMES) + 5;
    file[at..at + 2].copy_from_slice(&side.to_be_bytes());
    file[at + 2..at + 4].copy_from_slice(&side.to_be_bytes());
    file
}

/// A JPEG whose last scan comes many times.
fn repeated(file: &[u8], times: usize) -> Vec<u8> {
    let last = file.windows(2).rposition(|pair| pair == [0xff, SCAN]).unwrap_or(0);
    let (before, scan) = file[..file.len() - 2].split_at(last);
    [before, &scan.repeat(times.min(LEN / scan.len())), &[0xff, 0xd9]].concat()
}

/// A JPEG behind many segments of metadata, of any kind.
fn metadata(file: &[u8]) -> Vec<u8> {
    let len = usize::from(u16::MAX);
    let of = |kind: u8| {
        let head = [0xff, kind, 0xff, 0xff];
        [&head[..], b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", &vec![1; len - 2 - 16]].concat()
    };
    let kinds = (0xe0..=0xef).chain([0xfe]).cycle().take(LEN / len);
    [&file[..2], &kinds.flat_map(of).collect::<Vec<u8>>(), &file[2..]].concat()
}

/// An extended WebP that claims the largest canvas, and has nothing in it.
fn large_webp() -> Vec<u8> {
    let canvas = [&[0x10, 0, 0, 0][..], &[0xff; 6]].concat();
    let chunk = [b"VP8X", &10_u32.to_le_bytes()[..], &canvas].concat();
    let len = (4 + chunk.len()) as u32;
    [b"RIFF", &len.to_le_bytes()[..], b"WEBP", &chunk].concat()
}
