//! Where every random number comes from: a key, a stream, a sample, a draw.

use xxhash_rust::xxh3::xxh3_64;

use crate::philox4x32_10;

/// What a stream is drawn for; the low 8 bits of a [`Stream`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Purpose {
    /// The order of an epoch.
    Order = 1,
    /// A split of a source.
    Split = 2,
    /// A substitute for a sample that failed.
    Substitute = 3,
    /// The parameters of a transform.
    Transform = 4,
    /// Synthetic data.
    Data = 5,
    /// What a transform draws for each pixel.
    Noise = 6,
    /// Which other sample is mixed in.
    Partner = 7,
}

/// A stream of random numbers of its own: a 24-bit hash of a step's name and occurrence, and 8
/// bits of purpose. Adding a step therefore leaves the draws of all others alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream(u32);

impl Stream {
    /// The stream of the `occurrence`-th step called `name`, for `purpose`.
    pub fn new(name: &str, occurrence: u32, purpose: Purpose) -> Self {
        let mut bytes = name.as_bytes().to_vec();
        bytes.extend(occurrence.to_le_bytes());
        let hash = (xxh3_64(&bytes) >> 40) as u32;
        Self(hash << 8 | purpose as u32)
    }

    /// The stream of the same step for another purpose.
    #[must_use]
    pub fn with_purpose(self, purpose: Purpose) -> Self {
        Self(self.0 & !0xff | purpose as u32)
    }

    /// The stream as the word of the counter that it fills.
    pub fn word(self) -> u32 {
        self.0
    }
}

/// The key of an epoch or of a row: `mix(seed, epoch)`, and the position where an order can
/// repeat an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The key of an epoch.
    ///
    /// Each part goes through a full mixer, so that (seed 1, epoch 2) has nothing to do with
    /// (seed 2, epoch 1), which `seed + epoch` would make equal.
    pub fn new(seed: u64, epoch: u64) -> Self {
        Self(mix64(mix64(seed ^ 0x9E37_79B9_7F4A_7C15) ^ epoch))
    }

    /// The key of one position of that epoch.
    pub fn at(self, position: u64) -> Self {
        Self(mix64(self.0 ^ mix64(position ^ 0xD6E8_FEB8_6659_FD93)))
    }

    /// The key as Philox takes it.
    pub fn words(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }

    /// The key whose [`bits`](Self::bits) are these: for an engine whose plan carries the key to the
    /// place where numbers are drawn.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The 64 bits of the key.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The draws of `stream` for the sample `index`.
    pub fn draws(self, stream: Stream, index: u64) -> Draws {
        Draws { key: self, stream, index, next: 0, block: [0; 4] }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA'14): a bijection of 64 bits.
pub(crate) fn mix64(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The random numbers of one stream for one sample, in order. Cheap to make: nothing is computed
/// before the first draw.
#[derive(Debug, Clone)]
pub struct Draws {
    key: Key,
    stream: Stream,
    index: u64,
    next: u64,
    block: [u32; 4],
}

impl Draws {
    /// 32 uniform bits. The counter is (block u32, stream u32, index u64); a block holds four.
    pub fn next_u32(&mut self) -> u32 {
        let lane = (self.next % 4) as usize;
        if lane == 0 {
            let block = (self.next / 4) as u32;
            let counter = [block, self.stream.word(), self.index as u32, (self.index >> 32) as u32];
            self.block = philox4x32_10(self.key.words(), counter);
        }
        self.next += 1;
        self.block[lane]
    }

    /// 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// Exactly uniform below `bound` (Lemire, "Fast random integer generation in an interval",
    /// 2019: multiply, and reject the few products that would favour some results).
    ///
    /// # Panics
    ///
    /// When `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing is below 0");
        match u32::try_from(bound) {
            Ok(bound) => u64::from(self.below_u32(bound)),
            Err(_) => self.below_u64(bound),
        }
    }

    fn below_u32(&mut self, bound: u32) -> u32 {
        loop {
            let product = u64::from(self.next_u32()) * u64::from(bound);
            let low = product as u32;
            // The exact threshold needs a division: ask for it only where it could matter.
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 32) as u32;
            }
        }
    }

    fn below_u64(&mut self, bound: u64) -> u64 {
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            let low = product as u64;
            if low >= bound || low >= bound.wrapping_neg() % bound {
                return (product >> 64) as u64;
            }
        }
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    pub fn unit_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_and_epoch_do_not_trade_places() {
        assert_ne!(Key::new(1, 2), Key::new(2, 1));
        assert_ne!(Key::new(0, 1), Key::new(1, 0));
        assert_ne!(Key::new(5, 0).at(0), Key::new(5, 0));
    }

    #[test]
    fn streams_of_other_names_occurrences_and_purposes_differ() {
        let stream = Stream::new("flip", 0, Purpose::Transform);
        assert_ne!(stream, Stream::new("flip", 1, Purpose::Transform));
        assert_ne!(stream, Stream::new("crop", 0, Purpose::Transform));
        assert_ne!(stream, Stream::new("flip", 0, Purpose::Order));
        assert_eq!(stream.word() & 0xff, Purpose::Transform as u32);
    }

    #[test]
    fn draws_follow_the_documented_counter() {
        let (key, stream) = (Key::new(3, 4), Stream::new("x", 0, Purpose::Data));
        let mut draws = key.draws(stream, 1 << 40 | 9);
        let drawn: Vec<u32> = (0..8).map(|_| draws.next_u32()).collect();
        let second = philox4x32_10(key.words(), [1, stream.word(), 9, 1 << 8]);
        assert_eq!(drawn[4..], second);
    }

    #[test]
    fn below_is_uniform_and_in_range() {
        let mut draws = Key::new(1, 1).draws(Stream::new("t", 0, Purpose::Data), 0);
        let mut counts = [0u32; 7];
        for _ in 0..70_000 {
            counts[draws.below(7) as usize] += 1;
        }
        let chi2: f64 = counts.iter().map(|&c| (f64::from(c) - 1e4).powi(2) / 1e4).sum();
        assert!(chi2 < 22.5, "chi squared {chi2} with 6 degrees of freedom (p = 0.001)");
        let bound = (1u64 << 33) + 1;
        assert!((0..1000).all(|_| draws.below(bound) < bound));
    }
}
