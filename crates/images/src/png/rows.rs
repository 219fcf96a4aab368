//! Rows of numbers as they are stored become rows of pixels.

use std::ops::Range;

use super::chunks::Front;
use crate::Color;
use crate::convert::{convert, luma};

/// How the wanted columns of a row are converted.
pub(super) struct Conversion {
    columns: Range<usize>,
    bits: usize,
    channels: usize,
    color: Color,
    to: To,
}

enum To {
    /// The numbers themselves, one byte each or as many as they have.
    Numbers,
    /// What each number of one channel of up to 8 bits becomes: grey values and palettes of any kind
    /// are the same work once this is made.
    Table(Box<[[u8; 4]; 256]>),
    /// More channels, or 16 bits, with the pixel that is transparent.
    Channels(Option<Vec<u8>>),
}

impl Conversion {
    pub(super) fn new(front: &Front<'_>, color: Color, columns: Range<usize>) -> Self {
        let header = &front.header;
        let is_gray = header.channels == 1 && header.bits == 8 && !header.is_palette;
        let to = match color {
            Color::Stored => To::Numbers,
            Color::Gray if is_gray => To::Numbers,
            _ if header.channels == 1 && header.bits <= 8 => {
                To::Table(Box::new(table(front, color)))
            }
            _ => To::Channels(transparent(front)),
        };
        Self { columns, bits: header.bits, channels: header.channels, color, to }
    }

    /// Writes the wanted columns of a row. `numbers` is memory for those of less than 8 bits.
    pub(super) fn row(&self, raw: &[u8], numbers: &mut Vec<u8>, pixels: &mut [u8]) {
        if self.bits < 8 {
            numbers.resize(self.columns.len(), 0);
            match self.bits {
                1 => unpack::<1>(raw, self.columns.start, numbers),
                2 => unpack::<2>(raw, self.columns.start, numbers),
                _ => unpack::<4>(raw, self.columns.start, numbers),
            }
            return self.bytes(numbers, pixels);
        }
        let pixel = self.channels * self.bits / 8;
        let wanted = &raw[self.columns.start * pixel..self.columns.end * pixel];
        let color = self.color;
        match (&self.to, self.channels, self.bits) {
            (To::Channels(key), 1, 16) => convert::<1, 2>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), 2, 8) => convert::<2, 1>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), 2, 16) => convert::<2, 2>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), 3, 8) => convert::<3, 1>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), 3, 16) => convert::<3, 2>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), _, 8) => convert::<4, 1>(wanted, color, key.as_deref(), pixels),
            (To::Channels(key), _, _) => convert::<4, 2>(wanted, color, key.as_deref(), pixels),
            (To::Numbers, _, 16) => native(wanted, pixels),
            _ => self.bytes(wanted, pixels),
        }
    }

    /// Numbers of one byte each.
    fn bytes(&self, numbers: &[u8], pixels: &mut [u8]) {
        match (&self.to, self.color) {
            (To::Table(table), Color::Gray) => look_up::<1>(table, numbers, pixels),
            (To::Table(table), Color::Rgb) => look_up::<3>(table, numbers, pixels),
            (To::Table(table), _) => look_up::<4>(table, numbers, pixels),
            _ => pixels.copy_from_slice(numbers),
        }
    }
}

/// Numbers of `BITS` bits, the first in the upper bits of a byte, from column `start` on.
fn unpack<const BITS: usize>(raw: &[u8], start: usize, numbers: &mut [u8]) {
    let per_byte = 8 / BITS;
    let mask = (1 << BITS) - 1;
    for (column, number) in (start..).zip(numbers) {
        let shift = (per_byte - 1 - column % per_byte) * BITS;
        *number = raw[column / per_byte] >> shift & mask;
    }
}

fn look_up<const N: usize>(table: &[[u8; 4]; 256], numbers: &[u8], pixels: &mut [u8]) {
    for (to, &number) in pixels.chunks_exact_mut(N).zip(numbers) {
        to.copy_from_slice(&table[usize::from(number)][..N]);
    }
}

fn native(raw: &[u8], pixels: &mut [u8]) {
    for (to, from) in pixels.chunks_exact_mut(2).zip(raw.chunks_exact(2)) {
        to.copy_from_slice(&u16::from_be_bytes([from[0], from[1]]).to_ne_bytes());
    }
}

/// What each number becomes in `color`, in the first bytes of its entry. A number past the end of the
/// palette becomes opaque black.
fn table(front: &Front<'_>, color: Color) -> [[u8; 4]; 256] {
    let mut table = [[0, 0, 0, 255]; 256];
    let transparency = front.transparency.map_or(&[][..], |chunk| chunk.data);
    if let Some(palette) = front.palette {
        for (entry, rgb) in table.iter_mut().zip(palette.data.chunks_exact(3)) {
            entry[..3].copy_from_slice(rgb);
        }
        for (entry, &alpha) in table.iter_mut().zip(transparency) {
            entry[3] = alpha;
        }
    } else {
        let most = (1_usize << front.header.bits) - 1;
        for (number, entry) in table.iter_mut().take(most + 1).enumerate() {
            let gray = (number * 255 / most) as u8;
            *entry = [gray, gray, gray, 255];
        }
        if let [_, low, ..] = transparency {
            table[usize::from(*low) & most][3] = 0;
        }
    }
    if color == Color::Gray {
        for entry in &mut table {
            let [r, g, b, _] = *entry;
            entry[0] = luma([r, g, b]);
        }
    }
    table
}

/// The bytes of the pixel that is transparent, in a picture without an alpha channel.
fn transparent(front: &Front<'_>) -> Option<Vec<u8>> {
    let header = &front.header;
    let numbers = front.transparency?.data.get(..2 * header.channels)?;
    let skip = if header.bits == 16 { 0 } else { 1 };
    Some(numbers.chunks_exact(2).flat_map(|number| &number[skip..]).copied().collect())
}
