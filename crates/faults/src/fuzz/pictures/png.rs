//! PNG files of all kinds, also those that no encoder at hand writes: interlaced, and of each depth.

use crate::dice::Dice;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Colour type, bits of a sample, samples of a pixel.
const KINDS: [(u8, usize, usize); 15] = [
    (0, 1, 1),
    (0, 2, 1),
    (0, 4, 1),
    (0, 8, 1),
    (0, 16, 1),
    (2, 8, 3),
    (2, 16, 3),
    (3, 1, 1),
    (3, 2, 1),
    (3, 4, 1),
    (3, 8, 1),
    (4, 8, 2),
    (4, 16, 2),
    (6, 8, 4),
    (6, 16, 4),
];

const PALETTE: u8 = 3;

/// Of each pass of Adam7: the first column and row, and the steps to the next ones.
const ADAM7: [[usize; 4]; 7] = [
    [0, 0, 8, 8],
    [4, 0, 8, 8],
    [0, 4, 4, 8],
    [2, 0, 4, 4],
    [0, 2, 2, 4],
    [1, 0, 2, 2],
    [0, 1, 1, 2],
];

/// A valid file of random pixels.
pub(super) fn file(dice: &mut Dice, [height, width]: [usize; 2], exif: Option<Vec<u8>>) -> Vec<u8> {
    let &(color, depth, samples) = dice.pick(&KINDS);
    let interlaced = dice.one_in(2);
    let bits = depth * samples;
    let mut data = Vec::new();
    let mut rows = |dice: &mut Dice, height: usize, width: usize| {
        for _ in 0..if width == 0 { 0 } else { height } {
            // Any bytes are the residuals of some pixels.
            data.push(dice.below(5) as u8);
            data.extend(dice.bytes((width * bits).div_ceil(8)));
        }
    };
    if interlaced {
        for [left, top, across, down] in ADAM7 {
            let of =
                |side: usize, first: usize, step: usize| side.saturating_sub(first).div_ceil(step);
            rows(dice, of(height, top, down), of(width, left, across));
        }
    } else {
        rows(dice, height, width);
    }
    let mut head = header(height as u32, width as u32);
    head.extend([depth as u8, color, 0, 0, u8::from(interlaced)]);
    let mut file = [SIGNATURE, &chunk(b"IHDR", &head)].concat();
    file.extend(exif.iter().flat_map(|exif| chunk(b"eXIf", exif)));
    if color == PALETTE {
        file.extend(chunk(b"PLTE", &dice.bytes(3 << depth)));
        if dice.one_in(2) {
            let entries = 1 + dice.below(1 << depth);
            file.extend(chunk(b"tRNS", &dice.bytes(entries)));
        }
    }
    let stream = stored(&data);
    let pieces = 1 + dice.below(3);
    stream.chunks(stream.len().div_ceil(pieces)).for_each(|it| file.extend(chunk(b"IDAT", it)));
    file.extend(chunk(b"IEND", b""));
    file
}

/// A picture of 8-bit grey whose pixels are this zlib stream, behind these chunks.
pub(super) fn grey(height: u32, width: u32, before: &[u8], stream: &[u8]) -> Vec<u8> {
    let head = [header(height, width), vec![8, 0, 0, 0, 0]].concat();
    let head = chunk(b"IHDR", &head);
    [SIGNATURE, &head, before, &chunk(b"IDAT", stream), &chunk(b"IEND", b"")].concat()
}

fn header(height: u32, width: u32) -> Vec<u8> {
    [width.to_be_bytes(), height.to_be_bytes()].concat()
}

pub(super) fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let checked = [kind, data].concat();
    [&(data.len() as u32).to_be_bytes()[..], &checked, &crc(&checked).to_be_bytes()].concat()
}

/// The checksum of a chunk, from annex D of the specification.
fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ crc >> 1 } else { crc >> 1 };
        }
    }
    !crc
}

/// A zlib stream of these bytes, not compressed.
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 1];
    let mut blocks = data.chunks(usize::from(u16::MAX)).peekable();
    while let Some(block) = blocks.next() {
        let len = block.len() as u16;
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(len.to_le_bytes());
        stream.extend((!len).to_le_bytes());
        stream.extend(block);
    }
    let (a, b) = data.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// A zlib stream of this length that inflates to about 158 times as much: the codes of one zero and of
/// as many copies of 258 bytes as there is room for. It has no end.
pub(super) fn inflating(len: usize) -> Vec<u8> {
    // With fixed codes, a literal 0 is the bits 00110000, length 258 is 11000101, and distance 1 is
    // 00000, from the first bit to the last.
    const BLOCK: &str = "110";
    const ZERO: &str = "00110000";
    const COPY: &str = "1100010100000";
    let copies = len * 8 / COPY.len();
    let bits = BLOCK.bytes().chain(ZERO.bytes());
    let bits: Vec<u8> = bits.chain(std::iter::repeat_n(COPY.bytes(), copies).flatten()).collect();
    let byte =
        |bits: &[u8]| bits.iter().enumerate().fold(0, |byte, (at, bit)| byte | (bit & 1) << at);
    [0x78, 1].into_iter().chain(bits.chunks(8).map(byte)).collect()
}
