//! Half the height and half the width at once, in AVX-512 VBMI.

use std::arch::x86_64::__m512i;

use pulp::{NullaryFnOnce, cast};
use tallow_images::Vbmi;

/// Bytes of a vector.
const LANES: usize = 64;

/// Numbers of 16 bits of a vector.
const WORDS: usize = LANES / 2;

/// Makes pixels of `apart` bytes from four rows, which begin with the first of four taps. Returns `false`
/// where a row is shorter than a vector, or pixels have other than one, three or four bytes.
pub(super) fn halved(vbmi: Vbmi, rows: [&[u8]; 4], apart: usize, to: &mut [u8]) -> bool {
    match apart {
        1 if to.len() >= Halved::<1>::MADE => vbmi.vectorize(Halved::<1> { vbmi, rows, to }),
        3 if to.len() >= Halved::<3>::MADE => vbmi.vectorize(Halved::<3> { vbmi, rows, to }),
        4 if to.len() >= Halved::<4>::MADE => vbmi.vectorize(Halved::<4> { vbmi, rows, to }),
        _ => return false,
    }
    true
}

/// A pixel is the sum of four rows of four taps, whose weights are products of 1, 3, 3, 1: at most 9, so
/// that one instruction multiplies bytes and adds two neighbours. Of each row one shuffle puts the first
/// two taps of each pixel side by side, and another the last two. Nothing is stored in between, which
/// takes two thirds of the time of two passes. A block is 24 instructions for the sums and six to round
/// them, two a cycle; one shuffle a row, and one more to move sums to the pixel before, were no faster.
struct Halved<'a, const APART: usize> {
    vbmi: Vbmi,
    rows: [&'a [u8]; 4],
    to: &'a mut [u8],
}

impl<const APART: usize> Halved<'_, APART> {
    /// Bytes that are made together: whole pixels.
    const MADE: usize = WORDS / APART * APART;

    /// Bytes of a row that they are made of.
    const READ: usize = 2 * Self::MADE + 2 * APART;

    /// Where the vector with the last two taps begins: it ends with the last of them, as a row may.
    const LAST: usize = Self::READ - LANES;

    /// The bytes of taps `tap` and `tap + 1` of each pixel in a vector that begins at `start`.
    const fn order(tap: usize, start: usize) -> [u8; LANES] {
        let mut order = [0; LANES];
        let mut at = 0;
        while at < 2 * Self::MADE {
            let (word, tap) = (at / 2, tap + at % 2);
            let pixel = 2 * (word / APART) + tap;
            order[at] = (pixel * APART + word % APART - start) as u8;
            at += 1;
        }
        order
    }

    const ORDERS: [[u8; LANES]; 2] = [Self::order(0, 0), Self::order(2, Self::LAST)];

    /// The sums of the pixels whose first taps are at `at`.
    #[inline(always)]
    fn sums(&self, at: usize, orders: [__m512i; 2], weights: [[__m512i; 2]; 2]) -> __m512i {
        let (bw, mut sums) = (self.vbmi.avx512bw(), self.vbmi.avx512f()._mm512_setzero_si512());
        for (row, weights) in self.rows.iter().zip([0, 1, 1, 0].map(|row| weights[row])) {
            let row = &row[at..][..Self::READ];
            let front = self.vbmi.shuffled(vector(row, 0), orders[0]);
            let back = self.vbmi.shuffled(vector(row, Self::LAST), orders[1]);
            sums = bw._mm512_add_epi16(sums, bw._mm512_maddubs_epi16(front, weights[0]));
            sums = bw._mm512_add_epi16(sums, bw._mm512_maddubs_epi16(back, weights[1]));
        }
        sums
    }
}

impl<const APART: usize> NullaryFnOnce for Halved<'_, APART> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (f, bw) = (self.vbmi.avx512f(), self.vbmi.avx512bw());
        let orders = [cast(Self::ORDERS[0]), cast(Self::ORDERS[1])];
        let pair = |a: u8, b: u8| f._mm512_set1_epi16(i16::from_le_bytes([a, b]));
        let weights = [[pair(1, 3), pair(3, 1)], [pair(3, 9), pair(9, 3)]];
        let (one, half) = (f._mm512_set1_epi16(1), f._mm512_set1_epi16(1 << (15 - 6)));
        let last = self.to.len() - Self::MADE;
        let mut at = 0;
        loop {
            let sums = self.sums(2 * at, orders, weights);
            // One less where the number of 64ths is even, then rounded half up: half to even.
            let is_even = f._mm512_andnot_si512(bw._mm512_srli_epi16::<6>(sums), one);
            let rounded = bw._mm512_mulhrs_epi16(bw._mm512_sub_epi16(sums, is_even), half);
            let pixels: [u8; WORDS] = cast(bw._mm512_cvtepi16_epi8(rounded));
            match self.to[at..].first_chunk_mut::<WORDS>() {
                Some(to) => *to = pixels,
                None => self.to[at..].copy_from_slice(&pixels[..Self::MADE]),
            }
            if at == last {
                return;
            }
            // The last pixels are made twice where they are not as many.
            at = (at + Self::MADE).min(last);
        }
    }
}

#[inline(always)]
fn vector(row: &[u8], at: usize) -> __m512i {
    let bytes: [u8; LANES] = *row[at..].first_chunk().expect("a vector");
    cast(bytes)
}
