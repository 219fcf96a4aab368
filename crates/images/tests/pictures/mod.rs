//! The pictures of `corpus/` with what they decode to, and PNG files made by hand.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::fs;
use std::path::Path;

use tallow_images::{Color, Decoder, Head, Limits, Result, Window};

pub(crate) const COLORS: [Color; 4] = [Color::Rgb, Color::Gray, Color::Rgba, Color::Stored];

/// A file with the pixels that PIL, or the definition of its format, gives it.
pub(crate) struct Picture {
    pub(crate) name: String,
    pub(crate) payload: Vec<u8>,
    raw: Vec<u8>,
}

impl Picture {
    /// All of a folder of `corpus/`, in the order of their names. `NAME.png` and `NAME.interlaced.png`
    /// share `NAME.raw`.
    pub(crate) fn all(folder: &str) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
        let mut pictures: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .filter_map(|entry| {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let raw = format!("{}.raw", name.split('.').next().unwrap());
                let raw = fs::read(folder.join(&raw)).ok().filter(|_| raw != name)?;
                Some(Self { payload: fs::read(folder.join(&name)).unwrap(), name, raw })
            })
            .collect();
        pictures.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(pictures.len() > 5, "{}", folder.display());
        pictures
    }

    pub(crate) fn named(folder: &str, name: &str) -> Self {
        Self::all(folder).into_iter().find(|picture| picture.name == name).unwrap()
    }

    pub(crate) fn head(&self) -> Head {
        Head::read(&self.payload, &Limits::default()).unwrap()
    }

    /// Its pixels in a colour; 16-bit numbers in the machine's byte order.
    pub(crate) fn expected(&self, color: Color) -> Vec<u8> {
        let head = self.head();
        let n = head.height * head.width;
        match color {
            Color::Rgb => self.raw[..3 * n].to_vec(),
            Color::Gray => self.raw[3 * n..4 * n].to_vec(),
            Color::Rgba => self.raw[4 * n..8 * n].to_vec(),
            _ if head.pixel_bytes(color) == 2 * head.channels => self.raw[8 * n..]
                .chunks_exact(2)
                .flat_map(|pair| u16::from_le_bytes([pair[0], pair[1]]).to_ne_bytes())
                .collect(),
            _ => self.raw[8 * n..].to_vec(),
        }
    }
}

/// A window of a file, by a decoder that keeps nothing.
pub(crate) fn decode(payload: &[u8], color: Color, window: Option<&Window>) -> Result<Vec<u8>> {
    let limits = Limits::default();
    let head = Head::read(payload, &limits)?;
    let whole = head.whole();
    let window = window.unwrap_or(&whole);
    let mut pixels = vec![0xa5; window.pixels() * head.pixel_bytes(color)];
    Decoder::new().decode(payload, &head, color, &limits, window, &mut pixels)?;
    Ok(pixels)
}

/// A window of pixels that are given.
pub(crate) fn crop(pixels: &[u8], width: usize, pixel_bytes: usize, window: &Window) -> Vec<u8> {
    window
        .rows
        .clone()
        .flat_map(|row| {
            let first = row * width;
            pixels[(first + window.columns.start) * pixel_bytes..][..window.width() * pixel_bytes]
                .iter()
                .copied()
        })
        .collect()
}

/// The chunks of a PNG: name and data.
pub(crate) fn chunks(payload: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut rest = &payload[8..];
    let mut chunks = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let (name, after) = after.split_first_chunk::<4>().unwrap();
        let (data, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        chunks.push((*name, data.to_vec()));
        rest = &after[4..];
    }
    chunks
}

/// A PNG of these chunks, with right checksums.
pub(crate) fn png(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut payload = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in chunks {
        payload.extend((data.len() as u32).to_be_bytes());
        payload.extend(name);
        payload.extend(data);
        payload.extend(crc(name.iter().chain(data)).to_be_bytes());
    }
    payload
}

/// A zlib stream that stores its bytes as they are.
pub(crate) fn zlib(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let mut stream = vec![0x78, 0x01, 1];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend(bytes);
    let (a, b) = bytes.iter().fold((1_u32, 0_u32), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (a + b) % 65521)
    });
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// As PNG and Python's `zlib` have it.
pub(crate) fn crc<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Numbers that look random and are the same in every run: xorshift.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}
