//! The two instructions of AVX-512 VBMI that shuffle 64 bytes at once, which pulp does not wrap, and
//! what goes with them.

use std::arch::x86_64::{__m512i, _mm512_permutex2var_epi8, _mm512_permutexvar_epi8};

use pulp::core_arch::x86::{Avx512bw, Avx512f};

pulp::simd_type! {
    /// Proof that the processor has AVX-512 VBMI. Its methods are meant for what runs in
    /// [`vectorize`](Self::vectorize): elsewhere each is a call.
    pub struct Vbmi {
        avx512f: "avx512f",
        avx512bw: "avx512bw",
        avx512vbmi: "avx512vbmi",
    }
}

impl Vbmi {
    /// Proof of AVX-512F, without which no processor has the rest.
    #[inline(always)]
    pub fn avx512f(self) -> Avx512f {
        self.avx512f
    }

    /// Proof of AVX-512BW, with which it comes.
    #[inline(always)]
    pub fn avx512bw(self) -> Avx512bw {
        self.avx512bw
    }

    /// The bytes of `from` at the lower six bits of each byte of `at`.
    #[inline(always)]
    pub fn shuffled(self, from: __m512i, at: __m512i) -> __m512i {
        // SAFETY: the processor has the instruction: there is no other way to a `Vbmi` than its
        // `try_new`, which asks for that, and one that is unsafe.
        unsafe { _mm512_permutexvar_epi8(at, from) }
    }

    /// The bytes of two vectors, the second behind the first, at the lower seven bits of each byte of
    /// `at`.
    #[inline(always)]
    pub fn shuffled_of_two(self, from: [__m512i; 2], at: __m512i) -> __m512i {
        // SAFETY: as in `shuffled`.
        unsafe { _mm512_permutex2var_epi8(from[0], at, from[1]) }
    }

    /// The top bit of each byte.
    #[inline(always)]
    pub fn top_bits(self, bytes: __m512i) -> u64 {
        self.avx512bw._mm512_movepi8_mask(bytes)
    }

    /// The bytes of the first vector where `mask` has no bit, and of the second where it has.
    #[inline(always)]
    pub fn chosen(self, from: [__m512i; 2], mask: u64) -> __m512i {
        self.avx512bw._mm512_mask_blend_epi8(mask, from[0], from[1])
    }
}

#[cfg(test)]
mod tests {
    use pulp::cast;

    use super::*;

    #[test]
    fn bytes_are_found_by_their_number() {
        let Some(vbmi) = Vbmi::try_new() else { return };
        let bytes: [u8; 128] = std::array::from_fn(|i| (i * 5 + 1) as u8);
        let (low, high) = bytes.split_at(64);
        let [low, high]: [[u8; 64]; 2] = [low.try_into().unwrap(), high.try_into().unwrap()];
        let at: [u8; 64] = std::array::from_fn(|i| (i * 37 + 11) as u8);
        let found: [u8; 64] = cast(vbmi.shuffled(cast(low), cast(at)));
        assert_eq!(found, at.map(|at| bytes[usize::from(at % 64)]));
        let found: [u8; 64] = cast(vbmi.shuffled_of_two([cast(low), cast(high)], cast(at)));
        assert_eq!(found, at.map(|at| bytes[usize::from(at % 128)]));
        let mask = vbmi.top_bits(cast(at));
        let found: [u8; 64] = cast(vbmi.chosen([cast([0u8; 64]), cast([1u8; 64])], mask));
        assert_eq!(found, at.map(|at| at >> 7));
    }
}
